package coverage

import (
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// orgRegion is a Region of an organization. An empty organization is one that is
// unknown; Region Global is the account as a whole.
type orgRegion struct{ organization, region string }

// orgRegionsOf returns those that a Region of an account affects.
func orgRegionsOf(a *inventory.Account, region string) [4]orgRegion {
	id := a.Organization.ID
	return [4]orgRegion{{id, region}, {id, inventory.Global}, {"", region}, {"", inventory.Global}}
}

// Member returns whether an account is a member of a known organization and may
// not own its analyzers. Only the targets of members are Skippable.
func Member(a *inventory.Account, admins map[string]bool) bool {
	org := a.Organization
	return a.Role == inventory.Member && org != nil && org.ID != "" && org.Failure == nil && !a.OutOfScope && !admins[a.ID]
}

// Admins returns the accounts that may own organization analyzers.
func Admins(fleet *inventory.Fleet) map[string]bool {
	admins := map[string]bool{}
	for _, a := range fleet.Accounts {
		if a.Organization == nil {
			continue
		}
		for _, id := range a.Organization.Admins {
			admins[id] = true
		}
	}
	return admins
}

// Skippable returns the targets of members that need not be read, by the verdicts
// of Evaluate.
//
// If organization analyzers cover a member for all required access, its own list
// cannot change that. It could contain the analyzer of an administrator that has
// just been registered, though. So in a Region in which any account of the
// organization is not covered, no member is skipped. Unused access, which any
// Region can cover, applies to all Regions.
func Skippable(fleet *inventory.Fleet, verdicts []inventory.Verdict) map[inventory.Target]bool {
	accounts := make(map[string]*inventory.Account, len(fleet.Accounts))
	for _, a := range fleet.Accounts {
		accounts[a.ID] = a
	}
	uncovered := map[orgRegion]bool{}
	covered := map[inventory.Target]bool{} // for all required access, by analyzers of other accounts
	for _, v := range verdicts {
		a := accounts[v.AccountID]
		if a.Organization == nil {
			continue
		}
		if v.State != inventory.Covered && v.State != inventory.Exempt {
			uncovered[orgRegion{a.Organization.ID, v.Region}] = true
		}
		t := inventory.Target{AccountID: v.AccountID, Region: v.Region}
		before, seen := covered[t]
		covered[t] = (before || !seen) && v.State == inventory.Covered && v.Analyzer.AccountID != a.ID
	}
	skippable := map[inventory.Target]bool{}
	admins := Admins(fleet)
	for _, a := range fleet.Accounts {
		if !a.Queried || !Member(a, admins) {
			continue
		}
		global, hasGlobal := covered[inventory.Target{AccountID: a.ID, Region: inventory.Global}]
		for _, r := range a.Regions {
			t := inventory.Target{AccountID: a.ID, Region: r}
			regional, hasRegion := covered[t]
			own := hasRegion && !regional || hasGlobal && !global || !hasRegion && !hasGlobal // its own list may matter
			if !own && !affected(uncovered, a, r) {
				skippable[t] = true
			}
		}
	}
	return skippable
}

func affected(uncovered map[orgRegion]bool, a *inventory.Account, region string) bool {
	for _, r := range orgRegionsOf(a, region) {
		if uncovered[r] {
			return true
		}
	}
	return false
}
