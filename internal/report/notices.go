package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Notice is one thing that somebody should look at: places that are in the same
// state for the same cause, so that one fix is told once.
type Notice struct {
	// Kind is Uncovered, Unknown or Unread.
	Kind inventory.State
	// Places is how many coverage verdicts depend on it; 0 for Unread.
	Places int
	// Headline says what is wrong and Where, which may be empty, in which
	// accounts or Regions. They are phrases.
	Headline, Where string
	// Advice is what to do: sentences. Command, empty if there is none, is for a
	// POSIX shell, with whatever AWS named quoted; RunIn says in words with the
	// credentials of which account.
	Advice, Command, RunIn string
	// Said is what AWS said, of one of the failures. Only those who have the
	// exporter's credentials may see it.
	Said string
	// Access is empty for what could not be read. Accounts and Regions are the
	// IDs and columns of the places.
	Access            inventory.Access
	Accounts, Regions []string
}

// Unread is the kind of a failure that left coverage known.
const Unread inventory.State = "unread"

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
	said                               string
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

// Notices puts what is uncovered, unknown or unread into groups, the most
// important first: uncovered before unknown before unread, and the larger before
// the smaller. more is how many there are beyond the limit.
func (s *Summary) Notices(limit int) (list []Notice, more int) {
	gs := groups{}
	s.groupUncovered(gs)
	s.groupFailures(gs)
	order := make([]*group, 0, len(gs))
	for _, g := range gs {
		order = append(order, g)
	}
	rank := []inventory.State{inventory.Uncovered, inventory.Unknown, Unread}
	slices.SortFunc(order, func(a, b *group) int {
		return cmp.Or(
			cmp.Compare(slices.Index(rank, a.kind), slices.Index(rank, b.kind)),
			cmp.Compare(b.places, a.places),
			cmp.Compare(a.name, b.name),
		)
	})
	if more = len(order) - limit; more > 0 {
		order = order[:limit]
	}
	for _, g := range order {
		list = append(list, s.tell(g))
	}
	return list, max(0, more)
}

// groupUncovered groups by the analyzer that should cover and does not; where
// there is none, by the Regions that accounts lack one in.
func (s *Summary) groupUncovered(gs groups) {
	wide := s.bareRegions()
	for r := range s.Rows {
		lacking := map[inventory.Access][]string{}
		for _, d := range r.Verdicts {
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
				g.add(inventory.Verdict{AccountID: r.Account.ID, Region: region}, r.Account.ID, region)
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
func (s *Summary) bareRegions() map[bareKey]bool {
	bare, covered := map[bareKey]int{}, map[bareKey]bool{}
	for r := range s.Rows {
		for _, d := range r.Verdicts {
			k := bareKey{d.Access, d.Region}
			if d.State == inventory.Covered {
				covered[k] = true
			}
			if d.State == inventory.Uncovered && d.Analyzer == nil && r.Account.Organization != nil {
				bare[k]++
			}
		}
	}
	refused := map[bareKey]bool{}
	for _, a := range s.snapshot.Analyzers {
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
func (s *Summary) groupFailures(gs groups) {
	retold := map[inventory.Failure]bool{}
	for _, d := range s.snapshot.Verdicts {
		if d.State != inventory.Unknown || d.Failure == nil {
			continue
		}
		g := s.groupOf(gs, d.Failure)
		g.kind = inventory.Unknown
		g.places++
		g.judged.add(d.AccountID)
		g.columns.add(d.Region)
		retold[inventory.Failure{AccountID: d.AccountID, Region: d.Region, Operation: d.Failure.Operation, Reason: d.Failure.Reason}] = true
	}
	for _, f := range s.snapshot.Failures {
		if !retold[inventory.Failure{AccountID: f.AccountID, Region: f.Region, Operation: f.Operation, Reason: f.Reason}] {
			s.groupOf(gs, &f)
		}
	}
}

// groupOf adds a failure to the group of its cause.
func (s *Summary) groupOf(gs groups, f *inventory.Failure) *group {
	why := s.explainFailure(f)
	g := gs.of(cause{operation: f.Operation, reason: f.Reason, meaning: why.meaning})
	if g.explanation = why; g.kind == "" {
		g.kind = Unread
	}
	g.said = cmp.Or(g.said, f.Message)
	if f.AccountID != "" {
		g.accounts.add(f.AccountID)
	}
	if f.Region != "" && f.Region != inventory.Global {
		g.regions.add(f.Region)
	}
	return g
}

// tell puts a group into words.
func (s *Summary) tell(g *group) Notice {
	slices.Sort(g.accounts.words)
	slices.Sort(g.regions.words)
	n := Notice{
		Kind: g.kind, Places: g.places, Said: Printable(g.said),
		Access: g.access, Accounts: g.judged.words, Regions: g.columns.words,
	}
	switch {
	case g.kind != inventory.Uncovered:
		s.tellFailure(g, &n)
	case g.analyzer != nil:
		s.tellAnalyzer(g, &n)
	default:
		s.tellNone(g, &n)
	}
	return n
}

func (s *Summary) tellNone(g *group, n *Notice) {
	regions := g.regions.words
	in := "in " + some(regions)
	if g.access == inventory.Unused {
		in = "in any Region"
		regions = []string{s.homeRegion(g.accounts.words[0])}
	}
	scope := inventory.AccountScope
	switch {
	case g.fleetWide:
		scope = inventory.OrganizationScope
		n.Headline = fmt.Sprintf("Nobody is known to look for %s access %s", g.access, in)
		n.Where = s.accountList(g.accounts.words)
		n.Advice = "One analyzer of the organization covers them all, where the policy accepts that scope:"
		n.RunIn = s.admin("")
	case len(g.accounts.words) == 1:
		n.Headline = fmt.Sprintf("%s has no analyzer for %s access %s", s.Name(g.accounts.words[0]), g.access, in)
		n.Advice = "This creates one:"
		n.RunIn = s.Name(g.accounts.words[0])
	default:
		n.Headline = fmt.Sprintf("%s have no analyzer for %s access %s", Plural(len(g.accounts.words), "account", "accounts"), g.access, in)
		n.Where = s.accountList(g.accounts.words)
		n.Advice = "This creates one:"
		n.RunIn = "each of the accounts"
	}
	n.Advice = costs[g.access] + n.Advice
	n.Command = createAnalyzer(g.access, scope, regions)
}

// costs are what to know before an analyzer of an access is created; those of
// external access are free.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/what-is-access-analyzer.html
var costs = map[inventory.Access]string{
	inventory.Unused:   "AWS charges for each IAM role and user; the age in days is yours to choose. ",
	inventory.Internal: "AWS charges for each resource; which ones are looked at is yours to choose. ",
}

// homeRegion is where an analyzer of unused access is put: any Region will do.
func (s *Summary) homeRegion(accountID string) string {
	regions := s.byID[accountID].Regions
	if len(regions) == 0 || slices.Contains(regions, "us-east-1") {
		return "us-east-1"
	}
	return regions[0]
}

func (s *Summary) tellAnalyzer(g *group, n *Notice) {
	a := g.analyzer
	n.Headline = fmt.Sprintf("%s analyzer %s of %s, %s, is %s",
		Printable(a.Type), Printable(a.Name), s.Name(a.AccountID), some(g.regions.words), Printable(a.Status))
	if len(g.judged.words) > 1 || g.judged.words[0] != a.AccountID {
		n.Where = s.accountList(g.judged.words)
	}
	if a.Status != inventory.Active {
		if a.StatusReason != "" {
			n.Headline += ": " + Printable(a.StatusReason)
		}
		n.Advice, n.Command, n.RunIn = s.repair(a, g.regions.words)
		return
	}
	n.Headline += " but leaves out " + Plural(len(g.judged.words), "account", "accounts")
	n.Advice = "Change the analyzer's rule, or exempt them (coverage.exemptions), or give each an analyzer of its own:"
	n.Command = createAnalyzer(g.access, inventory.AccountScope, g.regions.words)
	n.RunIn = "each of the accounts"
}

func (s *Summary) tellFailure(g *group, n *Notice) {
	n.Headline = fmt.Sprintf("%s: %s, %s", Printable(g.operation), g.reason, g.meaning)
	var where []string
	if len(g.accounts.words) > 0 {
		where = append(where, s.accountList(g.accounts.words))
	}
	if len(g.regions.words) > 0 {
		where = append(where, some(g.regions.words))
	}
	n.Where = strings.Join(where, "; ")
	switch {
	case g.kind != Unread:
	case len(g.regions.words) == 0:
		n.Advice = "Accounts, Regions or administrators may be missing here. "
	default:
		n.Advice = "Coverage is known all the same, from before or from elsewhere; findings or details of analyzers may be missing. "
	}
	n.Advice += g.explanation.advice
	n.Command = g.explanation.command
}

func (s *Summary) accountList(ids []string) string {
	names := slices.Clone(ids)
	for i := range min(len(ids), listed+1) {
		names[i] = s.Name(ids[i])
	}
	return some(names)
}
