package sweep

import (
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// facts are what is known, from whichever sweep.
type facts struct {
	mu      sync.Mutex
	fleet   *inventory.Fleet
	swept   bool
	targets targets
	// skipped targets have no facts: what they once were may be long ago by
	// the time that it matters again. needed tells that it does.
	skipped  map[inventory.Target]bool
	needed   bool
	details  map[string]details       // by ARN
	findings map[string]*findingFacts // by ARN
	sweeps   map[inventory.SweepKind]inventory.Sweep
	expiry   time.Time
	// remembered are the findings that the states among findings hold.
	remembered findings.Memory
}

func newFacts() *facts {
	return &facts{
		fleet: &inventory.Fleet{}, targets: targets{}, details: map[string]details{},
		findings: map[string]*findingFacts{}, sweeps: map[inventory.SweepKind]inventory.Sweep{},
	}
}

// ready tells whether a sweep over all targets has been completed.
func (f *facts) ready() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.swept
}

func (f *facts) nextExpiry() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.expiry
}

// setFleet forgets the targets that are no longer in it.
func (f *facts) setFleet(fleet *inventory.Fleet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fleet = fleet
	if len(fleet.Accounts) > 0 {
		f.targets.fit(fleet.Accounts)
	}
}

func (f *facts) setTarget(t inventory.Target, read reading) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.at(t); known != nil { // it may no longer be, since the reading began
		known.set(read.listing, read.failure)
	}
}

// detailsOf returns the details of an analyzer, new ones when it was created
// anew under its old name.
func (f *facts) detailsOf(a *inventory.Analyzer) details {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.details[a.ARN]
	if !ok || !d.createdAt.Equal(a.CreatedAt) {
		f.forgetFindings(a.ARN)
		return details{createdAt: a.CreatedAt}
	}
	return d
}

func (f *facts) setDetails(arn string, d details) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.details[arn] = d
}

// forgetFindings forgets what was counted of an analyzer.
func (f *facts) forgetFindings(arn string) {
	if known, ok := f.findings[arn]; ok {
		f.remembered.Forget(known.state)
		delete(f.findings, arn)
	}
}

// recount forgets all counts: their shape is not what is wanted any more.
func (f *facts) recount() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for arn := range f.findings {
		f.forgetFindings(arn)
	}
}

// takeState hands out what is remembered of an analyzer's findings to whoever
// counts them next: none to a second one.
func (f *facts) takeState(arn string) *findings.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.findings[arn]
	if known == nil || known.state == nil {
		return &findings.State{}
	}
	state := known.state
	known.state = nil
	return state
}

// keepState takes a state back.
func (f *facts) keepState(arn string, state *findings.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known := f.findings[arn]
	if known == nil {
		f.remembered.Forget(state)
		return
	}
	f.remembered.Forget(known.state)
	known.state = state
}

func (f *facts) setDoubt(arn string, doubt *inventory.Failure, state *findings.State) {
	f.keepState(arn, state)
	f.mu.Lock()
	defer f.mu.Unlock()
	if known := f.findings[arn]; known != nil {
		known.doubt = doubt
	}
}

func (f *facts) setFindings(arn string, count *inventory.Findings, failure *inventory.Failure, attempted time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, ok := f.findings[arn]
	if !ok {
		known = &findingFacts{}
		f.findings[arn] = known
	}
	known.attemptedAt = attempted
	if failure == nil && count == nil {
		known.count = fact[*inventory.Findings]{} // the analyzer is gone; the next coverage sweep will see that
		return
	}
	known.count.set(count, failure)
}

// completed notes the end of a sweep, and drops what belongs to analyzers that
// nobody shows any more.
func (f *facts) completed(kind inventory.SweepKind, start time.Time, whole bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !whole {
		return
	}
	now := time.Now()
	swept := inventory.Sweep{Duration: now.Sub(start), CompletedAt: now}
	if kind == inventory.CoverageSweep {
		swept.Skipped = len(f.skipped)
	}
	f.sweeps[kind] = swept
	if kind != inventory.CoverageSweep {
		return
	}
	f.swept = true
	shown := map[string]bool{}
	for _, known := range f.targets.all() {
		for _, a := range known.value.shown() {
			shown[a.ARN] = true
		}
	}
	for arn := range f.details {
		if !shown[arn] {
			delete(f.details, arn)
			f.forgetFindings(arn)
		}
	}
}

// analyzers merges what all lists show, each analyzer once. The owner's list
// decides, unless it failed at the last attempt and somebody else saw the
// analyzer since.
func (f *facts) analyzers(staleAfter time.Duration, now time.Time) map[string]*inventory.Analyzer {
	merged := map[string]*inventory.Analyzer{}
	seenAt := map[string]time.Time{}
	for t, known := range f.targets.all() {
		if !known.stands(staleAfter, now) {
			continue
		}
		for _, a := range known.value.shown() {
			owner := inventory.Target{AccountID: a.AccountID, Region: a.Region}
			if owner != t && f.ownerDecides(owner, known.readAt, staleAfter, now) {
				continue
			}
			if at, ok := seenAt[a.ARN]; ok && !known.readAt.After(at) {
				continue
			}
			merged[a.ARN], seenAt[a.ARN] = a, known.readAt
		}
	}
	for arn, a := range merged {
		// Seen in another account's list, it comes without its details.
		if d, ok := f.details[arn]; ok && a.Configuration == nil && a.Unread == nil && d.createdAt.Equal(a.CreatedAt) {
			whole := *a
			d.complete(&whole, staleAfter)
			merged[arn] = &whole
		}
	}
	return merged
}

// shownTo are the accounts whose lists show an analyzer of an account of which
// it is not known in what organization it is, by the analyzer's ARN: all that
// there is to tell where it belongs.
func (f *facts) shownTo(staleAfter time.Duration, now time.Time) map[string][]string {
	joined := make(map[string]bool, len(f.fleet.Accounts))
	for _, a := range f.fleet.Accounts {
		joined[a.ID] = a.Organization == nil || a.Organization.ID != ""
	}
	shown := map[string][]string{}
	for t, known := range f.targets.all() {
		if !known.stands(staleAfter, now) {
			continue
		}
		for _, a := range known.value.shown() {
			if !joined[a.AccountID] {
				shown[a.ARN] = append(shown[a.ARN], t.AccountID)
			}
		}
	}
	return shown
}

func (f *facts) ownerDecides(owner inventory.Target, seenAt time.Time, staleAfter time.Duration, now time.Time) bool {
	o := f.targets.get(owner)
	return o != nil && o.stands(staleAfter, now) && (o.failing == nil || !seenAt.After(o.readAt))
}

// findingsDue is when the next findings of an analyzer in scope are due; zero
// when there is none.
func (f *facts) findingsDue(interval time.Duration) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	var first time.Time
	for j := range f.countable() {
		due := time.Now()
		if known := f.findings[j.analyzer.ARN]; known != nil {
			due = known.due(interval)
		}
		if first.IsZero() || due.Before(first) {
			first = due
		}
	}
	return first
}

// findingJobs lists the analyzers in scope whose findings are due.
func (f *facts) findingJobs(by time.Time, interval time.Duration) []findingJob {
	f.mu.Lock()
	defer f.mu.Unlock()
	var jobs []findingJob
	for j := range f.countable() {
		known := f.findings[j.analyzer.ARN]
		if known == nil || known.count.failing != nil || !known.due(interval).After(by) {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// countable are the analyzers in scope, as their owners' lists show them.
func (f *facts) countable() iter.Seq[findingJob] {
	accounts := scopedAccounts(f.fleet)
	return func(yield func(findingJob) bool) {
		for t, known := range f.targets.all() {
			account := accounts[t.AccountID]
			if account == nil {
				continue
			}
			for _, a := range known.value.shown() {
				own := a.AccountID == t.AccountID && a.Region == t.Region
				if own && !yield(findingJob{account, a}) {
					return
				}
			}
		}
	}
}

func (f *facts) coverageFailures() []inventory.Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	failures := append([]inventory.Failure(nil), f.fleet.Failures...)
	for _, a := range f.fleet.Accounts {
		if a.Failure != nil {
			failures = append(failures, *a.Failure)
		}
	}
	for _, known := range f.targets.all() {
		if failure := known.failure(); failure != nil {
			failures = append(failures, *failure)
			continue
		}
		for _, p := range known.value.failures() {
			failures = append(failures, *p)
		}
	}
	return failures
}

func (f *facts) findingFailures() []inventory.Failure {
	f.mu.Lock()
	defer f.mu.Unlock()
	var failures []inventory.Failure
	for _, known := range f.findings {
		failures = append(failures, known.failures()...)
	}
	return failures
}

// scopedAccounts are those in scope, by ID.
func scopedAccounts(fleet *inventory.Fleet) map[string]*inventory.Account {
	scoped := make(map[string]*inventory.Account, len(fleet.Accounts))
	for _, a := range fleet.Accounts {
		if !a.OutOfScope {
			scoped[a.ID] = a
		}
	}
	return scoped
}

// compareAnalyzers orders by account, Region and name.
func compareAnalyzers(a, b *inventory.Analyzer) int {
	if c := strings.Compare(a.AccountID, b.AccountID); c != 0 {
		return c
	}
	if c := strings.Compare(a.Region, b.Region); c != 0 {
		return c
	}
	return strings.Compare(a.ARN, b.ARN)
}
