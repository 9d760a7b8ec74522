package simaws_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"go.uber.org/goleak"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

const (
	management = "111111111111"
	security   = "222222222222"
	workload   = "333333333333"
	sandbox    = "444444444444"
	alone      = "999999999999"
)

var epoch = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newWorld is an organization of four accounts, and a standalone account.
func newWorld() *simaws.World {
	role := &simaws.Role{Name: "exporter", Trusts: []string{security}}
	return &simaws.World{
		Organization: &simaws.Organization{
			ID: "o-exampleorg1", ManagementID: management, CreatedAt: epoch,
			TrustedServices: []string{simaws.AccessAnalyzerPrincipal, simaws.AccountManagementPrincipal},
			DelegatedAdmins: map[string][]string{
				simaws.AccessAnalyzerPrincipal:    {security},
				simaws.AccountManagementPrincipal: {security},
			},
		},
		Accounts: []*simaws.Account{
			{ID: management, Name: "management", Regions: simaws.Regions(), Roles: []*simaws.Role{role}},
			{ID: security, Name: "security", Regions: simaws.Regions("eu-south-1")},
			{ID: workload, Name: "workload", Regions: simaws.Regions(), Roles: []*simaws.Role{role}, OUs: []string{"r-exam", "ou-exam-workload"}},
			{ID: sandbox, Name: "sandbox", State: "CLOSED", Regions: simaws.Regions(), Roles: []*simaws.Role{role}},
			{ID: alone, Name: "alone", Standalone: true, Regions: simaws.Regions()},
		},
	}
}

// start serves a world until the test ends.
func start(t testing.TB, w *simaws.World, opts simaws.Options) *simaws.Server {
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

// clients are SDK clients with the credentials of one account, without retries.
type clients struct {
	cfg           aws.Config
	analyzer      *accessanalyzer.Client
	organizations *organizations.Client
	account       *account.Client
	sts           *sts.Client
}

func newClients(cfg aws.Config) clients {
	return clients{cfg, accessanalyzer.NewFromConfig(cfg), organizations.NewFromConfig(cfg), account.NewFromConfig(cfg), sts.NewFromConfig(cfg)}
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

// as returns clients with the credentials of an account, in Region eu-west-1.
func as(s *simaws.Server, accountID string) clients {
	id, secret := s.Credentials(accountID)
	return newClients(aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(s.URL()), RetryMaxAttempts: 1,
		HTTPClient:  &http.Client{Transport: plainBodies{http.DefaultTransport}},
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

// assumed returns the clients of a role in another account.
func (c clients) assumed(accountID string) clients {
	cfg := c.cfg.Copy()
	cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(c.sts, "arn:aws:iam::"+accountID+":role/exporter"))
	return newClients(cfg)
}

// in returns the same clients in another Region.
func (c clients) in(region string) clients {
	cfg := c.cfg.Copy()
	cfg.Region = region
	return newClients(cfg)
}

func TestEnvironmentIsEnough(t *testing.T) {
	s := start(t, newWorld(), simaws.Options{})
	for name, value := range s.Env() {
		t.Setenv(name, value)
	}
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := aws.ToString(who.Arn), "arn:aws:iam::"+security+":user/exporter"; got != want {
		t.Errorf("caller is %s, want %s", got, want)
	}
}

// outcome is the error code and the HTTP status of a call; OK and 200 without an
// error.
func outcome(err error) (code string, status int) {
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

// wantOutcome fails the test unless the call had this outcome.
func wantOutcome(t *testing.T, err error, code string, status int) {
	t.Helper()
	if gotCode, gotStatus := outcome(err); gotCode != code || gotStatus != status {
		t.Errorf("got %s with status %d, want %s with %d: %v", gotCode, gotStatus, code, status, err)
	}
}
