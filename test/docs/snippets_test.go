package docs_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// snippet is a code block of a document.
type snippet struct{ document, text string }

// snippets returns the code blocks in a language of all documents, in order.
func snippets(t *testing.T, language string) []snippet {
	t.Helper()
	docs := documents(t)
	var paths []string
	for path := range docs {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	fence := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)^```$")
	var all []snippet
	for _, path := range paths {
		for _, m := range fence.FindAllStringSubmatch(docs[path], -1) {
			all = append(all, snippet{path, m[1]})
		}
	}
	return all
}

// TestConfigurationsInDocumentsHold parses every snippet with the keys of a
// configuration. docs/configuration.md has an invalid example and a test of its
// own.
func TestConfigurationsInDocumentsHold(t *testing.T) {
	defaults, err := yaml.Marshal(config.Default())
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := yaml.Unmarshal(defaults, &keys); err != nil {
		t.Fatal(err)
	}
	checked := map[string]bool{}
	for _, s := range snippets(t, "yaml") {
		var content map[string]any
		if s.document == "docs/configuration.md" || yaml.Unmarshal([]byte(s.text), &content) != nil {
			continue
		}
		ours := len(content) > 0
		for key := range content {
			_, known := keys[key]
			ours = ours && known
		}
		if !ours {
			continue
		}
		checked[s.document] = true
		if _, err := config.Parse(s.document, []byte(s.text)); err != nil {
			t.Errorf("%v\nin\n%s", err, s.text)
		}
	}
	for _, want := range []string{"docs/operating.md", "docs/comparison.md"} {
		if !checked[want] {
			t.Errorf("no configuration was found in %s", want)
		}
	}
}

// promtool runs a command that must succeed.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), tool.Path(t, "promtool"), args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestQueriesInDocumentsHold(t *testing.T) {
	names := map[string]bool{}
	for _, f := range collector.Families() {
		names[f.Name], names[f.Name+"_bucket"], names[f.Name+"_count"], names[f.Name+"_sum"] = true, true, true, true
	}
	recorded := regexp.MustCompile(`[a-z_]+:[a-z0-9_]+:[a-z0-9]+`)
	metric := regexp.MustCompile(`\b(?:aws_access_analyzer|access_analyzer_exporter)_\w+`)
	queries := snippets(t, "promql")
	rules := "groups:\n- name: documents\n  rules:\n"
	for i, s := range queries {
		rules += fmt.Sprintf("  - record: document:%d\n    expr: %q\n", i, s.text)
		for _, name := range metric.FindAllString(recorded.ReplaceAllString(s.text, ""), -1) {
			if !names[name] {
				t.Errorf("%s: there is no metric %s", s.document, name)
			}
		}
	}
	if len(queries) < 10 {
		t.Errorf("only %d queries found", len(queries))
	}
	promtool(t, "check", "rules", lab.WriteFile(t, rules))
}

// wantAccounts are the accounts that each query of docs/comparison.md returns
// over comparisonSeries, in the order of the document.
var wantAccounts = [][]string{
	{"broken", "unused"},           // CIS
	{"unused"},                     // passed before v5.0.0
	{"broken", "member", "unused"}, // Security Hub
	{"broken", "member"},           // Prowler
	{"own"},                        // Prowler, without findings
	{"member"},                     // Steampipe
	{"broken", "unused"},           // what Steampipe passes
	{"denied"},                     // Elastic
	{"denied"},                     // cnspec
}

// comparisonSeries are five accounts: own has an analyzer, member is covered by
// the organization's, unused has only an unused access analyzer, broken a
// DISABLED analyzer, denied cannot be read.
var comparisonSeries = map[string]string{
	`aws_access_analyzer_coverage{account_id="own",region="r",access="external"}`:                                "1",
	`aws_access_analyzer_coverage{account_id="member",region="r",access="external"}`:                             "1",
	`aws_access_analyzer_coverage{account_id="unused",region="r",access="external"}`:                             "0",
	`aws_access_analyzer_coverage{account_id="broken",region="r",access="external"}`:                             "0",
	`aws_access_analyzer_scrape_success{account_id="own",region="r"}`:                                            "1",
	`aws_access_analyzer_scrape_success{account_id="member",region="r"}`:                                         "1",
	`aws_access_analyzer_scrape_success{account_id="unused",region="r"}`:                                         "1",
	`aws_access_analyzer_scrape_success{account_id="broken",region="r"}`:                                         "1",
	`aws_access_analyzer_scrape_success{account_id="denied",region="r"}`:                                         "0",
	`aws_access_analyzer_status{account_id="own",region="r",analyzer="a",status="ACTIVE"}`:                       "1",
	`aws_access_analyzer_info{account_id="own",region="r",analyzer="a",access="external",scope="account"}`:       "1",
	`aws_access_analyzer_status{account_id="unused",region="r",analyzer="a",status="ACTIVE"}`:                    "1",
	`aws_access_analyzer_info{account_id="unused",region="r",analyzer="a",access="unused",scope="account"}`:      "1",
	`aws_access_analyzer_status{account_id="broken",region="r",analyzer="a",status="ACTIVE"}`:                    "0",
	`aws_access_analyzer_info{account_id="broken",region="r",analyzer="a",access="external",scope="account"}`:    "1",
	`aws_access_analyzer_findings{account_id="own",region="r",finding_type="ExternalAccess",status="ACTIVE"}`:    "3",
	`aws_access_analyzer_findings{account_id="unused",region="r",finding_type="ExternalAccess",status="ACTIVE"}`: "0",
}

func TestQueriesOfComparison(t *testing.T) {
	var queries []string
	for _, s := range snippets(t, "promql") {
		if s.document == "docs/comparison.md" {
			queries = append(queries, s.text)
		}
	}
	if len(queries) != len(wantAccounts) {
		t.Fatalf("%d queries, %d expectations", len(queries), len(wantAccounts))
	}
	var b strings.Builder
	b.WriteString("evaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n")
	for series, value := range comparisonSeries {
		fmt.Fprintf(&b, "  - series: '%s'\n    values: '%sx5'\n", series, value)
	}
	b.WriteString("  promql_expr_test:\n")
	for i, query := range queries {
		fmt.Fprintf(&b, "  - expr: %q\n    eval_time: 1m\n    exp_samples:\n", "count by (account_id) ("+query+")")
		for _, account := range wantAccounts[i] {
			fmt.Fprintf(&b, "    - {labels: '{account_id=%q}', value: 1}\n", account)
		}
	}
	promtool(t, "test", "rules", lab.WriteFile(t, b.String()))
}
