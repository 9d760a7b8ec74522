package audit

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

func junitOf(t *testing.T, s *inventory.Snapshot) string {
	t.Helper()
	var out bytes.Buffer
	if err := WriteJUnit(&out, s); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func sarifOf(t *testing.T, s *inventory.Snapshot) string {
	t.Helper()
	var out bytes.Buffer
	if err := WriteSARIF(&out, s, remedy.Setting{Audit: true}, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// pipelineSnapshots are what the formats for pipelines are tested with.
func pipelineSnapshots() map[string]*inventory.Snapshot {
	unlisted := webtest.Organization(now)
	unlisted.DiscoverySuccess = false
	return map[string]*inventory.Snapshot{
		"organization": webtest.Organization(now), "hostile": hostile(), "single": single(), "unlisted": unlisted,
	}
}

// junitElements has the attributes of each element in the schema of JUnit, those that
// are required marked with !, and its children.
// https://github.com/jenkinsci/xunit-plugin/blob/master/src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd/junit-10.xsd
var junitElements = map[string]struct{ attributes, children []string }{
	"testsuites": {[]string{"name", "time", "tests", "failures", "errors"}, []string{"testsuite"}},
	"testsuite": {
		[]string{"name!", "tests!", "failures!", "errors!", "group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"},
		[]string{"testsuite", "properties", "testcase", "system-out", "system-err"},
	},
	"testcase": {[]string{"name!", "time", "classname", "group"}, []string{"skipped", "error", "failure"}},
	"failure":  {[]string{"type", "message"}, nil},
	"error":    {[]string{"type", "message"}, nil},
	"skipped":  {[]string{"type", "message"}, nil},
}

func TestJUnitFollowsItsSchema(t *testing.T) {
	for name, s := range pipelineSnapshots() {
		t.Run(name, func(t *testing.T) {
			text := junitOf(t, s)
			decoder := xml.NewDecoder(strings.NewReader(text))
			var path []string
			for {
				token, err := decoder.Token()
				if errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%v in\n%s", err, text)
				}
				switch e := token.(type) {
				case xml.StartElement:
					if len(path) == 0 && e.Name.Local != "testsuites" || len(path) > 0 && !slices.Contains(junitElements[path[len(path)-1]].children, e.Name.Local) {
						t.Errorf("%s in %v", e.Name.Local, path)
					}
					checkAttributes(t, e)
					path = append(path, e.Name.Local)
				case xml.EndElement:
					path = path[:len(path)-1]
				}
			}
		})
	}
}

func checkAttributes(t *testing.T, e xml.StartElement) {
	t.Helper()
	given := map[string]bool{}
	for _, a := range e.Attr {
		given[a.Name.Local] = true
	}
	for _, a := range junitElements[e.Name.Local].attributes {
		name, required := strings.CutSuffix(a, "!")
		if required && !given[name] {
			t.Errorf("%s without %s", e.Name.Local, name)
		}
		delete(given, name)
	}
	if len(given) > 0 {
		t.Errorf("%s has %v", e.Name.Local, slices.Sorted(maps.Keys(given)))
	}
}

// The numbers of each suite are those of the report.
func TestJUnitHasTheNumbersOfTheReport(t *testing.T) {
	for name, s := range pipelineSnapshots() {
		t.Run(name, func(t *testing.T) {
			var r struct {
				Suites []struct {
					Name     string `xml:"name,attr"`
					Tests    int    `xml:"tests,attr"`
					Failures int    `xml:"failures,attr"`
					Errors   int    `xml:"errors,attr"`
					Skipped  int    `xml:"skipped,attr"`
					Cases    []struct {
						Name  string `xml:"name,attr"`
						Class string `xml:"classname,attr"`
					} `xml:"testcase"`
				} `xml:"testsuite"`
			}
			if err := xml.Unmarshal([]byte(junitOf(t, s)), &r); err != nil {
				t.Fatal(err)
			}
			summary := report.Of(s)
			want := []string{}
			for _, tally := range summary.Tallies() {
				want = append(want, strings.Join([]string{
					string(tally.Access) + " access", strconv.Itoa(tally.Required() + tally.Tally[inventory.Exempt]),
					strconv.Itoa(tally.Tally[inventory.Uncovered]), strconv.Itoa(tally.Tally[inventory.Unknown]), strconv.Itoa(tally.Tally[inventory.Exempt]),
				}, " "))
			}
			if summary.Unlisted() != "" {
				want = append(want, "discovery 1 0 1 0")
			}
			got := []string{}
			for _, suite := range r.Suites {
				got = append(got, strings.Join([]string{
					suite.Name, strconv.Itoa(suite.Tests), strconv.Itoa(suite.Failures), strconv.Itoa(suite.Errors), strconv.Itoa(suite.Skipped),
				}, " "))
				if len(suite.Cases) != suite.Tests {
					t.Errorf("%s: %d cases of %d", suite.Name, len(suite.Cases), suite.Tests)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// TestSARIFFollowsItsSchema checks what SARIF 2.1.0 requires of the members that are
// written. TestGolden has the members themselves.
// https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
func TestSARIFFollowsItsSchema(t *testing.T) {
	for name, s := range pipelineSnapshots() {
		t.Run(name, func(t *testing.T) {
			decoder := json.NewDecoder(strings.NewReader(sarifOf(t, s)))
			decoder.DisallowUnknownFields()
			var log sarifLog
			if err := decoder.Decode(&log); err != nil {
				t.Fatal(err)
			}
			if log.Version != "2.1.0" || len(log.Runs) != 1 {
				t.Fatalf("version %s, %d runs", log.Version, len(log.Runs))
			}
			run := log.Runs[0]
			levels := map[string]string{}
			for _, r := range run.Tool.Driver.Rules {
				if _, err := url.ParseRequestURI(r.HelpURI); err != nil || levels[r.ID] != "" {
					t.Errorf("rule %+v", r)
				}
				levels[r.ID] = r.Configuration.Level
			}
			seen := map[string]bool{}
			for _, r := range run.Results {
				uri := r.Locations[0].Physical.Artifact.URI
				if _, err := url.Parse(uri); err != nil || strings.ContainsAny(uri, " \"<>\\^`{|}") {
					t.Errorf("%q is no URI reference", uri)
				}
				if levels[r.RuleID] != r.Level || !slices.Contains([]string{"error", "warning", "note"}, r.Level) || r.Message.Text == "" {
					t.Errorf("%+v", r)
				}
				key := r.RuleID + r.Fingerprints[fingerprint]
				if seen[key] {
					t.Errorf("two results with fingerprint %s", key)
				}
				seen[key] = true
			}
			if got, want := strings.Join(countResults(run.Results), " "), strings.Join(wantedResults(s), " "); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

func countResults(results []sarifResult) (counts []string) {
	n := map[string]int{}
	for _, r := range results {
		n[r.RuleID]++
	}
	for _, rule := range []string{string(inventory.Uncovered), string(inventory.Unknown), ruleUnlisted} {
		counts = append(counts, strconv.Itoa(n[rule]))
	}
	return counts
}

// wantedResults are the numbers of the exit code.
func wantedResults(s *inventory.Snapshot) []string {
	o, unlisted := OutcomeOf(s), 0
	if o.Unlisted {
		unlisted = 1
	}
	return []string{strconv.Itoa(o.Uncovered.Total), strconv.Itoa(o.Unknown.Total), strconv.Itoa(unlisted)}
}
