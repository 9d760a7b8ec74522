package sweep

import (
	"cmp"
	"context"
	"math/rand/v2"
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep/state"
)

// Ready is closed when the first sweep over all targets is complete. Before
// that there is nothing to refresh.
func (s *Sweeper) Ready() <-chan struct{} { return s.ready }

// Locate returns what to refresh after a change to key: key itself or, for an
// analyzer that is not in the list of its target, the target. It returns false
// if nothing about key is exported.
func (s *Sweeper) Locate(key inventory.RefreshKey) (inventory.RefreshKey, bool) {
	t, ok := s.state.Target(key.Target)
	switch {
	case !ok || t.Skipped:
		return key, false
	case key.AnalyzerARN == "":
		return key, true
	case !s.countsFindingsOf(t.Account):
		return key, false
	}
	if _, listed := analyzer(t, key.AnalyzerARN); !listed {
		key.AnalyzerARN = ""
	}
	return key, true
}

// Refresh reads what key identifies. The caller then calls Publish, after a
// failure too.
//
// If a sweep is reading the same target or analyzer, Refresh waits and reads
// again, because the sweep may have read it before the change.
func (s *Sweeper) Refresh(ctx context.Context, key inventory.RefreshKey) *inventory.Failure {
	t, ok := s.state.Target(key.Target)
	if !ok {
		return nil // it has left the fleet since Locate
	}
	if key.AnalyzerARN == "" {
		return s.refreshTarget(ctx, t)
	}
	a, listed := analyzer(t, key.AnalyzerARN)
	if !listed {
		return nil // it has been deleted since Locate
	}
	exists, failure := s.countFindings(ctx, a, clock.Now())
	if !exists {
		return s.refreshTarget(ctx, t)
	}
	return failure
}

// refreshTarget reads a target's analyzers with their details, because changes
// to details do not show in the list, and counts the findings of new analyzers.
func (s *Sweeper) refreshTarget(ctx context.Context, t state.Target) *inventory.Failure {
	failure := s.refreshList(ctx, job{t.Account, t.Region})
	if failure != nil || !s.countsFindingsOf(t.Account) {
		return failure
	}
	t, _ = s.state.Target(t.Target)
	for _, a := range t.Analyzers {
		if a.CountedAt.IsZero() {
			_, f := s.countFindings(ctx, a, clock.Now())
			failure = cmp.Or(failure, f)
		}
	}
	return failure
}

// refreshAttempts is how often a refresh reads a target that AWS throttles.
const refreshAttempts = 3

// refreshList reads a target, again if AWS throttles it.
func (s *Sweeper) refreshList(ctx context.Context, j job) (failure *inventory.Failure) {
	for attempt := range refreshAttempts {
		if attempt > 0 {
			clock.Wait(ctx, clock.Now().Add(rand.N(firstPause<<(attempt-1))), nil)
		}
		if failure, _ = s.readTarget(ctx, j, true); failure == nil || !isThrottled(failure) || ctx.Err() != nil {
			return failure
		}
	}
	return failure
}

func (s *Sweeper) countsFindingsOf(a *inventory.Account) bool {
	return s.opts.Findings && !a.OutOfScope
}

func analyzer(t state.Target, arn string) (_ state.Analyzer, listed bool) {
	i := slices.IndexFunc(t.Analyzers, func(a state.Analyzer) bool { return a.ARN == arn })
	if i < 0 {
		return state.Analyzer{}, false
	}
	return t.Analyzers[i], true
}

// Publish publishes a Snapshot of the current state. If targets that were
// skipped have to be read because of it, a coverage sweep follows.
func (s *Sweeper) Publish() {
	s.publish()
	if s.latest.Load().ReadSkipped {
		notify(s.wake)
	}
}
