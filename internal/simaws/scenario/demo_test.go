package scenario

import (
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

// The demo must change, but must not grow in a day.
func TestDemoDoesNotGrow(t *testing.T) {
	now := time.Now()
	s := world.NewStore(Demo(), func() time.Time { return now }, func(*world.World, time.Time) {})
	const region = "eu-west-1"
	seen := map[string]bool{}
	most := 0
	for range 24 * 30 {
		now = now.Add(2 * time.Minute)
		s.View(func(x *world.Index) {
			w := x.World
			total := len(w.Faults) + len(w.Analyzers)
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
	if most > 600 {
		t.Errorf("%d analyzers, findings and faults", most)
	}
}
