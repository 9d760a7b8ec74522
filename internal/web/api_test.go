package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

// answer is what /api/v1/coverage answers.
type answer struct {
	apiCoverage
	Accounts []apiAccount `json:"accounts"`
}

func decode(t *testing.T, text string) answer {
	t.Helper()
	var c answer
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCoverageAsJSON(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		o := options(webtest.Organization(time.Now()))
		o.Progress = func() []sweep.Progress {
			return []sweep.Progress{{Kind: inventory.CoverageSweep, Running: true, StartedAt: time.Now().Add(-2 * time.Second), Done: 10, Total: 30}}
		}
		text := get(t, Handler(o), "/api/v1/coverage?account=sandbox,payments-prod,warehouse&region=sa-east-1,eu-south-1,eu-west-1")
		wantAll(t, text,
			`"version":1,"exporter_version":"1.2.3","ready":true,"discovery_success":true,"published_at":"1999-12-31T23:58:25Z"`,
			`"targets":{"total":205,"failed":27}`,
			`"running":[{"kind":"coverage","started_at":"1999-12-31T23:59:58Z","done":10,"failed":0,"total":30,"per_second":5,"seconds_left":4}]`,
			`"totals":[{"access":"external","covered":154,"uncovered":21,"unknown":13,"exempt":17},{"access":"unused","covered":10,"uncovered":1,"unknown":0,"exempt":1}]`,
			`"page":{"number":1,"size":50,"pages":1,"accounts":3}`,
			`{"account_id":"210000000006","account_name":"payments-prod","role":"member","labels":{"label_team":"","ou_name":"Workloads","ou_path":"o-exampleorg1/r-exam/ou-exam-workload/"},"regions_known":true,"not_enabled":[],"coverage":[{"region":"eu-south-1","access":"external","state":"uncovered","why":"There is no external access analyzer that the policy accepts.","console_url":"https://eu-south-1.console.aws.amazon.com/access-analyzer/home?region=eu-south-1#/analyzers"}`,
			`"analyzer":{"account_id":"210000000002","region":"eu-west-1","analyzer":"organization-external-access","type":"ORGANIZATION","status":"ACTIVE"}`,
			`"failure":{"account_id":"210000000012","region":"global","operation":"AssumeRole","reason":"assume_role_denied"}`,
			`"not_enabled":["eu-south-1"],"coverage":[{"region":"eu-west-1","access":"external","state":"exempt","why":"Emptied every night (until 2000-03-01).","exemption":{"reason":"emptied every night","until":"2000-03-01T00:00:00Z"},"console_url":"https://eu-west-1.console`,
		)
	})
}

// The page and the JSON are two ways to say the same.
func TestJSONAndMapAgree(t *testing.T) {
	for name, snap := range map[string]*inventory.Snapshot{
		"organization": webtest.Organization(time.Now()), "large": webtest.Large(time.Now(), 90),
	} {
		h := Handler(options(snap))
		for _, query := range []string{"", "?state=unknown", "?region=sa-east-1", "?page=2&page_size=5", "?account=a&state=uncovered,exempt"} {
			d, c := draw(t, get(t, h, "/"+query)), decode(t, get(t, h, "/api/v1/coverage"+query))
			var ids []string
			for _, a := range c.Accounts {
				ids = append(ids, a.AccountID)
				for _, p := range a.Coverage {
					if got := d.states[a.AccountID][p.Region]; got != string(p.State) {
						t.Errorf("%s%s: %s %s is %s on the map and %s in JSON", name, query, a.AccountID, p.Region, got, p.State)
					}
				}
				for _, r := range a.NotEnabled {
					if got := d.states[a.AccountID][r]; got != "not_enabled" {
						t.Errorf("%s%s: %s %s is %s on the map and not enabled in JSON", name, query, a.AccountID, r, got)
					}
				}
			}
			if !slices.Equal(ids, d.ids) {
				t.Errorf("%s%s: the map has %v, JSON %v", name, query, d.ids, ids)
			}
		}
	}
}

func TestJSONHasOnlyMatchingTargets(t *testing.T) {
	c := decode(t, get(t, Handler(options(webtest.Organization(time.Now()))), "/api/v1/coverage?state=unknown&access=external"))
	n := 0
	for _, a := range c.Accounts {
		for _, p := range a.Coverage {
			if n++; p.State != inventory.Unknown || p.Access != inventory.External {
				t.Errorf("%s %s is %s", a.AccountID, p.Region, p.State)
			}
		}
	}
	if n != c.Totals[0].Unknown {
		t.Errorf("%d targets of %d", n, c.Totals[0].Unknown)
	}
}

func TestJSONBeforeAnythingIsPublished(t *testing.T) {
	w := do(Handler(options(nil)), "GET", "/api/v1/coverage")
	if w.Code != 503 || w.Body.String() != `{"version":1,"error":"no snapshot has been published yet: the first sweep is in progress"}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = do(Handler(options(&inventory.Snapshot{})), "GET", "/api/v1/coverage?page=2")
	if w.Code != 404 || w.Body.String() != `{"version":1,"error":"there is no page 2: with this filter the last one is 1"}`+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestJSONWithoutTargets(t *testing.T) {
	c := decode(t, get(t, Handler(options(&inventory.Snapshot{Ready: true, DiscoverySuccess: true, NoTargets: "regions.include"})), "/api/v1/coverage"))
	if len(c.Attention) != 1 || c.Attention[0].Kind != inventory.Unknown || c.Targets.Total != 0 ||
		c.Attention[0].Headline != "No target is in scope: regions.include excludes every Region that is known to be enabled" {
		t.Errorf("%+v", c.Attention)
	}
}

func TestJSONFollowsItsSchema(t *testing.T) {
	s := readSchema(t)
	for name, snap := range fixtures() {
		if snap == nil {
			continue
		}
		o := options(snap)
		o.Progress = func() []sweep.Progress {
			return []sweep.Progress{
				{Kind: inventory.CoverageSweep, Running: true, StartedAt: time.Now()},
				{Kind: inventory.FindingsSweep, Running: true, StartedAt: time.Now().Add(-time.Second), Done: 1, Total: 2},
			}
		}
		var value any
		if err := json.Unmarshal([]byte(get(t, Handler(o), "/api/v1/coverage?page_size=500")), &value); err != nil {
			t.Fatal(err)
		}
		for _, fault := range s.check(s.root, value, "") {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

// An audit writes every account, more than a page may have, by the same schema.
func TestWholeCoverageFollowsTheSchema(t *testing.T) {
	var b strings.Builder
	if err := WriteCoverage(&b, webtest.Large(time.Now(), 600), remedy.Setting{}, console.Links{}, "1.2.3"); err != nil {
		t.Fatal(err)
	}
	if c := decode(t, b.String()); len(c.Accounts) != 600 || c.Page != (apiPage{1, 600, 1, 600}) || c.ExporterVersion != "1.2.3" {
		t.Errorf("%d accounts, %+v", len(c.Accounts), c.Page)
	}
	var value any
	if err := json.Unmarshal([]byte(b.String()), &value); err != nil {
		t.Fatal(err)
	}
	s := readSchema(t)
	for _, fault := range s.check(s.root, value, "") {
		t.Error(fault)
	}
	if err := WriteCoverage(full{}, webtest.Organization(time.Now()), remedy.Setting{}, console.Links{}, ""); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("the error of a full disk is %v", err)
	}
}

// full is a disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// A check that accepts anything would be none.
func TestSchemaRejectsInvalidDocuments(t *testing.T) {
	s := readSchema(t)
	text := get(t, Handler(options(webtest.Organization(time.Now()))), "/api/v1/coverage?account=sandbox")
	for _, test := range []struct{ old, wrong, fault string }{
		{`"version":1`, `"version":2`, "/version"},
		{`"ready":true,`, ``, "/ready"},
		{`"ready":true`, `"ready":"yes"`, "/ready"},
		{`"ready":true`, `"ready":true,"extra":1`, "/extra"},
		{`"published_at":"`, `"published_at":"x`, "/published_at"},
		{`"total":205`, `"total":-1`, "/targets/total"},
		{`"total":205`, `"total":2.5`, "/targets/total"},
		{`"state":"exempt"`, `"state":"maybe"`, "/accounts/0/coverage/0/state"},
		{`"reason":"emptied`, `"because":"emptied`, "/accounts/0/coverage/0/exemption/reason"},
		{`"size":50`, `"size":0`, "/page/size"},
	} {
		if !strings.Contains(text, test.old) {
			t.Fatalf("not there: %s", test.old)
		}
		var value any
		if err := json.Unmarshal([]byte(strings.Replace(text, test.old, test.wrong, 1)), &value); err != nil {
			t.Fatal(err)
		}
		faults := s.check(s.root, value, "")
		if !slices.ContainsFunc(faults, func(f string) bool { return strings.HasPrefix(f, test.fault+" ") }) {
			t.Errorf("%s: %q", test.wrong, faults)
		}
	}
}

// Every field of the schema is described, and in words of the same name.
func TestEveryFieldIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var names func(node any) []string
	names = func(node any) (all []string) {
		m, _ := node.(map[string]any)
		if properties, ok := m["properties"].(map[string]any); ok {
			all = slices.Collect(maps.Keys(properties))
		}
		for _, sub := range m {
			if inner, ok := sub.(map[string]any); ok {
				all = append(all, names(inner)...)
			}
		}
		return all
	}
	all := names(readSchema(t).root)
	if len(all) < 40 {
		t.Fatalf("only %d fields found", len(all))
	}
	for _, name := range all {
		if name != "version" && !strings.Contains(string(page), "`"+name) {
			t.Errorf("docs/api.md does not name %s", name)
		}
	}
}

// schema is as much of JSON Schema as ours uses; a keyword that it does not
// know is a fault of the schema.
type schema struct{ root map[string]any }

func readSchema(t *testing.T) schema {
	t.Helper()
	text, err := os.ReadFile("../../docs/coverage.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(text, &s.root); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s schema) check(node map[string]any, value any, at string) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, at+" "+fmt.Sprintf(format, args...)) }
	for _, keyword := range slices.Sorted(maps.Keys(node)) {
		want := node[keyword]
		switch keyword {
		case "$schema", "$defs", "title", "description":
		case "$ref":
			name := strings.TrimPrefix(want.(string), "#/$defs/")
			faults = append(faults, s.check(s.root["$defs"].(map[string]any)[name].(map[string]any), value, at)...)
		case "const":
			if value != want {
				fault("is %v, not %v", value, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), value) {
				fault("is %v, none of %v", value, want)
			}
		case "type":
			if !ofType(value, want.(string)) {
				fault("is %T, not %s", value, want)
			}
		case "format":
			if s, ok := value.(string); ok && want == "uri" {
				if u, err := url.Parse(s); err != nil || u.Scheme != "https" {
					fault("is %q, no address", s)
				}
			} else if ok {
				if _, err := time.Parse(time.RFC3339, s); err != nil {
					fault("is no time: %v", err)
				}
			}
		case "minimum", "maximum":
			if n, ok := value.(float64); ok && ((keyword == "minimum") == (n < want.(float64)) && n != want.(float64)) {
				fault("is %v, beyond the %s of %v", n, keyword, want)
			}
		case "maxItems":
			if list, ok := value.([]any); ok && len(list) > int(want.(float64)) {
				fault("has %d items", len(list))
			}
		case "items":
			list, _ := value.([]any)
			for i, item := range list {
				faults = append(faults, s.check(want.(map[string]any), item, fmt.Sprintf("%s/%d", at, i))...)
			}
		case "required":
			object, _ := value.(map[string]any)
			for _, name := range want.([]any) {
				if _, ok := object[name.(string)]; !ok {
					faults = append(faults, at+"/"+name.(string)+" is missing")
				}
			}
		case "additionalProperties":
			object, _ := value.(map[string]any)
			properties, _ := node["properties"].(map[string]any)
			for name, v := range object {
				if _, ok := properties[name]; ok {
					continue
				}
				if of, ok := want.(map[string]any); ok {
					faults = append(faults, s.check(of, v, at+"/"+name)...)
				} else {
					faults = append(faults, at+"/"+name+" is not in the schema")
				}
			}
		case "properties":
			object, _ := value.(map[string]any)
			for name, sub := range want.(map[string]any) {
				if v, ok := object[name]; ok {
					faults = append(faults, s.check(sub.(map[string]any), v, at+"/"+name)...)
				}
			}
		default:
			fault("uses %s, which this check does not know", keyword)
		}
	}
	return faults
}

func ofType(value any, want string) bool {
	switch v := value.(type) {
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case float64:
		return want == "number" || want == "integer" && v == float64(int64(v))
	case []any:
		return want == "array"
	case map[string]any:
		return want == "object"
	}
	return false
}

func TestFilterByLabel(t *testing.T) {
	h := Handler(options(webtest.Organization(time.Now())))
	for query, want := range map[string]int{
		"label=label_team%3Dshop": 4, "label=label_team%3Dshop&label=label_team%3Dpayments": 8, "label=label_team%3D": 3,
		"label=ou_name%3DWorkloads": 11, "label=ou_name%3DWorkloads&label=label_team%3Dshop": 4, "label=ou_name%3DSandboxes&label=label_team%3Dshop": 0,
		"label=label_team%3Dshop&account=web": 1,
	} {
		c := decode(t, get(t, h, "/api/v1/coverage?"+query))
		if c.Page.Accounts != want {
			t.Errorf("%s matches %d accounts, want %d", query, c.Page.Accounts, want)
		}
		if len(c.Groups) != 2 || c.Groups[0].Label != "ou_path" || c.Groups[1].Label != "label_team" || len(c.Groups[1].Values) != 4 {
			t.Errorf("%s: groups %+v", query, c.Groups)
		}
	}
}

// A label that accounts do not have is an error: without one, a spelling mistake looks
// like a team without accounts.
func TestFilterByUnknownLabel(t *testing.T) {
	unlabeled := webtest.Organization(time.Now())
	unlabeled.Labels = inventory.LabelKeys{}
	for want, snap := range map[string]*inventory.Snapshot{
		`label "label_taem" does not exist: it must be ou_name, ou_path or label_team`:                     webtest.Organization(time.Now()),
		`label "label_taem" does not exist: the configuration has no labels of accounts (accounts.labels)`: unlabeled,
	} {
		h := Handler(options(snap))
		for _, path := range []string{"/", "/api/v1/coverage"} {
			r := do(h, http.MethodGet, path+"?label=label_taem%3Dshop")
			if body := strings.ToLower(strings.ReplaceAll(html.UnescapeString(r.Body.String()), `\"`, `"`)); r.Code != http.StatusBadRequest || !strings.Contains(body, strings.ToLower(want)) {
				t.Errorf("%s: %d %s", path, r.Code, r.Body)
			}
		}
	}
}
