package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"access-analyzer-exporter/internal/inventory"
)

// attention is one thing that somebody should look at: places that are in the
// same state for the same cause, so that one fix is told once.
type attention struct {
	// kind is Uncovered, Unknown, or unread for what could not be read although
	// coverage is known.
	kind inventory.State
	// places are the coverage verdicts that depend on it.
	places int
	// headline and where are phrases, advice a sentence; command, in a POSIX
	// shell, is empty when there is none, runIn an account in words.
	headline, where, advice, command, runIn string
	// filter shows the places on the map.
	filter filter
}

// unread is the kind of a failure that left coverage known.
const unread inventory.State = "unread"

// attentionLimit is how many groups are told in words; there is a map for the
// rest.
const attentionLimit = 25

// cause is what places are grouped by. Each group uses some of the fields.
type cause struct {
	access inventory.Access
	// Of an analyzer that does not do its work.
	accountID, analyzer, analyzerType, status, statusReason string
	// regions joins the Regions that accounts lack an analyzer in; fleetWide
	// tells that every account lacks it.
	regions   string
	fleetWide bool
	// Of a failure.
	operation string
	reason    inventory.Reason
	meaning   string
}

// group is what has one cause.
type group struct {
	cause
	// name tells groups of the same size apart, so that their order is stable.
	name   string
	kind   inventory.State
	places int
	// accounts and regions say where the cause is; judged and columns are the
	// accounts and the columns of the map that it is seen in.
	accounts, regions, judged, columns set
	analyzer                           *inventory.Analyzer
	explanation                        explanation
}

// set keeps words in the order in which they first came.
type set struct {
	words []string
	index map[string]struct{}
}

func (s *set) add(w string) {
	if _, ok := s.index[w]; ok {
		return
	}
	if s.index == nil {
		s.index = map[string]struct{}{}
	}
	s.index[w] = struct{}{}
	s.words = append(s.words, w)
}

type groups map[cause]*group

func (gs groups) of(c cause) *group {
	g := gs[c]
	if g == nil {
		g = &group{cause: c, name: fmt.Sprint(c)}
		gs[c] = g
	}
	return g
}

// needsAttention puts what is uncovered, unknown or unread into groups, the
// most important first: uncovered before unknown before unread, and the larger
// before the smaller. more is how many groups beyond attentionLimit there are.
func (v *view) needsAttention() (list []attention, more int) {
	gs := groups{}
	v.groupUncovered(gs)
	v.groupFailures(gs)
	order := make([]*group, 0, len(gs))
	for _, g := range gs {
		order = append(order, g)
	}
	rank := []inventory.State{inventory.Uncovered, inventory.Unknown, unread}
	slices.SortFunc(order, func(a, b *group) int {
		return cmp.Or(
			cmp.Compare(slices.Index(rank, a.kind), slices.Index(rank, b.kind)),
			cmp.Compare(b.places, a.places),
			cmp.Compare(a.name, b.name),
		)
	})
	if more = len(order) - attentionLimit; more > 0 {
		order = order[:attentionLimit]
	}
	for _, g := range order {
		list = append(list, v.tell(g))
	}
	return list, max(0, more)
}

// groupUncovered groups by the analyzer that should cover and does not; where
// there is none, by the Regions that accounts lack one in.
func (v *view) groupUncovered(gs groups) {
	wide := v.bareRegions()
	for _, r := range v.accounts {
		lacking := map[inventory.Access][]string{}
		for _, d := range r.verdicts {
			a := d.Analyzer
			switch {
			case d.State != inventory.Uncovered:
			case a != nil:
				c := cause{access: d.Access, accountID: a.AccountID, analyzer: a.Name, analyzerType: a.Type, status: a.Status, statusReason: a.StatusReason}
				g := gs.of(c)
				g.add(d, a.AccountID, a.Region)
				g.analyzer = a
			case wide[bareKey{d.Access, d.Region}]:
				gs.of(cause{access: d.Access, fleetWide: true}).add(d, d.AccountID, d.Region)
			default:
				lacking[d.Access] = append(lacking[d.Access], d.Region)
			}
		}
		for access, regions := range lacking {
			g := gs.of(cause{access: access, regions: strings.Join(regions, " ")})
			for _, region := range regions {
				g.add(inventory.Verdict{AccountID: r.account.ID, Region: region}, r.account.ID, region)
			}
		}
	}
}

// add puts one uncovered place into a group.
func (g *group) add(d inventory.Verdict, accountID, region string) {
	g.kind = inventory.Uncovered
	g.places++
	g.judged.add(d.AccountID)
	g.columns.add(d.Region)
	g.accounts.add(accountID)
	g.regions.add(region)
}

type bareKey struct {
	access inventory.Access
	region string
}

// bareRegions finds the Regions in which nothing covers any account and several
// accounts of an organization have no analyzer at all: one for the organization
// is the shortest way out. Where there is an ACTIVE one all the same, the policy
// does not accept it.
func (v *view) bareRegions() map[bareKey]bool {
	bare, covered := map[bareKey]int{}, map[bareKey]bool{}
	for _, r := range v.accounts {
		for _, d := range r.verdicts {
			k := bareKey{d.Access, d.Region}
			if d.State == inventory.Covered {
				covered[k] = true
			}
			if d.State == inventory.Uncovered && d.Analyzer == nil && r.account.Organization != nil {
				bare[k]++
			}
		}
	}
	refused := map[bareKey]bool{}
	for _, a := range v.snapshot.Analyzers {
		if a.Scope() == inventory.OrganizationScope && a.Status == inventory.Active {
			refused[bareKey{a.Access(), a.Region}] = true
			if a.Access() == inventory.Unused {
				refused[bareKey{a.Access(), inventory.Global}] = true
			}
		}
	}
	wide := map[bareKey]bool{}
	for k, n := range bare {
		wide[k] = n > 1 && !covered[k] && !refused[k]
	}
	return wide
}

// groupFailures groups what could not be read by operation and cause. A
// snapshot also tells each failure as one of the targets that it leaves open;
// the verdicts there have the failure itself.
func (v *view) groupFailures(gs groups) {
	retold := map[inventory.Failure]bool{}
	for _, d := range v.snapshot.Verdicts {
		if d.State != inventory.Unknown || d.Failure == nil {
			continue
		}
		g := v.groupOf(gs, d.Failure)
		g.kind = inventory.Unknown
		g.places++
		g.judged.add(d.AccountID)
		g.columns.add(d.Region)
		retold[inventory.Failure{AccountID: d.AccountID, Region: d.Region, Operation: d.Failure.Operation, Reason: d.Failure.Reason}] = true
	}
	for _, f := range v.snapshot.Failures {
		f.Message = ""
		if !retold[f] {
			v.groupOf(gs, &f)
		}
	}
}

// groupOf adds a failure to the group of its cause.
func (v *view) groupOf(gs groups, f *inventory.Failure) *group {
	why := v.explainFailure(f)
	g := gs.of(cause{operation: f.Operation, reason: f.Reason, meaning: why.meaning})
	if g.explanation = why; g.kind == "" {
		g.kind = unread
	}
	if f.AccountID != "" {
		g.accounts.add(f.AccountID)
	}
	if f.Region != "" && f.Region != inventory.Global {
		g.regions.add(f.Region)
	}
	return g
}

// tell puts a group into words.
func (v *view) tell(g *group) attention {
	slices.Sort(g.accounts.words)
	slices.Sort(g.regions.words)
	t := attention{kind: g.kind, places: g.places}
	switch {
	case g.kind != inventory.Uncovered:
		v.tellFailure(g, &t)
	case g.analyzer != nil:
		v.tellAnalyzer(g, &t)
	default:
		v.tellNone(g, &t)
	}
	if g.kind != unread {
		t.filter = v.onMap(g)
	}
	return t
}

// onMap is a filter that leaves in what a group is about: its only account, or
// its only Region, or all places in that state.
func (v *view) onMap(g *group) filter {
	f := filter{page: 1, size: defaultPageSize, states: []inventory.State{g.kind}}
	if g.access != "" && len(v.accesses) > 1 {
		f.accesses = []inventory.Access{g.access}
	}
	if len(g.judged.words) == 1 {
		f.accounts = g.judged.words
	}
	if len(g.columns.words) == 1 {
		f.regions = g.columns.words
	}
	return f
}

func (v *view) tellNone(g *group, t *attention) {
	regions := g.regions.words
	in := "in " + some(regions)
	if g.access == inventory.Unused {
		in = "in any Region"
		regions = []string{v.homeRegion(g.accounts.words[0])}
	}
	scope := inventory.AccountScope
	switch {
	case g.fleetWide:
		scope = inventory.OrganizationScope
		t.headline = fmt.Sprintf("Nobody is known to look for %s access %s", g.access, in)
		t.where = v.accountList(g.accounts.words)
		t.advice = "One analyzer of the organization covers them all, where the policy accepts that scope:"
		t.runIn = v.admin("")
	case len(g.accounts.words) == 1:
		t.headline = fmt.Sprintf("%s has no analyzer for %s access %s", v.name(g.accounts.words[0]), g.access, in)
		t.advice = "This creates one:"
		t.runIn = v.name(g.accounts.words[0])
	default:
		t.headline = fmt.Sprintf("%s have no analyzer for %s access %s", plural(len(g.accounts.words), "account", "accounts"), g.access, in)
		t.where = v.accountList(g.accounts.words)
		t.advice = "This creates one:"
		t.runIn = "each of the accounts"
	}
	t.advice = costs[g.access] + t.advice
	t.command = createAnalyzer(g.access, scope, regions)
}

// costs are what to know before an analyzer of an access is created; those of
// external access are free.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/what-is-access-analyzer.html
var costs = map[inventory.Access]string{
	inventory.Unused:   "AWS charges for each IAM role and user; the age in days is yours to choose. ",
	inventory.Internal: "AWS charges for each resource; which ones are looked at is yours to choose. ",
}

// homeRegion is where an analyzer of unused access is put: any Region will do.
func (v *view) homeRegion(accountID string) string {
	regions := v.byID[accountID].Regions
	if len(regions) == 0 || slices.Contains(regions, "us-east-1") {
		return "us-east-1"
	}
	return regions[0]
}

func (v *view) tellAnalyzer(g *group, t *attention) {
	a := g.analyzer
	t.headline = fmt.Sprintf("%s analyzer %s of %s, %s, is %s",
		printable(a.Type), printable(a.Name), v.name(a.AccountID), some(g.regions.words), printable(a.Status))
	if len(g.judged.words) > 1 || g.judged.words[0] != a.AccountID {
		t.where = v.accountList(g.judged.words)
	}
	if a.Status != inventory.Active {
		if a.StatusReason != "" {
			t.headline += ": " + printable(a.StatusReason)
		}
		t.advice, t.command, t.runIn = v.repair(a, g.regions.words)
		return
	}
	t.headline += " but leaves out " + plural(len(g.judged.words), "account", "accounts")
	t.advice = "Change the analyzer's rule, or exempt them (coverage.exemptions), or give each an analyzer of its own:"
	t.command = createAnalyzer(g.access, inventory.AccountScope, g.regions.words)
	t.runIn = "each of the accounts"
}

func (v *view) tellFailure(g *group, t *attention) {
	t.headline = fmt.Sprintf("%s: %s, %s", printable(g.operation), g.reason, g.meaning)
	var where []string
	if len(g.accounts.words) > 0 {
		where = append(where, v.accountList(g.accounts.words))
	}
	if len(g.regions.words) > 0 {
		where = append(where, some(g.regions.words))
	}
	t.where = strings.Join(where, "; ")
	switch {
	case g.kind != unread:
	case len(g.regions.words) == 0:
		t.advice = "Accounts, Regions or administrators may be missing here. "
	default:
		t.advice = "Coverage is known all the same, from before or from elsewhere; findings or details of analyzers may be missing. "
	}
	t.advice += g.explanation.advice
	t.command = g.explanation.command
}

func (v *view) accountList(ids []string) string {
	names := slices.Clone(ids)
	for i := range min(len(ids), listed+1) {
		names[i] = v.name(ids[i])
	}
	return some(names)
}
