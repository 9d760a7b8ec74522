package paging

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestOutageOfADay checks that a page outlives an exporter that is down for a day,
// and ends 2 days after the last data.
func TestOutageOfADay(t *testing.T) {
	if os.Getenv("PAGING_HISTORIES") == "" {
		t.Skip("takes minutes: make paging")
	}
	e := organization(exporterJob, 2, 1, covered)
	firing := func(c *chain) bool {
		for _, a := range c.alertmanager.active() {
			if a.Labels["alertname"] == "AccessAnalyzerRegionUncovered" {
				return true
			}
		}
		return false
	}
	var open []bool
	c := inVirtualTime(t, shipped(t), []*exporter{e}, func(c *chain) {
		c.run(10)
		lose(e, 0, 0, 1)
		c.run(30)
		e.shards[0] = failing
		for range 3 {
			c.run(24 * 60)
			open = append(open, firing(c))
		}
	})
	if !slices.Equal(open, []bool{true, true, false}) && !slices.Equal(open, []bool{true, false, false}) {
		t.Errorf("after each day the page is open: %v", open)
	}
	if got := strings.Join(c.pages("page"), "\n"); strings.Count(got, "resolved: Account") != 1 {
		t.Errorf("pages:\n%s", got)
	}
}
