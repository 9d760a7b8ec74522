package awsapi

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// endless answers every list with a page of new items and a new token.
type endless struct {
	// page has a list's fields, item one item; %d is a number of its own.
	page, item string
	items      int // on a page
	calls      int
}

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	var list strings.Builder
	for i := range e.items {
		if i > 0 {
			list.WriteString(",")
		}
		fmt.Fprintf(&list, e.item, e.calls*e.items+i)
	}
	e.calls++
	body := fmt.Sprintf(e.page, list.String(), e.calls)
	return &http.Response{
		StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
	}, nil
}

// A server that always returns another page must not use up the memory. The bounds
// are above what AWS allows.
func TestEndlessLists(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
	const analyzer = `{"arn":"arn:aws:access-analyzer:eu-west-1:222222222222:analyzer/a%[1]d","name":"a%[1]d","type":"ACCOUNT","status":"ACTIVE","createdAt":"2026-01-02T03:04:05Z"}`
	account := accountOf(hub)
	for _, test := range []struct {
		name  string
		aws   endless
		quota int
		list  func(*Client) *inventory.Failure
	}{
		{"ListAnalyzers", endless{`{"analyzers":[%s],"nextToken":"%d"}`, analyzer, 100, 0}, 44, func(c *Client) *inventory.Failure {
			_, f := c.Analyzers(t.Context(), account, region)
			return f
		}},
		{"ListArchiveRules", endless{`{"archiveRules":[%s],"nextToken":"%d"}`, `{"ruleName":"r%d"}`, 10_000, 0}, 1_000, func(c *Client) *inventory.Failure {
			_, f := c.ArchiveRules(t.Context(), account, analyzerOfType("ACCOUNT"))
			return f
		}},
		{"ListAccounts", endless{`{"Accounts":[%s],"NextToken":"%d"}`, `{"Id":"%d","State":"ACTIVE"}`, 20_000, 0}, 50_000, func(c *Client) *inventory.Failure {
			_, f := c.Accounts(t.Context(), account)
			return f
		}},
		{"ListDelegatedAdministrators", endless{`{"DelegatedAdministrators":[%s],"NextToken":"%d"}`, `{"Id":"%d"}`, 100, 0}, 100, func(c *Client) *inventory.Failure {
			_, f := c.DelegatedAdmins(t.Context(), account)
			return f
		}},
		{"ListTagsForResource", endless{`{"Tags":[%s],"NextToken":"%d"}`, `{"Key":"k%d","Value":"v"}`, 100, 0}, 50, func(c *Client) *inventory.Failure {
			_, f := c.Tags(t.Context(), account, member)
			return f
		}},
		{"ListRegions", endless{`{"Regions":[%s],"NextToken":"%d"}`, `{"RegionName":"r%d","RegionOptStatus":"ENABLED"}`, 100, 0}, 100, func(c *Client) *inventory.Failure {
			_, f := c.Regions(t.Context(), account, "aws")
			return f
		}},
	} {
		run := func(t *testing.T, aws *endless, wrong string) {
			t.Helper()
			c, err := New(t.Context(), Options{
				Concurrency: 1, LongestPause: time.Nanosecond, Logger: slog.New(slog.DiscardHandler), Observe: func(_, _, _ string, _ time.Duration) {},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.accountRate = rate.NewLimiter(rate.Inf, 0)
			c.http.transport.RegisterProtocol("https", aws)
			f := test.list(c)
			if f == nil || f.Reason != inventory.MalformedResponse || !strings.Contains(f.Message, wrong) {
				t.Errorf("%d calls: %v", aws.calls, f)
			}
		}
		t.Run(test.name, func(t *testing.T) {
			run(t, &test.aws, "items")
			if read := test.aws.calls * test.aws.items; read < 4*test.quota {
				t.Errorf("only %d items are accepted, and AWS allows %d", read, test.quota)
			}
			run(t, &endless{page: test.aws.page}, "empty pages in a row")
		})
	}
}

// Findings have no quota; they are counted page by page. The bound is far above
// what one analyzer can have.
func TestEndlessFindings(t *testing.T) {
	c, _, _ := start(t, world())
	c.http.transport.RegisterProtocol("http", &endless{
		`{"findings":[%s],"nextToken":"%d"}`,
		`{"id":"%d","resourceType":"AWS::S3::Bucket","status":"ACTIVE","resourceOwnerAccount":"1"}`, 20, 0,
	})
	before := findingBounds
	findingBounds.items = 1_000
	defer func() { findingBounds = before }()
	n := 0
	_, f := c.Findings(t.Context(), accountOf(hub), analyzerOfType("ACCOUNT"), []string{inventory.Active}, func(p findings.Page) bool {
		n += len(p.Findings)
		return true
	})
	if f == nil || f.Reason != inventory.MalformedResponse || n > 1_020 {
		t.Errorf("%d findings: %v", n, f)
	}
}

// The configuration is kept in memory as long as the analyzer exists.
func TestEndlessConfiguration(t *testing.T) {
	w := world()
	excluded := make([]string, 100_000)
	for i := range excluded {
		excluded[i] = fmt.Sprintf("%012d", i)
	}
	w.Analyzers = []*simaws.Analyzer{{
		AccountID: hub, Region: region, Name: "a", Type: "ORGANIZATION_UNUSED_ACCESS", Status: "ACTIVE",
		Unused: &simaws.UnusedAccess{Age: 90, Exclusions: []simaws.Exclusion{{AccountIDs: excluded[:2_000]}}},
	}}
	c, server, _ := start(t, w)
	a := &inventory.Analyzer{Name: "a", Region: region, Type: "ORGANIZATION_UNUSED_ACCESS"}
	if got, f := c.Configuration(t.Context(), accountOf(hub), a); f != nil || len(got.ExcludedAccounts) != 2_000 {
		t.Fatalf("a configuration that AWS allows: %v", f)
	}
	server.Update(func(w *simaws.World) { w.Analyzers[0].Unused.Exclusions[0].AccountIDs = excluded })
	if _, f := c.Configuration(t.Context(), accountOf(hub), a); f == nil || f.Reason != inventory.MalformedResponse {
		t.Errorf("with 100,000 accounts: %v", f)
	}
}

// Times that overflow are treated as missing.
func TestTimesOutOfRange(t *testing.T) {
	for text, want := range map[string]string{
		"2026-01-02T03:04:05Z": "2026-01-02T03:04:05Z", "9999-12-31T23:59:59Z": "", "9999-12-31T23:59:59-23:00": "",
		"1677-01-01T00:00:00Z": "", "0001-01-01T00:00:00Z": "",
	} {
		t.Run(text, func(t *testing.T) {
			c, _, _ := start(t, world())
			e := &endless{items: 1, page: `{"analyzers":[%s],"findings":[],"unread":%d}`, item: `{"arn":"arn:aws:access-analyzer:eu-west-1:222222222222:analyzer/%d","createdAt":"` + text + `"}`}
			c.http.transport.RegisterProtocol("http", e)
			list, f := c.Analyzers(t.Context(), accountOf(hub), region)
			if f != nil {
				t.Fatal(f)
			}
			checkTime(t, "analyzer", list[0].CreatedAt, want)
			e.page, e.item = `{"findings":[%s],"unread":%d}`, `{"id":"%d","createdAt":"`+text+`","updatedAt":"`+text+`"}`
			_, f = c.Findings(t.Context(), accountOf(hub), analyzerOfType("ACCOUNT"), []string{inventory.Active}, func(p findings.Page) bool {
				checkTime(t, "finding", p.Findings[0].CreatedAt, want)
				checkTime(t, "finding's update", p.Findings[0].UpdatedAt, want)
				return true
			})
			if f != nil {
				t.Fatal(f)
			}
		})
	}
}

func checkTime(t *testing.T, what string, got time.Time, want string) {
	t.Helper()
	if (want == "") != got.IsZero() || want != "" && got.Format(time.RFC3339) != want {
		t.Errorf("%s of %v, want %q", what, got, want)
	}
}

// Headers are read as a whole, for each connection.
func TestEndlessHeader(t *testing.T) {
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := range 40 {
			w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("h", 50<<10))
		}
	}))
	defer front.Close()
	start(t, world())
	noRetries(t)
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
	c := another(t)
	defer c.Close()
	if _, _, f := c.Caller(t.Context()); f == nil || !strings.Contains(f.Message, "response headers exceeded 1048576 bytes") {
		t.Errorf("%+v, want an error of the header", f)
	}
}
