package sweep

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Ready is closed once a sweep over all targets has been completed: until then
// there is nothing to refresh.
func (s *Sweeper) Ready() <-chan struct{} { return s.readied }

// Locate tells where to look for what has changed at a place: there or, for an
// analyzer that no list shows yet, at its target. It reports false for a place
// of which nothing is exported.
func (s *Sweeper) Locate(p inventory.RefreshKey) (inventory.RefreshKey, bool) {
	j, watched := s.facts.job(p.Target)
	if !watched || s.facts.isSkipped(p.Target) {
		return p, false
	}
	if p.AnalyzerARN == "" {
		return p, true
	}
	if j.account.OutOfScope || !s.opts.Findings {
		return p, false // its findings are nobody's concern
	}
	if s.facts.own(p) == nil {
		p.AnalyzerARN = ""
	}
	return p, true
}

// Refresh reads a place anew. Who calls it publishes what came of it, be it a
// failure.
//
// A sweep may be reading the same place. Whoever comes second waits, and then
// reads for itself: what the first has read may be from before the change. So
// of two readings it is always the newer one that stands in the end.
func (s *Sweeper) Refresh(ctx context.Context, p inventory.RefreshKey) *inventory.Failure {
	if p.AnalyzerARN == "" {
		return s.refreshTarget(ctx, p.Target)
	}
	analyzer := s.facts.own(p)
	j, watched := s.facts.job(p.Target)
	if analyzer == nil || !watched {
		return nil // gone since it was located
	}
	failure := s.countFindings(ctx, findingJob{j.account, analyzer}, time.Now())
	if failure == nil && !s.facts.counted(p.AnalyzerARN) {
		return s.refreshTarget(ctx, p.Target) // the analyzer is gone
	}
	return failure
}

// refreshTarget reads a target's analyzers with all their details, as a change
// of those does not show in the list, and counts the findings of new ones.
func (s *Sweeper) refreshTarget(ctx context.Context, t inventory.Target) *inventory.Failure {
	j, watched := s.facts.job(t)
	if !watched {
		return nil
	}
	failure := s.visit(ctx, j, true)
	if failure != nil || j.account.OutOfScope || !s.opts.Findings {
		return failure
	}
	for _, f := range s.facts.uncounted(j) {
		failure = cmp.Or(failure, s.countFindings(ctx, f, time.Now()))
	}
	return failure
}

// Publish makes a Snapshot of what is known now and hands it on. What was
// skipped and is needed by that is read at once.
func (s *Sweeper) Publish() {
	if s.publish(); s.facts.skippedNeeded() {
		notify(s.needed)
	}
}

// turns lets one at a time do something about each key.
type turns[K comparable] struct {
	mu sync.Mutex
	// taken has a channel, closed at the end of the turn, once somebody waits.
	taken map[K]chan struct{}
}

// take waits for the turn of a key, which ends with release; ok is false when
// the context ends first.
func (t *turns[K]) take(ctx context.Context, key K) (ok bool) {
	for {
		t.mu.Lock()
		over, busy := t.taken[key]
		if !busy {
			if t.taken == nil {
				t.taken = map[K]chan struct{}{}
			}
			t.taken[key] = nil
			t.mu.Unlock()
			return true
		}
		if over == nil {
			over = make(chan struct{})
			t.taken[key] = over
		}
		t.mu.Unlock()
		select {
		case <-over:
		case <-ctx.Done():
			return false
		}
	}
}

func (t *turns[K]) release(key K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if over := t.taken[key]; over != nil {
		close(over)
	}
	delete(t.taken, key)
}

// job finds an entered target of the fleet.
func (f *facts) job(t inventory.Target) (j job, watched bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	account, _ := f.at(t)
	return job{account, t.Region}, account != nil
}

// at finds a target that is watched, and what is known of it.
func (f *facts) at(t inventory.Target) (*inventory.Account, *fact[*listing]) {
	if len(f.fleet.Accounts) == 0 {
		return nil, nil // what is known waits for a fleet
	}
	return f.targets.at(t)
}

// own finds an analyzer in its owner's list; nil when it is not there.
func (f *facts) own(p inventory.RefreshKey) *inventory.Analyzer {
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.targets.get(p.Target); known != nil {
		for _, a := range known.value.shown() {
			if a.ARN == p.AnalyzerARN {
				return a
			}
		}
	}
	return nil
}

// counted tells whether there is a count of an analyzer's findings.
func (f *facts) counted(arn string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.findings[arn]
	return known != nil && known.count.known()
}

// uncounted are the analyzers of a target that were never counted.
func (f *facts) uncounted(j job) []findingJob {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.targets.get(j.target())
	if known == nil {
		return nil
	}
	var jobs []findingJob
	for _, a := range known.value.shown() {
		if a.AccountID == j.account.ID && a.Region == j.region && f.findings[a.ARN] == nil {
			jobs = append(jobs, findingJob{j.account, a})
		}
	}
	return jobs
}

// forgetDetails makes the details of a target's analyzers due.
func (f *facts) forgetDetails(t inventory.Target) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.targets.get(t)
	if known == nil {
		return
	}
	for _, a := range known.value.shown() {
		if d, ok := f.details[a.ARN]; ok {
			d.readAt = time.Time{}
			f.details[a.ARN] = d
		}
	}
}
