// Package clock measures time across suspensions and steps of the wall clock.
//
// The monotonic clock, which package time compares by, stops while a machine is
// suspended. The wall clock continues, and can be set back. Elapsed takes the
// longer of both, so that what was read before is never taken to be younger than
// it is.
package clock

import (
	"context"
	"sync/atomic"
	"time"
)

// poll is the longest time for which Wait trusts a timer: timers stop while the
// machine is suspended.
const poll = 10 * time.Second

// simulated is what Now calls in tests.
var simulated atomic.Pointer[func() time.Time]

// Now returns the current time by both clocks.
func Now() time.Time {
	if now := simulated.Load(); now != nil {
		return (*now)()
	}
	return time.Now()
}

// Simulate replaces Now, for tests of the whole program in which the clocks differ.
// restore ends it.
func Simulate(now func() time.Time) (restore func()) {
	simulated.Store(&now)
	return func() { simulated.Store(nil) }
}

// Elapsed returns the time from one moment to another.
func Elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// Reached returns whether a time has come by either clock.
func Reached(t, now time.Time) bool { return Elapsed(t, now) >= 0 }

// Earlier returns the one of two times that comes first. Before compares only by the
// monotonic clock, by which one that was set before a suspension is too late.
func Earlier(a, b, now time.Time) time.Time {
	if Elapsed(b, now) > Elapsed(a, now) {
		return b
	}
	return a
}

// SetBack returns whether the wall clock was set back between two moments.
func SetBack(from, to time.Time) bool {
	return to.Sub(from)-to.Round(0).Sub(from.Round(0)) >= time.Second
}

// Rebase returns a time from before the wall clock was set back, by that clock as it is
// now. The time would otherwise hide as much of a later suspension.
func Rebase(t, now time.Time) time.Time {
	if SetBack(t, now) {
		return now.Add(-now.Sub(t)) // which leaves the monotonic clock alone
	}
	return t
}

// Wait waits for a time, the end of the context or wake, which may be nil.
func Wait(ctx context.Context, until time.Time, wake <-chan struct{}) {
	for now := Now(); ctx.Err() == nil && !Reached(until, now); now = Now() {
		t := time.NewTimer(min(poll, -Elapsed(until, now)))
		select {
		case <-t.C:
			continue
		case <-ctx.Done():
		case <-wake:
		}
		t.Stop()
		return
	}
}
