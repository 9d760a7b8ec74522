package sweep

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// late is an AWS that answers for the moment of the question, but only after a
// while.
type late struct {
	*aws
	mu   sync.Mutex
	wait time.Duration
}

func (l *late) set(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wait = d
}

func (l *late) pause() {
	l.mu.Lock()
	d := l.wait
	l.mu.Unlock()
	time.Sleep(d)
}

func (l *late) Analyzers(ctx context.Context, account *inventory.Account, region string) ([]*inventory.Analyzer, *inventory.Failure) {
	defer l.pause()
	return l.aws.Analyzers(ctx, account, region)
}

func (l *late) Findings(ctx context.Context, account *inventory.Account, a *inventory.Analyzer, statuses []string, more func(findings.Page) bool) (bool, *inventory.Failure) {
	defer l.pause()
	return l.aws.Findings(ctx, account, a, statuses, more)
}

func runLate(t *testing.T, l *late, w *watcher, see func(*Sweeper)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		s := New(l.aws, l, w.opts, nil)
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Run(ctx)
		}()
		<-s.Ready()
		see(s)
		cancel()
		<-done
	})
}

var (
	memberTarget = inventory.Target{AccountID: member, Region: region}
	memberPlace  = inventory.RefreshKey{Target: memberTarget, AnalyzerARN: "arn:aws:access-analyzer:" + region + ":" + member + ":analyzer/ACCOUNT"}
)

func active(s *inventory.Snapshot) int {
	n := 0
	for _, f := range s.Findings {
		for _, count := range f.Findings.Counts {
			n += count
		}
	}
	return n
}

func TestRefreshIsSeenAtOnce(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	run(t, a, w, func(s *Sweeper) {
		a.do(func() { a.findings, a.lists[memberTarget][0].Status = 7, "DISABLED" })
		for _, p := range []inventory.RefreshKey{memberPlace, {Target: memberTarget}} {
			if f := s.Refresh(context.Background(), p); f != nil {
				t.Error(f)
			}
		}
		s.Publish()
		snapshot := w.snapshot()
		expect(t, "coverage", states(snapshot), "1:uncovered 2:uncovered")
		if n := active(snapshot); n != 7 {
			t.Errorf("%d findings, want 7", n)
		}
		// The count moves the next one away.
		before := a.count("ListFindings")
		w.after(20 * time.Minute)
		if n := a.count("ListFindings") - before; n != 0 {
			t.Errorf("counted %d times within an interval of the refresh", n)
		}
	})
}

// A sweep that asked before a change and is answered after the refresh must not
// bring back what was.
func TestRefreshOutlivesASlowSweep(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	a.findings = 1
	l := &late{aws: a}
	runLate(t, l, w, func(s *Sweeper) {
		w.after(15*time.Minute - time.Second)
		l.set(20 * time.Second)
		w.after(2 * time.Second) // the sweep has asked
		a.do(func() { a.lists[memberTarget][0].Status = "DISABLED" })
		l.set(0)
		if f := s.Refresh(context.Background(), inventory.RefreshKey{Target: memberTarget}); f != nil {
			t.Error(f)
		}
		s.Publish()
		expect(t, "coverage after the refresh", states(w.snapshot()), "1:uncovered 2:uncovered")
		expect(t, "coverage after the sweep", states(w.after(time.Minute)), "1:uncovered 2:uncovered")
		if s := w.snapshot(); s.Sweeps[inventory.CoverageSweep].Duration < 10*time.Second {
			t.Errorf("the sweep took %s: there was nothing to outlive", s.Sweeps[inventory.CoverageSweep].Duration)
		}

		l.set(20 * time.Second)
		before := a.count("ListFindings")
		for a.count("ListFindings") == before {
			w.after(time.Second)
		}
		a.do(func() { a.findings = 5 })
		l.set(0)
		if f := s.Refresh(context.Background(), memberPlace); f != nil {
			t.Error(f)
		}
		s.Publish()
		if n := active(w.after(time.Minute)); n != 5 {
			t.Errorf("%d findings after the sweep, want 5", n)
		}
	})
}

func TestRefreshReadsDetailsAgain(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT_UNUSED_ACCESS", "ACTIVE")
	run(t, a, w, func(s *Sweeper) {
		before := a.count("GetAnalyzer")
		if f := s.Refresh(context.Background(), inventory.RefreshKey{Target: memberTarget}); f != nil || a.count("GetAnalyzer") != before+1 {
			t.Errorf("%v, %d calls of GetAnalyzer", f, a.count("GetAnalyzer")-before)
		}
	})
}

func TestRefreshOfWhatIsNewOrGone(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.findings = 2
	run(t, a, w, func(s *Sweeper) {
		a.do(func() { a.add(member, "ACCOUNT", "ACTIVE") })
		place, ok := s.Locate(memberPlace)
		if want := (inventory.RefreshKey{Target: memberTarget}); !ok || place != want {
			t.Fatalf("located at %v, %v", place, ok)
		}
		if f := s.Refresh(context.Background(), place); f != nil {
			t.Error(f)
		}
		s.Publish()
		snapshot := w.snapshot()
		expect(t, "coverage", states(snapshot), "1:covered 2:uncovered")
		if n := active(snapshot); n != 2 {
			t.Errorf("%d findings of the new analyzer, want 2", n)
		}
		if place, ok = s.Locate(memberPlace); !ok || place != memberPlace {
			t.Errorf("located at %v, %v", place, ok)
		}
		a.do(func() { a.lists[memberTarget] = nil })
		if f := s.Refresh(context.Background(), inventory.RefreshKey{Target: memberTarget}); f != nil {
			t.Error(f)
		}
		s.Publish()
		snapshot = w.snapshot()
		expect(t, "coverage when it is gone", states(snapshot), "1:uncovered 2:uncovered")
		if len(snapshot.Findings) != 0 {
			t.Errorf("counts outlive their analyzer: %v", snapshot.Findings)
		}
	})
}

func TestLocateKnowsTheScope(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.accounts[1].OutOfScope = true
	a.add(admin, "ORGANIZATION", "ACTIVE")
	own := inventory.Target{AccountID: admin, Region: region}
	run(t, a, w, func(s *Sweeper) {
		for _, test := range []struct {
			name  string
			place inventory.RefreshKey
			want  bool
		}{
			{"a target", inventory.RefreshKey{Target: memberTarget}, true},
			{"a witness' analyzers cover others", inventory.RefreshKey{Target: own}, true},
			{"a witness' findings are not exported", inventory.RefreshKey{Target: own, AnalyzerARN: "arn:aws:access-analyzer:" + region + ":" + admin + ":analyzer/ORGANIZATION"}, false},
			{"another Region", inventory.RefreshKey{Target: inventory.Target{AccountID: member, Region: "eu-west-2"}}, false},
			{"another account", inventory.RefreshKey{Target: inventory.Target{AccountID: "999999999999", Region: region}}, false},
		} {
			if _, ok := s.Locate(test.place); ok != test.want {
				t.Errorf("%s: %v", test.name, ok)
			}
		}
	})
}

func TestRefreshTellsFailures(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	a.findings = 3
	run(t, a, w, func(s *Sweeper) {
		a.do(func() { a.fails["ListFindings "+member] = inventory.Throttled })
		if f := s.Refresh(context.Background(), memberPlace); f == nil || f.Reason != inventory.Throttled {
			t.Errorf("%v", f)
		}
		s.Publish()
		snapshot := w.snapshot()
		if n := active(snapshot); n != 3 || len(snapshot.Failures) != 1 {
			t.Errorf("%d findings stand, failures %v", n, snapshot.Failures)
		}
	})
}
