package collector

import (
	"fmt"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	hub    = "111111111111"
	member = "222222222222"
	dark   = "333333333333"
)

// moment has a fraction of a second, as timestamps of AWS have.
var moment = time.Date(2026, 11, 22, 10, 30, 0, 250_000_000, time.UTC)

// fixtures are the snapshots of the golden files.
var fixtures = map[string]*inventory.Snapshot{
	"empty":        {},
	"organization": organization(),
	"hostile":      hostile(),
	"standalone":   standalone(),
}

// standalone is an account without analyzers.
func standalone() *inventory.Snapshot {
	return &inventory.Snapshot{
		Ready: true, DiscoverySuccess: true, TargetCount: 1,
		Accounts: []*inventory.Account{{ID: hub, Role: inventory.Standalone}},
		Targets:  []inventory.TargetState{{Target: inventory.Target{AccountID: hub, Region: "eu-west-1"}, Success: true, LastSuccess: moment}},
		Verdicts: []inventory.Verdict{{AccountID: hub, Region: "eu-west-1", Access: inventory.External, State: inventory.Uncovered}},
		Sweeps:   map[inventory.SweepKind]inventory.Sweep{inventory.CoverageSweep: {Duration: 1500 * time.Millisecond, CompletedAt: moment}},
	}
}

// organization has at least one series of every family, and data that must not
// have one.
func organization() *inventory.Snapshot {
	external := &inventory.Analyzer{
		Name: "org", AccountID: hub, Region: "eu-west-1", Type: "ORGANIZATION", Status: inventory.Active,
		CreatedAt: moment.AddDate(-1, 0, 0), LastResourceAnalyzedAt: moment.Add(-time.Hour), ArchiveRules: 2,
		Configuration: &inventory.Configuration{},
	}
	unused := &inventory.Analyzer{
		Name: "unused", AccountID: hub, Region: "eu-west-1", Type: "ORGANIZATION_UNUSED_ACCESS", Status: inventory.Active,
		ManagedBy: "securityhubv2.amazonaws.com", CreatedAt: moment.AddDate(0, -1, 0),
		Configuration: &inventory.Configuration{UnusedAccessAge: 90 * 24 * time.Hour},
	}
	disabled := &inventory.Analyzer{
		Name: "internal", AccountID: member, Region: "us-east-1", Type: "ACCOUNT_INTERNAL_ACCESS", Status: "DISABLED",
		StatusReason: "DELEGATED_ADMINISTRATOR_DEREGISTERED", CreatedAt: moment, ArchiveRules: -1,
	}
	unheardOf := &inventory.Analyzer{Name: "new", AccountID: member, Region: "us-east-1", Type: "ACCOUNT_TOMORROW", Status: "PAUSED", ArchiveRules: -1}

	found := inventory.NewFindings()
	found.CountedAt = moment
	bucket := inventory.FindingKey{AccountID: member, Type: "ExternalAccess", Status: inventory.Active, ResourceType: "AWS::S3::Bucket", Public: "true"}
	role := inventory.FindingKey{AccountID: hub, Type: "ExternalAccess", Status: "ARCHIVED", ResourceType: "AWS::IAM::Role", Public: "false"}
	bare := inventory.FindingKey{AccountID: hub, Type: "ExternalAccess", Status: inventory.Active} // as the baseline has it
	for range 3 {
		found.Add(bucket, 1, moment.AddDate(0, 0, -3), "")
	}
	found.Add(bucket, 1, moment.AddDate(0, 0, -9), "ACCESS_DENIED")
	found.Add(role, 1, moment.AddDate(0, 0, -30), "")
	found.Add(bare, 1, moment.AddDate(0, 0, -1), "")
	found.Add(bare, 1, moment, "A sentence")

	verdict := func(account, region string, access inventory.Access, state inventory.State) inventory.Verdict {
		return inventory.Verdict{AccountID: account, Region: region, Access: access, State: state}
	}
	exempt := func(account, region string, until time.Time) inventory.Verdict {
		v := verdict(account, region, inventory.External, inventory.Exempt)
		v.Exemption = &inventory.Exemption{Account: account, Region: "*", Access: "*", Reason: "sandbox", Until: until}
		return v
	}
	target := func(account, region string, success bool, last time.Time) inventory.TargetState {
		return inventory.TargetState{Target: inventory.Target{AccountID: account, Region: region}, Success: success, LastSuccess: last, Unlisted: last.IsZero() && region != inventory.Global}
	}
	denied := inventory.Failure{AccountID: dark, Region: "us-east-1", Operation: "ListAnalyzers", Reason: inventory.SCPDenied, Message: "one wording"}
	deniedAgain := denied
	deniedAgain.Message = "another wording"

	return &inventory.Snapshot{
		PublishedAt: moment, Ready: true, TargetCount: 6,
		DiscoveryFailures: map[inventory.DiscoveryFailure]int{{Operation: "ListRegions", Reason: inventory.AccessDenied}: 2},
		Accounts: []*inventory.Account{
			{ID: hub, Name: "management", Role: inventory.Management, Labels: &inventory.AccountLabels{
				OUPath: "o-exampleorg1/r-exam/", OUName: "Root", Values: []string{"platform", ""},
			}},
			{ID: member, Name: "shop", Role: inventory.Member, Labels: &inventory.AccountLabels{
				OUPath: "o-exampleorg1/r-exam/ou-exam-workload/", OUName: "Workloads", Values: []string{"shop", "0815"},
			}},
			{ID: dark, Name: "", Role: inventory.DelegatedAdmin},
		},
		Labels: inventory.LabelKeys{OU: true, Keys: []string{"team", "CostCenter"}, Names: []string{"label_team", "label_cost_center"}},
		Targets: []inventory.TargetState{
			target(hub, "eu-west-1", true, moment), target(hub, inventory.Global, true, moment), target(hub, "us-east-1", true, moment),
			target(member, "eu-west-1", true, moment.Add(-time.Minute)), target(member, "us-east-1", true, moment),
			target(dark, "eu-west-1", false, moment.Add(-time.Hour)), target(dark, inventory.Global, false, time.Time{}), target(dark, "us-east-1", false, time.Time{}),
		},
		Analyzers: []*inventory.Analyzer{external, unused, disabled, unheardOf},
		Findings: []inventory.AnalyzerFindings{
			{Analyzer: external, Findings: found},
			{Analyzer: unused, Findings: inventory.NewFindings()}, // counted, and none found
			{Analyzer: disabled},                                  // not counted
		},
		FindingStatuses: []string{inventory.Active, "ARCHIVED"},
		PublicResources: []inventory.PublicResource{
			{
				PublicFinding: inventory.PublicFinding{
					ID: "5d8b1f0e-7f10-4f0c-8b1d-4b8a0a2f3c11", AccountID: hub, ResourceType: "AWS::IAM::Role", Resource: "arn:aws:iam::111111111111:role/ci",
					CreatedAt: moment.AddDate(0, 0, -12),
				},
				Region: inventory.Global, Analyzer: external,
			},
			{
				PublicFinding: inventory.PublicFinding{
					ID: "0b6c7a52-30c4-4a4b-9a53-0e9f5d1c2b77", AccountID: member, ResourceType: "AWS::S3::Bucket", Resource: "arn:aws:s3:::shop-assets",
					CreatedAt: moment.AddDate(0, 0, -9),
				},
				Region: "eu-west-1", Analyzer: external,
			},
			{PublicFinding: inventory.PublicFinding{ID: "undated", AccountID: member, ResourceType: "AWS::SNS::Topic"}, Region: "eu-west-1", Analyzer: external},
		},
		PublicUnlisted: map[inventory.Target]int{{AccountID: member, Region: "eu-west-1"}: 2},
		Verdicts: []inventory.Verdict{
			verdict(hub, "eu-west-1", inventory.External, inventory.Covered),
			verdict(hub, inventory.Global, inventory.Unused, inventory.Covered),
			verdict(hub, "us-east-1", inventory.External, inventory.Uncovered),
			verdict(member, "eu-west-1", inventory.External, inventory.Covered),
			verdict(member, "eu-west-1", inventory.Internal, inventory.Unknown),
			verdict(member, "us-east-1", inventory.External, inventory.Uncovered),
			exempt(dark, "eu-west-1", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)),
			exempt(dark, "us-east-1", time.Time{}),
		},
		Failures: []inventory.Failure{
			denied, deniedAgain,
			{AccountID: dark, Region: inventory.Global, Operation: "AssumeRole", Reason: inventory.AssumeRoleDenied},
		},
		Sweeps: map[inventory.SweepKind]inventory.Sweep{
			inventory.CoverageSweep: {Duration: 1234567 * time.Microsecond, CompletedAt: moment, Skipped: 2},
			inventory.FindingsSweep: {Duration: 20 * time.Minute},
		},
		Policies: validated(),
	}
}

// validated has results of policies: those of one account are complete, those of
// another are not.
func validated() *inventory.Policies {
	none := map[string]int{"ERROR": 0, "SECURITY_WARNING": 0, "WARNING": 0, "SUGGESTION": 0}
	return &inventory.Policies{
		Accounts: []inventory.AccountPolicies{
			{
				AccountID: hub, LastSuccess: moment,
				Types: map[inventory.PolicyType]inventory.PolicyCount{
					inventory.Managed: {Policies: 2, Findings: map[string]int{"ERROR": 1, "SECURITY_WARNING": 3, "WARNING": 0, "SUGGESTION": 0, "REMARK": 1}},
					inventory.Trust:   {Findings: none}, inventory.ServiceControl: {Policies: 1, Findings: none},
				},
				Checks: map[string]map[inventory.CheckResult]int{"no-new-users": {inventory.CheckPassed: 1, inventory.CheckFailed: 1, inventory.Unchecked: 0}},
			},
			{
				AccountID: member,
				Types: map[inventory.PolicyType]inventory.PolicyCount{
					inventory.Inline: {Policies: 5, Unvalidated: map[inventory.Reason]int{inventory.Throttled: 2}},
				},
			},
		},
		Checks: []string{"no-new-users"}, Documents: 6,
	}
}

// hostile has strings that a valid API response does not have, and names that
// users may set.
func hostile() *inventory.Snapshot {
	names := []string{
		`"quoted"`, `back\slash`, "two\nlines", "\xff\xfe", "\xff and \xc3\x28", "{a=\"b\"} 1\n# EOF", "", "💥\t\r\x00", `\`, `\n`,
	}
	s := &inventory.Snapshot{DiscoverySuccess: true, TargetCount: len(names), Labels: inventory.LabelKeys{Keys: []string{"team"}, Names: []string{"label_team"}}}
	for i, name := range names {
		s.Accounts = append(s.Accounts, &inventory.Account{ID: fmt.Sprint(100+i%3, name), Name: name, Role: inventory.Member, Labels: &inventory.AccountLabels{Values: []string{name}}})
		s.Analyzers = append(s.Analyzers, &inventory.Analyzer{
			Name: name, AccountID: member, Region: "eu-west-1", Type: "ACCOUNT", Status: name, StatusReason: name,
			CreatedAt: time.Unix(0, 1), ArchiveRules: 1 << 60,
		})
	}
	for i, name := range append(names, "arn:aws:iam::222222222222:role/<!channel>/a@b/[x](http://x)", strings.Repeat("é", 1000), "x"+strings.Repeat("é", 1000), strings.Repeat("\xff", 900)) {
		s.PublicResources = append(s.PublicResources, inventory.PublicResource{
			PublicFinding: inventory.PublicFinding{ID: name, AccountID: name, ResourceType: name, Resource: name, CreatedAt: time.Unix(int64(i), 0)},
			Region:        "eu-west-1", Analyzer: s.Analyzers[0],
		})
	}
	s.PublicUnlisted = map[inventory.Target]int{{AccountID: "{\n\xff"}: 1}
	// The account of invalid credentials is unknown.
	s.Failures = []inventory.Failure{{Operation: "GetCallerIdentity", Reason: inventory.Credentials}}
	return s
}
