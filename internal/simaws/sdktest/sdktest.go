// Package sdktest tests the simulator through the AWS SDK: it has a small
// organization, and clients with the credentials of its accounts.
package sdktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// The accounts of NewWorld.
const (
	Management = "111111111111"
	Security   = "222222222222"
	Workload   = "333333333333"
	Sandbox    = "444444444444"
	Standalone = "999999999999"
)

// Epoch is when everything in NewWorld was created.
var Epoch = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// NewWorld is an organization of four accounts, and a standalone account.
func NewWorld() *simaws.World {
	role := &simaws.Role{Name: "exporter", Trusts: []string{Security}}
	return &simaws.World{
		Organization: &simaws.Organization{
			ID: "o-exampleorg1", ManagementID: Management, CreatedAt: Epoch,
			TrustedServices: []string{simaws.AccessAnalyzerPrincipal, simaws.AccountManagementPrincipal},
			DelegatedAdmins: map[string][]string{
				simaws.AccessAnalyzerPrincipal:    {Security},
				simaws.AccountManagementPrincipal: {Security},
			},
		},
		Accounts: []*simaws.Account{
			{ID: Management, Name: "management", Regions: simaws.Regions(), Roles: []*simaws.Role{role}},
			{ID: Security, Name: "security", Regions: simaws.Regions("eu-south-1")},
			{ID: Workload, Name: "workload", Regions: simaws.Regions(), Roles: []*simaws.Role{role}, OUs: []string{"r-exam", "ou-exam-workload"}},
			{ID: Sandbox, Name: "sandbox", State: "CLOSED", Regions: simaws.Regions(), Roles: []*simaws.Role{role}},
			{ID: Standalone, Name: "alone", Standalone: true, Regions: simaws.Regions()},
		},
	}
}

// Start serves a world until the test ends.
func Start(t testing.TB, w *simaws.World, opts simaws.Options) *simaws.Server {
	t.Helper()
	s := simaws.New(w, opts)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Clients are SDK clients with the credentials of one account, without retries.
type Clients struct {
	Config        aws.Config
	Analyzer      *accessanalyzer.Client
	Organizations *organizations.Client
	Account       *account.Client
	STS           *sts.Client
}

// NewClients returns the clients of an SDK configuration.
func NewClients(cfg aws.Config) Clients {
	return Clients{cfg, accessanalyzer.NewFromConfig(cfg), organizations.NewFromConfig(cfg), account.NewFromConfig(cfg), sts.NewFromConfig(cfg)}
}

// plainBodies hides from net/http that the SDK's request bodies implement
// io.WriterTo. Theirs returns io.EOF once the body is closed, which happens on a
// response. If net/http is still sending, it treats that as an error and closes the
// connection; over loopback, responses are fast enough.
type plainBodies struct{ http.RoundTripper }

func (t plainBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r = r.Clone(r.Context())
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	return t.RoundTripper.RoundTrip(r)
}

// As returns clients with the credentials of an account, in Region eu-west-1.
func As(s *simaws.Server, accountID string) Clients {
	id, secret := s.Credentials(accountID)
	return NewClients(aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(s.URL()), RetryMaxAttempts: 1,
		HTTPClient:  &http.Client{Transport: plainBodies{http.DefaultTransport}},
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

// Assumed returns the clients of a role in another account.
func (c Clients) Assumed(accountID string) Clients {
	cfg := c.Config.Copy()
	cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(c.STS, "arn:aws:iam::"+accountID+":role/exporter"))
	return NewClients(cfg)
}

// In returns the same clients in another Region.
func (c Clients) In(region string) Clients {
	cfg := c.Config.Copy()
	cfg.Region = region
	return NewClients(cfg)
}

// Outcome is the error code and the HTTP status of a call; OK and 200 without an
// error.
func Outcome(err error) (code string, status int) {
	if err == nil {
		return "OK", 200
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	return code, status
}

// WantOutcome fails the test unless the call had this Outcome.
func WantOutcome(t *testing.T, err error, code string, status int) {
	t.Helper()
	if gotCode, gotStatus := Outcome(err); gotCode != code || gotStatus != status {
		t.Errorf("got %s with status %d, want %s with %d: %v", gotCode, gotStatus, code, status, err)
	}
}

// ExternalARN is the external access analyzer of NewWorldWithFindings.
const ExternalARN = "arn:aws:access-analyzer:eu-west-1:222222222222:analyzer/external"

// NewWorldWithFindings has an analyzer of each kind. The first letter of a
// finding's ID is its position in the list.
func NewWorldWithFindings() *simaws.World {
	partner := &simaws.Access{Principal: map[string]string{"AWS": "999999999999"}, Action: []string{"s3:GetObject"}, Condition: map[string]string{"aws:SourceVpc": "vpc-1"}}
	public := &simaws.Access{Principal: map[string]string{"AWS": "*"}, Action: []string{"s3:ListBucket"}, ResourceControlPolicyRestriction: "APPLICABLE"}
	at := func(hours int) time.Time { return Epoch.Add(time.Duration(hours) * time.Hour) }
	external := func(id, status, owner string, hours int, f simaws.Finding) simaws.Finding {
		f.ID, f.Type, f.Status, f.Owner = id, "ExternalAccess", status, owner
		f.CreatedAt, f.UpdatedAt, f.AnalyzedAt = Epoch, at(hours), at(100)
		return f
	}
	w := NewWorld()
	unused := &simaws.Analyzer{AccountID: Security, Region: "eu-west-1", Name: "unused", Type: "ORGANIZATION_UNUSED_ACCESS", Status: "ACTIVE", Unused: &simaws.UnusedAccess{Age: 90}}
	for i := range 12 {
		owner := fmt.Sprintf("5000000000%02d", i)
		for n := range i + 1 {
			unused.AddFinding(simaws.Finding{Type: []string{"UnusedIAMRole", "UnusedPermission"}[n%2], ResourceType: "AWS::IAM::Role", Resource: "arn:aws:iam::" + owner + ":role/r", Owner: owner}, Epoch)
		}
	}
	unused.AddFinding(simaws.Finding{Type: "UnusedIAMUserPassword", Status: "RESOLVED", ResourceType: "AWS::IAM::User", Owner: Workload}, Epoch)
	internal := &simaws.Analyzer{AccountID: Security, Region: "eu-west-1", Name: "internal", Type: "ORGANIZATION_INTERNAL_ACCESS", Status: "ACTIVE", Internal: &simaws.InternalAccess{}}
	for _, status := range []string{"ACTIVE", "ACTIVE", "ARCHIVED", "RESOLVED"} {
		internal.AddFinding(simaws.Finding{Type: "InternalAccess", Status: status, ResourceType: "AWS::DynamoDB::Table", Owner: Workload, Access: partner}, Epoch)
	}
	w.Analyzers = []*simaws.Analyzer{
		{
			AccountID: Security, Region: "eu-west-1", Name: "external", Type: "ORGANIZATION", Status: "ACTIVE",
			Findings: []simaws.Finding{
				external("a-public", "ACTIVE", Workload, 1, simaws.Finding{Resource: "arn:aws:s3:::site", ResourceType: "AWS::S3::Bucket", Public: true, Access: public}),
				external("b-shared", "ACTIVE", Workload, 5, simaws.Finding{Resource: "arn:aws:s3:::data", ResourceType: "AWS::S3::Bucket", Access: partner}),
				external("c-role", "ACTIVE", Management, 3, simaws.Finding{Resource: "arn:aws:iam::111111111111:role/x", ResourceType: "AWS::IAM::Role", Access: partner}),
				external("d-error", "ACTIVE", Workload, 4, simaws.Finding{Resource: "arn:aws:s3:::locked", ResourceType: "AWS::S3::Bucket", Error: "ACCESS_DENIED"}),
				external("e-archived", "ARCHIVED", Workload, 2, simaws.Finding{Resource: "arn:aws:s3:::data", ResourceType: "AWS::S3::Bucket", Access: partner}),
				external("f-resolved", "RESOLVED", Management, 6, simaws.Finding{Resource: "arn:aws:sqs:eu-west-1:111111111111:q", ResourceType: "AWS::SQS::Queue", Public: true, Access: public}),
			},
		},
		unused, internal,
	}
	return w
}

// ListAnalyzers calls the operation.
func ListAnalyzers(c Clients) error {
	_, err := c.Analyzer.ListAnalyzers(context.Background(), nil)
	return err
}

// ListAccounts calls the operation.
func ListAccounts(c Clients) error {
	_, err := c.Organizations.ListAccounts(context.Background(), nil)
	return err
}

// ListRegions calls the operation.
func ListRegions(c Clients) error {
	_, err := c.Account.ListRegions(context.Background(), nil)
	return err
}

// AssumeRole calls the operation for the role of Workload.
func AssumeRole(c Clients) error {
	_, err := c.STS.AssumeRole(context.Background(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::333333333333:role/exporter"), RoleSessionName: aws.String("test"),
	})
	return err
}

// FindingIDs follows all pages.
func FindingIDs(t testing.TB, c Clients, in accessanalyzer.ListFindingsV2Input) []string {
	t.Helper()
	if in.AnalyzerArn == nil {
		in.AnalyzerArn = aws.String(ExternalARN)
	}
	ids := []string{}
	for p := accessanalyzer.NewListFindingsV2Paginator(c.Analyzer, &in); p.HasMorePages(); {
		page, err := p.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Findings {
			ids = append(ids, *f.Id)
		}
	}
	return ids
}

// NewestFirst is the input that lists the most recently updated findings first.
func NewestFirst() accessanalyzer.ListFindingsV2Input {
	return accessanalyzer.ListFindingsV2Input{Sort: &types.SortCriteria{AttributeName: aws.String("UpdatedAt"), OrderBy: types.OrderByDesc}}
}

// Bubble runs a test with a fake clock, over a connection in memory.
func Bubble(t *testing.T, w *simaws.World, opts simaws.Options, test func(t *testing.T, s *simaws.Server, c Clients)) {
	synctest.Test(t, func(t *testing.T) {
		pipe := simaws.NewPipe()
		opts.Listener = pipe
		s := Start(t, w, opts)
		transport := &http.Transport{DialContext: pipe.DialContext}
		t.Cleanup(transport.CloseIdleConnections)
		cfg := As(s, Security).Config
		cfg.HTTPClient = &http.Client{Transport: plainBodies{transport}}
		test(t, s, NewClients(cfg))
	})
}
