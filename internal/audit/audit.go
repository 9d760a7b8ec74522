// Package audit renders one sweep for a terminal or a pipe: its progress, and a
// report at the end.
package audit

import (
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

// Outcome has what an audit can fail on.
type Outcome struct {
	// Uncovered and Unknown are numbers of targets; for unused access, of accounts.
	Uncovered, Unknown Split
	// Unlisted is true if accounts or Regions could not be listed, so that targets
	// may be missing.
	Unlisted bool
	// Public is the number of active public findings, with each resource counted once.
	// Missing is what it does not include, in words.
	Public  int
	Missing string
	// Policies is nil unless policies were validated.
	Policies *PolicyOutcome
}

// PolicyOutcome is what an audit of policies can fail on.
type PolicyOutcome struct {
	// Severe is the number of policies with an ERROR or a SECURITY_WARNING, and Failed
	// that of failed checks. Missing is what they do not include, in words.
	Severe, Failed int
	Missing        string
}

// Found has the numbers with their nouns.
func (p *PolicyOutcome) Found() string {
	text := report.Plural(p.Severe, "policy has an ERROR or a SECURITY_WARNING", "policies have an ERROR or a SECURITY_WARNING")
	if p.Failed > 0 {
		text += ", " + report.Plural(p.Failed, "check of a policy failed", "checks of policies failed")
	}
	if p.Missing != "" {
		return "at least " + text
	}
	return text
}

// Split is a number of targets, by access.
type Split struct {
	Total    int
	byAccess []string
}

// In has the number in a state, with its noun and, if the report has several, its
// numbers: 4 targets are uncovered (3 external access, 1 unused access).
func (s Split) In(state inventory.State) string {
	text := report.Plural(s.Total, "target is ", "targets are ") + string(state)
	if len(s.byAccess) > 1 {
		text += " (" + strings.Join(s.byAccess, ", ") + ")"
	}
	return text
}

func (s *Split) add(access inventory.Access, n int) {
	if n > 0 {
		s.Total += n
		s.byAccess = append(s.byAccess, report.Count(n)+" "+string(access)+" access")
	}
}

// OutcomeOf is the outcome of a completed sweep.
func OutcomeOf(s *inventory.Snapshot) Outcome {
	summary := report.Of(s)
	findings := summary.Findings()
	o := Outcome{Unlisted: summary.Unlisted() != "", Public: findings.Public(), Missing: findings.Missing()}
	if p := summary.Policies(); p != nil {
		o.Policies = &PolicyOutcome{Severe: p.Severe(), Failed: p.Checked(inventory.CheckFailed), Missing: p.Missing()}
		if n := p.Checked(inventory.Unchecked); n > 0 {
			unchecked := report.Plural(n, "check of a policy has no result", "checks of policies have no result")
			o.Policies.Missing = strings.Join(slices.DeleteFunc([]string{o.Policies.Missing, unchecked}, func(s string) bool { return s == "" }), ", ")
		}
	}
	for _, t := range summary.Tallies() {
		o.Uncovered.add(t.Access, t.Tally[inventory.Uncovered])
		o.Unknown.add(t.Access, t.Tally[inventory.Unknown])
	}
	return o
}
