package fleet

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"reflect"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// record stores the outcome of an attempt to read a list, unless the context was
// canceled, which is no failure of AWS.
func record[T any](ctx context.Context, d *Discovery, l *listing[T], value T, f *inventory.Failure) {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	same := !l.triedAt.IsZero() && (f == nil) == (l.failure == nil) && (f != nil || reflect.DeepEqual(value, l.value))
	if l.set(value, f); !same {
		notify(&d.news)
	}
}

// due returns whether to read a list now.
func due[T any](d *Discovery, l *listing[T]) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return clock.Reached(l.dueAt(&d.opts), clock.Now())
}

// readAccounts reads the lists that are due of everything but Regions.
func (d *Discovery) readAccounts(ctx context.Context) {
	if due(d, &d.caller) {
		d.readCaller(ctx)
	}
	hub := d.hub()
	if hub == nil {
		return
	}
	if d.opts.Organization && due(d, &d.members) {
		members, f := d.dir.Accounts(ctx, hub)
		record(ctx, d, &d.members, members, f)
		d.next() // Regions need not wait for the organizations
	}
	if d.opts.OrganizationAnalyzers || d.opts.Organization {
		d.readOrganizations(ctx, hub)
	}
	d.next()
}

// next begins a generation.
func (d *Discovery) next() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.generation++
	notify(&d.wake)
}

// readOrganizations reads which organization accounts are in, and who administers
// that of the hub account.
func (d *Discovery) readOrganizations(ctx context.Context, hub *inventory.Account) {
	d.readMembership(ctx, hub)
	d.readDelegated(ctx, hub)
	var g errgroup.Group
	g.SetLimit(max(1, d.opts.Concurrency/organizationShare))
	others := d.unconfirmed()
	d.keepMembership(append(others, hub))
	for _, a := range others {
		g.Go(func() error { d.readMembership(ctx, a); return nil })
	}
	_ = g.Wait() // failures are in the lists
}

func (d *Discovery) hub() *inventory.Account {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.caller.value
}

// readCaller reads the identity of the hub account, which verifies the
// credentials. Lists of another account are dropped.
func (d *Discovery) readCaller(ctx context.Context) {
	id, partition, f := d.dir.Caller(ctx)
	var hub *inventory.Account
	if f == nil {
		hub = &inventory.Account{ID: id, Queried: true}
		d.mu.Lock()
		if d.caller.value != nil && d.caller.value.ID != id {
			d.clear()
		}
		d.partition = partition
		d.mu.Unlock()
	}
	record(ctx, d, &d.caller, hub, f)
}

// keepMembership drops the organizations of accounts that are no longer asked.
func (d *Discovery) keepMembership(asked []*inventory.Account) {
	d.mu.Lock()
	defer d.mu.Unlock()
	maps.DeleteFunc(d.membership, func(id string, _ *listing[organization]) bool {
		return !slices.ContainsFunc(asked, func(a *inventory.Account) bool { return a.ID == id })
	})
}

// readMembership reads the organization of an account.
func (d *Discovery) readMembership(ctx context.Context, a *inventory.Account) {
	d.mu.Lock()
	l, ok := d.membership[a.ID]
	if !ok {
		l = &listing[organization]{}
		d.membership[a.ID] = l
	}
	d.mu.Unlock()
	if !due(d, l) {
		return
	}
	id, management, f := d.dir.Organization(ctx, a)
	record(ctx, d, l, organization{id, management}, f)
}

// readDelegated reads the delegated administrators of the hub account's
// organization. AWS rejects ListDelegatedAdministrators from most others.
func (d *Discovery) readDelegated(ctx context.Context, hub *inventory.Account) {
	d.mu.Lock()
	org := d.membership[hub.ID].value.id
	if org != d.delegatedOf {
		d.delegated, d.delegatedOf = listing[[]string]{}, org
	}
	d.mu.Unlock()
	if org != "" && due(d, &d.delegated) {
		ids, f := d.dir.DelegatedAdmins(ctx, hub)
		record(ctx, d, &d.delegated, ids, f)
	}
}

// unconfirmed returns the accounts that have to be asked for their organization.
func (d *Discovery) unconfirmed() []*inventory.Account {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.compose()
	accounts := c.accounts()
	confirmed := c.confirmedByHub(c.organizationOf(c.caller.value), accounts)
	var others []*inventory.Account
	for _, a := range accounts {
		if !confirmed[a.ID] && a.Queried {
			others = append(others, a)
		}
	}
	return others
}

// accountsDueAt returns when readAccounts next has something to do.
func (d *Discovery) accountsDueAt() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	next, now := d.caller.dueAt(&d.opts), clock.Now()
	consider := func(t time.Time) { next = clock.Earlier(next, t, now) }
	if d.caller.value == nil {
		return next
	}
	if d.opts.Organization {
		consider(d.members.dueAt(&d.opts))
	}
	if d.delegatedOf != "" {
		consider(d.delegated.dueAt(&d.opts))
	}
	for _, l := range d.membership {
		consider(l.dueAt(&d.opts))
	}
	return next
}

// source is with whose credentials Regions are listed.
type source bool

const (
	ownRegions source = false
	hubRegions source = true
)

// runRegions lists the Regions of accounts, the oldest lists first, until the
// context ends.
func (d *Discovery) runRegions(ctx context.Context, from source, workers int) {
	accounts := make(chan *inventory.Account)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for a := range accounts {
				d.readRegions(ctx, a)
			}
		})
	}
	for ctx.Err() == nil {
		d.mu.Lock()
		wake := d.wake
		d.mu.Unlock()
		due, next := d.dueRegions(from, clock.Now(), batch)
		for _, a := range due {
			accounts <- a
		}
		if len(due) == 0 {
			clock.Wait(ctx, next, wake)
		}
	}
	close(accounts)
	wg.Wait()
}

// dueRegions returns up to limit accounts whose Regions are due, the oldest lists first, and
// marks them as being read. Without any, it returns when the next one is due.
func (d *Discovery) dueRegions(from source, now time.Time, limit int) (due []*inventory.Account, next time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	next = now.Add(d.opts.Interval)
	var all []*inventory.Account
	d.updateScope()
	for _, a := range d.scope {
		l, ok := d.regions[a.ID]
		if !ok {
			l = &regions{}
			d.regions[a.ID] = l
		}
		other := from != source(!a.Queried || l.own != nil)
		if l.reading || other && l.own != nil {
			// It may fail, and be due here again, without a wake-up.
			next = clock.Earlier(next, now.Add(firstRetry), now)
			continue
		}
		if other {
			continue
		}
		at := l.dueAt(&d.opts)
		if clock.Reached(at, now) {
			all = append(all, a)
		} else {
			next = clock.Earlier(next, at, now)
		}
	}
	slices.SortStableFunc(all, func(a, b *inventory.Account) int { return d.regions[a.ID].triedAt.Compare(d.regions[b.ID].triedAt) })
	due = all[:min(len(all), limit)]
	for _, a := range due {
		d.regions[a.ID].reading = true
	}
	return due, next
}

// updateScope composes the accounts of this generation. It is called with the lock
// held.
func (d *Discovery) updateScope() {
	if d.scopeOf == d.generation {
		return
	}
	d.scope, d.scopeOf = d.compose().all(), d.generation
	d.keepRegions()
	d.keepLabels()
}

// keepRegions drops the lists of accounts that have left the scope.
func (d *Discovery) keepRegions() {
	if len(d.scope) == 0 {
		return // the accounts are unknown
	}
	in := make(map[string]bool, len(d.scope))
	for _, a := range d.scope {
		in[a.ID] = true
	}
	maps.DeleteFunc(d.regions, func(id string, l *regions) bool { return !in[id] && !l.reading })
}

// readRegions lists the Regions with the credentials of the account or, if that
// failed, of the hub account.
func (d *Discovery) readRegions(ctx context.Context, a *inventory.Account) {
	d.mu.Lock()
	l, hub, partition := d.regions[a.ID], d.caller.value, d.partition
	own := l.own
	d.mu.Unlock()
	if a.Queried && own == nil {
		names, f := d.dir.Regions(ctx, a, partition)
		if f != nil && len(names) == 0 && d.isMember(a) {
			d.mu.Lock()
			if l.reading = false; ctx.Err() == nil {
				l.own = f
			}
			notify(&d.wake)
			d.mu.Unlock()
			return
		}
		d.setRegions(ctx, l, names, f)
		return
	}
	if a.Role == inventory.Management {
		f := unlisted(a.ID, "ListRegions", inventory.ManagementRegions, "AWS lists the Regions of a management account only to that account")
		d.setRegions(ctx, l, nil, cmp.Or(own, f))
		return
	}
	names, f := d.dir.MemberRegions(ctx, hub, a.ID, partition)
	if f != nil && len(names) == 0 {
		f = cmp.Or(own, f)
	}
	d.setRegions(ctx, l, names, f)
}

// setRegions records a list, which may be incomplete for a reason.
func (d *Discovery) setRegions(ctx context.Context, l *regions, names []string, f *inventory.Failure) {
	d.mu.Lock()
	l.own, l.incomplete = nil, nil
	if len(names) > 0 {
		l.incomplete, f = f, nil
	}
	d.mu.Unlock()
	record(ctx, d, &l.listing, names, f)
	d.mu.Lock()
	l.reading = false
	d.mu.Unlock()
}

// isMember returns whether the account is in the hub account's organization, so
// that the hub account may list its Regions.
func (d *Discovery) isMember(a *inventory.Account) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	hub := d.membership[d.caller.value.ID]
	return a.ID != d.caller.value.ID && a.Organization != nil && a.Organization.ID != "" && hub != nil && a.Organization.ID == hub.value.id
}
