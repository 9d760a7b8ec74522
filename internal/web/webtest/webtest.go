// Package webtest makes snapshots for the tests of the HTTP side: an
// organization as people have it, one of any size, and one whose names were
// chosen by an attacker.
package webtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/partition"
)

// Regions are the Regions that each AWS account has enabled.
var Regions = partition.DefaultRegions(partition.Commercial)

// Secret stands in everything that pages must not show: messages of AWS, roles,
// the organization's ID.
const Secret = "not-for-the-page"

// Names of the accounts of Organization, the management account first.
var names = []string{
	"management", "security", "log-archive", "network", "shared-services", "payments-prod",
	"payments-staging", "data-platform", "web-prod", "web-staging", "sandbox", "warehouse-legacy",
}

// ID is the ID of the n-th account.
func ID(n int) string { return fmt.Sprintf("2100%08d", n+1) }

// Organization has twelve accounts with one organization analyzer in each
// Region, and problems: sa-east-1 has no analyzer, the one of ap-northeast-3 is
// DISABLED, ap-south-1 cannot be read, the role of one account cannot be
// assumed, one Region is enabled in a single account, and the sandbox is exempt.
func Organization(now time.Time) *inventory.Snapshot {
	o := organization(now)
	for i, name := range names {
		o.account(i, name)
	}
	o.snap.Accounts[5].Regions = append(slices.Clone(Regions), "eu-south-1")
	slices.Sort(o.snap.Accounts[5].Regions)
	for _, a := range o.snap.Accounts {
		for _, region := range a.Regions {
			o.judge(a, region)
		}
		o.judgeUnused(a)
	}
	o.sort()
	o.snap.Policies = policies(now)
	return o.snap
}

// policies has results of the validation of policies: of two accounts, in one of which
// a policy could not be validated, while one could not be read and one not yet.
func policies(now time.Time) *inventory.Policies {
	findings := func(errors, security, warnings, suggestions int) map[string]int {
		return map[string]int{"ERROR": errors, "SECURITY_WARNING": security, "WARNING": warnings, "SUGGESTION": suggestions}
	}
	const page = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html"
	issue := func(kind, code string, n int) inventory.PolicyIssue {
		return inventory.PolicyIssue{FindingType: kind, Code: code, Count: n, Link: page + "#" + strings.ToLower(code)}
	}
	return &inventory.Policies{
		Pending: 1, Unread: 1, Unlisted: 3, Checks: []string{"no-new-users"},
		Missing: map[inventory.PolicyType]int{inventory.Managed: 2, inventory.Inline: 2, inventory.Trust: 2},
		Accounts: []inventory.AccountPolicies{
			{
				AccountID: ID(0), LastSuccess: now.Add(-time.Hour),
				Types: map[inventory.PolicyType]inventory.PolicyCount{
					inventory.Managed:        {Policies: 12, Findings: findings(1, 2, 3, 1404)},
					inventory.Inline:         {Policies: 3, Findings: findings(0, 0, 0, 0)},
					inventory.ServiceControl: {Policies: 2, Findings: findings(0, 0, 0, 1)},
				},
				Checks: map[string]map[inventory.CheckResult]int{"no-new-users": {inventory.CheckPassed: 12, inventory.CheckFailed: 2, inventory.Unchecked: 1}},
			},
			{
				AccountID: ID(5),
				Types: map[inventory.PolicyType]inventory.PolicyCount{
					inventory.Managed: {Policies: 4, Findings: findings(0, 0, 0, 0)},
					inventory.Trust:   {Policies: 9, Unvalidated: map[inventory.Reason]int{inventory.AccessDenied: 9}},
				},
			},
		},
		Worst: []inventory.PolicyFindings{
			{AccountID: ID(0), Type: inventory.Managed, Name: "policy/deploy", Issues: []inventory.PolicyIssue{
				issue("ERROR", "INVALID_ACTION", 1), issue("SECURITY_WARNING", "PASS_ROLE_WITH_STAR_IN_RESOURCE", 2), issue("SUGGESTION", "REDUNDANT_RESOURCE", 1404),
			}, More: 7},
			{AccountID: ID(0), Type: inventory.ServiceControl, Name: "DenyRegions (p-a1b2c3d4)", Issues: []inventory.PolicyIssue{issue("SUGGESTION", "REDUNDANT_ACTION", 1)}},
		},
	}
}

type builder struct {
	snap *inventory.Snapshot
	now  time.Time
	// byRegion are the organization's external access analyzers.
	byRegion map[string]*inventory.Analyzer
	unused   *inventory.Analyzer
	denied   *inventory.Failure
	locked   *inventory.Failure
	exempt   *inventory.Exemption
}

func organization(now time.Time) *builder {
	o := &builder{now: now, byRegion: map[string]*inventory.Analyzer{}, snap: &inventory.Snapshot{
		PublishedAt: now.Add(-95 * time.Second), Ready: true, DiscoverySuccess: true,
		FindingStatuses: []string{"ACTIVE", "ARCHIVED"},
		Labels:          inventory.LabelKeys{OU: true, Keys: []string{"team"}, Names: []string{"label_team"}},
		Sweeps: map[inventory.SweepKind]inventory.Sweep{
			inventory.CoverageSweep: {Duration: 4200 * time.Millisecond, CompletedAt: now.Add(-95 * time.Second)},
			inventory.FindingsSweep: {Duration: 11 * time.Second, CompletedAt: now.Add(-17 * time.Minute)},
		},
	}}
	for _, region := range Regions {
		if region == "sa-east-1" || region == "ap-south-1" {
			continue
		}
		a := o.analyzer("organization-external-access", "ORGANIZATION", region)
		if region == "ap-northeast-3" {
			a.Status, a.StatusReason = "DISABLED", "AWS_SERVICE_ACCESS_DISABLED"
		} else {
			o.findings(a, "ExternalAccess", len(o.snap.Analyzers))
		}
		o.byRegion[region] = a
	}
	o.unused = o.analyzer("organization-unused-access", "ORGANIZATION_UNUSED_ACCESS", "us-east-1")
	o.findings(o.unused, "UnusedIAMRole", 40)
	o.denied = &inventory.Failure{AccountID: ID(1), Region: "ap-south-1", Operation: "ListAnalyzers", Reason: inventory.SCPDenied, Message: Secret}
	o.locked = &inventory.Failure{AccountID: ID(11), Region: inventory.Global, Operation: "AssumeRole", Reason: inventory.AssumeRoleDenied, Message: Secret}
	o.exempt = &inventory.Exemption{Account: ID(10), Region: "*", Access: "*", Reason: "emptied every night", Until: now.AddDate(0, 2, 0)}
	uncounted := inventory.Failure{AccountID: ID(1), Region: "eu-north-1", Operation: "ListFindingsV2", Reason: inventory.Throttled, Message: Secret}
	o.snap.Failures = []inventory.Failure{*o.denied, uncounted, *o.locked}
	return o
}

func (o *builder) account(i int, name string) {
	a := &inventory.Account{
		ID: ID(i), Name: name, Role: inventory.Member, Queried: true, RegionsKnown: true, Regions: Regions,
		RoleARN:      "arn:aws:iam::" + ID(i) + ":role/" + Secret,
		Organization: &inventory.Organization{ID: "o-" + Secret, Admins: []string{ID(0), ID(1)}},
	}
	if i != 11 {
		a.Labels = &inventory.AccountLabels{OUPath: "o-exampleorg1/r-exam/ou-exam-workload/", OUName: "Workloads", Values: []string{[]string{"shop", "payments", ""}[i%3]}}
	}
	switch i {
	case 0:
		a.Role = inventory.Management
	case 1:
		a.Role = inventory.DelegatedAdmin
	}
	o.snap.Accounts = append(o.snap.Accounts, a)
}

func (o *builder) analyzer(name, kind, region string) *inventory.Analyzer {
	a := &inventory.Analyzer{
		ARN:  "arn:aws:access-analyzer:" + region + ":" + ID(1) + ":analyzer/" + Secret,
		Name: name, AccountID: ID(1), Region: region, Type: kind, Status: inventory.Active, CreatedAt: o.now.AddDate(-1, 0, 0),
	}
	o.snap.Analyzers = append(o.snap.Analyzers, a)
	return a
}

// findings counts a few buckets of one Region, and one role that is in all.
func (o *builder) findings(a *inventory.Analyzer, kind string, n int) {
	f := inventory.NewFindings()
	f.CountedAt = o.now.Add(-17 * time.Minute)
	public := ""
	if kind == "ExternalAccess" {
		public = "false"
		f.Counts[inventory.FindingKey{AccountID: ID(8), Type: kind, Status: "ACTIVE", ResourceType: "AWS::S3::Bucket", Public: "true"}] = n % 3
		f.Counts[inventory.FindingKey{AccountID: ID(5), Type: kind, Status: "ARCHIVED", ResourceType: "AWS::KMS::Key", Public: public}] = n % 5
	}
	f.Counts[inventory.FindingKey{AccountID: ID(5), Type: kind, Status: "ACTIVE", ResourceType: "AWS::IAM::Role", Public: public}] = n/10 + 2
	f.OldestActive[inventory.OldestKey{AccountID: ID(5), Type: kind}] = o.now.AddDate(0, -n, 0)
	if a.Region != "eu-north-1" {
		o.snap.Findings = append(o.snap.Findings, inventory.AnalyzerFindings{Analyzer: a, Findings: f})
	}
}

func (o *builder) judge(a *inventory.Account, region string) {
	d := inventory.Verdict{AccountID: a.ID, Region: region, Access: inventory.External, State: inventory.Uncovered}
	t := inventory.TargetState{Target: inventory.Target{AccountID: a.ID, Region: region}, Success: true, LastSuccess: o.now.Add(-95 * time.Second)}
	holder := o.byRegion[region]
	locked := a.ID == o.locked.AccountID
	switch {
	case a.ID == o.exempt.Account:
		d.State, d.Exemption = inventory.Exempt, o.exempt
	case holder != nil && holder.Status == inventory.Active:
		d.State, d.Analyzer = inventory.Covered, holder
	case region == o.denied.Region:
		d.State, d.Failure = inventory.Unknown, o.denied
	case locked:
		d.State, d.Failure = inventory.Unknown, o.locked
	default:
		d.Analyzer = holder // DISABLED, or none
	}
	if locked || (region == o.denied.Region && a.ID == o.denied.AccountID) {
		t.Success, t.LastSuccess = false, time.Time{}
	}
	if d.Failure != nil { // a sweep has it as a failure of the target
		failure := *d.Failure
		failure.AccountID, failure.Region = a.ID, region
		o.snap.Failures = append(o.snap.Failures, failure)
		t.Success = false
	}
	o.snap.Verdicts = append(o.snap.Verdicts, d)
	o.snap.Targets = append(o.snap.Targets, t)
	o.snap.TargetCount++
}

// judgeUnused has an organization analyzer that excludes one account.
func (o *builder) judgeUnused(a *inventory.Account) {
	d := inventory.Verdict{AccountID: a.ID, Region: inventory.Global, Access: inventory.Unused, State: inventory.Covered, Analyzer: o.unused}
	switch a.ID {
	case o.exempt.Account:
		d.State, d.Analyzer, d.Exemption = inventory.Exempt, nil, o.exempt
	case ID(7):
		d.State = inventory.Uncovered
	}
	o.snap.Verdicts = append(o.snap.Verdicts, d)
}

func (o *builder) sort() {
	slices.SortStableFunc(o.snap.Verdicts, func(a, b inventory.Verdict) int {
		return strings.Compare(a.AccountID+a.Region, b.AccountID+b.Region)
	})
}

// Large has as many accounts in 17 Regions. Of every 40 accounts one has no
// analyzer, and the role of one cannot be assumed; every other account has an
// analyzer in each Region.
func Large(now time.Time, accounts int) *inventory.Snapshot {
	o := organization(now)
	o.snap.Failures = nil
	for i := range accounts {
		o.account(i, fmt.Sprintf("account-%05d", i))
		a := o.snap.Accounts[i]
		locked := &inventory.Failure{AccountID: a.ID, Region: inventory.Global, Operation: "AssumeRole", Reason: inventory.AssumeRoleDenied, Message: Secret}
		if i%40 == 20 {
			o.snap.Failures = append(o.snap.Failures, *locked)
		}
		for _, region := range Regions {
			d := inventory.Verdict{AccountID: a.ID, Region: region, Access: inventory.External, State: inventory.Covered}
			switch i % 40 {
			case 10:
				d.State = inventory.Uncovered
			case 20:
				d.State, d.Failure = inventory.Unknown, locked
			default:
				d.Analyzer = &inventory.Analyzer{Name: "external-access", AccountID: a.ID, Region: region, Type: "ACCOUNT", Status: inventory.Active}
			}
			o.snap.Verdicts = append(o.snap.Verdicts, d)
			o.snap.Targets = append(o.snap.Targets, inventory.TargetState{Target: inventory.Target{AccountID: a.ID, Region: region}, Success: i%40 != 20})
			o.snap.TargetCount++
		}
	}
	return o.snap
}

// Script is what an attacker would have run. No page may have it other than as
// text.
const Script = `<script>document.title="owned"</script>`

// Hostile is Organization with names that try to escape their context: markup, attributes, style sheets, shells and the direction of writing.
func Hostile(now time.Time) *inventory.Snapshot {
	snap := Organization(now)
	tricks := []string{
		Script, `"><img src=x onerror=document.title="owned">`, `</style><style>body{display:none}</style>`,
		"javascript:document.title='owned'", "'; touch owned; echo '", "$(touch owned)`id`",
		"covered \u202ederevocnu\u202c", "line\nbreak\x00\x1b[31m", "{{.Secret}}", strings.Repeat("very long ", 40),
	}
	trick := func(i int) string { return tricks[i%len(tricks)] }
	for i, a := range snap.Accounts {
		a.Name = trick(i)
	}
	for i, a := range snap.Analyzers {
		a.Name, a.StatusReason = trick(i), trick(i+1)
	}
	for i := range snap.Policies.Worst {
		w := &snap.Policies.Worst[i]
		w.Name, w.Issues[0].Code, w.Issues[0].FindingType = trick(i), trick(i+1), trick(i+2) // links are of AWS
	}
	verdicts := slices.Clone(snap.Verdicts)
	for _, d := range verdicts {
		if d.Exemption != nil {
			d.Exemption.Reason = Script
		}
		if d.Failure != nil && d.Failure.Reason == inventory.AssumeRoleDenied {
			d.Failure.Operation = Script
		}
	}
	hostileRegion := `eu-"><script>document.title="owned"</script>`
	verdicts[0].Region = hostileRegion
	snap.Verdicts = verdicts
	return snap
}
