package sweep

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// sameCount tells whether counts made under one set of options have the shape
// of those made under another.
func sameCount(a, b Options) bool {
	return a.Findings == b.Findings && a.ResourceTypes == b.ResourceTypes && slices.Equal(a.FindingStatuses, b.FindingStatuses)
}

// findingFacts are the findings of one analyzer.
type findingFacts struct {
	count       fact[*inventory.Findings]
	attemptedAt time.Time
	// doubt is what could not be read beside a count that stands.
	doubt *inventory.Failure
	// state is nil while it is counted from.
	state *findings.State
}

// failures are those of the last attempt.
func (f *findingFacts) failures() []inventory.Failure {
	var failures []inventory.Failure
	for _, failure := range []*inventory.Failure{f.count.failure(), f.doubt} {
		if failure != nil {
			failures = append(failures, *failure)
		}
	}
	return failures
}

// due is when to count again. What failed is tried again after the next
// coverage sweep, with whatever that has found mended.
func (f *findingFacts) due(interval time.Duration) time.Time {
	return f.attemptedAt.Add(interval)
}

// sweepFindings counts the findings of all analyzers that are due, and tells
// whether there were any.
func (s *Sweeper) sweepFindings(ctx context.Context) bool {
	start := time.Now()
	// Those that fall due within a tenth of the interval come along: counts end
	// at different times, and each straggler would be a publication of its own.
	jobs := s.facts.findingJobs(start.Add(s.opts.FindingsInterval/10), s.opts.FindingsInterval)
	if len(jobs) == 0 {
		return false
	}
	p := s.progress[inventory.FindingsSweep]
	p.start(len(jobs))
	defer p.stop()
	deadline, cancel := context.WithTimeout(ctx, max(s.opts.FindingsInterval, s.opts.Timeout))
	defer cancel()
	inParallel(s.opts.Concurrency, jobs, func(j findingJob) {
		if deadline.Err() != nil {
			p.step(true)
			return
		}
		failure := s.countFindings(deadline, j, start)
		if ctx.Err() != nil {
			return
		}
		p.step(failure != nil)
	})
	if ctx.Err() != nil {
		return false
	}
	s.facts.completed(inventory.FindingsSweep, start, true)
	s.tell(inventory.FindingsSweep, s.facts.findingFailures())
	return true
}

// countFindings counts the findings of one analyzer and notes the outcome,
// unless that is an end of the context, which is not a failure of AWS.
func (s *Sweeper) countFindings(ctx context.Context, j findingJob, start time.Time) *inventory.Failure {
	if s.counts.take(ctx, j.analyzer.ARN) {
		defer s.counts.release(j.analyzer.ARN)
	}
	state := s.facts.takeState(j.analyzer.ARN)
	count, failure, doubt := s.counter.Count(ctx, j.account, j.analyzer, state)
	if errors.Is(ctx.Err(), context.Canceled) {
		s.facts.keepState(j.analyzer.ARN, state)
		return nil
	}
	s.facts.setFindings(j.analyzer.ARN, count, failure, start)
	s.facts.setDoubt(j.analyzer.ARN, doubt, state)
	return failure
}

// findingJob is one analyzer whose findings are counted.
type findingJob struct {
	account  *inventory.Account
	analyzer *inventory.Analyzer
}
