package main

import (
	"encoding/json"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Bookmarks, alerts and links use the UIDs.
func TestUIDsNeverChange(t *testing.T) {
	want := map[string]string{
		"access-analyzer-coverage": "Access Analyzer / Coverage",
		"access-analyzer-findings": "Access Analyzer / Findings",
		"access-analyzer-policies": "Access Analyzer / Policies",
		"access-analyzer-account":  "Access Analyzer / Account",
		"access-analyzer-exporter": "Access Analyzer / Exporter",
		"access-analyzer-report":   "Access Analyzer / Report",
	}
	got := boards(t)
	for _, b := range got {
		if want[b.UID] != b.Title {
			t.Errorf("uid %q has the title %q, want %q", b.UID, b.Title, want[b.UID])
		}
		if b.SchemaVersion != 39 {
			t.Errorf("%s: schema version %d; Grafana 11.0 has 39", b.UID, b.SchemaVersion)
		}
		if b.Description == "" || b.Refresh == "" {
			t.Errorf("%s: no description or no refresh", b.UID)
		}
		if b.Editable {
			t.Errorf("%s can be edited where the next import undoes it", b.UID)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d dashboards, want %d", len(got), len(want))
	}
}

func TestPanelsExplainThemselves(t *testing.T) {
	for _, b := range boards(t) {
		titles := map[string]bool{}
		for _, p := range b.charts() {
			complain := func(what string) { t.Errorf("%s: panel %q: %s", b.UID, p.Title, what) }
			if p.Title == "" || titles[p.Title] {
				complain("title missing or used twice")
			}
			titles[p.Title] = true
			if !strings.HasSuffix(p.Description, ".") {
				complain("no description in sentences")
			}
			defaults := p.FieldConfig.Defaults
			if defaults.Unit == "" {
				complain("no unit")
			}
			if defaults.NoValue == "" {
				complain("does not say why it is empty")
			}
			if len(defaults.Thresholds.Steps) == 0 && p.Type != "heatmap" {
				complain("no thresholds")
			}
			if p.Type == "timeseries" && (!p.Options.Legend.ShowLegend || p.Options.Legend.DisplayMode != "table") {
				complain("no legend table: lines differ only by color")
			}
			for _, q := range p.Targets {
				if (q.LegendFormat == "") != (p.Type == "table") {
					complain("query " + q.RefID + ": series without a name, or a name that no table shows")
				}
				if q.Instant == q.Range {
					complain("query " + q.RefID + ": neither or both of instant and range")
				}
			}
			if len(p.Targets) == 0 {
				complain("no query")
			}
		}
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	for _, b := range boards(t) {
		ids := map[int]bool{}
		taken := map[[2]int]string{}
		for _, p := range b.Panels {
			if p.ID == 0 || ids[p.ID] {
				t.Errorf("%s: panel %q has no ID of its own", b.UID, p.Title)
			}
			ids[p.ID] = true
			if p.GridPos.X+p.GridPos.W > 24 {
				t.Errorf("%s: panel %q sticks out", b.UID, p.Title)
			}
			for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
				for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
					if other, ok := taken[[2]int{x, y}]; ok {
						t.Fatalf("%s: %q lies over %q", b.UID, p.Title, other)
					}
					taken[[2]int{x, y}] = p.Title
				}
			}
		}
	}
}

func TestDataSourceIsChosen(t *testing.T) {
	for _, in := range editions {
		chosen := datasource{in.datasource, "${datasource}"}
		for _, b := range in.boards(t) {
			where := in.directory + ": " + b.UID
			for _, p := range b.charts() {
				if p.Datasource != chosen {
					t.Errorf("%s: panel %q: data source %v", where, p.Title, p.Datasource)
				}
				for _, q := range p.Targets {
					if q.Datasource != chosen {
						t.Errorf("%s: panel %q, query %s: data source %v", where, p.Title, q.RefID, q.Datasource)
					}
				}
			}
			const onTimeRangeChange = 2
			for _, v := range b.Templating.List {
				if v.Type == "query" && (v.Datasource != chosen || v.Refresh != onTimeRangeChange) {
					t.Errorf("%s: variable %s: data source %v, refresh %d", where, v.Name, v.Datasource, v.Refresh)
				}
				if v.Type == "datasource" && string(v.Query) != `"`+in.datasource+`"` {
					t.Errorf("%s: the picker offers data sources of the type %s", where, v.Query)
				}
			}
		}
	}
}

// A used variable is visible and a visible variable is used.
func TestVisibleVariablesAreUsed(t *testing.T) {
	const hidden = 2
	for _, b := range boards(t) {
		used := map[string]bool{"datasource": true}
		for _, p := range b.charts() {
			for _, q := range p.Targets {
				for _, name := range variableNames {
					used[name] = used[name] || regexp.MustCompile(`"\$`+name+`"|\$`+name+` `).MatchString(q.Expr)
				}
				for _, name := range []string{"ou", "label", "value", "second_label", "second_value"} {
					used[name] = used[name] || strings.Contains(q.Expr, "${owned:pipe}")
				}
			}
		}
		for _, url := range values(t, b.UID, "url") {
			used["page"] = used["page"] || strings.HasPrefix(url, "${page}")
		}
		var names []string
		for _, v := range b.Templating.List {
			if v.Name == "owned" {
				continue // of other variables
			}
			names = append(names, v.Name)
			if seen := v.Hide != hidden; seen != used[v.Name] {
				t.Errorf("%s: variable %s: seen %v, used %v", b.UID, v.Name, seen, used[v.Name])
			}
			if v.Label == "" || v.Description == "" {
				t.Errorf("%s: variable %s: no label or no description", b.UID, v.Name)
			}
			if slices.Contains([]string{"datasource", "page", "label", "second_label"}, v.Name) || v.Name == "objective" || b.UID == accountUID && v.Name == "account" {
				continue
			}
			if !v.Multi || !v.IncludeAll || v.AllValue != ".*" {
				t.Errorf("%s: variable %s: several or all values cannot be chosen", b.UID, v.Name)
			}
		}
		if !slices.Equal(names, variableNames) {
			t.Errorf("%s: variables %v, want %v: what is missing is lost on the way to the next dashboard", b.UID, names, variableNames)
		}
	}
}

func TestLinksCarryEverythingOver(t *testing.T) {
	for _, b := range boards(t) {
		var leadTo []string
		for _, l := range b.Links {
			leadTo = append(leadTo, l.URL)
			if !l.KeepTime || !l.IncludeVars || l.Placement != "" {
				t.Errorf("%s: link %q loses time or variables, or is not in sight", b.UID, l.Title)
			}
		}
		if want := []string{"/d/" + coverageUID, "/d/" + findingsUID, "/d/" + policiesUID, "/d/" + accountUID, "/d/" + exporterUID, "/d/" + reportUID}; !slices.Equal(leadTo, want) {
			t.Errorf("%s: links to %v, want %v", b.UID, leadTo, want)
		}
		for _, url := range values(t, b.UID, "url") {
			if strings.Count(url, "/") == 2 && !strings.Contains(url, "?") {
				continue // A dashboard link: Grafana adds the rest.
			}
			if strings.HasPrefix(url, "https://${__data.fields.console}#/") || url == pageLink["url"] {
				continue // They lead out of Grafana.
			}
			if !strings.HasPrefix(url, "/d/"+accountUID+"?var-account=${__") || !strings.HasSuffix(url, "&${__url_time_range}") {
				t.Errorf("%s: link to %s", b.UID, url)
			}
			for _, name := range variableNames {
				if name != "account" && !strings.Contains(url, "${"+name+":queryparam}") {
					t.Errorf("%s: link to %s loses %s", b.UID, url, name)
				}
			}
		}
	}
}

var (
	rate    = regexp.MustCompile(`\b(?:rate|irate|increase|delta|deriv)\([^\[]*\[([^\]]*)\]`)
	window  = regexp.MustCompile(`[})]\[([^\]]*)\]`)
	windows = []string{"$__rate_interval", "$__range", "2h", "1d", "1d:5m", "7d", "30d", "90d"}
)

func TestRatesFollowTheScrapeInterval(t *testing.T) {
	for _, b := range boards(t) {
		for _, p := range b.charts() {
			for _, q := range p.Targets {
				for _, m := range rate.FindAllStringSubmatch(q.Expr, -1) {
					if m[1] != "$__rate_interval" {
						t.Errorf("%s: panel %q: rate over %s", b.UID, p.Title, m[1])
					}
				}
				for _, m := range window.FindAllStringSubmatch(q.Expr, -1) {
					if !slices.Contains(windows, m[1]) {
						t.Errorf("%s: panel %q: looks back over %s", b.UID, p.Title, m[1])
					}
				}
			}
		}
	}
}

// Colors with a meaning come from the color-blind palette, and a value with a
// color also has a text.
func TestColoredValuesHaveText(t *testing.T) {
	allowed := append([]string{good, bad, unclear, unclearLine, muted, "transparent"}, palette...)
	for _, b := range boards(t) {
		colors := append(values(t, b.UID, "color"), values(t, b.UID, "fixedColor")...)
		if len(colors) == 0 {
			t.Errorf("%s: no colors found", b.UID)
		}
		for _, color := range colors {
			if !slices.Contains(allowed, color) {
				t.Errorf("%s: color %q", b.UID, color)
			}
		}
	}
	for value, l := range stateLooks {
		if strings.TrimSpace(l.text) == "" {
			t.Errorf("state %s has a color and no text", value)
		}
	}
}

// Grafana divides the remaining width among columns without a width: a minimum
// width moves the last column outside the panel, and if every column has a width,
// part of the panel is empty.
func TestTablesFillTheirPanels(t *testing.T) {
	// In a window that is 1600 pixels wide.
	const unit, atLeast = 64, 100
	for _, b := range boards(t) {
		for _, p := range b.charts() {
			if p.Type != "table" {
				continue
			}
			widths := map[any]float64{}
			for _, o := range p.FieldConfig.Overrides {
				for _, set := range o.Properties {
					switch set.ID {
					case "custom.minWidth":
						t.Errorf("%s: panel %q: %v has a least width", b.UID, p.Title, o.Matcher.Options)
					case "custom.width":
						widths[o.Matcher.Options] = set.Value.(float64)
					}
				}
			}
			columns := p.Transformations[len(p.Transformations)-1].Options.RenameByName
			var taken float64
			shared := 0
			for _, title := range columns {
				if width, ok := widths[title]; ok {
					taken += width
				} else {
					shared++
				}
			}
			if shared == 0 || taken+atLeast > float64(p.GridPos.W*unit) {
				t.Errorf("%s: panel %q: %d columns share what %v pixels leave of %d", b.UID, p.Title, shared, taken, p.GridPos.W*unit)
			}
		}
	}
}

// values are all strings under a key, anywhere in a dashboard.
func values(t *testing.T, uid, key string) []string {
	t.Helper()
	data, err := os.ReadFile(editions[0].file(uid))
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := json.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	var found []string
	var walk func(any)
	walk = func(node any) {
		switch node := node.(type) {
		case map[string]any:
			for k, v := range node {
				if s, ok := v.(string); ok && k == key {
					found = append(found, s)
				}
				walk(v)
			}
		case []any:
			for _, v := range node {
				walk(v)
			}
		}
	}
	walk(root)
	return found
}

// Alerts and tables lead to the same hosts of the AWS console.
func TestConsolesAreThoseOfAlerts(t *testing.T) {
	alerts, err := os.ReadFile("../internal/rules/texts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range regexp.MustCompile(`(?:aws\.)?amazon(?:aws)?[a-z-]*\.(?:com|cn|eu)`).FindAllString(string(alerts), -1) {
		if !slices.ContainsFunc(consoles, func(c struct{ region, address string }) bool {
			return strings.HasPrefix(c.address, "$1.console."+want+"/")
		}) {
			t.Errorf("no table leads to console.%s", want)
		}
	}
}

// ofClosedSets are tables with a row for each access type, finding type or exemption.
const ofClosedSets = "Exemptions, Coverage objective and error budget, Findings by type"

// A table without a limit has a row for each target if nothing can be read.
func TestTablesOfTargetsAreLimited(t *testing.T) {
	for _, b := range boards(t) {
		for _, p := range b.charts() {
			if p.Type != "table" || b.UID == accountUID && p.Title != "Failed operations" || strings.Contains(ofClosedSets, p.Title) {
				continue
			}
			var limit string
			for _, transformation := range p.Transformations {
				limit = max(limit, transformation.Options.LimitField)
			}
			if m := regexp.MustCompile(`(?:top|bottom)k \((\d+), `).FindStringSubmatch(strings.ReplaceAll(p.Targets[0].Expr, "k by (account_id) (1", "")); m != nil {
				limit = m[1]
			}
			if limit == "" || !strings.Contains(p.Description, limit) {
				t.Errorf("%s: panel %q: limit %q, which its description has to name", b.UID, p.Title, limit)
			}
		}
	}
}

// The chart and the mixin replace the links to the AWS console: portal.json has all of
// them. If Grafana has filled it in, the destination is the link, percent-encoded.
func TestPortalLinks(t *testing.T) {
	data, err := os.ReadFile(portalFile)
	if err != nil {
		t.Fatal(err)
	}
	var links []portalLink
	if err := json.Unmarshal(data, &links); err != nil || !slices.Equal(links, portalLinks()) {
		t.Errorf("%s is not what the code makes: run `go generate ./...` in this module (%v)", portalFile, err)
	}
	const console = "eu-west-1.console.aws.amazon.com/access-analyzer/home?region=eu-west-1"
	fill := strings.NewReplacer(
		"${__data.fields.console}", console, "${__data.fields.console:percentencode}", url.QueryEscape(console),
		"${__data.fields.account_id}", "111122223333", "${__data.fields.analyzer_account_id}", "999900001111",
	)
	for _, l := range links {
		if got, want := fill.Replace(l.Destination), url.QueryEscape(fill.Replace(l.URL)); got != want {
			t.Errorf("the destination of %s is\n%s, want\n%s", l.URL, got, want)
		}
	}
	for _, b := range boards(t) {
		for _, address := range values(t, b.UID, "url") {
			if strings.Contains(address, "console") && !slices.ContainsFunc(links, func(l portalLink) bool { return l.URL == address }) {
				t.Errorf("%s: %s is not in %s", b.UID, address, portalFile)
			}
		}
	}
}

// Links of a panel refer to columns that its query has.
func TestConsoleLinksHaveTheirAccount(t *testing.T) {
	found := 0
	for _, b := range boards(t) {
		for _, p := range b.charts() {
			text, err := json.Marshal(p.FieldConfig.Overrides)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(text), "resourceOwnerAccount") {
				continue
			}
			found++
			if !strings.Contains(p.Targets[0].Expr, "analyzer_account_id") || !strings.Contains(string(text), `"Options":"analyzer_account_id"`) {
				t.Errorf("%s: panel %q has no hidden column analyzer_account_id", b.UID, p.Title)
			}
		}
	}
	if found == 0 {
		t.Error("no panel filters findings by their account")
	}
}
