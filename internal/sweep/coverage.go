package sweep

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep/state"
)

const (
	// firstPause is the time before targets that AWS throttled are read again. It
	// doubles each time, up to longestPause.
	firstPause, longestPause = 2 * time.Second, 30 * time.Second
)

// job is one target to read.
type job struct {
	account *inventory.Account
	region  string
}

func (j job) target() inventory.Target {
	return inventory.Target{AccountID: j.account.ID, Region: j.region}
}

// sweepCoverage reads the analyzers of every target. A sweep that was canceled goes
// on with the targets that it did not read.
func (s *Sweeper) sweepCoverage(ctx context.Context) {
	s.fleet.Verify(ctx)
	fleet := s.fleet.Fleet()
	s.state.SetFleet(fleet)
	start := s.state.Begin(clock.Now())
	until := clock.Now().Add(s.opts.Timeout)
	due := func(t inventory.Target) bool { return !s.state.ReadSince(t, start) }
	throttled := s.readTargets(ctx, fleet, due, until, s.progress[inventory.CoverageSweep])
	if ctx.Err() != nil {
		return
	}
	if len(fleet.Failures) == 0 || len(jobsOf(fleet)) > 0 {
		s.state.Complete(inventory.CoverageSweep, start)
	} else {
		s.state.End() // lists failed, so that there was nothing to read
	}
	if len(throttled) > 0 {
		s.publishFirst()
		s.readAgain(ctx, until, throttled, s.progress[inventory.CoverageSweep])
		if ctx.Err() != nil {
			return
		}
		s.state.Complete(inventory.CoverageSweep, start) // the duration has these attempts
	}
	s.logTransitions(inventory.CoverageSweep)
}

// readTargets reads those targets of a fleet that are due, except members that
// need not be read. It returns those that AWS throttled.
func (s *Sweeper) readTargets(ctx context.Context, fleet *inventory.Fleet, due func(inventory.Target) bool, until time.Time, p *progress) (throttled []job) {
	jobs, members := jobsOf(fleet), []job(nil)
	if s.opts.SkipCovered {
		jobs, members = splitMembers(fleet, jobs)
	}
	notDue := func(j job) bool { return !due(j.target()) }
	jobs = slices.DeleteFunc(jobs, notDue)
	p.start(len(jobs) + len(members))
	defer p.stop()
	first := until
	if len(members) > 0 {
		// Administrators that do not respond must not use up the time of members.
		first = until.Add(-until.Sub(clock.Now()) / 2)
	}
	throttled = s.read(ctx, first, until, jobs, p)
	if len(members) > 0 {
		throttled = s.readAgain(ctx, first, throttled, p)
	}
	needed := slices.DeleteFunc(s.notSkipped(members), notDue)
	p.total.Add(int64(len(needed) - len(members)))
	throttled = append(throttled, s.read(ctx, until, until, needed, p)...)
	p.again(len(throttled), until)
	return throttled
}

// read reads targets until a deadline, which may be earlier than the end of the
// sweep, and returns those that AWS throttled.
func (s *Sweeper) read(ctx context.Context, until, end time.Time, jobs []job, p *progress) []job {
	cause := context.DeadlineExceeded
	if until.Equal(end) {
		cause = &tooShort{progress: p, timeout: s.opts.Timeout, concurrency: s.opts.Concurrency}
	}
	deadline, cancel := context.WithTimeoutCause(ctx, until.Sub(clock.Now()), cause)
	defer cancel()
	var throttled collected[job]
	hung := func(j job) bool { return isTimeout(s.state.Failure(j.target())) }
	inParallel(s.opts.Concurrency, newQueue(jobs, hung), func(j job) bool {
		failure, all := s.readTarget(deadline, j, false)
		if slices.ContainsFunc(all, isThrottled) {
			throttled.add(j)
		}
		if ctx.Err() == nil {
			p.step(failure != nil)
		}
		return slices.ContainsFunc(all, isTimeout)
	})
	return throttled.items
}

// readAgain reads targets that AWS throttled, until none is throttled or the deadline,
// with pauses that become longer while AWS throttles most of them. It returns those that
// still are. It publishes after the first round, as most are throttled for a moment, and
// then at intervals.
func (s *Sweeper) readAgain(ctx context.Context, until time.Time, jobs []job, p *progress) []job {
	defer p.again(0, until)
	var published time.Time
	for pause := firstPause; len(jobs) > 0 && ctx.Err() == nil; {
		p.again(len(jobs), until)
		at := clock.Now().Add(pause/8 + rand.N(pause/4))
		if at.After(until) {
			break
		}
		clock.Wait(ctx, at, nil)
		before := len(jobs)
		jobs = s.readSpread(ctx, until, pause*3/4, jobs)
		read := before - len(jobs)
		if read == 0 || read < before/4 {
			pause = min(2*pause, longestPause)
		}
		if ctx.Err() != nil {
			break
		}
		first := published.IsZero()
		if first || len(jobs) == 0 || read > 0 && clock.Elapsed(published, clock.Now()) >= updateInterval {
			s.publish()
			published = clock.Now()
		}
		if first {
			notify(s.swept)
		}
	}
	return jobs
}

// readSpread reads targets again, their starts spread over a time, and returns those
// that AWS throttles.
func (s *Sweeper) readSpread(ctx context.Context, until time.Time, over time.Duration, jobs []job) []job {
	deadline, cancel := context.WithTimeout(ctx, until.Sub(clock.Now()))
	defer cancel()
	var throttled collected[job]
	var g errgroup.Group
	g.SetLimit(s.opts.Concurrency)
	for _, j := range jobs {
		clock.Wait(deadline, clock.Now().Add(over/time.Duration(len(jobs))), nil)
		g.Go(func() error {
			if deadline.Err() == nil {
				if _, all := s.readTarget(deadline, j, false); !slices.ContainsFunc(all, isThrottled) {
					return nil
				}
			}
			throttled.add(j) // after the deadline too: that AWS throttled it is the better reason
			return nil
		})
	}
	_ = g.Wait() // no function fails
	return throttled.items
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
	skipped := s.state.Skip(targets, clock.Now())
	var needed []job
	for _, j := range members {
		if !skipped[j.target()] {
			needed = append(needed, j)
		}
	}
	return needed
}

// readTarget reads the analyzers of a target, on request with all their details,
// and records the outcome, unless the context was canceled, which is no failure
// of AWS. It returns the failure of the list, and all failures.
func (s *Sweeper) readTarget(ctx context.Context, j job, allDetails bool) (failure *inventory.Failure, all []*inventory.Failure) {
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
	if listing != nil {
		all = listing.Failures
	}
	if failure != nil {
		all = []*inventory.Failure{failure}
	}
	return failure, all
}

func isThrottled(f *inventory.Failure) bool { return f.Reason == inventory.Throttled }

// isTimeout returns whether AWS did not answer.
func isTimeout(f *inventory.Failure) bool {
	return f != nil && f.Reason == inventory.Timeout && f.Detail != inventory.SweepTimeout
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
	deadline := clock.Now().Add(detailsTimeout)
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
		ctx, cancel := context.WithTimeout(ctx, deadline.Sub(clock.Now()))
		defer cancel()
		if exists := s.readDetails(ctx, account, a, &d); !exists {
			return false, nil
		}
	}
	s.state.SetDetails(a, d)
	return true, d.Failures()
}

func (s *Sweeper) readDetails(ctx context.Context, account *inventory.Account, a *inventory.Analyzer, d *state.Details) (exists bool) {
	if s.needsConfiguration(a) {
		configuration, failure := s.reader.Configuration(ctx, account, a)
		if failure == nil && configuration == nil {
			return false
		}
		d.Configuration.Set(configuration, failure)
	}
	if s.opts.ForReport {
		d.MarkRead(a)
		return true
	}
	rules, failure := s.reader.ArchiveRules(ctx, account, a)
	if failure == nil && rules < 0 {
		return false
	}
	d.ArchiveRules.Set(rules, failure)
	d.MarkRead(a)
	return true
}

// needsConfiguration returns whether to read the configuration of an analyzer. Those
// of external access have none, and those of unused access cover the account that
// owns them whatever it is.
func (s *Sweeper) needsConfiguration(a *inventory.Analyzer) bool {
	switch access := a.Access(); access {
	case inventory.Unused:
		return !s.opts.ForReport || s.opts.Policy.Rules[access].Required && a.Scope() == inventory.OrganizationScope
	case inventory.Internal:
		return !s.opts.ForReport || s.opts.Policy.Rules[access].Required
	}
	return false
}
