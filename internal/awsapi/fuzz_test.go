package awsapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/time/rate"

	"access-analyzer-exporter/internal/inventory"
)

// says answers everything with one answer.
type says struct {
	status int
	header http.Header
	body   string
}

func (s *says) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: s.status, Status: http.StatusText(s.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: s.header.Clone(), Body: io.NopCloser(strings.NewReader(s.body)), ContentLength: int64(len(s.body)), Request: r,
	}, nil
}

// FuzzAnswers lets AWS say anything. What comes of it is a value that makes
// sense, or a failure that does.
func FuzzAnswers(f *testing.F) {
	const arn = "arn:aws:access-analyzer:eu-west-1:222222222222:analyzer/a"
	for _, seed := range []struct {
		status     uint16
		code, body string
	}{
		{200, "", `{"analyzers":[{"arn":"` + arn + `","name":"a","type":"ACCOUNT","status":"ACTIVE","createdAt":"2026-01-02T03:04:05Z","statusReason":{"code":"X"}}],"nextToken":"t"}`},
		{200, "", `{"analyzer":{"arn":"` + arn + `","configuration":{"unusedAccess":{"unusedAccessAge":90,"analysisRule":{"exclusions":[{"accountIds":["1"]}]}}}}}`},
		{200, "", `{"analyzer":{"configuration":{"internalAccess":{"analysisRule":{"inclusions":[{"resourceTypes":["AWS::S3::Bucket"]}]}}}}}`},
		{200, "", `{"archiveRules":[{"ruleName":"r","filter":{"isPublic":{"eq":["true"]}},"createdAt":1.5}]}`},
		{200, "", `{"findings":[{"id":"i","resourceOwnerAccount":"1","resourceType":"AWS::S3::Bucket","status":"ACTIVE","findingType":"ExternalAccess","isPublic":true,"error":"ACCESS_DENIED","createdAt":"2026-01-02T03:04:05.123456789Z"}]}`},
		{200, "", `{"Accounts":[{"Id":"1","Arn":"arn:aws:organizations::1:account/o-x/1","Name":"\u001b[2J","State":"ACTIVE","JoinedTimestamp":1e9}],"DelegatedAdministrators":[],"Organization":{"Id":"o-x","MasterAccountId":"1"}}`},
		{200, "", `{"Regions":[{"RegionName":"eu-west-1","RegionOptStatus":"ENABLED"}]}`},
		{200, "", `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/x</Arn><Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`},
		{200, "", `{}`},
		{200, "", `null`},
		{200, "", `[]`},
		{200, "", ``},
		{204, "", ``},
		{302, "", ``},
		{403, "AccessDeniedException", `{"message":"denied with an explicit deny in a service control policy"}`},
		{429, "ThrottlingException:http://x/", `{"__type":"x#Throttling","Message":"slow\nly"}`},
		{500, "", `<html>`},
		{400, "", `<ErrorResponse><Error><Code>ExpiredToken</Code><Message>m</Message></Error></ErrorResponse>`},
	} {
		for operation := range byte(operations) {
			f.Add(operation, seed.status, seed.code, seed.body)
		}
	}
	for name, value := range map[string]string{
		// Pauses between attempts would be all that is fuzzed.
		"AWS_MAX_ATTEMPTS": "1", "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_ENDPOINT_URL": "", "AWS_PROFILE": "", "AWS_CA_BUNDLE": "",
	} {
		f.Setenv(name, value)
	}
	c, err := New(context.Background(), Options{
		Concurrency: 1, LongestPause: time.Nanosecond, Version: "test", Logger: slog.New(slog.DiscardHandler),
		Observe: func(_, _, code string, _ time.Duration) {
			if len(code) == 0 || len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				panic("the code " + code)
			}
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	c.accountRate = rate.NewLimiter(rate.Inf, 0)
	aws := &says{}
	c.http.transport.RegisterProtocol("https", aws)
	f.Fuzz(func(t *testing.T, operation byte, status uint16, errorType, body string) {
		header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}}
		if errorType != "" {
			header.Set("X-Amzn-Errortype", errorType)
		}
		*aws = says{int(200 + status%400), header, body}
		failure := ask(t, c, operation%operations)
		if failure == nil {
			return
		}
		if !slices.Contains(inventory.Reasons, failure.Reason) || failure.Operation == "" {
			t.Errorf("failure %+v", failure)
		}
		if m := failure.Message; !utf8.ValidString(m) || utf8.RuneCountInString(m) > 2*longestMessage || strings.ContainsFunc(m, unicode.IsControl) {
			t.Errorf("message %q", m)
		}
	})
}

const operations = 8

// ask calls one operation and checks that what it answers makes sense.
func ask(t *testing.T, c *Client, operation byte) (f *inventory.Failure) {
	ctx, a := context.Background(), &inventory.Account{ID: hub, Entered: true}
	analyzer := &inventory.Analyzer{
		ARN: "arn:aws:access-analyzer:eu-west-1:" + hub + ":analyzer/a", Name: "a", AccountID: hub, Region: region, Type: "ACCOUNT",
	}
	unused := *analyzer
	unused.Type = "ACCOUNT_UNUSED_ACCESS"
	switch operation {
	case 0:
		var list []*inventory.Analyzer
		if list, f = c.Analyzers(ctx, a, region); f != nil && list != nil {
			t.Error("half a list")
		}
		for _, one := range list {
			if one.AccountID == "" || one.Region == "" || (one.Access() == inventory.External) != (one.Configuration != nil) {
				t.Errorf("analyzer %+v", one)
			}
		}
	case 1:
		var configuration *inventory.Configuration
		if configuration, f = c.Configuration(ctx, a, &unused); f != nil && configuration != nil {
			t.Error("a configuration with a failure")
		}
	case 2:
		var n int
		if n, f = c.ArchiveRules(ctx, a, analyzer); f == nil && n < -1 {
			t.Errorf("%d archive rules", n)
		}
	case 3, 4:
		if operation == 4 {
			analyzer = &unused
		}
		more := func(page inventory.FindingPage) bool {
			if page.Findings == nil {
				t.Error("a page without a list")
			}
			return true
		}
		var exists bool
		if exists, f = c.Findings(ctx, a, analyzer, []string{inventory.Active}, more); f != nil && !exists {
			t.Error("gone, with a failure")
		}
	case 5:
		_, _, f = c.Caller(ctx)
	case 6:
		if _, f = c.Accounts(ctx, a); f == nil {
			_, f = c.DelegatedAdmins(ctx, a)
		}
		if f == nil {
			_, _, f = c.Organization(ctx, a)
		}
	case 7:
		var regions []string
		if regions, f = c.MemberRegions(ctx, a, member, "aws"); f == nil && len(regions) == 0 {
			t.Error("no Region, and no failure")
		}
	}
	return f
}
