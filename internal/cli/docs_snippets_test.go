package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
)

// snippet is a piece of code in a document.
type snippet struct{ document, text string }

// snippets are those in one language of all documents, in order.
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

// TestConfigurationsInDocumentsHold parses whatever has the keys of a
// configuration. The reference has an example that is refused, and a test of
// its own.
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
		if s.document == filepath.Join("docs", "configuration.md") || yaml.Unmarshal([]byte(s.text), &content) != nil {
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

// promtool is Prometheus' own judge of expressions.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal("promtool is not installed, and nothing may go unchecked here")
	default:
		t.Skip("promtool is not installed")
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
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
	promtool(t, "check", "rules", configFile(t, rules))
}

// TestComparisonGivesTheViewsOfOthers evaluates the queries of
// docs/comparison.md over five accounts: own has an analyzer of its own, member
// is covered by the organization's, unused has one for unused access alone,
// broken a DISABLED one, denied cannot be read.
func TestComparisonGivesTheViewsOfOthers(t *testing.T) {
	var queries []string
	for _, s := range snippets(t, "promql") {
		if s.document == filepath.Join("docs", "comparison.md") {
			queries = append(queries, s.text)
		}
	}
	// The accounts that each query returns, in the order of the document.
	wants := [][]string{
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
	if len(queries) != len(wants) {
		t.Fatalf("%d queries, %d expectations", len(queries), len(wants))
	}
	var b strings.Builder
	b.WriteString("evaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n")
	series := func(metric, labels, value string) {
		fmt.Fprintf(&b, "  - series: '%s{%s}'\n    values: '%sx5'\n", metric, labels, value)
	}
	for account, coverage := range map[string]string{"own": "1", "member": "1", "unused": "0", "broken": "0"} {
		series("aws_access_analyzer_coverage", `account_id="`+account+`",region="r",access="external"`, coverage)
	}
	for account, success := range map[string]string{"own": "1", "member": "1", "unused": "1", "broken": "1", "denied": "0"} {
		series("aws_access_analyzer_scrape_success", `account_id="`+account+`",region="r"`, success)
	}
	for account, a := range map[string]struct{ access, active string }{"own": {"external", "1"}, "unused": {"unused", "1"}, "broken": {"external", "0"}} {
		series("aws_access_analyzer_status", `account_id="`+account+`",region="r",analyzer="a",status="ACTIVE"`, a.active)
		series("aws_access_analyzer_info", `account_id="`+account+`",region="r",analyzer="a",access="`+a.access+`",scope="account"`, "1")
	}
	series("aws_access_analyzer_findings", `account_id="own",region="r",finding_type="ExternalAccess",status="ACTIVE"`, "3")
	series("aws_access_analyzer_findings", `account_id="unused",region="r",finding_type="ExternalAccess",status="ACTIVE"`, "0")
	b.WriteString("  promql_expr_test:\n")
	for i, query := range queries {
		fmt.Fprintf(&b, "  - expr: %q\n    eval_time: 1m\n    exp_samples:\n", "count by (account_id) ("+query+")")
		for _, account := range wants[i] {
			fmt.Fprintf(&b, "    - {labels: '{account_id=%q}', value: 1}\n", account)
		}
	}
	promtool(t, "test", "rules", configFile(t, b.String()))
}
