package state

import (
	"time"

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
}

// failing is the latest of consecutive failures, and the time of the first.
type failing struct {
	failure *inventory.Failure
	since   time.Time
}

// Set records an attempt. After a failure the entry keeps its value.
func (e *Entry[T]) Set(value T, failure *inventory.Failure) {
	now := time.Now()
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

// staleAt returns when the value becomes stale, which is staleAfter the first
// of the consecutive failures. It is zero without a value or a failure.
func (e *Entry[T]) staleAt(staleAfter time.Duration) time.Time {
	if !e.hasValue() || e.failing == nil {
		return time.Time{}
	}
	return e.failing.since.Add(staleAfter)
}

// usable returns whether there is a value that is not stale.
func (e *Entry[T]) usable(staleAfter time.Duration, now time.Time) bool {
	return e.hasValue() && (e.failing == nil || now.Before(e.staleAt(staleAfter)))
}
