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

// late is an AWS whose responses are of the time of the request but delayed.
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

func runLate(t *testing.T, l *late, w *watcher, check func(*Sweeper)) {
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
		check(s)
		cancel()
		<-done
	})
}

var (
	memberTarget = inventory.Target{AccountID: member, Region: region}
	memberKey    = inventory.RefreshKey{Target: memberTarget, AnalyzerARN: "arn:aws:access-analyzer:" + region + ":" + member + ":analyzer/ACCOUNT"}
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

func TestRefreshIsPublished(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	run(t, a, w, func(s *Sweeper) {
		a.do(func() { a.findings, a.lists[memberTarget][0].Status = 7, "DISABLED" })
		for _, p := range []inventory.RefreshKey{memberKey, {Target: memberTarget}} {
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
		// The next count is an interval after the refresh.
		before := a.count("ListFindings")
		w.after(20 * time.Minute)
		if n := a.count("ListFindings") - before; n != 0 {
			t.Errorf("counted %d times within an interval of the refresh", n)
		}
	})
}

// A sweep whose request precedes a change and whose response follows the refresh
// must not restore the former state.
func TestRefreshOutlivesASlowSweep(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	a.findings = 1
	l := &late{aws: a}
	runLate(t, l, w, func(s *Sweeper) {
		w.after(15*time.Minute - time.Second)
		l.set(20 * time.Second)
		w.after(2 * time.Second) // the sweep has sent its requests
		a.do(func() { a.lists[memberTarget][0].Status = "DISABLED" })
		l.set(0)
		if f := s.Refresh(context.Background(), inventory.RefreshKey{Target: memberTarget}); f != nil {
			t.Error(f)
		}
		s.Publish()
		expect(t, "coverage after the refresh", states(w.snapshot()), "1:uncovered 2:uncovered")
		expect(t, "coverage after the sweep", states(w.after(time.Minute)), "1:uncovered 2:uncovered")
		if s := w.snapshot(); s.Sweeps[inventory.CoverageSweep].Duration < 10*time.Second {
			t.Errorf("the sweep took %s: it did not overlap the refresh", s.Sweeps[inventory.CoverageSweep].Duration)
		}

		l.set(20 * time.Second)
		before := a.count("ListFindings")
		for a.count("ListFindings") == before {
			w.after(time.Second)
		}
		a.do(func() { a.findings = 5 })
		l.set(0)
		if f := s.Refresh(context.Background(), memberKey); f != nil {
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

func TestRefreshOfNewAndDeletedAnalyzers(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.findings = 2
	run(t, a, w, func(s *Sweeper) {
		a.do(func() { a.add(member, "ACCOUNT", "ACTIVE") })
		located, ok := s.Locate(memberKey)
		if want := (inventory.RefreshKey{Target: memberTarget}); !ok || located != want {
			t.Fatalf("located %v, %v", located, ok)
		}
		if f := s.Refresh(context.Background(), located); f != nil {
			t.Error(f)
		}
		s.Publish()
		snapshot := w.snapshot()
		expect(t, "coverage", states(snapshot), "1:covered 2:uncovered")
		if n := active(snapshot); n != 2 {
			t.Errorf("%d findings of the new analyzer, want 2", n)
		}
		if located, ok = s.Locate(memberKey); !ok || located != memberKey {
			t.Errorf("located %v, %v", located, ok)
		}
		a.do(func() { a.lists[memberTarget] = nil })
		if f := s.Refresh(context.Background(), inventory.RefreshKey{Target: memberTarget}); f != nil {
			t.Error(f)
		}
		s.Publish()
		snapshot = w.snapshot()
		expect(t, "coverage when it is deleted", states(snapshot), "1:uncovered 2:uncovered")
		if len(snapshot.Findings) != 0 {
			t.Errorf("counts of a deleted analyzer: %v", snapshot.Findings)
		}
	})
}

func TestLocateScope(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.accounts[1].OutOfScope = true
	a.add(admin, "ORGANIZATION", "ACTIVE")
	own := inventory.Target{AccountID: admin, Region: region}
	run(t, a, w, func(s *Sweeper) {
		for _, test := range []struct {
			name string
			key  inventory.RefreshKey
			want bool
		}{
			{"a target", inventory.RefreshKey{Target: memberTarget}, true},
			{"analyzers of an account out of scope cover others", inventory.RefreshKey{Target: own}, true},
			{"findings of an account out of scope are not exported", inventory.RefreshKey{Target: own, AnalyzerARN: "arn:aws:access-analyzer:" + region + ":" + admin + ":analyzer/ORGANIZATION"}, false},
			{"another Region", inventory.RefreshKey{Target: inventory.Target{AccountID: member, Region: "eu-west-2"}}, false},
			{"another account", inventory.RefreshKey{Target: inventory.Target{AccountID: "999999999999", Region: region}}, false},
		} {
			if _, ok := s.Locate(test.key); ok != test.want {
				t.Errorf("%s: %v", test.name, ok)
			}
		}
	})
}

func TestRefreshReturnsFailures(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	a.findings = 3
	run(t, a, w, func(s *Sweeper) {
		a.do(func() { a.fails["ListFindings "+member] = inventory.Throttled })
		if f := s.Refresh(context.Background(), memberKey); f == nil || f.Reason != inventory.Throttled {
			t.Errorf("%v", f)
		}
		s.Publish()
		snapshot := w.snapshot()
		if n := active(snapshot); n != 3 || len(snapshot.Failures) != 1 {
			t.Errorf("%d findings, failures %v", n, snapshot.Failures)
		}
	})
}
