// Package report says what a Snapshot comes down to: what needs attention, why
// and what mends it, and how many findings there are when each is counted once.
// The page, the JSON and the terminal report tell it in the same words.
//
// Words are ours. What AWS said stands apart, in Notice.Said alone: it may hold
// ARNs and authorization IDs, and is for those who have the exporter's
// credentials.
package report

import (
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Summary answers questions about one Snapshot. It is safe for concurrent use.
type Summary struct {
	snapshot *inventory.Snapshot
	byID     map[string]*inventory.Account
	// failed holds the targets whose last attempt failed.
	failed map[inventory.Target]inventory.TargetState
}

// Of summarises a Snapshot, which must be sorted as inventory says.
func Of(snap *inventory.Snapshot) *Summary {
	s := &Summary{
		snapshot: snap,
		byID:     make(map[string]*inventory.Account, len(snap.Accounts)),
		failed:   map[inventory.Target]inventory.TargetState{},
	}
	for _, a := range snap.Accounts {
		s.byID[a.ID] = a
	}
	for _, t := range snap.Targets {
		if !t.Success {
			s.failed[t.Target] = t
		}
	}
	return s
}

// Failed is how many targets could not be read at the last attempt, accounts as
// a whole included.
func (s *Summary) Failed() int { return len(s.failed) }
