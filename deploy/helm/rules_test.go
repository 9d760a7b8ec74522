package helm

import (
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

// binary is the exporter, whose command rules the chart is compared with.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "exporter")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "exporter")
	command := exec.Command("go", "build", "-o", path, ".")
	command.Dir, command.Stderr = "../..", os.Stderr
	return path, command.Run()
})

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // Helm logs each symbolic link of the chart, hundreds of times
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// rulesCommand returns the rules that the command prints.
func rulesCommand(t *testing.T, args ...string) monitoringv1.PrometheusRuleSpec {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	text, err := exec.CommandContext(t.Context(), path, append([]string{"rules"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var spec monitoringv1.PrometheusRuleSpec
	if err := yaml.UnmarshalStrict(text, &spec); err != nil {
		t.Fatal(err)
	}
	return spec
}

// chartRules returns the rules that the chart makes of values.
func chartRules(t *testing.T, values map[string]any) monitoringv1.PrometheusRuleSpec {
	t.Helper()
	text, err := yaml.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	return get[*monitoringv1.PrometheusRule](t, objects(t, string(text)), "PrometheusRule/"+fullname).Spec
}

func compareRules(t *testing.T, got, want monitoringv1.PrometheusRuleSpec) {
	t.Helper()
	if len(want.Groups) == 0 {
		t.Fatal("the command prints no rules")
	}
	lines := func(spec monitoringv1.PrometheusRuleSpec) []string { return strings.SplitAfter(asJSON(t, spec), ",") }
	a, b := lines(got), lines(want)
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			t.Fatalf("the rules differ after\n%s\ngot\n%s\nwant\n%s", strings.Join(b[max(0, i-5):i], ""), a[i], b[i])
		}
	}
	if len(a) != len(b) {
		t.Fatalf("%d parts of rules, want %d", len(a), len(b))
	}
}

// TestRulesAreThoseOfTheCommand compares the rules for the same configurations.
func TestRulesAreThoseOfTheCommand(t *testing.T) {
	files, err := filepath.Glob("../../internal/rules/testdata/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d configurations (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var config map[string]any
			if err := yaml.Unmarshal(b, &config); err != nil {
				t.Fatal(err)
			}
			got := chartRules(t, map[string]any{"config": config, "prometheusRule": map[string]any{"enabled": true}})
			compareRules(t, got, rulesCommand(t, "--config.file="+file))
		})
	}
}

// TestRulesOfExistingConfigMap checks that all rules are there while the chart does
// not have the configuration.
func TestRulesOfExistingConfigMap(t *testing.T) {
	got := chartRules(t, map[string]any{"existingConfigMap": "own", "prometheusRule": map[string]any{"enabled": true}})
	compareRules(t, got, rulesCommand(t))

	config := map[string]any{"rules": map[string]any{"leave_out": []string{"AccessAnalyzerFindingTooOld"}}}
	got = chartRules(t, map[string]any{"existingConfigMap": "own", "prometheusRule": map[string]any{"enabled": true, "config": config}})
	if text := asJSON(t, got); strings.Contains(text, "AccessAnalyzerFindingTooOld") || !strings.Contains(text, "AccessAnalyzerAccountUncovered") {
		t.Error("prometheusRule.config has no effect")
	}
	if _, err := render(t, "fullnameOverride: iam\nconfig: {rules: {job: iam}}"); err != nil {
		t.Error(err)
	}
	if _, err := render(t, "config: {sweep: {}}\nprometheusRule: {enabled: true, config: {sweep: {}}}"); err == nil || !strings.Contains(err.Error(), "prometheusRule.config") {
		t.Errorf("both configurations are accepted: %v", err)
	}
}
