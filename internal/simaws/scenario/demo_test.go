package scenario

import (
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

func TestDemo(t *testing.T) {
	w := Demo()
	if n := len(w.Accounts); n != 12 {
		t.Errorf("%d accounts", n)
	}
	statuses, kinds, findings := map[string]bool{}, map[string]bool{}, map[string]int{}
	managed, public, archived, failed := 0, 0, 0, 0
	for _, a := range w.Analyzers {
		statuses[a.Status], kinds[a.Type] = true, true
		if a.ManagedBy != "" {
			managed++
		}
		for _, f := range a.Findings {
			findings[f.Type]++
			if f.Public {
				public++
			}
			if f.Status == "ARCHIVED" {
				archived++
			}
			if f.Error != "" {
				failed++
			}
		}
	}
	if len(statuses) != 4 || len(kinds) != 6 || len(findings) != 6 || managed == 0 || public == 0 || archived == 0 || failed == 0 {
		t.Errorf("statuses %v, types %v, findings %v, %d managed, %d public, %d archived, %d errors", statuses, kinds, findings, managed, public, archived, failed)
	}
}

// The demo has policies of each kind, in each account the same baseline. Those of
// AWS must not count.
func TestPoliciesOfTheDemo(t *testing.T) {
	w := Demo()
	kinds := map[string]int{}
	for _, a := range w.Accounts {
		for _, p := range a.PolicyDocuments() {
			kinds[p.Kind]++
			if !json.Valid([]byte(p.Document)) {
				t.Errorf("%s %s is no JSON", p.Owner, p.Name)
			}
		}
		if a.Role("AWSServiceRoleForAccessAnalyzer") == nil || a.Attachments("arn:aws:iam::aws:policy/AdministratorAccess") != 1 {
			t.Errorf("account %s has no baseline", a.Name)
		}
	}
	if want := map[string]int{"managed": 18, "inline": 19, "trust": 41}; !maps.Equal(kinds, want) {
		t.Errorf("policies %v, want %v", kinds, want)
	}
	if n := len(w.Organization.Policies); n != 3 {
		t.Errorf("%d policies of the organization", n)
	}
}

// The demo must change, but must not grow in a day.
func TestDemoDoesNotGrow(t *testing.T) {
	now := time.Now()
	s := world.NewStore(Demo(), func() time.Time { return now }, func(*world.World, time.Time) {})
	const region = "eu-west-1"
	seen, policies := map[string]bool{}, map[string]bool{}
	most := 0
	for range 24 * 30 {
		now = now.Add(2 * time.Minute)
		s.View(func(x *world.Index) {
			w := x.World
			total := len(w.Faults) + len(w.Analyzers)
			shop := w.Account("100000000006")
			deploy := shop.Policies[1].Versions
			policies[deploy[len(deploy)-1]] = true
			total += len(deploy) + len(shop.Policies)
			for _, a := range w.Analyzers {
				total += len(a.Findings)
				if a.Region == region && a.Name == "organization-external" {
					seen[a.Status] = true
				}
			}
			most = max(most, total)
		})
	}
	if !seen["ACTIVE"] || !seen["DISABLED"] {
		t.Errorf("the analyzer of %s has only the statuses %v", region, seen)
	}
	if len(policies) != 2 {
		t.Errorf("a policy of the script has %d documents, want two", len(policies))
	}
	if most > 600 {
		t.Errorf("%d analyzers, findings and faults", most)
	}
}
