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

// Failed is the number of targets, account × Region, of which the last sweep could
// not read everything that determines their coverage. It is the number of series of
// aws_access_analyzer_scrape_success that are 0 and have a Region.
func (s *Summary) Failed() int {
	n := 0
	for t := range s.failed {
		if regional(t.Region) {
			n++
		}
	}
	return n
}

// InScope returns whether the summary has an account.
func (s *Summary) InScope(accountID string) bool { return s.byID[accountID] != nil }

// Unread says how many targets could not be read; empty if all were.
func (s *Summary) Unread() string {
	if n := s.Failed(); n > 0 {
		return Plural(n, "target", "targets") + " could not be read in full"
	}
	return ""
}

// Unlisted says what could not be listed, so that no number has all targets; empty
// if everything was.
func (s *Summary) Unlisted() string {
	switch n := s.unlistedAccounts(); {
	case n > 0:
		return "the Regions of " + Plural(n, "account", "accounts") + " could not be listed, so that targets may be missing"
	case !s.snapshot.DiscoverySuccess:
		return "accounts, Regions or administrators could not be listed, so that targets may be missing"
	}
	return ""
}

// unlistedAccounts is the number of accounts whose Regions are not known.
func (s *Summary) unlistedAccounts() int {
	n := 0
	for _, a := range s.snapshot.Accounts {
		if !a.RegionsKnown {
			n++
		}
	}
	return n
}
