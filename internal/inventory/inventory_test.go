package inventory

import (
	"maps"
	"testing"
)

func TestCoverageTargetsHasZeros(t *testing.T) {
	s := &Snapshot{Verdicts: []Verdict{
		{AccountID: "111111111111", Region: "eu-west-1", Access: External, State: Covered},
		{AccountID: "222222222222", Region: "eu-west-1", Access: External, State: Covered},
		{AccountID: "222222222222", Region: Global, Access: Unused, State: Exempt},
	}}
	want := map[CoverageKey]int{
		{External, "eu-west-1", Covered}: 2, {External, "eu-west-1", Uncovered}: 0, {External, "eu-west-1", Unknown}: 0, {External, "eu-west-1", Exempt}: 0,
		{Unused, Global, Covered}: 0, {Unused, Global, Uncovered}: 0, {Unused, Global, Unknown}: 0, {Unused, Global, Exempt}: 1,
	}
	if got := s.CoverageTargets(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if got := new(Snapshot).CoverageTargets(); len(got) != 0 {
		t.Errorf("before the first sweep: %v", got)
	}
}

func TestUncountedAnalyzers(t *testing.T) {
	counted := func(a *Analyzer) AnalyzerFindings { return AnalyzerFindings{Analyzer: a, Findings: NewFindings()} }
	ireland, disabled := &Analyzer{Region: "eu-west-1", Type: "ORGANIZATION"}, &Analyzer{Region: "eu-west-1", Type: "ACCOUNT"}
	virginia, unheardOf := &Analyzer{Region: "us-east-1", Type: "ACCOUNT"}, &Analyzer{Region: "us-west-2", Type: "UNHEARD_OF"}
	s := &Snapshot{
		FindingStatuses: []string{Active}, Analyzers: []*Analyzer{ireland, disabled, virginia, unheardOf},
		Findings: []AnalyzerFindings{counted(ireland), counted(virginia), counted(unheardOf)},
	}
	want := map[string]int{"eu-west-1": 1, "us-east-1": 0, "us-west-2": 1}
	if got := s.UncountedAnalyzers(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	if s.FindingStatuses = nil; s.UncountedAnalyzers() != nil {
		t.Error("analyzers whose findings are not to be counted")
	}
}

func TestResourcesWithFindingsCountOnce(t *testing.T) {
	const bucket, role, owner = "AWS::S3::Bucket", "AWS::IAM::Role", "222222222222"
	count := func(region, kind string, counts map[FindingKey]int) AnalyzerFindings {
		f := NewFindings()
		f.Counts = counts
		return AnalyzerFindings{Analyzer: &Analyzer{Region: region, Type: kind}, Findings: f}
	}
	external := func(kind, public string) FindingKey { return FindingKey{owner, "ExternalAccess", Active, kind, public} }
	s := &Snapshot{FindingStatuses: []string{Active}, Findings: []AnalyzerFindings{
		count("eu-west-1", "ORGANIZATION", map[FindingKey]int{external(bucket, "true"): 3, external(role, "false"): 4}),
		count("eu-west-1", "ACCOUNT", map[FindingKey]int{external(bucket, "true"): 2, external(bucket, "false"): 1}),
		count("us-east-1", "ORGANIZATION", map[FindingKey]int{external(role, "false"): 5}),
		count("us-east-1", "ACCOUNT_UNUSED_ACCESS", map[FindingKey]int{{owner, "UnusedIAMRole", Active, role, ""}: 6}),
		{Analyzer: &Analyzer{Region: "af-south-1", Type: "ACCOUNT"}}, // not counted
	}}
	want := map[ResourceKey]int{
		{"ExternalAccess", Active, "true", "eu-west-1"}: 3, {"ExternalAccess", Active, "false", "eu-west-1"}: 1,
		{"ExternalAccess", Active, "true", "us-east-1"}: 0, {"ExternalAccess", Active, "false", "us-east-1"}: 0,
		{"ExternalAccess", Active, "true", Global}: 0, {"ExternalAccess", Active, "false", Global}: 5,
		{"UnusedIAMRole", Active, "", Global}: 6, {"UnusedIAMUserAccessKey", Active, "", Global}: 0,
		{"UnusedIAMUserPassword", Active, "", Global}: 0, {"UnusedPermission", Active, "", Global}: 0,
	}
	if got := s.ResourcesWithFindings(); !maps.Equal(got, want) {
		t.Errorf("counted %v, want %v", got, want)
	}
}
