package state

import (
	"iter"
	"maps"
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Listing is a list of analyzers that is not empty. A nil Listing is an empty
// list, as most targets have.
type Listing struct {
	Analyzers []*inventory.Analyzer
	// Failures are those to read details of the analyzers.
	Failures []*inventory.Failure
}

func (l *Listing) analyzers() []*inventory.Analyzer {
	if l == nil {
		return nil
	}
	return l.Analyzers
}

func (l *Listing) failures() []*inventory.Failure {
	if l == nil {
		return nil
	}
	return l.Failures
}

// targets caches the list of every target, by account ID. There may be hundreds
// of thousands of targets, so the entries of an account are one allocation: each
// garbage collection visits them all.
type targets map[string]accountTargets

// accountTargets has one entry for each Region of the account, in its order.
type accountTargets struct {
	account *inventory.Account
	entries []Entry[*Listing]
}

// get returns a target's account and entry; nil for a target not in the fleet.
func (ts targets) get(t inventory.Target) (*inventory.Account, *Entry[*Listing]) {
	a, ok := ts[t.AccountID]
	if !ok {
		return nil, nil
	}
	i, found := slices.BinarySearch(a.account.Regions, t.Region)
	if !found {
		return nil, nil
	}
	return a.account, &a.entries[i]
}

// attempted returns the entry of a target, or nil before the first attempt to
// read it.
func (ts targets) attempted(t inventory.Target) *Entry[*Listing] {
	if _, e := ts.get(t); e != nil && e.attempted() {
		return e
	}
	return nil
}

// resize adds entries for new targets of queried accounts and drops the entries
// of all others.
func (ts targets) resize(accounts []*inventory.Account) {
	queried := make(map[string]bool, len(accounts))
	for _, a := range accounts {
		if !a.Queried {
			continue
		}
		queried[a.ID] = true
		old := ts[a.ID]
		entries := old.entries
		if old.account == nil || !slices.Equal(old.account.Regions, a.Regions) {
			entries = make([]Entry[*Listing], len(a.Regions))
			for i, r := range a.Regions {
				if e := ts.attempted(inventory.Target{AccountID: a.ID, Region: r}); e != nil {
					entries[i] = *e
				}
			}
		}
		ts[a.ID] = accountTargets{a, entries}
	}
	maps.DeleteFunc(ts, func(id string, _ accountTargets) bool { return !queried[id] })
}

// clear empties the entry of a target.
func (ts targets) clear(t inventory.Target) {
	if _, e := ts.get(t); e != nil {
		*e = Entry[*Listing]{}
	}
}

// all iterates over the targets that there was an attempt to read.
func (ts targets) all() iter.Seq2[inventory.Target, *Entry[*Listing]] {
	return func(yield func(inventory.Target, *Entry[*Listing]) bool) {
		for id, a := range ts {
			for i := range a.entries {
				if a.entries[i].attempted() && !yield(inventory.Target{AccountID: id, Region: a.account.Regions[i]}, &a.entries[i]) {
					return
				}
			}
		}
	}
}
