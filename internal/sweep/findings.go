package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep/state"
)

// nextCount returns when the next count is due; with no analyzer to count, after
// an interval.
func (s *Sweeper) nextCount() time.Time {
	now := clock.Now()
	analyzers := s.state.Countable()
	if len(analyzers) == 0 {
		return now.Add(s.opts.FindingsInterval)
	}
	next := s.countDue(analyzers[0])
	for _, a := range analyzers {
		next = clock.Earlier(next, s.countDue(a), now)
	}
	return next
}

func (s *Sweeper) countDue(a state.Analyzer) time.Time {
	if a.CountedAt.IsZero() {
		return clock.Now()
	}
	return a.CountedAt.Add(s.opts.FindingsInterval)
}

// dueCounts returns the analyzers whose findings are due by a time. A count that
// failed is due after each coverage sweep, which may have found the cause fixed.
func (s *Sweeper) dueCounts(by time.Time) []state.Analyzer {
	var due []state.Analyzer
	for _, a := range s.state.Countable() {
		if a.CountFailed || a.CountedAt.IsZero() || clock.Reached(s.countDue(a), by) {
			due = append(due, a)
		}
	}
	return due
}

// countShare is the part of Options.Concurrency that counts may use: their calls would
// otherwise occupy every slot, for many seconds each if they hang, and a coverage sweep
// would end before it has read its targets.
const countShare = 2

// countWorkers returns how many analyzers are counted at the same time.
func (s *Sweeper) countWorkers() int {
	if s.opts.Once {
		return s.opts.Concurrency // after the coverage sweep, not beside it
	}
	return max(1, s.opts.Concurrency/countShare)
}

// counting is an analyzer whose findings are to be counted.
type counting struct{ state.Analyzer }

func (c counting) target() inventory.Target {
	return inventory.Target{AccountID: c.AccountID, Region: c.Region}
}

// sweepFindings counts the findings of the analyzers that are due. It returns
// false if there are none or if the context ended.
func (s *Sweeper) sweepFindings(ctx context.Context) bool {
	start := clock.Now()
	// Counts complete at different times. Those due within a tenth of the interval
	// are included, because each sweep ends with a publication.
	due := s.dueCounts(start.Add(s.opts.FindingsInterval / 10))
	if len(due) == 0 {
		return false
	}
	p := s.progress[inventory.FindingsSweep]
	p.start(len(due))
	defer p.stop()
	deadline, cancel := context.WithTimeout(ctx, s.longestCount())
	defer cancel()
	var counted []counting
	for _, a := range due {
		counted = append(counted, counting{a})
	}
	failed := func(c counting) bool { return c.CountFailed }
	inParallel(s.countWorkers(), newQueue(counted, failed), func(c counting) bool {
		if deadline.Err() != nil {
			p.step(true)
			return false
		}
		_, failure := s.countFindings(deadline, c.Analyzer, start)
		if ctx.Err() == nil {
			p.step(failure != nil)
		}
		return isTimeout(failure)
	})
	if ctx.Err() != nil {
		return false
	}
	s.state.Complete(inventory.FindingsSweep, start)
	s.logTransitions(inventory.FindingsSweep)
	return true
}

// longestCount returns how long counting may take: a list that never ends must not keep
// an audit from its end, or a worker.
func (s *Sweeper) longestCount() time.Duration { return max(s.opts.FindingsInterval, s.opts.Timeout) }

// unfinished returns the failure of a count that took too long.
func (s *Sweeper) unfinished(a state.Analyzer, cause *inventory.Failure) *inventory.Failure {
	key := "findings.interval"
	if s.opts.Timeout > s.opts.FindingsInterval {
		key = "sweep.timeout"
	}
	f := *cause
	f.Detail = inventory.FindingsTimeout
	f.Message = fmt.Sprintf("the findings of %s were not counted within %s (%s): %s", a.Name, s.longestCount(), key, cause.Message)
	return &f
}

// countFindings counts the findings of one analyzer and records the outcome,
// unless the context was canceled, which is no failure of AWS. exists is false
// if the analyzer has been deleted.
func (s *Sweeper) countFindings(ctx context.Context, a state.Analyzer, start time.Time) (exists bool, _ *inventory.Failure) {
	if s.counting.lock(ctx, a.ARN) {
		defer s.counting.unlock(a.ARN)
	}
	index := s.state.TakeIndex(a.ARN)
	counts, failure, partial := s.counter.Count(ctx, a.Account, a.Analyzer, index)
	if errors.Is(ctx.Err(), context.Canceled) {
		s.state.ReturnIndex(a.ARN, index)
		return true, nil
	}
	if failure != nil && failure.Reason == inventory.Timeout && ctx.Err() != nil {
		failure = s.unfinished(a, failure)
	}
	s.state.SetCount(a.ARN, state.Count{StartedAt: start, Findings: counts, Failure: failure, Partial: partial, Index: index})
	return counts != nil || failure != nil, failure
}
