package simaws_test

import (
	"context"
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

	"access-analyzer-exporter/internal/simaws"
)

const (
	management = "111111111111"
	security   = "222222222222"
	workload   = "333333333333"
	sandbox    = "444444444444"
	alone      = "999999999999"
)

var epoch = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// newWorld is an organization of four accounts and one account on its own.
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

// start serves a world until the test ends and points the environment at it.
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

// clients are those of one account, without retries.
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

// as are clients with an account's own credentials, in Region eu-west-1.
func as(s *simaws.Server, accountID string) clients {
	id, secret := s.Credentials(accountID)
	return newClients(aws.Config{
		Region: "eu-west-1", BaseEndpoint: aws.String(s.URL()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(id, secret, ""),
	})
}

// assumed are the clients of a role in another account.
func (c clients) assumed(accountID string) clients {
	cfg := c.cfg.Copy()
	cfg.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(c.sts, "arn:aws:iam::"+accountID+":role/exporter"))
	return newClients(cfg)
}

// in are the same clients in another Region.
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

func TestSmoke(t *testing.T) {
	w := newWorld()
	a := &simaws.Analyzer{AccountID: workload, Region: "eu-west-1", Name: "a", Type: "ACCOUNT", Status: "ACTIVE", CreatedAt: epoch}
	for range 7 {
		a.AddFinding(simaws.Finding{Type: "ExternalAccess", Resource: "arn:aws:s3:::x", ResourceType: "AWS::S3::Bucket", Owner: workload}, epoch)
	}
	w.Analyzers = append(w.Analyzers, a)
	s := start(t, w, simaws.Options{})
	c := as(s, security)
	ctx := context.Background()
	o, err := c.organizations.ListAccounts(ctx, &organizations.ListAccountsInput{})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(len(o.Accounts), o.Accounts[2].Paths, *o.Accounts[2].JoinedTimestamp)
	l, err := c.assumed(workload).analyzer.ListAnalyzers(ctx, &accessanalyzer.ListAnalyzersInput{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", l.Analyzers[0])
	f, err := c.assumed(workload).analyzer.ListFindingsV2(ctx, &accessanalyzer.ListFindingsV2Input{AnalyzerArn: l.Analyzers[0].Arn, MaxResults: aws.Int32(5)})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d %+v", len(f.Findings), *f.NextToken)
	r, err := c.account.ListRegions(ctx, &account.ListRegionsInput{AccountId: aws.String(workload)})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d", len(r.Regions))
	_, err = c.in("eu-south-2").analyzer.ListAnalyzers(ctx, &accessanalyzer.ListAnalyzersInput{})
	t.Log(err)
	_, err = c.assumed(sandbox).analyzer.ListAnalyzers(ctx, &accessanalyzer.ListAnalyzersInput{})
	t.Log(err)
	t.Log(s.CallCounts(), s.Calls(simaws.CallFilter{Operation: "AssumeRole"}))
}
