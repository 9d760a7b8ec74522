// Package state caches what sweeps read, and makes Snapshots of it.
//
// Every value has the failure of the latest attempt to read it. A value that is not
// read again is exported until it is stale; after that, what depends on it is
// unknown.
package state

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Options configure what a State exports.
type Options struct {
	Policy coverage.Policy
	// StaleAfter is how long a value is exported after the read that was due.
	StaleAfter time.Duration
	// Interval is the time between coverage sweeps, Timeout the longest duration of
	// one, FindingsInterval the time between counts.
	Interval, Timeout, FindingsInterval time.Duration
	// Findings is whether findings are counted; with FindingStatuses and
	// ResourceTypes, counts are by status and type of resource. PublicResources is how
	// many public resources of an owner are listed.
	Findings        bool
	FindingStatuses []string
	ResourceTypes   bool
	PublicResources int
	// Filters explain a scope without targets.
	Filters inventory.Filters
}

func (o *Options) listLife() lifetime  { return lifetime{o.Interval + o.Timeout, o.StaleAfter} }
func (o *Options) countLife() lifetime { return lifetime{o.FindingsInterval + o.Timeout, o.StaleAfter} }

func (o *Options) detailsLife() lifetime {
	return lifetime{detailsAge + o.Interval + o.Timeout, o.StaleAfter}
}

// State is the cache. It is safe for concurrent use.
type State struct {
	// IndexBudget limits the findings indexes of all analyzers together.
	IndexBudget findings.Budget

	mu      sync.Mutex
	opts    Options
	fleet   *inventory.Fleet
	targets targets
	// skipped targets have empty entries: a value from before the skip would be
	// too old when it is needed again.
	skipped map[inventory.Target]bool
	details map[string]Details // by ARN
	counts  map[string]*count  // by ARN
	sweeps  map[inventory.SweepKind]inventory.Sweep
	// begun is the start of a coverage sweep that is not completed; zero for none.
	begun time.Time
}

// New returns an empty State.
func New() *State {
	return &State{
		fleet: &inventory.Fleet{}, targets: targets{}, details: map[string]Details{}, counts: map[string]*count{},
		sweeps: map[inventory.SweepKind]inventory.Sweep{},
	}
}

// Configure replaces the options. It drops the counts if they were made under
// different options.
func (s *State) Configure(o Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Findings != o.Findings || s.opts.ResourceTypes != o.ResourceTypes || s.opts.PublicResources != o.PublicResources ||
		!slices.Equal(s.opts.FindingStatuses, o.FindingStatuses) {
		for arn := range s.counts {
			s.dropCount(arn)
		}
	}
	s.opts = o
}

// SetFleet replaces the fleet. It drops the targets that are not in the fleet,
// unless the fleet is empty because its discovery failed.
func (s *State) SetFleet(fleet *inventory.Fleet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fleet = fleet
	if len(fleet.Accounts) > 0 {
		s.targets.resize(fleet.Accounts)
	}
}

// Begin returns the start of the coverage sweep that begins now, or of one that was
// canceled, for example by a reload, and continues.
func (s *State) Begin(now time.Time) (started time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.interrupted(now) {
		s.begun = now
	}
	return s.begun
}

// End ends a coverage sweep that is not completed but does not continue either.
func (s *State) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun = time.Time{}
}

// Interrupted returns whether the latest coverage sweep was canceled, and is not so
// old that a new one is due.
func (s *State) Interrupted(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.interrupted(now)
}

func (s *State) interrupted(now time.Time) bool {
	return !s.begun.IsZero() && clock.Elapsed(s.begun, now) < s.opts.Interval
}

// ReadSince returns whether a target was read after a time, and not failed since.
func (s *State) ReadSince(t inventory.Target, after time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, e := s.entry(t)
	return e != nil && e.failing == nil && e.readAt.After(after)
}

// Failure returns the failure of the latest attempt to read a target, or nil.
func (s *State) Failure(t inventory.Target) *inventory.Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, e := s.entry(t); e != nil {
		return e.failure()
	}
	return nil
}

// Unread returns whether there was no attempt to read a target in the fleet that
// the latest sweep did not skip.
func (s *State) Unread(t inventory.Target) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, e := s.entry(t)
	return e != nil && s.unattempted(t, e)
}

func (s *State) unattempted(t inventory.Target, e *Entry[*Listing]) bool {
	return !e.attempted() && !s.skipped[t]
}

// anyUnread returns whether Unread is true for any target.
func (s *State) anyUnread() bool {
	for id, a := range s.targets {
		for i, region := range a.account.Regions {
			if s.unattempted(inventory.Target{AccountID: id, Region: region}, &a.entries[i]) {
				return true
			}
		}
	}
	return false
}

// SetTarget records an attempt to read a target. A target that has left the
// fleet during the attempt is ignored.
func (s *State) SetTarget(t inventory.Target, l *Listing, failure *inventory.Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, e := s.entry(t); e != nil {
		e.Set(l, failure)
	}
}

// Target is a target in the fleet with the analyzers that it owns.
type Target struct {
	inventory.Target
	Account *inventory.Account
	// Skipped is whether the latest sweep did not read the target because
	// organization analyzers cover it.
	Skipped   bool
	Analyzers []Analyzer
}

// Analyzer is an analyzer with the account that owns it and the state of its
// count.
type Analyzer struct {
	*inventory.Analyzer
	Account *inventory.Account
	// CountedAt is when the latest count started, be it a failed one; zero
	// before the first.
	CountedAt   time.Time
	CountFailed bool
}

// Target returns a target of a queried account in the fleet.
func (s *State) Target(t inventory.Target) (_ Target, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	account, e := s.entry(t)
	if account == nil {
		return Target{}, false
	}
	return Target{Target: t, Account: account, Skipped: s.skipped[t], Analyzers: s.owned(nil, t, account, e)}, true
}

// Countable returns the analyzers of accounts in scope.
func (s *State) Countable() []Analyzer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.fleet.Accounts) == 0 {
		return nil
	}
	var all []Analyzer
	for t, e := range s.targets.all() {
		if account := s.targets[t.AccountID].account; !account.OutOfScope {
			all = s.owned(all, t, account, e)
		}
	}
	return all
}

// owned appends the analyzers in a target's list that the target owns.
func (s *State) owned(all []Analyzer, t inventory.Target, account *inventory.Account, e *Entry[*Listing]) []Analyzer {
	for _, a := range e.value.analyzers() {
		if a.AccountID != t.AccountID || a.Region != t.Region {
			continue
		}
		analyzer := Analyzer{Analyzer: a, Account: account}
		if c := s.counts[a.ARN]; c != nil {
			analyzer.CountedAt, analyzer.CountFailed = c.startedAt, c.failing != nil
		}
		all = append(all, analyzer)
	}
	return all
}

// entry returns a target's account and entry. While the fleet is unknown there
// are no targets; their entries stay until it is known again.
func (s *State) entry(t inventory.Target) (*inventory.Account, *Entry[*Listing]) {
	if len(s.fleet.Accounts) == 0 {
		return nil, nil
	}
	return s.targets.get(t)
}

// Details returns a copy of an analyzer's details. They are empty if the
// analyzer was deleted and re-created.
func (s *State) Details(a *inventory.Analyzer) Details {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.details[a.ARN]
	if !ok || !d.createdAt.Equal(a.CreatedAt) {
		s.dropCount(a.ARN)
		return Details{createdAt: a.CreatedAt}
	}
	return d
}

// SetDetails replaces the details of an analyzer, and sets those fields of it that
// depend on them.
func (s *State) SetDetails(a *inventory.Analyzer, d Details) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.details[a.ARN] = d
	d.complete(a, s.opts.detailsLife(), clock.Now())
}

// ExpireDetails makes the details of a target's analyzers due.
func (s *State) ExpireDetails(t inventory.Target) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.targets.attempted(t)
	if e == nil {
		return
	}
	for _, a := range e.value.analyzers() {
		if d, ok := s.details[a.ARN]; ok {
			d.readAt = time.Time{}
			s.details[a.ARN] = d
		}
	}
}

// Complete records a completed sweep. A coverage sweep also drops the details
// and counts of analyzers that no list contains.
func (s *State) Complete(kind inventory.SweepKind, started time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := clock.Now()
	sweep := inventory.Sweep{Duration: now.Sub(started), CompletedAt: now}
	if kind == inventory.CoverageSweep {
		sweep.Skipped = len(s.skipped)
		s.begun = time.Time{}
		s.dropDeleted()
	}
	s.sweeps[kind] = sweep
}

func (s *State) dropDeleted() {
	listed := map[string]bool{}
	for _, e := range s.targets.all() {
		for _, a := range e.value.analyzers() {
			listed[a.ARN] = true
		}
	}
	maps.DeleteFunc(s.details, func(arn string, _ Details) bool { return !listed[arn] })
	for arn := range s.counts { // also a count that ended after its analyzer was dropped
		if !listed[arn] {
			s.dropCount(arn)
		}
	}
}

// NoTargets returns the key of the configuration that excludes every target, or "".
func (s *State) NoTargets() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.noTargets()
}

func (s *State) noTargets() string {
	key := s.opts.Filters.Accounts
	for _, a := range s.fleet.Accounts {
		switch {
		case a.OutOfScope:
		case len(a.Regions) > 0:
			return ""
		default:
			key = s.opts.Filters.Regions
		}
	}
	unlisted := func(f inventory.Failure) bool { return f.Operation == "ListAccounts" }
	if s.fleet.Partition == "" || s.fleet.Pending > 0 || slices.ContainsFunc(s.fleet.Failures, unlisted) {
		return "" // accounts or Regions are not known
	}
	return key
}

// Failures returns the failures of the latest sweep of a kind.
func (s *State) Failures(kind inventory.SweepKind) []inventory.Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	var failures []inventory.Failure
	if kind == inventory.FindingsSweep {
		for _, c := range s.counts {
			failures = append(failures, c.failures()...)
		}
		return failures
	}
	pending := func(f inventory.Failure) bool { return f.Detail == inventory.Pending }
	failures = slices.DeleteFunc(slices.Concat(s.fleet.Failures, s.fleet.LabelFailures), pending)
	for _, a := range s.fleet.Accounts {
		if a.Failure != nil && !pending(*a.Failure) {
			failures = append(failures, *a.Failure)
		}
	}
	for _, e := range s.targets.all() {
		if f := e.failure(); f != nil {
			failures = append(failures, *f)
			continue
		}
		for _, f := range e.value.failures() {
			failures = append(failures, *f)
		}
	}
	return failures
}
