package sweep

import (
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock/clocktest"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// resumed is long enough to notice that the machine was suspended.
const resumed = 15 * time.Second

// withClock runs a sweeper whose machine has a wall clock that check sets.
func withClock(t *testing.T, a *aws, w *watcher, check func(*clocktest.Wall)) {
	t.Helper()
	wall := &clocktest.Wall{}
	defer clock.Simulate(wall.Now)()
	run(t, a, w, func(*Sweeper) { check(wall) })
}

func TestSuspension(t *testing.T) {
	for _, test := range []struct {
		name string
		// after changes AWS while the machine is suspended.
		after func(*aws)
		want  string
	}{
		{"calls succeed", func(a *aws) { a.lists[memberTarget][0].Status = "DISABLED" }, "1:uncovered 2:uncovered"},
		{"calls fail", func(a *aws) {
			a.fails["ListAnalyzers "+member], a.fails["ListAnalyzers "+admin] = inventory.Network, inventory.Network
		}, "1:unknown 2:unknown"},
		{"calls hang", func(a *aws) { a.hangs[member], a.hangs[admin] = true, true }, "1:unknown 2:unknown"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, w := newAWS(), newWatcher()
			w.opts.Findings = false // a count would publish too
			a.add(member, "ACCOUNT", "ACTIVE")
			withClock(t, a, w, func(wall *clocktest.Wall) {
				a.do(func() { test.after(a) })
				wall.Step(2 * time.Hour)
				expect(t, "after the suspension", states(w.after(resumed)), test.want)
				wall.Step(-2 * time.Hour)
				expect(t, "when the clock is set back", states(w.after(w.opts.Interval+w.opts.Timeout)), test.want)
			})
		})
	}
}

// A suspension makes everything due: sweeps, counts and details.
func TestEverythingIsDueAfterASuspension(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT_UNUSED_ACCESS", "ACTIVE")
	withClock(t, a, w, func(wall *clocktest.Wall) {
		for n := 1; n <= 3; n++ {
			for _, operation := range []string{"ListAnalyzers", "GetAnalyzer", "ListArchiveRules", "ListFindings"} {
				if want := map[string]int{"ListAnalyzers": 2}[operation] * n; a.count(operation) != max(n, want) {
					t.Errorf("%d calls of %s after %d suspensions, want %d", a.count(operation), operation, n-1, max(n, want))
				}
			}
			wall.Step(2 * time.Hour)
			w.after(resumed)
		}
	})
}

// A clock that is set back leaves the schedule alone.
func TestClockSetBack(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	withClock(t, a, w, func(wall *clocktest.Wall) {
		wall.Step(-5 * time.Hour)
		w.after(time.Hour)
		if n := a.count("ListAnalyzers"); n != 2*5 {
			t.Errorf("%d lists of 2 targets, want one of each every quarter of an hour", n)
		}
		if n := a.count("ListFindings"); n != 3 {
			t.Errorf("%d counts, want one every half hour", n)
		}
	})
}

// A clock that was set back does not hide a suspension that follows.
func TestSuspensionAfterTheClockWasSetBack(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	withClock(t, a, w, func(wall *clocktest.Wall) {
		a.do(func() { a.hangs[member], a.hangs[admin] = true, true })
		wall.Step(-5 * time.Hour)
		w.after(resumed)
		wall.Step(2 * time.Hour)
		expect(t, "coverage", states(w.after(resumed)), "1:unknown 2:unknown")
	})
}

// What is dropped because of that is due.
func TestEverythingIsDueAfterTheClockWasSetBackAndForward(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT_UNUSED_ACCESS", "ACTIVE")
	withClock(t, a, w, func(wall *clocktest.Wall) {
		wall.Step(-5 * time.Hour)
		w.after(resumed)
		wall.Step(4 * time.Hour)
		w.after(w.opts.Interval)
		for _, operation := range []string{"GetAnalyzer", "ListArchiveRules", "ListFindings"} {
			if n := a.count(operation); n != 2 {
				t.Errorf("%d calls of %s, want 2", n, operation)
			}
		}
	})
}

// Details that became stale in a suspension are due, even if the clock was set back
// before they could be read.
func TestDetailsAreDueAfterASuspension(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT_UNUSED_ACCESS", "ACTIVE")
	withClock(t, a, w, func(wall *clocktest.Wall) {
		a.do(func() { a.fails["ListAnalyzers "+member] = inventory.Network })
		wall.Step(5 * time.Hour)
		w.after(resumed)
		wall.Step(-6 * time.Hour)
		w.after(resumed)
		a.do(func() { delete(a.fails, "ListAnalyzers "+member) })
		w.after(w.opts.Interval + w.opts.Timeout)
		for _, operation := range []string{"GetAnalyzer", "ListArchiveRules"} {
			if n := a.count(operation); n != 2 {
				t.Errorf("%d calls of %s, want 2", n, operation)
			}
		}
	})
}

// A failure after a suspension does not renew a value.
func TestFailureAfterASuspension(t *testing.T) {
	a, w := newAWS(), newWatcher()
	w.opts.StaleAfter = 10 * time.Minute
	a.add(member, "ACCOUNT", "ACTIVE")
	withClock(t, a, w, func(wall *clocktest.Wall) {
		a.do(func() { a.fails["ListAnalyzers "+member] = inventory.Network })
		wall.Step(25 * time.Minute)
		expect(t, "after the suspension", states(w.after(resumed)), "1:covered 2:uncovered")
		expect(t, "10 minutes after it was due", states(w.after(5*time.Minute)), "1:unknown 2:uncovered")
	})
}
