package state

import (
	"maps"
	"slices"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// FollowUp is what has to happen after a publication.
type FollowUp struct {
	// StaleAt is when the next value becomes stale or the next exemption ends; zero
	// for never.
	StaleAt time.Time
	// ReadSkipped is whether targets that the latest sweep skipped have to be read,
	// because their organization no longer covers them.
	ReadSkipped bool
	// Unread is whether there are targets that there was no attempt to read.
	Unread bool
}

// Snapshot returns a Snapshot of the values that are not stale.
func (s *State) Snapshot(now time.Time) (*inventory.Snapshot, FollowUp) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose(now)
	merged := s.merge(now)
	analyzers := slices.SortedFunc(maps.Values(merged), compareAnalyzers)
	_, ready := s.sweeps[inventory.CoverageSweep]
	snapshot := &inventory.Snapshot{
		PublishedAt: now, Ready: ready, DiscoveryFailures: s.discoveryFailures(), Labels: s.fleet.Labels,
		Failures:             slices.Concat(s.fleet.Failures, s.fleet.LabelFailures),
		FindingsIndexEntries: s.IndexBudget.Used(), Sweeps: maps.Clone(s.sweeps),
	}
	if s.opts.Findings {
		snapshot.FindingStatuses = s.opts.FindingStatuses
	}
	snapshot.DiscoverySuccess = len(snapshot.DiscoveryFailures) == 0
	inScope := map[string]bool{}
	for _, a := range s.fleet.Accounts {
		if !a.OutOfScope {
			inScope[a.ID] = true
			snapshot.Accounts = append(snapshot.Accounts, a)
			snapshot.TargetCount += len(a.Regions)
		}
	}
	for _, a := range analyzers {
		if inScope[a.AccountID] {
			snapshot.Analyzers = append(snapshot.Analyzers, a)
		}
	}
	snapshot.NoTargets = s.noTargets()
	var next FollowUp
	if ready {
		snapshot.Verdicts = s.evaluate(analyzers, now)
		next.ReadSkipped = s.needsSkipped(snapshot.Verdicts)
		next.Unread = s.anyUnread()
		s.addTargets(snapshot, now)
	} else {
		addAccountFailures(snapshot)
	}
	s.addFindings(snapshot, now)
	addPublic(snapshot, s.opts.PublicResources)
	snapshot.Failures = inventory.Distinct(snapshot.Failures)
	next.StaleAt = s.nextStale(now)
	return snapshot, next
}

// evaluate applies the coverage policy to analyzers that are not stale.
func (s *State) evaluate(analyzers []*inventory.Analyzer, now time.Time) []inventory.Verdict {
	return coverage.Evaluate(coverage.Input{
		Fleet: s.fleet, Analyzers: analyzers, Unread: s.unread(now), ListedIn: s.listedIn(now), Skipped: s.skipped,
	}, s.opts.Policy, now)
}

// discoveryFailures counts the lists of accounts and Regions that are not complete
// and current. The failure of one account is in that account.
func (s *State) discoveryFailures() map[inventory.DiscoveryFailure]int {
	failures := map[inventory.DiscoveryFailure]int{}
	add := func(f *inventory.Failure) {
		failures[inventory.DiscoveryFailure{Operation: f.Operation, Reason: f.Reason}]++
	}
	for i := range s.fleet.Failures {
		add(&s.fleet.Failures[i])
	}
	for _, a := range s.fleet.Accounts {
		// What AWS gives to no other account cannot be listed.
		if f := a.Failure; f != nil && f.Detail != inventory.ManagementRegions {
			add(f)
		}
	}
	return failures
}

// unread returns the targets of queried accounts whose list is unknown or stale.
func (s *State) unread(now time.Time) map[inventory.Target]*inventory.Failure {
	unread := map[inventory.Target]*inventory.Failure{}
	for _, a := range s.fleet.Accounts {
		for _, r := range a.Regions {
			t := inventory.Target{AccountID: a.ID, Region: r}
			e := s.targets.attempted(t)
			switch {
			case !a.Queried, e != nil && e.usable(s.opts.listLife(), now):
			case e != nil:
				unread[t] = e.overdue(s.opts.listLife(), now, t, "ListAnalyzers")
			default:
				unread[t] = &inventory.Failure{
					AccountID: a.ID, Region: r, Operation: "ListAnalyzers", Reason: inventory.Other, Detail: inventory.Pending, Message: "not read yet",
				}
			}
		}
	}
	return unread
}

// addAccountFailures adds those that are known before the first sweep.
func addAccountFailures(snapshot *inventory.Snapshot) {
	for _, a := range snapshot.Accounts {
		if a.Failure != nil {
			snapshot.Failures = append(snapshot.Failures, *a.Failure)
		}
	}
}

// addTargets adds the state of every target and the failures behind it.
func (s *State) addTargets(snapshot *inventory.Snapshot, now time.Time) {
	causes := map[inventory.Target][]*inventory.Failure{} // of unknown coverage
	for _, v := range snapshot.Verdicts {
		if v.State == inventory.Unknown {
			t := inventory.Target{AccountID: v.AccountID, Region: v.Region}
			causes[t] = append(causes[t], v.Failure)
		}
	}
	snapshot.Targets = make([]inventory.TargetState, 0, snapshot.TargetCount+len(snapshot.Accounts))
	for _, a := range snapshot.Accounts {
		s.addGlobal(snapshot, a, causes)
		for _, r := range a.Regions {
			s.addTarget(snapshot, inventory.Target{AccountID: a.ID, Region: r}, causes, now)
		}
	}
}

// addGlobal adds the state of an account as a whole, if the policy requires
// unused access analyzers or something about the account failed.
func (s *State) addGlobal(snapshot *inventory.Snapshot, a *inventory.Account, causes map[inventory.Target][]*inventory.Failure) {
	t := inventory.Target{AccountID: a.ID, Region: inventory.Global}
	failures := causes[t]
	if a.Failure != nil {
		failures = append(failures, a.Failure)
	}
	if s.opts.Policy.Rules[inventory.Unused].Required || len(failures) > 0 {
		snapshot.Targets = append(snapshot.Targets, inventory.TargetState{Target: t, Success: len(failures) == 0})
	}
	snapshot.Failures = append(snapshot.Failures, attribute(failures, t)...)
}

func (s *State) addTarget(snapshot *inventory.Snapshot, t inventory.Target, causes map[inventory.Target][]*inventory.Failure, now time.Time) {
	_, entry := s.targets.get(t) // nil if the account is not queried
	target := inventory.TargetState{Target: t, Success: len(causes[t]) == 0, Unlisted: entry != nil && !s.skipped[t]}
	if e := s.targets.attempted(t); e != nil {
		target.LastSuccess = e.readAt
		target.Unlisted = !e.usable(s.opts.listLife(), now)
		if failure := e.overdue(s.opts.listLife(), now, t, "ListAnalyzers"); failure != nil {
			target.Success = false
			snapshot.Failures = append(snapshot.Failures, *failure)
		} else {
			snapshot.Failures = append(snapshot.Failures, attribute(e.value.failures(), t)...)
		}
	}
	snapshot.Targets = append(snapshot.Targets, target)
	snapshot.Failures = append(snapshot.Failures, attribute(causes[t], t)...)
}

// attribute returns failures as those of the target whose coverage they make
// unknown. The message keeps the account and Region in which they occurred.
func attribute(failures []*inventory.Failure, t inventory.Target) []inventory.Failure {
	var attributed []inventory.Failure
	for _, failure := range failures {
		f := *failure
		if f.AccountID != t.AccountID || f.Region != t.Region {
			f.Message = failure.Error()
			f.AccountID, f.Region = t.AccountID, t.Region
		}
		attributed = append(attributed, f)
	}
	return attributed
}

func (s *State) addFindings(snapshot *inventory.Snapshot, now time.Time) {
	for _, a := range snapshot.Analyzers {
		c := s.counts[a.ARN]
		if c == nil {
			continue
		}
		if c.usable(s.opts.countLife(), now) {
			snapshot.Findings = append(snapshot.Findings, inventory.AnalyzerFindings{Analyzer: a, Findings: c.value})
		}
		snapshot.Failures = append(snapshot.Failures, c.failures()...)
		if f := c.overdue(s.opts.countLife(), now, inventory.Target{AccountID: a.AccountID, Region: a.Region}, "ListFindings"); f != nil {
			snapshot.Failures = append(snapshot.Failures, *f)
		}
	}
}

// lose drops the values that are stale.
func (s *State) lose(now time.Time) {
	for _, e := range s.targets.all() {
		e.lose(s.opts.listLife(), now)
	}
	for arn, d := range s.details {
		d.lose(s.opts.detailsLife(), now)
		s.details[arn] = d
	}
	for _, c := range s.counts {
		c.lose(s.opts.countLife(), now)
		c.startedAt = clock.Rebase(c.startedAt, now)
	}
}

// nextStale returns when the next value becomes stale or an exemption ends.
func (s *State) nextStale(now time.Time) time.Time {
	var first time.Time
	consider := func(t time.Time) {
		switch {
		case clock.Reached(t, now):
		case first.IsZero():
			first = t
		default:
			first = clock.Earlier(first, t, now)
		}
	}
	consider(s.fleet.ExpiresAt)
	for _, e := range s.targets.all() {
		consider(e.staleAt(s.opts.listLife(), now))
	}
	for _, d := range s.details {
		consider(d.Configuration.staleAt(s.opts.detailsLife(), now))
		consider(d.ArchiveRules.staleAt(s.opts.detailsLife(), now))
	}
	for _, c := range s.counts {
		consider(c.staleAt(s.opts.countLife(), now))
	}
	for _, e := range s.opts.Policy.Exemptions {
		consider(e.Until)
	}
	return first
}
