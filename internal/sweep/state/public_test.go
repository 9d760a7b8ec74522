package state

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	owner = "222222222222"
	role  = "AWS::IAM::Role"
)

var day = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// reported returns the count of an analyzer with public findings: a bucket or role
// by name, and how many days after the first of the month its finding was created.
func reported(region, name string, unnamed int, public map[string]int) inventory.AnalyzerFindings {
	a := &inventory.Analyzer{ARN: region + "/" + name, Name: name, AccountID: "111111111111", Region: region, Type: "ORGANIZATION"}
	f := inventory.NewFindings()
	for resource, created := range public {
		kind := "AWS::S3::Bucket"
		if resource[:4] == "role" || resource == "    " {
			kind = role
		}
		p := inventory.PublicFinding{
			ID: fmt.Sprintf("%s/%s/%s", region, name, resource), AccountID: owner, ResourceType: kind, Resource: resource, CreatedAt: day.AddDate(0, 0, created),
		}
		if resource == "    " {
			p.Resource = ""
		}
		f.Public = append(f.Public, p)
	}
	if unnamed > 0 {
		f.PublicUnnamed = map[string]int{owner: unnamed}
	}
	return inventory.AnalyzerFindings{Analyzer: a, Findings: f}
}

func TestPublicResources(t *testing.T) {
	unlisted := func(region string, n int) map[inventory.Target]int {
		return map[inventory.Target]int{{AccountID: owner, Region: region}: n}
	}
	for _, test := range []struct {
		name     string
		most     int
		counted  []inventory.AnalyzerFindings
		want     []string // Region and finding
		unlisted map[inventory.Target]int
	}{
		{"none", 2, []inventory.AnalyzerFindings{reported("eu-west-1", "a", 0, nil)}, nil, nil},
		{"switched off", 0, []inventory.AnalyzerFindings{reported("eu-west-1", "a", 0, map[string]int{"shop": 1})}, nil, nil},
		{"a role in two Regions is listed once, with the oldest finding", 2, []inventory.AnalyzerFindings{
			reported("eu-west-1", "a", 0, map[string]int{"role": 5}), reported("us-east-1", "a", 0, map[string]int{"role": 3}),
		}, []string{"global us-east-1/a/role"}, nil},
		{"a role without a name is not the same as another", 2, []inventory.AnalyzerFindings{
			reported("eu-west-1", "a", 0, map[string]int{"    ": 5}), reported("us-east-1", "a", 0, map[string]int{"    ": 3}),
		}, []string{"global us-east-1/a/    ", "global eu-west-1/a/    "}, nil},
		{"a bucket has a finding of each analyzer", 2, []inventory.AnalyzerFindings{
			reported("eu-west-1", "a", 0, map[string]int{"shop": 5}), reported("eu-west-1", "b", 0, map[string]int{"shop": 4}),
		}, []string{"eu-west-1 eu-west-1/b/shop", "eu-west-1 eu-west-1/a/shop"}, nil},
		{"the oldest over all analyzers are listed", 2, []inventory.AnalyzerFindings{
			reported("eu-west-1", "a", 0, map[string]int{"shop": 5, "logs": 3}), reported("us-east-1", "a", 0, map[string]int{"mail": 4, "role": 6}),
		}, []string{"eu-west-1 eu-west-1/a/logs", "us-east-1 us-east-1/a/mail"}, map[inventory.Target]int{
			{AccountID: owner, Region: "eu-west-1"}: 1, {AccountID: owner, Region: inventory.Global}: 1,
		}},
		{"an unlisted role counts once", 1, []inventory.AnalyzerFindings{
			reported("eu-west-1", "a", 0, map[string]int{"shop": 1, "role": 3}), reported("us-east-1", "a", 0, map[string]int{"role": 4}),
		}, []string{"eu-west-1 eu-west-1/a/shop"}, unlisted(inventory.Global, 1)},
		{"findings without a name count", 1, []inventory.AnalyzerFindings{
			reported("eu-west-1", "a", 7, map[string]int{"shop": 1, "logs": 2}), reported("eu-west-1", "b", 5, map[string]int{"shop": 3}),
		}, []string{"eu-west-1 eu-west-1/a/shop"}, unlisted("eu-west-1", 7+5+2)},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &inventory.Snapshot{Findings: test.counted}
			addPublic(s, test.most)
			var got []string
			for _, r := range s.PublicResources {
				got = append(got, r.Region+" "+r.ID)
			}
			if !slices.Equal(got, test.want) || !maps.Equal(s.PublicUnlisted, test.unlisted) {
				t.Errorf("got %q, %v unlisted, want %q, %v", got, s.PublicUnlisted, test.want, test.unlisted)
			}
		})
	}
}
