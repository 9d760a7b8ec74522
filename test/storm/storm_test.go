package storm_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

const (
	accounts = 20
	regions  = 6
	targets  = accounts * regions
	sweeps   = 10 // during the storm
	begins   = 150 * time.Second
	ends     = begins + sweeps*time.Minute
)

var setup = lab.Setup{
	Config: "{accounts: {discovery: organization}, assume_role: {name: exporter}, sweep: {interval: 1m, timeout: 50s}, findings: {enabled: false}, " +
		"regions: {include: [us-east-1, us-east-2, us-west-2, eu-west-1, eu-central-1, ap-south-1]}}",
	World: func() *simaws.World { return lab.NewOrganization(lab.Hub, lab.Hub, lab.Members(accounts-1)...) },
}

// TestStorm throttles every call for ten sweeps.
func TestStorm(t *testing.T) {
	lab.Run(t, setup, func(l *lab.Lab) {
		l.Until(begins, nil)
		expectReadable(l, "before the storm", targets)
		before := len(l.AWS.Calls(simaws.CallFilter{}))
		end := l.Fault(simaws.Fault{Kind: simaws.Throttled})
		l.Until(ends, func(s lab.State) {
			if len(s.Coverage) != targets {
				t.Errorf("%d of %d targets have their last known coverage", len(s.Coverage), targets)
			}
		})
		calls := l.AWS.Calls(simaws.CallFilter{})[before:]
		expectReadable(l, "in the storm", 0)
		end()
		l.Until(ends+2*time.Minute, nil)
		expectReadable(l, "two sweeps after the storm", targets)
		expectFewCalls(t, calls)
	})
}

func expectReadable(l *lab.Lab, when string, want int) {
	l.T.Helper()
	if n := l.Scrape().Readable(); n != want {
		l.T.Errorf("%s %d of %d targets can be read, want %d", when, n, targets, want)
	}
}

// expectFewCalls bounds the calls of the storm, in total and for each target, and
// the retries in a tenth of a second: without jitter all come at once.
func expectFewCalls(t *testing.T, calls []simaws.Call) {
	t.Helper()
	perTarget, retries := map[string]int{}, map[int64]int{}
	read := map[string]bool{} // in this sweep
	for _, c := range calls {
		target := c.Subject + "/" + c.Region + "/" + c.Operation
		perTarget[target]++
		if c.Operation == "GetCallerIdentity" { // a sweep begins with it, be it retried for seconds
			clear(read)
			continue
		}
		if read[target] {
			retries[c.Time.UnixMilli()/100]++
		}
		read[target] = true
	}
	for target, n := range perTarget {
		// Three attempts at first, then one in each sweep, and up to five more with
		// longer and longer pauses before sweep.timeout.
		if n > 6*sweeps+2 && strings.HasSuffix(target, "/ListAnalyzers") {
			t.Errorf("%d calls for %s in ten sweeps", n, target)
		}
	}
	if most := (6*sweeps + 3) * targets; len(calls) > most {
		t.Errorf("%d calls in ten sweeps of %d targets, want %d at most", len(calls), targets, most)
	}
	busiest := slices.Max(slices.Collect(maps.Values(retries)))
	if busiest > targets/2 {
		t.Errorf("%d retries in a tenth of a second: they are synchronized", busiest)
	}
	t.Logf("%d calls in the storm, at most %d retries in a tenth of a second; ten sweeps without it are %d calls", len(calls), busiest, sweeps*targets)
}

// TestStormInOtherAccounts throttles three accounts of four. The others have
// occasional errors, which their retries must still overcome.
func TestStormInOtherAccounts(t *testing.T) {
	lab.Run(t, setup, func(l *lab.Lab) {
		end := l.Fault(
			simaws.Fault{Kind: simaws.ServiceError, Service: "access-analyzer", Account: lab.Hub + "|10000000000[0-3]", Probability: .1},
			simaws.Fault{Kind: simaws.Throttled, Service: "access-analyzer", Account: "10000000000[4-9]|10000000001?"},
		)
		const healthy = 5 * regions
		failed, reads := 0, 0
		for minute := range 12 {
			l.Until(time.Duration(minute)*time.Minute+55*time.Second, nil)
			failed, reads = failed+healthy-l.Scrape().Readable(), reads+healthy
		}
		// One in a thousand fails three times in a row; one in ten fails once.
		if failed > reads/50 {
			t.Errorf("healthy targets failed %d times of %d", failed, reads)
		}
		t.Logf("healthy targets failed %d times of %d", failed, reads)
		end()
		l.Until(15*time.Minute, nil)
		expectReadable(l, fmt.Sprint("after ", 15*time.Minute), targets)
	})
}
