package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Findings are the findings of the whole fleet, each resource counted once.
//
// Organization analyzers and account analyzers analyze the same resources with
// different zones of trust, so their findings are never added up: there is a line for
// each scope, and Resources has the larger number where both report a resource. Of
// several analyzers with the same scope that analyze the
// same resources, the largest count is used. IAM is global, and an external
// access analyzer in every Region reports the same role: IAM resources count
// once for each account that owns them, as many as in the Region with the most.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-resources.html
type Findings struct {
	// Resources are by type, over all analyzers, sorted by type. Their scope is empty.
	// The dashboards and recorded series have the same numbers.
	Resources []FindingLine
	// Totals are of all accounts, with a line of zeros where nothing was found.
	// They are sorted by scope, the organization's first, and by type.
	Totals []FindingLine
	// Accounts are the same by owner, sorted by account first.
	Accounts []FindingLine
	// resources are Resources by owner.
	resources []FindingLine
	// Analyzers are those that have findings at all, Uncounted those of them
	// whose findings are not known.
	Analyzers, Uncounted int
	// Unread is the number of targets whose analyzers are not known, and Unlisted that
	// of accounts whose Regions are not: their findings are missing as well.
	Unread, Unlisted int
	// Since is when the oldest of the counts was made; zero when there is none.
	Since time.Time
	// Untyped is true if resource types are not recorded. IAM roles then count
	// once for each Region.
	Untyped bool
}

// FindingLine counts the findings of one type that analyzers of one scope have.
type FindingLine struct {
	// AccountID owns the resources; empty in a total.
	AccountID string
	// Type is a finding type of the API.
	Type  string
	Scope inventory.Scope
	// Public are those of the active that are public; only
	// ExternalAccess findings can be.
	Active, Public, Archived, Resolved int
	// Oldest is the creation time of the oldest active one; zero if none.
	Oldest time.Time
}

// Access is the access that the finding type is about; empty if this version does
// not support the type.
func (l FindingLine) Access() inventory.Access {
	switch {
	case l.Type == ExternalAccess:
		return inventory.External
	case l.Type == "InternalAccess":
		return inventory.Internal
	case strings.HasPrefix(l.Type, "Unused"):
		return inventory.Unused
	}
	return ""
}

// Owner is an account with the active findings of analyzers of one scope.
type Owner struct {
	AccountID string
	Scope     inventory.Scope
	Active    map[inventory.Access]int
	Public    int
	// Oldest is the creation time of the oldest active one.
	Oldest time.Time
}

func (o *Owner) total() (n int) {
	for _, active := range o.Active {
		n += active
	}
	return n
}

// Owners adds up the finding types of each access. Accounts with the most public
// findings come first, then those with the most active ones.
func (f Findings) Owners() []Owner { return ownersOf(f.Accounts) }

// ResourceOwners are the accounts that own the resources, without scopes, in the order
// of Owners.
func (f Findings) ResourceOwners() []Owner { return ownersOf(f.resources) }

func ownersOf(lines []FindingLine) []Owner {
	type key struct {
		accountID string
		scope     inventory.Scope
	}
	byKey := map[key]*Owner{}
	for _, l := range lines {
		if l.Active == 0 {
			continue
		}
		k := key{l.AccountID, l.Scope}
		o := byKey[k]
		if o == nil {
			o = &Owner{AccountID: l.AccountID, Scope: l.Scope, Active: map[inventory.Access]int{}}
			byKey[k] = o
		}
		o.Active[l.Access()] += l.Active
		o.Public += l.Public
		if o.Oldest.IsZero() || l.Oldest.Before(o.Oldest) {
			o.Oldest = l.Oldest
		}
	}
	var owners []Owner
	for _, o := range byKey {
		owners = append(owners, *o)
	}
	slices.SortFunc(owners, func(a, b Owner) int {
		return cmp.Or(
			cmp.Compare(b.Public, a.Public), cmp.Compare(b.total(), a.total()),
			cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(b.Scope, a.Scope),
		)
	})
	return owners
}

// ExternalAccess is the only finding type that distinguishes public from other access.
const ExternalAccess = "ExternalAccess"

// zone is what analyzers that report the same findings have in common.
type zone struct {
	access inventory.Access
	scope  inventory.Scope
	// account is empty for the organization's.
	account, region string
}

func zoneOf(a *inventory.Analyzer) zone {
	z := zone{access: a.Access(), scope: a.Scope(), region: a.Region}
	if z.scope == inventory.AccountScope {
		z.account = a.AccountID
	}
	return z
}

// shared identifies findings that more than one analyzer may report.
type shared struct {
	scope inventory.Scope
	// region is empty for what is global.
	region string
	inventory.FindingKey
}

// lineKey identifies a line; account is empty in a total.
type lineKey struct {
	account, findingType string
	scope                inventory.Scope
}

// lines are those in total and those of each owner.
type lines struct{ total, owned map[lineKey]*FindingLine }

// of returns the lines, in total and of the owner, that a finding is in.
func (ls lines) of(account, findingType string, scope inventory.Scope) [2]*FindingLine {
	line := func(in map[lineKey]*FindingLine, account string) *FindingLine {
		k := lineKey{account, findingType, scope}
		if in[k] == nil {
			in[k] = &FindingLine{AccountID: account, Type: findingType, Scope: scope}
		}
		return in[k]
	}
	return [2]*FindingLine{line(ls.total, ""), line(ls.owned, account)}
}

func (ls lines) add(scope inventory.Scope, k inventory.FindingKey, n int) {
	for _, l := range ls.of(k.AccountID, k.Type, scope) {
		l.add(k, n)
	}
}

func (l *FindingLine) add(k inventory.FindingKey, n int) {
	switch k.Status {
	case inventory.Active:
		l.Active += n
		if k.Public == "true" {
			l.Public += n
		}
	case "ARCHIVED":
		l.Archived += n
	case "RESOLVED":
		l.Resolved += n
	}
}

// Missing says what the totals do not include; empty if nothing is missing. Then
// they are exact, otherwise lower bounds.
func (f Findings) Missing() string {
	var parts []string
	if f.Uncounted > 0 {
		parts = append(parts, Plural(f.Uncounted, "analyzer", "analyzers")+" that could not be counted")
	}
	if f.Unread > 0 {
		parts = append(parts, Plural(f.Unread, "target", "targets")+" that could not be read")
	}
	if f.Unlisted > 0 {
		parts = append(parts, "Regions of "+Plural(f.Unlisted, "account", "accounts")+" that could not be listed")
	}
	if len(parts) == 0 {
		return ""
	}
	return "without " + strings.Join(parts, ", ")
}

// Findings counts them.
func (s *Summary) Findings() Findings {
	t := Findings{Unlisted: s.unlistedAccounts()}
	for _, target := range s.snapshot.Targets {
		if target.Unlisted {
			t.Unread++
		}
	}
	for _, a := range s.snapshot.Analyzers {
		if a.Access() != "" {
			t.Analyzers++
		}
	}
	// The findings of an analyzer of an unknown type stay uncounted here: which access
	// they are about is not known.
	for _, f := range s.snapshot.Findings {
		if f.Analyzer.Access() == "" {
			t.Analyzers++
		}
	}
	for _, n := range s.snapshot.UncountedAnalyzers() {
		t.Uncounted += n
	}
	analyzers := map[zone]int{}
	for _, f := range s.snapshot.Findings {
		analyzers[zoneOf(f.Analyzer)]++
	}
	all := lines{map[lineKey]*FindingLine{}, map[lineKey]*FindingLine{}}
	either := lines{map[lineKey]*FindingLine{}, map[lineKey]*FindingLine{}}
	mostOfEither := map[shared]int{}
	scopes := scopesOf(s.snapshot)
	most := map[shared]int{}
	for _, f := range s.snapshot.Findings {
		if f.Findings == nil || f.Analyzer.Access() == "" {
			continue
		}
		if at := f.Findings.CountedAt; t.Since.IsZero() || at.Before(t.Since) {
			t.Since = at
		}
		scope := f.Analyzer.Scope()
		t.addAnalyzer(f, scope, all, most, analyzers[zoneOf(f.Analyzer)] > 1)
		if len(scopes[f.Analyzer.Access()]) > 1 {
			t.addAnalyzer(f, "", either, mostOfEither, true)
		}
	}
	for k, n := range most {
		all.add(k.scope, k.FindingKey, n)
	}
	for k, n := range mostOfEither {
		either.add(k.scope, k.FindingKey, n)
	}
	t.Totals, t.Accounts = sorted(all.total), sorted(all.owned)
	t.Resources = withoutScope(t.Totals, scopes, sorted(either.total))
	t.resources = withoutScope(t.Accounts, scopes, sorted(either.owned))
	return t
}

// withoutScope returns the lines of each access: of one with several scopes those of
// either, else those of its scope.
func withoutScope(lines []FindingLine, scopes map[inventory.Access]map[inventory.Scope]bool, either []FindingLine) []FindingLine {
	for _, l := range lines {
		if len(scopes[l.Access()]) < 2 {
			l.Scope = ""
			either = append(either, l)
		}
	}
	slices.SortFunc(either, compareLines)
	return either
}

// scopesOf returns the scopes of the analyzers whose findings were counted. With one
// scope the numbers of the scope are those of the resources, and need not be computed
// again.
func scopesOf(s *inventory.Snapshot) map[inventory.Access]map[inventory.Scope]bool {
	scopes := map[inventory.Access]map[inventory.Scope]bool{}
	for _, f := range s.Findings {
		access := f.Analyzer.Access()
		if f.Findings == nil || access == "" {
			continue
		}
		if scopes[access] == nil {
			scopes[access] = map[inventory.Scope]bool{}
		}
		scopes[access][f.Analyzer.Scope()] = true
	}
	return scopes
}

// Lines are the resources and then the totals of each scope; with a single scope the
// totals alone, which are the same.
func (f Findings) Lines() []FindingLine {
	if len(f.Totals) == 0 || f.Totals[0].Scope == f.Totals[len(f.Totals)-1].Scope {
		return f.Totals
	}
	return slices.Concat(f.Resources, f.Totals)
}

// Public is the number of active public findings, with each resource counted once.
func (f Findings) Public() int {
	n := 0
	for _, l := range f.Resources {
		n += l.Public
	}
	return n
}

func sorted(lines map[lineKey]*FindingLine) []FindingLine {
	var all []FindingLine
	for _, l := range lines {
		all = append(all, *l)
	}
	slices.SortFunc(all, compareLines)
	return all
}

func compareLines(a, b FindingLine) int {
	return cmp.Or(
		cmp.Compare(a.AccountID, b.AccountID),
		cmp.Compare(b.Scope, a.Scope),
		cmp.Compare(a.Type, b.Type),
	)
}

// addAnalyzer adds up what only this analyzer reports, and keeps the largest
// count of what others report too.
func (t *Findings) addAnalyzer(f inventory.AnalyzerFindings, scope inventory.Scope, all lines, most map[shared]int, several bool) {
	for _, findingType := range f.Analyzer.FindingTypes() {
		all.of(f.Analyzer.AccountID, findingType, scope) // nothing found is a line of zeros
	}
	for k, n := range f.Findings.Counts {
		t.Untyped = t.Untyped || (k.ResourceType == "" && f.Analyzer.Access() == inventory.External)
		s := shared{scope: scope, region: f.Analyzer.Region, FindingKey: k}
		if k.Global() {
			s.region = ""
		} else if !several {
			all.add(scope, k, n)
			continue
		}
		most[s] = max(most[s], n)
	}
	for k, at := range f.Findings.OldestActive {
		for _, l := range all.of(k.AccountID, k.Type, scope) {
			if l.Oldest.IsZero() || at.Before(l.Oldest) {
				l.Oldest = at
			}
		}
	}
}
