// Package sweep reads every target again and again, remembers what it last
// knew, and publishes whole new Snapshots.
//
// There are two sweeps with intervals of their own: coverage reads the
// analyzers of all targets, findings counts the findings of all analyzers.
// Neither overlaps with itself, and neither waits for the other. What fails
// leaves the last known facts standing for a while; then they are dropped and
// what rests on them is unknown.
package sweep

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	// targetTimeout bounds the details of a target's analyzers, so that one that
	// answers slowly does not hold a worker for the whole sweep.
	targetTimeout = time.Minute
	// firstRetry follows a start on which nothing could be found out, say for
	// want of credentials; each further failure doubles it, up to longestRetry.
	firstRetry, longestRetry = 5 * time.Second, time.Minute
)

// Fleet finds out what there is to sweep.
type Fleet interface {
	Discover(context.Context) *inventory.Fleet
}

// Reader reads targets and analyzers. An account is always one that is
// entered; an analyzer is always one that the account owns.
type Reader interface {
	// Analyzers answers within a minute by itself: a deadline for each target
	// would be paid for in every sweep, and most have nothing else to read.
	Analyzers(ctx context.Context, a *inventory.Account, region string) ([]*inventory.Analyzer, *inventory.Failure)
	// Configuration is nil, without a failure, when the analyzer is gone.
	Configuration(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer) (*inventory.Configuration, *inventory.Failure)
	// ArchiveRules is -1, without a failure, when the analyzer is gone.
	ArchiveRules(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer) (int, *inventory.Failure)
	findings.Reader
}

// Options of a Sweeper. Durations and the concurrency must be positive.
type Options struct {
	// Interval is the time from the start of one coverage sweep to the next;
	// Timeout is how long one may take.
	Interval, Timeout time.Duration
	// Concurrency is how many targets, and how many analyzers, are read at once.
	Concurrency int
	// Findings says whether findings are counted, and FindingsInterval how often.
	Findings         bool
	FindingsInterval time.Duration
	// FindingsFullInterval is how long changed findings alone are listed before
	// all of an analyzer's findings are listed again.
	FindingsFullInterval time.Duration
	// OnFullCount is called after every full count; nil: nothing is called.
	OnFullCount func(findings.FullCountReason)
	// FindingStatuses are counted; ResourceTypes tells them apart by resource type.
	FindingStatuses []string
	ResourceTypes   bool
	Policy          coverage.Policy
	// SkipCovered leaves out targets as long as the analyzers of their
	// organization cover them.
	SkipCovered bool
	// StaleAfter is for how long last known facts stand in for facts that
	// cannot be read.
	StaleAfter time.Duration
	// Publish is told of every new Snapshot, one at a time.
	Publish func(*inventory.Snapshot)
	Logger  *slog.Logger
}

// Sweeper sweeps. Make one with New.
type Sweeper struct {
	fleet  Fleet
	reader Reader
	opts   Options
	facts  *facts
	// counter counts findings.
	counter *findings.Counter

	publishing sync.Mutex
	swept      chan struct{}
	readied    chan struct{}
	needed     chan struct{} // targets that were skipped are needed
	readyOnce  sync.Once
	visits     turns[inventory.Target]
	counts     turns[string] // by ARN
	progress   map[inventory.SweepKind]*progress
	told       map[inventory.SweepKind]*told
}

// New makes a sweeper that starts with what another, stopped, one knew; nil for
// a start with nothing.
func New(fleet Fleet, reader Reader, opts Options, previous *Sweeper) *Sweeper {
	s := &Sweeper{
		fleet: fleet, reader: reader, opts: opts, facts: newFacts(),
		swept:    make(chan struct{}, 1),
		readied:  make(chan struct{}),
		needed:   make(chan struct{}, 1),
		progress: map[inventory.SweepKind]*progress{inventory.CoverageSweep: {}, inventory.FindingsSweep: {}},
		told:     map[inventory.SweepKind]*told{inventory.CoverageSweep: {}, inventory.FindingsSweep: {}},
	}
	if previous != nil {
		s.facts = previous.facts
		if !sameCount(opts, previous.opts) {
			s.facts.recount()
		}
	}
	s.counter = findings.New(reader, findings.Options{
		Statuses: opts.FindingStatuses, ResourceTypes: opts.ResourceTypes, FullInterval: opts.FindingsFullInterval, OnFullCount: opts.OnFullCount,
	}, &s.facts.remembered)
	return s
}

// Run sweeps until the context ends. It returns when everything that it
// started has ended.
func (s *Sweeper) Run(ctx context.Context) {
	var wg sync.WaitGroup
	if s.opts.Findings {
		wg.Go(func() { s.runFindings(ctx) })
	}
	s.runCoverage(ctx)
	wg.Wait()
}

// Once does one sweep of each kind and returns what is then known.
func (s *Sweeper) Once(ctx context.Context) *inventory.Snapshot {
	s.sweepCoverage(ctx)
	if s.opts.Findings && ctx.Err() == nil {
		s.sweepFindings(ctx)
	}
	return s.publish()
}

func (s *Sweeper) runCoverage(ctx context.Context) {
	retry := firstRetry
	for ctx.Err() == nil {
		next := time.Now().Add(s.opts.Interval)
		if s.sweepCoverage(ctx); ctx.Err() != nil {
			return
		}
		s.publish()
		if s.facts.ready() {
			retry = firstRetry
			notify(s.swept)
		} else {
			next = time.Now().Add(min(retry, s.opts.Interval))
			retry = min(2*retry, longestRetry)
		}
		s.waitUntil(ctx, next)
	}
}

// waitUntil waits, and publishes anew whenever something that was known
// expires: a sweep may be hours away. It ends early when targets that were
// skipped are needed.
func (s *Sweeper) waitUntil(ctx context.Context, next time.Time) {
	for ctx.Err() == nil && time.Now().Before(next) {
		wake := next
		if expiry := s.facts.nextExpiry(); !expiry.IsZero() && expiry.Before(next) {
			wake = expiry
		}
		sleep(ctx, time.Until(wake), s.needed)
		if ctx.Err() == nil && !time.Now().Before(wake) && wake.Before(next) {
			s.publish()
		}
		if s.facts.skippedNeeded() {
			return
		}
	}
}

func (s *Sweeper) runFindings(ctx context.Context) {
	for ctx.Err() == nil {
		wait := s.opts.FindingsInterval
		if due := s.facts.findingsDue(s.opts.FindingsInterval); !due.IsZero() {
			wait = time.Until(due)
		}
		// A coverage sweep may have found new analyzers, or mended ones.
		sleep(ctx, wait, s.swept)
		if ctx.Err() == nil && s.sweepFindings(ctx) && ctx.Err() == nil {
			s.Publish()
		}
	}
}

// publish makes a Snapshot of what is known now and hands it on.
func (s *Sweeper) publish() *inventory.Snapshot {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.facts.ready() {
		s.readyOnce.Do(func() { close(s.readied) })
	}
	snapshot := s.facts.snapshot(s.opts, time.Now())
	if s.opts.Publish != nil {
		s.opts.Publish(snapshot)
	}
	return snapshot
}

// sleep ends with the context, after d, or when woken.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	case <-wake:
	}
}

func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
