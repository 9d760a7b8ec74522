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

// docs/metrics.md is written from the table, by go generate ./collector.
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
		t.Errorf("docs/metrics.md is not what the table says; run go generate ./collector%s", difference(got, want))
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
			t.Errorf("%s is explained but not used", l.name)
		}
		delete(used, l.name)
	}
	maps.DeleteFunc(used, func(_ string, explain bool) bool { return !explain })
	for l := range used {
		t.Errorf("%s is used but not explained", l)
	}
}

var labelMeanings = []struct{ name, meaning string }{
	{"account_id", "The account that the series is about. Of a finding: the owner of the resource. Of an analyzer: the account that it is in."},
	{"region", "A Region, or `" + inventory.Global + "` for unused access and for calls that are not made in a Region."},
	{"access", "Kind of access that an analyzer finds: " + values(inventory.Accesses) + ". Empty for an analyzer type that this exporter does not know."},
	{"scope", "Whose resources it analyzes: `account` or `organization`."},
	{"analyzer", "Name of the analyzer, unique in its account and Region."},
	{"analyzer_account_id", "The account that the analyzer is in, if `account_id` is another account."},
	{"type", "Type of the analyzer in the spelling of AWS, such as `ORGANIZATION_UNUSED_ACCESS`."},
	{"status", "Of an analyzer: " + values(inventory.AnalyzerStatuses) + ", or another value that AWS reports. Of findings: `ACTIVE`, `ARCHIVED` or `RESOLVED`."},
	{"status_reason", "Why an analyzer is not ACTIVE, in the spelling of AWS."},
	{"managed_by", "The AWS service that manages the analyzer; empty for your own."},
	{"finding_type", "`ExternalAccess`, `InternalAccess`, `UnusedIAMRole`, `UnusedIAMUserAccessKey`, `UnusedIAMUserPassword` or `UnusedPermission`."},
	{"resource_type", "Type of the resource in the spelling of AWS, such as `AWS::S3::Bucket`; empty in the baseline, and everywhere when the configuration turns the label off."},
	{"public", "`true` or `false` for external access; empty if AWS does not report it."},
	{"error", "The error code that AWS reports, such as `ACCESS_DENIED`; `OTHER` for what is not a code."},
	{"account_name", "Name of the account in AWS Organizations."},
	{"role", "Role of the account in its organization: " + values([]inventory.Role{inventory.Management, inventory.DelegatedAdmin, inventory.Member, inventory.Standalone}) + "."},
	{"operation", "The AWS operation, such as `ListAnalyzers`."},
	{"reason", "Of a failure: " + values(inventory.Reasons) + ". Of an exemption: its reason in the configuration. Of an event: why it caused no refresh."},
	{"kind", "Kind of sweep: " + values([]inventory.SweepKind{inventory.CoverageSweep, inventory.FindingsSweep}) + "."},
	{"detail_type", "The `detail-type` of EventBridge; `other` for unknown ones."},
	{"aws_service", "The AWS service that was called."},
	{"code", "The error code that AWS returned, or `OK`."},
}

func values[S ~string](all []S) string {
	var quoted []string
	for _, v := range all {
		quoted = append(quoted, "`"+string(v)+"`")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

// recipe is a question that takes more than one family, or some care.
type recipe struct{ title, text, query string }

var recipes = []recipe{
	{
		"Uncovered, with the account's name",
		"Any series about an account takes the name in the same way.",
		`(aws_access_analyzer_coverage == 0) * on (account_id) group_left (account_name) aws_access_analyzer_account_info`,
	},
	{
		"Places whose coverage is unknown",
		"A place that cannot be judged has no coverage series. What could not be read, and why, is in `aws_access_analyzer_scrape_error`; that may be another account, which holds the organization's analyzers.",
		`(aws_access_analyzer_scrape_success == 0) unless on (account_id, region) aws_access_analyzer_coverage`,
	},
	{
		"Active findings, every IAM role counted once",
		"IAM roles are global: one role shared with somebody outside is a finding in every Region that has an external access analyzer.",
		`sum by (account_id) (
  sum without (region, analyzer) (aws_access_analyzer_findings{status="ACTIVE", finding_type="ExternalAccess", resource_type!="AWS::IAM::Role"})
  or
  max without (region, analyzer) (aws_access_analyzer_findings{status="ACTIVE", finding_type="ExternalAccess", resource_type="AWS::IAM::Role"})
)`,
	},
	{
		"Findings of organization analyzers only",
		"An account analyzer and an organization analyzer that look at the same resource each have a finding for it. Add up one scope at a time.",
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

Three rules hold for all of them:

- **0 means looked and found none; absent means did not look.** What could not be read is never 0 and never 1. After a failure the last known facts are shown for as long as ` + "`stale_after`" + ` says, and then no longer.
- **Timestamps, not ages.** They are in seconds since the Unix epoch; ` + "`time() - x`" + ` is the age.
- **AWS' own spelling** for AWS' types, statuses and codes. Messages never become labels.

*Stable* metrics keep their name, labels and meaning within a major version. *Experimental* ones may change in any release, because AWS does not promise what they are made of.

`)
	table(&b, "About AWS", "aws_access_analyzer_")
	table(&b, "About the exporter", "access_analyzer_exporter_")
	b.WriteString("On top of these come the usual `process_*` and `go_*`, at most a second old.\n\n")

	b.WriteString("## Labels\n\n| label | meaning |\n| --- | --- |\n")
	for _, l := range labelMeanings {
		fmt.Fprintf(&b, "| `%s` | %s |\n", l.name, l.meaning)
	}
	b.WriteString("\n`access_analyzer_exporter_build_info` has the labels that every Prometheus component has.\n\n## Recipes\n")
	for _, r := range recipes {
		fmt.Fprintf(&b, "\n### %s\n\n%s\n\n```promql\n%s\n```\n", r.title, r.text, r.query)
	}
	b.WriteString("\n## One query for each\n\n| metric | query |\n| --- | --- |\n")
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
