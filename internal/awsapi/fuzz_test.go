package awsapi

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/time/rate"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// says answers with one thing after the other; the last is repeated.
type says struct {
	status       int
	header       http.Header
	bodies       []string
	opened, shut int
}

func (s *says) RoundTrip(r *http.Request) (*http.Response, error) {
	body := s.bodies[0]
	if len(s.bodies) > 1 {
		s.bodies = s.bodies[1:]
	}
	s.opened++
	return &http.Response{
		StatusCode: s.status, Status: http.StatusText(s.status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: s.header.Clone(), Body: &trackedBody{strings.NewReader(body), s}, ContentLength: int64(len(body)), Request: r,
	}, nil
}

// trackedBody is a body that takes note of its end: a connection whose body is left
// open is not used again.
type trackedBody struct {
	io.Reader
	of *says
}

func (a *trackedBody) Close() error {
	if a.of != nil {
		a.of.shut++
	}
	a.of = nil
	return nil
}

// then stands between two answers.
const then = "\x00"

// FuzzAnswers lets AWS say anything. What comes of it is a value that makes
// sense, or a failure that does.
func FuzzAnswers(f *testing.F) {
	const (
		analyzers = `{"analyzers":[{"arn":"arn:aws:access-analyzer:eu-west-1:222222222222:analyzer/a","name":"a","type":"ACCOUNT","status":"ACTIVE","createdAt":"2026-01-02T03:04:05Z","statusReason":{"code":"X"}}],"nextToken":"t"}`
		findings  = `{"findings":[{"id":"i","resourceOwnerAccount":"1","resourceType":"AWS::S3::Bucket","status":"ACTIVE","findingType":"ExternalAccess","isPublic":true,"error":"ACCESS_DENIED","createdAt":"2026-01-02T03:04:05.123456789Z"}],"nextToken":"t"}`
		accounts  = `{"Accounts":[{"Id":"1","Arn":"arn:aws:organizations::1:account/o-x/1","Name":"\u001b[2J","State":"ACTIVE","JoinedTimestamp":1e9}],"NextToken":"t"}`
		session   = `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2126-01-02T03:04:05Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
	)
	for _, seed := range []struct {
		status     uint16
		code, body string
	}{
		{200, "", analyzers},
		{200, "", analyzers + then + `{"analyzers":[]}`},
		{200, "", analyzers + then + `{"analyzers":[{"arn":"x"}]}`},
		{200, "", session + then + analyzers + then + `{"analyzers":[]}`},
		{200, "", `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>a</AccessKeyId></Credentials></AssumeRoleResult></AssumeRoleResponse>`},
		{200, "", `{"analyzer":{"arn":"a","name":"a","type":"ACCOUNT_UNUSED_ACCESS","configuration":{"unusedAccess":{"unusedAccessAge":90,"analysisRule":{"exclusions":[{"accountIds":["1"]}]}}}}}`},
		{200, "", `{"analyzer":{"configuration":{"internalAccess":{"analysisRule":{"inclusions":[{"resourceTypes":["AWS::S3::Bucket"],"accountIds":["1"],"resourceArns":["a"]}]}}}}}`},
		{200, "", `{"analyzer":{"configuration":{"newAccess":{}}}}`},
		{200, "", `{"archiveRules":[{"ruleName":"r","filter":{"isPublic":{"eq":["true"]}},"createdAt":1.5}]}`},
		{200, "", findings},
		{200, "", findings + then + `{"findings":[]}`},
		{200, "", `{"findingsStatistics":[{"externalAccessFindingsStatistics":{"totalActiveFindings":3,"totalArchivedFindings":1,"totalResolvedFindings":0,"resourceTypeStatistics":{"AWS::S3::Bucket":{"totalActivePublic":1,"totalActiveCrossAccount":1,"totalActiveErrors":1}}}}],"lastUpdatedAt":"2026-01-02T03:04:05Z"}`},
		{200, "", `{"findingsStatistics":[{"unusedAccessFindingsStatistics":{"totalActiveFindings":-1,"totalArchivedFindings":1,"totalResolvedFindings":0}}],"lastUpdatedAt":"2026-01-02T03:04:05Z"}`},
		{200, "", `{"findingsStatistics":[{"internalAccessFindingsStatistics":{"totalActiveFindings":1,"totalArchivedFindings":1,"totalResolvedFindings":0}}],"lastUpdatedAt":"2026-01-02T03:04:05Z"}`},
		{200, "", accounts},
		{200, "", accounts + then + `{"Accounts":[]}`},
		{200, "", `{"DelegatedAdministrators":[{"Id":"2"}],"Organization":{"Id":"o-x","MasterAccountId":"1"}}`},
		{200, "", `{"Regions":[{"RegionName":"eu-west-1","RegionOptStatus":"ENABLED"},{"RegionName":"us-east-1","RegionOptStatus":"ENABLED_BY_DEFAULT"}],"RegionOptStatus":"ENABLED"}`},
		{200, "", `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/x</Arn><Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>`},
		{200, "", `{"Messages":[{"Body":"{}","ReceiptHandle":"r","MessageId":"m","MD5OfBody":"99914b932bd37a50b983c5e7c90ae93b","Attributes":{"ApproximateReceiveCount":"3"}}]}`},
		{200, "", `{"Successful":[{"Id":"0"}],"Failed":[{"Id":"1","Code":"ReceiptHandleIsInvalid","Message":"expired","SenderFault":true}]}`},
		{200, "", `{"analyzer":{"configuration":{"unusedAccess":{"unusedAccessAge":-1}}},"Organization":{"Id":"o-x"},"Accounts":[{"State":"ACTIVE"}],"DelegatedAdministrators":[{}],"Regions":[{"RegionOptStatus":"ENABLED"}],"findings":[{"status":"ACTIVE"}]}`},
		{200, "", `<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/x</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>`},
		{200, "", `{}`},
		{200, "", `null`},
		{200, "", `[]`},
		{200, "", ``},
		{204, "", ``},
		{302, "", ``},
		{403, "AccessDeniedException", `{"message":"denied with an explicit deny in a service control policy"}`},
		{429, "ThrottlingException:http://x/", `{"__type":"x#Throttling","Message":"slow\nly"}`},
		{404, "ResourceNotFoundException", `{"message":"no such analyzer"}`},
		{400, "ValidationException", `{"message":"maxResults"}`},
		{400, "", `{"__type":"com.amazonaws.organizations#AWSOrganizationsNotInUseException","Message":"none"}`},
		{400, "", `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"none"}`},
		{500, "", `<html>`},
		{503, "ServiceUnavailable", ``},
		{400, "", `<ErrorResponse><Error><Code>ExpiredToken</Code><Message>m</Message></Error></ErrorResponse>`},
	} {
		for i := range operations {
			f.Add(byte(i), seed.status, seed.code, seed.body)
		}
	}
	// Every code that has a reason, once.
	for i, code := range slices.Sorted(maps.Keys(reasons)) {
		f.Add(byte(i), uint16(400), code, `{"__type":"`+code+`","message":"arn:aws:iam::1:role/x is not authorized"}`)
	}
	for name, value := range map[string]string{
		// Pauses between attempts would be all that is fuzzed.
		"AWS_MAX_ATTEMPTS": "1", "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_ENDPOINT_URL": "", "AWS_PROFILE": "", "AWS_CA_BUNDLE": "",
	} {
		f.Setenv(name, value)
	}
	var lastCode string
	c, err := New(context.Background(), Options{
		Concurrency: 1, LongestPause: time.Nanosecond, Version: "test", Logger: slog.New(slog.DiscardHandler),
		Observe: func(_, _, code string, _ time.Duration) {
			if len(code) == 0 || len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool { return !unicode.IsGraphic(r) }) {
				panic("the code " + code)
			}
			lastCode = code
		},
	})
	if err != nil {
		f.Fatal(err)
	}
	c.accountRate = rate.NewLimiter(rate.Inf, 0)
	aws := &says{}
	c.http.transport.RegisterProtocol("https", aws)
	f.Fuzz(func(t *testing.T, number byte, status uint16, errorType, body string) {
		header := http.Header{"Content-Type": {"application/x-amz-json-1.1"}}
		if errorType != "" {
			header.Set("X-Amzn-Errortype", errorType)
		}
		if status < 200 || status > 599 {
			status = 200 + status%400
		}
		*aws = says{status: int(status), header: header, bodies: strings.Split(body, then)}
		c.credentials.init(c) // clears cached failures, which delay the next AssumeRole
		operation := operations[int(number)%len(operations)]
		failure := operation.ask(t, c)
		if aws.opened == 0 || aws.shut != aws.opened {
			t.Errorf("%d answers, %d of them closed", aws.opened, aws.shut)
		}
		if failure == nil {
			if aws.status >= http.StatusMultipleChoices && lastCode != notFound && lastCode != notInUse {
				t.Errorf("status %d, code %s is taken for an answer", aws.status, lastCode)
			}
			return
		}
		if !slices.Contains(inventory.Reasons, failure.Reason) || !slices.Contains(operation.names, failure.Operation) {
			t.Errorf("failure %+v of %v", failure, operation.names)
		}
		if m := failure.Message; m == "" || !utf8.ValidString(m) || utf8.RuneCountInString(m) > 2*longestMessage || strings.ContainsFunc(m, unicode.IsControl) {
			t.Errorf("message %q", m)
		}
	})
}

// operations are all that the exporter asks of AWS, each with the names that a
// failure of it may have.
var operations = []struct {
	names []string
	ask   func(*testing.T, *Client) *inventory.Failure
}{
	{[]string{"ListAnalyzers"}, func(t *testing.T, c *Client) *inventory.Failure { return askAnalyzers(t, c, "") }},
	{[]string{"ListAnalyzers", "AssumeRole"}, func(t *testing.T, c *Client) *inventory.Failure {
		return askAnalyzers(t, c, "arn:aws:iam::"+hub+":role/exporter")
	}},
	{[]string{"GetAnalyzer"}, func(t *testing.T, c *Client) *inventory.Failure {
		return askConfiguration(t, c, "ACCOUNT_UNUSED_ACCESS")
	}},
	{[]string{"GetAnalyzer"}, func(t *testing.T, c *Client) *inventory.Failure {
		return askConfiguration(t, c, "ACCOUNT_INTERNAL_ACCESS")
	}},
	{[]string{"ListArchiveRules"}, func(t *testing.T, c *Client) *inventory.Failure {
		n, f := c.ArchiveRules(context.Background(), asked(""), analyzerOfType("ACCOUNT"))
		if f == nil && n < -1 {
			t.Errorf("%d archive rules", n)
		}
		return f
	}},
	{[]string{"ListFindings", "ListFindingsV2"}, func(t *testing.T, c *Client) *inventory.Failure {
		return askFindings(t, c, "ACCOUNT", inventory.Active)
	}},
	{[]string{"ListFindings", "ListFindingsV2"}, func(t *testing.T, c *Client) *inventory.Failure { return askFindings(t, c, "ACCOUNT") }},
	{[]string{"ListFindingsV2"}, func(t *testing.T, c *Client) *inventory.Failure {
		return askFindings(t, c, "ACCOUNT_UNUSED_ACCESS", inventory.Active)
	}},
	{[]string{"ListFindingsV2"}, func(t *testing.T, c *Client) *inventory.Failure { return askFindings(t, c, "ACCOUNT_INTERNAL_ACCESS") }},
	{[]string{"GetFindingsStatistics"}, func(t *testing.T, c *Client) *inventory.Failure {
		totals, f := c.FindingTotals(context.Background(), asked(""), analyzerOfType("ACCOUNT"))
		for status, n := range totals.ByStatus {
			if n < 0 || f != nil || totals.AsOf.IsZero() {
				t.Errorf("%d %s findings as of %v, %v", n, status, totals.AsOf, f)
			}
		}
		return f
	}},
	{[]string{"GetCallerIdentity"}, func(t *testing.T, c *Client) *inventory.Failure {
		id, partition, f := c.Caller(context.Background())
		if (f == nil) != (id != "" && partition != "") {
			t.Errorf("account %q of partition %q, %v", id, partition, f)
		}
		return f
	}},
	{[]string{"DescribeOrganization"}, func(t *testing.T, c *Client) *inventory.Failure {
		id, manager, f := c.Organization(context.Background(), asked(""))
		if (id == "") != (manager == "") || f != nil && id != "" {
			t.Errorf("organization %q of %q, %v", id, manager, f)
		}
		return f
	}},
	{[]string{"ListAccounts"}, func(t *testing.T, c *Client) *inventory.Failure {
		list, f := c.Accounts(context.Background(), asked(""))
		if f != nil && list != nil {
			t.Error("half a list")
		}
		for _, one := range list {
			if one.ID == "" || one.Organization == nil || one.OUPath != "" && !ouPathForm.MatchString(one.OUPath) {
				t.Errorf("account %+v", one)
			}
		}
		return f
	}},
	{[]string{"DescribeOrganizationalUnit"}, func(t *testing.T, c *Client) *inventory.Failure {
		name, f := c.OUName(context.Background(), asked(""), "ou-exam-workload")
		if (f == nil) != (name != "") || !isLabel(name) {
			t.Errorf("OU %q, %v", name, f)
		}
		return f
	}},
	{[]string{"ListTagsForResource"}, func(t *testing.T, c *Client) *inventory.Failure {
		tags, f := c.Tags(context.Background(), asked(""), member)
		if (f == nil) != (tags != nil) {
			t.Error("half a list")
		}
		for key, value := range tags {
			if key == "" || !isLabel(value) {
				t.Errorf("tag %q: %q", key, value)
			}
		}
		return f
	}},
	{[]string{"ListDelegatedAdministrators"}, func(t *testing.T, c *Client) *inventory.Failure {
		ids, f := c.DelegatedAdmins(context.Background(), asked(""))
		if slices.Contains(ids, "") {
			t.Errorf("administrators %q", ids)
		}
		return f
	}},
	{[]string{"ListRegions", "GetRegionOptStatus"}, func(t *testing.T, c *Client) *inventory.Failure {
		regions, f := c.MemberRegions(context.Background(), asked(""), member, "aws")
		if (f == nil) != (len(regions) > 0) || slices.Contains(regions, "") || f != nil && f.AccountID != member {
			t.Errorf("Regions %q, %+v", regions, f)
		}
		return f
	}},
	{[]string{"ReceiveMessage"}, func(t *testing.T, c *Client) *inventory.Failure {
		messages, f := queueOf(c).Receive(context.Background(), 0, time.Minute)
		if f != nil && messages != nil {
			t.Error("messages with a failure")
		}
		return f
	}},
	{[]string{"DeleteMessageBatch"}, func(_ *testing.T, c *Client) *inventory.Failure {
		return queueOf(c).Delete(context.Background(), []string{"r", "s"})
	}},
	{[]string{"ChangeMessageVisibilityBatch"}, func(_ *testing.T, c *Client) *inventory.Failure {
		return queueOf(c).Hide(context.Background(), []string{"r", "s"}, time.Minute)
	}},
}

var ouPathForm = regexp.MustCompile(`(?s)^o-[^/]*/r-[^/]*/(ou-[^/]*/)*$`)

func isLabel(s string) bool { return utf8.ValidString(s) && utf8.RuneCountInString(s) <= 256 }

func asked(role string) *inventory.Account {
	return &inventory.Account{ID: hub, Queried: true, RoleARN: role}
}

func analyzerOfType(name string) *inventory.Analyzer {
	return &inventory.Analyzer{
		ARN: "arn:aws:access-analyzer:eu-west-1:" + hub + ":analyzer/a", Name: "a", AccountID: hub, Region: region, Type: name,
	}
}

func queueOf(c *Client) *Queue {
	return c.Queue("https://sqs.eu-west-1.amazonaws.com/" + hub + "/events")
}

func askAnalyzers(t *testing.T, c *Client, role string) *inventory.Failure {
	list, f := c.Analyzers(context.Background(), asked(role), region)
	if f != nil && list != nil {
		t.Error("half a list")
	}
	for _, one := range list {
		if one.AccountID == "" || one.Region == "" || (one.Access() == inventory.External) != (one.Configuration != nil) {
			t.Errorf("analyzer %+v", one)
		}
	}
	return f
}

func askConfiguration(t *testing.T, c *Client, kind string) *inventory.Failure {
	analyzer := analyzerOfType(kind)
	configuration, f := c.Configuration(context.Background(), asked(""), analyzer)
	switch {
	case configuration == nil:
	case f != nil, configuration.UnusedAccessAge < 0,
		analyzer.Access() == inventory.Unused && configuration.Inclusions != nil,
		analyzer.Access() == inventory.Internal && (configuration.UnusedAccessAge != 0 || configuration.ExcludedAccounts != nil):
		t.Errorf("configuration %+v, %v", configuration, f)
	}
	return f
}

func askFindings(t *testing.T, c *Client, kind string, statuses ...string) *inventory.Failure {
	more := func(page findings.Page) bool {
		if page.Findings == nil || page.AskedAt.IsZero() {
			t.Errorf("page %+v", page)
		}
		for _, one := range page.Findings {
			if one.ID == "" {
				t.Errorf("finding %+v", one)
			}
		}
		return true
	}
	exists, f := c.Findings(context.Background(), asked(""), analyzerOfType(kind), statuses, more)
	if f != nil && !exists {
		t.Error("gone, with a failure")
	}
	return f
}
