package state

import (
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Entry caches a value that AWS returns, together with the failure of the
// latest attempt to read it. The zero value has neither.
type Entry[T any] struct {
	value T
	// readAt is when the value was read; zero without a value.
	readAt time.Time
	// failing is nil after a successful attempt.
	failing *failing
	// lost is whether the value was stale, even if the clock was set back since.
	lost bool
}

// failing is the latest of consecutive failures, and the time of the first.
type failing struct {
	failure *inventory.Failure
	since   time.Time
}

// Set records an attempt. After a failure the entry keeps its value.
func (e *Entry[T]) Set(value T, failure *inventory.Failure) {
	now := clock.Now()
	switch {
	case failure == nil:
		*e = Entry[T]{value: value, readAt: now}
	case e.failing == nil:
		e.failing = &failing{failure, now}
	default:
		e.failing = &failing{failure, e.failing.since}
	}
}

func (e *Entry[T]) hasValue() bool { return !e.readAt.IsZero() }

func (e *Entry[T]) attempted() bool { return e.hasValue() || e.failing != nil }

// failure returns the failure of the latest attempt, or nil.
func (e *Entry[T]) failure() *inventory.Failure {
	if e.failing == nil {
		return nil
	}
	return e.failing.failure
}

// lifetime is how long a value is exported: until staleAfter the read that is due,
// or the first failure before that. It does not matter what kept the read from
// succeeding: a failure, a canceled sweep or a suspended machine.
type lifetime struct {
	// due is the time from one read to the latest end of the next.
	due        time.Duration
	staleAfter time.Duration
}

// staleAt returns when the value becomes stale. It is zero without a value.
func (e *Entry[T]) staleAt(l lifetime, now time.Time) time.Time {
	if !e.hasValue() {
		return time.Time{}
	}
	due := e.readAt.Add(l.due)
	if e.failing != nil {
		due = clock.Earlier(due, e.failing.since, now)
	}
	return due.Add(l.staleAfter)
}

// usable returns whether there is a value that is not stale.
func (e *Entry[T]) usable(l lifetime, now time.Time) bool {
	return e.hasValue() && !e.lost && !clock.Reached(e.staleAt(l, now), now)
}

// lose makes a value that is stale unusable for good.
func (e *Entry[T]) lose(l lifetime, now time.Time) {
	e.readAt = clock.Rebase(e.readAt, now)
	if e.failing != nil && clock.SetBack(e.failing.since, now) {
		e.failing = &failing{e.failing.failure, clock.Rebase(e.failing.since, now)}
	}
	e.lost = e.hasValue() && !e.usable(l, now)
}

// overdue returns the failure of the latest attempt or, if the value is stale
// without one, a failure of an operation that says so. It is nil otherwise.
func (e *Entry[T]) overdue(l lifetime, now time.Time, t inventory.Target, operation string) *inventory.Failure {
	switch {
	case e.failing != nil:
		return e.failing.failure
	case !e.hasValue() || e.usable(l, now):
		return nil
	}
	return &inventory.Failure{
		AccountID: t.AccountID, Region: t.Region, Operation: operation, Reason: inventory.Timeout, Detail: inventory.Stale,
		Message: "last read at " + e.readAt.UTC().Format(time.RFC3339) + "; no sweep has come to it since, and it is too old to be used",
	}
}
