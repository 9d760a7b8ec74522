package state

import (
	"hash/fnv"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// detailsAge is the maximum age of an analyzer's configuration and archive
// rules. Only CloudTrail reports changes to them.
const detailsAge = time.Hour

// Details caches what ListAnalyzers does not return about an analyzer. Entries
// of a copy can be set without a lock.
type Details struct {
	Configuration Entry[*inventory.Configuration]
	// ArchiveRules is the number of archive rules.
	ArchiveRules Entry[int]

	createdAt time.Time // of the analyzer
	readAt    time.Time // zero: due at once
	listed    listed    // when the details were read
}

// listed is the part of a list entry whose change makes the details due.
type listed struct{ kind, status, statusReason string }

func listedOf(a *inventory.Analyzer) listed { return listed{a.Type, a.Status, a.StatusReason} }

// Due returns whether to read the details again: they are old or lost, the analyzer
// changed, or the latest attempt failed. The maximum age varies by ARN, so that
// one sweep does not read the details of all analyzers.
func (d *Details) Due(a *inventory.Analyzer) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(a.ARN))
	age := detailsAge - time.Duration(h.Sum32()%20)*detailsAge/100
	return d.readAt.IsZero() || d.listed != listedOf(a) || len(d.Failures()) > 0 || d.Configuration.lost || d.ArchiveRules.lost || clock.Elapsed(d.readAt, clock.Now()) >= age
}

// MarkRead records that the details of an analyzer were read now.
func (d *Details) MarkRead(a *inventory.Analyzer) { d.readAt, d.listed = clock.Now(), listedOf(a) }

// Failures returns those of the latest attempt.
func (d *Details) Failures() []*inventory.Failure {
	var failures []*inventory.Failure
	for _, f := range []*inventory.Failure{d.Configuration.failure(), d.ArchiveRules.failure()} {
		if f != nil {
			failures = append(failures, f)
		}
	}
	return failures
}

// complete sets the details of an analyzer that has not been published: those that
// are not stale, and the failure of a configuration that is.
func (d *Details) complete(a *inventory.Analyzer, l lifetime, now time.Time) {
	switch {
	case d.Configuration.usable(l, now):
		a.Configuration, a.Unread = d.Configuration.value, nil
	case d.Configuration.attempted():
		a.Configuration, a.Unread = nil, d.Configuration.failure()
	}
	if a.ArchiveRules = -1; d.ArchiveRules.usable(l, now) {
		a.ArchiveRules = d.ArchiveRules.value
	}
}

// changes returns whether complete would change an analyzer. In the list of
// another account, an analyzer has no details; in its owner's list it has those of
// the last sweep, which may have become stale since.
func (d *Details) changes(a *inventory.Analyzer, l lifetime, now time.Time) bool {
	after := *a
	d.complete(&after, l, now)
	return after.Configuration != a.Configuration || after.Unread != a.Unread || after.ArchiveRules != a.ArchiveRules
}

// lose drops what is stale.
func (d *Details) lose(l lifetime, now time.Time) {
	d.readAt = clock.Rebase(d.readAt, now) // also what decides when they are due
	d.Configuration.lose(l, now)
	d.ArchiveRules.lose(l, now)
}
