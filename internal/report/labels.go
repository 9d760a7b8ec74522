package report

import (
	"cmp"
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// LabelGroups are the accounts in scope by the value of one label.
type LabelGroups struct {
	// Label is the name of the label, and Title what it is for people: the key of the
	// tag.
	Label, Title string
	Groups       []LabelGroup
}

// LabelGroup is the coverage and the findings of the accounts that have the same
// value of a label.
type LabelGroup struct {
	// Value is empty for accounts without a value. Name is that of an OU.
	Value, Name string
	// Unknown marks the accounts whose labels are not known.
	Unknown  bool
	Accounts int
	// Tallies are those of the required accesses, in the order of Summary.Tallies.
	Tallies []AccessTally
	// Resources are the findings of the accounts, each resource counted once, by type,
	// and Findings the same by scope and type.
	Resources, Findings []FindingLine
}

// Sum adds up the tallies of all accesses.
func (g LabelGroup) Sum() Tally {
	sum := Tally{}
	for _, t := range g.Tallies {
		for state, n := range t.Tally {
			sum[state] += n
		}
	}
	return sum
}

// Active returns the number of active findings and of the public ones among them, each
// resource counted once.
func (g LabelGroup) Active() (active, public int) {
	for _, l := range g.Resources {
		active += l.Active
		public += l.Public
	}
	return active, public
}

// ByLabel groups the accounts by each label, the groups with the most uncovered and
// unknown targets first, those of unknown labels last. An OU is identified by its
// path, because several can have the same name. found are the findings of the summary.
func (s *Summary) ByLabel(found Findings) []LabelGroups {
	labels := s.snapshot.Labels
	if labels.None() {
		return nil
	}
	var all []LabelGroups
	if labels.OU {
		all = append(all, LabelGroups{"ou_path", "organizational unit", s.groupBy("ou_path", found)})
	}
	for i, name := range labels.Names {
		all = append(all, LabelGroups{name, labels.Keys[i], s.groupBy(name, found)})
	}
	return all
}

// groupKey identifies a group.
type groupKey struct {
	value   string
	unknown bool
}

func (s *Summary) groupBy(label string, found Findings) []LabelGroup {
	required := s.Tallies()
	byKey, tallies := map[groupKey]*LabelGroup{}, map[groupKey]map[inventory.Access]Tally{}
	group := func(a *inventory.Account) (*LabelGroup, groupKey) {
		k, name := s.labelGroupOf(a, label)
		if byKey[k] == nil {
			byKey[k] = &LabelGroup{Value: k.value, Name: name, Unknown: k.unknown}
			tallies[k] = map[inventory.Access]Tally{}
			for _, t := range required {
				tallies[k][t.Access] = Tally{}
			}
		}
		return byKey[k], k
	}
	for r := range s.Rows {
		g, k := group(r.Account)
		g.Accounts++
		for _, v := range r.Verdicts {
			tallies[k][v.Access][v.State]++
		}
	}
	keyOf := func(accountID string) groupKey {
		_, k := group(s.byID[accountID])
		return k
	}
	resources, findings := linesBy(found.resources, keyOf), linesBy(found.Accounts, keyOf)
	var groups []LabelGroup
	for k, g := range byKey {
		for _, access := range inventory.Accesses {
			if t := tallies[k][access]; t != nil {
				g.Tallies = append(g.Tallies, AccessTally{access, t})
			}
		}
		g.Resources, g.Findings = sorted(resources[k]), sorted(findings[k])
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b LabelGroup) int {
		return cmp.Or(cmp.Compare(number(a.Unknown), number(b.Unknown)), a.Sum().Worse(b.Sum()), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
	})
	return groups
}

// labelGroupOf returns the group of an account, which is nil for the owner of a finding
// that is not in scope.
func (s *Summary) labelGroupOf(a *inventory.Account, label string) (k groupKey, name string) {
	k.unknown = true
	for _, l := range s.snapshot.Labels.Fields(a) {
		switch l.Name {
		case label:
			k = groupKey{value: l.Value}
		case "ou_name":
			name = l.Value
		}
	}
	if label != "ou_path" {
		name = ""
	}
	return k, name
}

// linesBy adds up the lines of accounts by group.
func linesBy(owned []FindingLine, group func(accountID string) groupKey) map[groupKey]map[lineKey]*FindingLine {
	lines := map[groupKey]map[lineKey]*FindingLine{}
	for _, l := range owned {
		k := group(l.AccountID)
		if lines[k] == nil {
			lines[k] = map[lineKey]*FindingLine{}
		}
		addLine(lines[k], l)
	}
	return lines
}

// addLine adds a line of an account to that of its group.
func addLine(lines map[lineKey]*FindingLine, l FindingLine) {
	k := lineKey{findingType: l.Type, scope: l.Scope}
	sum := lines[k]
	if sum == nil {
		sum = &FindingLine{Type: l.Type, Scope: l.Scope}
		lines[k] = sum
	}
	sum.Active += l.Active
	sum.Public += l.Public
	sum.Archived += l.Archived
	sum.Resolved += l.Resolved
	if sum.Oldest.IsZero() || !l.Oldest.IsZero() && l.Oldest.Before(sum.Oldest) {
		sum.Oldest = l.Oldest
	}
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
