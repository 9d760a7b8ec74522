package incidents_test

import (
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// Sweeps, counts and discovery share sweep.concurrency. Calls that hang or are slow
// must not use so much of it that a sweep ends before it has read its targets.
func TestSlowCallsLeaveTimeForSweeps(t *testing.T) {
	for _, test := range []struct {
		name  string
		fault *simaws.Fault
	}{
		{"lists of Regions hang", &simaws.Fault{Kind: simaws.Timeout, Operation: "ListRegions"}},
		{"lists of findings take long", &simaws.Fault{Kind: simaws.Latency, Operation: "ListFindings*", Delay: 9 * time.Second}},
	} {
		t.Run(test.name, func(t *testing.T) {
			lab.Run(t, lab.Setup{
				Config: "{accounts: {discovery: organization}, assume_role: {name: exporter}, sweep: {concurrency: 8}, regions: {include: [us-east-1, eu-west-1, eu-west-2]}}",
				World:  slowOrganization,
			}, func(l *lab.Lab) {
				l.Until(20*time.Minute, nil)
				targets := l.Scrape().Readable()
				l.AWS.AddFault(test.fault)
				for at := 25 * time.Minute; at <= 75*time.Minute; at += 15 * time.Minute {
					l.Until(at, nil)
					s := l.Scrape()
					duration := lab.Series(s.Families["access_analyzer_exporter_sweep_duration_seconds"], "kind")["coverage"]
					if n := s.Readable(); n != targets || len(s.Coverage) != targets || targets == 0 {
						t.Errorf("after %s the last sweep took %v s and read %d of %d targets; coverage of %d is known", at, duration, n, targets, len(s.Coverage))
					}
				}
			})
		})
	}
}

// slowOrganization is large enough that a sweep with a concurrency of 8 takes a quarter
// of sweep.timeout.
func slowOrganization() *simaws.World {
	w := lab.NewOrganization(lab.Management, lab.Hub, lab.Members(200)...)
	w.Latency = time.Second
	for _, a := range w.Accounts {
		w.Analyzers = append(w.Analyzers, lab.Analyzer(a.ID, "us-east-1", "ACCOUNT"))
	}
	return w
}
