package report

import (
	"slices"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
)

// Of a resource that several analyzers report, the oldest finding is shown; what
// became public last comes first.
func TestPublicResourcesAreListedOnce(t *testing.T) {
	finding := func(owner, region, arn, id string, day int) inventory.PublicResource {
		return inventory.PublicResource{Region: region, PublicFinding: inventory.PublicFinding{
			ID: id, AccountID: owner, Resource: arn, CreatedAt: time.Date(2026, 11, day, 0, 0, 0, 0, time.UTC),
		}}
	}
	s := &inventory.Snapshot{
		PublicResources: []inventory.PublicResource{
			finding("111111111111", "eu-west-1", "arn:aws:s3:::shop", "account analyzer", 1),
			finding("111111111111", "eu-west-1", "arn:aws:s3:::shop", "organization analyzer", 2),
			finding("111111111111", "eu-west-1", "", "without a resource", 3),
			finding("111111111111", "eu-west-1", "", "another", 4),
			finding("222222222222", "us-east-1", "arn:aws:s3:::shop", "of another account", 5),
		},
		PublicUnlisted: map[inventory.Target]int{{AccountID: "111111111111", Region: "eu-west-1"}: 2, {AccountID: "222222222222", Region: "eu-west-1"}: 3},
	}
	p := For(s, remedy.Setting{}).PublicResources()
	var got []string
	for _, r := range p.Listed {
		got = append(got, r.ID)
	}
	want := []string{"of another account", "another", "without a resource", "account analyzer"}
	if !slices.Equal(got, want) || p.Unlisted != 5 {
		t.Errorf("listed %q, %d unlisted, want %q, 5", got, p.Unlisted, want)
	}
}
