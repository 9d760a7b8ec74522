package web

import (
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

// worstLimit is the maximum number of policies on the page. The JSON has all that are
// listed.
const worstLimit = 25

type apiPolicies struct {
	Totals []apiPolicyTotal `json:"totals"`
	// Pending is the number of accounts that have not been read yet.
	Pending int `json:"pending"`
	// Unread is the number of accounts that could not be read.
	Unread int              `json:"unread"`
	Checks []apiPolicyCheck `json:"checks"`
	Worst  []apiPolicy      `json:"worst"`
	// Unlisted is the number of further policies with an ERROR or a SECURITY_WARNING.
	Unlisted int `json:"unlisted"`
}

type apiPolicyTotal struct {
	PolicyType inventory.PolicyType `json:"policy_type"`
	Policies   int                  `json:"policies"`
	Accounts   int                  `json:"accounts"`
	Incomplete int                  `json:"incomplete"`
	// Unread is the number of accounts that have not been read, or could not be.
	Unread int `json:"unread"`
	// Unvalidated is the number of policies, and Findings are those of the accounts that
	// are not incomplete.
	Unvalidated int            `json:"unvalidated"`
	Findings    map[string]int `json:"findings"`
}

type apiPolicyCheck struct {
	Check     string `json:"check"`
	Pass      int    `json:"pass"`
	Fail      int    `json:"fail"`
	Unchecked int    `json:"unchecked"`
}

type apiPolicy struct {
	AccountID  string               `json:"account_id"`
	PolicyType inventory.PolicyType `json:"policy_type"`
	Policy     string               `json:"policy"`
	Issues     []apiIssue           `json:"issues"`
	// More is the number of findings that are not among the issues.
	More int `json:"more"`
}

type apiIssue struct {
	FindingType   string `json:"finding_type"`
	IssueCode     string `json:"issue_code"`
	Count         int    `json:"count"`
	LearnMoreLink string `json:"learn_more_link,omitempty"`
}

func (v *view) apiPolicies() *apiPolicies {
	from := v.policies
	if from == nil {
		return nil
	}
	p := &apiPolicies{Totals: []apiPolicyTotal{}, Pending: from.Pending, Unread: from.Unread, Checks: checksOf(from), Worst: []apiPolicy{}, Unlisted: from.Unlisted}
	for _, l := range from.Lines {
		p.Totals = append(p.Totals, apiPolicyTotal{l.Type, l.Policies, l.Accounts, l.Incomplete, l.Unread, l.Unvalidated, l.Findings})
	}
	for _, w := range from.Worst {
		one := apiPolicy{w.AccountID, w.Type, w.Name, []apiIssue{}, w.More}
		for _, i := range w.Issues {
			one.Issues = append(one.Issues, apiIssue{i.FindingType, i.Code, i.Count, i.Link})
		}
		p.Worst = append(p.Worst, one)
	}
	return p
}

func checksOf(p *report.Policies) []apiPolicyCheck {
	checks := []apiPolicyCheck{}
	for _, c := range p.Checks {
		checks = append(checks, apiPolicyCheck{c.Name, c.Results[inventory.CheckPassed], c.Results[inventory.CheckFailed], c.Results[inventory.Unchecked]})
	}
	return checks
}

// policyTable are the policies on the page.
type policyTable struct {
	FindingTypes []string
	Lines        []policyLine
	Checks       []apiPolicyCheck
	Worst        []worstLine
	More         int
	Note         string
}

// policyLine has the policies of a type.
type policyLine struct {
	Type             string
	Policies         int
	Findings         []int
	LowerBound, None bool // None: numbers of findings are not known
}

type worstLine struct {
	Policy, Type, Account, ID string
	// Link leads to the account on the map; empty if it is not there.
	Link   string
	Issues []inventory.PolicyIssue
	More   int
}

func (v *view) policyTable() *policyTable {
	from := v.policies
	if from == nil {
		return nil
	}
	t := &policyTable{Checks: checksOf(from), Note: from.Missing()}
	for _, name := range from.FindingTypes() {
		t.FindingTypes = append(t.FindingTypes, report.Capital(strings.ToLower(strings.ReplaceAll(name, "_", " "))))
	}
	for _, l := range from.Lines {
		line := policyLine{Type: report.Capital(report.PolicyTypeName(l.Type)), Policies: l.Policies, LowerBound: l.LowerBound(), None: l.Unknown()}
		for _, name := range from.FindingTypes() {
			line.Findings = append(line.Findings, l.Findings[name])
		}
		t.Lines = append(t.Lines, line)
	}
	shown := from.Worst[:min(len(from.Worst), worstLimit)]
	for _, w := range shown {
		t.Worst = append(t.Worst, worstLine{
			report.Printable(w.Name), report.PolicyTypeName(w.Type), report.Printable(v.AccountName(w.AccountID)), w.AccountID, v.ownerLink(w.AccountID), w.Issues, w.More,
		})
	}
	t.More = from.Unlisted
	for _, w := range from.Worst[len(shown):] {
		if i := w.Issues[0].FindingType; i == "ERROR" || i == "SECURITY_WARNING" {
			t.More++
		}
	}
	return t
}
