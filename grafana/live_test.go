package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long the programs that a test starts may take to get ready.
const patience = 2 * time.Minute

// TestEveryQueryAnswers asks a Prometheus that scrapes the demo everything
// that the dashboards ask.
func TestEveryQueryAnswers(t *testing.T) {
	t.Parallel()
	prometheus := startPrometheus(t, startDemo(t))
	prometheus.await(t, "aws_access_analyzer_findings offset 10s")
	for _, b := range boards(t) {
		chosen := map[string][]string{}
		for _, v := range b.Templating.List {
			t.Run(b.UID+"/variable "+v.Name, func(t *testing.T) {
				chosen[v.Name] = prometheus.options(t, v)
				if len(chosen[v.Name]) == 0 {
					t.Error("nothing to choose from")
				}
			})
		}
		for _, p := range b.charts() {
			for _, q := range p.Targets {
				t.Run(b.UID+"/"+p.Title+"/"+q.RefID, func(t *testing.T) { prometheus.ask(t, b, q, chosen) })
			}
		}
		for _, a := range b.Annotations.List {
			t.Run(b.UID+"/annotation "+a.Name, func(t *testing.T) {
				// What happens is not at hand: the query only has to be valid.
				prometheus.query(t, target{Range: true}, interpolate(a.Expr, nil))
			})
		}
	}
}

// recorded are series that only the recording rules have. TestReportExpressions has the
// answers.
var recorded = regexp.MustCompile(`\b(?:access_state|account_type):`)

// ask asks a query with all values of the variables chosen, and with some. On
// the dashboard of one account it is enough that some account has an answer. Numbers
// that are complete have no answer to the queries of incomplete ones.
func (p *server) ask(t *testing.T, b board, q target, chosen map[string][]string) {
	accounts := []string{".*"}
	if b.UID == accountUID {
		accounts = chosen["account"]
	}
	found := 0
	for _, account := range accounts {
		found += len(p.query(t, q, interpolate(q.Expr, map[string]string{"account": account})))
	}
	if found == 0 && !recorded.MatchString(q.Expr) && !strings.HasSuffix(q.LegendFormat, ifIncomplete) {
		t.Errorf("no answer to\n%s", q.Expr)
	}
	some := map[string]string{}
	for _, v := range b.Templating.List {
		values := chosen[v.Name]
		if some[v.Name] = values[0]; v.Multi {
			some[v.Name] = "(" + strings.Join(values[:min(2, len(values))], "|") + ")"
		}
	}
	p.query(t, q, interpolate(q.Expr, some))
}

// TestSeveralExportersCountOnce compares what two Prometheus servers say of the
// same facts: one has them from one exporter, the other from two.
func TestSeveralExportersCountOnce(t *testing.T) {
	t.Parallel()
	frozen := freeze(t, startDemo(t))
	one, two := startPrometheus(t, frozen()), startPrometheus(t, frozen(), frozen())
	at := steady(t, map[*server]int{one: 1, two: 2})
	for _, b := range boards(t) {
		for _, panel := range b.charts() {
			for _, q := range panel.Targets {
				if b.UID == exporterUID && !strings.Contains(q.Expr, "aws_access_analyzer_") {
					continue // About each exporter, not about what they watch.
				}
				expr := interpolate(q.Expr, nil)
				if a, b := numbers(one.instant(t, expr, at)), numbers(two.instant(t, expr, at)); !slices.Equal(a, b) {
					t.Errorf("%s from one exporter: %v\nfrom two: %v\n%s", panel.Title, a, b, expr)
				}
			}
		}
	}
}

// interpolate replaces the variables as Grafana does; those without a value
// stand for all values.
func interpolate(expr string, chosen map[string]string) string {
	return strings.NewReplacer(append(assignments(chosen), "$__rate_interval", "8s", "$__range", "10s")...).Replace(expr)
}

// answer is one series of what Prometheus says.
type answer struct {
	Metric map[string]string `json:"metric"`
	Value  [2]any            `json:"value"`
	Values [][2]any          `json:"values"`
}

// numbers are the values of an instant query, sorted.
func numbers(answers []answer) []string {
	var out []string
	for _, a := range answers {
		out = append(out, a.Value[1].(string))
	}
	slices.Sort(out)
	return out
}

// server is a Prometheus.
type server struct {
	url string
	// at is when it had what await waited for: the time that it is asked about.
	at time.Time
}

// query asks as the panel does: for the latest value, or for a course.
func (p *server) query(t *testing.T, q target, expr string) []answer {
	t.Helper()
	if q.Instant {
		return p.instant(t, expr, p.at)
	}
	var data struct {
		Result []answer `json:"result"`
	}
	p.get(t, "/api/v1/query_range", url.Values{
		"query": {expr}, "start": {seconds(p.at.Add(-5 * time.Second))}, "end": {seconds(p.at)}, "step": {"1"},
	}, &data)
	return data.Result
}

// instant asks for the values at a time.
func (p *server) instant(t *testing.T, expr string, at time.Time) []answer {
	t.Helper()
	var data struct {
		Result []answer `json:"result"`
	}
	p.get(t, "/api/v1/query", url.Values{"query": {expr}, "time": {seconds(at)}}, &data)
	return data.Result
}

func seconds(at time.Time) string {
	return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)
}

// Grafana's own idea of this query: all of it on one line.
// https://github.com/grafana/grafana/blob/main/packages/grafana-prometheus/src/migrations/variableMigration.ts
var queryResultQuery = regexp.MustCompile(`^query_result\((.+)\)\s*$`)

var (
	labelNamesQuery  = regexp.MustCompile(`^label_names\((\w+)\)$`)
	labelValuesQuery = regexp.MustCompile(`^label_values\((.+), ([\w$]+)\)$`)
)

// options are the values that a variable offers.
func (p *server) options(t *testing.T, v variable) []string {
	t.Helper()
	if v.Type != "query" {
		var values string
		if v.Type == "datasource" {
			values = "prometheus"
		} else if err := json.Unmarshal(v.Query, &values); err != nil {
			t.Fatal(err)
		}
		return strings.Split(values, ",")
	}
	var q struct {
		Kind  int    `json:"qryType"`
		Query string `json:"query"`
	}
	if err := json.Unmarshal(v.Query, &q); err != nil {
		t.Fatal(err)
	}
	if m := labelNamesQuery.FindStringSubmatch(q.Query); m != nil && q.Kind == labelNames {
		return p.labelNames(t, m[1], regexp.MustCompile(strings.Trim(v.Regex, "/")))
	}
	if m := labelValuesQuery.FindStringSubmatch(q.Query); m != nil && q.Kind == labelValues {
		var values []string
		p.get(t, "/api/v1/label/"+interpolate(m[2], nil)+"/values", url.Values{"match[]": {interpolate(m[1], nil)}}, &values)
		return values
	}
	m := queryResultQuery.FindStringSubmatch(q.Query)
	if m == nil || q.Kind != queryResult {
		t.Fatalf("unknown kind of query %s", v.Query)
	}
	pattern := regexp.MustCompile(strings.Trim(v.Regex, "/"))
	var values []string
	for _, a := range p.instant(t, interpolate(m[1], nil), p.at) {
		m := pattern.FindStringSubmatch(asGrafanaWrites(a))
		if m == nil {
			t.Fatalf("%s does not match %s", v.Regex, asGrafanaWrites(a))
		}
		value := m[max(1, pattern.SubexpIndex("value"))]
		if i := pattern.SubexpIndex("text"); i > 0 && !strings.HasSuffix(m[i], value) {
			t.Errorf("the choice %q stands for %q", m[i], value)
		}
		values = append(values, value)
	}
	return values
}

// labelNames are the names of labels that match a pattern. Grafana selects metrics by a
// part of their name.
// https://github.com/grafana/grafana/blob/main/packages/grafana-prometheus/src/metric_find_query.ts
func (p *server) labelNames(t *testing.T, metric string, pattern *regexp.Regexp) []string {
	t.Helper()
	var names, values []string
	p.get(t, "/api/v1/labels", url.Values{"match[]": {`{__name__=~".*` + metric + `.*"}`}}, &names)
	for _, name := range names {
		if m := pattern.FindStringSubmatch(name); m != nil {
			values = append(values, m[1])
		}
	}
	return values
}

// asGrafanaWrites is a series as the text that the regular expression of a
// variable gets to see.
func asGrafanaWrites(a answer) string {
	var labels []string
	for _, name := range slices.Sorted(maps.Keys(a.Metric)) {
		labels = append(labels, name+`="`+a.Metric[name]+`"`)
	}
	return fmt.Sprintf("{%s} %v %v", strings.Join(labels, ","), a.Value[1], a.Value[0])
}

// get asks the API, and fails the test on errors and on warnings.
func (p *server) get(t *testing.T, path string, params url.Values, data any) {
	t.Helper()
	body, err := fetch(t.Context(), p.url+path+"?"+params.Encode())
	if err != nil {
		t.Fatalf("%v\n%s", err, params.Get("query"))
	}
	envelope := struct {
		Data     any      `json:"data"`
		Warnings []string `json:"warnings"`
	}{Data: data}
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatal(err)
	}
	if len(envelope.Warnings) > 0 {
		t.Errorf("warnings %q\n%s", envelope.Warnings, params.Get("query"))
	}
}

// fetch is the body of a page that answers 200.
func fetch(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", response.Status, body)
	}
	return body, nil
}

// await waits until expr has an answer, and keeps the time.
func (p *server) await(t *testing.T, expr string) {
	t.Helper()
	until(t, expr, func(ctx context.Context) bool {
		p.at = time.Now()
		return p.answers(ctx, expr, p.at)
	})
}

// answers reports whether expr has a result.
func (p *server) answers(ctx context.Context, expr string, at time.Time) bool {
	body, err := fetch(ctx, p.url+"/api/v1/query?"+url.Values{"query": {expr}, "time": {seconds(at)}}.Encode())
	return err == nil && !strings.Contains(string(body), `"result":[]`)
}

// steady waits for a time before which these servers scraped so many exporters
// each without a gap, for longer than any panel looks back: a busy machine
// misses scrapes, and that is not what is compared.
func steady(t *testing.T, exporters map[*server]int) time.Time {
	t.Helper()
	var at time.Time
	until(t, "scrapes without a gap", func(ctx context.Context) bool {
		at = time.Now()
		for p, n := range exporters {
			if !p.answers(ctx, fmt.Sprintf("count(min_over_time(up[14s]) == 1 and up offset 14s == 1) == %d", n), at) {
				return false
			}
		}
		return true
	})
	return at
}

// until waits, for a bounded time, for a condition that another process brings
// about.
func until(t *testing.T, what string, holds func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("gave up waiting for %s", what)
		case <-tick.C:
		}
	}
}

// startPrometheus runs a Prometheus that scrapes these addresses each second.
func startPrometheus(t *testing.T, targets ...string) *server {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("%v: install Prometheus, which this test runs", err)
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs: [{job_name: access-analyzer-exporter, static_configs: [{targets: [" +
		strings.Join(targets, ", ") + "], labels: {organization: example, cluster: test}}]}]\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	start(t, binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address, "--log.level=warn")
	p := &server{url: "http://" + address}
	p.awaitReady(t)
	return p
}

// startDemo builds the exporter, runs its demo and returns its address.
func startDemo(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "access-analyzer-exporter")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address := freeAddress(t)
	start(t, binary, "demo", "--web.listen-address="+address, "--log.level=warn")
	(&server{url: "http://" + address}).awaitReady(t)
	return address
}

// awaitReady waits until a server says that it is ready.
func (p *server) awaitReady(t *testing.T) {
	t.Helper()
	until(t, p.url+"/-/ready", func(ctx context.Context) bool {
		_, err := fetch(ctx, p.url+"/-/ready")
		return err == nil
	})
}

// freeze keeps one answer of the exporter at address, and serves it from as
// many addresses as it is asked for.
func freeze(t *testing.T, address string) func() string {
	t.Helper()
	var page []byte
	until(t, "counted findings", func(ctx context.Context) bool {
		var err error
		page, err = fetch(ctx, "http://"+address+"/metrics")
		return err == nil && strings.Contains(string(page), "\naws_access_analyzer_findings{")
	})
	return func() string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
			_, _ = w.Write(page) // A scrape that is given up is Prometheus' affair.
		}))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
}

// freeAddress returns an unused address.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a program until the test ends.
func start(t *testing.T, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(name), log.String())
		}
	})
}
