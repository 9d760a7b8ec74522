package views

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// connections is how many queries a browser sends at the same time.
const connections = 6

// points is how many steps a panel has over time.
const points = 100

// TestViews asks every query of every dashboard of a Prometheus that has a fleet for a
// week, and prints what they cost. VIEWS_ACCOUNTS=1000 is the fleet to measure; the
// ordinary run shows that each query is valid for a week.
func TestViews(t *testing.T) {
	accounts := 3
	if text := os.Getenv("VIEWS_ACCOUNTS"); text != "" {
		accounts, _ = strconv.Atoi(text)
	}
	end := time.Now().Truncate(time.Hour)
	series := exposed(fleet(accounts, end))
	dir := t.TempDir()
	began := time.Now()
	if err := week(dir, series, end); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("%d series for a week, written in %s\n", len(series), time.Since(began).Round(time.Second))
	p := startPrometheus(t, dir)
	out := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "24 h\tCPU\t7 d\tCPU\tsamples of 7 d\tseries\tkB\t  board: panel\t")
	for _, b := range boards(t) {
		if b.UID == "access-analyzer-exporter" {
			continue // of few series
		}
		for _, q := range b.queries() {
			day := p.ask(t, q, end, 24*time.Hour)
			all := p.ask(t, q, end, 7*24*time.Hour)
			fmt.Fprintf(out, "%.2f s\t%.2f s\t%.2f s\t%.2f s\t%d\t%d\t%d\t  %s\t\n",
				day.took.Seconds(), day.cpu.Seconds(), all.took.Seconds(), all.cpu.Seconds(), all.samples, all.series, all.bytes>>10, q.name)
		}
		for _, window := range []time.Duration{24 * time.Hour, 7 * 24 * time.Hour} {
			before := p.resident(t)
			cpu := p.cpu(t)
			fmt.Fprintf(out, "%.2f s\t%.2f s\t\t\t\t\t\t  %s: all of %s at once, memory %d MB before and %d MB after\t\n",
				p.open(t, b, end, window).Seconds(), (p.cpu(t) - cpu).Seconds(), b.UID, window, before>>20, p.resident(t)>>20)
		}
	}
	if err := out.Flush(); err != nil {
		t.Fatal(err)
	}
}

// board is a dashboard as Grafana imports it.
type board struct {
	UID    string `json:"uid"`
	Panels []struct {
		Title   string `json:"title"`
		Targets []struct {
			Expr    string `json:"expr"`
			Instant bool   `json:"instant"`
			RefID   string `json:"refId"`
		} `json:"targets"`
	} `json:"panels"`
	Templating struct {
		List []struct {
			Name  string          `json:"name"`
			Type  string          `json:"type"`
			Query json.RawMessage `json:"query"`
		} `json:"list"`
	} `json:"templating"`
}

type query struct {
	name, expr string
	instant    bool
	// labelOf is the label whose values to ask for; empty for a query.
	labelOf string
}

func boards(t *testing.T) []board {
	t.Helper()
	files, err := filepath.Glob("../../grafana/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var all []board
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var b board
		if err := json.Unmarshal(data, &b); err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

var (
	labelValues = regexp.MustCompile(`^label_values\((.+), ([\w$]+)\)$`)
	queryResult = regexp.MustCompile(`^query_result\((.+)\)\s*$`)
)

// queries are those of all panels and variables, with all values chosen.
func (b board) queries() []query {
	var all []query
	for _, v := range b.Templating.List {
		var text struct {
			Query string `json:"query"`
		}
		if v.Type != "query" || json.Unmarshal(v.Query, &text) != nil {
			continue
		}
		name := b.UID + ": variable " + v.Name
		if m := labelValues.FindStringSubmatch(text.Query); m != nil {
			all = append(all, query{name: name, expr: m[1], labelOf: m[2]})
		} else if m := queryResult.FindStringSubmatch(text.Query); m != nil {
			all = append(all, query{name: name, expr: m[1], instant: true})
		}
	}
	for _, p := range b.Panels {
		for _, target := range p.Targets {
			all = append(all, query{name: b.UID + ": " + p.Title + " " + target.RefID, expr: target.Expr, instant: target.Instant})
		}
	}
	account := ".*"
	if b.UID == "access-analyzer-account" {
		account = fmt.Sprintf("1%011d", 1)
	}
	var pairs []string
	for _, v := range b.Templating.List {
		value := ".*"
		switch v.Name {
		case "account":
			value = account
		case "objective":
			value = "99.5"
		case "label":
			value = "team"
		case "second_label":
			value = "environment"
		}
		pairs = append(pairs, "${"+v.Name+":pipe}", value, "$"+v.Name, value)
	}
	variables := strings.NewReplacer(append(pairs, "$__rate_interval", "4m")...)
	for i := range all {
		all[i].expr, all[i].labelOf = variables.Replace(all[i].expr), variables.Replace(all[i].labelOf)
	}
	return all
}

// cost is what a query took. cpu is the time of Prometheus' process, which depends less
// on what else the machine does.
type cost struct {
	took    time.Duration
	cpu     time.Duration
	samples int
	series  int
	bytes   int
}

type prometheus struct {
	url string
	pid int
}

func startPrometheus(t *testing.T, dir string) *prometheus {
	t.Helper()
	binary := tool.Path(t, "prometheus")
	config := filepath.Join(t.TempDir(), "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {scrape_interval: 1m}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := tool.FreeAddress(t)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, "--config.file="+config, "--storage.tsdb.path="+dir,
		"--storage.tsdb.retention.time=30d", "--web.listen-address="+address, "--log.level=warn")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	p := &prometheus{"http://" + address, cmd.Process.Pid}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx := t.Context(); ; {
		if _, err := fetch(ctx, p.url+"/-/ready", nil); err == nil {
			return p
		}
		select {
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		case <-tick.C:
		}
	}
}

// ask asks a query as Grafana does, for the time up to end.
func (p *prometheus) ask(t *testing.T, q query, end time.Time, window time.Duration) cost {
	t.Helper()
	expr := strings.ReplaceAll(q.expr, "$__range", strconv.Itoa(int(window.Seconds()))+"s")
	at := func(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
	end = end.Add(-interval)
	path, values := "/api/v1/query_range", url.Values{
		"query": {expr}, "start": {at(end.Add(-window))}, "end": {at(end)}, "step": {at(time.Unix(int64(window.Seconds())/points, 0))}, "stats": {"true"},
	}
	switch {
	case q.labelOf != "":
		path, values = "/api/v1/label/"+q.labelOf+"/values", url.Values{"match[]": {expr}, "start": {at(end.Add(-window))}, "end": {at(end)}}
	case q.instant:
		path, values = "/api/v1/query", url.Values{"query": {expr}, "time": {at(end)}, "stats": {"true"}}
	}
	began, cpu := time.Now(), p.cpu(t)
	body, err := fetch(t.Context(), p.url+path, values)
	c := cost{took: time.Since(began), cpu: p.cpu(t) - cpu, bytes: len(body)}
	if err != nil {
		t.Errorf("%s: %v\n%s", q.name, err, expr)
		return c
	}
	if q.labelOf != "" {
		return c
	}
	var answer struct {
		Data struct {
			Result []json.RawMessage `json:"result"`
			Stats  struct {
				Samples struct {
					Total int `json:"totalQueryableSamples"`
				} `json:"samples"`
			} `json:"stats"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		t.Errorf("%s: %v", q.name, err)
	}
	c.samples, c.series = answer.Data.Stats.Samples.Total, len(answer.Data.Result)
	return c
}

// open asks all queries of a dashboard as a browser does that opens it.
func (p *prometheus) open(t *testing.T, b board, end time.Time, window time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	queries := make(chan query)
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for q := range queries {
				p.ask(t, q, end, window)
			}
		})
	}
	for _, q := range b.queries() {
		queries <- q
	}
	close(queries)
	wg.Wait()
	return time.Since(began)
}

// cpu is the CPU time of the process.
func (p *prometheus) cpu(t *testing.T) time.Duration {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
	if err != nil {
		return 0 // no Linux
	}
	_, fields, _ := strings.Cut(string(data), ") ") // the name may have spaces
	const user, system, perSecond = 11, 12, 100     // clock ticks
	var ticks int
	for _, i := range []int{user, system} {
		n, err := strconv.Atoi(strings.Fields(fields)[i])
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / perSecond
}

// resident is the memory of the process in bytes.
func (p *prometheus) resident(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid))
	if err != nil {
		return 0 // no Linux
	}
	pages, err := strconv.Atoi(strings.Fields(string(data))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// fetch returns the body of an answer of 200. Values are sent as a form.
func fetch(ctx context.Context, address string, values url.Values) ([]byte, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if values != nil && !strings.Contains(address, "/label/") {
		method, body = http.MethodPost, strings.NewReader(values.Encode())
	} else if values != nil {
		address += "?" + values.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, text[:min(len(text), 500)])
	}
	return text, err
}
