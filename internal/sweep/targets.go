package sweep

import (
	"iter"
	"maps"
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// targets are what is known of every target, by account. There may be hundreds
// of thousands, and every collection of garbage goes through all of them: those
// of an account lie side by side, and of most there is no more to say than when
// they were last read.
type targets map[string]accountFacts

// accountFacts are the lists of an account's Regions, in the same order.
type accountFacts struct {
	account *inventory.Account
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

// at finds a target and what is known of it; nil where there is no such.
func (ts targets) at(t inventory.Target) (*inventory.Account, *fact[*listing]) {
	known, ok := ts[t.AccountID]
	if !ok {
		return nil, nil
	}
	i, found := slices.BinarySearch(known.account.Regions, t.Region)
	if !found {
		return nil, nil
	}
	return known.account, &known.lists[i]
}

// get returns nil for a target that nobody has tried to read.
func (ts targets) get(t inventory.Target) *fact[*listing] {
	if _, known := ts.at(t); known != nil && known.tried() {
		return known
	}
	return nil
}

// fit makes room for the Regions of the accounts that are entered, and forgets
// everything else.
func (ts targets) fit(accounts []*inventory.Account) {
	entered := make(map[string]bool, len(accounts))
	for _, a := range accounts {
		if !a.Queried {
			continue
		}
		entered[a.ID] = true
		lists := ts[a.ID].lists
		if before := ts[a.ID].account; before == nil || !slices.Equal(before.Regions, a.Regions) {
			lists = make([]fact[*listing], len(a.Regions))
			for i, r := range a.Regions {
				if known := ts.get(inventory.Target{AccountID: a.ID, Region: r}); known != nil {
					lists[i] = *known
				}
			}
		}
		ts[a.ID] = accountFacts{a, lists}
	}
	maps.DeleteFunc(ts, func(id string, _ accountFacts) bool { return !entered[id] })
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
				if known.lists[i].tried() && !yield(inventory.Target{AccountID: id, Region: known.account.Regions[i]}, &known.lists[i]) {
					return
				}
			}
		}
	}
}
