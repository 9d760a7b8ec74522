package policies

import (
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
)

// budget bounds the calls that AWS bills to perDay in any 24 hours, over restarts too:
// calls become possible one after the other, and none is at the start, so that the
// calls of all processes are at most those that one process could have made. It uses
// the monotonic clock, so that a step of the wall clock gives no calls.
type budget struct {
	mu     sync.Mutex
	perDay int
	// credit is the time that possible calls have taken to become so; at is when it was
	// computed.
	credit time.Duration
	at     time.Time
}

const day = 24 * time.Hour

func newBudget(now time.Time) *budget { return &budget{at: now} }

// burst is the maximum number of calls that are kept for later.
func burst(perDay int) int { return (perDay + 9) / 10 }

// perBurst is the number of calls in 24 hours that may follow a burst. The last call
// of 24 hours is not within them.
func perBurst(perDay int) int { return perDay - burst(perDay) + 1 }

// PerHour returns the maximum number of calls for checks in an hour.
func PerHour(perDay int) int { return burst(perDay) + perBurst(perDay)/24 }

// cost is the time until one more call is possible, rounded up.
func (b *budget) cost() time.Duration {
	n := time.Duration(perBurst(b.perDay))
	return (day + n - 1) / n
}

// worthwhile is the number of calls to wait for when there are none: each time, a list
// of policies is read for them.
func (b *budget) worthwhile() time.Duration { return time.Duration(min(max(b.perDay/96, 1), 20)) }

// set changes the number of calls in 24 hours. Calls that are possible remain so.
func (b *budget) set(perDay int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if perDay == b.perDay {
		return
	}
	var calls time.Duration
	if b.perDay > 0 {
		b.update(clock.Now())
		calls = b.credit / b.cost()
	}
	if b.perDay = perDay; perDay > 0 {
		b.credit = min(calls, time.Duration(burst(perDay))) * b.cost()
	}
}

// fill makes a burst of calls possible.
func (b *budget) fill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.perDay > 0 {
		b.credit = time.Duration(burst(b.perDay)) * b.cost()
	}
}

// take returns whether a call is possible, and counts it.
func (b *budget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.perDay <= 0 {
		return false
	}
	if b.update(now); b.credit < b.cost() {
		return false
	}
	b.credit -= b.cost()
	return true
}

// wait returns the time until calls are worthwhile; 0 if they are.
func (b *budget) wait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.perDay <= 0 {
		return day
	}
	b.update(now)
	return max(0, b.worthwhile()*b.cost()-b.credit)
}

func (b *budget) update(now time.Time) {
	if passed := now.Sub(b.at); passed > 0 {
		b.at = now
		b.credit = min(b.credit+passed, time.Duration(burst(b.perDay))*b.cost())
	}
}
