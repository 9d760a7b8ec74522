package sweep

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep/state"
)

// job is one target to read.
type job struct {
	account *inventory.Account
	region  string
}

func (j job) target() inventory.Target {
	return inventory.Target{AccountID: j.account.ID, Region: j.region}
}

// sweepCoverage discovers the fleet and reads the analyzers of every target.
func (s *Sweeper) sweepCoverage(ctx context.Context) {
	start := time.Now()
	discovery, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	fleet := s.fleet.Discover(discovery)
	cancel()
	if ctx.Err() != nil {
		return
	}
	s.state.SetFleet(fleet)
	read := s.readTargets(ctx, fleet)
	if ctx.Err() != nil {
		return
	}
	if read > 0 || len(fleet.Failures) == 0 {
		s.state.Complete(inventory.CoverageSweep, start)
	}
	s.logTransitions(inventory.CoverageSweep)
}

// readTargets reads the targets of a fleet, except members that need not be
// read, and returns how many it read.
func (s *Sweeper) readTargets(ctx context.Context, fleet *inventory.Fleet) int {
	jobs, members := jobsOf(fleet), []job(nil)
	p := s.progress[inventory.CoverageSweep]
	p.start(len(jobs))
	defer p.stop()
	deadline, cancel := context.WithTimeoutCause(ctx, s.opts.Timeout, &tooShort{progress: p, timeout: s.opts.Timeout, concurrency: s.opts.Concurrency})
	defer cancel()
	read := func(jobs []job) {
		inParallel(s.opts.Concurrency, jobs, func(j job) {
			if failure := s.readTarget(deadline, j, false); ctx.Err() == nil {
				p.step(failure != nil)
			}
		})
	}
	if s.opts.SkipCovered {
		jobs, members = splitMembers(fleet, jobs)
	}
	read(jobs)
	needed := s.notSkipped(members)
	p.total.Add(int64(len(needed) - len(members)))
	read(needed)
	return len(jobs) + len(needed)
}

// jobsOf returns the targets of queried accounts in random order. Neighbors then
// differ in account and Region, which AWS throttles separately, and a sweep that
// times out does not leave out the same targets each time.
func jobsOf(fleet *inventory.Fleet) []job {
	var jobs []job
	for _, a := range fleet.Accounts {
		if !a.Queried {
			continue
		}
		for _, r := range a.Regions {
			jobs = append(jobs, job{a, r})
		}
	}
	rand.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	return jobs
}

// splitMembers separates the targets of organization members, which the analyzers
// of the organization may cover, from all others.
func splitMembers(fleet *inventory.Fleet, jobs []job) (others, members []job) {
	admins := coverage.Admins(fleet)
	for _, j := range jobs {
		if coverage.Member(j.account, admins) {
			members = append(members, j)
		} else {
			others = append(others, j)
		}
	}
	return others, members
}

// notSkipped returns the members' targets that this sweep has to read.
func (s *Sweeper) notSkipped(members []job) []job {
	targets := make([]inventory.Target, len(members))
	for i, j := range members {
		targets[i] = j.target()
	}
	skipped := s.state.Skip(targets, time.Now())
	var needed []job
	for _, j := range members {
		if !skipped[j.target()] {
			needed = append(needed, j)
		}
	}
	return needed
}

// inParallel calls do for every item, up to n at a time.
func inParallel[T any](n int, items []T, do func(T)) {
	var (
		wg   sync.WaitGroup
		next atomic.Int64
	)
	for range min(n, len(items)) {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(len(items)); i = next.Add(1) {
				do(items[i-1])
			}
		})
	}
	wg.Wait()
}

// readTarget reads the analyzers of a target, on request with all their details,
// and records the outcome, unless the context was canceled, which is no failure
// of AWS.
func (s *Sweeper) readTarget(ctx context.Context, j job, allDetails bool) *inventory.Failure {
	if s.reading.lock(ctx, j.target()) {
		defer s.reading.unlock(j.target())
	}
	if allDetails {
		s.state.ExpireDetails(j.target())
	}
	listing, failure := s.list(ctx, j)
	if !errors.Is(context.Cause(ctx), context.Canceled) {
		s.state.SetTarget(j.target(), listing, failure)
	}
	return failure
}

// list lists the analyzers of a target. The listing is nil if there are none.
func (s *Sweeper) list(ctx context.Context, j job) (*state.Listing, *inventory.Failure) {
	if failure := outOfTime(ctx, j); failure != nil {
		return nil, failure
	}
	analyzers, failure := s.reader.Analyzers(ctx, j.account, j.region)
	if failure != nil && failure.Reason == inventory.Timeout {
		failure = cmp.Or(outOfTime(ctx, j), failure)
	}
	if failure != nil || len(analyzers) == 0 {
		return nil, failure
	}
	deadline := time.Now().Add(detailsTimeout)
	l := &state.Listing{Analyzers: make([]*inventory.Analyzer, 0, len(analyzers))}
	for _, a := range analyzers {
		if a.AccountID == j.account.ID && a.Region == j.region {
			exists, failures := s.complete(ctx, deadline, j.account, a)
			l.Failures = append(l.Failures, failures...)
			if !exists {
				continue
			}
		}
		l.Analyzers = append(l.Analyzers, a)
	}
	return l, nil
}

// complete adds details to an analyzer, and reads them before the deadline if
// they are due. exists is false if the analyzer has been deleted.
func (s *Sweeper) complete(ctx context.Context, deadline time.Time, account *inventory.Account, a *inventory.Analyzer) (exists bool, _ []*inventory.Failure) {
	d := s.state.Details(a)
	if d.Due(a) {
		ctx, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		if exists := s.readDetails(ctx, account, a, &d); !exists {
			return false, nil
		}
		s.state.SetDetails(a.ARN, d)
	}
	d.Complete(a, s.opts.StaleAfter, time.Now())
	return true, d.Failures()
}

func (s *Sweeper) readDetails(ctx context.Context, account *inventory.Account, a *inventory.Analyzer, d *state.Details) (exists bool) {
	if a.Access() == inventory.Unused || a.Access() == inventory.Internal {
		configuration, failure := s.reader.Configuration(ctx, account, a)
		if failure == nil && configuration == nil {
			return false
		}
		d.Configuration.Set(configuration, failure)
	}
	rules, failure := s.reader.ArchiveRules(ctx, account, a)
	if failure == nil && rules < 0 {
		return false
	}
	d.ArchiveRules.Set(rules, failure)
	d.MarkRead(a)
	return true
}
