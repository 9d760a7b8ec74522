package sweep

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
)

// runCoverage sweeps at intervals, until the context ends. Between sweeps it reads
// targets that are discovered.
func (s *Sweeper) runCoverage(ctx context.Context) {
	retry := firstRetry
	next := s.resume()
	for ctx.Err() == nil {
		if s.waitUntil(ctx, next); ctx.Err() != nil {
			return
		}
		s.awaitFleet(ctx)
		s.publishFirst()
		if now := clock.Now(); !s.state.Interrupted(now) {
			s.schedule.start(now, s.opts.Interval)
		}
		next = s.schedule.started.Add(s.opts.Interval)
		if s.sweepCoverage(ctx); ctx.Err() != nil {
			return
		}
		if s.publish().Ready {
			retry = firstRetry
			notify(s.swept)
			continue
		}
		// A change of the fleet ends the wait.
		clock.Wait(ctx, clock.Now().Add(min(retry, s.opts.Interval)), s.fleet.Changed())
		retry = min(2*retry, longestRetry)
		next = clock.Now()
	}
}

// resume returns when the first sweep is due. After a reload that is when the
// previous sweeper would have started it, or at once if one was canceled or the
// change may concern what is read.
func (s *Sweeper) resume() time.Time {
	now := clock.Now()
	if s.schedule.started.IsZero() {
		return now
	}
	s.publish()
	switch {
	case s.state.Interrupted(now):
		return now
	case s.opts.Restart:
		return s.force(now)
	}
	return s.schedule.started.Add(s.opts.Interval)
}

// force returns when to start a sweep that is not due: at once, unless the one
// before was not due either.
func (s *Sweeper) force(now time.Time) time.Time {
	n := s.schedule.forced
	if n == 0 {
		return now
	}
	pause := min(firstForced<<min(n-1, 16), s.opts.Interval)
	return s.schedule.started.Add(pause - rand.N(pause/10+1))
}

// schedule is when coverage sweeps started.
type schedule struct {
	started time.Time
	// forced is the number of consecutive sweeps that were not due.
	forced int
	// updated is when targets that were discovered between sweeps were last read.
	updated time.Time
}

func (s *schedule) start(now time.Time, interval time.Duration) {
	if s.started.IsZero() || clock.Reached(s.started.Add(interval), now) {
		s.forced = 0
	} else {
		s.forced++
	}
	s.started = now
}

// publishFirst publishes, until a sweep has been published, what there is.
func (s *Sweeper) publishFirst() {
	select {
	case <-s.ready:
	default:
		s.publish()
	}
}

// awaitFleet waits, before the first sweep, until the lists of accounts and Regions
// are there.
func (s *Sweeper) awaitFleet(ctx context.Context) {
	select {
	case <-s.ready:
		return
	default:
	}
	for until := clock.Now().Add(discoveryWait); ctx.Err() == nil && clock.Now().Before(until); {
		changed := s.fleet.Changed()
		if s.fleet.Fleet().Pending == 0 {
			return
		}
		clock.Wait(ctx, until, changed)
	}
}

// waitUntil waits for the next sweep, which may be hours away. Meanwhile it reads
// targets that are discovered. It returns early if targets that were skipped have to
// be read.
func (s *Sweeper) waitUntil(ctx context.Context, next time.Time) {
	forced := false
	for ctx.Err() == nil && !clock.Reached(next, clock.Now()) {
		latest := s.latest.Load()
		if latest.ReadSkipped && !forced {
			forced = true
			next = earliest(next, s.force(clock.Now()))
			continue
		}
		var update time.Time
		if s.changed.Load() || latest.Unread {
			update = s.schedule.updated.Add(updateInterval)
		}
		clock.Wait(ctx, earliest(next, update), s.wake)
		if ctx.Err() == nil && !update.IsZero() && clock.Reached(update, clock.Now()) {
			s.update(ctx, next)
		}
	}
}

// publishStale publishes when values become stale, also while a sweep is in progress:
// after a suspension its calls may wait for answers that never come. It also publishes
// when the clock was set back, because then each value is rebased. Publications
// follow each other when values become stale one by one, and are then spaced by a
// multiple of the time that one takes.
func (s *Sweeper) publishStale(ctx context.Context) {
	for ctx.Err() == nil {
		before := clock.Now()
		clock.Wait(ctx, earliest(s.latest.Load().StaleAt, before.Add(noticeAfter)), s.replaced)
		began, at := clock.Now(), s.latest.Load().StaleAt
		if ctx.Err() == nil && (!at.IsZero() && clock.Reached(at, began) || clock.SetBack(before, began)) {
			s.publish()
			clock.Wait(ctx, clock.Now().Add(staleSpacing*clock.Elapsed(began, clock.Now())), nil)
		}
	}
}

// update publishes a change of the fleet, and reads the targets that there was no
// attempt to read.
func (s *Sweeper) update(ctx context.Context, until time.Time) {
	s.changed.Store(false)
	s.schedule.updated = clock.Now()
	s.publish()
	if s.latest.Load().Unread {
		until, p := earliest(until, clock.Now().Add(s.opts.Timeout)), &progress{}
		throttled := s.readTargets(ctx, s.fleet.Fleet(), s.state.Unread, until, p)
		if ctx.Err() == nil {
			s.publish()
			notify(s.swept)
		}
		// What was read is published already, except at the deadline.
		if left := s.readAgain(ctx, until, throttled, p); len(left) > 0 && ctx.Err() == nil {
			s.publish()
		}
	}
}

// noticeChanges records that the fleet changed, and ends the wait for the next
// sweep.
func (s *Sweeper) noticeChanges(ctx context.Context) {
	for changed := s.fleet.Changed(); ; {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		changed = s.fleet.Changed()
		s.changed.Store(true)
		notify(s.wake)
	}
}

// earliest returns the earliest of the times that are not zero.
func earliest(times ...time.Time) time.Time {
	var first time.Time
	now := clock.Now()
	for _, t := range times {
		switch {
		case t.IsZero():
		case first.IsZero():
			first = t
		default:
			first = clock.Earlier(first, t, now)
		}
	}
	return first
}
