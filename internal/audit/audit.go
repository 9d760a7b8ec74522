// Package audit renders one sweep for a terminal or a pipe: its progress, and a
// report at the end.
package audit

import (
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

// Outcome has what an audit can fail on.
type Outcome struct {
	// Uncovered and Unknown are numbers of targets; for unused access, of accounts.
	Uncovered, Unknown int
	// Unlisted is true if accounts or Regions could not be listed, so that targets
	// may be missing.
	Unlisted bool
	// Public is the number of active public findings, of the scope that has more of
	// them; Uncounted the number of analyzers whose findings are unknown.
	Public, Uncounted int
}

// OutcomeOf is the outcome of a completed sweep.
func OutcomeOf(s *inventory.Snapshot) Outcome {
	o := Outcome{
		Unlisted: !s.DiscoverySuccess ||
			slices.ContainsFunc(s.Accounts, func(a *inventory.Account) bool { return !a.RegionsKnown }),
	}
	summary := report.Of(s)
	for _, t := range summary.Tallies() {
		o.Uncovered += t.Tally[inventory.Uncovered]
		o.Unknown += t.Tally[inventory.Unknown]
	}
	findings := summary.Findings()
	o.Uncounted = findings.Uncounted
	for _, l := range findings.Totals {
		o.Public = max(o.Public, l.Public)
	}
	return o
}
