// Package prometheus tests the rules for Prometheus and the configuration for
// Alertmanager.
package prometheus

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

const (
	rulesFile        = "rules.yaml"
	alertmanagerFile = "../alertmanager/alertmanager.yml"
	teamsFile        = "../alertmanager/alertmanager-teams.yml"
	runbooks         = "../../docs/runbooks"
	dashboards       = "../../grafana/dashboards"
	// policyFile is what iam-policy prints for a configuration that uses
	// everything.
	policyFile = "../../internal/cli/testdata/iam-policy/everything.json"
)

type rule struct {
	Record, Alert, Expr, For string
	KeepFiringFor            string `yaml:"keep_firing_for"`
	Labels, Annotations      map[string]string
	group                    string
}

func (r rule) name() string { return r.Record + r.Alert }

// severities of an alert: a template makes external access critical, and the
// others warnings.
func (r rule) severities() []string {
	if r.Labels["severity"] == `{{ if eq $labels.access "external" }}critical{{ else }}warning{{ end }}` {
		return []string{"critical", "warning"}
	}
	return []string{r.Labels["severity"]}
}

// recordedState reports whether the alert uses recorded state that bridges gaps in
// the data.
func (r rule) recordedState() bool {
	return strings.Contains(r.Expr, "aws_access_analyzer_coverage:uncovered") || strings.Contains(r.Expr, "aws_access_analyzer_findings:public")
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}

func readRules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	readYAML(t, rulesFile, &file)
	var rules []rule
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			r.group = g.Name
			rules = append(rules, r)
		}
	}
	return rules
}

func readAlerts(t *testing.T) []rule {
	t.Helper()
	alerts := slices.DeleteFunc(readRules(t), func(r rule) bool { return r.Alert == "" })
	if len(alerts) == 0 {
		t.Fatalf("%s has no alerts", rulesFile)
	}
	return alerts
}

func TestAnnotations(t *testing.T) {
	var urls struct{ Repository string }
	readYAML(t, "../urls.yaml", &urls)
	for _, r := range readAlerts(t) {
		for _, s := range r.severities() {
			if s != "critical" && s != "warning" {
				t.Errorf("%s: severity is %q", r.Alert, s)
			}
		}
		if r.KeepFiringFor == "" && !r.recordedState() {
			t.Errorf("%s has no keep_firing_for: a missed scrape resolves it", r.Alert)
		}
		for _, annotation := range []string{"summary", "description"} {
			if r.Annotations[annotation] == "" {
				t.Errorf("%s has no %s", r.Alert, annotation)
			}
		}
		if want := urls.Repository + "/blob/main/docs/runbooks/" + r.Alert + ".md"; r.Annotations["runbook_url"] != want {
			t.Errorf("%s: runbook_url is %q, want %q", r.Alert, r.Annotations["runbook_url"], want)
		}
		if slices.Contains([]string{"target", "resource"}, r.Labels["page"]) {
			for _, label := range []string{"account_name", "account_id", "region"} {
				if !strings.Contains(r.Annotations["description"], "{{ $labels."+label+" }}") {
					t.Errorf("%s: the description does not name the %s", r.Alert, label)
				}
			}
		}
	}
}

func TestDashboardLinks(t *testing.T) {
	action := regexp.MustCompile(`\{\{.*?\}\}`)
	for _, r := range readAlerts(t) {
		url := r.Annotations["dashboard_url"]
		rest, ok := strings.CutPrefix(url, "/d/")
		if !ok {
			t.Errorf("%s: dashboard_url is %q, want one under /d", r.Alert, url)
			continue
		}
		uid, query, _ := strings.Cut(action.ReplaceAllString(rest, ""), "?")
		known := dashboardVariables(t, uid)
		for parameter := range strings.SplitSeq(query, "&") {
			name, _, _ := strings.Cut(parameter, "=")
			if name != "" && !slices.Contains(known, strings.TrimPrefix(name, "var-")) {
				t.Errorf("%s: dashboard %s has no variable for %s", r.Alert, uid, name)
			}
		}
	}
}

func dashboardVariables(t *testing.T, uid string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dashboards, uid+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		UID        string
		Templating struct{ List []struct{ Name string } }
	}
	if err := json.Unmarshal(b, &d); err != nil || d.UID != uid {
		t.Fatalf("dashboard %s has uid %q (%v)", uid, d.UID, err)
	}
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
	}
	return names
}

func TestEveryAlertHasFiringAndSilentCases(t *testing.T) {
	firing, silent := map[string]bool{}, map[string]bool{}
	for _, file := range unitTests(t) {
		var tests struct {
			Tests []struct {
				AlertRuleTest []struct {
					Alertname string
					ExpAlerts []struct {
						ExpLabels map[string]string `yaml:"exp_labels"`
					} `yaml:"exp_alerts"`
				} `yaml:"alert_rule_test"`
			}
		}
		readYAML(t, file, &tests)
		for _, test := range tests.Tests {
			for _, c := range test.AlertRuleTest {
				if len(c.ExpAlerts) == 0 {
					silent[c.Alertname] = true
				}
				for _, alert := range c.ExpAlerts {
					firing[c.Alertname+" "+alert.ExpLabels["severity"]] = true
				}
			}
		}
	}
	for _, r := range readAlerts(t) {
		for _, severity := range r.severities() {
			if !firing[r.Alert+" "+severity] {
				t.Errorf("no case in which %s (%s) fires", r.Alert, severity)
			}
		}
		if !silent[r.Alert] {
			t.Errorf("no case in which %s is silent", r.Alert)
		}
	}
}

func unitTests(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("tests/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no unit tests found (%v)", err)
	}
	return files
}

// promtool accepts unknown metrics and labels: such a rule never fires.
func TestRulesUseExportedMetrics(t *testing.T) {
	labels := map[string][]string{"up": nil}
	for _, f := range collector.Families() {
		labels[f.Name] = f.Labels
		if f.Type == collector.Histogram {
			labels[f.Name+"_bucket"] = append(slices.Clone(f.Labels), "le")
		}
	}
	rules := readRules(t)
	recorded := map[string]bool{}
	for _, r := range rules {
		recorded[r.Record] = true
	}
	ofTarget := []string{"cluster", "namespace", "job", "instance"}
	// Labels that rules add.
	made := []string{"page", "since", "n", "shard"}
	everywhere := slices.Concat(slices.Collect(maps.Values(labels))...)
	everywhere = slices.Concat(everywhere, ofTarget, made)
	var (
		quoted     = regexp.MustCompile(`"[^"]*"`)
		selector   = regexp.MustCompile(`([a-z_:0-9]+)\{([^}]*)\}`)
		matcher    = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
		grouping   = regexp.MustCompile(`\b(?:by|on|group_left) \(([^)]*)\)`)
		identifier = regexp.MustCompile(`[a-z][a-z0-9]*(?:[_:][a-z0-9_:]+)+`)
		functions  = []string{"label_replace", "avg_over_time", "max_over_time", "last_over_time", "count_over_time", "count_values", "histogram_quantile"}
	)
	for _, r := range rules {
		expr := quoted.ReplaceAllString(r.Expr, `""`)
		for _, m := range selector.FindAllStringSubmatch(expr, -1) {
			for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
				if !recorded[m[1]] && !slices.Contains(append(labels[m[1]], ofTarget...), l[1]) {
					t.Errorf("%s: %s has no label %s", r.name(), m[1], l[1])
				}
			}
		}
		for _, m := range grouping.FindAllStringSubmatch(expr, -1) {
			for l := range strings.SplitSeq(m[1], ",") {
				if l = strings.TrimSpace(l); l != "" && !slices.Contains(everywhere, l) {
					t.Errorf("%s: no metric has a label %s", r.name(), l)
				}
			}
		}
		expr = grouping.ReplaceAllString(selector.ReplaceAllString(expr, "$1"), "")
		for _, name := range identifier.FindAllString(expr, -1) {
			if _, exported := labels[name]; !exported && !recorded[name] && !slices.Contains(functions, name) {
				t.Errorf("%s: %s is neither exported nor recorded", r.name(), name)
			}
		}
	}
}

func TestRunbooks(t *testing.T) {
	severities := map[string]string{}
	for _, r := range readAlerts(t) {
		severities[r.Alert] = min(r.severities()[0], cmp.Or(severities[r.Alert], "warning"))
	}
	index, err := os.ReadFile(filepath.Join(runbooks, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for alert, severity := range severities {
		if !strings.Contains(string(index), fmt.Sprintf("| [%s](%[1]s.md) | %s |", alert, severity)) {
			t.Errorf("%s/README.md does not list %s as %s", runbooks, alert, severity)
		}
		b, err := os.ReadFile(filepath.Join(runbooks, alert+".md"))
		if err != nil {
			t.Error(err)
			continue
		}
		want := []string{"# " + alert, "## Meaning", "## Impact", "## Diagnosis", "## Mitigation", "## Silencing"}
		var got []string
		inBlock := false
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(strings.TrimSpace(line), "```") {
				inBlock = !inBlock
			}
			if !inBlock && strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "###") {
				got = append(got, strings.TrimSpace(line))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s.md has headings %q, want %q", alert, got, want)
		}
	}
	files, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".md"); name != "README" && severities[name] == "" {
			t.Errorf("%s has no alert", file)
		}
	}
}

// The alert refers to its runbook for the fix of each reason.
func TestRunbookOfCoverageUnknownFixesEachReason(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(runbooks, "AccessAnalyzerCoverageUnknown.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, mitigation, _ := strings.Cut(string(text), "\n## Mitigation\n")
	fix := regexp.MustCompile("(?m)^\\| `(\\w+)` \\| .+ \\| .+ \\|$")
	var reasons []inventory.Reason
	for _, row := range fix.FindAllStringSubmatch(mitigation, -1) {
		reasons = append(reasons, inventory.Reason(row[1]))
	}
	if !slices.Equal(slices.Sorted(slices.Values(reasons)), slices.Sorted(slices.Values(inventory.Reasons))) {
		t.Errorf("the runbook has fixes for %q, want %q", reasons, inventory.Reasons)
	}
}

// The configuration snippets of runbooks are valid.
func TestRunbooksConfigureWhatExists(t *testing.T) {
	block := regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")
	actions := regexp.MustCompile(`\b(?:access-analyzer|account|organizations|sqs):[A-Z]\w+`)
	policy, err := os.ReadFile(policyFile)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	snippets := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, action := range actions.FindAllString(string(b), -1) {
			if !bytes.Contains(policy, []byte(strconv.Quote(action))) {
				t.Errorf("%s grants %s, which iam-policy does not", file, action)
			}
		}
		for _, m := range block.FindAllSubmatch(b, -1) {
			if bytes.HasPrefix(m[1], []byte("AWSTemplateFormatVersion:")) || bytes.HasPrefix(m[1], []byte("scrape_configs:")) {
				continue
			}
			snippets++
			if _, err := config.Parse(file, m[1]); err != nil {
				t.Error(err)
			}
		}
	}
	if snippets < 5 {
		t.Errorf("only %d snippets of configuration found", snippets)
	}
}

func TestToolsAccept(t *testing.T) {
	tests := map[string][]string{
		"lint":         {"promtool", "check", "rules", "--lint=all", "--lint-fatal", rulesFile},
		"prometheus":   {"promtool", "check", "config", "prometheus.yml"},
		"alertmanager": {"amtool", "check-config", alertmanagerFile},
		"teams":        {"amtool", "check-config", teamsFile},
	}
	for _, file := range unitTests(t) {
		tests[file] = []string{"promtool", "test", "rules", file}
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if out, err := exec.CommandContext(t.Context(), tool.Path(t, args[0]), args[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
			}
		})
	}
}

// A failure of all targets is one alert, so that no queue overflows.
func TestManyTargetsFireOneAlert(t *testing.T) {
	const many = 1001
	promtool := tool.Path(t, "promtool")
	rules, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	type series struct{ Series, Values string }
	input := []series{{`access_analyzer_exporter_sweep_last_completed_timestamp_seconds{kind="findings", job="e", instance="e"}`, "1x180"}}
	for i := range many {
		account := fmt.Sprintf(`account_id="%012d"`, i)
		input = append(input,
			series{`aws_access_analyzer_coverage{` + account + `, region="eu-west-1", access="external"}`, "0x180"},
			series{`aws_access_analyzer_scrape_success{` + account + `, region="eu-west-2"}`, "0x180"},
			series{`aws_access_analyzer_scrape_error{` + account + `, region="eu-west-2", operation="ListAnalyzers", reason="throttled"}`, "1x180"},
			series{`aws_access_analyzer_status{` + account + `, region="eu-west-3", analyzer="a", status="ACTIVE", job="e", instance="e"}`, "1x180"},
		)
	}
	type sample struct {
		Labels string
		Value  float64
	}
	type query struct {
		Expr       string
		EvalTime   string   `yaml:"eval_time"`
		ExpSamples []sample `yaml:"exp_samples"`
	}
	type unitTest struct {
		Interval    string
		InputSeries []series `yaml:"input_series"`
		Queries     []query  `yaml:"promql_expr_test"`
	}
	file, err := yaml.Marshal(map[string]any{
		"rule_files": []string{rules}, "evaluation_interval": "3m",
		"tests": []unitTest{{"1m", input, []query{{
			`count by (alertname) (ALERTS{alertname!~".+Exporter.+"})`, "170m",
			[]sample{
				{`{alertname="AccessAnalyzerOrganizationUncovered"}`, 1},
				{`{alertname="AccessAnalyzerRegionNeverCovered"}`, 1},
				{`{alertname="AccessAnalyzerCoverageUnknown"}`, 1},
				{`{alertname="AccessAnalyzerFindingsStale"}`, 1},
			},
		}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "many.yaml")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCriticalAlertsPageAndOthersAreTickets(t *testing.T) {
	for _, r := range readAlerts(t) {
		for _, severity := range r.severities() {
			receiver := "ticket"
			if severity == "critical" {
				receiver = "page"
			}
			goesTo(t, alertmanagerFile, receiver, r.Alert, severity)
			if r.Alert == "AccessAnalyzerRegionUncovered" || r.Alert == "AccessAnalyzerAccountUncovered" {
				goesTo(t, teamsFile, receiver, r.Alert, severity)
				goesTo(t, teamsFile, receiver+"-shop", r.Alert, severity, "label_team=shop")
				goesTo(t, teamsFile, receiver, r.Alert, severity, "label_team=unheard-of")
			}
		}
	}
}

// goesTo fails unless the configuration of Alertmanager routes an alert to a receiver.
func goesTo(t *testing.T, file, receiver, alert, severity string, labels ...string) {
	t.Helper()
	args := append([]string{
		"config", "routes", "test", "--config.file", file, "--verify.receivers", receiver,
		"alertname=" + alert, "severity=" + severity, "account_id=111122223333", "region=eu-west-1",
	}, labels...)
	if out, err := exec.CommandContext(t.Context(), tool.Path(t, "amtool"), args...).CombinedOutput(); err != nil {
		t.Errorf("%s (%s) does not go to %s of %s: %v\n%s", alert, severity, receiver, file, err, out)
	}
}

// A route or an inhibition with an unknown alert has no effect.
func TestAlertmanagerReferencesAlerts(t *testing.T) {
	b, err := os.ReadFile(alertmanagerFile)
	if err != nil {
		t.Fatal(err)
	}
	alerts := map[string]bool{}
	for _, r := range readAlerts(t) {
		alerts[r.Alert] = true
	}
	named := regexp.MustCompile(`alertname=~?"([^"]+)"`).FindAllSubmatch(b, -1)
	if len(named) == 0 {
		t.Fatalf("%s names no alert", alertmanagerFile)
	}
	for _, m := range named {
		pattern := regexp.MustCompile("^(?:" + string(m[1]) + ")$")
		matched := 0
		for alert := range alerts {
			if pattern.MatchString(alert) {
				matched++
			}
		}
		if want := 1 + strings.Count(string(m[1]), "|"); matched < want {
			t.Errorf("%s names %s: %d alerts, want at least %d", alertmanagerFile, m[1], matched, want)
		}
	}
}

// TestKustomizeHasTheseRules finds a base that was not rendered again after a change
// of the rules. The tests of the chart compare all of it, and take minutes to build.
func TestKustomizeHasTheseRules(t *testing.T) {
	const file = "../kustomize/prometheus-operator/operator.yaml"
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	known, found := map[string]rule{}, 0
	for _, r := range readRules(t) {
		r.group = ""
		known[r.name()+r.Expr] = r
	}
	for decoder := yaml.NewDecoder(f); ; {
		var object struct {
			Spec struct{ Groups []struct{ Rules []rule } }
		}
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		for _, g := range object.Spec.Groups {
			for _, r := range g.Rules {
				found++
				if !reflect.DeepEqual(r, known[r.name()+r.Expr]) {
					t.Errorf("%s is not that of %s: run `go generate ./...` in deploy/helm", r.name(), rulesFile)
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("%s has %d rules", file, found)
	}
}
