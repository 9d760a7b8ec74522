package report

import (
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// PolicyLine has the policies of one type in all accounts.
type PolicyLine struct {
	Type inventory.PolicyType
	// Policies is the number of policies, and Accounts that of the accounts that have
	// been read.
	Policies, Accounts int
	// Findings are by type of finding, of the accounts in which every policy of the type
	// is validated. Incomplete is the number of the others, and Unvalidated that of the
	// policies in them that are not.
	Findings    map[string]int
	Incomplete  int
	Unvalidated int
	// Unread is the number of accounts that have not been read, or could not be.
	Unread int
}

// LowerBound returns whether there may be more findings than in the line.
func (l *PolicyLine) LowerBound() bool { return l.Incomplete+l.Unread > 0 }

// Unknown returns whether the findings are not known of any account.
func (l *PolicyLine) Unknown() bool { return l.Incomplete == l.Accounts }

// CheckLine has the results of a check in all accounts.
type CheckLine struct {
	Name    string
	Results map[inventory.CheckResult]int
}

// Policies are the results of the validation of policies in all accounts.
type Policies struct {
	// Lines have those types that at least one account has been read for.
	Lines  []PolicyLine
	Checks []CheckLine
	// Worst are the policies with most findings, and Unlisted the number of others with
	// an ERROR or a SECURITY_WARNING.
	Worst    []inventory.PolicyFindings
	Unlisted int
	// Pending is the number of accounts that have not been read yet, and Unread that of
	// those that could not be read.
	Pending, Unread int
}

// Policies returns the results of the validation of policies; nil where it is disabled.
func (s *Summary) Policies() *Policies {
	from := s.snapshot.Policies
	if from == nil {
		return nil
	}
	p := &Policies{Worst: from.Worst, Unlisted: from.Unlisted, Pending: from.Pending, Unread: from.Unread}
	for _, t := range inventory.PolicyTypes {
		line := PolicyLine{Type: t, Findings: map[string]int{}, Unread: from.Missing[t]}
		for _, a := range from.Accounts {
			if c, ok := a.Types[t]; ok {
				line.add(c)
			}
		}
		if line.Accounts > 0 {
			p.Lines = append(p.Lines, line)
		}
	}
	for _, name := range from.Checks {
		line := CheckLine{name, map[inventory.CheckResult]int{}}
		for _, a := range from.Accounts {
			for result, n := range a.Checks[name] {
				line.Results[result] += n
			}
		}
		p.Checks = append(p.Checks, line)
	}
	return p
}

func (l *PolicyLine) add(c inventory.PolicyCount) {
	l.Accounts++
	l.Policies += c.Policies
	if c.Findings == nil {
		l.Incomplete++
	}
	for t, n := range c.Findings {
		l.Findings[t] += n
	}
	for _, n := range c.Unvalidated {
		l.Unvalidated += n
	}
}

// Missing says what the numbers of findings do not include; empty if nothing.
func (p *Policies) Missing() string {
	unvalidated := 0
	for _, l := range p.Lines {
		unvalidated += l.Unvalidated
	}
	var parts []string
	if p.Pending > 0 {
		parts = append(parts, Plural(p.Pending, "account is not read yet", "accounts are not read yet"))
	}
	if p.Unread > 0 {
		parts = append(parts, Plural(p.Unread, "account could not be read", "accounts could not be read"))
	}
	if unvalidated > 0 {
		parts = append(parts, Plural(unvalidated, "policy could not be validated", "policies could not be validated"))
	}
	return strings.Join(parts, ", ")
}

// Severe is the number of policies that have an ERROR or a SECURITY_WARNING.
func (p *Policies) Severe() int {
	n := p.Unlisted
	for _, w := range p.Worst {
		if t := w.Issues[0].FindingType; t == "ERROR" || t == "SECURITY_WARNING" {
			n++
		}
	}
	return n
}

// Checked is the number of results of checks of a kind, over all checks.
func (p *Policies) Checked(result inventory.CheckResult) int {
	n := 0
	for _, c := range p.Checks {
		n += c.Results[result]
	}
	return n
}

// policyWords are the types of policies in words.
var policyWords = map[inventory.PolicyType]string{
	inventory.Managed: "customer managed policies", inventory.Inline: "inline policies", inventory.Trust: "trust policies of roles",
	inventory.ServiceControl: "service control policies", inventory.ResourceControl: "resource control policies",
}

// PolicyTypeName is a type of policies in words.
func PolicyTypeName(t inventory.PolicyType) string {
	if words := policyWords[t]; words != "" {
		return words
	}
	return string(t)
}

// FindingTypes returns the types of finding that lines have: the documented ones, and
// others.
func (p *Policies) FindingTypes() []string {
	types := slices.Clone(inventory.PolicyFindingTypes)
	var others []string
	for _, l := range p.Lines {
		for t := range l.Findings {
			if !slices.Contains(types, t) && !slices.Contains(others, t) {
				others = append(others, t)
			}
		}
	}
	slices.Sort(others)
	return append(types, others...)
}
