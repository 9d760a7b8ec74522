package web

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
)

// view is what the map and the JSON are made from: a snapshot put into the
// order in which it is read. Like the snapshot it is never changed.
type view struct {
	*report.Summary
	snapshot *inventory.Snapshot
	// regions are the columns of the map: sorted, Global last.
	regions  []string
	accesses []inventory.Access
	// accounts is in the order of account ID, worst in the order in which an
	// unfiltered map shows them.
	accounts, worst []row
	totals          []accessTotal
	notices         []report.Notice
	// unlisted is how many notices there are beyond those.
	unlisted int
	findings report.Findings
	// owned are the findings by the account that has the resource; nil where
	// nobody asked for them.
	owned map[string][]apiFindingTotal
}

// noticeLimit is how many notices are told; there is a map for the rest.
const noticeLimit = 25

// row is one account and what is judged of it, sorted by Region.
type row struct {
	account  *inventory.Account
	verdicts inventory.Verdicts
}

// tally counts places by state.
type tally map[inventory.State]int

// accessTotal is how much of the whole fleet is covered.
type accessTotal struct {
	access inventory.Access
	tally  tally
}

// views keeps the view of the latest snapshot: deriving it costs far more than
// showing a page of it. Who asks while it is being derived waits for it.
type views struct {
	snapshot func() *inventory.Snapshot

	mu     sync.Mutex
	latest *view
	forget *time.Timer
}

// viewIdle is how long a view that nobody asks for is kept. It holds on to its
// snapshot, which is the largest thing in the process.
const viewIdle = time.Minute

// get returns the view of the latest snapshot; nil when there is none yet.
func (vs *views) get() *view {
	snap := vs.snapshot()
	if snap == nil {
		return nil
	}
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if vs.forget == nil {
		vs.forget = time.AfterFunc(viewIdle, vs.drop)
	} else {
		vs.forget.Reset(viewIdle)
	}
	if vs.latest == nil || vs.latest.snapshot != snap {
		vs.latest = newView(snap)
	}
	return vs.latest
}

func (vs *views) drop() {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	vs.latest = nil
}

func newView(snap *inventory.Snapshot) *view {
	v := &view{Summary: report.Of(snap), snapshot: snap}
	for account, verdicts := range v.Verdicts {
		v.accounts = append(v.accounts, row{account, verdicts})
	}
	v.count()
	v.worst = v.rows(filter{})
	v.notices, v.unlisted = v.Notices(noticeLimit)
	v.findings = v.Findings()
	v.findings.Accounts = nil // the page has totals alone
	return v
}

// count fills in the columns, the accesses and the totals.
func (v *view) count() {
	regions := map[string]bool{}
	totals := map[inventory.Access]tally{}
	for d := range v.snapshot.Verdicts.All() {
		regions[d.Region] = true
		if totals[d.Access] == nil {
			totals[d.Access] = tally{}
		}
		totals[d.Access][d.State]++
	}
	v.regions = slices.SortedFunc(maps.Keys(regions), func(a, b string) int {
		if (a == inventory.Global) != (b == inventory.Global) {
			return cmpTrueLast(a == inventory.Global)
		}
		return cmp.Compare(a, b)
	})
	for _, a := range inventory.Accesses {
		if totals[a] != nil {
			v.accesses = append(v.accesses, a)
			v.totals = append(v.totals, accessTotal{a, totals[a]})
		}
	}
}

func cmpTrueLast(first bool) int {
	if first {
		return 1
	}
	return -1
}

// columns are the Regions that a map with this filter has.
func (v *view) columns(f filter) []string {
	if len(f.accesses) == 0 && len(f.regions) == 0 {
		return v.regions
	}
	seen := map[string]bool{}
	for d := range v.snapshot.Verdicts.All() {
		if f.wantsAccess(d.Access) {
			seen[d.Region] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(v.regions), func(r string) bool {
		return !seen[r] || !f.wantsRegion(r)
	})
}

// rows returns the accounts that the filter leaves in, worst first: most places
// uncovered, then most unknown, then by name.
func (v *view) rows(f filter) []row {
	if f.empty() && v.worst != nil {
		return v.worst
	}
	type counted struct {
		row
		uncovered, unknown int
	}
	var found []counted
	columns := v.columns(f)
	for _, r := range v.accounts {
		if !f.wantsAccount(r.account) {
			continue
		}
		t := r.tally(f, columns)
		if slices.ContainsFunc(states, func(s inventory.State) bool { return t[s] > 0 && f.wantsState(s) }) || f.empty() {
			found = append(found, counted{r, t[inventory.Uncovered], t[inventory.Unknown]})
		}
	}
	slices.SortStableFunc(found, func(a, b counted) int {
		return cmp.Or(
			cmp.Compare(b.uncovered, a.uncovered),
			cmp.Compare(b.unknown, a.unknown),
			cmp.Compare(a.account.Name, b.account.Name),
		)
	})
	rows := make([]row, len(found))
	for i, c := range found {
		rows[i] = c.row
	}
	return rows
}

// tally counts the cells of one account in the columns that the filter leaves.
func (r row) tally(f filter, columns []string) tally {
	t := tally{}
	judged := make(map[string]bool, len(columns))
	for d := range r.verdicts.All() {
		if f.wantsAccess(d.Access) && f.wantsRegion(d.Region) {
			t[d.State]++
			judged[d.Region] = true
		}
	}
	if gaps := len(columns) - len(judged); gaps > 0 {
		t[r.gap()] += gaps
	}
	return t
}

// gap is the state of a column in which nothing is judged of the account.
func (r row) gap() inventory.State {
	if !r.account.RegionsKnown {
		return inventory.Unknown
	}
	return notEnabled
}

// pageOf cuts page f.page out of the rows; ok is false when there is none.
func pageOf(rows []row, f filter) (page []row, pages int, ok bool) {
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
