package policies

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock/clocktest"
)

// mostIn is the largest number of times within a window that has an end.
func mostIn(times []time.Time, window time.Duration) (most int) {
	first := 0
	for last, at := range times {
		for at.Sub(times[first]) >= window {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

// In no 24 hours are there more calls than configured, and in no hour more than
// PerHour, however often the process restarts. Without restarts, those of more than half the time are made, in which it is not idle.
func TestBudget(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, perDay := range []int{1, 2, 9, 10, 11, 95, 500, 1001} {
		for _, restart := range []time.Duration{0, 5 * time.Minute, time.Hour, 25 * time.Hour} {
			start := time.Date(2026, 11, 22, 10, 59, 0, 0, time.UTC)
			var b *budget
			var taken []time.Time
			idle := 0
			for now := start; now.Before(start.Add(10 * day)); now = now.Add(time.Minute) {
				if b == nil || restart > 0 && r.Int64N(int64(restart)) < int64(time.Minute) {
					b = newBudget(now)
					b.set(perDay)
				}
				if idle--; r.IntN(2000) == 0 {
					idle = r.IntN(2000) // so that calls are kept
				}
				for idle <= 0 && b.take(now) {
					taken = append(taken, now)
				}
			}
			if n := mostIn(taken, day); n > perDay {
				t.Errorf("%d a day, restarts every %v: %d in 24 hours", perDay, restart, n)
			}
			if n := mostIn(taken, time.Hour); n > PerHour(perDay) {
				t.Errorf("%d a day, restarts every %v: %d in an hour", perDay, restart, n)
			}
			if restart == 0 && len(taken) < 5*perDay {
				t.Errorf("%d a day: %d calls in 10 days", perDay, len(taken))
			}
		}
	}
}

// A change of the number of calls makes none possible at once.
func TestBudgetChanges(t *testing.T) {
	now := time.Now()
	b := newBudget(now)
	b.set(10_000)
	if b.take(now) {
		t.Error("a call at the start")
	}
	now = now.Add(day)
	taken := 0
	for _, perDay := range []int{10, 1000, 10, 1000, 0, 1000} {
		for b.set(perDay); b.take(now); taken++ {
		}
	}
	if taken != 1 {
		t.Errorf("%d calls", taken)
	}
}

// A step of the wall clock, in either direction, changes nothing.
func TestBudgetIgnoresTheWallClock(t *testing.T) {
	start := clocktest.Stepped(time.Now(), 0)
	for _, step := range []time.Duration{0, 30 * time.Hour, -30 * time.Hour} {
		b := newBudget(start)
		b.set(10)
		now := start
		for i := range 30 {
			if i == 2 {
				now = clocktest.Stepped(now, step)
			}
			if wait := b.wait(now); wait != b.cost() {
				t.Errorf("step %v, call %d: possible in %v", step, i, wait)
			}
			if now = now.Add(b.cost()); b.wait(now) != 0 || !b.take(now) || b.take(now) {
				t.Errorf("step %v, call %d: not one", step, i)
			}
		}
	}
}
