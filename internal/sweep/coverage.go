package sweep

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// detailsAge is how old configuration and archive rules of an analyzer may
// grow. AWS tells of no change to them except through CloudTrail.
const detailsAge = time.Hour

// job is one target to read.
type job struct {
	account *inventory.Account
	region  string
}

func (j job) target() inventory.Target {
	return inventory.Target{AccountID: j.account.ID, Region: j.region}
}

// sweepCoverage reads every target once.
func (s *Sweeper) sweepCoverage(ctx context.Context) {
	start := time.Now()
	discovery, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	fleet := s.fleet.Discover(discovery)
	cancel()
	if ctx.Err() != nil {
		return
	}
	s.facts.setFleet(fleet)
	jobs := jobsOf(fleet)
	p := s.progress[inventory.CoverageSweep]
	p.start(len(jobs))
	defer p.stop()
	deadline, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	read := func(jobs []job) {
		inParallel(s.opts.Concurrency, jobs, func(j job) {
			failure := s.visit(deadline, j, false)
			if ctx.Err() == nil {
				p.step(failure != nil)
			}
		})
	}
	var members []job
	if s.opts.SkipCovered {
		jobs, members = splitMembers(fleet, jobs)
	}
	read(jobs)
	needed := s.facts.skip(members, s.opts, time.Now())
	p.total.Add(int64(len(needed) - len(members)))
	read(needed)
	if ctx.Err() != nil {
		return
	}
	s.facts.completed(inventory.CoverageSweep, start, p.total.Load() > 0 || len(fleet.Failures) == 0)
	s.tell(inventory.CoverageSweep, s.facts.coverageFailures())
}

// jobsOf lists the targets of the accounts that are entered, in a new order
// each time: neighbours are then of different accounts and Regions, which AWS
// throttles apart, and if time runs out it is not for the same ones again.
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

// splitMembers tells the targets that decide about those of others from those
// that may be skipped then.
func splitMembers(fleet *inventory.Fleet, jobs []job) (deciding, members []job) {
	admins := coverage.Admins(fleet)
	for _, j := range jobs {
		if coverage.Member(j.account, admins) {
			members = append(members, j)
		} else {
			deciding = append(deciding, j)
		}
	}
	return deciding, members
}

// inParallel does every item, n at a time.
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

// reading is what one attempt to read a target brought.
type reading struct {
	listing *listing
	// failure is that of the list.
	failure *inventory.Failure
}

// visit reads a target, with details that are not yet due if it says so, and
// keeps what that brought, unless it is the end of the program that made it
// fail.
func (s *Sweeper) visit(ctx context.Context, j job, allDetails bool) *inventory.Failure {
	if s.visits.take(ctx, j.target()) {
		defer s.visits.release(j.target())
	}
	if allDetails {
		s.facts.forgetDetails(j.target())
	}
	read := s.readTarget(ctx, j)
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return read.failure
	}
	s.facts.setTarget(j.target(), read)
	return read.failure
}

func (s *Sweeper) readTarget(ctx context.Context, j job) reading {
	if ctx.Err() != nil {
		return reading{failure: &inventory.Failure{
			AccountID: j.account.ID, Region: j.region, Operation: "ListAnalyzers", Reason: inventory.Timeout,
			Message: "the sweep ended before this target's turn (sweep.timeout)",
		}}
	}
	listed, failure := s.reader.Analyzers(ctx, j.account, j.region)
	if failure != nil {
		return reading{failure: failure}
	}
	if len(listed) == 0 {
		return reading{}
	}
	deadline := time.Now().Add(targetTimeout)
	list := &listing{analyzers: make([]*inventory.Analyzer, 0, len(listed))}
	for _, a := range listed {
		if a.AccountID == j.account.ID && a.Region == j.region {
			exists, failures := s.detail(ctx, deadline, j.account, a)
			list.partial = append(list.partial, failures...)
			if !exists {
				continue
			}
		}
		list.analyzers = append(list.analyzers, a)
	}
	return reading{listing: list}
}

// detail completes an analyzer with what the list does not tell, until the
// deadline if that has to be read; exists is false when it turns out to be gone.
func (s *Sweeper) detail(ctx context.Context, deadline time.Time, account *inventory.Account, a *inventory.Analyzer) (exists bool, failures []*inventory.Failure) {
	d := s.facts.detailsOf(a)
	if d.due(a) {
		ctx, cancel := context.WithDeadline(ctx, deadline)
		defer cancel()
		if exists := s.readDetails(ctx, account, a, &d); !exists {
			return false, nil
		}
		s.facts.setDetails(a.ARN, d)
	}
	d.complete(a, s.opts.StaleAfter)
	return true, d.failures()
}

func (s *Sweeper) readDetails(ctx context.Context, account *inventory.Account, a *inventory.Analyzer, d *details) (exists bool) {
	if a.Access() == inventory.Unused || a.Access() == inventory.Internal {
		configuration, failure := s.reader.Configuration(ctx, account, a)
		if failure == nil && configuration == nil {
			return false
		}
		d.configuration.set(configuration, failure)
	}
	rules, failure := s.reader.ArchiveRules(ctx, account, a)
	if failure == nil && rules < 0 {
		return false
	}
	d.rules.set(rules, failure)
	d.readAt, d.as = time.Now(), fingerprintOf(a)
	return true
}

// details are what is known of an analyzer beyond the list. Whoever changes
// them has a copy.
type details struct {
	createdAt     time.Time
	readAt        time.Time
	as            fingerprint
	configuration fact[*inventory.Configuration]
	rules         fact[int]
}

// fact is a value with the failure to read it again.
type fact[T any] struct {
	value T
	// readAt is when the value was read; zero where there is none.
	readAt time.Time
	// failing is nil when the last attempt went well.
	failing *failing
}

// failing is a failure that has stood since the first of its kind.
type failing struct {
	failure *inventory.Failure
	since   time.Time
}

func (f *fact[T]) set(value T, failure *inventory.Failure) {
	now := time.Now()
	switch {
	case failure == nil:
		*f = fact[T]{value: value, readAt: now}
	case f.failing == nil:
		f.failing = &failing{failure, now}
	default:
		f.failing = &failing{failure, f.failing.since}
	}
}

// known tells whether there is a value, be it one that no longer stands.
func (f *fact[T]) known() bool { return !f.readAt.IsZero() }

// tried tells whether there ever was an attempt.
func (f *fact[T]) tried() bool { return f.known() || f.failing != nil }

// failure is that of the last attempt.
func (f *fact[T]) failure() *inventory.Failure {
	if f.failing == nil {
		return nil
	}
	return f.failing.failure
}

// stands tells whether the value may still be used.
func (f *fact[T]) stands(staleAfter time.Duration, now time.Time) bool {
	return f.known() && (f.failing == nil || now.Sub(f.failing.since) < staleAfter)
}

// expires is when the value can no longer be used; zero if nothing is failing.
func (f *fact[T]) expires(staleAfter time.Duration) time.Time {
	if !f.known() || f.failing == nil {
		return time.Time{}
	}
	return f.failing.since.Add(staleAfter)
}

func (d *details) failures() []*inventory.Failure {
	var failures []*inventory.Failure
	for _, f := range []*inventory.Failure{d.configuration.failure(), d.rules.failure()} {
		if f != nil {
			failures = append(failures, f)
		}
	}
	return failures
}

// fingerprint is what the list shows of a change.
type fingerprint struct{ kind, status, statusReason string }

func fingerprintOf(a *inventory.Analyzer) fingerprint {
	return fingerprint{a.Type, a.Status, a.StatusReason}
}

// due tells whether to read the details again: they are old, something about
// the analyzer changed, or the last attempt failed. Ages are spread by ARN, or
// all details would be read in one sweep, every hour.
func (d *details) due(a *inventory.Analyzer) bool {
	h := fnv.New32a()
	_, _ = h.Write([]byte(a.ARN))
	age := detailsAge - time.Duration(h.Sum32()%20)*detailsAge/100
	return d.readAt.IsZero() || d.as != fingerprintOf(a) || len(d.failures()) > 0 || time.Since(d.readAt) >= age
}

// complete gives an analyzer, not yet published, the details that stand.
func (d *details) complete(a *inventory.Analyzer, staleAfter time.Duration) {
	now := time.Now()
	if a.Configuration == nil {
		if d.configuration.stands(staleAfter, now) {
			a.Configuration = d.configuration.value
		} else {
			a.Unread = d.configuration.failure()
		}
	}
	if d.rules.stands(staleAfter, now) {
		a.ArchiveRules = d.rules.value
	}
}
