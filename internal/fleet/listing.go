package fleet

import (
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// firstRetry follows the first of consecutive failures to read a list. It doubles
// with each, up to a quarter of Options.Interval.
const firstRetry = 5 * time.Second

// essentialRetry is the longest time between attempts to read a list for the first
// time without which there is nothing to export.
const essentialRetry = time.Minute

// listing caches a list that AWS returns, with the failure of the latest attempt
// to read it.
type listing[T any] struct {
	value T
	// readAt is when the value was read, and triedAt when the latest attempt ended;
	// zero before the first.
	readAt, triedAt time.Time
	// failure is nil after a successful attempt; failures counts consecutive ones.
	failure  *inventory.Failure
	failures int
	// lost is whether the value was too old, even if the clock was set back since.
	lost bool
	// essential is whether there is nothing to export without the list.
	essential bool
}

func (l *listing[T]) set(value T, f *inventory.Failure) {
	l.triedAt, l.failure = clock.Now(), f
	if f != nil {
		l.failures++
		return
	}
	l.value, l.readAt, l.failures, l.lost = value, l.triedAt, 0, false
}

// backdate rounds the time of the latest read down.
func (l *listing[T]) backdate(unit time.Duration) {
	// Subtracted, because Truncate loses the monotonic clock.
	l.readAt = l.readAt.Add(-l.readAt.Sub(l.readAt.Truncate(unit)))
}

// dueAt returns when to read the list next: zero for at once.
func (l *listing[T]) dueAt(o *Options) time.Time {
	switch {
	case l.triedAt.IsZero():
		return time.Time{}
	case l.failure != nil && l.essential && l.readAt.IsZero():
		return l.triedAt.Add(min(firstRetry<<min(l.failures-1, 16), essentialRetry, o.Interval/4))
	case l.failure != nil:
		return l.triedAt.Add(min(firstRetry<<min(l.failures-1, 16), o.Interval/4))
	}
	return l.readAt.Add(o.Refresh)
}

// expiresAt returns when the value is too old to be used; zero without a value.
func (l *listing[T]) expiresAt(o *Options) time.Time {
	if l.readAt.IsZero() {
		return time.Time{}
	}
	return l.readAt.Add(o.Refresh + o.Timeout + o.StaleAfter)
}

// usable returns whether there is a value that is not too old. Once too old, it is lost.
func (l *listing[T]) usable(o *Options, now time.Time) bool {
	l.readAt = clock.Rebase(l.readAt, now)
	l.lost = l.lost || !l.readAt.IsZero() && clock.Reached(l.expiresAt(o), now)
	return !l.readAt.IsZero() && !l.lost
}

// why returns why there is no value, or none that is not too old.
func (l *listing[T]) why(accountID, operation string) *inventory.Failure {
	switch {
	case l.failure != nil:
		return l.failure
	case l.triedAt.IsZero():
		return unlisted(accountID, operation, inventory.Pending, "not listed yet")
	}
	return unlisted(accountID, operation, inventory.Stale, "the list is too old: it was last read at "+l.readAt.UTC().Format(time.RFC3339))
}

func unlisted(accountID, operation string, why inventory.Detail, message string) *inventory.Failure {
	return &inventory.Failure{
		AccountID: accountID, Region: inventory.Global, Operation: operation, Reason: inventory.Other, Detail: why, Message: message,
	}
}
