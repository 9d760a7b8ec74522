package state

import (
	"maps"
	"slices"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Skip decides, by the lists of all other accounts, which of the members'
// targets this sweep need not read, clears their entries and returns them. The
// members' targets are all those of their accounts.
func (s *State) Skip(members []inventory.Target, now time.Time) (skipped map[inventory.Target]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skipped = nil
	if len(members) == 0 {
		return nil
	}
	others := State{opts: s.opts, fleet: s.fleet, targets: maps.Clone(s.targets), details: s.details}
	for _, t := range members {
		delete(others.targets, t.AccountID)
	}
	analyzers := slices.SortedFunc(maps.Values(others.merge(now)), compareAnalyzers)
	s.skipped = coverage.Skippable(s.fleet, others.evaluate(analyzers, now))
	for t := range s.skipped {
		s.targets.clear(t)
	}
	return s.skipped // never changed, only replaced
}

// needsSkipped returns whether a target that the latest sweep skipped is no
// longer skippable.
func (s *State) needsSkipped(verdicts []inventory.Verdict) bool {
	if len(s.skipped) == 0 {
		return false
	}
	skippable := coverage.Skippable(s.fleet, verdicts)
	for t := range s.skipped {
		if account, _ := s.entry(t); account != nil && !skippable[t] {
			return true
		}
	}
	return false
}
