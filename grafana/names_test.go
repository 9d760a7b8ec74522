package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// unshown are the metrics without a panel.
var unshown = map[string]string{
	"aws_access_analyzer_public_findings_unlisted":        "the panels of public findings count all of them",
	"access_analyzer_exporter_discovery_failures":         "scrape_error has the same failures by account",
	"access_analyzer_exporter_findings_full_counts_total": "full counts cost requests, which are shown",
	"access_analyzer_exporter_findings_index_entries":     "it costs memory, which is shown",
	"access_analyzer_exporter_sweep_skipped_targets":      "skipped targets are covered, and requests are shown",
	"access_analyzer_exporter_policy_documents":           "it costs memory, which is shown",
	"access_analyzer_exporter_total_shards":               "alerts report missing shards",
}

var (
	documented = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (\\w+) \\| ([^|]*) \\|")
	selector   = regexp.MustCompile(`\b(aws_access_analyzer_\w+|access_analyzer_exporter_\w+)(?:\{([^}]*)\})?`)
	matcher    = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
)

// TestMetricsExist compares what the dashboards ask for with what the exporter
// says that it exports.
func TestMetricsExist(t *testing.T) {
	page, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string][]string{}
	for _, row := range documented.FindAllStringSubmatch(string(page), -1) {
		names := strings.FieldsFunc(row[3], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		labels[row[1]] = names
		if row[2] == "histogram" {
			labels[row[1]+"_bucket"] = append(slices.Clone(names), "le")
		}
	}
	if len(labels) == 0 {
		t.Fatal("no metrics in docs/metrics.md")
	}
	used := map[string]bool{}
	for _, b := range boards(t) {
		for _, expr := range b.expressions() {
			for _, s := range selector.FindAllStringSubmatch(expr, -1) {
				names, exists := labels[s[1]]
				if !exists {
					t.Errorf("%s: the exporter has no metric %s", b.UID, s[1])
				}
				used[strings.TrimSuffix(s[1], "_bucket")] = true
				for _, m := range matcher.FindAllStringSubmatch(strings.ReplaceAll(s[2], "label_$", "label_"), -1) {
					ofTag := strings.HasPrefix(m[1], "label_") && slices.Contains(names, "label_*")
					if !ofTag && !slices.Contains(append(names, "all_accounts", "organization", "cluster", "job"), m[1]) {
						t.Errorf("%s: %s has no label %s", b.UID, s[1], m[1])
					}
				}
			}
		}
	}
	for name := range labels {
		if why, ok := unshown[name]; !strings.HasSuffix(name, "_bucket") && used[name] == ok {
			t.Errorf("metric %s: shown %v, listed as not shown %v %s", name, used[name], ok, why)
		}
	}
}

// expressions are all that a dashboard asks, in panels and variables.
func (b board) expressions() []string {
	var all []string
	for _, p := range b.charts() {
		for _, q := range p.Targets {
			all = append(all, q.Expr)
		}
	}
	for _, v := range b.Templating.List {
		all = append(all, string(v.Query))
	}
	for _, a := range b.Annotations.List {
		all = append(all, a.Expr)
	}
	return all
}
