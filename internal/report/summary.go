// Package report summarizes a Snapshot: the coverage matrix and its totals, the
// problems with their causes and fixes, and the findings, each counted once. The
// page, the JSON API and the audit render its numbers and texts.
//
// Error messages of AWS are in Notice.Message alone: they may hold ARNs and
// authorization IDs, and are only for holders of the exporter's credentials.
package report

import (
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
)

// Summary has the numbers and texts of one Snapshot. It is safe for concurrent use.
type Summary struct {
	snapshot *inventory.Snapshot
	byID     map[string]*inventory.Account
	// failed holds the targets whose last attempt failed.
	failed  map[inventory.Target]inventory.TargetState
	setting remedy.Setting
}

// Of summarizes a Snapshot, which must be sorted as inventory documents, for the
// pages of a running exporter.
func Of(snap *inventory.Snapshot) *Summary { return For(snap, remedy.Setting{}) }

// For is Of with the remedies for another command.
func For(snap *inventory.Snapshot, setting remedy.Setting) *Summary {
	s := &Summary{
		setting:  setting,
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

// NoTargets says which key of the configuration excludes every target; empty if
// none does.
func (s *Summary) NoTargets() string {
	switch key := s.snapshot.NoTargets; {
	case key == "":
		return ""
	case strings.HasPrefix(key, "accounts."):
		return "no target is in scope: " + key + " excludes every account"
	default:
		return "no target is in scope: " + key + " excludes every Region that is known to be enabled"
	}
}

// Failed is the number of targets that could not be read in the last sweep,
// including accounts as a whole.
func (s *Summary) Failed() int { return len(s.failed) }
