package web

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

// view is the data of the map and the JSON, derived from a snapshot. Like the
// snapshot it is immutable.
type view struct {
	*report.Summary
	snapshot *inventory.Snapshot
	console  console.Links
	// cells are the Regions and accesses that have verdicts; regions, the columns
	// of the map, are theirs: sorted, Global last.
	cells    []report.Column
	regions  []string
	accesses []inventory.Access
	// accounts is in the order of account ID, worst in the order in which an
	// unfiltered map shows them.
	accounts, worst []report.Row
	totals          []report.AccessTally
	notices         []report.Notice
	// unlisted is the number of notices beyond noticeLimit.
	unlisted int
	findings report.Findings
	groups   []report.LabelGroups
	// public are the public resources of all accounts; publicUnlisted counts the
	// findings of each owner that are not listed.
	public         report.PublicResources
	publicUnlisted map[string]int
	// publicMore is the number of those that the page has no room for.
	publicMore int
	// policies is nil where the validation of policies is disabled.
	policies *report.Policies
	// index finds the notice of a target; owners have active findings.
	index  report.Index
	owners []report.Owner
	// owned are the findings by resource owner; nil unless WriteCoverage sets it.
	owned map[string][]apiFindingTotal
}

// noticeLimit is the maximum number of notices; the map has the rest.
const noticeLimit = 25

// views caches the view of the latest snapshot: deriving it costs far more than
// rendering a page. Concurrent requests wait for one derivation.
type views struct {
	snapshot func() *inventory.Snapshot
	console  func() console.Links // may be nil

	mu     sync.Mutex
	latest *view
	expiry *time.Timer
}

// viewIdle is how long an unused view is cached. It references its snapshot, the
// largest object in the process.
const viewIdle = time.Minute

// get returns the view of the latest snapshot; nil when there is none yet.
func (vs *views) get() *view {
	snap := vs.snapshot()
	if snap == nil {
		return nil
	}
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if vs.expiry == nil {
		vs.expiry = time.AfterFunc(viewIdle, vs.drop)
	} else {
		vs.expiry.Reset(viewIdle)
	}
	var links console.Links
	if vs.console != nil {
		links = vs.console()
	}
	if vs.latest == nil || vs.latest.snapshot != snap || vs.latest.console != links {
		vs.latest = newView(snap, remedy.Setting{}, links)
	}
	return vs.latest
}

func (vs *views) drop() {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.latest = nil
}

func newView(snap *inventory.Snapshot, setting remedy.Setting, links console.Links) *view {
	v := &view{Summary: report.For(snap, setting), snapshot: snap, console: links}
	v.accounts = slices.Collect(v.Rows)
	v.cells = v.Columns()
	v.regions = regionsOf(v.cells)
	v.totals = v.Tallies()
	for _, t := range v.totals {
		v.accesses = append(v.accesses, t.Access)
	}
	v.worst = v.rows(filter{})
	v.notices, v.unlisted = v.Notices(noticeLimit)
	v.index = v.IndexOf(v.notices)
	v.findings = v.Findings()
	v.policies = v.Policies()
	v.groups = v.ByLabel(v.findings)
	v.owners = v.findings.ResourceOwners()
	v.findings.Accounts = nil // the page has totals alone
	v.public, v.publicUnlisted = v.PublicResources(), map[string]int{}
	v.publicMore = v.public.Unlisted + max(0, len(v.public.Listed)-publicLimit)
	v.public.Listed = slices.Clone(v.public.Listed[:min(len(v.public.Listed), publicLimit)])
	for t, n := range snap.PublicUnlisted {
		v.publicUnlisted[t.AccountID] += n
	}
	return v
}

// consoleURLs are the addresses of the analyzer of a verdict, or of the analyzers of
// its target, and of the analyzer's findings about the account. Either may be empty.
func (v *view) consoleURLs(d inventory.Verdict) (analyzer, findings string) {
	if d.Analyzer != nil {
		return v.console.Analyzer(d.Analyzer), v.console.Findings(d.Analyzer, d.AccountID)
	}
	region := d.Region
	if region == inventory.Global {
		// Any Region can have an analyzer; those of the organization are of one
		// partition.
		region = v.regions[0]
	}
	if region == inventory.Global {
		return "", ""
	}
	return v.console.Analyzers(d.AccountID, region), ""
}

func regionsOf(cells []report.Column) []string {
	var regions []string
	for _, c := range cells {
		regions = append(regions, c.Region)
	}
	slices.SortFunc(regions, report.CompareRegions)
	return slices.Compact(regions)
}

// columns are the Regions that a map with this filter has.
func (v *view) columns(f filter) []string {
	return regionsOf(slices.DeleteFunc(slices.Clone(v.cells), func(c report.Column) bool {
		return !f.wantsAccess(c.Access) || !f.wantsRegion(c.Region)
	}))
}

// rows returns the accounts that match the filter, the worst first: most targets
// uncovered, then most unknown, then by name.
func (v *view) rows(f filter) []report.Row {
	if f.empty() && v.worst != nil {
		return v.worst
	}
	type counted struct {
		report.Row
		tally report.Tally
	}
	var found []counted
	columns := v.columns(f)
	for _, r := range v.accounts {
		if !f.wantsAccount(r.Account) || !f.wantsLabels(v.snapshot.Labels.Fields(r.Account)) {
			continue
		}
		t := tally(r, f, columns)
		if slices.ContainsFunc(states, func(s inventory.State) bool { return t[s] > 0 && f.wantsState(s) }) || f.empty() {
			found = append(found, counted{r, t})
		}
	}
	slices.SortStableFunc(found, func(a, b counted) int {
		return cmp.Or(a.tally.Worse(b.tally), cmp.Compare(a.Account.Name, b.Account.Name))
	})
	rows := make([]report.Row, len(found))
	for i, c := range found {
		rows[i] = c.Row
	}
	return rows
}

// tally counts the cells of one account in the columns that the filter leaves.
func tally(r report.Row, f filter, columns []string) report.Tally {
	t := report.Tally{}
	judged := make(map[string]bool, len(columns))
	for _, d := range r.Verdicts {
		if f.wantsAccess(d.Access) && f.wantsRegion(d.Region) {
			t[d.State]++
			judged[d.Region] = true
		}
	}
	if missing := len(columns) - len(judged); missing > 0 {
		t[r.Missing()] += missing
	}
	return t
}

// pageOf cuts page f.page out of the rows; ok is false when there is none.
func pageOf(rows []report.Row, f filter) (page []report.Row, pages int, ok bool) {
	pages = max(1, (len(rows)+f.size-1)/f.size)
	if f.page > pages {
		return nil, pages, false
	}
	from := (f.page - 1) * f.size
	return rows[from:min(from+f.size, len(rows))], pages, true
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
