package web

import (
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

// publicLimit is the maximum number of public resources on the page. The JSON has
// all that are listed.
const publicLimit = 50

type apiPublicResource struct {
	Region       string `json:"region"`
	ResourceType string `json:"resource_type"`
	// Resource is empty if AWS reports none.
	Resource          string     `json:"resource"`
	FindingID         string     `json:"finding_id"`
	AnalyzerAccountID string     `json:"analyzer_account_id"`
	Analyzer          string     `json:"analyzer"`
	CreatedAt         *time.Time `json:"created_at,omitempty"`
}

// publicOf returns the listed public resources of an owner, the oldest first.
func (v *view) publicOf(owner string) []apiPublicResource {
	all := v.snapshot.PublicResources // sorted by owner
	i, _ := slices.BinarySearchFunc(all, owner, func(r inventory.PublicResource, id string) int { return strings.Compare(r.AccountID, id) })
	var public []apiPublicResource
	for ; i < len(all) && all[i].AccountID == owner; i++ {
		r := all[i]
		public = append(public, apiPublicResource{
			r.Region, r.ResourceType, r.Resource, r.ID, r.Analyzer.AccountID, r.Analyzer.Name, instant(r.CreatedAt),
		})
	}
	return public
}

// publicLine is a public resource on the page.
type publicLine struct {
	Resource, Account, ID, Region, Type string
	// Link leads to the account on the map; empty if it is not there.
	Link    string
	Created time.Time
}

func (v *view) publicLines() []publicLine {
	var lines []publicLine
	for _, r := range v.public.Listed {
		lines = append(lines, publicLine{
			report.Printable(r.Resource), report.Printable(v.AccountName(r.AccountID)), r.AccountID,
			report.Printable(r.Region), report.Printable(r.ResourceType), v.ownerLink(r.AccountID), r.CreatedAt,
		})
	}
	return lines
}
