package audit

import (
	"fmt"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

// policies has the findings in policies by type, the results of checks, and the
// policies with most findings.
func (r *tableReport) policies() {
	p := r.summary.Policies()
	if p == nil {
		return
	}
	r.heading("Policies")
	if missing := p.Missing(); missing != "" {
		r.warn("Lower bounds: " + missing)
	}
	if len(p.Lines) == 0 {
		r.WriteString("No policies have been read.\n")
		return
	}
	r.WriteString(policyTable(p) + "\n")
	r.checks(p.Checks)
	if len(p.Worst) == 0 {
		return
	}
	r.heading("Policies with most findings")
	shown := p.Worst[:min(len(p.Worst), maxPolicies)]
	for _, w := range shown {
		r.worst(w)
	}
	if more := p.Unlisted + len(p.Worst) - len(shown); more > 0 {
		fmt.Fprintf(r, "… and %d more; --output=json has up to 100\n", more)
	}
}

func policyTable(p *report.Policies) string {
	types := p.FindingTypes()
	head := table.Row{"type", "policies"}
	for _, t := range types {
		head = append(head, strings.ToLower(strings.ReplaceAll(t, "_", "\n"))) // narrow
	}
	t := grid()
	t.AppendHeader(head)
	for _, l := range p.Lines {
		row := table.Row{report.PolicyTypeName(l.Type), l.Policies}
		for _, name := range types {
			n := fmt.Sprint(l.Findings[name])
			switch {
			case l.Unknown():
				n = "–"
			case l.LowerBound():
				n = "≥ " + n
			}
			row = append(row, n)
		}
		t.AppendRow(row)
	}
	t.SetColumnConfigs(rightFrom(2, len(head)))
	return t.Render()
}

func (r *tableReport) checks(checks []report.CheckLine) {
	if len(checks) == 0 {
		return
	}
	r.heading("Checks of policies")
	t := grid()
	t.AppendHeader(table.Row{"check", "fail", "pass", "unchecked"})
	for _, c := range checks {
		t.AppendRow(table.Row{c.Name, c.Results[inventory.CheckFailed], c.Results[inventory.CheckPassed], c.Results[inventory.Unchecked]})
	}
	t.SetColumnConfigs(rightFrom(2, 4))
	r.WriteString(t.Render() + "\n")
}

// worst has a policy, and its issues with their links in one piece, for copying.
func (r *tableReport) worst(w inventory.PolicyFindings) {
	fmt.Fprintln(r, report.Printable(w.Name))
	fmt.Fprintln(r, wrapped(report.PolicyTypeName(w.Type)+", "+r.summary.Name(w.AccountID), "    ", r.width))
	for _, i := range w.Issues {
		fmt.Fprintln(r, wrapped(fmt.Sprintf("%d × %s (%s)", i.Count, i.Code, i.FindingType), "    ", r.width))
		if i.Link != "" {
			fmt.Fprintln(r, "      "+r.paint(dim, i.Link))
		}
	}
	if w.More > 0 {
		fmt.Fprintf(r, "    … and %s\n", report.Plural(w.More, "more finding", "more findings"))
	}
}
