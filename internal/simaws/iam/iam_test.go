package iam

import (
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// A long-running server must not keep every session, and must still distinguish
// an expired one from an unknown one.
func TestExpiredSessionsArePruned(t *testing.T) {
	var s Sessions
	now := time.Now()
	var recent string
	for range 5000 {
		now = now.Add(10 * time.Second)
		recent, _ = s.Assume("111111111111", &world.Role{Name: "role"}, "test", nil, now, 15*time.Minute)
	}
	if n := len(s.m); n > minPruneSize {
		t.Errorf("%d sessions are stored", n)
	}
	if s.get(recent) == nil {
		t.Error("the most recent session is gone")
	}
}
