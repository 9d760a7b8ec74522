package policies

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Watcher validates policies. Make one with New.
type Watcher struct {
	fleet  Fleet
	reader Reader
	opts   Options
	*state

	checks  []hash // of Options.Checks
	failing map[cause]int
	// done and total are the progress of Once; failed are accounts.
	started             atomic.Int64
	done, failed, total atomic.Int64
}

// New returns a Watcher.
func New(fleet Fleet, reader Reader, opts Options) *Watcher {
	w := &Watcher{fleet: fleet, reader: reader, opts: opts, state: newState()}
	w.budget.set(opts.ChecksPerDay)
	for _, c := range opts.Checks {
		w.checks = append(w.checks, c.hash())
	}
	return w
}

// Continue makes a Watcher that does not run yet continue with what another has read,
// which does not run any more.
func (w *Watcher) Continue(previous *Watcher) {
	w.state = previous.state
	w.budget.set(w.opts.ChecksPerDay)
	w.adopt(previous)
}

// adopt makes due what the previous Watcher did not read. Attempts that failed are
// repeated: the configuration may have what they lacked.
func (w *Watcher) adopt(previous *Watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	same := equal(&previous.opts, &w.opts)
	for k, src := range w.sources {
		if !same && (k.of == "" || src.readAt.IsZero()) || len(src.failures) > 0 {
			src.dueAt, src.retries = time.Time{}, 0
		}
		if len(src.missing(k.of, &w.opts, src.triedAt)) > 0 {
			src.triedAt = time.Time{} // not with these types
		}
	}
	// Those of the previous configuration stay, in case that the change is reverted.
	used := append(slices.Clone(w.checks), previous.checks...)
	for _, r := range w.results {
		maps.DeleteFunc(r.checks, func(h hash, _ checked) bool { return !slices.Contains(used, h) })
	}
}

// equal returns whether the options read the same.
func equal(a, b *Options) bool {
	if len(a.Checks) != len(b.Checks) || len(a.Types) != len(b.Types) || a.Interval != b.Interval || a.FullInterval != b.FullInterval {
		return false
	}
	for i := range a.Types {
		if a.Types[i] != b.Types[i] {
			return false
		}
	}
	for i := range a.Checks {
		if a.Checks[i].hash() != b.Checks[i].hash() {
			return false
		}
	}
	return true
}

// Run validates on schedule until the context ends, and returns when all its goroutines
// have ended.
func (w *Watcher) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { w.followFleet(ctx) })
	wg.Go(func() { w.publish(ctx) })
	for range workers {
		wg.Go(func() { w.work(ctx) })
	}
	wg.Wait()
}

// Once reads every account once. Of the calls for checks in 24 hours, it makes a tenth at
// most.
func (w *Watcher) Once(ctx context.Context) {
	w.budget.fill()
	w.setFleet(w.fleet.Fleet(), &w.opts)
	w.total.Store(int64(len(w.sources)))
	w.started.Store(clock.Now().UnixNano())
	defer w.started.Store(0)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				k, src, _, _ := w.next(clock.Now(), &w.opts)
				if src == nil || !src.triedAt.IsZero() {
					return // all have been read, and some failed
				}
				if !w.read(ctx, k, src) {
					w.failed.Add(1)
				}
				w.done.Add(1)
			}
		})
	}
	wg.Wait()
}

// followFleet updates the accounts when they change.
func (w *Watcher) followFleet(ctx context.Context) {
	warned := false
	for ctx.Err() == nil {
		changed := w.fleet.Changed()
		f := w.fleet.Fleet()
		w.setFleet(f, &w.opts)
		if none := len(f.Accounts) > 0 && f.Pending == 0 && len(f.Failures) == 0 && !w.known(); none != warned {
			if warned = none; none {
				w.opts.Logger.Warn("No policies to validate: no account in scope can be read, or policies.types has only policies of the organization and its management account is not in scope")
			}
		}
		clock.Wait(ctx, clock.Now().Add(w.opts.Interval), changed)
		if known := w.known(); known {
			clock.Wait(ctx, clock.Now().Add(scopeInterval), nil)
		}
	}
}

// known returns whether there are accounts.
func (w *Watcher) known() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sources) > 0
}

func (w *Watcher) work(ctx context.Context) {
	for ctx.Err() == nil {
		k, src, until, wake := w.next(clock.Now(), &w.opts)
		if src == nil {
			clock.Wait(ctx, until, wake)
			continue
		}
		w.read(ctx, k, src)
		w.evict(clock.Now())
	}
}

// publish publishes changes: at once when nothing else is due, and when a result
// becomes too old.
func (w *Watcher) publish(ctx context.Context) {
	published := clock.Now().Add(-publishInterval)
	stale := w.staleAt(clock.Now())
	for ctx.Err() == nil {
		w.mu.Lock()
		wake, changed := w.wake, w.changed
		w.mu.Unlock()
		until := stale
		if changed {
			until = published.Add(publishInterval)
			if now := clock.Now(); w.idle(now) {
				until = now
			}
		}
		if clock.Wait(ctx, until, wake); ctx.Err() != nil || !clock.Reached(until, clock.Now()) {
			continue
		}
		w.mu.Lock()
		w.changed = false
		w.mu.Unlock()
		w.logTransitions()
		w.opts.Publish()
		// What is read from now on becomes too old after what is the next to do so now.
		published = clock.Now()
		stale = w.staleAt(published)
	}
}

// staleAt returns when the next value becomes too old.
func (w *Watcher) staleAt(now time.Time) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	next := now.Add(w.opts.Interval)
	soonest := func(readAt time.Time, life time.Duration) {
		if at := readAt.Add(life); !readAt.IsZero() && !clock.Reached(at, now) && at.Before(next) {
			next = at
		}
	}
	for _, src := range w.sources {
		soonest(src.readAt, w.opts.Interval+w.opts.StaleAfter)
	}
	for _, r := range w.results {
		soonest(r.validatedAt, w.opts.FullInterval+w.opts.StaleAfter)
	}
	return next
}

// Progress returns the progress of Once in accounts.
func (w *Watcher) Progress() (startedAt time.Time, done, failed, total int) {
	if n := w.started.Load(); n != 0 {
		startedAt = time.Unix(0, n)
	}
	return startedAt, int(w.done.Load()), int(w.failed.Load()), int(w.total.Load())
}

// reading is one read of a source in progress.
type reading struct {
	*Watcher
	key    sourceKey
	reader *inventory.Account
	region string

	policies []policy
	names    map[policyName]int // their indexes: pages can repeat one
	failures map[failureKey]*inventory.Failure
	// stopped is the failure after which nothing more is validated in this read, and
	// consecutive the number of failures in a row. checksStopped has the operations of
	// checks that are not called any more.
	stopped       *inventory.Failure
	consecutive   int
	checksStopped map[string]bool
	outOfBudget   bool
	// retry is whether something failed that may succeed soon.
	retry bool
}

type policyName struct {
	of   inventory.PolicyType
	name string
}

type failureKey struct {
	operation string
	reason    inventory.Reason
}

// read reads a source and returns whether everything was read and validated.
func (w *Watcher) read(ctx context.Context, k sourceKey, src *source) bool {
	w.mu.Lock()
	rd := &reading{
		Watcher: w, key: k, reader: src.reader, region: src.region,
		names: map[policyName]int{}, failures: map[failureKey]*inventory.Failure{}, checksStopped: map[string]bool{},
	}
	w.mu.Unlock()
	start := clock.Now()
	add := func(page []Policy) bool {
		for _, p := range page {
			if ctx.Err() != nil {
				return false
			}
			rd.add(ctx, p)
		}
		return ctx.Err() == nil
	}
	var f *inventory.Failure
	if k.of == "" {
		f = w.reader.AccountPolicies(ctx, rd.reader, w.opts.accountTypes(), add)
	} else {
		f = w.reader.OrganizationPolicies(ctx, rd.reader, k.of, add)
	}
	if ctx.Err() != nil {
		w.cancel(src, rd)
		return false
	}
	return w.finish(src, rd, start, f)
}

// cancel gives up a read that was interrupted.
func (w *Watcher) cancel(src *source, rd *reading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.release(rd.policies)
	src.running = false
}

// finish records the outcome of a read. A list that could not be read replaces nothing.
func (w *Watcher) finish(src *source, rd *reading, start time.Time, f *inventory.Failure) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	src.running, src.triedAt, src.unchecked = false, clock.Now(), rd.outOfBudget
	if f != nil {
		rd.fail(f)
	}
	src.failures = nil
	for _, f := range rd.failures {
		failure := *f
		failure.AccountID = rd.key.accountID // whose policies are missing; it need not be the reader
		src.failures = append(src.failures, failure)
	}
	w.changed = true
	defer w.notify()
	if f != nil || w.sources[rd.key] != src {
		w.release(rd.policies)
		src.schedule(rd.key, &w.opts, true)
		return false
	}
	w.release(src.policies)
	src.policies, src.types, src.readAt = rd.policies, w.opts.typesOf(rd.key.of), start
	complete := true
	for _, p := range src.policies {
		complete = complete && p.result.usable(&w.opts, src.triedAt)
	}
	if complete {
		src.completeAt = start
	}
	src.schedule(rd.key, &w.opts, rd.retry)
	return complete
}

// add validates and checks a policy.
func (rd *reading) add(ctx context.Context, p Policy) {
	h := hashOf(p)
	r := rd.acquire(h)
	name := policyName{p.Type, p.Name}
	i, again := rd.names[name]
	if !again {
		i = len(rd.policies)
		rd.names[name] = i
		rd.policies = append(rd.policies, policy{})
	} else {
		rd.mu.Lock()
		rd.release(rd.policies[i : i+1])
		rd.mu.Unlock()
	}
	rd.policies[i] = policyOf(r, p)
	if !rd.lock(ctx, r) {
		return
	}
	defer rd.unlock(r)
	if p.Failure != nil {
		rd.fail(p.Failure)
		rd.policies[i].reason, rd.retry = p.Failure.Reason, true
		return
	}
	rd.policies[i].reason = rd.validate(ctx, h, r, p)
	if identity(p.Type) {
		for j, c := range rd.opts.Checks {
			rd.check(ctx, r, p, c, rd.checks[j])
		}
	}
}

// validate validates a document if that is due. It returns the reason why it could not.
func (rd *reading) validate(ctx context.Context, h hash, r *result, p Policy) inventory.Reason {
	start := clock.Now()
	rd.mu.Lock()
	due, rejected := r.due(h, &rd.opts, start), r.rejected
	rd.mu.Unlock()
	switch {
	case !due:
		return ""
	case rejected.recent(rd.opts.Interval/2, start): // the next read is later
		rd.fail(&rejected.failure)
		return rejected.failure.Reason
	case rd.stopped != nil:
		return rd.stopped.Reason
	}
	issues, f := rd.Watcher.reader.ValidatePolicy(ctx, rd.reader, rd.region, p)
	if f != nil {
		return rd.notValidated(r, f)
	}
	rd.consecutive = 0
	rd.mu.Lock()
	defer rd.mu.Unlock()
	r.validatedAt, r.issues, r.rejected = start, countedOf(issues), nil
	return ""
}

// notValidated records why a document was not validated.
func (rd *reading) notValidated(r *result, f *inventory.Failure) inventory.Reason {
	rd.fail(f)
	if rejects(f) {
		rd.mu.Lock()
		defer rd.mu.Unlock()
		r.rejected = &rejection{clock.Now(), *f}
		return f.Reason
	}
	rd.consecutive++
	rd.retry = true
	if permanent(f) || rd.consecutive >= fewFailures {
		rd.stopped = f
	}
	return f.Reason
}

// check checks a document, unless that was done: it has not changed since.
func (rd *reading) check(ctx context.Context, r *result, p Policy, c Check, h hash) {
	rd.mu.Lock()
	last, done := r.checks[h]
	rd.mu.Unlock()
	switch {
	case last.rejected.recent(rd.opts.FullInterval, clock.Now()):
		rd.fail(&last.rejected.failure)
		return
	case done && last.rejected == nil, rd.checksStopped[c.Operation()], ctx.Err() != nil:
		return
	case !rd.budget.take(clock.Now()):
		rd.outOfBudget = true
		return
	}
	if rd.opts.OnCheck != nil {
		rd.opts.OnCheck(c.Name)
	}
	passed, f := rd.Watcher.reader.CheckPolicy(ctx, rd.reader, rd.region, p, c)
	outcome := checked{passed: passed}
	if f != nil {
		rd.fail(f)
		if !rejects(f) {
			rd.checksStopped[c.Operation()] = true
			rd.retry = rd.retry || !permanent(f)
			return
		}
		outcome.rejected = &rejection{clock.Now(), *f}
	}
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if r.checks == nil {
		r.checks = map[hash]checked{}
	}
	r.checks[h] = outcome
}

func (rd *reading) fail(f *inventory.Failure) {
	rd.failures[failureKey{f.Operation, f.Reason}] = f
}

// rejects returns whether AWS rejected the document. The next may be accepted.
func rejects(f *inventory.Failure) bool {
	return f.Reason == inventory.Other && f.Detail == ""
}

// permanent returns whether the same failure is certain for every document of the
// account.
func permanent(f *inventory.Failure) bool {
	switch f.Reason {
	case inventory.AccessDenied, inventory.SCPDenied, inventory.AssumeRoleDenied, inventory.Credentials, inventory.RegionDisabled, inventory.RegionUnsupported:
		return true
	}
	return false
}
