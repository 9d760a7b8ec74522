package web

import (
	"encoding/json"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

func TestInvalidQueries(t *testing.T) {
	h := Handler(options(webtest.Organization(time.Now())))
	for _, test := range []struct{ query, why string }{
		{"state=bad", `unknown state "bad": it must be uncovered, unknown, covered, exempt, not_enabled or not_listed`},
		{"state=uncovered,Covered", `unknown state "Covered": it must be uncovered, unknown, covered, exempt, not_enabled or not_listed`},
		{"access=all", `unknown access "all": it must be external, unused or internal`},
		{"region=mars-1", `unknown region "mars-1": it must be ap-northeast-1, ap-northeast-2, ap-northeast-3, ap-south-1, ap-southeast-1, ap-southeast-2, ca-central-1, eu-central-1, eu-north-1, eu-south-1, eu-west-1, eu-west-2, eu-west-3, sa-east-1, us-east-1, us-east-2, us-west-1, us-west-2 or global`},
		{"region=%3Cscript%3E", `unknown region "<script>": it must be`},
		{"page=0", `page must be one whole number from 1 to 1000000, not "0"`},
		{"page=-1", `page must be one whole number from 1 to 1000000, not "-1"`},
		{"page=1.5", `not "1.5"`},
		{"page=1&page=2", `not "1, 2"`},
		{"page_size=501", `page_size must be one whole number from 1 to 500, not "501"`},
		{"page_size=99999999999999999999", `page_size must be one whole number from 1 to 500`},
		{"acount=1", `unknown parameter "acount": access, account, label, page, page_size, region and state are accepted`},
		{"label=team", `label "team" has no value: write the name of a label, = and the value, such as label_team=shop`},
		{"state=%zz", `the query is not well formed: invalid URL escape "%zz"`},
		{"a=1;b=2", `the query is not well formed: invalid semicolon separator in query`},
		{"account=" + strings.Repeat("a,", 21), `account has 21 values; at most 20 are accepted`},
		{"account=" + strings.Repeat("a", 2000), `the query is 2008 characters long; at most 2000 are accepted`},
		{"zebra=1&state=bad", `unknown state "bad"`},
		{"%1B[2J=%1B", `unknown parameter "\x1b[2J"`},
	} {
		t.Run(test.query[:min(len(test.query), 40)], func(t *testing.T) {
			for path, contentType := range map[string]string{"/": "text/plain; charset=utf-8", "/api/v1/coverage": "application/json"} {
				r := httptest.NewRequest("GET", path, nil)
				r.URL.RawQuery = test.query
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code != 400 || w.Header().Get("Content-Type") != contentType {
					t.Errorf("%s: %d %s", path, w.Code, w.Header().Get("Content-Type"))
				}
				says := w.Body.String()
				if path != "/" {
					var response apiError
					if err := json.Unmarshal(w.Body.Bytes(), &response); err != nil || response.Version != 1 {
						t.Errorf("%s: %v %s", path, err, says)
					}
					says = response.Error
				}
				if !strings.Contains(says, test.why[1:]) { // the page begins with a capital
					t.Errorf("%s says\n%s, want\n%s", path, says, test.why)
				}
			}
		})
	}
}

func TestOneChoiceIsNoList(t *testing.T) {
	for regions, want := range map[string]string{"global": "it must be global", "eu-west-1 global": "it must be eu-west-1 or global"} {
		_, err := parseFilter("region=x", strings.Fields(regions))
		if err == nil || err.Error() != `unknown region "x": `+want {
			t.Errorf("%v", err)
		}
	}
}

// A filter that is written into a link must mean the same when it is read.
func FuzzParseFilter(f *testing.F) {
	for _, seed := range []string{
		"", "account=a&account=b,c", "state=uncovered,unknown&page=3", "region=eu-west-1&region=global&page_size=500",
		"access=external&access=external", "page=1&page_size=", "account=%ff%00", "x=y", "state=%", "a;b", "account=+%2C+",
		"access=unused,internal&state=covered,exempt,not_enabled", "page=1000000&page=2", "page_size=501", "account=%E2%80%AE", "%1b[2J=%1b",
		"label=label_team%3Dshop%2Cfront&label=label_team%3D&label=ou_name%3Da%3Db", "label=%3D", "label=x",
		strings.Repeat("account=a&", maxValues+1), "account=" + strings.Repeat("%2c", maxQueryLength/3),
	} {
		f.Add(seed)
	}
	regions := []string{"eu-west-1", "us-east-1", "global"}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := parseFilter(raw, regions)
		if err != nil {
			if says := err.Error(); says == "" || !utf8.ValidString(says) || strings.ContainsFunc(says, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				t.Errorf("%q is rejected with %q", raw, says)
			}
			return
		}
		if got.page < 1 || got.size < 1 || got.size > maxPageSize || len(got.accounts) > maxValues {
			t.Errorf("%q gives %+v", raw, got)
		}
		link := got.query(got.page)
		again, err := parseFilter(strings.TrimPrefix(link, "?"), regions)
		if len(link) > maxQueryLength {
			return // escapes made it longer than it came
		}
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%q gives %+v, but its link %q gives %+v, %v", raw, got, link, again, err)
		}
	})
}
