package sweep

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// snapshot makes a Snapshot of what is known now.
func (f *facts) snapshot(opts Options, now time.Time) *inventory.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	merged := f.analyzers(opts.StaleAfter, now)
	all := slices.SortedFunc(maps.Values(merged), compareAnalyzers)
	s := &inventory.Snapshot{
		PublishedAt: now, Ready: f.swept, DiscoverySuccess: f.discovered(),
		FindingStatuses: opts.FindingStatuses, FindingsIndexEntries: f.remembered.Used(), Sweeps: maps.Clone(f.sweeps),
		Failures: slices.Clone(f.fleet.Failures),
	}
	if f.swept {
		s.Verdicts = f.judge(all, opts, now)
		f.needed = f.needsSkipped(s.Verdicts)
	}
	accounts := scopedAccounts(f.fleet)
	for _, a := range f.fleet.Accounts {
		if !a.OutOfScope {
			s.Accounts = append(s.Accounts, a)
		}
	}
	for _, a := range all {
		if accounts[a.AccountID] != nil {
			s.Analyzers = append(s.Analyzers, a)
		}
	}
	f.addTargets(s, opts.Policy.Rules[inventory.Unused].Required)
	f.addFindings(s, opts.StaleAfter, now)
	s.Failures = distinct(s.Failures)
	f.expiry = f.earliestExpiry(opts, now)
	return s
}

// judge judges coverage by the analyzers that stand.
func (f *facts) judge(standing []*inventory.Analyzer, opts Options, now time.Time) []inventory.Verdict {
	return coverage.Judge(coverage.Facts{
		Fleet: f.fleet, Analyzers: standing, Unread: f.unread(opts.StaleAfter, now), ShownTo: f.shownTo(opts.StaleAfter, now), Skipped: f.skipped,
	}, opts.Policy, now)
}

// discovered tells whether accounts and Regions could be listed. One account
// that could not be asked shows in its own series; if none could, it is the
// discovery that fails.
func (f *facts) discovered() bool {
	if len(f.fleet.Failures) > 0 {
		return false
	}
	return len(f.fleet.Accounts) == 0 || slices.ContainsFunc(f.fleet.Accounts, func(a *inventory.Account) bool { return a.Failure == nil })
}

// unread lists the targets of entered accounts whose analyzers are not known.
func (f *facts) unread(staleAfter time.Duration, now time.Time) map[inventory.Target]*inventory.Failure {
	unread := map[inventory.Target]*inventory.Failure{}
	for _, a := range f.fleet.Accounts {
		for _, r := range a.Regions {
			t := inventory.Target{AccountID: a.ID, Region: r}
			known := f.targets.get(t)
			switch {
			case !a.Queried, known != nil && known.stands(staleAfter, now):
			case known != nil && known.failing != nil:
				unread[t] = known.failure()
			default:
				unread[t] = &inventory.Failure{
					AccountID: a.ID, Region: r, Operation: "ListAnalyzers", Reason: inventory.Other, Message: "not read yet",
				}
			}
		}
	}
	return unread
}

// addTargets adds the state of every target, and the failures that make it.
func (f *facts) addTargets(s *inventory.Snapshot, unusedRequired bool) {
	doubts := map[inventory.Target][]*inventory.Failure{}
	for _, v := range s.Verdicts {
		if v.State == inventory.Unknown {
			t := inventory.Target{AccountID: v.AccountID, Region: v.Region}
			doubts[t] = append(doubts[t], v.Failure)
		}
	}
	for _, a := range s.Accounts {
		s.TargetCount += len(a.Regions)
	}
	if f.swept {
		s.Targets = make([]inventory.TargetState, 0, s.TargetCount+len(s.Accounts))
	}
	for _, a := range s.Accounts {
		if !f.swept {
			if a.Failure != nil {
				s.Failures = append(s.Failures, *a.Failure)
			}
			continue
		}
		f.addGlobal(s, a, doubts, unusedRequired)
		for _, r := range a.Regions {
			f.addTarget(s, inventory.Target{AccountID: a.ID, Region: r}, doubts)
		}
	}
}

// addGlobal adds what is known of the account as a whole, where that is asked
// for or failed.
func (f *facts) addGlobal(s *inventory.Snapshot, a *inventory.Account, doubts map[inventory.Target][]*inventory.Failure, unusedRequired bool) {
	t := inventory.Target{AccountID: a.ID, Region: inventory.Global}
	failures := doubts[t]
	if a.Failure != nil {
		failures = append(failures, a.Failure)
	}
	if unusedRequired || len(failures) > 0 {
		s.Targets = append(s.Targets, inventory.TargetState{Target: t, Success: len(failures) == 0})
	}
	s.Failures = append(s.Failures, toldOf(t, failures)...)
}

func (f *facts) addTarget(s *inventory.Snapshot, t inventory.Target, doubts map[inventory.Target][]*inventory.Failure) {
	state := inventory.TargetState{Target: t, Success: len(doubts[t]) == 0}
	if known := f.targets.get(t); known != nil {
		state.LastSuccess = known.readAt
		if failure := known.failure(); failure != nil {
			state.Success = false
			s.Failures = append(s.Failures, *failure)
		} else {
			s.Failures = append(s.Failures, toldOf(t, known.value.failures())...)
		}
	}
	s.Targets = append(s.Targets, state)
	s.Failures = append(s.Failures, toldOf(t, doubts[t])...)
}

// toldOf tells failures as those of a target whose truth they leave open; the
// message keeps the account and the Region in which they happened.
func toldOf(t inventory.Target, failures []*inventory.Failure) []inventory.Failure {
	var told []inventory.Failure
	for _, failure := range failures {
		own := *failure
		if own.AccountID != t.AccountID || own.Region != t.Region {
			own.Message = failure.Error()
			own.AccountID, own.Region = t.AccountID, t.Region
		}
		told = append(told, own)
	}
	return told
}

func (f *facts) addFindings(s *inventory.Snapshot, staleAfter time.Duration, now time.Time) {
	for _, a := range s.Analyzers {
		known := f.findings[a.ARN]
		if known == nil {
			continue
		}
		if known.count.stands(staleAfter, now) {
			s.Findings = append(s.Findings, inventory.AnalyzerFindings{Analyzer: a, Findings: known.count.value})
		}
		s.Failures = append(s.Failures, known.failures()...)
	}
}

// distinct sorts failures and keeps one for each account, Region, operation
// and reason.
func distinct(failures []inventory.Failure) []inventory.Failure {
	slices.SortStableFunc(failures, func(a, b inventory.Failure) int {
		return cmp.Or(
			strings.Compare(a.AccountID, b.AccountID), strings.Compare(a.Region, b.Region),
			strings.Compare(a.Operation, b.Operation), strings.Compare(string(a.Reason), string(b.Reason)),
		)
	})
	return slices.CompactFunc(failures, func(a, b inventory.Failure) bool { return keyOf(a) == keyOf(b) })
}

// earliestExpiry is when the next thing that is now known will not be known
// any more, or an exemption ends.
func (f *facts) earliestExpiry(opts Options, now time.Time) time.Time {
	var first time.Time
	consider := func(t time.Time) {
		if t.After(now) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	for _, known := range f.targets.all() {
		consider(known.expires(opts.StaleAfter))
	}
	for _, known := range f.findings {
		consider(known.count.expires(opts.StaleAfter))
	}
	for _, e := range opts.Policy.Exemptions {
		consider(e.Until)
	}
	return first
}
