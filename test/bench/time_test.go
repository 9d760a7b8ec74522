package bench

import (
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

var (
	timed            = flag.Int("scale.timed", 10, "how many members TestSweepsOnTime has")
	timedFor         = flag.Duration("scale.timed-for", 33*time.Minute, "how long TestSweepsOnTime lasts, in virtual time")
	timedConcurrency = flag.Int("scale.timed-concurrency", 64, "sweep.concurrency of TestSweepsOnTime")
)

const (
	timedManagement, timedHub = "200000000000", "200000000001"
	// timedInterval and timedTimeout are the defaults of sweeps.
	timedInterval, timedTimeout = 15 * time.Minute, 5 * time.Minute
)

// TestSweepsOnTime measures discovery and sweeps in virtual time, where AWS answers in
// 50 ms and within its published rates (T15), and where it throttles every second
// ListAnalyzers (T16).
func TestSweepsOnTime(t *testing.T) {
	config := func(accounts string) string {
		return fmt.Sprintf("{accounts: {discovery: organization, organization_admins: ['%s']}, %s, findings: {enabled: false}, sweep: {concurrency: %d}}", timedHub, accounts, *timedConcurrency)
	}
	const roles = "assume_role: {name: exporter}"
	for _, test := range []struct {
		name, config string
		throttled    float64
		// rate is how many lists of Regions AWS grants a second.
		rate int
	}{
		{"without roles", config("coverage: {external: {scopes: [organization]}}"), 0, 5},
		{"with roles", config(roles), 0, 0},
		{"with roles, every second list throttled", config(roles), 0.5, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			world := func() *simaws.World { return timedOrganization(test.throttled) }
			lab.Run(t, lab.Setup{Config: test.config, World: world}, func(l *lab.Lab) {
				m := &schedule{throttled: test.throttled > 0}
				for at := time.Second; at <= *timedFor; at += time.Second {
					l.Until(at, nil)
					m.observe(t, l.Exporter.Snapshot(), at)
				}
				m.check(t, test.rate)
			})
		})
	}
}

// timedOrganization is covered in one of 17 Regions.
func timedOrganization(throttled float64) *simaws.World {
	w := lab.NewOrganization(timedManagement, timedHub, lab.Members(*timed)...)
	w.Organization.TrustedServices = append(w.Organization.TrustedServices, "account.amazonaws.com")
	w.Organization.DelegatedAdmins["account.amazonaws.com"] = []string{timedHub}
	w.Latency, w.Quirks.RateLimits = 50*time.Millisecond, true
	w.Analyzers = []*simaws.Analyzer{lab.Analyzer(timedHub, "us-east-1", "ORGANIZATION")}
	if throttled > 0 {
		w.Faults = []*simaws.Fault{{Kind: simaws.Throttled, Operation: "ListAnalyzers", Probability: throttled}}
	}
	return w
}

// schedule is when what happened. Times are since the start.
type schedule struct {
	throttled bool
	last      *inventory.Snapshot
	// ready, listed, known and complete are when a sweep was first published, all
	// accounts were listed, all Regions were known, and no coverage was unknown.
	ready, listed, known, complete time.Duration
	// started is the start of the latest sweep; shortest and longest are times between
	// two starts.
	started           time.Time
	shortest, longest time.Duration
	slowest           time.Duration // of the sweeps
}

func (m *schedule) observe(t *testing.T, s *inventory.Snapshot, at time.Duration) {
	if s == nil || s == m.last {
		return
	}
	m.last = s
	first := func(d *time.Duration, happened bool) {
		if *d == 0 && happened {
			*d = at
		}
	}
	unlisted, unknown := 0, 0
	for _, a := range s.Accounts {
		// AWS lists the Regions of the management account to that account alone.
		if !a.RegionsKnown && a.ID != timedManagement {
			unlisted++
		}
	}
	for _, v := range s.Verdicts {
		if v.State == inventory.Unknown {
			unknown++
		}
	}
	all := len(s.Accounts) == *timed+2
	first(&m.ready, s.Ready)
	first(&m.listed, all)
	first(&m.known, all && unlisted == 0)
	first(&m.complete, all && s.Ready && unknown == 0)
	if m.known > 0 && unlisted > 0 {
		t.Errorf("after %s, %d lists of Regions were lost", at, unlisted)
	}
	m.observeSweep(s)
}

func (m *schedule) observeSweep(s *inventory.Snapshot) {
	sweep := s.Sweeps[inventory.CoverageSweep]
	started := sweep.CompletedAt.Add(-sweep.Duration)
	if !s.Ready {
		return
	}
	m.slowest = max(m.slowest, sweep.Duration)
	if d := started.Sub(m.started); !m.started.IsZero() && d > time.Second {
		m.longest = max(m.longest, d)
		if m.shortest == 0 || d < m.shortest {
			m.shortest = d
		}
	}
	m.started = started
}

// check prints the times, and compares them with what AWS grants. How often a call is
// throttled is random, so that what depends on it is printed alone.
func (m *schedule) check(t *testing.T, rate int) {
	fmt.Printf("%s: %d targets: ready %s, accounts listed %s, Regions known %s, no coverage unknown %s; sweeps up to %s, %s to %s apart\n",
		t.Name(), m.last.TargetCount, m.ready, m.listed, m.known, m.complete, m.slowest.Round(time.Second), m.shortest.Round(time.Second), m.longest.Round(time.Second))
	if m.shortest < timedInterval*95/100 || m.longest > timedInterval*105/100 {
		t.Errorf("sweeps started %s to %s apart, want %s", m.shortest, m.longest, timedInterval)
	}
	const publication = 11 * time.Second
	regions := timedTimeout // they are published with the first sweep
	if rate > 0 {
		regions = time.Duration(*timed) * time.Second / time.Duration(rate) * 11 / 10
	}
	if limit := m.listed + regions + publication; m.known == 0 || !m.throttled && m.known > limit {
		t.Errorf("Regions were known after %s, want %s", m.known, limit)
	}
	if !m.throttled && (m.complete == 0 || m.complete > m.listed+timedTimeout) {
		t.Errorf("coverage was known after %s", m.complete)
	}
}
