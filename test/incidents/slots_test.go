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

// Accounts whose Regions are read one by one, at the rate of AWS in each account, do not
// wait for each other.
func TestRegionsAreReadSideBySide(t *testing.T) {
	lab.Run(t, lab.Setup{
		Config: "{accounts: {discovery: organization}, assume_role: {name: exporter}, sweep: {concurrency: 8}}",
		World: func() *simaws.World {
			w := lab.NewOrganization(lab.Management, lab.Hub, lab.Members(62)...)
			w.Faults = []*simaws.Fault{{Kind: simaws.AccessDenied, Operation: "ListRegions"}}
			return w
		},
	}, func(l *lab.Lab) {
		l.Until(2*time.Minute, nil)
		failures := lab.Series(l.Scrape().Families["access_analyzer_exporter_discovery_failures"], "operation", "reason")
		if failures["ListRegions/other"] != 0 || failures["ListRegions/access_denied"] != 64 {
			t.Errorf("after two minutes: %v", failures)
		}
	})
}

// Accounts of the configuration whose organization cannot be read delay no sweep.
func TestUnreachableOrganizationsDelayNoSweep(t *testing.T) {
	static := ""
	for _, id := range lab.Members(50) {
		static += ", {id: '" + id + "', role_arn: 'arn:aws:iam::" + id + ":role/exporter'}"
	}
	lab.Run(t, lab.Setup{
		Config: "{accounts: {static: [" + static[2:] + "]}, regions: {include: [us-east-1, eu-west-1]}}",
		World: func() *simaws.World {
			w := lab.NewOrganization(lab.Hub, lab.Hub, lab.Members(50)...)
			for _, a := range w.Accounts[1:] {
				a.Standalone = true
			}
			w.Latency = 50 * time.Millisecond
			w.Faults = []*simaws.Fault{{Kind: simaws.Timeout, Service: "organizations"}}
			return w
		},
	}, func(l *lab.Lab) {
		start := time.Now()
		const interval, late = 15 * time.Minute, 2 * time.Second
		for sweep := range 5 {
			l.Until(time.Duration(sweep)*interval+3*time.Second, nil)
			s := l.Scrape()
			completed := lab.Series(s.Families["access_analyzer_exporter_sweep_last_completed_timestamp_seconds"], "kind")["coverage"]
			due := start.Add(time.Duration(sweep) * interval)
			if end := time.UnixMilli(int64(completed * 1000)); end.Before(due) || end.After(due.Add(late)) {
				t.Errorf("sweep %d is due at %s and completed at %s", sweep, due, end)
			}
		}
	})
}
