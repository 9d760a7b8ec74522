// Package audit tells people at a terminal, and programs behind a pipe, what
// one sweep has found: how it comes along, and a report when it is done.
package audit

import (
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

// Outcome is what an audit can fail for.
type Outcome struct {
	// Uncovered and Unknown are places: an account in a Region or, for unused
	// access, an account.
	Uncovered, Unknown int
	// Unlisted tells that accounts or Regions could not be listed, so that there
	// may be places which no verdict is about.
	Unlisted bool
	// Public is how many active findings are open to everybody, of the scope
	// that has more of them; Uncounted how many analyzers' findings are not
	// known.
	Public, Uncounted int
}

// OutcomeOf judges a Snapshot of a completed sweep.
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
