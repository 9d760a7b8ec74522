package state

import (
	"cmp"
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// addPublic lists the oldest public resources of each owner, at most as many as
// configured, and counts the others. A global resource is listed once, with its
// oldest finding. Other resources are listed with the findings of each analyzer
// that reports them, because each of these has to be resolved or archived.
//
// The order depends only on what AWS returns, so that a restart lists the same
// resources, and a new one never replaces an older one.
func addPublic(snapshot *inventory.Snapshot, most int) {
	if most == 0 {
		return
	}
	public := publicResources(snapshot.Findings)
	snapshot.PublicUnlisted = map[inventory.Target]int{}
	for _, f := range snapshot.Findings {
		for owner, n := range f.Findings.PublicUnnamed {
			snapshot.PublicUnlisted[inventory.Target{AccountID: owner, Region: f.Analyzer.Region}] += n
		}
	}
	listed := 0 // of the owner
	for i, r := range public {
		if i > 0 && public[i-1].AccountID != r.AccountID {
			listed = 0
		}
		if listed++; listed > most {
			snapshot.PublicUnlisted[inventory.Target{AccountID: r.AccountID, Region: r.Region}]++
			continue
		}
		snapshot.PublicResources = append(snapshot.PublicResources, r)
	}
}

// publicResources returns the named findings, sorted by owner and age, and of those
// of a global resource the oldest.
func publicResources(counted []inventory.AnalyzerFindings) []inventory.PublicResource {
	var all []inventory.PublicResource
	for _, f := range counted {
		for _, p := range f.Findings.Public {
			r := inventory.PublicResource{PublicFinding: p, Region: f.Analyzer.Region, Analyzer: f.Analyzer}
			if p.Global() {
				r.Region = inventory.Global
			}
			all = append(all, r)
		}
	}
	slices.SortFunc(all, comparePublic)
	type resource struct{ owner, arn string }
	seen := map[resource]bool{}
	return slices.DeleteFunc(all, func(r inventory.PublicResource) bool {
		if r.Region != inventory.Global || r.Resource == "" {
			return false
		}
		again := seen[resource{r.AccountID, r.Resource}]
		seen[resource{r.AccountID, r.Resource}] = true
		return again
	})
}

func comparePublic(a, b inventory.PublicResource) int {
	return cmp.Or(strings.Compare(a.AccountID, b.AccountID), a.Compare(&b.PublicFinding), strings.Compare(a.Analyzer.ARN, b.Analyzer.ARN))
}
