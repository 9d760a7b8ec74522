package paging

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/rules"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/audit"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// numbers are what a view shows, by what it is about.
type numbers map[string]string

func (n numbers) set(name string, value any) { n[name] = fmt.Sprint(value) }

// moment is what all views show at one time.
type moment struct {
	at                          time.Duration
	defined                     numbers
	page, document, table, text string
	outcome                     audit.Outcome
}

// TestEveryViewHasTheSameNumbers runs the demo's whole script, every event of which
// has happened at least once after half an hour, and compares the numbers of package
// report with those of the page, the JSON, the audit, the recorded series and the
// dashboards.
func TestEveryViewHasTheSameNumbers(t *testing.T) {
	t.Setenv("COLUMNS", "200")
	configuration, err := os.ReadFile("../../internal/cli/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	var moments []moment
	lab.Run(t, lab.Setup{Config: string(configuration), World: simaws.Demo}, func(l *lab.Lab) {
		l.Exporter.ObserveShard(0, 1) // as the server does
		for at := 15 * time.Second; at < 32*time.Minute; at += time.Minute {
			l.Until(at, nil)
			moments = append(moments, momentOf(t, l, at))
		}
	})
	prometheus := newPrometheus(t, text(data), func(...*rules.Alert) {}, "access-analyzer-coverage", "access-analyzer-findings")
	boards := dashboards(t)
	compared := map[string]map[string]bool{}
	now := time.Unix(1_800_000_000, 0)
	for _, m := range moments {
		now = now.Add(3 * time.Minute) // at which all groups are evaluated
		prometheus.db.scrape(t, "e:1", now, samplesOf(t, m.text))
		prometheus.evaluate(now)
		for view, shown := range map[string]numbers{
			"page": pageNumbers(t, m.page), "JSON": jsonNumbers(t, m.document), "audit": auditNumbers(m), "metrics": metricNumbers(t, prometheus, now),
			"recorded series": recordedNumbers(t, prometheus, now), "dashboards": boards.numbers(t, prometheus, now),
		} {
			if len(shown) == 0 {
				t.Fatalf("%s: %s has no numbers", m.at, view)
			}
			for name, value := range shown {
				if compared[view] == nil {
					compared[view] = map[string]bool{}
				}
				compared[view][name] = true
				if want, ok := m.defined[name]; !ok || value != want {
					t.Errorf("%s: %s of the %s is %s, not %s", m.at, name, view, value, want)
				}
			}
		}
	}
	for view, names := range map[string]string{
		"page": "external percent, unused unknown, failed targets, active ExternalAccess, public findings, unread targets, Workloads unknown, shop active findings", "metrics": "external covered, failed targets",
		"JSON":            "external covered, unused unknown, failed targets, archived UnusedPermission, public findings, uncounted analyzers, unread targets",
		"audit":           "external percent, unused unknown, uncovered, failed targets, active ExternalAccess, public findings, unread targets, Workloads unknown, shop active findings",
		"recorded series": "external percent, unused percent, active ExternalAccess, archived ExternalAccess",
		"dashboards":      "external percent, unused percent, uncovered, unknown, exempt, active findings, public findings, failed targets, unread targets, Workloads unknown, shop active findings",
	} {
		for name := range strings.SplitSeq(names, ", ") {
			if !compared[view][name] {
				t.Errorf("%s of the %s was never compared", name, view)
			}
		}
	}
	for _, view := range slices.Sorted(maps.Keys(compared)) {
		t.Logf("%d times %s: %s", len(moments), view, strings.Join(slices.Sorted(maps.Keys(compared[view])), ", "))
	}
}

func momentOf(t *testing.T, l *lab.Lab, at time.Duration) moment {
	t.Helper()
	snapshot := l.Exporter.Snapshot()
	handler := web.Handler(web.Options{
		Metrics: l.Exporter, Snapshot: func() *inventory.Snapshot { return snapshot },
		Progress: func() []sweep.Progress { return nil }, Logger: slog.New(slog.DiscardHandler),
	})
	get := func(path string) string {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Body.String()
	}
	var table bytes.Buffer
	if err := audit.WriteTable(&table, snapshot, remedy.Setting{Audit: true}, 200, false); err != nil {
		t.Fatal(err)
	}
	m := moment{
		at: at, defined: definedNumbers(report.Of(snapshot)), page: get("/"), document: get("/api/v1/coverage"),
		table: table.String(), text: get("/metrics"), outcome: audit.OutcomeOf(snapshot),
	}
	if live := l.Exporter.Snapshot(); live != snapshot {
		t.Fatalf("%s: published meanwhile", at)
	}
	return m
}

// definedNumbers are those of package report.
func definedNumbers(s *report.Summary) numbers {
	n := numbers{}
	uncovered, unknown, exempt := 0, 0, 0
	for _, t := range s.Tallies() {
		for _, state := range inventory.States {
			n.set(fmt.Sprint(t.Access, " ", state), t.Tally[state])
		}
		n.set(fmt.Sprint(t.Access, " percent"), t.Percent())
		uncovered += t.Tally[inventory.Uncovered]
		unknown += t.Tally[inventory.Unknown]
		exempt += t.Tally[inventory.Exempt]
	}
	n.set("uncovered", uncovered)
	n.set("unknown", unknown)
	n.set("exempt", exempt)
	n.set("failed targets", s.Failed())
	f := s.Findings()
	active := 0
	for _, l := range f.Resources {
		n.finding(l.Type, l.Active, l.Archived)
		active += l.Active
	}
	n.set("active findings", active)
	n.set("public findings", f.Public())
	n.set("uncounted analyzers", f.Uncounted)
	n.set("unread targets", f.Unread)
	for _, by := range s.ByLabel(f) {
		for _, g := range by.Groups {
			active, public := g.Active()
			sum := g.Sum()
			n.owner(cmp.Or(g.Name, g.Value), sum.Percent(), fmt.Sprint(sum[inventory.Uncovered]), fmt.Sprint(sum[inventory.Unknown]), fmt.Sprint(active), fmt.Sprint(public))
		}
	}
	return n
}

// owner has the numbers of the accounts with one value of a label. The demo has no value of
// two labels, and accounts without a value are left out.
func (n numbers) owner(value string, columns ...string) {
	for i, column := range []string{"percent", "uncovered", "unknown", "active findings", "public findings"} {
		if value != "" {
			n[value+" "+column] = plain(columns[i])
		}
	}
}

func (n numbers) finding(findingType string, active, archived int) {
	n.set("active "+findingType, active)
	n.set("archived "+findingType, archived)
}

var (
	pageTotal   = regexp.MustCompile(`(?s)<div class="total">.*?</ul>`)
	pagePercent = regexp.MustCompile(`<b>([^<]*)</b> (\w+) access`)
	pageCount   = regexp.MustCompile(`<li[^>]*><span class="mark (\w+)"></span>(?:<a [^>]*>)?([\d,]+) `)
	pageFailed  = regexp.MustCompile(`([\d,]+) targets? could not be read in full`)
	pageOwner   = regexp.MustCompile(`<th scope="row"><a href="\?label=[^"]*">(\w+)</a></th><td>\d+</td><td>([^<]+)</td><td>([\d,]+)</td><td>([\d,]+)</td><td>([\d,]+)</td><td>([\d,]+)</td>`)
	pageUnread  = regexp.MustCompile(`([\d,]+) targets? that could not be read`)
	pageFinding = regexp.MustCompile(`<th scope="row">(?:<a [^>]*>)?(\w+)(?:</a>)?</th><td>([\d,]+)</td><td>(?:<a [^>]*>)?([\d,–]+)(?:</a>)?</td><td>([\d,]+)</td>`)
)

func plain(s string) string { return strings.ReplaceAll(s, ",", "") }

func pageNumbers(t *testing.T, page string) numbers {
	t.Helper()
	n := numbers{"failed targets": "0"}
	for _, total := range pageTotal.FindAllString(page, -1) {
		percent := pagePercent.FindStringSubmatch(total)
		n[percent[2]+" percent"] = percent[1]
		for _, c := range pageCount.FindAllStringSubmatch(total, -1) {
			n[percent[2]+" "+c[1]] = plain(c[2])
		}
	}
	if m := pageFailed.FindStringSubmatch(page); m != nil {
		n["failed targets"] = plain(m[1])
	}
	n.unread(page)
	for _, m := range pageOwner.FindAllStringSubmatch(page, -1) {
		if m[1] != "none" {
			n.owner(m[1], m[2:]...)
		}
	}
	_, table, _ := strings.Cut(page, `<table class="findings">`)
	resources, _, _ := strings.Cut(table, "</tbody>")
	for _, m := range pageFinding.FindAllStringSubmatch(resources, -1) {
		n["active "+m[1]], n["archived "+m[1]] = plain(m[2]), plain(m[4])
		if m[1] == report.ExternalAccess {
			n["public findings"] = plain(m[3])
		}
	}
	return n
}

// unread has the number of targets that totals of findings do not include.
func (n numbers) unread(view string) {
	n["unread targets"] = "0"
	if m := pageUnread.FindStringSubmatch(view); m != nil {
		n["unread targets"] = plain(m[1])
	}
}

func jsonNumbers(t *testing.T, document string) numbers {
	t.Helper()
	var c struct {
		Targets  struct{ Failed int }
		Totals   []map[string]any
		Findings struct {
			Uncounted     int
			UnreadTargets int `json:"unread_targets"`
			Resources     []struct {
				FindingType              string `json:"finding_type"`
				Active, Public, Archived int
			}
		}
	}
	if err := json.Unmarshal([]byte(document), &c); err != nil {
		t.Fatal(err)
	}
	n := numbers{}
	n.set("failed targets", c.Targets.Failed)
	n.set("uncounted analyzers", c.Findings.Uncounted)
	n.set("unread targets", c.Findings.UnreadTargets)
	for _, total := range c.Totals {
		for _, state := range inventory.States {
			n.set(fmt.Sprint(total["access"], " ", state), total[string(state)])
		}
	}
	public := 0
	for _, f := range c.Findings.Resources {
		n.finding(f.FindingType, f.Active, f.Archived)
		public += f.Public
	}
	n.set("public findings", public)
	return n
}

var (
	auditTotal   = regexp.MustCompile(`(?m)^(\w+) access +(\d+) +(\d+) +(\d+) +(\d+) +(\S+) covered$`)
	auditOwner   = regexp.MustCompile(`(?m)^(\w+) +\d+ +([\d.]+%|–) +(\d+) +(\d+) +(\d+) +(\d+)$`)
	auditFinding = regexp.MustCompile(`(?m)^(\w+) +all, each resource once +(.*)$`)
)

func auditNumbers(m moment) numbers {
	n := numbers{"failed targets": "0"}
	for _, total := range auditTotal.FindAllStringSubmatch(m.table, -1) {
		access := strings.ToLower(total[1])
		for i, state := range inventory.States {
			n[access+" "+string(state)] = total[2+i]
		}
		n[access+" percent"] = total[6]
	}
	if failed := pageFailed.FindStringSubmatch(m.table); failed != nil {
		n["failed targets"] = plain(failed[1])
	}
	n.unread(m.table)
	for _, o := range auditOwner.FindAllStringSubmatch(m.table, -1) {
		n.owner(o[1], o[2:]...)
	}
	for _, f := range auditFinding.FindAllStringSubmatch(m.table, -1) {
		columns := strings.Fields(f[2]) // active, public for external access, archived
		n["active "+f[1]], n["archived "+f[1]] = columns[0], columns[1]
		if f[1] == report.ExternalAccess {
			n["archived "+f[1]] = columns[2]
		}
	}
	n.set("uncovered", m.outcome.Uncovered.Total)
	n.set("unknown", m.outcome.Unknown.Total)
	n.set("public findings", m.outcome.Public)
	return n
}

// samplesOf parses what /metrics answers.
func samplesOf(t *testing.T, text string) (all []sample) {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	vector, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, slices.Collect(maps.Values(families))...)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range vector {
		b := labels.NewBuilder(labels.EmptyLabels())
		b.Set("job", "e").Set("instance", "e:1")
		for name, value := range s.Metric {
			b.Set(string(name), string(value))
		}
		all = append(all, sample{b.Labels(), float64(s.Value)})
	}
	return all
}

// ask evaluates an expression now.
func (p *prometheus) ask(t *testing.T, expr string, now time.Time) promql.Vector {
	t.Helper()
	q, err := p.engine.NewInstantQuery(context.Background(), p.db, nil, expr, now)
	if err != nil {
		t.Fatalf("%v in %s", err, expr)
	}
	defer q.Close()
	result := q.Exec(context.Background())
	if result.Err != nil {
		t.Fatalf("%v in %s", result.Err, expr)
	}
	vector, err := result.Vector()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(vector)
}

// share is a ratio as Tally.Percent formats it.
func share(ratio float64) string { return fmt.Sprintf("%.1f%%", float64(int(1000*ratio+1e-9))/10) }

// metricNumbers are those that the HELP of the metrics describes.
func metricNumbers(t *testing.T, p *prometheus, now time.Time) numbers {
	t.Helper()
	n := numbers{}
	for _, s := range p.ask(t, "sum by (access, state) (aws_access_analyzer_coverage_targets)", now) {
		n.set(s.Metric.Get("access")+" "+s.Metric.Get("state"), s.F)
	}
	for _, s := range p.ask(t, `count(aws_access_analyzer_scrape_success{region!="global"} == 0) or vector(0)`, now) {
		n.set("failed targets", s.F)
	}
	return n
}

func recordedNumbers(t *testing.T, p *prometheus, now time.Time) numbers {
	t.Helper()
	n := numbers{}
	for _, s := range p.ask(t, "access:aws_access_analyzer_coverage:ratio", now) {
		n[s.Metric.Get("access")+" percent"] = share(s.F)
	}
	for _, status := range []string{"ACTIVE", "ARCHIVED"} {
		for _, s := range p.ask(t, `sum by (finding_type) (account_region_type:aws_access_analyzer_findings:max{status="`+status+`"})`, now) {
			n.set(strings.ToLower(status)+" "+s.Metric.Get("finding_type"), s.F)
		}
	}
	return n
}

// queries are the expressions of panels, by title and of those after the first by letter.
type queries map[string]string

// dashboards reads the panels of the shipped dashboards.
func dashboards(t *testing.T) queries {
	t.Helper()
	q := queries{}
	files, err := filepath.Glob("../../grafana/dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	type panel struct {
		Title   string
		Targets []struct{ Expr, RefID string }
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Title  string
			Panels []struct {
				panel
				Panels []panel
			}
		}
		if err := json.Unmarshal(data, &board); err != nil {
			t.Fatal(err)
		}
		for _, outer := range board.Panels {
			for _, p := range append(outer.Panels, outer.panel) {
				for i, target := range p.Targets {
					name := board.Title + "/" + p.Title
					if i > 0 {
						name += " " + target.RefID
					}
					q[name] = everyValue.Replace(target.Expr)
				}
			}
		}
	}
	return q
}

// everyValue replaces the variables as Grafana does when all values are chosen.
var everyValue = strings.NewReplacer(
	"$account", ".*", "$region", ".*", "$access", ".*", "$finding_type", ".*", "$analyzer", ".*",
	"${owned:pipe}", ".*", "$organization", ".*", "$cluster", ".*", "$job", ".*", "$ou", ".*", "$value", ".*", "$second_value", ".*",
	"$label", "team", "$__rate_interval", "1m", "$__range", "30m",
)

func (q queries) numbers(t *testing.T, p *prometheus, now time.Time) numbers {
	t.Helper()
	n := numbers{}
	for title, name := range map[string]string{
		"Access Analyzer / Coverage/Uncovered": "uncovered", "Access Analyzer / Coverage/Unknown": "unknown", "Access Analyzer / Coverage/Exempt": "exempt",
		"Access Analyzer / Findings/Active findings": "active findings", "Access Analyzer / Findings/Public": "public findings",
		"Access Analyzer / Exporter/Failed targets": "failed targets",
	} {
		if q[title] == "" {
			t.Fatalf("there is no panel %q", title)
		}
		for _, s := range p.ask(t, q[title], now) {
			n.set(name, s.F)
		}
	}
	for _, s := range p.ask(t, q["Access Analyzer / Coverage/Covered"], now) {
		n[s.Metric.Get("access")+" percent"] = share(s.F)
	}
	n["unread targets"] = "0"
	for _, s := range p.ask(t, q["Access Analyzer / Findings/Active findings C"], now) {
		n.set("unread targets", s.F)
	}
	for _, by := range []string{"organizational unit", "$label"} {
		q.owners(t, n, p.ask(t, q["Access Analyzer / Coverage/Coverage by "+by], now), p.ask(t, q["Access Analyzer / Findings/Active findings by "+by], now))
	}
	return n
}

// owners are the rows of two tables. An empty cell of a number is 0.
func (queries) owners(t *testing.T, n numbers, tables ...promql.Vector) {
	t.Helper()
	rows := map[string]map[string]string{}
	for _, table := range tables {
		for _, s := range table {
			owner, property := s.Metric.Get("owner"), strings.TrimPrefix(s.Metric.Get("property"), "Value ")
			if owner == "no team" {
				continue
			}
			if rows[owner] == nil {
				rows[owner] = map[string]string{"Covered": "–", "Uncovered": "0", "Unknown": "0", "Active": "0", "Public": "0"}
			}
			rows[owner][property] = fmt.Sprint(s.F)
			if property == "Covered" {
				rows[owner][property] = share(s.F)
			}
		}
	}
	for owner, row := range rows {
		n.owner(owner, row["Covered"], row["Uncovered"], row["Unknown"], row["Active"], row["Public"])
	}
}
