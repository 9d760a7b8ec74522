package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// NotEnabled is the state of a matrix cell whose Region is not enabled for the
// account. No verdict has it: coverage is not required there.
const NotEnabled inventory.State = "not_enabled"

// NotListed is the state of a matrix cell if the Regions of the account could not be
// listed: whether the account has a target there is not known, and no number of
// targets includes it.
const NotListed inventory.State = "not_listed"

// StateName is a state as it is displayed.
func StateName(s inventory.State) string { return strings.ReplaceAll(string(s), "_", " ") }

// Tally counts verdicts by state.
type Tally map[inventory.State]int

// Required is the number of targets whose coverage is required: all but the
// exempt ones.
func (t Tally) Required() int {
	return t.Known() + t[inventory.Unknown]
}

// Known is the number of required targets whose coverage is known.
func (t Tally) Known() int { return t[inventory.Covered] + t[inventory.Uncovered] }

// Percent is the covered share of the known targets, rounded down, so that 100% means
// all of them; empty if none is known. It is what the recorded series
// access:aws_access_analyzer_coverage:ratio and the dashboards have. Unknown targets
// are neither covered nor uncovered, and displayed beside it.
func (t Tally) Percent() string {
	if t.Known() == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f%%", math.Floor(1000*float64(t[inventory.Covered])/float64(t.Known()))/10)
}

// Worse orders tallies by uncovered, then by unknown targets, most first. It is
// for use with slices.SortFunc.
func (t Tally) Worse(other Tally) int {
	return cmp.Or(
		cmp.Compare(other[inventory.Uncovered], t[inventory.Uncovered]),
		cmp.Compare(other[inventory.Unknown], t[inventory.Unknown]),
	)
}

// AccessTally is the coverage of the fleet for one access.
type AccessTally struct {
	Access inventory.Access
	Tally
}

// Tallies has the coverage of the fleet for each required access, in the order
// of inventory.Accesses.
func (s *Summary) Tallies() []AccessTally {
	byAccess := map[inventory.Access]Tally{}
	for key, targets := range s.snapshot.CoverageTargets() {
		if byAccess[key.Access] == nil {
			byAccess[key.Access] = Tally{}
		}
		byAccess[key.Access][key.State] += targets
	}
	var tallies []AccessTally
	for _, access := range inventory.Accesses {
		if t := byAccess[access]; t != nil {
			tallies = append(tallies, AccessTally{access, t})
		}
	}
	return tallies
}

// Exemptions counts exempt targets by the reason in the configuration.
func (s *Summary) Exemptions() map[string]int {
	targets := map[string]int{}
	for _, v := range s.snapshot.Verdicts {
		if v.State == inventory.Exempt {
			targets[Printable(strings.TrimPrefix(v.Why(), "exempt: "))]++
		}
	}
	return targets
}

// Column is a column of the coverage matrix: one access in one Region, which is
// inventory.Global for unused access.
type Column struct {
	Region string
	Access inventory.Access
}

// Columns has every Region and access with a verdict, sorted by access in the
// order of inventory.Accesses, then by Region with inventory.Global last.
func (s *Summary) Columns() []Column {
	seen := map[Column]bool{}
	for _, v := range s.snapshot.Verdicts {
		seen[Column{v.Region, v.Access}] = true
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b Column) int {
		return cmp.Or(
			cmp.Compare(slices.Index(inventory.Accesses, a.Access), slices.Index(inventory.Accesses, b.Access)),
			CompareRegions(a.Region, b.Region),
		)
	})
}

// CompareRegions sorts Regions by name, with inventory.Global last.
func CompareRegions(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == inventory.Global:
		return 1
	case b == inventory.Global:
		return -1
	}
	return cmp.Compare(a, b)
}

// Row is a row of the coverage matrix: an account and its verdicts, sorted by
// Region.
type Row struct {
	Account  *inventory.Account
	Verdicts []inventory.Verdict
}

// Missing is the state of a Region in which the account has no verdict.
func (r Row) Missing() inventory.State {
	if !r.Account.RegionsKnown {
		return NotListed
	}
	return NotEnabled
}

// Rows has a row for each account in scope, in the order of the Snapshot.
func (s *Summary) Rows(yield func(Row) bool) {
	all, from := s.snapshot.Verdicts, 0
	for _, a := range s.snapshot.Accounts {
		to := from
		for to < len(all) && all[to].AccountID == a.ID {
			to++
		}
		if !yield(Row{a, all[from:to]}) {
			return
		}
		from = to
	}
}
