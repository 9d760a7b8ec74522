package coverage

import (
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// spot is a Region of an organization; Global is all of them, and no name any
// organization.
type spot struct{ organization, region string }

// spotsIn are the spots that something in a Region of the account falls into.
func spotsIn(a *inventory.Account, region string) [4]spot {
	id := a.Organization.ID
	return [4]spot{{id, region}, {id, inventory.Global}, {"", region}, {"", inventory.Global}}
}

// Member tells whether an account is known to be in an organization, and to
// have no part in holding its analyzers, so that Skippable may leave it out.
func Member(a *inventory.Account, admins map[string]bool) bool {
	org := a.Organization
	return a.Role == inventory.Member && org != nil && org.ID != "" && org.Failure == nil && !a.OutOfScope && !admins[a.ID]
}

// Admins are the accounts that may hold organization analyzers.
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

// Skippable returns the targets of members that need not be read, going by the
// verdicts that Evaluate came to.
//
// Where an organization's analyzers cover a member for every access that is
// required, no list of its own can change that. It could show something else,
// though: the analyzer of an administrator that nobody knows to be one yet. So
// nobody is left out in a Region in which anything of the organization is not
// covered; unused access, which any Region may cover, counts everywhere.
func Skippable(fleet *inventory.Fleet, verdicts []inventory.Verdict) map[inventory.Target]bool {
	accounts := make(map[string]*inventory.Account, len(fleet.Accounts))
	for _, a := range fleet.Accounts {
		accounts[a.ID] = a
	}
	open := map[spot]bool{}                // something there is not covered
	covered := map[inventory.Target]bool{} // for everything that is required there, by others
	for _, v := range verdicts {
		a := accounts[v.AccountID]
		if a.Organization == nil {
			continue
		}
		if v.State != inventory.Covered && v.State != inventory.Exempt {
			open[spot{a.Organization.ID, v.Region}] = true
		}
		t := inventory.Target{AccountID: v.AccountID, Region: v.Region}
		before, judged := covered[t]
		covered[t] = (before || !judged) && v.State == inventory.Covered && v.Analyzer.AccountID != a.ID
	}
	skippable := map[inventory.Target]bool{}
	admins := Admins(fleet)
	for _, a := range fleet.Accounts {
		if !a.Queried || !Member(a, admins) {
			continue
		}
		everywhere, judgedEverywhere := covered[inventory.Target{AccountID: a.ID, Region: inventory.Global}]
		for _, r := range a.Regions {
			t := inventory.Target{AccountID: a.ID, Region: r}
			here, judgedHere := covered[t]
			exposed := judgedHere && !here || judgedEverywhere && !everywhere || !judgedHere && !judgedEverywhere
			if !exposed && !openAt(open, a, r) {
				skippable[t] = true
			}
		}
	}
	return skippable
}

func openAt(open map[spot]bool, a *inventory.Account, region string) bool {
	for _, s := range spotsIn(a, region) {
		if open[s] {
			return true
		}
	}
	return false
}
