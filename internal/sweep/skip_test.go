package sweep

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const third = "333333333333"

var adminTarget = inventory.Target{AccountID: admin, Region: region}

// skipping returns an organization whose analyzer covers the member.
func skipping() (*aws, *watcher) {
	a, w := newAWS(), newWatcher()
	a.accounts[0].Role = inventory.Member
	a.accounts[1].Role = inventory.DelegatedAdmin
	a.add(admin, "ORGANIZATION", "ACTIVE")
	w.opts.SkipCovered = true
	return a, w
}

func (a *aws) addThird(org *inventory.Organization) {
	a.accounts = append(a.accounts, inventory.Account{
		ID: third, Role: inventory.Member, Organization: org, Queried: true, Regions: []string{region}, RegionsKnown: true,
	})
}

func TestCoveredMembersAreNotRead(t *testing.T) {
	a, w := skipping()
	a.add(member, "ACCOUNT", "ACTIVE")
	run(t, a, w, func(s *Sweeper) {
		snapshot := w.after(31 * time.Minute)
		expect(t, "coverage", states(snapshot), "1:covered 2:covered")
		expect(t, "success", successes(snapshot), "1:true 2:true")
		if n := a.count("ListAnalyzers"); n != 3 {
			t.Errorf("%d lists in three sweeps, want those of the administrator", n)
		}
		if len(snapshot.Analyzers) != 1 || snapshot.Sweeps[inventory.CoverageSweep].Skipped != 1 {
			t.Errorf("analyzers %v, sweeps %v", snapshot.Analyzers, snapshot.Sweeps)
		}
		for _, p := range s.Progress() {
			if p.Kind == inventory.CoverageSweep && (p.Done != 1 || p.Total != 1) {
				t.Errorf("progress %+v", p)
			}
		}
		if _, ok := s.Locate(memberKey); ok {
			t.Error("Locate returned a skipped target")
		}
	})
}

func TestMembersAreReadWhenNotCovered(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*aws, *watcher)
		want   string
	}{
		"the analyzer is DISABLED": {func(a *aws, _ *watcher) { a.lists[adminTarget][0].Status = "DISABLED" }, "1:uncovered 2:uncovered"},
		"its account cannot be read": {func(a *aws, _ *watcher) {
			a.fails["ListAnalyzers "+admin] = inventory.AccessDenied
		}, "1:unknown 2:unknown"},
		"another access is required": {func(_ *aws, w *watcher) {
			w.opts.Policy.Rules[inventory.Unused] = w.opts.Policy.Rules[inventory.External]
		}, "1:covered 1:uncovered 2:covered 2:uncovered"},
		"organization analyzers do not count": {func(_ *aws, w *watcher) {
			w.opts.Policy.Rules[inventory.External].Scopes[1] = inventory.AccountScope
		}, "1:uncovered 2:uncovered"},
		"the member is exempt": {func(_ *aws, w *watcher) {
			w.opts.Policy.Exemptions = []inventory.Exemption{{Account: member, Region: "*", Access: "*", Reason: "sandbox"}}
		}, "1:exempt 2:covered"},
		"another account may hold analyzers as well": {func(a *aws, _ *watcher) {
			a.accounts[0].Organization.Admins = append(a.accounts[0].Organization.Admins, member)
		}, "1:covered 2:covered"},
		"its administrators are unknown": {func(a *aws, _ *watcher) {
			a.accounts[0].Organization.Failure = &inventory.Failure{Reason: inventory.AccessDenied}
		}, "1:covered 2:covered"},
		"the organization of another account is unknown": {func(a *aws, _ *watcher) {
			a.addThird(&inventory.Organization{Failure: &inventory.Failure{Reason: inventory.AccessDenied}})
		}, "1:covered 2:covered 3:unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			a, w := skipping()
			test.change(a, w)
			run(t, a, w, func(*Sweeper) {
				expect(t, "coverage", states(w.snapshot()), test.want)
				if n := w.snapshot().Sweeps[inventory.CoverageSweep].Skipped; n != 0 || a.count("ListAnalyzers") < 2 {
					t.Errorf("%d targets were skipped, %d read", n, a.count("ListAnalyzers"))
				}
			})
		})
	}
}

func TestOtherOrganizationsDoNotPreventSkipping(t *testing.T) {
	a, w := skipping()
	a.addThird(&inventory.Organization{ID: "o-2"})
	run(t, a, w, func(*Sweeper) {
		expect(t, "coverage", states(w.snapshot()), "1:covered 2:covered 3:uncovered")
		if n := w.snapshot().Sweeps[inventory.CoverageSweep].Skipped; n != 1 {
			t.Errorf("%d targets were skipped, want the member's", n)
		}
	})
}

// The analyzers from before the skip may have been deleted since.
func TestSkippedTargetsLoseTheirState(t *testing.T) {
	a, w := skipping()
	a.lists[adminTarget][0].Status = "DISABLED"
	a.add(member, "ACCOUNT", "ACTIVE")
	run(t, a, w, func(*Sweeper) {
		expect(t, "read", states(w.snapshot()), "1:covered 2:uncovered")
		a.do(func() { a.lists[adminTarget][0].Status = "ACTIVE" })
		expect(t, "skipped", states(w.after(15*time.Minute)), "1:covered 2:covered")
		a.do(func() {
			a.lists[adminTarget][0].Status = "DISABLED"
			a.fails["ListAnalyzers "+member] = inventory.AccessDenied
		})
		expect(t, "no longer readable", states(w.after(15*time.Minute)), "1:unknown 2:uncovered")
	})
}

// A newly registered administrator has an analyzer that is not listed yet.
func TestSkippedIsUnknownUntilReadWhenItMatters(t *testing.T) {
	disable := func(a *aws) { a.lists[adminTarget][0].Status = "DISABLED" }
	t.Run("an event", func(t *testing.T) {
		a, w := skipping()
		run(t, a, w, func(s *Sweeper) {
			a.do(func() { disable(a) })
			if f := s.Refresh(context.Background(), inventory.RefreshKey{Target: adminTarget}); f != nil {
				t.Error(f)
			}
			s.Publish()
			synctest.Wait() // no time passes
			expect(t, "at once", states(w.before), "1:unknown 2:unknown")
			expect(t, "read", states(w.snapshot()), "1:uncovered 2:uncovered")
		})
	})
	t.Run("state becomes stale", func(t *testing.T) {
		a, w := skipping()
		run(t, a, w, func(*Sweeper) {
			a.do(func() { a.fails["ListAnalyzers "+admin] = inventory.Network })
			expect(t, "last known", states(w.after(15*time.Minute)), "1:covered 2:covered")
			a.do(func() { a.add(member, "ACCOUNT", "ACTIVE") })
			expect(t, "read", states(w.after(61*time.Minute)), "1:covered 2:unknown")
		})
	})
	t.Run("an exemption ends", func(t *testing.T) {
		a, w := skipping()
		w.opts.Policy.Rules[inventory.Unused] = w.opts.Policy.Rules[inventory.External]
		synctest.Test(t, func(t *testing.T) {
			a.add(admin, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE")
			a.addThird(a.accounts[0].Organization)
			a.excluded = []string{third}
			w.opts.Policy.Exemptions = []inventory.Exemption{
				{Account: third, Region: "*", Access: "unused", Reason: "migration", Until: time.Now().Add(5 * time.Minute)},
			}
			runHere(a, w, func(*Sweeper) {
				expect(t, "before", states(w.after(4*time.Minute)), "1:covered 1:covered 2:covered 2:covered 3:covered 3:exempt")
				before := a.count("ListAnalyzers")
				a.do(func() { a.add(member, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE") })
				expect(t, "after", states(w.after(61*time.Second)), "1:covered 1:covered 2:covered 2:covered 3:covered 3:unknown")
				if a.count("ListAnalyzers") == before {
					t.Error("no target was read")
				}
			})
		})
	})
}
