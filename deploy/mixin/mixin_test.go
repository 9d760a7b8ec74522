// Package mixin tests the mixin with the interpreter of Jsonnet.
package mixin

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-jsonnet"
	"github.com/google/go-jsonnet/formatter"
	"sigs.k8s.io/yaml"
)

// binary is the exporter, whose command rules the mixin is compared with.
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
	code := m.Run()
	if path, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

type group struct {
	Name  string
	Rules []map[string]any
	// Interval is empty for the default of Prometheus.
	Interval string `json:",omitempty"`
}

// rulesCommand returns the groups that the command prints.
func rulesCommand(t *testing.T, args ...string) []group {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	text, err := exec.CommandContext(t.Context(), path, append([]string{"rules"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Groups []group }
	if err := yaml.UnmarshalStrict(text, &file); err != nil || len(file.Groups) == 0 {
		t.Fatalf("%d groups (%v)", len(file.Groups), err)
	}
	return file.Groups
}

// mixin is what a mixin has for the programs that use it.
type mixin struct {
	Rules, Alerts struct{ Groups []group }
	Dashboards    map[string]any
}

// evaluate returns what an expression makes of the mixin.
func evaluate(t *testing.T, expression string) mixin {
	t.Helper()
	vm := jsonnet.MakeVM()
	vm.Importer(&jsonnet.FileImporter{})
	out, err := vm.EvaluateAnonymousSnippet("test.jsonnet", fmt.Sprintf(
		"local m = %s; {Rules: m.prometheusRules, Alerts: m.prometheusAlerts, Dashboards: m.grafanaDashboards}", expression))
	if err != nil {
		t.Fatal(err)
	}
	var m mixin
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// compare compares the groups of a mixin with others, in any order.
func compare(t *testing.T, m mixin, want []group) {
	t.Helper()
	got := map[string]group{}
	for _, g := range append(m.Rules.Groups, m.Alerts.Groups...) {
		got[g.Name] = g
	}
	if len(got) != len(want) || len(m.Rules.Groups)+len(m.Alerts.Groups) != len(want) {
		t.Errorf("%d and %d groups, want %d", len(m.Rules.Groups), len(m.Alerts.Groups), len(want))
	}
	for _, w := range want {
		g := got[w.Name]
		if g.Interval != w.Interval || len(g.Rules) != len(w.Rules) {
			t.Errorf("group %s has interval %q and %d rules, want %q and %d", w.Name, g.Interval, len(g.Rules), w.Interval, len(w.Rules))
			continue
		}
		for i := range w.Rules {
			if !reflect.DeepEqual(g.Rules[i], w.Rules[i]) {
				t.Fatalf("rule %d of %s differs:\n%v\nwant\n%v", i, w.Name, g.Rules[i], w.Rules[i])
			}
		}
	}
	for _, g := range m.Rules.Groups {
		for _, r := range g.Rules {
			if r["alert"] != nil {
				t.Errorf("%v is in prometheusRules", r["alert"])
			}
		}
	}
}

func TestRulesAreThoseOfTheCommand(t *testing.T) {
	compare(t, evaluate(t, "import 'mixin.libsonnet'"), rulesCommand(t))
	files, err := filepath.Glob("../../internal/rules/testdata/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d configurations (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			m := evaluate(t, fmt.Sprintf("(import 'mixin.libsonnet').withConfig(std.parseYaml(importstr '%s'))", file))
			compare(t, m, rulesCommand(t, "--config.file="+file))
		})
	}
}

// TestConfig sets single fields, as users of mixins do.
func TestConfig(t *testing.T) {
	m := evaluate(t, "(import 'mixin.libsonnet') + {_config+:: {sweep+: {interval: '30m'}, rules+: {leave_out: ['AccessAnalyzerFindingTooOld'], severities: {AccessAnalyzerPublicFinding: 'P1'}}}}")
	text, err := json.Marshal(m.Alerts)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "AccessAnalyzerFindingTooOld") || !strings.Contains(string(text), `"severity":"P1"`) || !strings.Contains(string(text), `kind=\"coverage\"}) \u003e 7200`) {
		t.Errorf("_config has no effect:\n%s", text)
	}
}

func TestDashboardsAreTheOnesOfTheProject(t *testing.T) {
	got := evaluate(t, "import 'mixin.libsonnet'").Dashboards
	files, err := filepath.Glob("../../grafana/dashboards/*.json")
	if err != nil || len(files) == 0 || len(got) != len(files) {
		t.Fatalf("%d dashboards, want %d (%v)", len(got), len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var want any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got[filepath.Base(file)], want) {
			t.Errorf("%s differs", file)
		}
	}
}

// consoles are the links into the AWS console of a dashboard.
var consoles = regexp.MustCompile(`"url": ?"([^"]*__data\.fields\.console[^"]*)"`)

// TestPortal checks that links of dashboards go through the access portal of the
// configuration, as those of alerts do.
func TestPortal(t *testing.T) {
	const destination = "https%3A%2F%2F${__data.fields.console:percentencode}%23%2F"
	for _, test := range []struct{ configuration, analyzers, findings string }{
		{
			"portal",
			"https://example.awsapps.com/start/#/console?account_id=${__data.fields.account_id}&role_name=Security%2BAudit%3D1%2C%40a&destination=" + destination + "analyzers",
			"https://example.awsapps.com/start/#/console?account_id=${__data.fields.analyzer_account_id}&role_name=Security%2BAudit%3D1%2C%40a&destination=" + destination + "findings%3FresourceOwnerAccount%3D${__data.fields.account_id}",
		},
		{
			"console-url",
			"https://login.example.org/aws/${__data.fields.account_id}/${__data.fields.region}?u=" + destination + "analyzers&again=" + destination + "analyzers#x",
			"https://login.example.org/aws/${__data.fields.analyzer_account_id}/${__data.fields.region}?u=" + destination + "findings%3FresourceOwnerAccount%3D${__data.fields.account_id}&again=" + destination + "findings%3FresourceOwnerAccount%3D${__data.fields.account_id}#x",
		},
	} {
		t.Run(test.configuration, func(t *testing.T) {
			m := evaluate(t, fmt.Sprintf("(import 'mixin.libsonnet').withConfig(std.parseYaml(importstr '../../internal/rules/testdata/%s.yaml'))", test.configuration))
			for file, link := range map[string]string{"access-analyzer-coverage.json": test.analyzers, "access-analyzer-findings.json": test.findings} {
				var text strings.Builder
				encoder := json.NewEncoder(&text)
				encoder.SetEscapeHTML(false)
				if err := encoder.Encode(m.Dashboards[file]); err != nil {
					t.Fatal(err)
				}
				found := consoles.FindAllStringSubmatch(text.String(), -1)
				if len(found) == 0 {
					t.Errorf("%s has no links into the console", file)
				}
				for _, f := range found {
					if f[1] != link {
						t.Errorf("%s links to\n%s, want\n%s", file, f[1], link)
					}
				}
			}
		})
	}
}

func TestFormat(t *testing.T) {
	files, err := filepath.Glob("*.libsonnet")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files (%v)", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		formatted, err := formatter.Format(file, string(text), formatter.DefaultOptions())
		if err != nil {
			t.Fatal(err)
		}
		if formatted != string(text) {
			t.Errorf("%s is not formatted; jsonnetfmt makes of it:\n%s", file, formatted)
		}
	}
}
