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

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
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
	// discoveryWait is how long the first sweep waits for lists of accounts and
	// Regions. Targets that are discovered later are read then.
	discoveryWait = time.Second
	// updateInterval is the shortest time between two updates of the fleet between
	// sweeps.
	updateInterval = 10 * time.Second
	// noticeAfter is the longest time until it is noticed that the clock was set back.
	noticeAfter = 10 * time.Second
	// staleSpacing is the time between two publications of stale values, as a multiple
	// of the time that the first takes.
	staleSpacing = 4
	// firstForced is the shortest time between the starts of two sweeps, the second
	// of which is not due. It doubles with each that follows, up to the interval.
	firstForced = 30 * time.Second
)

// Fleet has the accounts and Regions to sweep.
type Fleet interface {
	// Fleet returns them as far as they are known now.
	Fleet() *inventory.Fleet
	// Changed returns a channel that is closed at the next change of them.
	Changed() <-chan struct{}
	// Verify verifies the credentials.
	Verify(context.Context)
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
	// separately for each resource type. PublicResources is how many public resources
	// of an owner are listed.
	FindingStatuses []string
	ResourceTypes   bool
	PublicResources int
	Policy          coverage.Policy
	// SkipCovered is whether to skip members while the analyzers of their
	// organization cover them.
	SkipCovered bool
	// Filters explain a scope without targets.
	Filters inventory.Filters
	// StaleAfter is how long a value is exported after the read that was due.
	StaleAfter time.Duration
	// Once is whether there is a single sweep, so that nothing prepares the next.
	Once bool
	// ForReport is whether a single sweep makes a report that shows verdicts and counts
	// alone: it reads no archive rules, and configurations only where verdicts depend on
	// them.
	ForReport bool
	// Restart is whether the options or credentials differ from those of the
	// previous sweeper in a way that may change what is read, so that the first
	// sweep is due at once.
	Restart bool
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

	previous   *Sweeper
	schedule   schedule
	publishing sync.Mutex
	latest     atomic.Pointer[state.FollowUp]
	ready      chan struct{}
	readyOnce  sync.Once
	swept      chan struct{} // a coverage sweep has completed
	// replaced is notified when latest is replaced by another.
	replaced chan struct{}
	// wake ends the wait between coverage sweeps; changed is whether the fleet
	// changed since the last update.
	wake     chan struct{}
	changed  atomic.Bool
	reading  keyedMutex[inventory.Target]
	counting keyedMutex[string] // by ARN
	progress map[inventory.SweepKind]*progress
	failing  map[inventory.SweepKind]*failureLog
}

// New returns a sweeper. It continues with the state of previous or, if that is
// nil, with an empty one. Previous must have ended when the sweeper starts.
func New(fleet Fleet, reader Reader, opts Options, previous *Sweeper) *Sweeper {
	s := &Sweeper{
		fleet: fleet, reader: reader, opts: opts, state: state.New(),
		ready:    make(chan struct{}),
		swept:    make(chan struct{}, 1),
		wake:     make(chan struct{}, 1),
		replaced: make(chan struct{}, 1),
		progress: map[inventory.SweepKind]*progress{},
		failing:  map[inventory.SweepKind]*failureLog{},
	}
	for _, kind := range inventory.SweepKinds {
		s.progress[kind], s.failing[kind] = &progress{}, &failureLog{}
	}
	s.latest.Store(&state.FollowUp{})
	if previous != nil {
		s.state, s.previous = previous.state, previous
	}
	s.counter = findings.New(reader, findings.Options{
		Statuses: opts.FindingStatuses, ResourceTypes: opts.ResourceTypes, PublicResources: opts.PublicResources,
		FullInterval: opts.FindingsFullInterval, OnFullCount: opts.OnFullCount,
		Once: opts.Once,
	}, &s.state.IndexBudget)
	return s
}

// takeOver configures the state, which the previous sweeper no longer uses.
func (s *Sweeper) takeOver() {
	if s.previous != nil {
		s.schedule, s.previous = s.previous.schedule, nil
	}
	o := &s.opts
	s.state.Configure(state.Options{
		Policy: o.Policy, StaleAfter: o.StaleAfter, Interval: o.Interval, Timeout: o.Timeout, FindingsInterval: o.FindingsInterval, Filters: o.Filters,
		Findings: o.Findings, FindingStatuses: o.FindingStatuses, ResourceTypes: o.ResourceTypes, PublicResources: o.PublicResources,
	})
}

// Run sweeps until the context ends, and returns when all its goroutines have
// ended.
func (s *Sweeper) Run(ctx context.Context) {
	s.takeOver()
	var wg sync.WaitGroup
	wg.Go(func() { s.noticeChanges(ctx) })
	wg.Go(func() { s.publishStale(ctx) })
	if s.opts.Findings {
		wg.Go(func() { s.runFindings(ctx) })
	}
	s.runCoverage(ctx)
	wg.Wait()
}

// Once runs one sweep of each kind and returns the Snapshot that it publishes.
func (s *Sweeper) Once(ctx context.Context) *inventory.Snapshot {
	s.takeOver()
	s.sweepCoverage(ctx)
	if s.opts.Findings && ctx.Err() == nil {
		s.sweepFindings(ctx)
	}
	return s.publish()
}

func (s *Sweeper) runFindings(ctx context.Context) {
	for ctx.Err() == nil {
		// A coverage sweep may have found new analyzers or recovered ones.
		clock.Wait(ctx, s.nextCount(), s.swept)
		if ctx.Err() == nil && s.sweepFindings(ctx) && ctx.Err() == nil {
			s.Publish()
		}
	}
}

// publish publishes a Snapshot of the current state.
func (s *Sweeper) publish() *inventory.Snapshot {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.state.SetFleet(s.fleet.Fleet())
	snapshot, next := s.state.Snapshot(clock.Now())
	if previous := s.latest.Swap(&next); previous == nil || *previous != next {
		notify(s.wake) // the wait for the next sweep depends on it
		notify(s.replaced)
	}
	if snapshot.Ready {
		s.readyOnce.Do(func() { close(s.ready) })
	}
	if s.opts.Publish != nil {
		s.opts.Publish(snapshot)
	}
	return snapshot
}

func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
