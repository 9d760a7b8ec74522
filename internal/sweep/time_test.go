package sweep

import (
	"context"
	"fmt"
	"math/bits"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// changing is a fleet that changes while a sweeper runs, and whose calls take
// time or are throttled.
type changing struct {
	*aws
	changed chan struct{}
	takes   time.Duration
	// throttled is how many calls are throttled before one is answered, by target.
	throttled map[inventory.Target]int
	// everySecond throttles every second call.
	everySecond bool
	lists       int
}

func newChanging() *changing {
	return &changing{aws: newAWS(), changed: make(chan struct{}), throttled: map[inventory.Target]int{}}
}

func (c *changing) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// change changes the fleet.
func (c *changing) change(do func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *changing) Analyzers(ctx context.Context, account *inventory.Account, region string) ([]*inventory.Analyzer, *inventory.Failure) {
	t := inventory.Target{AccountID: account.ID, Region: region}
	c.mu.Lock()
	takes := c.takes
	c.lists++
	throttled := c.throttled[t] > 0 || c.everySecond && c.lists%2 == 0
	c.throttled[t]--
	c.mu.Unlock()
	failure := &inventory.Failure{AccountID: account.ID, Region: region, Operation: "ListAnalyzers", Reason: inventory.Throttled}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		failure.Reason = inventory.Timeout
		return nil, failure
	}
	if throttled {
		return nil, failure
	}
	return c.aws.Analyzers(ctx, account, region)
}

// start runs a sweeper until it is stopped.
func (c *changing) start(w *watcher, previous *Sweeper) (s *Sweeper, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	s = New(c, c, w.opts, previous)
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	synctest.Wait()
	return s, func() { cancel(); <-done }
}

// Reloads that cancel every sweep must not keep values from becoming stale.
func TestValuesBecomeStaleWithoutFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := newChanging(), newWatcher()
		w.opts.FindingsInterval = 15 * time.Minute
		c.add(member, "ACCOUNT", "ACTIVE")
		s, stop := c.start(w, nil)
		expect(t, "at first", states(w.snapshot()), "1:covered 2:uncovered")
		stop()
		c.takes = time.Hour // no call ends before a reload
		reloadFor := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); {
				s, stop = c.start(w, s)
				time.Sleep(5 * time.Second)
				stop()
			}
		}
		reloadFor(w.opts.Interval + w.opts.StaleAfter)
		expect(t, "within stale_after", states(w.snapshot()), "1:covered 2:uncovered")
		if len(w.snapshot().Findings) != 1 {
			t.Errorf("findings %v", w.snapshot().Findings)
		}
		reloadFor(w.opts.Timeout + time.Minute)
		snapshot := w.snapshot()
		expect(t, "afterwards", states(snapshot), "1:unknown 2:unknown")
		expect(t, "success", successes(snapshot), "1:false 2:false")
		if len(snapshot.Findings) != 0 || len(snapshot.Failures) < 2 || snapshot.Failures[0].Reason != inventory.Timeout {
			t.Errorf("findings %v, failures %v", snapshot.Findings, snapshot.Failures)
		}
	})
}

// A sweep that a reload cancels continues with what it has not read.
func TestReloadsDoNotStarveASweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := newChanging(), newWatcher()
		w.opts.Concurrency = 1
		c.takes = 4 * time.Second
		c.add(member, "ACCOUNT", "ACTIVE")
		s, stop := c.start(w, nil)
		for range 3 {
			time.Sleep(5 * time.Second)
			stop()
			s, stop = c.start(w, s)
		}
		defer stop()
		if w.snapshot() == nil || !w.snapshot().Ready {
			t.Fatal("reloads every 5 s kept a sweep of 8 s from its end")
		}
		expect(t, "coverage", states(w.snapshot()), "1:covered 2:uncovered")
		if c.lists > 4 {
			t.Errorf("%d lists of 2 targets", c.lists)
		}
	})
}

// slowStart is a fleet that takes longer to verify the first time.
type slowStart struct {
	*changing
	verified int
}

func (s *slowStart) Verify(context.Context) {
	s.mu.Lock()
	takes := time.Millisecond
	if s.verified++; s.verified == 1 {
		takes = 10 * time.Second
	}
	s.mu.Unlock()
	time.Sleep(takes)
}

// A sweep without targets, because lists failed, is followed by a pause like any other.
func TestSweepsWithoutTargetsAreSpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fleet, w := &slowStart{changing: newChanging()}, newWatcher()
		ctx, cancel := context.WithCancel(t.Context())
		s := New(fleet, fleet, w.opts, nil)
		done := make(chan struct{})
		go func() { defer close(done); s.Run(ctx) }()
		w.after(time.Minute)
		fleet.do(func() {
			fleet.accounts, fleet.fleets = nil, []inventory.Failure{{Operation: "ListAccounts", Reason: inventory.Throttled}}
		})
		w.after(2 * time.Hour)
		cancel()
		<-done
		if most := 1 + int(2*time.Hour/w.opts.Interval); fleet.verified > most {
			t.Errorf("%d sweeps in 2 hours, want at most %d", fleet.verified, most)
		}
	})
}

// A sweep that a reload cancels is complete when the targets that it had left are gone.
func TestReloadLeavesNothingToRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := newChanging(), newWatcher()
		w.opts.Concurrency = 1
		c.takes = 4 * time.Second
		s, stop := c.start(w, nil)
		time.Sleep(5 * time.Second)
		stop()
		read := slices.IndexFunc(c.accounts, func(a inventory.Account) bool {
			return s.state.ReadSince(inventory.Target{AccountID: a.ID, Region: region}, time.Time{})
		})
		c.accounts = c.accounts[read : read+1]
		c.fleets = []inventory.Failure{{Operation: "ListDelegatedAdministrators", Reason: inventory.Throttled}}
		_, stop = c.start(w, s)
		defer stop()
		if !w.snapshot().Ready || c.lists != 2 {
			t.Errorf("ready %v after %d lists", w.snapshot().Ready, c.lists)
		}
	})
}

// A reload that changes nothing that is read leaves the schedule alone.
func TestReloadKeepsTheSchedule(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint(restart), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, w := newChanging(), newWatcher()
				s, stop := c.start(w, nil)
				w.opts.Restart = restart
				for range 120 {
					time.Sleep(5 * time.Second)
					stop()
					s, stop = c.start(w, s)
				}
				stop()
				// Without a change there is the first sweep alone. With changes all the
				// time, sweeps follow after 30 s, 1 min, 2 min, 4 min …
				if most := map[bool]int{false: 2, true: 2 * 6}[restart]; c.lists > most || restart && c.lists < 6 {
					t.Errorf("%d lists of 2 targets in 10 minutes, want at most %d", c.lists, most)
				}
			})
		})
	}
}

// The state is handed over when the old sweeper has ended: until then its counts
// are under its own options.
func TestHandoverIsOneMoment(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	first := New(a, a, w.opts, nil)
	first.Once(t.Context())
	w.opts.FindingStatuses = []string{"ACTIVE", "ARCHIVED"}
	second := New(a, a, w.opts, first)
	first.opts.FindingsInterval = time.Nanosecond
	first.Once(t.Context()) // a count that ends after the reload
	before := a.count("ListFindings")
	if s := second.Once(t.Context()); a.count("ListFindings") == before || len(s.Findings) != 1 {
		t.Errorf("ARCHIVED findings are taken from a count of ACTIVE ones: %v", s.Findings)
	}
}

// T16
func TestThrottledTargetsAreReadWithinTheTimeout(t *testing.T) {
	for name, throttle := range map[string]func(*changing, *watcher){
		"one target five times": func(c *changing, _ *watcher) { c.throttled[memberTarget] = 5 },
		"every second call":     func(c *changing, _ *watcher) { c.everySecond = true },
		"half of the targets, half of these again, …": func(c *changing, w *watcher) {
			w.opts.Timeout = time.Minute
			for i := range c.accounts {
				a := &c.accounts[i]
				a.Regions = nil
				for r := range 10 {
					a.Regions = append(a.Regions, fmt.Sprint("eu-west-", r))
					c.throttled[inventory.Target{AccountID: a.ID, Region: a.Regions[r]}] = bits.TrailingZeros(uint(10*i + r + 1))
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, w := newChanging(), newWatcher()
				for i := range 32 {
					c.addThird(nil)
					c.accounts[len(c.accounts)-1].ID = fmt.Sprint(300000000000 + i)
				}
				throttle(c, w)
				_, stop := c.start(w, nil)
				defer stop()
				if s := w.snapshot(); s == nil || !s.Ready {
					t.Fatal("the first publication waits for throttled targets")
				}
				unknown := 0
				for _, v := range w.after(w.opts.Timeout).Verdicts {
					if v.State == inventory.Unknown {
						unknown++
					}
				}
				if unknown > 0 {
					t.Errorf("%d targets are unknown after sweep.timeout", unknown)
				}
			})
		})
	}
}

// A target that is throttled for ever keeps that reason, and costs few calls.
func TestAlwaysThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := newChanging(), newWatcher()
		c.throttled[memberTarget] = 1 << 20
		_, stop := c.start(w, nil)
		defer stop()
		s := w.after(14 * time.Minute)
		if len(s.Failures) != 1 || s.Failures[0].Reason != inventory.Throttled {
			t.Errorf("failures %v", s.Failures)
		}
		if c.lists < 10 || c.lists > 20 {
			t.Errorf("%d lists in a sweep", c.lists)
		}
	})
}

// Targets that are discovered after a sweep began are read without waiting for
// the next.
func TestDiscoveredTargetsAreReadBetweenSweeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := newChanging(), newWatcher()
		_, stop := c.start(w, nil)
		defer stop()
		w.after(time.Minute)
		c.change(func() { c.addThird(nil) })
		expect(t, "coverage", states(w.after(updateInterval)), "1:uncovered 2:uncovered 3:uncovered")
		completed := w.snapshot().Sweeps[inventory.CoverageSweep].CompletedAt
		for i := range 100 {
			c.change(func() { c.accounts[2].Name = fmt.Sprint(i) })
			time.Sleep(time.Second)
		}
		if c.lists != 3 || !w.snapshot().Sweeps[inventory.CoverageSweep].CompletedAt.Equal(completed) {
			t.Errorf("%d lists of 3 targets", c.lists)
		}
	})
}

// Also those that AWS throttles.
func TestDiscoveredTargetsAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := newChanging(), newWatcher()
		_, stop := c.start(w, nil)
		defer stop()
		w.after(time.Minute)
		c.change(func() {
			c.addThird(nil)
			c.throttled[inventory.Target{AccountID: c.accounts[2].ID, Region: c.accounts[2].Regions[0]}] = 4
		})
		expect(t, "coverage", states(w.after(time.Minute)), "1:uncovered 2:uncovered 3:uncovered")
	})
}

// An organization analyzer that changes its status every few seconds makes members
// skippable and not skippable in turns.
func TestForcedSweepsAreSpaced(t *testing.T) {
	a, w := skipping()
	run(t, a, w, func(s *Sweeper) {
		for i := range 360 {
			a.do(func() { a.lists[adminTarget][0].Status = []string{"ACTIVE", "DISABLED"}[i%2] })
			_ = s.Refresh(context.Background(), inventory.RefreshKey{Target: adminTarget})
			s.Publish()
			w.after(5 * time.Second)
		}
		// Each sweep lists the administrator once, or both.
		if n := a.count("ListAnalyzers") - 360; n > 2*10 {
			t.Errorf("%d lists by sweeps in half an hour", n)
		}
	})
}

func TestHangingAdministratorLeavesTimeForMembers(t *testing.T) {
	a, w := skipping()
	a.add(member, "ACCOUNT", "ACTIVE")
	a.hangs[admin] = true
	run(t, a, w, func(*Sweeper) {
		expect(t, "coverage", states(w.after(w.opts.Timeout)), "1:covered 2:unknown")
	})
}

// unanswered is how long a call takes that AWS does not answer.
const unanswered = 25 * time.Second

// silent has accounts and a Region that accept connections and never answer.
type silent struct {
	*aws
	accounts, regions map[string]bool
}

func (s *silent) wait(ctx context.Context, account *inventory.Account, region, operation string) *inventory.Failure {
	takes := time.Second
	if s.accounts[account.ID] || s.regions[region] {
		takes = unanswered
	}
	ctx, cancel := context.WithTimeout(ctx, takes)
	defer cancel()
	<-ctx.Done()
	if takes < unanswered {
		return nil
	}
	return &inventory.Failure{AccountID: account.ID, Region: region, Operation: operation, Reason: inventory.Timeout}
}

func (s *silent) Analyzers(ctx context.Context, account *inventory.Account, region string) ([]*inventory.Analyzer, *inventory.Failure) {
	if f := s.wait(ctx, account, region, "ListAnalyzers"); f != nil {
		return nil, f
	}
	return s.aws.Analyzers(ctx, account, region)
}

func (s *silent) Findings(ctx context.Context, account *inventory.Account, a *inventory.Analyzer, statuses []string, more func(findings.Page) bool) (bool, *inventory.Failure) {
	if f := s.wait(ctx, account, a.Region, "ListFindings"); f != nil {
		return true, f
	}
	return s.aws.Findings(ctx, account, a, statuses, more)
}

// What does not answer must not use up the time of what does, with few workers too.
func TestWhatHangsLeavesTimeForTheRest(t *testing.T) {
	for _, test := range []struct {
		name              string
		accounts, regions []string
	}{
		{"administrators", []string{"300000000000", "300000000001", "300000000002", "300000000003", "300000000004"}, nil},
		{"a Region", nil, []string{"eu-west-9"}},
		{"both", []string{"300000000000", "300000000001"}, []string{"eu-west-9"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, w := &silent{aws: newAWS(), accounts: map[string]bool{}, regions: map[string]bool{}}, newWatcher()
				for _, id := range test.accounts {
					s.accounts[id] = true
				}
				for _, r := range test.regions {
					s.regions[r] = true
				}
				for i := range 40 {
					a := s.aws.accounts[0]
					a.ID, a.Regions = fmt.Sprint(300000000000+i), nil
					for r := range 10 {
						a.Regions = append(a.Regions, fmt.Sprint("eu-west-", r))
					}
					s.aws.accounts = append(s.aws.accounts, a)
				}
				ctx, cancel := context.WithCancel(context.Background())
				done := make(chan struct{})
				sweeper := New(s, s, w.opts, nil)
				go func() { defer close(done); sweeper.Run(ctx) }()
				snapshot := w.after(w.opts.Timeout)
				if len(snapshot.Targets) < 40*10 {
					t.Fatalf("%d targets", len(snapshot.Targets))
				}
				for _, target := range snapshot.Targets {
					if silent := s.accounts[target.AccountID] || s.regions[target.Region]; !silent && target.LastSuccess.IsZero() {
						t.Errorf("%s in %s was not read", target.AccountID, target.Region)
					}
				}
				cancel()
				<-done
			})
		})
	}
}

// endless has findings without end.
type endless struct{ *aws }

func (e endless) Findings(ctx context.Context, account *inventory.Account, a *inventory.Analyzer, statuses []string, more func(findings.Page) bool) (bool, *inventory.Failure) {
	for {
		select {
		case <-time.After(7 * time.Second):
			_, _ = e.aws.Findings(ctx, account, a, statuses, more)
			continue
		case <-ctx.Done():
		}
		break
	}
	return true, &inventory.Failure{AccountID: account.ID, Region: a.Region, Operation: "ListFindings", Reason: inventory.Timeout, Message: "AWS did not answer"}
}

// An audit ends although a list does not, and says which, how much of it was read, and
// what decides about the time.
func TestEndlessFindings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, w := newAWS(), newWatcher()
		a.add(member, "ACCOUNT", "ACTIVE")
		a.findings = 100
		w.opts.Once = true
		start := time.Now()
		s := New(a, endless{a}, w.opts, nil).Once(t.Context())
		if d := time.Since(start); d != 30*time.Minute {
			t.Errorf("it took %s", d)
		}
		want := "the findings of ACCOUNT were not counted within 30m0s (findings.interval): AWS did not answer (after 257 pages with 25700 findings)"
		if len(s.Failures) != 1 || s.Failures[0].Message != want || s.Failures[0].Detail != inventory.FindingsTimeout {
			t.Errorf("failures %+v, want %q", s.Failures, want)
		}
		expect(t, "coverage", states(s), "1:covered 2:uncovered")
	})
}
