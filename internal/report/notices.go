package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
)

// Notice is a problem that needs attention: targets that are in the same state
// for the same cause, so that its fix is listed once.
type Notice struct {
	// Kind is Uncovered, Unknown, Unlisted or Unread.
	Kind inventory.State
	// Targets is the number of coverage verdicts that depend on it; 0 for Unlisted and
	// Unread, and if there are none at all.
	Targets int
	// Headline is the problem, and Where the accounts or Regions, which may be
	// empty. Both are phrases.
	Headline, Where string
	// Advice is what to do, in sentences. Command, empty if there is none, is for a
	// POSIX shell, with names quoted. RunIn is the account whose credentials the
	// command needs.
	Advice, Command, RunIn string
	// Steps follow the command, each with a command of its own.
	Steps []Step
	// Message is the error message of AWS for one of the failures. It may hold
	// ARNs and authorization IDs, and is only for holders of the exporter's
	// credentials.
	Message string
	// Access is empty for what could not be read. Accounts and Regions are the
	// IDs and columns of the targets.
	Access            inventory.Access
	Accounts, Regions []string
	// cause identifies the group.
	cause cause
}

// Step is a command, and the sentences that introduce it. Each is pasted alone: one
// that deletes must not run together with the others.
type Step struct{ Advice, Command string }

// Kinds of failures on which no verdict depends.
const (
	// Unlisted: accounts, Regions or administrators may be missing, so that targets
	// have no verdict at all.
	Unlisted inventory.State = "unlisted"
	// Unread: the coverage is known.
	Unread inventory.State = "unread"
)

// cause is the key of a group. Each kind of group uses some of the fields.
type cause struct {
	access inventory.Access
	// Of an analyzer that is not ACTIVE, or excludes accounts.
	accountID, analyzer, analyzerType, status, statusReason string
	// regions joins the Regions in which accounts have no analyzer; fleetWide is
	// true if no account has one.
	regions   string
	fleetWide bool
	// noTargets is the key that excludes every target.
	noTargets string
	// Of a failure.
	operation string
	reason    inventory.Reason
	meaning   string
}

// group is what has one cause.
type group struct {
	cause
	// name orders groups of the same size, so that the order is stable.
	name    string
	kind    inventory.State
	targets int
	// accounts and regions are where the cause is; judged and columns are the
	// accounts and the columns of the matrix that it affects.
	accounts, regions, judged, columns set
	// known are the targets that fail for the same cause, but whose coverage is
	// known; lists is whether it also concerns lists of accounts or Regions.
	known    set
	lists    bool
	analyzer *inventory.Analyzer
	remedy   remedy.Remedy
	message  string
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

// Notices groups what is uncovered, unknown, unlisted or unread, the most important
// first: in that order, and larger groups before smaller ones.
// more is the number of groups beyond the limit.
func (s *Summary) Notices(limit int) (list []Notice, more int) {
	gs := groups{}
	if key := s.snapshot.NoTargets; key != "" {
		gs.of(cause{noTargets: key}).kind = inventory.Unknown
	}
	s.groupUncovered(gs)
	s.groupFailures(gs)
	order := make([]*group, 0, len(gs))
	for _, g := range gs {
		order = append(order, g)
	}
	rank := []inventory.State{inventory.Uncovered, inventory.Unknown, Unlisted, Unread}
	slices.SortFunc(order, func(a, b *group) int {
		return cmp.Or(
			cmp.Compare(slices.Index(rank, a.kind), slices.Index(rank, b.kind)),
			cmp.Compare(b.targets, a.targets),
			cmp.Compare(a.name, b.name),
		)
	})
	if more = len(order) - limit; more > 0 {
		order = order[:limit]
	}
	for _, g := range order {
		list = append(list, s.notice(g))
	}
	return list, max(0, more)
}

// groupUncovered groups by the analyzer that would cover if it were ACTIVE; where
// there is none, by the Regions in which accounts have no analyzer.
func (s *Summary) groupUncovered(gs groups) {
	wide := s.bareRegions()
	for r := range s.Rows {
		without := withoutAnalyzer(r, wide)
		for _, d := range r.Verdicts {
			if d.State != inventory.Uncovered {
				continue
			}
			g := gs.of(uncoveredCause(d, wide, without))
			if a := d.Analyzer; a != nil {
				g.add(d, a.AccountID, a.Region)
				g.analyzer = a
			} else {
				g.add(d, d.AccountID, d.Region)
			}
		}
	}
}

// withoutAnalyzer joins the Regions in which the account of a row, unlike others, has
// no analyzer.
func withoutAnalyzer(r Row, wide map[bareKey]bool) map[inventory.Access]string {
	regions := map[inventory.Access][]string{}
	for _, d := range r.Verdicts {
		if d.State == inventory.Uncovered && d.Analyzer == nil && !wide[bareKey{d.Access, d.Region}] {
			regions[d.Access] = append(regions[d.Access], d.Region)
		}
	}
	joined := map[inventory.Access]string{}
	for access, rs := range regions {
		joined[access] = strings.Join(rs, " ")
	}
	return joined
}

// uncoveredCause is the cause of an uncovered target.
func uncoveredCause(d inventory.Verdict, wide map[bareKey]bool, without map[inventory.Access]string) cause {
	switch a := d.Analyzer; {
	case a != nil:
		return cause{access: d.Access, accountID: a.AccountID, analyzer: a.Name, analyzerType: a.Type, status: a.Status, statusReason: a.StatusReason}
	case wide[bareKey{d.Access, d.Region}]:
		return cause{access: d.Access, fleetWide: true}
	}
	return cause{access: d.Access, regions: without[d.Access]}
}

// unknownCause is the cause of a failure.
func (s *Summary) unknownCause(f *inventory.Failure) cause {
	return cause{operation: f.Operation, reason: f.Reason, meaning: s.remedy(f).Meaning}
}

// Index finds the notice of a target.
type Index struct {
	summary  *Summary
	wide     map[bareKey]bool
	position map[cause]int
}

// IndexOf returns the index of a list that Notices returned.
func (s *Summary) IndexOf(list []Notice) Index {
	x := Index{s, s.bareRegions(), map[cause]int{}}
	for i, n := range list {
		x.position[n.cause] = i
	}
	return x
}

// Positions returns, by target, the position in the list of the notice that it
// belongs to. Targets without a notice in the list are missing.
func (x Index) Positions(r Row) map[Column]int {
	positions := map[Column]int{}
	without := withoutAnalyzer(r, x.wide)
	for _, d := range r.Verdicts {
		var c cause
		switch {
		case d.State == inventory.Uncovered:
			c = uncoveredCause(d, x.wide, without)
		case d.State == inventory.Unknown && d.Failure != nil:
			c = x.summary.unknownCause(d.Failure)
		default:
			continue
		}
		if i, ok := x.position[c]; ok {
			positions[Column{d.Region, d.Access}] = i
		}
	}
	return positions
}

// add adds an uncovered target to a group.
func (g *group) add(d inventory.Verdict, accountID, region string) {
	g.kind = inventory.Uncovered
	g.targets++
	g.judged.add(d.AccountID)
	g.columns.add(d.Region)
	g.accounts.add(accountID)
	g.regions.add(region)
}

type bareKey struct {
	access inventory.Access
	region string
}

// bareRegions returns the Regions in which no account is covered and several
// accounts of an organization have no analyzer. An organization analyzer is the
// shortest fix there, unless the policy rejects it: then the Region has an ACTIVE
// one.
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
	rejected := map[bareKey]bool{}
	for _, a := range s.snapshot.Analyzers {
		if a.Scope() == inventory.OrganizationScope && a.Status == inventory.Active {
			rejected[bareKey{a.Access(), a.Region}] = true
			if a.Access() == inventory.Unused {
				rejected[bareKey{a.Access(), inventory.Global}] = true
			}
		}
	}
	wide := map[bareKey]bool{}
	for k, n := range bare {
		wide[k] = n > 1 && !covered[k] && !rejected[k]
	}
	return wide
}

// groupFailures groups what could not be read by operation and cause. A
// snapshot also has each failure as one of the targets that it leaves unknown;
// the verdicts there have the failure itself.
func (s *Summary) groupFailures(gs groups) {
	reported := map[inventory.Failure]bool{}
	unknown := map[inventory.Target]bool{}
	for _, d := range s.snapshot.Verdicts {
		if d.State != inventory.Unknown || d.Failure == nil {
			continue
		}
		g := s.groupOf(gs, d.Failure)
		g.kind = inventory.Unknown
		g.targets++
		g.judged.add(d.AccountID)
		g.columns.add(d.Region)
		g.failedAt(d.Failure)
		unknown[inventory.Target{AccountID: d.AccountID, Region: d.Region}] = true
		reported[inventory.Failure{AccountID: d.AccountID, Region: d.Region, Operation: d.Failure.Operation, Reason: d.Failure.Reason}] = true
	}
	for _, f := range s.snapshot.Failures {
		if reported[inventory.Failure{AccountID: f.AccountID, Region: f.Region, Operation: f.Operation, Reason: f.Reason}] {
			continue
		}
		g := s.groupOf(gs, &f)
		target := inventory.Target{AccountID: f.AccountID, Region: f.Region}
		switch {
		case aboutLabels(f.Operation): // no target depends on them
		case !regional(f.Region):
			g.lists = true
		case !unknown[target]:
			g.known.add(f.AccountID + " " + f.Region)
		}
		if g.kind == inventory.Unknown {
			continue // the targets whose coverage is unknown are listed
		}
		g.failedAt(&f)
		if g.kind = Unread; g.lists {
			g.kind = Unlisted
		}
	}
}

// aboutLabels reports whether an operation reads labels of accounts.
func aboutLabels(operation string) bool {
	return operation == "ListTagsForResource" || operation == "DescribeOrganizationalUnit"
}

// regional is false for what concerns an account, or the fleet, as a whole.
func regional(region string) bool { return region != "" && region != inventory.Global }

// groupOf returns the group of a failure's cause.
func (s *Summary) groupOf(gs groups, f *inventory.Failure) *group {
	why := s.remedy(f)
	g := gs.of(s.unknownCause(f))
	g.remedy = why
	g.message = cmp.Or(g.message, f.Message)
	return g
}

// failedAt adds the account and Region of a request that failed.
func (g *group) failedAt(f *inventory.Failure) {
	if f.AccountID != "" {
		g.accounts.add(f.AccountID)
	}
	if regional(f.Region) {
		g.regions.add(f.Region)
	}
}

// notice describes a group.
func (s *Summary) notice(g *group) Notice {
	slices.Sort(g.accounts.words)
	slices.Sort(g.regions.words)
	n := Notice{
		cause: g.cause, Kind: g.kind, Targets: g.targets, Message: printable(g.message, maxMessage),
		Access: g.access, Accounts: g.judged.words, Regions: g.columns.words,
	}
	switch {
	case g.noTargets != "":
		n.Headline = Capital(s.NoTargets())
		n.Advice = "Nothing is monitored. Correct or remove " + g.noTargets + "."
	case g.kind != inventory.Uncovered:
		s.describeFailure(g, &n)
	case g.analyzer != nil:
		s.describeAnalyzer(g, &n)
	default:
		s.describeMissing(g, &n)
	}
	return n
}

func (s *Summary) describeMissing(g *group, n *Notice) {
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
		n.Headline = fmt.Sprintf("No %s access analyzer found %s", g.access, in)
		n.Where = s.accountList(g.accounts.words)
		n.Advice = "One organization analyzer covers them all if the policy accepts that scope:"
		n.RunIn = s.admin("")
	case len(g.accounts.words) == 1:
		n.Headline = fmt.Sprintf("%s has no %s access analyzer %s", s.Name(g.accounts.words[0]), g.access, in)
		n.Advice = "This creates one:"
		n.RunIn = s.Name(g.accounts.words[0])
	default:
		n.Headline = fmt.Sprintf("%s have no %s access analyzer %s", Plural(len(g.accounts.words), "account", "accounts"), g.access, in)
		n.Where = s.accountList(g.accounts.words)
		n.Advice = "This creates one:"
		n.RunIn = "each of the accounts"
	}
	n.Advice = costs[g.access] + n.Advice
	n.Command = createAnalyzer(g.access, scope, regions)
}

// costs are the charges for an analyzer of each access; external access
// analyzers are free.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/what-is-access-analyzer.html
var costs = map[inventory.Access]string{
	inventory.Unused:   "AWS charges for each IAM role and user; choose the age in days. ",
	inventory.Internal: "AWS charges for each resource; choose which ones to analyze. ",
}

// homeRegion is the Region in which to create an unused access analyzer. Any
// Region of the account works.
func (s *Summary) homeRegion(accountID string) string {
	regions := s.byID[accountID].Regions
	if len(regions) == 0 || slices.Contains(regions, "us-east-1") {
		return "us-east-1"
	}
	return regions[0]
}

func (s *Summary) describeAnalyzer(g *group, n *Notice) {
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
		n.Advice, n.Command, n.RunIn, n.Steps = s.repair(a, g.regions.words)
		return
	}
	n.Headline += " but excludes " + Plural(len(g.judged.words), "account", "accounts")
	n.Advice = "Change the analyzer's rule, or exempt them (coverage.exemptions), or create an account analyzer in each:"
	n.Command = createAnalyzer(g.access, inventory.AccountScope, g.regions.words)
	n.RunIn = "each of the accounts"
}

func (s *Summary) describeFailure(g *group, n *Notice) {
	n.Headline = fmt.Sprintf("%s: %s, %s", Printable(g.operation), g.reason, g.meaning)
	n.Command = g.remedy.Command
	switch g.kind {
	case inventory.Unknown:
		s.describeUnknown(g, n)
		return
	case Unlisted:
		n.Advice = "Accounts, Regions or administrators may be missing, and with them targets. "
		if len(g.known.words) > 0 {
			n.Advice += Plural(len(g.known.words), "target", "targets") + " could not be read either, but their coverage is known. "
		}
	case Unread:
		if aboutLabels(g.operation) {
			n.Advice = "Labels of accounts may be missing, by which alerts are routed. " + g.remedy.Fix
			return
		}
		n.Advice = "Coverage is still known, from the last known state or from another analyzer. Findings or details of analyzers may be missing. "
	}
	n.Where = s.accountsAndRegions(g.accounts.words, g.regions.words)
	n.Advice += g.remedy.Fix
}

// describeUnknown lists the targets whose coverage is unknown, then the accounts in
// which requests failed, if these are others.
func (s *Summary) describeUnknown(g *group, n *Notice) {
	slices.Sort(g.judged.words)
	slices.SortFunc(g.columns.words, CompareRegions)
	n.Where = s.accountsAndRegions(g.judged.words, g.columns.words)
	if len(g.accounts.words) > 0 && !slices.Equal(g.accounts.words, g.judged.words) {
		n.Where += "; it failed in " + s.accountList(g.accounts.words)
	}
	if also := len(g.known.words); also > 0 {
		n.Advice = Plural(also, "more target", "more targets") + " could not be read for the same cause, but their coverage is known. "
	}
	if g.lists {
		n.Advice += "Accounts or Regions may be missing, and with them targets. "
	}
	n.Advice += g.remedy.Fix
}

func (s *Summary) accountsAndRegions(accounts, regions []string) string {
	var where []string
	if len(accounts) > 0 {
		where = append(where, s.accountList(accounts))
	}
	if len(regions) > 0 {
		where = append(where, some(regions))
	}
	return strings.Join(where, "; ")
}

func (s *Summary) accountList(ids []string) string {
	names := slices.Clone(ids)
	for i := range min(len(ids), listed+1) {
		names[i] = s.Name(ids[i])
	}
	return some(names)
}
