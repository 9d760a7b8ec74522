package fleet

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/partition"
)

// Fleet returns the fleet as the lists have it now. Without an identity or an
// account list there are no accounts, and a failure has the reason.
func (d *Discovery) Fleet() *inventory.Fleet {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.compose()
	c.fleet.Accounts = c.all()
	c.assignRegions()
	c.assignLabels()
	return c.fleet
}

// composition makes a fleet of the lists. It is used with the lock held.
type composition struct {
	*Discovery
	now   time.Time
	fleet *inventory.Fleet
}

func (d *Discovery) compose() *composition {
	return &composition{d, clock.Now(), &inventory.Fleet{Partition: d.partition}}
}

func (c *composition) fail(f *inventory.Failure) { c.fleet.Failures = append(c.fleet.Failures, *f) }

// use returns whether a list can be used, and records until when, and whether
// there was no attempt to read it yet.
func use[T any](c *composition, l *listing[T]) bool {
	if l.readAt.IsZero() && l.failure == nil {
		c.fleet.Pending++
	}
	return useUntil(c, l, &c.opts)
}

// useUntil returns whether a list can be used, and records until when.
func useUntil[T any](c *composition, l *listing[T], o *Options) bool {
	if !l.usable(o, c.now) {
		return false
	}
	if at := l.expiresAt(o); c.fleet.ExpiresAt.IsZero() {
		c.fleet.ExpiresAt = at
	} else {
		c.fleet.ExpiresAt = clock.Earlier(at, c.fleet.ExpiresAt, c.now)
	}
	return true
}

// all returns the accounts in scope, without their Regions.
func (c *composition) all() []*inventory.Account {
	switch {
	case c.caller.failure != nil:
		c.fail(c.caller.failure)
	case c.caller.value == nil:
		c.fleet.Pending++
		c.fail((&listing[bool]{}).why("", "GetCallerIdentity"))
	}
	if c.caller.value == nil {
		return nil
	}
	c.fleet.Hub = c.caller.value
	if l := c.membership[c.caller.value.ID]; l != nil && l.usable(&c.opts, c.now) {
		c.fleet.HubManagement = l.value.management
	}
	accounts := c.accounts()
	c.joinOrganizations(accounts)
	return c.scoped(accounts)
}

// accounts returns the accounts of the organization and of the configuration by
// ID, before filters.
func (c *composition) accounts() map[string]*inventory.Account {
	accounts := map[string]*inventory.Account{}
	if c.opts.Organization {
		c.addMembers(accounts)
	} else {
		hub := *c.caller.value
		accounts[hub.ID] = &hub
	}
	for _, s := range c.opts.Static {
		a := &inventory.Account{ID: s.ID, Name: s.Name, RoleARN: s.RoleARN, Queried: s.RoleARN != ""}
		if listed, ok := accounts[s.ID]; ok && a.Name == "" {
			a.Name = listed.Name
		}
		if !a.Queried {
			c.setCredentials(a)
		}
		accounts[s.ID] = a
	}
	return accounts
}

// addMembers adds the accounts that the hub account listed. If the list is too
// old, accounts may have left the organization since.
func (c *composition) addMembers(accounts map[string]*inventory.Account) {
	var expired *inventory.Failure
	if !use(c, &c.members) {
		expired = c.members.why(c.caller.value.ID, "ListAccounts")
		c.fail(expired)
	} else if c.members.failure != nil {
		c.fail(c.members.failure)
	}
	for _, a := range c.members.value {
		if expired != nil {
			a.ScopeFailure = expired
		}
		c.setCredentials(&a)
		accounts[a.ID] = &a
	}
}

// setCredentials sets the role for an account, if it can be read.
func (c *composition) setCredentials(a *inventory.Account) {
	switch {
	case a.ID == c.caller.value.ID:
		a.Queried = true
	case c.opts.Role != "":
		a.Queried = true
		a.RoleARN = "arn:" + c.partition + ":iam::" + a.ID + ":role/" + strings.TrimPrefix(c.opts.Role, "/")
	}
}

// joinOrganizations sets the organization and the role of each account.
func (c *composition) joinOrganizations(accounts map[string]*inventory.Account) {
	if !c.opts.OrganizationAnalyzers && !c.opts.Organization {
		return
	}
	hubOrg := c.organizationOf(c.caller.value)
	confirmed := c.confirmedByHub(hubOrg, accounts)
	for _, a := range accounts {
		if confirmed[a.ID] {
			a.Organization = hubOrg
		} else if a.Organization = c.organizationOf(a); a.Organization != nil && hubOrg != nil && a.Organization.ID == hubOrg.ID && hubOrg.ID != "" {
			a.Organization = hubOrg
		}
	}
	c.failOrganizations()
	c.joinManagement(accounts)
	for _, a := range accounts {
		a.Role = c.role(a)
	}
}

// failOrganizations adds the failures of lists about organizations, unless the
// configuration makes them unnecessary.
func (c *composition) failOrganizations() {
	if len(c.opts.Admins) > 0 {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(c.membership)) {
		if f := c.membership[id].failure; f != nil {
			c.fail(f)
		}
	}
	if c.delegated.failure != nil {
		c.fail(c.delegated.failure)
	}
}

// joinManagement sets the organization of management accounts that could not be
// read: other accounts return its ID together with the management account.
func (c *composition) joinManagement(accounts map[string]*inventory.Account) {
	managed := map[string]*inventory.Organization{}
	for _, id := range slices.Sorted(maps.Keys(accounts)) { // sorted, so that the same failure is reported each time
		org, l := accounts[id].Organization, c.membership[id]
		if org != nil && org.ID != "" && l != nil && l.usable(&c.opts, c.now) && l.value.id == org.ID {
			managed[l.value.management] = org
		}
	}
	for id, a := range accounts {
		if org, ok := managed[id]; ok && a.Organization != nil && a.Organization.ID == "" {
			a.Organization = org
		}
	}
}

// confirmedByHub returns the IDs of the accounts that the lists of the hub account
// show in its organization. A list that is too old confirms those alone whose scope is
// unknown because of it: an account of the configuration may have left since.
func (c *composition) confirmedByHub(hubOrg *inventory.Organization, accounts map[string]*inventory.Account) map[string]bool {
	confirmed := map[string]bool{c.caller.value.ID: true}
	if hubOrg == nil {
		return confirmed // the hub account has left the organization of its last list
	}
	if l := c.membership[c.caller.value.ID]; l != nil && l.usable(&c.opts, c.now) {
		confirmed[l.value.management] = true
	}
	if c.delegated.usable(&c.opts, c.now) {
		for _, id := range c.delegated.value {
			confirmed[id] = true
		}
	}
	usable := c.members.usable(&c.opts, c.now)
	for _, a := range c.members.value {
		if !usable && accounts[a.ID].ScopeFailure == nil {
			continue
		}
		if a.Organization == nil || a.Organization.ID == "" || hubOrg.ID == "" || a.Organization.ID == hubOrg.ID {
			confirmed[a.ID] = true
		}
	}
	return confirmed
}

// role returns the role of the account in its organization; empty if it is not
// known.
func (c *composition) role(a *inventory.Account) inventory.Role {
	if a.Organization == nil {
		return inventory.Standalone
	}
	for _, l := range c.membership {
		if l.usable(&c.opts, c.now) && l.value.id == a.Organization.ID && l.value.management == a.ID {
			return inventory.Management
		}
	}
	hub := c.membership[c.caller.value.ID]
	switch {
	case hub == nil || a.Organization.ID == "" || a.Organization.ID != hub.value.id || !c.delegated.usable(&c.opts, c.now):
		return ""
	case slices.Contains(c.delegated.value, a.ID):
		return inventory.DelegatedAdmin
	}
	return inventory.Member
}

// organizationOf returns the organization of an account; nil means that it is in
// none.
func (c *composition) organizationOf(a *inventory.Account) *inventory.Organization {
	hub := a.ID == c.caller.value.ID
	l := c.membership[a.ID]
	if l == nil {
		l = &listing[organization]{}
	}
	org := &inventory.Organization{}
	switch {
	case !hub && !a.Queried:
		org.Failure = unlisted(a.ID, "DescribeOrganization", inventory.NoRole,
			"the organization of the account cannot be read without a role: set assume_role.name or the account's role_arn")
	case !use(c, l):
		org.Failure = l.why(a.ID, "DescribeOrganization")
	case l.value.id == "":
		return nil
	default:
		org.ID = l.value.id
		org.Admins, org.Failure = c.admins(l.value, hub)
	}
	if len(c.opts.Admins) > 0 {
		org.Admins, org.Failure = c.opts.Admins, nil
	}
	return org
}

// admins returns the accounts that may own organization analyzers, and why
// there may be others.
func (c *composition) admins(o organization, hub bool) ([]string, *inventory.Failure) {
	switch {
	case !hub:
		return []string{o.management}, unlisted(o.management, "ListDelegatedAdministrators", inventory.OtherOrganization,
			"the delegated administrators of organization "+o.id+" cannot be listed from here; "+
				"list the accounts that have its analyzers in accounts.organization_admins")
	case !use(c, &c.delegated):
		return []string{o.management}, c.delegated.why(c.caller.value.ID, "ListDelegatedAdministrators")
	}
	return append([]string{o.management}, c.delegated.value...), nil
}

// scoped applies the filters and sorts by ID. Accounts that can have analyzers
// for those in scope are kept with OutOfScope set, unless they are excluded by
// ID.
func (c *composition) scoped(accounts map[string]*inventory.Account) []*inventory.Account {
	admins := map[string]bool{}
	var scoped []*inventory.Account
	for _, a := range accounts {
		if !c.inScope(a.ID) {
			continue
		}
		scoped = append(scoped, a)
		if f := a.ScopeFailure; f != nil && f.AccountID == a.ID {
			c.fail(f)
		}
		if a.Organization != nil {
			for _, id := range a.Organization.Admins {
				admins[id] = true
			}
		}
	}
	for id := range admins {
		a, ok := accounts[id]
		if ok && c.opts.OrganizationAnalyzers && !c.inScope(id) && !slices.Contains(c.opts.Exclude, id) {
			a.OutOfScope = true
			scoped = append(scoped, a)
		}
	}
	slices.SortFunc(scoped, func(a, b *inventory.Account) int { return strings.Compare(a.ID, b.ID) })
	return scoped
}

func (c *composition) inScope(id string) bool {
	return (len(c.opts.Include) == 0 || slices.Contains(c.opts.Include, id)) &&
		!slices.Contains(c.opts.Exclude, id) &&
		(c.opts.ShardTotal < 2 || Shard(id, c.opts.ShardTotal) == c.opts.ShardIndex)
}

// assignRegions sets the Regions of each account.
func (c *composition) assignRegions() {
	shared := sharedLists{}
	for _, a := range c.fleet.Accounts {
		l := c.regions[a.ID]
		if l == nil {
			l = &regions{}
		}
		l.value = shared.share(l.value)
		c.assign(a, l)
		for _, list := range []*[]string{&a.Regions, &a.ExcludedRegions, &a.UncertainRegions} {
			*list = shared.share(*list)
		}
	}
}

// assign sets the Regions of an account to those of its list. Without one, these
// are the Regions that no account can disable; those of regions.include and of the
// last list are uncertain.
func (c *composition) assign(a *inventory.Account, l *regions) {
	usable := use(c, &l.listing)
	a.RegionsKnown = usable && l.incomplete == nil
	names := l.value
	switch {
	case l.failure != nil:
		a.Failure = l.failure
	case !usable:
		a.Failure = l.why(a.ID, "ListRegions")
	default:
		a.Failure = l.incomplete
	}
	certain := partition.DefaultRegions(c.partition)
	if !usable {
		names = slices.Concat(names, certain, c.opts.IncludeRegions)
	}
	for _, r := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if included := len(c.opts.IncludeRegions) == 0 || slices.Contains(c.opts.IncludeRegions, r); !included || slices.Contains(c.opts.ExcludeRegions, r) {
			a.ExcludedRegions = append(a.ExcludedRegions, r)
			continue
		}
		a.Regions = append(a.Regions, r)
		if !usable && !slices.Contains(certain, r) {
			a.UncertainRegions = append(a.UncertainRegions, r)
		}
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
