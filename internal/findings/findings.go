// Package findings counts the findings of analyzers without listing all of them
// each time.
//
// An index holds every finding that is counted. A round lists the findings that
// were updated last, down to those in the index, and compares the index with the
// totals that AWS returns. AWS documents neither the order of the list nor the
// age of the totals, so each round checks them; if a check fails, the same round
// lists all findings. docs/design/performance.md explains why a round that passes
// the checks is exact.
package findings

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	// fewPages is up to how many pages are always listed in full, because listing
	// the changes takes as many calls.
	fewPages = 4
	// morePages is the maximum number of pages of changes, or a quarter of all
	// pages if that is more. Beyond it follows a full count.
	morePages = 3
	// provingTimes is how many different update times in descending order show that
	// a list is sorted by them: a list in another order has that many at its start
	// once in 10! = 3.6 million times.
	provingTimes = 10
	// listingDelay is how long AWS may take to list a change. A round lists the
	// changes since that long before the last exact round.
	listingDelay = 10 * time.Minute
	// pause is the time before the second attempt of a round. AWS returns times in
	// whole seconds, so a change during the first attempt is older by then.
	pause = time.Second
	// maxEntries bounds the indexes of all analyzers together, at 40 bytes a
	// finding.
	maxEntries = 1_000_000
)

// Options of a Counter.
type Options struct {
	// Statuses are those to count; ResourceTypes is whether to count separately for
	// each type of resource.
	Statuses      []string
	ResourceTypes bool
	// PublicResources is how many ACTIVE public findings of an owner are named; 0 for
	// none.
	PublicResources int
	// FullInterval is the maximum time between two full counts.
	FullInterval time.Duration
	// Once is whether each analyzer is counted a single time, so that no index is
	// verified for later counts.
	Once bool
	// OnFullCount is called after every full count; nil: nothing is called.
	OnFullCount func(FullCountReason)
}

// Counter counts findings. It is safe for concurrent use with different States.
type Counter struct {
	reader Reader
	opts   Options
	budget *Budget
	pause  time.Duration
}

// New returns a counter whose indexes are within a budget, which counters can
// share.
func New(reader Reader, opts Options, budget *Budget) *Counter {
	return &Counter{reader: reader, opts: opts, budget: budget, pause: pause}
}

// Budget limits the number of findings in all indexes. The zero value is unused.
type Budget struct{ used atomic.Int64 }

// Used returns the number of findings in all indexes.
func (b *Budget) Used() int { return int(b.used.Load()) }

// reserve returns false if n more findings exceed the limit.
func (b *Budget) reserve(n int) bool {
	if b.used.Add(int64(n)) > maxEntries {
		b.release(n)
		return false
	}
	return true
}

func (b *Budget) release(n int) { b.used.Add(int64(-n)) }

// Drop releases the index of a state.
func (b *Budget) Drop(s *State) {
	if s != nil {
		b.release(s.reserved)
		s.index, s.reserved = nil, 0
	}
}

// State is the index of one analyzer's findings and what is known about it. One
// count at a time may use it. The zero value is that of a new analyzer.
type State struct {
	// index is nil if the next count has to be a full one, for a reason; without
	// a reason it is the first count.
	index  *index
	reason FullCountReason
	// reserved is the part of the budget that the index uses.
	reserved int
	// statuses and resourceTypes are the options of the index.
	statuses      []string
	resourceTypes bool
	// exactAsOf is the time by the AWS clock before which the index has all changes.
	exactAsOf time.Time
	// fullAt is when the last full count started, and fullPages its calls.
	fullAt    time.Time
	fullPages int
	// ordered is set when a list has proved that it is sorted by update time.
	ordered bool
	// fullUntil is set after a full count found a change that was in no list of
	// changes. Until then every count is a full one.
	fullUntil time.Time
}

// Count counts the findings of an analyzer in the account that owns it, and
// updates its state. counts is nil, without a failure, if the analyzer has been
// deleted. failure is why there is no count; partial is why GetFindingsStatistics
// failed, so that the count had to be a full one.
func (c *Counter) Count(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer, s *State) (counts *inventory.Findings, failure, partial *inventory.Failure) {
	if s.index != nil && (s.resourceTypes != c.opts.ResourceTypes || s.index.named.most != c.opts.PublicResources || !slices.Equal(s.statuses, c.opts.Statuses)) {
		c.budget.Drop(s)
		*s = State{}
	}
	r := &round{Counter: c, ctx: ctx, account: a, analyzer: analyzer, state: s}
	reason := c.fullCountReason(s)
	if reason == "" {
		reason, failure = r.update()
		if reason == "" && failure == nil {
			return r.counts(), nil, nil
		}
		if reason == "" || ctx.Err() != nil {
			return nil, cmp.Or(failure, r.timedOut()), nil
		}
	}
	counts, fullFailure, partial := r.full(reason)
	return counts, fullFailure, cmp.Or(failure, partial)
}

// fullCountReason returns why the count has to be a full one, or "".
func (c *Counter) fullCountReason(s *State) FullCountReason {
	switch {
	case !clock.Reached(s.fullUntil, clock.Now()):
		return Inconsistent
	case s.index == nil && s.reason != "":
		return s.reason
	case s.index == nil:
		return FirstCount
	case clock.Elapsed(s.fullAt, clock.Now()) >= c.opts.FullInterval:
		return IntervalElapsed
	}
	return ""
}

// round is one count of one analyzer.
type round struct {
	*Counter
	ctx      context.Context
	account  *inventory.Account
	analyzer *inventory.Analyzer
	state    *State
}

// counts counts the findings in the index.
func (r *round) counts() *inventory.Findings {
	counts := r.state.index.count()
	counts.CountedAt = clock.Now()
	return counts
}

// update applies the changes since the last round to the index. reason is why the
// index may not be exact; the failure with it is that of GetFindingsStatistics. A
// failure without a reason is that of the list.
func (r *round) update() (reason FullCountReason, _ *inventory.Failure) {
	for attempt := range 2 {
		if attempt > 0 && !r.wait() {
			return "", r.timedOut()
		}
		l := r.listChanges()
		switch {
		case l.failure != nil && l.failure.Reason == inventory.Other && r.ctx.Err() == nil:
			return OutOfOrder, nil // AWS rejects the sort order
		case l.failure != nil:
			return "", l.failure
		case l.reason != "":
			return l.reason, nil
		}
		totals, failure := r.reader.FindingTotals(r.ctx, r.account, r.analyzer)
		if failure != nil {
			return NoStatistics, failure
		}
		if reason = NoStatistics; totals.ByStatus == nil {
			continue
		}
		if failure := r.rereadStart(l); failure != nil {
			return "", failure
		}
		if reason = r.apply(l, totals); reason == "" || reason == OutOfOrder || reason == Unnamed {
			return reason, nil
		}
	}
	return reason, nil
}

// wait pauses, and returns false if the context ends.
func (r *round) wait() bool {
	t := time.NewTimer(r.pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// timedOut returns the failure of a count whose context ended.
func (r *round) timedOut() *inventory.Failure {
	return &inventory.Failure{
		AccountID: r.account.ID, Region: r.analyzer.Region, Operation: "GetFindingsStatistics",
		Reason: inventory.Timeout, Detail: inventory.SweepTimeout,
		Message: "the sweep ended before the findings were counted",
	}
}

// apply applies changes to the index, and returns why the index may not be exact
// as of the totals, or "".
func (r *round) apply(l *changes, totals Totals) FullCountReason {
	s := r.state
	consistent := s.index.apply(l.findings, s.statuses)
	for _, f := range l.public {
		s.index.named.add(f)
	}
	s.index.named.verify(s.index)
	if !r.resizeReservation() {
		return TooManyFindings
	}
	switch {
	case !consistent || s.index.updatedAfter(l.completeAfter) != l.updatedAfter(s.statuses):
		// A recent change in the index is not listed: the finding was deleted or
		// moved between pages, or the list is not sorted.
		return Inconsistent
	case totals.AsOf.Before(totals.AskedAt):
		return NoStatistics
	case l.moved, !l.latest.Truncate(time.Second).Before(totals.AsOf.Truncate(time.Second)):
		return ManyChanges
	case !agree(s.index.totals(), totals.ByStatus, s.statuses):
		return TotalsDiffer
	case !s.ordered && !l.ordered():
		return OutOfOrder
	case s.index.named.incomplete(s.index.publicByOwner()):
		return Unnamed
	}
	s.ordered = true
	s.exactAsOf = totals.AsOf
	return ""
}

func agree(own, theirs map[string]int, statuses []string) bool {
	return !slices.ContainsFunc(statuses, func(status string) bool { return own[status] != theirs[status] })
}

// resizeReservation adjusts the reservation to the index. It drops the index and
// returns false if that exceeds the budget.
func (r *round) resizeReservation() bool {
	s := r.state
	more := len(s.index.entries) - s.reserved
	if more > 0 && !r.budget.reserve(more) {
		r.budget.Drop(s)
		s.reason = TooManyFindings
		return false
	}
	if more < 0 {
		r.budget.release(-more)
	}
	s.reserved += more
	return true
}

// full lists all findings and makes a new index of them. It then applies the
// changes that happened while it read the pages. statisticsFailure is why these
// could not be verified.
func (r *round) full(reason FullCountReason) (counts *inventory.Findings, failure, statisticsFailure *inventory.Failure) {
	s := r.state
	next := &State{
		statuses: r.opts.Statuses, resourceTypes: r.opts.ResourceTypes, fullAt: clock.Now(), fullUntil: s.fullUntil,
		ordered: s.ordered && reason != OutOfOrder && reason != Inconsistent,
	}
	counts, exists, failure := r.list(next)
	if failure != nil {
		r.budget.Drop(next)
		return nil, failure, nil
	}
	if r.opts.OnFullCount != nil {
		r.opts.OnFullCount(reason)
	}
	if !exists {
		counts = nil
	}
	if s.index != nil && next.index != nil && !next.index.agreesWith(s.index, nanoseconds(s.exactAsOf.Add(-listingDelay))) {
		next.fullUntil = clock.Now().Add(r.opts.FullInterval)
	}
	r.budget.Drop(s)
	*s = *next
	if !exists || !clock.Reached(s.fullUntil, clock.Now()) {
		r.budget.Drop(s)
	}
	if s.index == nil || r.opts.Once || reason == NoStatistics || reason == OutOfOrder {
		return counts, nil, nil
	}
	// Even if these changes cannot be verified, the index is the best count.
	if reason, failure = r.update(); reason == NoStatistics {
		statisticsFailure = failure
	}
	if s.index != nil {
		counts = r.counts()
	}
	return counts, nil, statisticsFailure
}

// list lists all findings into a state. It has an index afterwards unless there
// are few findings or the budget is exceeded.
func (r *round) list(into *State) (counts *inventory.Findings, exists bool, _ *inventory.Failure) {
	counts = inventory.NewFindings()
	listed := 0
	x := &index{named: newNamed(r.opts.PublicResources)}
	into.index = x
	exists, failure := r.reader.Findings(r.ctx, r.account, r.analyzer, r.opts.Statuses, func(page Page) bool {
		if into.fullPages == 0 {
			into.exactAsOf = page.AskedAt
		}
		into.fullPages++
		listed += len(page.Findings)
		if into.index != nil && !r.budget.reserve(len(page.Findings)) {
			r.budget.Drop(into)
			into.reason = TooManyFindings
		} else if into.index != nil {
			into.reserved += len(page.Findings)
		}
		for _, f := range page.Findings {
			x.named.add(f)
			f = r.normalized(f)
			counts.Add(f.FindingKey, 1, f.CreatedAt, f.Error)
			if into.index != nil {
				x.entries = append(x.entries, x.entryOf(f))
			}
		}
		return true
	})
	if failure != nil && into.fullPages > 0 {
		long := *failure
		long.Message += fmt.Sprintf(" (after %d pages with %d findings)", into.fullPages, listed)
		failure = &long
	}
	if failure != nil || into.index == nil {
		x.named.settle()
		x.named.addTo(counts)
		counts.CountedAt = clock.Now()
		return counts, exists, failure
	}
	// A finding that was updated between two pages may be in both.
	x.sortUnique()
	x.named.verify(x)
	counts = x.count()
	counts.CountedAt = clock.Now()
	if into.fullPages <= fewPages {
		r.budget.Drop(into)
		into.reason = FewFindings
		return counts, exists, nil
	}
	x.entries = slices.Clone(x.entries) // without room to grow
	r.budget.release(into.reserved - len(x.entries))
	into.reserved = len(x.entries)
	return counts, exists, nil
}

// normalized returns a finding without what is not counted separately.
func (r *round) normalized(f inventory.Finding) inventory.Finding {
	if !r.opts.ResourceTypes {
		f.ResourceType = ""
	}
	return f
}

// changes is a list of the findings that were updated last.
type changes struct {
	findings []inventory.Finding
	// public are the ACTIVE public ones, with their resource types in any case.
	public []inventory.Finding
	// completeAfter, in Unix nanoseconds, is the time after which the list has all
	// updates; latest is that of the last update.
	completeAfter int64
	latest        time.Time
	// times is the number of different update times. unlikeCreation is whether a
	// finding preceded one that was created later: the list is not sorted by that.
	times          int
	unlikeCreation bool
	// moved is whether the start of the list differed when it was read again.
	moved bool
	// reason is why the list cannot be used, and failure why it could not be read.
	reason  FullCountReason
	failure *inventory.Failure
}

// listChanges lists the updates since the index was exact.
func (r *round) listChanges() *changes {
	l := &changes{completeAfter: never}
	floor := nanoseconds(r.state.exactAsOf.Add(-listingDelay))
	most, pages := max(morePages, r.state.fullPages/4), 0
	if !r.state.ordered {
		most = max(most, r.state.fullPages)
	}
	exists, failure := r.reader.Findings(r.ctx, r.account, r.analyzer, nil, func(page Page) bool {
		if len(page.Findings) == 0 {
			return true
		}
		pages++
		for _, f := range page.Findings {
			if f.IsPublic() {
				l.public = append(l.public, f)
			}
			l.add(r.normalized(f))
		}
		last := nanoseconds(l.findings[len(l.findings)-1].UpdatedAt)
		switch {
		case last < floor:
			l.completeAfter = last
		case pages == most:
			l.reason = ManyChanges
		}
		enough := l.completeAfter != never && (r.state.ordered || l.ordered() || pages == most)
		return !enough && l.reason == ""
	})
	if l.failure = failure; failure == nil && !exists {
		l.reason = Inconsistent
	}
	return l
}

// add appends the next finding, and checks that it is in order.
func (l *changes) add(f inventory.Finding) {
	if len(l.findings) == 0 {
		l.latest, l.times = f.UpdatedAt, 1
	} else {
		before := &l.findings[len(l.findings)-1]
		if f.UpdatedAt.After(before.UpdatedAt) {
			l.reason = OutOfOrder
		}
		if before.UpdatedAt.After(f.UpdatedAt) {
			l.times++
			l.unlikeCreation = l.unlikeCreation || before.CreatedAt.Before(f.CreatedAt)
		}
	}
	if !slices.Contains(inventory.FindingStatuses, f.Status) {
		l.reason = Inconsistent
	}
	l.findings = append(l.findings, f)
}

// ordered returns whether only sorting by update time explains the order.
func (l *changes) ordered() bool { return l.times >= provingTimes && l.unlikeCreation }

// rereadStart reads the start of the list again. Changes since the first reading,
// and up to the time of the totals, are there.
func (r *round) rereadStart(l *changes) *inventory.Failure {
	_, failure := r.reader.Findings(r.ctx, r.account, r.analyzer, nil, func(page Page) bool {
		for i, f := range page.Findings {
			l.moved = l.moved || i < len(l.findings) && l.findings[i] != r.normalized(f)
		}
		l.moved = l.moved || len(l.findings) == 0 && len(page.Findings) > 0
		return len(page.Findings) == 0
	})
	return failure
}

// updatedAfter returns the number of listed findings with one of the statuses that
// were updated after completeAfter.
func (l *changes) updatedAfter(statuses []string) int {
	seen := map[string]bool{}
	for _, f := range l.findings {
		if nanoseconds(f.UpdatedAt) > l.completeAfter && slices.Contains(statuses, f.Status) {
			seen[f.ID] = true
		}
	}
	return len(seen)
}
