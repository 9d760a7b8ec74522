package awsapi

import (
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock/clocktest"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// A response, or a page of a list, from before a suspension of the machine is no
// information about the time after it.
func TestSuspensionDuringACall(t *testing.T) {
	for _, test := range []struct {
		name string
		// during is the attempt after which the machine is suspended.
		during int
		call   func(*Client) *inventory.Failure
		fails  bool
	}{
		{"one call", 1, func(c *Client) *inventory.Failure { _, _, f := c.Caller(t.Context()); return f }, true},
		{"first page", 1, func(c *Client) *inventory.Failure {
			_, f := c.Analyzers(t.Context(), accountOf(hub), "eu-west-1")
			return f
		}, true},
		{"last page", 2, func(c *Client) *inventory.Failure {
			_, f := c.Analyzers(t.Context(), accountOf(hub), "eu-west-1")
			return f
		}, true},
		{"before", 0, func(c *Client) *inventory.Failure { _, _, f := c.Caller(t.Context()); return f }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := world()
			w.PageSizes = map[string]int{"ListAnalyzers": 1}
			for _, name := range []string{"a", "b"} {
				w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: hub, Region: "eu-west-1", Name: name, Type: "ACCOUNT", Status: "ACTIVE"})
			}
			c, _, _ := start(t, w)
			wall := &clocktest.Wall{}
			defer clock.Simulate(wall.Now)()
			attempts := 0
			suspend := func() {
				if attempts == test.during {
					wall.Step(5 * time.Hour)
				}
			}
			suspend()
			c.opts.Observe = func(string, string, string, time.Duration) { attempts++; suspend() }
			f := test.call(c)
			if failed := f != nil && f.Reason == inventory.Timeout; failed != test.fails || f != nil && !failed {
				t.Errorf("failure %v", f)
			}
			attempts = 100
			if f := test.call(c); f != nil {
				t.Errorf("afterwards %v", f)
			}
		})
	}
}
