// Package findings counts the findings of analyzers without listing all of
// them each time.
//
// What is counted is remembered finding by finding. A round then lists the
// findings in the order of their last update, latest first, down to what is
// known, and asks AWS for its own totals. Both are little documented, so that
// everything that rests on them is checked; whatever does not fit leads to a
// count in full in the same round. docs/design/performance.md has the argument why a
// round that passes the checks is exact.
package findings

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	// fewPages are listed in full: to find out what has changed takes as many
	// calls.
	fewPages = 4
	// morePages of changes than a quarter of all pages, and than these, are
	// left to a full count.
	morePages = 3
	// lateness is for how long AWS may take to list a change. Changes are
	// listed again from that long before everything was known.
	lateness = 10 * time.Minute
	// pause is between two attempts to find AWS at rest. What AWS tells in
	// whole seconds is told apart after it.
	pause = time.Second
	// maxRemembered bounds the memory of all analyzers together, at 40 bytes a
	// finding.
	maxRemembered = 1_000_000
)

// Options of a Counter.
type Options struct {
	// Statuses are counted; ResourceTypes tells findings apart by them.
	Statuses      []string
	ResourceTypes bool
	// FullInterval is how long changes alone may be listed.
	FullInterval time.Duration
	// OnFullCount is called after every full count; nil: nothing is called.
	OnFullCount func(FullCountReason)
}

// Counter counts. It is safe for concurrent use, for a State at a time.
type Counter struct {
	reader Reader
	opts   Options
	memory *Memory
	pause  time.Duration
}

// New makes a counter. What it remembers is counted in memory, which others
// may share.
func New(reader Reader, opts Options, memory *Memory) *Counter {
	return &Counter{reader: reader, opts: opts, memory: memory, pause: pause}
}

// Memory is how many findings are remembered, over all analyzers. The zero
// value has none.
type Memory struct{ used atomic.Int64 }

// Used is how many findings are remembered.
func (m *Memory) Used() int { return int(m.used.Load()) }

// take makes room for n more, if there is any.
func (m *Memory) take(n int) bool {
	if m.used.Add(int64(n)) > maxRemembered {
		m.give(n)
		return false
	}
	return true
}

func (m *Memory) give(n int) { m.used.Add(int64(-n)) }

// Forget gives back the memory of a state that nobody will count from again.
func (m *Memory) Forget(s *State) {
	if s != nil {
		m.give(s.taken)
		s.index, s.taken = nil, 0
	}
}

// State is what is remembered of the findings of one analyzer. It belongs to
// whoever counts.
type State struct {
	// index is nil when there is nothing to start from; without why, that is
	// since nothing has been counted.
	index *index
	why   FullCountReason
	// taken is what the index has taken of the memory.
	taken int
	// statuses and resourceTypes are the options that it was made with.
	statuses      []string
	resourceTypes bool
	// known is the time of AWS before which all changes are in the index.
	known time.Time
	// fullAt is when the last full count began, fullPages how many calls it
	// took.
	fullAt    time.Time
	fullPages int
	// ordered is set once a list has shown that it is in the order of updates.
	ordered bool
	// misledUntil is set when a full count has found what no list of changes
	// told: until then none is trusted.
	misledUntil time.Time
}

// Count counts the findings of an analyzer that the account owns, starting
// from what is remembered of it, and remembers the outcome. The count is nil,
// without a failure, when the analyzer is gone. Of two failures, the first is
// why there is no count, the second why the count had to be in full.
func (c *Counter) Count(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer, s *State) (counts *inventory.Findings, _, _ *inventory.Failure) {
	if s.index != nil && (s.resourceTypes != c.opts.ResourceTypes || !slices.Equal(s.statuses, c.opts.Statuses)) {
		c.memory.Forget(s)
		*s = State{}
	}
	r := &round{Counter: c, ctx: ctx, account: a, analyzer: analyzer, state: s}
	why, failure := c.inFull(s), (*inventory.Failure)(nil)
	if why == "" {
		why, failure = r.update()
		if why == "" && failure == nil {
			return r.counted(), nil, nil
		}
		if why == "" || ctx.Err() != nil {
			return nil, cmp.Or(failure, r.ended()), nil
		}
	}
	counts, stopped, doubt := r.full(why)
	return counts, stopped, cmp.Or(failure, doubt)
}

// inFull tells why everything has to be listed; empty when that may not be.
func (c *Counter) inFull(s *State) FullCountReason {
	switch {
	case time.Now().Before(s.misledUntil):
		return Inconsistent
	case s.index == nil && s.why != "":
		return s.why
	case s.index == nil:
		return FirstCount
	case time.Since(s.fullAt) >= c.opts.FullInterval:
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

// counted is the count that the index makes.
func (r *round) counted() *inventory.Findings {
	counts := r.state.index.count()
	counts.CountedAt = time.Now()
	return counts
}

// update brings the index up to date with the changes alone. why says what
// stands against that, if anything; it may come with a failure, which is that
// of the statistics. A failure alone is that of the list.
func (r *round) update() (why FullCountReason, _ *inventory.Failure) {
	for attempt := range 2 {
		if attempt > 0 && !r.rest() {
			return "", r.ended()
		}
		l := r.listChanges()
		switch {
		case l.failure != nil && l.failure.Reason == inventory.Other && r.ctx.Err() == nil:
			return OutOfOrder, nil // refused, it seems
		case l.failure != nil:
			return "", l.failure
		case l.why != "":
			return l.why, nil
		}
		totals, failure := r.reader.FindingTotals(r.ctx, r.account, r.analyzer)
		if failure != nil {
			return NoStatistics, failure
		}
		if why = NoStatistics; totals.ByStatus == nil {
			continue
		}
		if failure := r.lookAgain(l); failure != nil {
			return "", failure
		}
		if why = r.apply(l, totals); why == "" || why == OutOfOrder {
			return why, nil
		}
	}
	return why, nil
}

// rest waits; it reports false when the context ends.
func (r *round) rest() bool {
	t := time.NewTimer(r.pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// ended is the failure of a count that ends with its context.
func (r *round) ended() *inventory.Failure {
	return &inventory.Failure{
		AccountID: r.account.ID, Region: r.analyzer.Region, Operation: "GetFindingsStatistics", Reason: inventory.Timeout,
		Message: "the sweep ended before the findings were counted",
	}
}

// apply takes over changes that were listed before and after AWS gave its
// totals, and tells what stands against taking the index for exact as of these.
func (r *round) apply(l *changes, totals Totals) FullCountReason {
	s := r.state
	consistent := s.index.apply(l.findings, s.statuses)
	if !r.remember() {
		return TooManyFindings
	}
	s.ordered = s.ordered || l.ordered
	switch {
	case !consistent || s.index.updatedAfter(l.down) != l.updatedAfter(s.statuses):
		// Something that is known to have changed lately is not listed: it
		// vanished, moved while the pages were read, or there is no order.
		return Inconsistent
	case totals.AsOf.Before(totals.AskedAt):
		return NoStatistics
	case l.moved, !l.latest.Truncate(time.Second).Before(totals.AsOf.Truncate(time.Second)):
		return ManyChanges
	case !agree(s.index.totals(), totals.ByStatus, s.statuses):
		return TotalsDiffer
	case !s.ordered:
		return OutOfOrder
	}
	s.known = totals.AsOf
	return ""
}

func agree(own, theirs map[string]int, statuses []string) bool {
	return !slices.ContainsFunc(statuses, func(status string) bool { return own[status] != theirs[status] })
}

// remember keeps the memory in line with the index, and drops the index when
// there is no room for it.
func (r *round) remember() bool {
	s := r.state
	more := len(s.index.entries) - s.taken
	if more > 0 && !r.memory.take(more) {
		r.memory.Forget(s)
		s.why = TooManyFindings
		return false
	}
	if more < 0 {
		r.memory.give(-more)
	}
	s.taken += more
	return true
}

// full lists all findings and makes a new index of them. Where AWS can be
// found at rest afterwards, what changed while pages were read is made up for.
// doubt is why that could not be found out.
func (r *round) full(why FullCountReason) (counts *inventory.Findings, failure, doubt *inventory.Failure) {
	s := r.state
	next := &State{
		statuses: r.opts.Statuses, resourceTypes: r.opts.ResourceTypes, fullAt: time.Now(), ordered: s.ordered, misledUntil: s.misledUntil,
	}
	counts, exists, failure := r.list(next)
	if failure != nil {
		r.memory.Forget(next)
		return nil, failure, nil
	}
	if r.opts.OnFullCount != nil {
		r.opts.OnFullCount(why)
	}
	if !exists {
		counts = nil
	}
	if s.index != nil && next.index != nil && !next.index.foretold(s.index, nanoseconds(s.known.Add(-lateness))) {
		next.misledUntil = time.Now().Add(r.opts.FullInterval)
	}
	r.memory.Forget(s)
	*s = *next
	if !exists || time.Now().Before(s.misledUntil) {
		r.memory.Forget(s)
	}
	if s.index == nil || why == NoStatistics || why == OutOfOrder {
		return counts, nil, nil
	}
	// Whatever stands against this being exact now, there is nothing better.
	if why, failure = r.update(); why == NoStatistics {
		doubt = failure
	}
	if s.index != nil {
		counts = r.counted()
	}
	return counts, nil, doubt
}

// list lists all findings into a state, which has an index at the end if it is
// worth it and if there is room.
func (r *round) list(into *State) (counts *inventory.Findings, exists bool, _ *inventory.Failure) {
	counts = inventory.NewFindings()
	x := &index{}
	into.index = x
	exists, failure := r.reader.Findings(r.ctx, r.account, r.analyzer, r.opts.Statuses, func(page Page) bool {
		if into.fullPages == 0 {
			into.known = page.AskedAt
		}
		into.fullPages++
		if into.index != nil && !r.memory.take(len(page.Findings)) {
			r.memory.Forget(into)
			into.why = TooManyFindings
		} else if into.index != nil {
			into.taken += len(page.Findings)
		}
		for _, f := range page.Findings {
			f = r.shaped(f)
			counts.Add(f.FindingKey, 1, f.CreatedAt, f.Error)
			if into.index != nil {
				x.entries = append(x.entries, x.entryOf(f))
			}
		}
		return true
	})
	counts.CountedAt = time.Now()
	if failure != nil || into.index == nil {
		return counts, exists, failure
	}
	x.settle()
	if into.fullPages > 1 {
		// A finding that changed its place while pages were read may have been
		// listed twice.
		counts = x.count()
		counts.CountedAt = time.Now()
	}
	if into.fullPages <= fewPages {
		r.memory.Forget(into)
		into.why = FewFindings
		return counts, exists, nil
	}
	x.entries = slices.Clone(x.entries) // without room to grow
	r.memory.give(into.taken - len(x.entries))
	into.taken = len(x.entries)
	return counts, exists, nil
}

// shaped leaves out of a finding what is not counted by.
func (r *round) shaped(f inventory.Finding) inventory.Finding {
	if !r.opts.ResourceTypes {
		f.ResourceType = ""
	}
	return f
}

// changes are the findings that were updated last.
type changes struct {
	findings []inventory.Finding
	// down is the time, in Unix nanoseconds, after which every update is
	// listed; latest is the latest of all.
	down   int64
	latest time.Time
	// ordered tells that an older finding stood before a younger one for having
	// been updated later.
	ordered bool
	// moved tells that the list began otherwise when it was read again.
	moved bool
	// why the list is of no use, and failure why it could not be read.
	why     FullCountReason
	failure *inventory.Failure
}

// listChanges lists what was updated since everything was known.
func (r *round) listChanges() *changes {
	l := &changes{down: never}
	floor := nanoseconds(r.state.known.Add(-lateness))
	most, pages := max(morePages, r.state.fullPages/4), 0
	exists, failure := r.reader.Findings(r.ctx, r.account, r.analyzer, nil, func(page Page) bool {
		if len(page.Findings) == 0 {
			return true
		}
		pages++
		for _, f := range page.Findings {
			l.add(r.shaped(f))
		}
		switch last := nanoseconds(l.findings[len(l.findings)-1].UpdatedAt); {
		case last < floor:
			l.down = last
		case pages == most:
			l.why = ManyChanges
		}
		return l.down == never && l.why == ""
	})
	if l.failure = failure; failure == nil && !exists {
		l.why = Inconsistent
	}
	return l
}

// add takes the next finding of the list, if it stands where it should.
func (l *changes) add(f inventory.Finding) {
	if len(l.findings) == 0 {
		l.latest = f.UpdatedAt
	} else {
		before := &l.findings[len(l.findings)-1]
		if f.UpdatedAt.After(before.UpdatedAt) {
			l.why = OutOfOrder
		}
		l.ordered = l.ordered || before.UpdatedAt.After(f.UpdatedAt) && before.CreatedAt.Before(f.CreatedAt)
	}
	if !slices.Contains(inventory.FindingStatuses, f.Status) {
		l.why = Inconsistent
	}
	l.findings = append(l.findings, f)
}

// lookAgain reads the beginning of the list once more: what changed since is
// there, be it while pages were read or until AWS made its totals.
func (r *round) lookAgain(l *changes) *inventory.Failure {
	_, failure := r.reader.Findings(r.ctx, r.account, r.analyzer, nil, func(page Page) bool {
		for i, f := range page.Findings {
			l.moved = l.moved || i < len(l.findings) && l.findings[i] != r.shaped(f)
		}
		l.moved = l.moved || len(l.findings) == 0 && len(page.Findings) > 0
		return len(page.Findings) == 0
	})
	return failure
}

// updatedAfter counts the findings of the given statuses that were updated
// after everything that may not be listed.
func (l *changes) updatedAfter(statuses []string) int {
	seen := map[string]bool{}
	for _, f := range l.findings {
		if nanoseconds(f.UpdatedAt) > l.down && slices.Contains(statuses, f.Status) {
			seen[f.ID] = true
		}
	}
	return len(seen)
}
