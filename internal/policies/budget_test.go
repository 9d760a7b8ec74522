package policies

import (
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock/clocktest"
)

// In no 24 hours are there more calls than configured, however the hours begin, and
// in no hour more than a tenth.
func TestBudget(t *testing.T) {
	start := time.Date(2026, 11, 22, 10, 59, 0, 0, time.UTC)
	for _, perDay := range []int{1, 9, 10, 500} {
		b := newBudget(start)
		b.set(perDay)
		var taken []time.Time
		for now := start; now.Before(start.Add(72 * time.Hour)); now = now.Add(time.Minute) {
			for b.take(now) {
				taken = append(taken, now)
			}
		}
		for i, first := range taken {
			day, hour := 0, 0
			for _, at := range taken[i:] {
				if at.Sub(first) < 24*time.Hour {
					day++
				}
				if b.hour(at) == b.hour(first) {
					hour++
				}
			}
			if day > perDay || hour > PerHour(perDay) {
				t.Fatalf("%d a day: %d in 24 h, %d in an hour from %v", perDay, day, hour, first)
			}
		}
		if len(taken) < 2*perDay {
			t.Errorf("%d a day: %d calls in 72 h", perDay, len(taken))
		}
	}
}

// A step of the wall clock, in either direction, gives no further calls, and no time to
// try again that has passed.
func TestBudgetIgnoresTheWallClock(t *testing.T) {
	start := clocktest.Stepped(time.Now(), 0)
	for _, step := range []time.Duration{0, 30 * time.Hour, -30 * time.Hour} {
		b := newBudget(start)
		b.set(10)
		now := clocktest.Stepped(start.Add(10*time.Minute), step)
		for i := range 30 {
			at := now.Add(time.Duration(i) * time.Hour)
			if want := i < 10 || i >= 25; b.take(at) != want || b.take(at) {
				t.Errorf("step %v, hour %d: not one call", step, i)
			}
			if next := b.next(at); clock.Reached(next, at) || next.Sub(at) != 50*time.Minute {
				t.Errorf("step %v, hour %d: the next after %v", step, i, next.Sub(at))
			}
			if i == 2 {
				now = clocktest.Stepped(now, step)
			}
		}
	}
}
