package policies

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unique"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

func policyOf(r *result, p Policy) policy {
	return policy{result: r, name: unique.Make(p.Name), of: p.Type}
}

// AddTo adds the results to a snapshot that is not yet published.
func (w *Watcher) AddTo(s *inventory.Snapshot) {
	s.Policies = w.Report(s.PublishedAt, s.Accounts)
	s.Failures = inventory.Distinct(append(s.Failures, s.Policies.Failures...))
}

// Report returns the results of the accounts in scope that are not too old.
func (w *Watcher) Report(now time.Time, accounts []*inventory.Account) *inventory.Policies {
	w.mu.Lock()
	defer w.mu.Unlock()
	report := &inventory.Policies{Documents: len(w.results), Missing: map[inventory.PolicyType]int{}}
	for _, c := range w.opts.Checks {
		report.Checks = append(report.Checks, c.Name)
	}
	var worst worst
	for _, a := range accounts {
		sum := inventory.AccountPolicies{AccountID: a.ID, Types: map[inventory.PolicyType]inventory.PolicyCount{}}
		pending, unread := false, false
		for _, of := range append([]inventory.PolicyType{""}, w.opts.organizationTypes()...) {
			src := w.sources[sourceKey{a.ID, of}]
			if src == nil {
				continue
			}
			missing := src.missing(of, &w.opts, now)
			for _, t := range missing {
				report.Missing[t]++
			}
			pending = pending || src.triedAt.IsZero()
			unread = unread || !src.triedAt.IsZero() && len(missing) > 0
			report.Failures = append(report.Failures, src.failures...)
			if src.usable(&w.opts, now) {
				w.addSource(&sum, of, src, missing, now)
				worst.add(&w.opts, now, a.ID, src.policies)
			}
		}
		sum.LastSuccess = w.lastSuccess(a.ID)
		if pending {
			report.Pending++
		}
		if unread {
			report.Unread++
		}
		if len(sum.Types) > 0 || !sum.LastSuccess.IsZero() {
			report.Accounts = append(report.Accounts, sum)
		}
	}
	report.Worst, report.Unlisted = worst.all()
	report.Failures = inventory.Distinct(report.Failures)
	return report
}

// lastSuccess is when everything of an account was last read and validated; zero if
// anything of it never was.
func (w *Watcher) lastSuccess(id string) time.Time {
	var oldest time.Time
	first := true
	for _, of := range append([]inventory.PolicyType{""}, w.opts.organizationTypes()...) {
		if src := w.sources[sourceKey{id, of}]; src != nil && (first || src.completeAt.Before(oldest)) {
			oldest, first = src.completeAt, false
		}
	}
	return oldest
}

// addSource counts the policies of a source that is usable. Types that it misses are
// absent, and so are checks where they have any of those.
func (w *Watcher) addSource(sum *inventory.AccountPolicies, of inventory.PolicyType, src *source, missing []inventory.PolicyType, now time.Time) {
	types := slices.DeleteFunc(slices.Clone(w.opts.typesOf(of)), func(t inventory.PolicyType) bool { return slices.Contains(missing, t) })
	counts := map[inventory.PolicyType]*inventory.PolicyCount{}
	for _, t := range types {
		counts[t] = &inventory.PolicyCount{Findings: map[string]int{}, Unvalidated: map[inventory.Reason]int{}}
		for _, f := range inventory.PolicyFindingTypes {
			counts[t].Findings[f] = 0
		}
	}
	checks := w.opts.Checks
	if slices.ContainsFunc(missing, identity) {
		checks = nil
	}
	if len(checks) > 0 && slices.ContainsFunc(types, identity) {
		sum.Checks = map[string]map[inventory.CheckResult]int{}
		for _, c := range checks {
			sum.Checks[c.Name] = map[inventory.CheckResult]int{inventory.CheckPassed: 0, inventory.CheckFailed: 0, inventory.Unchecked: 0}
		}
	}
	for _, p := range src.policies {
		c := counts[p.of]
		if c == nil {
			continue // of a type that is no longer in the configuration
		}
		c.Policies++
		if p.result.usable(&w.opts, now) {
			for _, i := range p.result.issues {
				c.Findings[i.issue.Value().findingType] += i.count
			}
		} else {
			c.Unvalidated[cmp.Or(p.reason, inventory.Other)]++
		}
		if identity(p.of) {
			for i, check := range checks {
				sum.Checks[check.Name][p.result.outcome(w.checks[i])]++
			}
		}
	}
	for t, c := range counts {
		if len(c.Unvalidated) > 0 {
			c.Findings = nil // those of the others would be too few
		}
		sum.Types[t] = *c
	}
}

func (r *result) outcome(check hash) inventory.CheckResult {
	switch c, done := r.checks[check]; {
	case !done, c.rejected != nil:
		return inventory.Unchecked
	case c.passed:
		return inventory.CheckPassed
	}
	return inventory.CheckFailed
}

// severity is the number of findings by type, the most severe first.
type severity [5]int

func severityOf(r *result) (s severity) {
	for _, i := range r.issues {
		t := slices.Index(inventory.PolicyFindingTypes, i.issue.Value().findingType)
		if t < 0 {
			t = len(s) - 1
		}
		s[t] += i.count
	}
	return s
}

// worst are the policies with most findings.
type worst struct {
	list   []ranked
	severe int
}

type ranked struct {
	accountID string
	policy    policy
	severity  severity
}

// compare orders the worst first.
func (a ranked) compare(b ranked) int {
	return cmp.Or(-slices.Compare(a.severity[:], b.severity[:]), strings.Compare(a.accountID, b.accountID),
		strings.Compare(string(a.policy.of), string(b.policy.of)), strings.Compare(a.policy.name.Value(), b.policy.name.Value()))
}

func (l *worst) add(o *Options, now time.Time, accountID string, policies []policy) {
	for _, p := range policies {
		if len(p.result.issues) == 0 || !p.result.usable(o, now) || !slices.Contains(o.Types, p.of) {
			continue
		}
		r := ranked{accountID, p, severityOf(p.result)}
		if r.severity[0]+r.severity[1] > 0 {
			l.severe++
		}
		i, _ := slices.BinarySearchFunc(l.list, r, ranked.compare)
		if i == maxWorst {
			continue
		}
		if len(l.list) == maxWorst {
			l.list = l.list[:maxWorst-1]
		}
		l.list = slices.Insert(l.list, i, r)
	}
}

// all returns the policies, and the number of others with an ERROR or a
// SECURITY_WARNING.
func (l *worst) all() (listed []inventory.PolicyFindings, unlisted int) {
	unlisted = l.severe
	for _, r := range l.list {
		if r.severity[0]+r.severity[1] > 0 {
			unlisted--
		}
		listed = append(listed, findingsOf(r))
	}
	return listed, unlisted
}

func findingsOf(r ranked) inventory.PolicyFindings {
	f := inventory.PolicyFindings{AccountID: r.accountID, Type: r.policy.of, Name: r.policy.name.Value()}
	rank := func(i inventory.PolicyIssue) int {
		if t := slices.Index(inventory.PolicyFindingTypes, i.FindingType); t >= 0 {
			return t
		}
		return len(inventory.PolicyFindingTypes)
	}
	for _, c := range r.policy.result.issues {
		i := c.issue.Value()
		f.Issues = append(f.Issues, inventory.PolicyIssue{FindingType: i.findingType, Code: i.code, Link: i.link, Count: c.count})
	}
	slices.SortFunc(f.Issues, func(a, b inventory.PolicyIssue) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Count, a.Count), strings.Compare(a.Code, b.Code))
	})
	for _, i := range f.Issues[min(len(f.Issues), maxIssues):] {
		f.More += i.Count
	}
	f.Issues = f.Issues[:min(len(f.Issues), maxIssues)]
	return f
}
