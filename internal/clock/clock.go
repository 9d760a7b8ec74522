// Package clock measures time across suspensions and steps of the wall clock.
//
// The monotonic clock, which package time compares by, stops while a machine is
// suspended. The wall clock continues, and can be set back. Elapsed takes the
// longer of both, so that what was read before is never taken to be younger than
// it is.
package clock

import (
	"context"
	"time"
)

// poll is the longest time for which Wait trusts a timer: timers stop while the
// machine is suspended.
const poll = 10 * time.Second

// Elapsed returns the time from one moment to another.
func Elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// Reached returns whether a time has come by either clock.
func Reached(t, now time.Time) bool { return Elapsed(t, now) >= 0 }

// Wait waits for a time, the end of the context or wake, which may be nil.
func Wait(ctx context.Context, until time.Time, wake <-chan struct{}) {
	for now := time.Now(); ctx.Err() == nil && !Reached(until, now); now = time.Now() {
		t := time.NewTimer(min(poll, until.Sub(now)))
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
