package collector

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range Families() {
		if seen[f.Name] {
			t.Errorf("%s is in the table twice", f.Name)
		}
		seen[f.Name] = true
		if !strings.HasPrefix(f.Name, "aws_access_analyzer_") && !strings.HasPrefix(f.Name, "access_analyzer_exporter_") {
			t.Errorf("%s has no prefix of the exporter", f.Name)
		}
		if f.FromSnapshot() && f.Type != Gauge {
			t.Errorf("%s is a %s: families from snapshots are encoded as gauges", f.Name, f.Type)
		}
		if !strings.HasSuffix(f.Help, ".") {
			t.Errorf("%s: the help does not end with a period: %q", f.Name, f.Help)
		}
		if unit := unitIn(f.Name); !strings.Contains(f.Help, unit) {
			t.Errorf("%s: the help does not contain %q: %q", f.Name, unit, f.Help)
		}
		if f.Stability != Stable && f.Stability != Experimental {
			t.Errorf("%s: stability %q", f.Name, f.Stability)
		}
	}
}

// unitIn returns the words by which a help text names the unit in the suffix of
// a metric.
func unitIn(name string) string {
	switch {
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return "Unix timestamp of "
	case strings.HasSuffix(name, "_seconds"):
		return " in seconds"
	case strings.HasSuffix(name, "_total"):
		return "Total number of "
	}
	return ""
}

// The registered metrics and the table must be the same.
func TestOwnFamiliesAreInTheTable(t *testing.T) {
	e := New()
	e.ObserveRequest("sts", "AssumeRole", "OK", time.Second)
	e.ObserveReload(true, moment)
	e.ObserveShard(1, 3)
	e.ObserveRequired(map[inventory.Access]bool{inventory.External: true})
	e.ExpectChecks("no-new-users")
	observeEvents(e)
	families, done, err := e.live.Gather()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	var got, want []string
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "go_") || strings.HasPrefix(f.GetName(), "process_") {
			continue
		}
		var labels []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		got = append(got, fmt.Sprint(f.GetName(), strings.ToLower(f.GetType().String()), labels, f.GetHelp()))
	}
	for _, f := range Families() {
		if !f.FromSnapshot() {
			want = append(want, fmt.Sprint(f.Name, f.Type, slices.Sorted(slices.Values(f.Labels)), f.Help))
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("registered:\n%s\nin the table:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Each family has a series in the fixture of an organization, so that golden
// files, lint and comparisons cover it.
func TestFixtureShowsEveryFamily(t *testing.T) {
	s := organization()
	for _, l := range layouts {
		var found series
		if found.gather(l, s); len(found.order) == 0 {
			t.Errorf("%s has no series", l.Name)
		}
	}
}

func TestLint(t *testing.T) {
	e := New()
	e.ObserveRequest("sts", "AssumeRole", "OK", time.Second)
	e.ObserveReload(false, moment)
	e.ObserveShard(1, 3)
	e.ObserveRequired(map[inventory.Access]bool{inventory.External: true})
	observeEvents(e)
	freeze(t, e)
	own := prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, done, err := e.live.Gather()
		done()
		return families, err
	})
	problems, err := testutil.GatherAndLint(prometheus.Gatherers{own, pedantic(organization())})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestPromtoolAcceptsTheMetrics(t *testing.T) {
	for name, s := range fixtures {
		e := New()
		e.Publish(s)
		_, body := serve(t, e)("", http.Header{})
		check := exec.CommandContext(t.Context(), tool.Path(t, "promtool"), "check", "metrics")
		check.Stdin = strings.NewReader(string(body))
		if out, err := check.CombinedOutput(); err != nil || len(out) != 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestPromtoolAcceptsTheQueries(t *testing.T) {
	rules := "groups:\n- name: examples\n  rules:\n"
	for i, q := range queries() {
		rules += fmt.Sprintf("  - record: example:%d\n    expr: %q\n", i, q)
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), tool.Path(t, "promtool"), "check", "rules", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// observeEvents gives each metric about events a series.
func observeEvents(e *Exporter) {
	e.ExpectEvents([]string{"Access Analyzer Finding"}, []string{"out_of_scope"}, []string{"malformed"}, []string{"findings"})
	e.ObserveEvent("Access Analyzer Finding", time.Second)
	e.ObserveIgnoredEvent("Access Analyzer Finding", "out_of_scope")
	e.ObserveFailedEvent("Access Analyzer Finding", "malformed")
	e.ObserveRefresh("findings", true)
	e.ObserveEventQueue(true)
}
