// Package sweep reads every target at intervals, and publishes Snapshots.
//
// There are two kinds of sweep, with intervals of their own: a coverage sweep
// reads the analyzers of all targets, a findings sweep counts the findings of
// all analyzers. Sweeps of one kind do not overlap; the two kinds run
// independently. What they read is in package state.
package sweep

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep/state"
)

const (
	// detailsTimeout bounds reading the details of a target's analyzers, so that
	// slow responses do not occupy a worker for the whole sweep.
	detailsTimeout = time.Minute
	// firstRetry follows a start at which nothing could be read, for example for
	// lack of credentials. It doubles with each failure, up to longestRetry.
	firstRetry, longestRetry = 5 * time.Second, time.Minute
)

// Fleet discovers the accounts and Regions to sweep.
type Fleet interface {
	Discover(context.Context) *inventory.Fleet
}

// Reader calls Access Analyzer in queried accounts. An analyzer is always one
// that the account owns.
type Reader interface {
	// Analyzers lists the analyzers of a target. It has a deadline of its own
	// below a minute, because a context for each target would cost CPU.
	Analyzers(ctx context.Context, a *inventory.Account, region string) ([]*inventory.Analyzer, *inventory.Failure)
	// Configuration returns nil, without a failure, if the analyzer is deleted.
	Configuration(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer) (*inventory.Configuration, *inventory.Failure)
	// ArchiveRules returns -1, without a failure, if the analyzer is deleted.
	ArchiveRules(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer) (int, *inventory.Failure)
	findings.Reader
}

// Options of a Sweeper. Durations and the concurrency must be positive.
type Options struct {
	// Interval is the time from the start of one coverage sweep to the next;
	// Timeout is how long one may take.
	Interval, Timeout time.Duration
	// Concurrency is the maximum number of concurrent reads of each kind of sweep.
	Concurrency int
	// Findings is whether findings are counted, every FindingsInterval.
	Findings         bool
	FindingsInterval time.Duration
	// FindingsFullInterval is how long changed findings alone are listed before
	// all of an analyzer's findings are listed again.
	FindingsFullInterval time.Duration
	// OnFullCount is called after every full count; nil: nothing is called.
	OnFullCount func(findings.FullCountReason)
	// FindingStatuses are those to count; ResourceTypes is whether to count
	// separately for each resource type.
	FindingStatuses []string
	ResourceTypes   bool
	Policy          coverage.Policy
	// SkipCovered is whether to skip members while the analyzers of their
	// organization cover them.
	SkipCovered bool
	// Filters explain a scope without targets.
	Filters inventory.Filters
	// StaleAfter is how long a value is exported while attempts to read it fail.
	StaleAfter time.Duration
	// Publish is called with every new Snapshot, never concurrently.
	Publish func(*inventory.Snapshot)
	Logger  *slog.Logger
}

// Sweeper runs the sweeps. Make one with New.
type Sweeper struct {
	fleet   Fleet
	reader  Reader
	opts    Options
	state   *state.State
	counter *findings.Counter

	publishing sync.Mutex
	latest     atomic.Pointer[followUp]
	ready      chan struct{}
	readyOnce  sync.Once
	swept      chan struct{} // a coverage sweep has completed
	// readSkipped requests a coverage sweep before its interval.
	readSkipped chan struct{}
	reading     keyedMutex[inventory.Target]
	counting    keyedMutex[string] // by ARN
	progress    map[inventory.SweepKind]*progress
	failing     map[inventory.SweepKind]*failureLog
}

// followUp is what has to happen after a publication.
type followUp struct {
	// staleAt is when to publish again because a value becomes stale; zero: never.
	staleAt time.Time
	// readSkipped is whether to read the targets that the last sweep skipped.
	readSkipped bool
}

// New returns a sweeper. It continues with the state of previous, which must
// have stopped, or with an empty state if previous is nil.
func New(fleet Fleet, reader Reader, opts Options, previous *Sweeper) *Sweeper {
	s := &Sweeper{
		fleet: fleet, reader: reader, opts: opts, state: state.New(),
		ready:       make(chan struct{}),
		swept:       make(chan struct{}, 1),
		readSkipped: make(chan struct{}, 1),
		progress:    map[inventory.SweepKind]*progress{},
		failing:     map[inventory.SweepKind]*failureLog{},
	}
	for _, kind := range inventory.SweepKinds {
		s.progress[kind], s.failing[kind] = &progress{}, &failureLog{}
	}
	s.latest.Store(&followUp{})
	if previous != nil {
		s.state = previous.state
	}
	s.state.Configure(state.Options{
		Policy: opts.Policy, StaleAfter: opts.StaleAfter, Filters: opts.Filters,
		Findings: opts.Findings, FindingStatuses: opts.FindingStatuses, ResourceTypes: opts.ResourceTypes,
	})
	s.counter = findings.New(reader, findings.Options{
		Statuses: opts.FindingStatuses, ResourceTypes: opts.ResourceTypes, FullInterval: opts.FindingsFullInterval, OnFullCount: opts.OnFullCount,
	}, &s.state.IndexBudget)
	return s
}

// Run sweeps until the context ends, and returns when all its goroutines have
// ended.
func (s *Sweeper) Run(ctx context.Context) {
	var wg sync.WaitGroup
	if s.opts.Findings {
		wg.Go(func() { s.runFindings(ctx) })
	}
	s.runCoverage(ctx)
	wg.Wait()
}

// Once runs one sweep of each kind and returns the Snapshot that it publishes.
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
		if s.publish().Ready {
			retry = firstRetry
			notify(s.swept)
		} else {
			next = time.Now().Add(min(retry, s.opts.Interval))
			retry = min(2*retry, longestRetry)
		}
		s.waitUntil(ctx, next)
	}
}

// waitUntil waits for the next sweep, which may be hours away, and publishes
// when a value becomes stale meanwhile. It returns early if targets that were
// skipped have to be read.
func (s *Sweeper) waitUntil(ctx context.Context, next time.Time) {
	for ctx.Err() == nil && time.Now().Before(next) {
		wake := next
		if staleAt := s.latest.Load().staleAt; !staleAt.IsZero() && staleAt.Before(next) {
			wake = staleAt
		}
		wait(ctx, time.Until(wake), s.readSkipped)
		if ctx.Err() == nil && !time.Now().Before(wake) && wake.Before(next) {
			s.publish()
		}
		if s.latest.Load().readSkipped {
			return
		}
	}
}

func (s *Sweeper) runFindings(ctx context.Context) {
	for ctx.Err() == nil {
		// A coverage sweep may have found new analyzers or recovered ones.
		wait(ctx, time.Until(s.nextCount()), s.swept)
		if ctx.Err() == nil && s.sweepFindings(ctx) && ctx.Err() == nil {
			s.Publish()
		}
	}
}

// publish publishes a Snapshot of the current state.
func (s *Sweeper) publish() *inventory.Snapshot {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	snapshot, staleAt, readSkipped := s.state.Snapshot(time.Now())
	s.latest.Store(&followUp{staleAt, readSkipped})
	if snapshot.Ready {
		s.readyOnce.Do(func() { close(s.ready) })
	}
	if s.opts.Publish != nil {
		s.opts.Publish(snapshot)
	}
	return snapshot
}

// wait waits for d, the end of the context or wake.
func wait(ctx context.Context, d time.Duration, wake <-chan struct{}) {
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
