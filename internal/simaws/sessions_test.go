package simaws

import (
	"testing"
	"time"
)

// A server that runs for weeks must not remember every session, and must still
// tell an expired one from one that never was.
func TestSessionsAreForgotten(t *testing.T) {
	var s sessions
	now := time.Now()
	var recent string
	for range 5000 {
		now = now.Add(10 * time.Second)
		recent, _ = s.open("111111111111", &Role{Name: "role"}, "test", now, 15*time.Minute)
	}
	if n := len(s.m); n > 1024 {
		t.Errorf("%d sessions are remembered", n)
	}
	if s.get(recent) == nil {
		t.Error("the last one is forgotten")
	}
}
