package web

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"iter"
	"log/slog"
	"math"
	"net/http"
	"slices"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
)

var (
	//go:embed page.html
	pageSource string
	//go:embed page.css
	pageStyle string

	pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
		"count": report.Count, "plural": report.Plural, "timestamp": report.Timestamp, "rfc3339": rfc3339, "date": date,
	}).Parse(pageSource))

	// contentSecurityPolicy allows the inline style sheet, the empty icon that keeps
	// browsers from requesting one, and the form.
	contentSecurityPolicy = "default-src 'none'; style-src 'sha256-" + digest(pageStyle) +
		"'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

const pageTitle = "IAM Access Analyzer coverage"

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func date(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// page is the data of the template. Its texts are complete.
type page struct {
	Style   template.CSS
	Title   string
	Version string
	// Links are in the header. Those to the server are relative, so that they work
	// under a proxy's prefix.
	Links []link
	// Simulated is whether the organization is that of the demo.
	Simulated bool
	// Detached is whether the page is a file: it has no links to a server.
	Detached bool
	// Notice is a warning about the whole page; empty if there is none.
	Notice string
	Sweeps []sweepLine

	// The rest is empty as long as nothing has been published.
	Published  time.Time
	Age        string
	Unreadable string
	Totals     []totalLine
	Attention  []attentionLine
	Further    []attentionLine
	Unlisted   int
	Groups     []groupTable
	// Findings are those of all zones of trust, or of the only one; Zones are apart.
	Findings, Zones *findingTable
	FindingNote     string
	// GroupNote is about the findings of groups.
	GroupNote  string
	Owners     []ownerLine
	MoreOwners int
	Public     []publicLine
	PublicMore int
	Policies   *policyTable
	Map        *mapView
}

type link struct{ Name, Href string }

// ownerLine are the active findings about the resources of an account.
type ownerLine struct {
	Name, Link                         string
	External, Public, Internal, Unused int
}

type sweepLine struct {
	Name string
	// Done and Total are for a progress bar; Total is 0 when there is none.
	Done, Total int
	Text        string
}

type totalLine struct {
	Access  inventory.Access
	Percent string
	Of      string
	Bar     []segment
	Counts  []stateCount
}

// segment is a part of a bar of 1000 units.
type segment struct {
	State   inventory.State
	X, Wide int
}

type stateCount struct {
	State inventory.State
	Name  string
	Count int
	Link  string
}

type attentionLine struct {
	State inventory.State
	// ID is the fragment of links from the map.
	ID                                             string
	Targets, Headline, Where, Advice, RunIn, OnMap string
	// Command has the words of the command, each with the space after it, so that
	// lines break only between words.
	Command []string
	Steps   []step
	Open    bool
}

type step struct {
	Advice  string
	Command []string
}

// findingTable has groups of lines. Resolved is whether resolved findings are counted.
// PublicID is the section with the public ones.
type findingTable struct {
	Groups   []findingLines
	Resolved bool
	PublicID string
}

// findingLines are those of one zone of trust, or of all.
type findingLines struct {
	Title string
	Lines []findingLine
}

type findingLine struct {
	Type                               string
	Active, Public, Archived, Resolved int
	Oldest                             time.Time
	HasPublic                          bool
}

type mapView struct {
	Form    form
	Columns []string
	// Rows are rendered one at a time: a page of 500 accounts would take 3 MB at
	// once. Some is whether there are any.
	Rows iter.Seq[mapRow]
	Some bool
	Wide bool // more columns than a laptop's screen has room for beside the rest
	// Short is whether there is room below the map for the findings.
	Short bool
	// NotListed is whether there are accounts whose Regions are not known.
	NotListed bool
	Showing   string
	First     string // links to other pages; empty where there is none
	Previous  string
	Next      string
	Last      string
	// Console are the links of a map with one account.
	Console []consoleLink
}

// consoleLink are the links of a target into the AWS console.
type consoleLink struct {
	Region             string
	Access             inventory.Access
	State              inventory.State
	Analyzer, Findings string
}

type mapRow struct {
	Name, ID, Link string
	Cells          []cell
}

type cell struct {
	State inventory.State
	Name  string
	Words string
	// Region is set for what a phone shows by name: gaps.
	Region string
	// Cause is the link to the notice of the target; empty if there is none.
	Cause string
}

type form struct {
	Account                   string
	Regions, States, Accesses []choice
	// Labels has the labels that are filtered by, and Labeled is whether accounts have
	// any.
	Labels   []string
	Labeled  bool
	Size     int
	Filtered bool
}

type choice struct {
	Value, Name string
	Chosen      bool
}

func (s *server) servePage(w http.ResponseWriter, r *http.Request) {
	v := s.views.get()
	var regions []string
	if v != nil {
		regions = v.regions
	}
	f, err := parseFilter(r.URL.RawQuery, regions)
	if err != nil {
		writeError(w, http.StatusBadRequest, err.Error())
		return
	}
	p := s.newPage(v)
	if v != nil {
		if err := checkLabels(f, v.snapshot.Labels); err != nil {
			writeError(w, http.StatusBadRequest, err.Error())
			return
		}
		if p.Map, err = v.newMap(f); err != nil {
			writeError(w, http.StatusNotFound, err.Error())
			return
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if v == nil || !v.snapshot.Ready {
		w.Header().Set("Refresh", refresh)
	}
	out := bufio.NewWriterSize(w, 32<<10)
	err = pageTemplate.Execute(out, p)
	if err = errors.Join(err, out.Flush()); err != nil {
		level := slog.LevelDebug // the client may be gone
		if _, faulty := errors.AsType[texttemplate.ExecError](err); faulty {
			level = slog.LevelError
		}
		s.Logger.Log(r.Context(), level, "Failed to write the page", "err", err)
	}
}

// refresh is the number of seconds after which the page is loaded again during the
// first sweep. It is a header, since assistive technology may not expect it later.
const refresh = "5"

func (s *server) newPage(v *view) *page {
	p := &page{
		Style:     template.CSS(pageStyle), //nolint:gosec // embedded file, whose digest is in the policy
		Title:     pageTitle,
		Version:   s.Version,
		Simulated: s.Simulated,
		Links: []link{
			{"Documentation", report.Homepage + "#readme"},
			{"Runbooks", report.Runbooks},
			{"JSON", "api/v1/coverage"},
			{"Metrics", "." + s.TelemetryPath},
		},
	}
	now := time.Now()
	for _, progress := range s.Progress() {
		if progress.Running {
			p.Sweeps = append(p.Sweeps, runningSweep(progress, now))
		}
	}
	if v == nil {
		p.Notice = "No data yet. Accounts and Regions are being listed; the first sweep follows."
		if len(p.Sweeps) > 0 {
			p.Notice = "No data yet. The first sweep is in progress: " + p.Sweeps[0].Text + "."
		}
		p.Notice += reloads
		return p
	}
	p.fill(v, now)
	return p
}

// reloads is the sentence about the reload.
const reloads = " This page reloads every " + refresh + " seconds until it is complete."

func (p *page) fill(v *view, now time.Time) {
	snap := v.snapshot
	p.Published, p.Age = snap.PublishedAt, report.About(now.Sub(snap.PublishedAt))
	switch {
	case !snap.DiscoverySuccess && len(snap.Accounts) == 0:
		p.Notice = "No data. Accounts and Regions could not be listed; see the reason below."
	case !snap.DiscoverySuccess:
		p.Notice = "Accounts or Regions could not be listed in the last attempt. New ones may be missing; see the reason below."
	case snap.NoTargets != "":
		p.Notice = "No target is in scope, so nothing is monitored; see the reason below."
	case !snap.Ready:
		p.Notice = "The first sweep is in progress. Targets that it has not read yet are missing or unknown."
		if len(p.Sweeps) > 0 && p.Sweeps[0].Total > 0 {
			p.Notice = "The first sweep is in progress: " + p.Sweeps[0].Text + ". Targets that it has not read yet are missing or unknown."
		}
		p.Notice += reloads
	}
	if unread := v.Unread(); unread != "" {
		p.Unreadable = unread + " in the last sweep."
	}
	for _, kind := range []inventory.SweepKind{inventory.CoverageSweep, inventory.FindingsSweep} {
		running := slices.ContainsFunc(p.Sweeps, func(l sweepLine) bool { return l.Name == sweepName(kind) })
		if last, ok := snap.Sweeps[kind]; ok && !running {
			p.Sweeps = append(p.Sweeps, sweepLine{
				Name: sweepName(kind),
				Text: "completed " + report.About(now.Sub(last.CompletedAt)) + " ago, took " + report.About(last.Duration),
			})
		}
	}
	for _, t := range v.totals {
		p.Totals = append(p.Totals, v.totalLine(t))
	}
	for i, n := range v.notices {
		line := v.attentionLine(n)
		line.ID = causeID(i)
		if line.Open = i == 0; i < attentionOpen {
			p.Attention = append(p.Attention, line)
		} else {
			p.Further = append(p.Further, line)
		}
	}
	p.Unlisted = v.unlisted
	p.fillOwners(v)
	p.Public, p.PublicMore = v.publicLines(), v.publicMore
	p.Policies = v.policyTable()
	p.fillFindings(v.findings, slices.Contains(snap.FindingStatuses, "RESOLVED"), now)
	p.Groups = v.groupTables()
	p.Title = title(v.totals) + p.Title
}

// causeID is the fragment of the i-th notice.
func causeID(i int) string { return fmt.Sprintf("cause-%d", i+1) }

// attentionOpen is the number of notices that are shown without unfolding.
const attentionOpen = 8

// attentionLine has everything in a notice except the message of AWS.
func (v *view) attentionLine(n report.Notice) attentionLine {
	line := attentionLine{State: n.Kind, Headline: n.Headline, Where: n.Where, Advice: n.Advice, RunIn: n.RunIn}
	if n.Command != "" {
		line.Command = strings.SplitAfter(n.Command, " ")
	}
	for _, s := range n.Steps {
		line.Steps = append(line.Steps, step{s.Advice, strings.SplitAfter(s.Command, " ")})
	}
	if n.Targets > 0 {
		line.Targets = report.Count(n.Targets) + " " + report.StateName(n.Kind)
		line.OnMap = v.onMap(n).query(1) + "#map"
	}
	return line
}

// onMap is the filter for the targets of a notice: its only account, its only
// Region, or all targets in that state.
func (v *view) onMap(n report.Notice) filter {
	f := filter{page: 1, size: defaultPageSize, states: []inventory.State{n.Kind}}
	if n.Access != "" && len(v.accesses) > 1 {
		f.accesses = []inventory.Access{n.Access}
	}
	if len(n.Accounts) == 1 {
		f.accounts = n.Accounts
	}
	if len(n.Regions) == 1 {
		f.regions = n.Regions
	}
	return f
}

// title starts with the problems, as a browser tab shows only the first words.
func title(totals []report.AccessTally) string {
	var words []string
	for _, s := range []inventory.State{inventory.Uncovered, inventory.Unknown} {
		n := 0
		for _, t := range totals {
			n += t.Tally[s]
		}
		if n > 0 {
			words = append(words, report.Count(n)+" "+string(s))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return strings.Join(words, ", ") + " – "
}

func sweepName(k inventory.SweepKind) string {
	return report.Capital(string(k)) + " sweep"
}

// runningSweep has the progress of a sweep, its rate, and the time left.
func runningSweep(p sweep.Progress, now time.Time) sweepLine {
	l := sweepLine{Name: sweepName(p.Kind), Done: p.Done, Total: p.Total}
	if p.Total == 0 {
		l.Text = "started; listing what to read"
		return l
	}
	l.Text = fmt.Sprintf("%s of %s %s, %d%%", report.Count(p.Done), report.Count(p.Total), report.Unit(p.Kind), 100*p.Done/p.Total)
	if p.Failed > 0 {
		l.Text += ", " + report.Count(p.Failed) + " failed"
	}
	if rate, left, ok := p.Rate(now); ok {
		l.Text += "; " + report.Pace(rate, left)
	}
	return l
}

func (v *view) totalLine(t report.AccessTally) totalLine {
	f := filter{page: 1, size: defaultPageSize}
	if len(v.accesses) > 1 {
		f.accesses = []inventory.Access{t.Access}
	}
	unit := "account × Region"
	if t.Access == inventory.Unused {
		unit = "account"
	}
	l := totalLine{Access: t.Access, Percent: cmp.Or(t.Percent(), "–"), Of: "of " + report.Plural(t.Known(), "known target", "known targets") + " (" + unit + ")"}
	x := 0
	for _, s := range states[:4] {
		n := t.Tally[s]
		f.states = []inventory.State{s}
		l.Counts = append(l.Counts, stateCount{s, report.StateName(s), n, f.query(1) + "#map"})
		if n > 0 {
			// Even a small share is visible; gaps of two units separate segments of
			// similar brightness.
			wide := max(4, int(math.Round(1000*float64(n)/float64(t.Required()+t.Tally[inventory.Exempt]))))
			l.Bar = append(l.Bar, segment{s, x, wide - 2})
			x += wide
		}
	}
	return l
}

func (p *page) fillFindings(t report.Findings, resolved bool, now time.Time) {
	publicID := "owners"
	if len(p.Public) > 0 {
		publicID = "public"
	}
	var groups []findingLines
	all := t.Lines()
	for i, l := range all {
		if i == 0 || l.Scope != all[i-1].Scope {
			title := "Zone of trust: " + string(l.Scope)
			if l.Scope == "" {
				title = "All zones of trust, each resource once"
			}
			groups = append(groups, findingLines{Title: title})
		}
		last := &groups[len(groups)-1]
		last.Lines = append(last.Lines, findingLine{
			l.Type, l.Active, l.Public, l.Archived, l.Resolved, l.Oldest, l.Type == report.ExternalAccess,
		})
	}
	if len(groups) > 0 {
		p.Findings = &findingTable{groups[:1], resolved, publicID}
	}
	if len(groups) > 1 {
		p.Zones = &findingTable{groups[1:], resolved, publicID}
	}
	var notes []string
	switch {
	case len(t.Totals) == 0:
		notes = append(notes, "No findings have been counted yet.")
	case t.Missing() != "":
		notes = append(notes, "Lower bounds: "+t.Missing()+".")
		p.GroupNote = "Findings are lower bounds: " + t.Missing() + "."
	}
	if len(t.Totals) > 0 {
		notes = append(notes, "Oldest count: "+report.About(now.Sub(t.Since))+" ago.")
	}
	if t.Untyped {
		notes = append(notes, "Resource types are not recorded, so an IAM role counts once for each Region.")
	}
	p.FindingNote = strings.Join(notes, " ")
}

// ownersShown is the number of accounts with findings that are shown.
const ownersShown = 10

// fillOwners lists the accounts with the most public, then the most active findings.
func (p *page) fillOwners(v *view) {
	p.MoreOwners = max(0, len(v.owners)-ownersShown)
	for _, o := range v.owners[:min(len(v.owners), ownersShown)] {
		name := v.AccountName(o.AccountID)
		p.Owners = append(p.Owners, ownerLine{
			Name: cmp.Or(name, report.Printable(o.AccountID)), External: o.Active[inventory.External], Public: o.Public,
			Internal: o.Active[inventory.Internal], Unused: o.Active[inventory.Unused], Link: v.ownerLink(o.AccountID),
		})
	}
}

// shortMap is the number of accounts up to which a map is short.
const shortMap = 25

// accountLink is the page of one account.
func accountLink(id string) string {
	return filter{page: 1, size: defaultPageSize, accounts: []string{id}}.query(1) + "#map"
}

// ownerLink is the page of the owner of a resource; empty if the account is not in
// scope.
func (v *view) ownerLink(id string) string {
	if !v.InScope(id) {
		return ""
	}
	return accountLink(id)
}

// newMap lays out one page of the map. It returns an error if the page does not
// exist.
func (v *view) newMap(f filter) (*mapView, error) {
	rows := v.rows(f)
	shown, pages, ok := pageOf(rows, f)
	if !ok {
		return nil, noPage(f.page, pages)
	}
	columns := v.columns(f)
	m := &mapView{Form: v.form(f), Columns: printables(columns), Wide: len(columns) > 22, NotListed: v.Unlisted() != ""}
	first := (f.page-1)*f.size + 1
	switch {
	case v.NoTargets() != "":
		m.Showing = report.Capital(v.NoTargets()) + "."
		return m, nil
	case len(v.accounts) == 0:
		m.Showing = "No accounts."
		return m, nil
	case len(v.regions) == 0 && v.snapshot.Ready:
		m.Showing = "No coverage is required: the policy requires no access type."
		return m, nil
	case len(v.regions) == 0:
		m.Showing = "Coverage is determined by the first sweep, which is in progress. " + report.Plural(len(v.accounts), "account", "accounts") + " listed."
		return m, nil
	case len(rows) == 0:
		m.Showing = "No account matches."
	default:
		m.Showing = fmt.Sprintf("Accounts %s–%s of %s, worst first", report.Count(first), report.Count(first+len(shown)-1), report.Count(len(rows)))
		if len(rows) < len(v.accounts) {
			m.Showing += fmt.Sprintf("; %s hidden by the filter", report.Count(len(v.accounts)-len(rows)))
		}
	}
	if f.page > 1 {
		m.First, m.Previous = f.query(1)+"#map", f.query(f.page-1)+"#map"
	}
	if f.page < pages {
		m.Next, m.Last = f.query(f.page+1)+"#map", f.query(pages)+"#map"
	}
	m.Some, m.Short = len(shown) > 0, len(shown) <= shortMap
	if len(shown) == 1 {
		m.Console = v.consoleLinks(shown[0], f)
	}
	m.Rows = func(yield func(mapRow) bool) {
		for _, r := range shown {
			if !yield(v.mapRow(r, f, columns)) {
				return
			}
		}
	}
	return m, nil
}

// consoleLinks has the targets of an account that match the filter.
func (v *view) consoleLinks(r report.Row, f filter) (links []consoleLink) {
	for _, d := range r.Verdicts {
		if !f.wantsAccess(d.Access) || !f.wantsRegion(d.Region) || !f.wantsState(d.State) {
			continue
		}
		analyzer, findings := v.consoleURLs(d)
		if analyzer != "" {
			links = append(links, consoleLink{report.Printable(d.Region), d.Access, d.State, analyzer, findings})
		}
	}
	return links
}

func noPage(page, pages int) error {
	return fmt.Errorf("there is no page %d: with this filter the last one is %d", page, pages)
}

func printables(words []string) []string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = report.Printable(w)
	}
	return out
}

func (v *view) mapRow(r report.Row, f filter, columns []string) mapRow {
	m := mapRow{Name: report.Printable(r.Account.Name), ID: r.Account.ID, Link: accountLink(r.Account.ID)}
	positions := v.index.Positions(r)
	byRegion := map[string][]inventory.Verdict{}
	for _, d := range r.Verdicts {
		if f.wantsAccess(d.Access) {
			byRegion[d.Region] = append(byRegion[d.Region], d)
		}
	}
	name := m.Name
	if name == "" {
		name = m.ID
	}
	for _, region := range columns {
		c := v.cell(r, byRegion[region], positions)
		c.Name = name + ", " + report.Printable(region)
		if c.State == inventory.Uncovered || c.State == inventory.Unknown || c.State == report.NotListed {
			c.Region = report.Printable(region)
		}
		m.Cells = append(m.Cells, c)
	}
	return m
}

// cell shows one account in one Region. If several accesses are required, it has
// the worst of their states, and the details of each.
func (v *view) cell(r report.Row, verdicts []inventory.Verdict, positions map[report.Column]int) cell {
	if len(verdicts) == 0 {
		if r.Missing() == report.NotListed {
			return cell{State: report.NotListed, Words: "Not listed. The Regions of the account could not be listed, so it is not known whether it has this one."}
		}
		return cell{State: report.NotEnabled, Words: "Not enabled. The Region is not enabled for the account."}
	}
	worst := slices.MinFunc(verdicts, func(a, b inventory.Verdict) int {
		return slices.Index(states, a.State) - slices.Index(states, b.State)
	})
	c := cell{State: worst.State}
	if i, ok := positions[report.Column{Region: worst.Region, Access: worst.Access}]; ok {
		c.Cause = "#" + causeID(i)
	}
	var words []string
	for _, d := range verdicts {
		state := report.Capital(report.StateName(d.State))
		if len(verdicts) > 1 {
			state = report.Capital(string(d.Access)) + " access: " + report.StateName(d.State)
		}
		words = append(words, state+". "+v.Explain(d))
	}
	c.Words = strings.Join(words, " ")
	return c
}

func (v *view) form(f filter) form {
	return form{
		Account:  strings.Join(f.accounts, ", "),
		Regions:  choicesOf(v.regions, f.regions, "all Regions"),
		States:   choicesOf(states, f.states, "any state"),
		Accesses: choicesOf(v.accesses, f.accesses, "all access"),
		Labels:   labelTexts(f.labels),
		Labeled:  !v.snapshot.Labels.None(),
		Size:     f.size,
		Filtered: !f.empty(),
	}
}

// labelTexts writes labels as in the query; at least one, for the form's field.
func labelTexts(labels []inventory.Label) []string {
	var texts []string
	for _, l := range labels {
		texts = append(texts, l.Name+"="+l.Value)
	}
	if texts == nil {
		return []string{""}
	}
	return texts
}

// groupTable has the accounts by the value of a label.
type groupTable struct {
	Title string
	Lines []groupLine
	// More is the number of further values.
	More int
}

type groupLine struct {
	// Link is the map of the group; empty for none.
	Name, Link, Percent                          string
	Accounts, Uncovered, Unknown, Active, Public int
}

// groupsShown is the maximum number of values of a label on the page.
const groupsShown = 20

func (v *view) groupTables() []groupTable {
	var tables []groupTable
	for _, by := range v.groups {
		t := groupTable{Title: report.Printable(by.Title), More: max(0, len(by.Groups)-groupsShown)}
		for _, g := range by.Groups[:min(len(by.Groups), groupsShown)] {
			t.Lines = append(t.Lines, newGroupLine(by.Label, g))
		}
		tables = append(tables, t)
	}
	return tables
}

func newGroupLine(label string, g report.LabelGroup) groupLine {
	sum := g.Sum()
	l := groupLine{Name: report.Printable(cmp.Or(g.Name, g.Value)), Percent: cmp.Or(sum.Percent(), "–"), Accounts: g.Accounts, Uncovered: sum[inventory.Uncovered], Unknown: sum[inventory.Unknown]}
	l.Active, l.Public = g.Active()
	f := filter{page: 1, size: defaultPageSize, labels: []inventory.Label{{Name: label, Value: g.Value}}}
	switch query := f.query(1); {
	case g.Unknown:
		l.Name = "not known"
	default:
		// A value that no query can have is not linked.
		if read, err := parseFilter(strings.TrimPrefix(query, "?"), nil); err == nil && slices.Equal(read.labels, f.labels) {
			l.Link = query + "#map"
		}
		l.Name = cmp.Or(l.Name, "none")
	}
	return l
}

func choicesOf[T ~string](all, chosen []T, none string) []choice {
	list := []choice{{"", none, len(chosen) == 0}}
	for _, c := range all {
		list = append(list, choice{string(c), strings.ReplaceAll(string(c), "_", " "), slices.Contains(chosen, c)})
	}
	return list
}
