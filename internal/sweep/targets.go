package sweep

import (
	"iter"
	"slices"
	"strings"

	"access-analyzer-exporter/internal/inventory"
)

// targets are what is known of every target, by account, sorted by Region.
// There may be hundreds of thousands, and every collection of garbage goes
// through all of them: those of an account lie side by side.
type targets map[string][]targetFacts

// targetFacts are the analyzers that a target's list showed.
type targetFacts struct {
	region    string
	analyzers fact[[]*inventory.Analyzer]
	// partial are failures to read details of those analyzers.
	partial []*inventory.Failure
}

func (ts targets) find(t inventory.Target) (i int, found bool) {
	return slices.BinarySearchFunc(ts[t.AccountID], t.Region, func(known targetFacts, region string) int {
		return strings.Compare(known.region, region)
	})
}

// get returns nil for a target of which nothing is known. What it returns is
// good until a target is added or deleted.
func (ts targets) get(t inventory.Target) *targetFacts {
	i, found := ts.find(t)
	if !found {
		return nil
	}
	return &ts[t.AccountID][i]
}

// add is get for a target of which something is about to be known.
func (ts targets) add(j job) *targetFacts {
	i, found := ts.find(j.target())
	if !found {
		known, ok := ts[j.account.ID]
		if !ok {
			known = make([]targetFacts, 0, len(j.account.Regions))
		}
		ts[j.account.ID] = slices.Insert(known, i, targetFacts{region: j.region})
	}
	return &ts[j.account.ID][i]
}

// deleteFunc forgets the targets for which del returns true.
func (ts targets) deleteFunc(del func(inventory.Target) bool) {
	for id, known := range ts {
		known = slices.DeleteFunc(known, func(k targetFacts) bool { return del(inventory.Target{AccountID: id, Region: k.region}) })
		if ts[id] = known; len(known) == 0 {
			delete(ts, id)
		}
	}
}

func (ts targets) all() iter.Seq2[inventory.Target, *targetFacts] {
	return func(yield func(inventory.Target, *targetFacts) bool) {
		for id, known := range ts {
			for i := range known {
				if !yield(inventory.Target{AccountID: id, Region: known[i].region}, &known[i]) {
					return
				}
			}
		}
	}
}
