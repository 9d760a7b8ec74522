// Package fleet discovers the accounts and Regions in scope.
//
// Lists are read in the background, each when it is due, and Fleet returns what
// they say now without waiting. A list that cannot be read again is used until it
// is too old, by Options.StaleAfter; after that, what
// depends on it is unknown.
package fleet

import (
	"context"
	"math"
	"reflect"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Directory lists accounts and Regions.
type Directory interface {
	Caller(ctx context.Context) (accountID, partition string, failure *inventory.Failure)
	Organization(ctx context.Context, a *inventory.Account) (id, management string, failure *inventory.Failure)
	Accounts(ctx context.Context, hub *inventory.Account) ([]inventory.Account, *inventory.Failure)
	DelegatedAdmins(ctx context.Context, hub *inventory.Account) ([]string, *inventory.Failure)
	// Regions and MemberRegions list enabled Regions, with the credentials of the
	// account or of the hub account. Regions with a failure are incomplete.
	Regions(ctx context.Context, a *inventory.Account, partition string) ([]string, *inventory.Failure)
	MemberRegions(ctx context.Context, hub *inventory.Account, member, partition string) ([]string, *inventory.Failure)
	// OUName and Tags read an organizational unit and an account of the hub account's
	// organization.
	OUName(ctx context.Context, hub *inventory.Account, id string) (string, *inventory.Failure)
	Tags(ctx context.Context, hub *inventory.Account, accountID string) (map[string]string, *inventory.Failure)
}

// Static is an account from accounts.static of the configuration.
type Static struct {
	ID, Name, RoleARN string
	// Labels replace the tags of the same key.
	Labels map[string]string
}

// Options define the scope.
type Options struct {
	// Organization includes all accounts of the hub account's organization,
	// rather than the hub account alone.
	Organization bool
	// OrganizationAnalyzers reports whether the policy accepts organization
	// analyzers, so that their administrators have to be read.
	OrganizationAnalyzers bool
	Include, Exclude      []string
	Static                []Static
	// Admins are the accounts that can have organization analyzers; empty means
	// the management account and the delegated administrators.
	Admins []string
	// Labels are the labels of accounts. Those of Tags are read, others only have
	// values of Static.
	Labels inventory.LabelKeys
	Tags   []string
	// Role is assumed in each account except the hub account; empty: in none.
	Role                           string
	IncludeRegions, ExcludeRegions []string
	// ShardIndex, from 0, selects the accounts of this shard by Shard. A
	// ShardTotal below 2 disables sharding.
	ShardIndex, ShardTotal int
	// Refresh is the age at which a list is read again.
	Refresh time.Duration
	// StaleAfter is the time for which a list is used that cannot be read again. It
	// begins when the list should have been read: Timeout after Refresh.
	StaleAfter, Timeout time.Duration
	// Interval is the time between sweeps. A list that fails is read again at least
	// every quarter of it, so that the next sweep has what can be listed again.
	Interval time.Duration
	// Concurrency is how many calls may be in flight, together with those of sweeps.
	Concurrency int
}

// hubConcurrency bounds the accounts whose Regions the hub account lists at the
// same time: AWS grants it five of these calls a second.
const hubConcurrency = 5

// organizationShare is the part of Options.Concurrency that asks accounts for their
// organization: calls that hang must leave the rest to sweeps.
const organizationShare = 4

// verifyTimeout bounds how much later a sweep starts when STS does not respond.
const verifyTimeout = 5 * time.Second

// batch is how many Regions lists are chosen at a time, the oldest first.
const batch = 100

// Discovery caches lists of accounts and Regions. It is safe for concurrent use.
type Discovery struct {
	opts Options
	// labelOpts are the options for the lists of labels, which are read less often.
	labelOpts Options
	dir       Directory
	*lists

	// scope are the accounts whose Regions to list, as of a generation: to compose
	// them for each list would cost a tenth of a processor at 10 000 accounts.
	scope   []*inventory.Account
	scopeOf int
	// changed is whether the options differ from those of the lists.
	changed bool
}

// lists are what was read with the credentials of the hub account.
type lists struct {
	mu sync.Mutex
	// news is closed, and replaced, when a list changes; wake when Regions have to
	// be listed for other accounts, or with other credentials.
	news, wake chan struct{}
	// generation counts the attempts to read the lists of accounts.
	generation int

	caller    listing[*inventory.Account] // the hub account
	partition string
	members   listing[[]inventory.Account]
	delegated listing[[]string]
	// delegatedOf is the ID of the organization whose administrators these are.
	delegatedOf string
	membership  map[string]*listing[organization] // by account ID of the caller
	regions     map[string]*regions               // by account ID
	labels      map[labelKey]*listing[label]
}

// organization is the organization of an account, as the API returns it to that
// account; empty if it is in none.
type organization struct{ id, management string }

// regions are the enabled Regions of an account.
type regions struct {
	listing[[]string]
	// incomplete is why there may be more Regions than those of the list.
	incomplete *inventory.Failure
	// own is why the account itself could not list them, so that the hub account
	// has to.
	own     *inventory.Failure
	reading bool
}

func (l *lists) clear() {
	l.caller.essential = true
	l.members, l.delegated, l.delegatedOf = listing[[]inventory.Account]{essential: true}, listing[[]string]{}, ""
	l.membership, l.regions = map[string]*listing[organization]{}, map[string]*regions{}
	l.labels = map[labelKey]*listing[label]{}
}

// New returns a Discovery that starts with the lists of previous, which may be
// nil. Where the options differ, the lists of accounts and those that failed are
// due at once.
func New(dir Directory, opts Options, previous *Discovery) *Discovery {
	if previous == nil {
		d := &Discovery{opts: opts, labelOpts: opts.forLabels(), dir: dir, lists: &lists{news: make(chan struct{}), wake: make(chan struct{}), generation: 1}}
		d.clear()
		return d
	}
	d := &Discovery{opts: opts, labelOpts: opts.forLabels(), dir: dir, lists: previous.lists}
	d.changed = !reflect.DeepEqual(opts, previous.opts)
	return d
}

// expire makes the lists of accounts, and those that failed, due at once if the
// options have changed.
func (d *Discovery) expire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.changed {
		return
	}
	d.changed = false
	d.caller.triedAt, d.members.triedAt, d.delegated.triedAt = time.Time{}, time.Time{}, time.Time{}
	for _, l := range d.membership {
		l.triedAt = time.Time{}
	}
	for _, l := range d.regions {
		if l.failure != nil || l.incomplete != nil {
			l.triedAt = time.Time{}
		}
	}
	for k, l := range d.labels {
		if l.failure != nil || !k.ou && !l.value.have(d.opts.Tags) {
			l.triedAt = time.Time{}
		}
	}
}

// retry makes the lists that failed due at once, and the identity of the caller.
func (d *Discovery) retry() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.caller.triedAt = time.Time{}
	retry(&d.members)
	retry(&d.delegated)
	for _, l := range d.membership {
		retry(l)
	}
	for _, l := range d.regions {
		retry(&l.listing)
	}
	for _, l := range d.labels {
		retry(l)
	}
}

func retry[T any](l *listing[T]) {
	if l.failure != nil {
		l.triedAt = time.Time{}
	}
}

// Run reads the lists that are due until the context ends.
func (d *Discovery) Run(ctx context.Context) {
	d.expire()
	var wg sync.WaitGroup
	wg.Go(func() { d.runRegions(ctx, ownRegions, max(1, d.opts.Concurrency)) })
	wg.Go(func() { d.runRegions(ctx, hubRegions, hubConcurrency) })
	if d.opts.readsLabels() {
		wg.Go(func() { d.runLabels(ctx) })
	}
	for ctx.Err() == nil {
		d.readAccounts(ctx)
		next := d.accountsDueAt()
		if now := clock.Now(); clock.Reached(next.Add(-firstRetry), now) {
			next = now.Add(firstRetry)
		}
		clock.Wait(ctx, next, nil)
	}
	wg.Wait()
}

// Discover reads all lists that are due or failed, and returns the fleet.
func (d *Discovery) Discover(ctx context.Context) *inventory.Fleet {
	d.expire()
	d.retry()
	d.readAccounts(ctx)
	var labels sync.WaitGroup
	labels.Go(func() { d.readLabels(ctx) })
	for _, from := range []source{ownRegions, hubRegions} {
		var g errgroup.Group
		g.SetLimit(max(1, d.opts.Concurrency))
		due, _ := d.dueRegions(from, clock.Now(), math.MaxInt)
		for _, a := range due {
			g.Go(func() error { d.readRegions(ctx, a); return nil })
		}
		_ = g.Wait() // failures are in the lists
	}
	labels.Wait()
	return d.Fleet()
}

// Verify verifies the credentials of the hub account, unless that was done just
// now. A sweep begins with it: an answer of STS shows that names resolve.
func (d *Discovery) Verify(ctx context.Context) {
	d.mu.Lock()
	fresh := !d.caller.triedAt.IsZero() && clock.Elapsed(d.caller.triedAt, clock.Now()) < firstRetry
	d.mu.Unlock()
	if fresh {
		return
	}
	limited, cancel := context.WithTimeout(ctx, verifyTimeout)
	defer cancel()
	d.readCaller(limited)
}

// Changed returns a channel that is closed at the next change of the fleet.
func (d *Discovery) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.news
}

// notify closes a channel and replaces it. It is called with the lock held.
func notify(c *chan struct{}) {
	close(*c)
	*c = make(chan struct{})
}
