package scenario

import (
	"slices"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// regions expands "enabled", which is the default, and "default" for an account.
func (b *builder) regions(given, except texts, a *world.Account) []string {
	if given == nil {
		given = texts{{value: "enabled"}}
	}
	var out []string
	for _, t := range given {
		switch {
		case t.value == "default":
			out = append(out, world.DefaultRegions...)
		case t.value == "enabled":
			for _, r := range a.Regions {
				if a.Enabled(r.Name) {
					out = append(out, r.Name)
				}
			}
		case !a.Enabled(t.value):
			b.errorf(t.line, "Region %q is not enabled in account %s", t.value, a.Name)
		default:
			out = append(out, t.value)
		}
	}
	for _, t := range except {
		if !slices.Contains(out, t.value) {
			b.errorf(t.line, "Region %q in except is not one of regions", t.value)
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(r string) bool { return slices.Contains(except.values(), r) })
}

// analyzers returns an analyzer for each account and Region of an entry.
func (b *builder) analyzers(f *analyzerFile) []*world.Analyzer {
	if !analyzerName.MatchString(f.Name.value) {
		b.errorf(f.Name.line, "analyzer name %q is invalid", f.Name.value)
	}
	kind := b.oneOf(f.Type, "", "analyzer type", world.AnalyzerTypes)
	if kind == "" {
		b.errorf(f.Name.line, "analyzer %q needs a type", f.Name.value)
	}
	if len(f.Account) == 0 {
		b.errorf(f.Name.line, "analyzer %q needs an account", f.Name.value)
	}
	var out []*world.Analyzer
	for _, id := range b.accountIDs(f.Account) {
		account := b.world.Account(id)
		if account == nil {
			continue // already an error
		}
		for _, region := range b.regions(f.Regions, f.Except, account) {
			out = append(out, b.analyzer(f, kind, id, region))
		}
	}
	for _, group := range f.Findings {
		for _, r := range group.Regions {
			if !slices.ContainsFunc(out, func(a *world.Analyzer) bool { return a.Region == r.value }) {
				b.errorf(r.line, "analyzer %s is not in Region %q", f.Name.value, r.value)
			}
		}
	}
	return out
}

func (b *builder) analyzer(f *analyzerFile, kind, accountID, region string) *world.Analyzer {
	a := &world.Analyzer{
		AccountID: accountID, Region: region, Name: f.Name.value, Type: kind, ManagedBy: f.ManagedBy, Tags: f.Tags,
		Status:    b.oneOf(f.Status, "ACTIVE", "analyzer status", world.AnalyzerStatuses),
		CreatedAt: b.now.Add(-f.Age.value), StatusReason: b.oneOf(f.StatusReason, "", "status reason", world.StatusReasons),
	}
	b.configure(a, f)
	for i := range f.ArchiveRules {
		a.ArchiveRules = append(a.ArchiveRules, b.archiveRule(&f.ArchiveRules[i], a.AccessType(), a.CreatedAt))
	}
	for i := range f.Findings {
		a.Findings = append(a.Findings, b.findingGroup(&f.Findings[i], a, i, b.now)...)
	}
	if f.LastResourceAnalyzed.line != 0 {
		a.LastResourceAnalyzedAt = b.now.Add(-f.LastResourceAnalyzed.value)
		if n := len(a.Findings); n > 0 {
			a.LastResourceAnalyzed = a.Findings[n-1].Resource
		}
	}
	return a
}

// configure sets the configuration of the analyzer.
func (b *builder) configure(a *world.Analyzer, f *analyzerFile) {
	if (f.UnusedAccess != nil) != (a.AccessType() == world.UnusedAccessType) {
		b.errorf(f.Name.line, "unused_access is required for unused access analyzers and invalid for others; %s is %s", a.Name, a.Type)
	}
	if f.InternalAccess != nil && a.AccessType() != world.InternalAccessType {
		b.errorf(f.Name.line, "internal_access is invalid except for internal access analyzers; %s is %s", a.Name, a.Type)
	}
	if u := f.UnusedAccess; u != nil {
		if u.Age < 1 || u.Age > 365 {
			b.errorf(f.Name.line, "unused_access.age of %s must be 1 to 365 days, got %d", a.Name, u.Age)
		}
		a.Unused = &world.UnusedAccess{Age: u.Age}
		for _, e := range u.Exclusions {
			a.Unused.Exclusions = append(a.Unused.Exclusions, world.Exclusion{AccountIDs: b.accountIDs(e.Accounts), ResourceTags: e.Tags})
		}
	}
	if a.AccessType() != world.InternalAccessType {
		return
	}
	a.Internal = &world.InternalAccess{}
	if f.InternalAccess == nil {
		return
	}
	for _, i := range f.InternalAccess.Inclusions {
		for _, t := range i.ResourceTypes {
			b.oneOf(t, "", "resource type", internalResourceTypes)
		}
		a.Internal.Inclusions = append(a.Internal.Inclusions, world.Inclusion{
			AccountIDs: b.accountIDs(i.Accounts), ResourceTypes: i.ResourceTypes.values(), ResourceARNs: i.Resources,
		})
	}
}

func (b *builder) archiveRule(f *archiveRuleFile, access world.AccessType, created time.Time) *world.ArchiveRule {
	if !archiveRuleName.MatchString(f.Name.value) {
		b.errorf(f.Name.line, "archive rule name %q is invalid", f.Name.value)
	}
	if err := f.Filter.Validate(access); err != nil {
		b.errorf(f.Name.line, "archive rule %s: %v", f.Name.value, err)
	}
	return &world.ArchiveRule{Name: f.Name.value, Filter: f.Filter, CreatedAt: created, UpdatedAt: created}
}
