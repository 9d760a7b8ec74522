package sweep

import (
	"iter"
	"slices"

	"access-analyzer-exporter/internal/inventory"
)

// targets are what is known of every target, by account. There may be hundreds
// of thousands, and every collection of garbage goes through all of them: those
// of an account lie side by side, and of most there is no more to say than when
// they were last read.
type targets map[string]accountFacts

// accountFacts are the lists of an account's Regions, which are sorted. The
// slice of Regions is that of the account, and often shared by all accounts.
type accountFacts struct {
	regions []string
	lists   []fact[*listing]
}

// listing is what a target's list showed; nil where that was nothing.
type listing struct {
	analyzers []*inventory.Analyzer
	// partial are failures to read details of those analyzers.
	partial []*inventory.Failure
}

func (l *listing) shown() []*inventory.Analyzer {
	if l == nil {
		return nil
	}
	return l.analyzers
}

func (l *listing) failures() []*inventory.Failure {
	if l == nil {
		return nil
	}
	return l.partial
}

// get returns nil for a target that nobody has tried to read.
func (ts targets) get(t inventory.Target) *fact[*listing] {
	known := ts[t.AccountID]
	i, found := slices.BinarySearch(known.regions, t.Region)
	if !found || !known.lists[i].tried() {
		return nil
	}
	return &known.lists[i]
}

// set takes note of an attempt to read a target of the account's Regions.
func (ts targets) set(j job, l *listing, failure *inventory.Failure) {
	known := ts.fit(j.account)
	if i, found := slices.BinarySearch(known.regions, j.region); found {
		known.lists[i].set(l, failure)
	}
}

// fit makes room for all Regions that an account has, and forgets what was
// known of others.
func (ts targets) fit(a *inventory.Account) accountFacts {
	before := ts[a.ID]
	if slices.Equal(before.regions, a.Regions) {
		return before
	}
	fitting := accountFacts{a.Regions, make([]fact[*listing], len(a.Regions))}
	for i, r := range before.regions {
		if at, found := slices.BinarySearch(a.Regions, r); found {
			fitting.lists[at] = before.lists[i]
		}
	}
	ts[a.ID] = fitting
	return fitting
}

// keep forgets all accounts but these, and fits those to their Regions.
func (ts targets) keep(accounts map[string]*inventory.Account) {
	for id := range ts {
		if a := accounts[id]; a != nil {
			ts.fit(a)
		} else {
			delete(ts, id)
		}
	}
}

func (ts targets) forget(t inventory.Target) {
	if known := ts.get(t); known != nil {
		*known = fact[*listing]{}
	}
}

// all are the targets that somebody has tried to read.
func (ts targets) all() iter.Seq2[inventory.Target, *fact[*listing]] {
	return func(yield func(inventory.Target, *fact[*listing]) bool) {
		for id, known := range ts {
			for i := range known.lists {
				if known.lists[i].tried() && !yield(inventory.Target{AccountID: id, Region: known.regions[i]}, &known.lists[i]) {
					return
				}
			}
		}
	}
}
