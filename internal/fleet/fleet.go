// Package fleet discovers the accounts and Regions in scope.
//
// If a list cannot be refreshed, the last one is kept inHubOrg with the failure,
// and the next sweep retries it.
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
	// DefaultRegions returns the Regions that each account of a partition has
	// enabled.
	DefaultRegions(partition string) []string
}

// Static is an account from accounts.static of the configuration.
type Static struct {
	ID, Name, RoleARN string
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
	// Role is assumed in each account except the hub account; empty: in none.
	Role                           string
	IncludeRegions, ExcludeRegions []string
	// ShardIndex, from 0, selects the accounts of this shard by Shard. A
	// ShardTotal below 2 disables sharding.
	ShardIndex, ShardTotal int
	// Refresh is the age at which a list is read again.
	Refresh time.Duration
	// StaleAfter is the time beyond Refresh for which the last known membership
	// of an organization is used if it cannot be read.
	StaleAfter time.Duration
	// Concurrency bounds the accounts whose Regions are listed at the same time.
	Concurrency int
}

// Discovery caches lists of accounts and Regions. It is not safe for concurrent
// use, nor inHubOrg with a Discovery that New created from it.
type Discovery struct {
	opts Options
	dir  Directory
	// since is the creation time. Older lists are due: the options have changed.
	since time.Time
	*lists
}

// lists are the cached lists that the hub account read.
type lists struct {
	hub        *inventory.Account
	partition  string
	members    listing[[]inventory.Account]
	membership map[string]*listing[organization] // by account ID of the caller
	regions    map[string]*listing[[]string]     // by account ID
}

func newLists() lists {
	return lists{membership: map[string]*listing[organization]{}, regions: map[string]*listing[[]string]{}}
}

// listing is the last successfully read list, the time of that read, and the
// failure of the last attempt, if any.
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

// organization is the organization of an account, as the API returns it to that
// account.
type organization struct {
	id, management string
	delegated      []string
	// partial is the failure of listing the delegated administrators.
	partial *inventory.Failure
}

// New returns a Discovery that starts with the lists of previous, which may be
// nil. All lists are due, and those that cannot be read are kept.
func New(dir Directory, opts Options, previous *Discovery) *Discovery {
	d := &Discovery{opts: opts, dir: dir, since: time.Now()}
	if previous != nil {
		d.lists = previous.lists
	} else {
		empty := newLists()
		d.lists = &empty
	}
	return d
}

// Discover refreshes the lists that are due and returns the fleet. Until the
// first success it has no accounts and a failure with the reason.
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

// identify reads the identity of the hub account. It is never cached: the call
// verifies the credentials.
func (d *Discovery) identify(ctx context.Context) *inventory.Failure {
	id, partition, f := d.dir.Caller(ctx)
	if f != nil {
		return f
	}
	if d.hub != nil && d.hub.ID != id {
		*d.lists = newLists() // lists depend on the permissions of the hub account
	}
	d.hub, d.partition = &inventory.Account{ID: id, Role: inventory.Standalone, Queried: true}, partition
	return nil
}

// accounts returns the accounts of the organization and of the configuration by
// ID, before filters.
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
			d.setCredentials(&a)
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
			d.setCredentials(a)
		}
		accounts[s.ID] = a
	}
	return accounts
}

// setCredentials sets the role for an account, if it can be read.
func (d *Discovery) setCredentials(a *inventory.Account) {
	switch {
	case a.ID == d.hub.ID:
		a.Queried = true
	case d.opts.Role != "":
		a.Queried = true
		a.RoleARN = "arn:" + d.partition + ":iam::" + a.ID + ":role/" + strings.TrimPrefix(d.opts.Role, "/")
	}
}

// joinOrganizations sets the organization and the role of each account.
func (d *Discovery) joinOrganizations(ctx context.Context, fleet *inventory.Fleet, accounts map[string]*inventory.Account) {
	if !d.opts.OrganizationAnalyzers && !d.opts.Organization {
		return
	}
	hubOrg := d.organizationOf(ctx, d.hub, true)
	if d.opts.Organization && hubOrg != nil && hubOrg.Failure != nil {
		fleet.Failures = append(fleet.Failures, *hubOrg.Failure)
	}
	inHubOrg := d.confirmedByHub(hubOrg)
	for _, a := range accounts {
		if inHubOrg[a.ID] {
			a.Organization = hubOrg
		} else if a.Organization = d.organizationOf(ctx, a, false); a.Organization != nil && hubOrg != nil && a.Organization.ID == hubOrg.ID && hubOrg.ID != "" {
			a.Organization = hubOrg
		}
	}
	d.joinManagement(accounts)
	for _, a := range accounts {
		a.Role = role(a, d.membership)
	}
}

// joinManagement sets the organization of management accounts that could not be
// read: other accounts return its ID together with the management account.
func (d *Discovery) joinManagement(accounts map[string]*inventory.Account) {
	managed := map[string]*inventory.Organization{}
	for _, id := range slices.Sorted(maps.Keys(accounts)) { // sorted, so that the same failure is reported each time
		org, listed := accounts[id].Organization, d.membership[id]
		if org != nil && org.ID != "" && listed != nil && listed.value.id == org.ID {
			managed[listed.value.management] = org
		}
	}
	for id, a := range accounts {
		if org, ok := managed[id]; ok && a.Organization != nil && a.Organization.ID == "" {
			a.Organization = org
		}
	}
}

// confirmedByHub returns the IDs of the accounts that the lists of the hub
// account show in its organization.
func (d *Discovery) confirmedByHub(hubOrg *inventory.Organization) map[string]bool {
	inHubOrg := map[string]bool{d.hub.ID: true}
	if hubOrg == nil {
		return inHubOrg // the hub account has left the organization of its last list
	}
	org := d.membership[d.hub.ID].value
	for _, id := range append([]string{org.management}, org.delegated...) {
		inHubOrg[id] = true
	}
	if d.members.failure != nil && time.Since(d.members.at) >= d.opts.Refresh+d.opts.StaleAfter {
		return inHubOrg // too old: accounts may have left since, so read each
	}
	for _, a := range d.members.value {
		if a.Organization == nil || a.Organization.ID == "" || hubOrg.ID == "" || a.Organization.ID == hubOrg.ID {
			inHubOrg[a.ID] = true
		}
	}
	return inHubOrg
}

// role returns the role of the account in its organization.
func role(a *inventory.Account, membership map[string]*listing[organization]) inventory.Role {
	switch {
	case a.Organization == nil:
		return inventory.Standalone
	case a.Organization.ID == "":
		return a.Role
	}
	for _, l := range membership {
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

// organizationOf returns the organization of an account; nil means that it is in
// none. Delegated administrators are listed from the hub account only: AWS
// rejects ListDelegatedAdministrators from other members.
func (d *Discovery) organizationOf(ctx context.Context, a *inventory.Account, hub bool) *inventory.Organization {
	l, ok := d.membership[a.ID]
	if !ok {
		l = &listing[organization]{}
		d.membership[a.ID] = l
	}
	if l.due(d) || l.value.partial != nil {
		if time.Since(l.at) >= d.opts.Refresh+d.opts.StaleAfter {
			*l = listing[organization]{} // too old to be used instead of a response
		}
		l.set(d.readOrganization(ctx, a, hub, l.value))
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

func (d *Discovery) readOrganization(ctx context.Context, a *inventory.Account, hub bool, last organization) (organization, *inventory.Failure) {
	if !a.Queried && !hub {
		return organization{}, &inventory.Failure{
			AccountID: a.ID, Region: inventory.Global, Operation: "DescribeOrganization", Reason: inventory.Other,
			Message: "the organization of the account cannot be read without a role: set assume_role.name or the account's role_arn",
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
			return organization{}, org.partial // keep the last list until it is too old
		}
	default:
		org.partial = &inventory.Failure{
			AccountID: a.ID, Region: inventory.Global, Operation: "ListDelegatedAdministrators", Reason: inventory.Other,
			Message: "the delegated administrators of organization " + id + " cannot be listed from here; " +
				"list the accounts that have its analyzers in accounts.organization_admins",
		}
	}
	return org, nil
}

// scoped applies the filters and sorts by ID. Accounts that can have analyzers
// for those in scope are kept with OutOfScope set, unless they are excluded by
// ID.
func (d *Discovery) scoped(accounts map[string]*inventory.Account) []*inventory.Account {
	admins := map[string]bool{}
	var scoped []*inventory.Account
	for _, a := range accounts {
		if !d.inScope(a.ID) {
			continue
		}
		scoped = append(scoped, a)
		if a.Organization != nil {
			for _, id := range a.Organization.Admins {
				admins[id] = true
			}
		}
	}
	for id := range admins {
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

// listRegions sets the Regions of each account.
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
				l.set(d.readRegions(ctx, a))
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

// sharedLists holds one copy of equal lists: most accounts have the same Regions,
// and separate copies would cost memory and time in each garbage collection.
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

// readRegions lists the Regions from the account itself or, if its role cannot be
// assumed, from the hub account.
func (d *Discovery) readRegions(ctx context.Context, a *inventory.Account) ([]string, *inventory.Failure) {
	member := a.ID != d.hub.ID && a.Organization != nil && a.Organization.ID != "" &&
		d.membership[d.hub.ID] != nil && a.Organization.ID == d.membership[d.hub.ID].value.id
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
		// Regions that are enabled in each account. regions.include does not
		// imply that this account has enabled them.
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
