package collector

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const docs = "../docs/metrics.md"

// go generate ./collector writes docs/metrics.md from the table.
func TestDocs(t *testing.T) {
	want := metricsPage()
	if *update {
		if err := os.WriteFile(docs, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docs)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("docs/metrics.md is outdated; run go generate ./collector%s", difference(got, want))
	}
}

func TestDocsExplainEveryLabel(t *testing.T) {
	used := map[string]bool{}
	for _, f := range Families() {
		for _, l := range f.Labels {
			used[l] = f.Name != buildInfo.Name || used[l]
		}
	}
	for _, l := range labelMeanings {
		if !used[l.name] {
			t.Errorf("%s has a meaning but no family uses it", l.name)
		}
		delete(used, l.name)
	}
	maps.DeleteFunc(used, func(_ string, explain bool) bool { return !explain })
	for l := range used {
		t.Errorf("%s has no meaning in labelMeanings", l)
	}
}

var labelMeanings = []struct{ name, meaning string }{
	{"account_id", "The account that the series is about. Of a finding: the owner of the resource. Of an analyzer: the account that it is in."},
	{"region", "A Region, or `" + inventory.Global + "` for unused access, for IAM roles that are listed or counted once, and for calls that are not made in a Region."},
	{"access", "Kind of access that an analyzer finds: " + values(inventory.Accesses) + ". Empty for an unsupported analyzer type."},
	{"state", "State of the coverage of a target: " + values(inventory.States) + "."},
	{"scope", "Whose resources it analyzes: `account` or `organization`."},
	{"analyzer", "Name of the analyzer, unique in its account and Region."},
	{"analyzer_account_id", "The account that the analyzer is in, if `account_id` is another account."},
	{"type", "Type of the analyzer in the spelling of AWS, such as `ORGANIZATION_UNUSED_ACCESS`."},
	{"status", "Of an analyzer: " + values(inventory.AnalyzerStatuses) + ", or another value that AWS reports. Of findings: `ACTIVE`, `ARCHIVED` or `RESOLVED`."},
	{"status_reason", "Why an analyzer is not ACTIVE, in the spelling of AWS."},
	{"managed_by", "The AWS service that manages the analyzer; empty for your own."},
	{"finding_type", "`ExternalAccess`, `InternalAccess`, `UnusedIAMRole`, `UnusedIAMUserAccessKey`, `UnusedIAMUserPassword` or `UnusedPermission`. Of policies: " + values(inventory.PolicyFindingTypes) + "."},
	{"policy_type", "Type of the policies: " + values(inventory.PolicyTypes) + "."},
	{"check", "Name of a check in `policies.checks`."},
	{"result", "Result of a check: " + values(inventory.CheckResults) + "."},
	{"resource_type", "Type of the resource in the spelling of AWS, such as `AWS::S3::Bucket`; empty in the baseline, and everywhere when the configuration turns the label off."},
	{"public", "`true` or `false` for external access; empty if AWS does not report it."},
	{"resource", "ARN of the resource, at most 1,024 bytes. Characters of links and markup are in full width, so that alerts show them as text."},
	{"finding_id", "ID of the finding."},
	{"error", "The error code that AWS reports, such as `ACCESS_DENIED`; `OTHER` if AWS reports no code."},
	{"account_name", "Name of the account in AWS Organizations. Characters of links and markup are in full width, so that alerts show them as text."},
	{"ou_path", "Path of the organizational unit (OU) that has the account, in the form of the condition key `aws:PrincipalOrgPaths`. Only with `accounts.labels.ou`; empty for accounts outside the organization."},
	{"ou_name", "Name of that OU; `Root` for accounts in none."},
	{anyTag, "Value of a tag in `accounts.labels.tags` or of a key in `accounts.static[].labels`; empty if the account does not have it. The name is the key in snake case with `_` for other characters: `CostCenter` becomes `label_cost_center`."},
	{"role", "Role of the account in its organization: " + values([]inventory.Role{inventory.Management, inventory.DelegatedAdmin, inventory.Member, inventory.Standalone}) + "."},
	{"operation", "The AWS operation, such as `ListAnalyzers`."},
	{"reason", "Of a failure: " + values(inventory.Reasons) + ". Of an exemption: its reason in the configuration. Of an event: why it caused no refresh."},
	{"kind", "Kind of sweep: " + values([]inventory.SweepKind{inventory.CoverageSweep, inventory.FindingsSweep}) + "."},
	{"detail_type", "The `detail-type` of EventBridge; `other` for unknown ones."},
	{"aws_service", "The AWS service that was called."},
	{"code", "The error code that AWS returned, or `OK`. Without one: the name of the HTTP status, such as `BadGateway`, or `Timeout`, `Canceled`, `ConnectionError` or `MalformedResponse`."},
}

func values[S ~string](all []S) string {
	var quoted []string
	for _, v := range all {
		quoted = append(quoted, "`"+string(v)+"`")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

// recipe is a query over several families.
type recipe struct{ title, text, query string }

var recipes = []recipe{
	{
		"Uncovered, with the account's name",
		"The same join adds the name to any series with an `account_id`.",
		`(aws_access_analyzer_coverage == 0) * on (account_id) group_left (account_name) aws_access_analyzer_account_info`,
	},
	{
		"Targets with unknown coverage",
		"A target with unknown coverage has no coverage series. `aws_access_analyzer_scrape_error` has the failed operation and the reason, which may be in another account: the one with the organization analyzers.",
		`aws_access_analyzer_coverage_unknown`,
	},
	{
		"Active findings, every IAM role counted once",
		"IAM roles are global: a role with external access has a finding in each Region that has an external access analyzer.",
		`sum by (account_id) (
  sum without (region, analyzer) (aws_access_analyzer_findings{status="ACTIVE", finding_type="ExternalAccess", resource_type!="AWS::IAM::Role"})
  or
  max without (region, analyzer) (aws_access_analyzer_findings{status="ACTIVE", finding_type="ExternalAccess", resource_type="AWS::IAM::Role"})
)`,
	},
	{
		"Public resources, each once, and their age in seconds",
		"A resource has a series for each analyzer that reports it: each of these findings has to be resolved or archived. The series of a resource ends when no finding is ACTIVE any more. If an analyzer cannot be counted, its series end after `stale_after`: that is not an all-clear.",
		`sort_desc(
  time() - min by (account_id, region, resource_type, resource) (aws_access_analyzer_public_finding_created_timestamp_seconds)
)`,
	},
	{
		"Resources with findings in several exporters",
		"`aws_access_analyzer_resources_with_findings` counts within one exporter. If shards have analyzers for the same accounts, such as organization analyzers in one and account analyzers in another, the recorded series counts each resource once.",
		`sum by (finding_type, status, public) (account_region_type:aws_access_analyzer_findings:max)`,
	},
	{
		"Findings of organization analyzers only",
		"If an account analyzer and an organization analyzer cover the same resource, each has a finding for it. Sum one scope at a time.",
		`sum by (account_id, finding_type) (
  aws_access_analyzer_findings{status="ACTIVE"}
  * on (analyzer_account_id, region, analyzer) group_left ()
  label_replace(aws_access_analyzer_info{scope="organization"}, "analyzer_account_id", "$1", "account_id", "(.*)")
)`,
	},
}

// queries are all expressions on the page.
func queries() []string {
	var all []string
	for _, r := range recipes {
		all = append(all, r.query)
	}
	for _, f := range Families() {
		if f.Query != "" {
			all = append(all, f.Query)
		}
	}
	return all
}

func metricsPage() []byte {
	var b bytes.Buffer
	b.WriteString(`<!-- Generated from the table in collector/families.go by go generate ./collector. Do not edit. -->

# Metrics

All metrics follow three rules:

- **0 means none found; absent means unknown.** Data that could not be read is never exported as 0 or 1. The last known state is exported for ` + "`stale_after`" + ` after the read that was due, then the series end.
- **Timestamps, not ages.** ` + "`time() - x`" + ` is the age.
- **Types, statuses and codes in AWS spelling.** Messages never become labels.

*Stable* metrics keep their name, labels and meaning within a major version. *Experimental* ones may change in any release, because they depend on undocumented behavior of AWS or of the exporter.

`)
	table(&b, "About AWS", "aws_access_analyzer_")
	table(&b, "About the exporter", "access_analyzer_exporter_")
	b.WriteString("The exporter also exposes `process_*` and `go_*`, at most one second old.\n\n")

	b.WriteString("## Labels\n\n| label | meaning |\n| --- | --- |\n")
	for _, l := range labelMeanings {
		fmt.Fprintf(&b, "| `%s` | %s |\n", l.name, l.meaning)
	}
	b.WriteString("\n`access_analyzer_exporter_build_info` has the same labels as `prometheus_build_info`.\n\n## Recipes\n")
	for _, r := range recipes {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n```promql\n%s\n```\n", r.title, r.text, r.query)
	}
	b.WriteString("\n## Example queries\n\n| metric | query |\n| --- | --- |\n")
	for _, f := range Families() {
		if f.Query != "" {
			fmt.Fprintf(&b, "| `%s` | `%s` |\n", f.Name, f.Query)
		}
	}
	return b.Bytes()
}

func table(b *bytes.Buffer, title, prefix string) {
	fmt.Fprintf(b, "## %s\n\n| metric | type | labels | meaning | stability |\n| --- | --- | --- | --- | --- |\n", title)
	for _, f := range Families() {
		if !strings.HasPrefix(f.Name, prefix) {
			continue
		}
		var labels []string
		for _, l := range f.Labels {
			labels = append(labels, "`"+l+"`")
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", f.Name, f.Type, strings.Join(labels, ", "), f.Help, f.Stability)
	}
	b.WriteString("\n")
}
