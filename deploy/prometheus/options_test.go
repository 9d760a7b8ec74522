package prometheus

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// configurations are those that the chart and the mixin are compared with.
const configurations = "../../internal/rules/testdata"

// writeRules writes the rules for a configuration into a directory.
func writeRules(t *testing.T, dir, configuration string) string {
	t.Helper()
	var out, errs bytes.Buffer
	if code := cli.Run(t.Context(), []string{"rules", "--config.file=" + configuration}, &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	path := filepath.Join(dir, "rules.yaml")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), tool.Path(t, "promtool"), args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %q: %v\n%s", args, err, out)
	}
}

func TestPrometheusAcceptsRulesOfConfigurations(t *testing.T) {
	files, err := filepath.Glob(configurations + "/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d configurations (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			promtool(t, "check", "rules", "--lint=all", "--lint-fatal", writeRules(t, t.TempDir(), file))
		})
	}
}

// TestConfiguredRules runs rules of configurations: with labels of accounts, a page keeps
// those that it began with while they cannot be read, and names them. With a portal,
// links of one account sign in to it, or to that of the analyzer.
func TestConfiguredRules(t *testing.T) {
	for name, configuration := range map[string]string{"account-labels": "settings", "portal": "portal", "console-url": "console-url"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeRules(t, dir, configurations+"/"+configuration+".yaml")
			test, err := os.ReadFile("testdata/" + name + ".yaml")
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "test.yaml")
			if err := os.WriteFile(path, test, 0o600); err != nil {
				t.Fatal(err)
			}
			promtool(t, "test", "rules", path)
		})
	}
}

// TestExporterLinks checks that the page and the JSON accept the links of every alert
// that has some, and that there are none without a URL of the exporter.
func TestExporterLinks(t *testing.T) {
	const settings = "identity: [organization], exporter: 'https://{organization}.example.org/{job}'"
	configuration := lab.WriteFile(t, "coverage: {unused: {required: true}, internal: {required: true}}\nrules: {"+settings+"}")
	var file struct{ Groups []struct{ Rules []rule } }
	readYAML(t, writeRules(t, t.TempDir(), configuration), &file)
	page := web.Handler(web.Options{
		Metrics: http.NotFoundHandler(), Snapshot: func() *inventory.Snapshot { return webtest.Organization(time.Now()) },
		Progress: func() []sweep.Progress { return nil }, Logger: slog.New(slog.DiscardHandler),
	})
	linked := map[string]bool{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			for annotation, path := range map[string]string{"exporter_url": "/", "exporter_json_url": "/api/v1/coverage"} {
				link := r.Annotations[annotation]
				if linked[r.Alert+annotation] = link != ""; link == "" {
					continue
				}
				for _, region := range []string{webtest.Regions[0], "global"} {
					url := expand(t, link, map[string]string{"organization": "o", "job": "j", "account_id": webtest.ID(5), "region": region, "access": "external"})
					of, ok := strings.CutPrefix(url, "https://o.example.org/j"+path)
					w := httptest.NewRecorder()
					if page.ServeHTTP(w, httptest.NewRequest("GET", path+of, nil)); !ok || w.Code != http.StatusOK {
						t.Errorf("%s: %s is %s: %d %.200s", r.Alert, annotation, url, w.Code, w.Body)
					}
					if account := "account=" + webtest.ID(5); r.Labels["page"] == "target" && !strings.Contains(url, account) {
						t.Errorf("%s: %s is %s, without %s", r.Alert, annotation, url, account)
					}
				}
			}
		}
	}
	for _, r := range readAlerts(t) {
		for _, annotation := range []string{"exporter_url", "exporter_json_url"} {
			if want := slices.Contains(linkedGroups, r.group); linked[r.Alert+annotation] != want {
				t.Errorf("%s: %s exists: %t, want %t", r.Alert, annotation, !want, want)
			}
			if r.Annotations[annotation] != "" {
				t.Errorf("%s has a link to an exporter whose URL is not set", r.Alert)
			}
		}
	}
}

// linkedGroups are those of alerts on what the page shows in detail.
var linkedGroups = []string{"access-analyzer-coverage", "access-analyzer-public", "access-analyzer-hygiene"}

// expand replaces labels in an annotation.
func expand(t *testing.T, annotation string, labels map[string]string) string {
	t.Helper()
	parsed, err := template.New("").Option("missingkey=error").Parse("{{ $labels := . }}" + annotation)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := parsed.Execute(&text, labels); err != nil {
		t.Error(err)
	}
	return text.String()
}

// TestAlertmanagerSeparatesExporters checks that no exporter hides another, and that
// alerts of two exporters are not one notification.
func TestAlertmanagerSeparatesExporters(t *testing.T) {
	type route struct {
		GroupBy []string `yaml:"group_by"`
		Routes  []route
	}
	type configuration struct {
		Route        route
		InhibitRules []struct{ Equal []string } `yaml:"inhibit_rules"`
	}
	identity := append(config.Default().Rules.Identity, "job")
	check := func(what string, labels []string) {
		for _, label := range identity {
			if !slices.Contains(labels, label) {
				t.Errorf("%s %q lacks %s", what, labels, label)
			}
		}
	}
	files, err := filepath.Glob("../alertmanager/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files (%v)", err)
	}
	for _, path := range files {
		var file configuration
		readYAML(t, path, &file)
		routes := []route{file.Route}
		for i := 0; i < len(routes); i++ {
			if routes = append(routes, routes[i].Routes...); i == 0 || len(routes[i].GroupBy) > 0 { // else inherited
				check(path+": group_by", routes[i].GroupBy)
			}
		}
		if len(routes) < 2 || len(file.InhibitRules) == 0 {
			t.Fatalf("%s has %d routes and %d inhibitions", path, len(routes), len(file.InhibitRules))
		}
		for _, r := range file.InhibitRules {
			check(path+": equal", r.Equal)
		}
	}
}
