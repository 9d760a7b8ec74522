package state

import (
	"hash/fnv"
	"time"

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

// Due returns whether to read the details again: they are old, the analyzer
// changed, or the latest attempt failed. The maximum age varies by ARN, so that
// one sweep does not read the details of all analyzers.
func (d *Details) Due(a *inventory.Analyzer) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(a.ARN))
	age := detailsAge - time.Duration(h.Sum32()%20)*detailsAge/100
	return d.readAt.IsZero() || d.listed != listedOf(a) || len(d.Failures()) > 0 || time.Since(d.readAt) >= age
}

// MarkRead records that the details of an analyzer were read now.
func (d *Details) MarkRead(a *inventory.Analyzer) { d.readAt, d.listed = time.Now(), listedOf(a) }

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

// Complete copies the details that are not stale to an analyzer that has not
// been published.
func (d *Details) Complete(a *inventory.Analyzer, staleAfter time.Duration) {
	now := time.Now()
	if a.Configuration == nil {
		if d.Configuration.usable(staleAfter, now) {
			a.Configuration = d.Configuration.value
		} else {
			a.Unread = d.Configuration.failure()
		}
	}
	if d.ArchiveRules.usable(staleAfter, now) {
		a.ArchiveRules = d.ArchiveRules.value
	}
}
