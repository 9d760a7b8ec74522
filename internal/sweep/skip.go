package sweep

import (
	"maps"
	"slices"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// skip decides which members' targets are not read, going by what all others
// show, forgets what was known of those, and returns the rest.
func (f *facts) skip(members []job, opts Options, now time.Time) (needed []job) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.skipped = nil
	if len(members) == 0 {
		return nil
	}
	others := facts{fleet: f.fleet, targets: maps.Clone(f.targets), details: f.details}
	for _, j := range members {
		delete(others.targets, j.account.ID) // members are whole accounts
	}
	merged := others.analyzers(opts.StaleAfter, now)
	standing := slices.SortedFunc(maps.Values(merged), compareAnalyzers)
	skippable := coverage.Skippable(f.fleet, others.judge(standing, opts, now))
	for t := range skippable {
		f.targets.forget(t)
	}
	f.skipped = skippable
	return slices.DeleteFunc(members, func(j job) bool { return skippable[j.target()] })
}

// needsSkipped tells whether anything that was skipped would be read by now.
func (f *facts) needsSkipped(verdicts []inventory.Verdict) bool {
	if len(f.skipped) == 0 {
		return false
	}
	skippable := coverage.Skippable(f.fleet, verdicts)
	for t := range f.skipped {
		if account, _ := f.at(t); account != nil && !skippable[t] {
			return true
		}
	}
	return false
}

// skippedNeeded tells whether targets that were skipped have come to matter.
func (f *facts) skippedNeeded() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.needed
}

func (f *facts) isSkipped(t inventory.Target) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.skipped[t]
}
