package report

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// counted is an analyzer's findings: of one owner, by resource type and status.
type counted struct {
	analyzer, account, region, kind string
	owner, resource, status, public string
	n                               int
}

func (c counted) snapshotOf(snap *inventory.Snapshot) {
	i := slices.IndexFunc(snap.Analyzers, func(a *inventory.Analyzer) bool {
		return a.Name == c.analyzer && a.AccountID == c.account && a.Region == c.region
	})
	if i < 0 {
		a := &inventory.Analyzer{Name: c.analyzer, AccountID: c.account, Region: c.region, Type: c.kind, Status: inventory.Active}
		snap.Analyzers = append(snap.Analyzers, a)
		snap.Findings = append(snap.Findings, inventory.AnalyzerFindings{Analyzer: a, Findings: inventory.NewFindings()})
		i = len(snap.Analyzers) - 1
	}
	findingType := snap.Analyzers[i].FindingTypes()[0]
	snap.Findings[i].Findings.Counts[inventory.FindingKey{AccountID: c.owner, Type: findingType, Status: c.status, ResourceType: c.resource, Public: c.public}] += c.n
	snap.Findings[i].Findings.CountedAt = time.Unix(1000, 0)
}

func TestFindingsCountEachThingOnce(t *testing.T) {
	const bucket, role = "AWS::S3::Bucket", "AWS::IAM::Role"
	for _, test := range []struct {
		name   string
		counts []counted
		// type scope active/public/archived, of the lines that are not all zero
		want []string
	}{
		{
			"Regions add up",
			[]counted{
				{"x", "1", "eu-west-1", "ACCOUNT", "1", bucket, "ACTIVE", "true", 2},
				{"x", "1", "us-east-1", "ACCOUNT", "1", bucket, "ACTIVE", "false", 3},
				{"x", "2", "us-east-1", "ACCOUNT", "2", bucket, "ARCHIVED", "false", 4},
			},
			[]string{"ExternalAccess account 5/2/4"},
		},
		{
			"a role is reported in every Region",
			[]counted{
				{"x", "1", "eu-west-1", "ACCOUNT", "1", role, "ACTIVE", "false", 2},
				{"x", "1", "us-east-1", "ACCOUNT", "1", role, "ACTIVE", "false", 3},
				{"x", "2", "us-east-1", "ACCOUNT", "2", role, "ACTIVE", "false", 1},
			},
			[]string{"ExternalAccess account 4/0/0"},
		},
		{
			"scopes are never added up",
			[]counted{
				{"org", "1", "eu-west-1", "ORGANIZATION", "2", bucket, "ACTIVE", "false", 2},
				{"own", "2", "eu-west-1", "ACCOUNT", "2", bucket, "ACTIVE", "false", 5},
			},
			[]string{"ExternalAccess organization 2/0/0", "ExternalAccess account 5/0/0"},
		},
		{
			"two organization analyzers in one Region have the same findings",
			[]counted{
				{"a", "1", "eu-west-1", "ORGANIZATION", "3", bucket, "ACTIVE", "false", 2},
				{"b", "2", "eu-west-1", "ORGANIZATION", "3", bucket, "ACTIVE", "false", 3},
				{"b", "2", "eu-west-1", "ORGANIZATION", "4", bucket, "ACTIVE", "false", 1},
			},
			[]string{"ExternalAccess organization 4/0/0"},
		},
		{
			"analyzers of two accounts see different things",
			[]counted{
				{"a", "1", "eu-west-1", "ACCOUNT", "1", bucket, "ACTIVE", "false", 2},
				{"a", "2", "eu-west-1", "ACCOUNT", "2", bucket, "ACTIVE", "false", 3},
			},
			[]string{"ExternalAccess account 5/0/0"},
		},
		{
			"unused access is global: the service-linked analyzer has the findings of the other one",
			[]counted{
				{"own", "1", "eu-west-1", "ACCOUNT_UNUSED_ACCESS", "1", role, "ACTIVE", "", 7},
				{"_linked", "1", "us-east-1", "ACCOUNT_UNUSED_ACCESS", "1", role, "ACTIVE", "", 6},
			},
			[]string{"UnusedIAMRole account 7/0/0"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			snap := &inventory.Snapshot{}
			for _, c := range test.counts {
				c.snapshotOf(snap)
			}
			f := Of(snap).Findings()
			var got []string
			active := map[lineKey]int{}
			for _, l := range f.Totals {
				if l.Active+l.Public+l.Archived > 0 {
					got = append(got, fmt.Sprintf("%s %s %d/%d/%d", l.Type, l.Scope, l.Active, l.Public, l.Archived))
				}
				active[lineKey{"", l.Type, l.Scope}] += l.Active
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			for _, l := range f.Accounts {
				active[lineKey{"", l.Type, l.Scope}] -= l.Active
			}
			for k, n := range active {
				if n != 0 {
					t.Errorf("%s, %s: accounts and total differ by %d", k.findingType, k.scope, n)
				}
			}
			if f.Uncounted != 0 || f.Untyped {
				t.Errorf("%+v", f)
			}
		})
	}
}

// Over all scopes a resource counts once, as in the recorded series and dashboards.
func TestResourcesCountOnceOverAllScopes(t *testing.T) {
	const bucket, role = "AWS::S3::Bucket", "AWS::IAM::Role"
	snap := &inventory.Snapshot{}
	for _, c := range []counted{
		{"org", "1", "eu-west-1", "ORGANIZATION", "2", bucket, "ACTIVE", "true", 2},
		{"own", "2", "eu-west-1", "ACCOUNT", "2", bucket, "ACTIVE", "true", 2},
		{"own", "2", "eu-west-1", "ACCOUNT", "2", bucket, "ACTIVE", "false", 5},
		{"org", "1", "us-east-1", "ORGANIZATION", "2", bucket, "ACTIVE", "false", 1},
		{"org", "1", "us-east-1", "ORGANIZATION", "3", role, "ACTIVE", "false", 4},
		{"own", "3", "eu-west-1", "ACCOUNT", "3", role, "ACTIVE", "false", 6},
		{"own", "3", "eu-west-1", "ACCOUNT", "3", role, "ARCHIVED", "false", 1},
		{"unused", "1", "us-east-1", "ORGANIZATION_UNUSED_ACCESS", "3", role, "ACTIVE", "", 9},
	} {
		c.snapshotOf(snap)
	}
	f := Of(snap).Findings()
	var got []string
	for _, l := range f.Resources {
		if l.Active > 0 {
			got = append(got, fmt.Sprintf("%s %q %d/%d/%d", l.Type, l.Scope, l.Active, l.Public, l.Archived))
		}
	}
	want := []string{`ExternalAccess "" 14/2/1`, `UnusedIAMRole "" 9/0/0`}
	if !slices.Equal(got, want) || f.Public() != 2 {
		t.Errorf("%q, %d public, want %q", got, f.Public(), want)
	}
	if lines := len(f.Lines()); lines != len(f.Resources)+len(f.Totals) {
		t.Errorf("%d lines", lines)
	}
}

// What was not counted is not 0.
func TestFindingsThatAreNotCountedAreSaidSo(t *testing.T) {
	a := &inventory.Analyzer{Name: "x", Type: "ACCOUNT", Status: inventory.Active}
	f := Of(&inventory.Snapshot{Ready: true, FindingStatuses: []string{inventory.Active}, Analyzers: []*inventory.Analyzer{a, {Type: "NEW_IN_2031"}}}).Findings()
	if f.Analyzers != 1 || f.Uncounted != 1 || len(f.Totals)+len(f.Accounts) != 0 {
		t.Errorf("%+v", f)
	}
	unheardOf := inventory.AnalyzerFindings{Analyzer: &inventory.Analyzer{Type: "NEW_IN_2031"}, Findings: inventory.NewFindings()}
	if f := Of(&inventory.Snapshot{FindingStatuses: []string{inventory.Active}, Findings: []inventory.AnalyzerFindings{unheardOf}}).Findings(); f.Analyzers != 1 || f.Uncounted != 1 {
		t.Errorf("findings of an unknown type are not a lower bound: %+v", f)
	}
	typeless := &inventory.Snapshot{}
	counted{"x", "1", "eu-west-1", "ACCOUNT", "1", "", "ACTIVE", "false", 2}.snapshotOf(typeless)
	if f := Of(typeless).Findings(); !f.Untyped {
		t.Errorf("%+v", f)
	}
}
