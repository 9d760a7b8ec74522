package fleet

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// large answers as an organization of many members that the exporter does not
// enter. The hub account lists the Regions of five members a second.
type large struct {
	*directory
	members int
	tokens  chan struct{}
	listed  []time.Duration // since the start
	start   time.Time
}

func (l *large) Accounts(context.Context, *inventory.Account) ([]inventory.Account, *inventory.Failure) {
	accounts := []inventory.Account{{ID: hub, Organization: &inventory.Organization{ID: "o-1"}}}
	for i := range l.members {
		accounts = append(accounts, inventory.Account{ID: fmt.Sprint(500000000000 + i), Organization: &inventory.Organization{ID: "o-1"}})
	}
	return accounts, nil
}

func (l *large) MemberRegions(ctx context.Context, _ *inventory.Account, id, _ string) ([]string, *inventory.Failure) {
	select {
	case <-l.tokens:
	case <-ctx.Done():
		return nil, unlisted(id, "ListRegions", "", "canceled")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listed = append(l.listed, time.Since(l.start))
	return l.regions, nil
}

// T15: discovery takes as long as AWS makes it, and nothing waits for it.
func TestRunListsEveryAccountAtTheRateOfAWS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const members = 2000
		l := &large{directory: newDirectory(), members: members, tokens: make(chan struct{}), start: time.Now()}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for ctx.Err() == nil {
				time.Sleep(time.Second / 5)
				select {
				case l.tokens <- struct{}{}:
				case <-ctx.Done():
				}
			}
		}()
		d := New(l, Options{Organization: true, OrganizationAnalyzers: true, Refresh: time.Hour, StaleAfter: time.Hour, Interval: 15 * time.Minute, Concurrency: 64}, nil)
		ended := make(chan struct{})
		go func() { defer close(ended); d.Run(ctx) }()
		synctest.Wait()
		if f := d.Fleet(); len(f.Accounts) != members+1 || f.Pending == 0 {
			t.Errorf("at once there are %d accounts, %d lists are pending", len(f.Accounts), f.Pending)
		}
		time.Sleep(members / 5 * time.Second * 11 / 10)
		if f := d.Fleet(); f.Pending != 0 || slices.ContainsFunc(f.Accounts, func(a *inventory.Account) bool { return !a.RegionsKnown }) {
			t.Errorf("%d lists are pending", f.Pending)
		}
		time.Sleep(3 * time.Hour)
		if f := d.Fleet(); slices.ContainsFunc(f.Accounts, func(a *inventory.Account) bool { return !a.RegionsKnown }) {
			t.Error("Regions got lost while AWS answered")
		}
		if n, most := len(l.listed), 4*members; n > most {
			t.Errorf("%d lists in over three hours, want at most %d", n, most)
		}
		cancel()
		<-ended
	})
}

// slow lists Regions in three seconds, and those of the member after all others.
type slow struct{ *directory }

func (s slow) Regions(ctx context.Context, a *inventory.Account, partition string) ([]string, *inventory.Failure) {
	time.Sleep(3 * time.Second)
	if a.ID == member {
		time.Sleep(time.Second)
	}
	return s.directory.Regions(ctx, a, partition)
}

func (s slow) MemberRegions(ctx context.Context, hub *inventory.Account, id, partition string) ([]string, *inventory.Failure) {
	time.Sleep(3 * time.Second)
	return s.directory.MemberRegions(ctx, hub, id, partition)
}

// interrupted lists Regions until it is interrupted.
type interrupted struct{ *directory }

func (i interrupted) Regions(ctx context.Context, a *inventory.Account, _ string) ([]string, *inventory.Failure) {
	<-ctx.Done()
	return nil, unlisted(a.ID, "ListRegions", "", "canceled")
}

// A reload interrupts discovery. That is no failure, after which Regions would be listed
// with the credentials of the hub account: AWS lists those of a management account only
// to that account.
func TestInterruptedListsOfRegionsAreNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		opts := Options{Organization: true, OrganizationAnalyzers: true, Role: "r", Refresh: time.Hour, StaleAfter: time.Hour, Interval: 15 * time.Minute, Concurrency: 64}
		ctx, cancel := context.WithCancel(t.Context())
		first := New(interrupted{d}, opts, nil)
		ended := make(chan struct{})
		go func() { defer close(ended); first.Run(ctx) }()
		synctest.Wait()
		cancel()
		<-ended
		f := New(d, opts, first).Discover(t.Context())
		if len(f.Accounts) == 0 || slices.ContainsFunc(f.Accounts, func(a *inventory.Account) bool { return !a.RegionsKnown }) {
			t.Errorf("after a reload\n%s", describe(f))
		}
	})
}

// Lists that fail are read again soon, also if nothing else was due meanwhile.
func TestRunRetries(t *testing.T) {
	alone := Options{Refresh: time.Hour, StaleAfter: time.Hour, Interval: 15 * time.Minute, Concurrency: 64}
	organization := alone
	organization.Organization, organization.Role = true, "exporter"
	for _, test := range []struct {
		name  string
		opts  Options
		fails []string
	}{
		{"own list", alone, []string{"ListRegions"}},
		{"own list, and that of the hub account", organization, []string{"ListRegions " + member, "ListRegions for a member"}},
		{"lists of all accounts", organization, []string{"ListRegions", "ListRegions for a member"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := slow{newDirectory()}
				for _, operation := range test.fails {
					s.fails[operation] = inventory.Throttled
				}
				ctx, cancel := context.WithCancel(t.Context())
				d := New(s, test.opts, nil)
				ended := make(chan struct{})
				go func() { defer close(ended); d.Run(ctx) }()
				time.Sleep(8 * time.Second)
				s.mu.Lock()
				clear(s.fails)
				s.mu.Unlock()
				time.Sleep(time.Minute)
				if f := d.Fleet(); len(f.Accounts) == 0 || slices.ContainsFunc(f.Accounts, func(a *inventory.Account) bool { return !a.RegionsKnown }) {
					t.Errorf("a minute later:\n%s", describe(f))
				}
				cancel()
				<-ended
			})
		})
	}
}
