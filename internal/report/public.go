package report

import (
	"cmp"
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// PublicResources are the resources that ACTIVE findings report as public.
type PublicResources struct {
	// Listed has each resource once, with its oldest finding, the newest first: what
	// became public last needs attention.
	Listed []inventory.PublicResource
	// Unlisted is the number of findings beyond findings.public_resources.
	Unlisted int
}

// PublicResources returns those of all accounts.
func (s *Summary) PublicResources() PublicResources {
	type resource struct{ owner, region, arn string }
	var p PublicResources
	seen := map[resource]bool{}
	for _, r := range s.snapshot.PublicResources { // the oldest of an owner first
		k := resource{r.AccountID, r.Region, r.Resource}
		if r.Resource != "" && seen[k] {
			continue
		}
		seen[k] = true
		p.Listed = append(p.Listed, r)
	}
	slices.SortStableFunc(p.Listed, func(a, b inventory.PublicResource) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(a.Region, b.Region), cmp.Compare(a.Resource, b.Resource))
	})
	for _, n := range s.snapshot.PublicUnlisted {
		p.Unlisted += n
	}
	return p
}
