package policies

import (
	"sync"
	"time"
)

// budget bounds the calls that AWS bills: in any 24 hours to perDay, and in an hour to
// a tenth of that, because a restart forgets the calls before it. It counts hours from
// its start by the monotonic clock: a step of the wall clock does not forget any.
type budget struct {
	start  time.Time
	mu     sync.Mutex
	perDay int
	// calls by the number of the hour.
	calls map[int64]int
}

func newBudget(now time.Time) *budget { return &budget{start: now, calls: map[int64]int{}} }

// PerHour returns the maximum number of calls for checks in an hour.
func PerHour(perDay int) int { return (perDay + 9) / 10 }

// hours is the number of hours that overlap with 24 hours.
const hours = 25

func (b *budget) set(perDay int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.perDay = perDay
}

// take returns whether a call is possible, and counts it.
func (b *budget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.possible(now) {
		return false
	}
	b.calls[b.hour(now)]++
	return true
}

// left returns whether a call is possible.
func (b *budget) left(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.possible(now)
}

func (b *budget) possible(now time.Time) bool {
	current, day := b.hour(now), 0
	for h, n := range b.calls {
		if h <= current-hours {
			delete(b.calls, h)
			continue
		}
		day += n
	}
	return day < b.perDay && b.calls[current] < PerHour(b.perDay)
}

// next returns when to try again.
func (b *budget) next(now time.Time) time.Time {
	return now.Add(time.Hour - now.Sub(b.start)%time.Hour)
}

func (b *budget) hour(now time.Time) int64 { return int64(now.Sub(b.start) / time.Hour) }
