package policies

import (
	"testing"
	"time"
)

// In no 24 hours are there more calls than configured, however the hours begin, and
// in no hour more than a tenth.
func TestBudget(t *testing.T) {
	start := time.Date(2026, 11, 22, 10, 59, 0, 0, time.UTC)
	for _, perDay := range []int{1, 9, 10, 500} {
		b := budget{perDay: perDay, calls: map[int64]int{}}
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
				if at.Truncate(time.Hour).Equal(first.Truncate(time.Hour)) {
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
