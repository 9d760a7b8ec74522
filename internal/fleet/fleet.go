// Package fleet finds out which accounts and Regions there are to watch.
//
// What was listed once is not lost because it cannot be listed again: accounts
// and Regions stay as they were, with the failure beside them, and are asked
// for again by the next sweep.
package fleet

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Directory lists accounts and Regions.
type Directory interface {
	Caller(ctx context.Context) (accountID, partition string, failure *inventory.Failure)
	Organization(ctx context.Context, a *inventory.Account) (id, management string, failure *inventory.Failure)
	Accounts(ctx context.Context, hub *inventory.Account) ([]inventory.Account, *inventory.Failure)
	DelegatedAdmins(ctx context.Context, hub *inventory.Account) ([]string, *inventory.Failure)
	Regions(ctx context.Context, a *inventory.Account, partition string) ([]string, *inventory.Failure)
	MemberRegions(ctx context.Context, hub *inventory.Account, member, partition string) ([]string, *inventory.Failure)
	// DefaultRegions are those that every account of a partition has enabled.
	DefaultRegions(partition string) []string
}

// Static is an account that the configuration names.
type Static struct {
	ID, Name, RoleARN string
}

// Options say what is in scope.
type Options struct {
	// Organization asks for all accounts of the hub's organization, rather
	// than the hub alone.
	Organization bool
	// OrganizationAnalyzers tells whether organization analyzers count for
	// anything, and so whether it matters who may hold them.
	OrganizationAnalyzers bool
	Include, Exclude      []string
	Static                []Static
	// Admins are the accounts that may hold organization analyzers; empty
	// means the management account and the delegated administrators.
	Admins []string
	// Role is assumed in every account but the hub; empty: in none.
	Role                           string
	IncludeRegions, ExcludeRegions []string
	// ShardIndex and ShardTotal: this process watches the accounts whose hash
	// falls to its index. A total below 2 is one process for all.
	ShardIndex, ShardTotal int
	// Refresh is how old a list may grow.
	Refresh time.Duration
	// StaleAfter is for how long, beyond Refresh, what was told of an
	// organization stands in for what cannot be asked.
	StaleAfter time.Duration
	// Concurrency is how many accounts are asked for their Regions at once.
	Concurrency int
}

// Discovery keeps what was listed. Its Discover is for one caller at a time,
// as are those of the Discoveries that started with what it knew.
type Discovery struct {
	opts Options
	dir  Directory
	// since is when its Options began to hold: older lists are asked for again.
	since time.Time
	*lists
}

// lists are what was listed by the word of one hub.
type lists struct {
	hub       *inventory.Account
	partition string
	members   listing[[]inventory.Account]
	admins    map[string]*listing[organization] // by account ID of who was asked
	regions   map[string]*listing[[]string]     // by account ID
}

func newLists() lists {
	return lists{admins: map[string]*listing[organization]{}, regions: map[string]*listing[[]string]{}}
}

// listing is a list, when it was got, and why it could not be got again.
type listing[T any] struct {
	value   T
	at      time.Time
	failure *inventory.Failure
}

func (l *listing[T]) due(d *Discovery) bool {
	return l.at.Before(d.since) || l.failure != nil || time.Since(l.at) >= d.opts.Refresh
}

func (l *listing[T]) set(value T, f *inventory.Failure) {
	if l.failure = f; f == nil {
		l.value, l.at = value, time.Now()
	}
}

// organization is what one account can tell of the organization it is in.
type organization struct {
	id, management string
	delegated      []string
	// partial says why the delegated administrators could not be listed.
	partial *inventory.Failure
}

// New returns a Discovery that starts with what another one listed; nil for a
// start with nothing. It asks for everything again, but what cannot be had now
// is not lost because the Options changed.
func New(dir Directory, opts Options, previous *Discovery) *Discovery {
	d := &Discovery{opts: opts, dir: dir, since: time.Now()}
	if previous != nil {
		d.lists = previous.lists
	} else {
		known := newLists()
		d.lists = &known
	}
	return d
}

// Discover refreshes the lists that are due and returns what is known. The
// fleet has no accounts, and a failure that says why, as long as nothing could
// be listed.
func (d *Discovery) Discover(ctx context.Context) *inventory.Fleet {
	fleet := &inventory.Fleet{}
	if f := d.identify(ctx); f != nil {
		fleet.Failures = append(fleet.Failures, *f)
	}
	if d.hub == nil {
		return fleet
	}
	fleet.Partition = d.partition
	accounts := d.accounts(ctx, fleet)
	d.joinOrganizations(ctx, fleet, accounts)
	fleet.Accounts = d.scoped(accounts)
	d.listRegions(ctx, fleet.Accounts)
	return fleet
}

// identify asks who the caller is. It is asked every time: the answer says
// whether the credentials still work.
func (d *Discovery) identify(ctx context.Context) *inventory.Failure {
	id, partition, f := d.dir.Caller(ctx)
	if f != nil {
		return f
	}
	if d.hub != nil && d.hub.ID != id {
		*d.lists = newLists() // what another account was told may not hold for this one
	}
	d.hub, d.partition = &inventory.Account{ID: id, Role: inventory.Standalone, Queried: true}, partition
	return nil
}

// accounts lists every account that may be of interest, by ID.
func (d *Discovery) accounts(ctx context.Context, fleet *inventory.Fleet) map[string]*inventory.Account {
	accounts := map[string]*inventory.Account{}
	if d.opts.Organization {
		if d.members.due(d) {
			d.members.set(d.dir.Accounts(ctx, d.hub))
		}
		if d.members.failure != nil {
			fleet.Failures = append(fleet.Failures, *d.members.failure)
		}
		for _, a := range d.members.value {
			a.Role = inventory.Member
			d.enter(&a)
			accounts[a.ID] = &a
		}
	} else {
		hub := *d.hub
		accounts[hub.ID] = &hub
	}
	for _, s := range d.opts.Static {
		a := &inventory.Account{ID: s.ID, Name: s.Name, Role: inventory.Standalone, RoleARN: s.RoleARN, Queried: s.RoleARN != ""}
		if listed, ok := accounts[s.ID]; ok {
			a.Role = listed.Role
			if a.Name == "" {
				a.Name = listed.Name
			}
		}
		if !a.Queried {
			d.enter(a)
		}
		accounts[s.ID] = a
	}
	return accounts
}

// enter decides with which credentials an account is read, if with any.
func (d *Discovery) enter(a *inventory.Account) {
	switch {
	case a.ID == d.hub.ID:
		a.Queried = true
	case d.opts.Role != "":
		a.Queried = true
		a.RoleARN = "arn:" + d.partition + ":iam::" + a.ID + ":role/" + strings.TrimPrefix(d.opts.Role, "/")
	}
}

// joinOrganizations establishes in which organization each account is, and who
// may hold analyzers for it.
func (d *Discovery) joinOrganizations(ctx context.Context, fleet *inventory.Fleet, accounts map[string]*inventory.Account) {
	if !d.opts.OrganizationAnalyzers && !d.opts.Organization {
		return
	}
	hubs := d.membership(ctx, d.hub, true)
	if d.opts.Organization && hubs != nil && hubs.Failure != nil {
		fleet.Failures = append(fleet.Failures, *hubs.Failure)
	}
	together := d.withHub(hubs)
	for _, a := range accounts {
		if together[a.ID] {
			a.Organization = hubs
		} else if a.Organization = d.membership(ctx, a, false); a.Organization != nil && hubs != nil && a.Organization.ID == hubs.ID && hubs.ID != "" {
			a.Organization = hubs
		}
	}
	d.joinManagement(accounts)
	for _, a := range accounts {
		a.Role = role(a, d.admins)
	}
}

// joinManagement is for management accounts that could not tell in which
// organization they are: it is that of the accounts that name them, as the
// management account of an organization is always in it.
func (d *Discovery) joinManagement(accounts map[string]*inventory.Account) {
	managed := map[string]*inventory.Organization{}
	for _, id := range slices.Sorted(maps.Keys(accounts)) { // in one order: whose failure is told does not change
		org, told := accounts[id].Organization, d.admins[id]
		if org != nil && org.ID != "" && told != nil && told.value.id == org.ID {
			managed[told.value.management] = org
		}
	}
	for id, a := range accounts {
		if org, ok := managed[id]; ok && a.Organization != nil && a.Organization.ID == "" {
			a.Organization = org
		}
	}
}

// withHub are the accounts that are in the hub's organization by the word of
// the hub, whatever they may say themselves.
func (d *Discovery) withHub(hubs *inventory.Organization) map[string]bool {
	together := map[string]bool{d.hub.ID: true}
	if hubs == nil {
		return together // a list from before the hub left says nothing of the others
	}
	told := d.admins[d.hub.ID].value
	for _, id := range append([]string{told.management}, told.delegated...) {
		together[id] = true
	}
	if d.members.failure != nil && time.Since(d.members.at) >= d.opts.Refresh+d.opts.StaleAfter {
		return together // accounts may have left since: each is asked
	}
	for _, a := range d.members.value {
		if a.Organization == nil || a.Organization.ID == "" || hubs.ID == "" || a.Organization.ID == hubs.ID {
			together[a.ID] = true
		}
	}
	return together
}

// role is the part that the account plays, as far as anybody told.
func role(a *inventory.Account, told map[string]*listing[organization]) inventory.Role {
	switch {
	case a.Organization == nil:
		return inventory.Standalone
	case a.Organization.ID == "":
		return a.Role
	}
	for _, l := range told {
		switch {
		case l.value.id != a.Organization.ID:
		case l.value.management == a.ID:
			return inventory.Management
		case slices.Contains(l.value.delegated, a.ID):
			return inventory.DelegatedAdmin
		}
	}
	return inventory.Member
}

// membership asks an account about its organization; nil means that it is in
// none. Only the hub is asked for delegated administrators: others would have
// to be administrators themselves to be told.
func (d *Discovery) membership(ctx context.Context, a *inventory.Account, hub bool) *inventory.Organization {
	l, ok := d.admins[a.ID]
	if !ok {
		l = &listing[organization]{}
		d.admins[a.ID] = l
	}
	if l.due(d) || l.value.partial != nil {
		if time.Since(l.at) >= d.opts.Refresh+d.opts.StaleAfter {
			*l = listing[organization]{} // too old to stand in for an answer
		}
		l.set(d.ask(ctx, a, hub, l.value))
	}
	failure := l.value.partial
	if l.at.IsZero() {
		failure = l.failure
	}
	if l.value.id == "" && failure == nil {
		return nil
	}
	org := &inventory.Organization{ID: l.value.id, Failure: failure}
	switch {
	case len(d.opts.Admins) > 0:
		org.Admins, org.Failure = d.opts.Admins, nil
	case org.ID != "":
		org.Admins = append([]string{l.value.management}, l.value.delegated...)
	}
	return org
}

func (d *Discovery) ask(ctx context.Context, a *inventory.Account, hub bool, last organization) (organization, *inventory.Failure) {
	if !a.Queried && !hub {
		return organization{}, &inventory.Failure{
			AccountID: a.ID, Region: inventory.Global, Operation: "DescribeOrganization", Reason: inventory.Other,
			Message: "the account is not entered, and so cannot be asked for its organization: set assume_role.name or the account's role_arn",
		}
	}
	id, management, f := d.dir.Organization(ctx, a)
	if f != nil || id == "" {
		return organization{}, f
	}
	org := organization{id: id, management: management}
	switch {
	case hub:
		if org.delegated, org.partial = d.dir.DelegatedAdmins(ctx, a); org.partial != nil && last.id == id && last.partial == nil {
			return organization{}, org.partial // what was listed before stands in for a while
		}
	default:
		org.partial = &inventory.Failure{
			AccountID: a.ID, Region: inventory.Global, Operation: "ListDelegatedAdministrators", Reason: inventory.Other,
			Message: "the delegated administrators of organization " + id + " cannot be listed from here; " +
				"name the accounts that hold its analyzers in accounts.organization_admins",
		}
	}
	return org, nil
}

// scoped applies the filters, sorted by ID. Accounts that may hold analyzers
// for those in scope stay as witnesses, unless they are excluded by name.
func (d *Discovery) scoped(accounts map[string]*inventory.Account) []*inventory.Account {
	witnesses := map[string]bool{}
	var scoped []*inventory.Account
	for _, a := range accounts {
		if !d.inScope(a.ID) {
			continue
		}
		scoped = append(scoped, a)
		if a.Organization != nil {
			for _, id := range a.Organization.Admins {
				witnesses[id] = true
			}
		}
	}
	for id := range witnesses {
		a, ok := accounts[id]
		if ok && d.opts.OrganizationAnalyzers && !d.inScope(id) && !slices.Contains(d.opts.Exclude, id) {
			a.OutOfScope = true
			scoped = append(scoped, a)
		}
	}
	slices.SortFunc(scoped, func(a, b *inventory.Account) int { return strings.Compare(a.ID, b.ID) })
	return scoped
}

func (d *Discovery) inScope(id string) bool {
	return (len(d.opts.Include) == 0 || slices.Contains(d.opts.Include, id)) &&
		!slices.Contains(d.opts.Exclude, id) &&
		(d.opts.ShardTotal < 2 || Shard(id, d.opts.ShardTotal) == d.opts.ShardIndex)
}

// listRegions fills in the Regions of every account.
func (d *Discovery) listRegions(ctx context.Context, accounts []*inventory.Account) {
	var g errgroup.Group
	g.SetLimit(max(1, d.opts.Concurrency))
	for _, a := range accounts {
		l, ok := d.regions[a.ID]
		if !ok {
			l = &listing[[]string]{}
			d.regions[a.ID] = l
		}
		g.Go(func() error {
			if l.due(d) {
				l.set(d.askRegions(ctx, a))
			}
			return nil
		})
	}
	_ = g.Wait() // the failures are in the listings
	shared := sharedLists{}
	for _, a := range accounts {
		l := d.regions[a.ID]
		l.value = shared.share(l.value)
		d.assignRegions(a, l)
		a.Regions, a.ExcludedRegions = shared.share(a.Regions), shared.share(a.ExcludedRegions)
	}
}

// sharedLists holds one list in place of those with the same elements: most
// accounts have the same Regions, and what each held of its own would be gone
// through at every collection of garbage.
type sharedLists map[string][]string

func (s sharedLists) share(list []string) []string {
	key := strings.Join(list, " ")
	first, ok := s[key]
	if !ok {
		first = slices.Clip(list)
		s[key] = first
	}
	return first
}

// askRegions asks the account itself and, where it cannot be entered, the
// organization.
func (d *Discovery) askRegions(ctx context.Context, a *inventory.Account) ([]string, *inventory.Failure) {
	member := a.ID != d.hub.ID && a.Organization != nil && a.Organization.ID != "" &&
		d.admins[d.hub.ID] != nil && a.Organization.ID == d.admins[d.hub.ID].value.id
	if !a.Queried {
		return d.dir.MemberRegions(ctx, d.hub, a.ID, d.partition)
	}
	regions, f := d.dir.Regions(ctx, a, d.partition)
	if f != nil && member {
		if regions, failure := d.dir.MemberRegions(ctx, d.hub, a.ID, d.partition); failure == nil {
			return regions, nil
		}
	}
	return regions, f
}

func (d *Discovery) assignRegions(a *inventory.Account, l *listing[[]string]) {
	a.RegionsKnown, a.Failure = !l.at.IsZero(), l.failure
	regions := l.value
	if !a.RegionsKnown {
		// Not all that may be enabled, but nothing that is not: that a Region
		// is to be watched does not say that this account has it.
		if regions = d.dir.DefaultRegions(d.partition); len(regions) == 0 {
			regions = d.opts.IncludeRegions
		}
	}
	for _, r := range slices.Sorted(slices.Values(regions)) {
		included := len(d.opts.IncludeRegions) == 0 || slices.Contains(d.opts.IncludeRegions, r)
		if included && !slices.Contains(d.opts.ExcludeRegions, r) {
			a.Regions = append(a.Regions, r)
		} else {
			a.ExcludedRegions = append(a.ExcludedRegions, r)
		}
	}
}
