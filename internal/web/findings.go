package web

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"access-analyzer-exporter/internal/inventory"
)

// findingTotals are the findings of the whole fleet, each thing counted once.
//
// An analyzer of the organization and one of the account look at the same
// resources with different zones of trust, so their findings are never added
// up: there is a line for each scope. Of several analyzers with the same scope
// that look at the same resources, the largest count is taken. IAM is global,
// and an external access analyzer in every Region reports the same role: IAM's
// resources count once for each account that owns them, as many as in the
// Region that has the most.
type findingTotals struct {
	// lines are sorted by scope, the organization's first.
	lines []findingTotal
	// analyzers are those that have findings at all, uncounted those of them
	// whose findings are not known.
	analyzers, uncounted int
	// since is when the oldest of the counts was made; zero when there is none.
	since time.Time
	// untyped tells that resource types are not recorded, so that IAM roles
	// cannot be told from the rest and count once for each Region.
	untyped bool
}

// externalAccess is the only finding type that tells public from other access.
const externalAccess = "ExternalAccess"

type findingTotal struct {
	findingType string
	scope       inventory.Scope
	// public are those of the active that are open to everybody.
	active, public, archived, resolved int
	// oldest is the creation time of the oldest active one; zero if none.
	oldest time.Time
}

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

type lineKey struct {
	findingType string
	scope       inventory.Scope
}

func totalFindings(snap *inventory.Snapshot) findingTotals {
	var t findingTotals
	for _, a := range snap.Analyzers {
		if a.Access() != "" {
			t.analyzers++
		}
	}
	t.uncounted = t.analyzers
	watchers := map[zone]int{}
	for _, f := range snap.Findings {
		watchers[zoneOf(f.Analyzer)]++
	}
	lines := map[lineKey]*findingTotal{}
	most := map[shared]int{}
	for _, f := range snap.Findings {
		if f.Findings == nil || f.Analyzer.Access() == "" {
			continue
		}
		t.uncounted--
		if at := f.Findings.CountedAt; t.since.IsZero() || at.Before(t.since) {
			t.since = at
		}
		t.addAnalyzer(f, lines, most, watchers[zoneOf(f.Analyzer)] > 1)
	}
	for k, n := range most {
		lines[lineKey{k.Type, k.scope}].add(k.FindingKey, n)
	}
	for _, l := range lines {
		t.lines = append(t.lines, *l)
	}
	slices.SortFunc(t.lines, func(a, b findingTotal) int {
		return cmp.Or(cmp.Compare(b.scope, a.scope), cmp.Compare(a.findingType, b.findingType))
	})
	return t
}

// addAnalyzer adds up what only this analyzer reports, and keeps the largest
// count of what others report too.
func (t *findingTotals) addAnalyzer(f inventory.AnalyzerFindings, lines map[lineKey]*findingTotal, most map[shared]int, watched bool) {
	scope := f.Analyzer.Scope()
	line := func(findingType string) *findingTotal {
		k := lineKey{findingType, scope}
		if lines[k] == nil {
			lines[k] = &findingTotal{findingType: findingType, scope: scope}
		}
		return lines[k]
	}
	for _, findingType := range f.Analyzer.FindingTypes() {
		line(findingType) // nothing found is a line of zeros
	}
	for k, n := range f.Findings.Counts {
		l := line(k.Type)
		t.untyped = t.untyped || (k.ResourceType == "" && f.Analyzer.Access() == inventory.External)
		s := shared{scope: scope, region: f.Analyzer.Region, FindingKey: k}
		if global(f.Analyzer, k) {
			s.region = ""
		} else if !watched {
			l.add(k, n)
			continue
		}
		most[s] = max(most[s], n)
	}
	for k, at := range f.Findings.OldestActive {
		if l := line(k.Type); l.oldest.IsZero() || at.Before(l.oldest) {
			l.oldest = at
		}
	}
}

// global tells whether analyzers in every Region report the same resource.
func global(a *inventory.Analyzer, k inventory.FindingKey) bool {
	return a.Access() == inventory.Unused || strings.HasPrefix(k.ResourceType, "AWS::IAM::")
}

func (l *findingTotal) add(k inventory.FindingKey, n int) {
	switch k.Status {
	case inventory.Active:
		l.active += n
		if k.Public == "true" {
			l.public += n
		}
	case "ARCHIVED":
		l.archived += n
	case "RESOLVED":
		l.resolved += n
	}
}
