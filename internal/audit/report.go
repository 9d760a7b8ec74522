package audit

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

const (
	// maxNotices is the maximum number of notices, and maxOwners that of lines of
	// findings by account, of public resources, and of policies.
	maxNotices, maxOwners, maxPublic, maxPolicies = 40, 25, 25, 25
	// narrowest is the width below which nothing is broken any further.
	narrowest = 60
)

// WriteTable writes the report for a terminal with width columns. Control
// sequences in names are replaced.
func WriteTable(w io.Writer, s *inventory.Snapshot, setting remedy.Setting, width int, color bool) error {
	r := &tableReport{snapshot: s, setting: setting, summary: report.For(s, setting), width: max(width, narrowest), ink: ink(color)}
	r.head()
	for _, m := range matrices(r.summary) {
		r.heading(m.title())
		r.WriteString(r.legend(m) + "\n\n" + m.write(r.width, r.ink))
	}
	r.byLabel()
	r.notices()
	r.exemptions()
	r.findings()
	r.public()
	r.policies()
	_, err := io.WriteString(w, r.String())
	return err
}

type tableReport struct {
	strings.Builder
	ink
	snapshot *inventory.Snapshot
	summary  *report.Summary
	setting  remedy.Setting
	width    int
}

func (r *tableReport) heading(text string) {
	fmt.Fprintf(r, "\n%s\n", r.paint(bold, text))
}

// head has what was read, and the number of targets by state.
func (r *tableReport) head() {
	s := r.snapshot
	took := s.Sweeps[inventory.CoverageSweep].Duration + s.Sweeps[inventory.FindingsSweep].Duration
	title := "IAM Access Analyzer audit"
	if r.setting.Simulated {
		title += " of a simulated organization"
	}
	fmt.Fprintf(r, "%s\n%s, %s, read in %s until %s\n", r.paint(bold, title),
		report.Plural(len(s.Accounts), "account", "accounts"), report.Plural(s.TargetCount, "target", "targets"),
		report.About(took), report.Timestamp(s.PublishedAt))
	for _, problem := range []string{r.summary.Unread(), report.Capital(r.summary.Unlisted())} {
		if problem != "" {
			r.warn(problem + "; the reasons are below")
		}
	}
	tallies := r.summary.Tallies()
	if len(tallies) == 0 {
		r.WriteString("\nThe configuration requires no coverage (coverage.external, .unused, .internal).\n")
		return
	}
	t := grid()
	t.AppendHeader(table.Row{"", "covered", "uncovered", "unknown", "exempt", ""})
	for _, tally := range tallies {
		t.AppendRow(r.totals(tally))
	}
	t.SetColumnConfigs(rightFrom(2, 6))
	fmt.Fprintf(r, "\n%s\n", t.Render())
}

// warn writes a line that qualifies the numbers around it.
func (r *tableReport) warn(text string) {
	for line := range strings.SplitSeq(wrapped(text, "", r.width), "\n") {
		fmt.Fprintln(r, r.state(inventory.Unknown, line))
	}
}

func (r *tableReport) totals(tally report.AccessTally) table.Row {
	row := table.Row{report.Capital(string(tally.Access)) + " access"}
	for _, state := range []inventory.State{inventory.Covered, inventory.Uncovered, inventory.Unknown, inventory.Exempt} {
		n := fmt.Sprint(tally.Tally[state])
		if tally.Tally[state] > 0 {
			n = r.state(state, n)
		}
		row = append(row, n)
	}
	percent := tally.Percent()
	if percent == "" {
		return append(row, "")
	}
	return append(row, percent+" covered")
}

// legend explains the symbols. Not listed is rare, and explained where it occurs.
func (r *tableReport) legend(m matrix) string {
	states := []inventory.State{inventory.Covered, inventory.Uncovered, inventory.Unknown, inventory.Exempt, report.NotEnabled}
	if slices.ContainsFunc(m.rows, func(row row) bool { return row.tally(m.columns)[report.NotListed] > 0 }) {
		states = append(states, report.NotListed)
	}
	var words []string
	for _, state := range states {
		words = append(words, r.state(state, looks[state].symbol)+" "+report.StateName(state))
	}
	return strings.Join(words, "   ")
}

// headings of the notices of a kind.
var headings = map[inventory.State]string{
	inventory.Uncovered: "Uncovered", inventory.Unknown: "Unknown",
	report.Unlisted: "Accounts or Regions could not be listed", report.Unread: "Could not be read, coverage known",
}

func (r *tableReport) notices() {
	list, more := r.summary.Notices(maxNotices)
	var kind inventory.State
	for _, n := range list {
		if n.Kind != kind {
			kind = n.Kind
			r.heading(headings[kind])
		} else {
			r.WriteString("\n")
		}
		r.notice(n)
	}
	if more > 0 {
		fmt.Fprintf(r, "\n… and %s; --output=csv has every target\n", report.Plural(more, "smaller cause", "smaller causes"))
	}
}

func (r *tableReport) notice(n report.Notice) {
	state := n.Kind
	if state == report.Unread || state == report.Unlisted {
		state = inventory.Unknown
	}
	lead := looks[state].symbol + " "
	if n.Targets > 0 {
		lead += report.Plural(n.Targets, "target", "targets") + ": "
	}
	// Wrapped before it is colored: a color belongs to a line.
	first, rest, _ := strings.Cut(wrapped(lead+n.Headline, "  ", r.width), "\n")
	fmt.Fprintf(r, "%s\n", r.state(state, strings.TrimPrefix(first, "  ")))
	if rest != "" {
		fmt.Fprintln(r, r.state(state, rest))
	}
	for _, text := range []string{n.Where, n.Advice} {
		if text != "" {
			fmt.Fprintln(r, wrapped(text, "    ", r.width))
		}
	}
	if n.Command != "" {
		if n.RunIn != "" {
			fmt.Fprintln(r, wrapped("in "+n.RunIn+":", "    ", r.width))
		}
		// In one piece, for copying.
		fmt.Fprintf(r, "      %s\n", r.paint(bold, n.Command))
	}
	for _, step := range n.Steps {
		fmt.Fprintln(r, wrapped(step.Advice, "    ", r.width))
		fmt.Fprintf(r, "      %s\n", r.paint(bold, step.Command))
	}
	if n.Message != "" {
		fmt.Fprintln(r, r.paint(dim, wrapped("Message: "+n.Message, "    ", r.width)))
	}
}

// maxGroups is the maximum number of lines for one label.
const maxGroups = 25

// byLabel has the coverage and the findings by each label of accounts.
func (r *tableReport) byLabel() {
	found := r.summary.Findings()
	missing := found.Missing()
	for i, by := range r.summary.ByLabel(found) {
		title := report.Printable(by.Title)
		r.heading("By " + title)
		if i == 0 && missing != "" && len(r.snapshot.FindingStatuses) > 0 {
			r.warn("Findings are lower bounds: " + missing)
		}
		t := grid()
		t.AppendHeader(table.Row{"", "accounts", "covered", "uncovered", "unknown", "active findings", "public"})
		for _, g := range by.Groups[:min(len(by.Groups), maxGroups)] {
			t.AppendRow(r.groupRow(g, len(found.Totals) > 0))
		}
		t.SetColumnConfigs(rightFrom(2, 7))
		r.WriteString(t.Render() + "\n")
		if more := len(by.Groups) - maxGroups; more > 0 {
			fmt.Fprintf(r, "… and %s; --output=json has all\n", report.Plural(more, "more value", "more values"))
		}
	}
}

// groupRow is the row of a group. Its findings are not 0 if none are counted anywhere.
func (r *tableReport) groupRow(g report.LabelGroup, counted bool) table.Row {
	name, sum := cmp.Or(g.Name, g.Value), g.Sum()
	if g.Unknown {
		name = "(not known)"
	}
	row := table.Row{fit(report.Printable(cmp.Or(name, "(none)")), minName), g.Accounts, cmp.Or(sum.Percent(), "–")}
	for _, state := range []inventory.State{inventory.Uncovered, inventory.Unknown} {
		n := fmt.Sprint(sum[state])
		if sum[state] > 0 {
			n = r.state(state, n)
		}
		row = append(row, n)
	}
	if !counted {
		return append(row, "–", "–")
	}
	active, public := g.Active()
	return append(row, active, public)
}

// exemptions lists the reasons for exemptions.
func (r *tableReport) exemptions() {
	targets := r.summary.Exemptions()
	if len(targets) == 0 {
		return
	}
	r.heading("Exempt")
	for _, why := range slices.Sorted(maps.Keys(targets)) {
		line := fmt.Sprintf("%s %s: %s", looks[inventory.Exempt].symbol, report.Plural(targets[why], "target", "targets"), why)
		fmt.Fprintln(r, strings.TrimPrefix(wrapped(line, "  ", r.width), "  "))
	}
}

// findings counts findings by type and by owner.
func (r *tableReport) findings() {
	f := r.summary.Findings()
	if f.Analyzers == 0 || len(r.snapshot.FindingStatuses) == 0 {
		return
	}
	if f.Uncounted == f.Analyzers {
		r.heading("Findings")
		r.WriteString("No findings have been counted.\n")
		return
	}
	r.heading("Active findings by type")
	if missing := f.Missing(); missing != "" {
		r.warn("Lower bounds: " + missing)
	}
	if f.Untyped {
		r.WriteString("Resource types are not recorded, so an IAM role counts once for each Region.\n")
	}
	r.WriteString(r.typeTable(f) + "\n")
	owners := f.Owners()
	if len(owners) == 0 {
		return
	}
	r.heading("Active findings by account")
	r.WriteString(r.ownerTable(owners[:min(len(owners), maxOwners)]) + "\n")
	if more := len(owners) - maxOwners; more > 0 {
		fmt.Fprintf(r, "… and %s; --output=json has all\n", report.Plural(more, "more line", "more lines"))
	}
}

// typeTable has a line for each finding type, and for each of a scope.
func (r *tableReport) typeTable(f report.Findings) string {
	t := grid()
	t.AppendHeader(table.Row{"type", "by analyzers of", "active", "public", "archived", "oldest"})
	for _, l := range f.Lines() {
		by := "all, each resource once"
		if l.Scope != "" {
			by = "the " + string(l.Scope)
		}
		t.AppendRow(table.Row{report.Printable(l.Type), by, l.Active, r.publicCount(l), l.Archived, r.age(l.Oldest)})
	}
	t.SetColumnConfigs(rightFrom(3, 6))
	return t.Render()
}

// public lists the public resources, the newest first.
func (r *tableReport) public() {
	public := r.summary.PublicResources()
	if len(public.Listed) == 0 {
		return
	}
	r.heading("Public resources")
	for _, p := range public.Listed[:min(len(public.Listed), maxPublic)] {
		// In one piece, for copying.
		fmt.Fprintln(r, r.state(inventory.Uncovered, cmp.Or(report.Printable(p.Resource), "resource not reported")))
		where := []string{r.summary.Name(p.AccountID), report.Printable(p.Region), report.Printable(p.ResourceType)}
		if !p.CreatedAt.IsZero() {
			where = append(where, "for "+r.age(p.CreatedAt))
		}
		fmt.Fprintln(r, wrapped(strings.Join(where, ", "), "    ", r.width))
	}
	if more := public.Unlisted + max(0, len(public.Listed)-maxPublic); more > 0 {
		fmt.Fprintf(r, "… and %d more; --output=json has up to findings.public_resources of each account\n", more)
	}
}

// publicCount is empty for findings that cannot be.
func (r *tableReport) publicCount(l report.FindingLine) string {
	switch {
	case l.Type != report.ExternalAccess:
		return ""
	case l.Public == 0:
		return "0"
	}
	return r.state(inventory.Uncovered, fmt.Sprint(l.Public))
}

func (r *tableReport) age(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return report.About(r.snapshot.PublishedAt.Sub(t))
}

func (r *tableReport) ownerTable(owners []report.Owner) string {
	t := grid()
	t.AppendHeader(table.Row{"account", "by analyzers of", "external", "public", "internal", "unused", "oldest"})
	for _, o := range owners {
		public := fmt.Sprint(o.Public)
		if o.Public > 0 {
			public = r.state(inventory.Uncovered, public)
		}
		t.AppendRow(table.Row{
			r.account(o.AccountID), "the " + string(o.Scope),
			o.Active[inventory.External], public, o.Active[inventory.Internal], o.Active[inventory.Unused], r.age(o.Oldest),
		})
	}
	t.SetColumnConfigs(rightFrom(3, 7))
	return t.Render()
}

// account names an account in as much room as the other columns of ownerTable
// leave.
func (r *tableReport) account(id string) string {
	const others = 66
	if whole := r.summary.Name(id); width(whole)+others <= r.width {
		return whole
	}
	return fit(cmp.Or(r.summary.AccountName(id), id), max(r.width-others, minName))
}

// rightFrom sets columns of numbers to the right.
func rightFrom(first, last int) []table.ColumnConfig {
	var configs []table.ColumnConfig
	for n := first; n <= last; n++ {
		configs = append(configs, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	return configs
}
