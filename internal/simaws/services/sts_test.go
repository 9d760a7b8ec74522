package services_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

func TestAssumedRoleActsInItsAccount(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	ctx := context.Background()
	c := sdktest.As(s, sdktest.Security)
	before := time.Now()
	out, err := c.STS.AssumeRole(ctx, &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::333333333333:role/exporter"), RoleSessionName: aws.String("test"), DurationSeconds: aws.Int32(900),
	})
	if err != nil {
		t.Fatal(err)
	}
	if left := out.Credentials.Expiration.Sub(before); left < 14*time.Minute || left > 16*time.Minute {
		t.Errorf("the session lasts %s, want 15m", left)
	}
	if got, want := *out.AssumedRoleUser.Arn, "arn:aws:sts::333333333333:assumed-role/exporter/test"; got != want {
		t.Errorf("assumed %s, want %s", got, want)
	}
	cfg := c.Config.Copy()
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
	inside := sdktest.NewClients(cfg)
	who, err := inside.STS.GetCallerIdentity(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if *who.Account != sdktest.Workload || *who.Arn != *out.AssumedRoleUser.Arn || *who.UserId != *out.AssumedRoleUser.AssumedRoleId {
		t.Errorf("caller is %s, %s, %s", *who.Account, *who.Arn, *who.UserId)
	}
	_, err = inside.Organizations.ListAccounts(ctx, nil)
	sdktest.WantOutcome(t, err, "AccessDeniedException", 400)
}

func TestAssumeRoleErrors(t *testing.T) {
	w := sdktest.NewWorld()
	w.Account(sdktest.Workload).Roles = []*simaws.Role{
		{Name: "exporter", Trusts: []string{"arn:aws:iam::222222222222:user/exporter"}, ExternalID: "secret-id"},
		{Name: "chained", Trusts: []string{"arn:aws:iam::222222222222:role/hub"}, MaxSession: 12 * time.Hour},
	}
	w.Account(sdktest.Security).Roles = []*simaws.Role{{Name: "hub", Trusts: []string{"*"}}}
	s := sdktest.Start(t, w, simaws.Options{})
	hub := sdktest.As(s, sdktest.Security)
	asHub := hub.Config.Copy()
	asHub.Credentials = assume(t, hub, "arn:aws:iam::222222222222:role/hub")
	role := func(c sdktest.Clients, arn, externalID string, seconds int32) error {
		in := &sts.AssumeRoleInput{RoleArn: aws.String(arn), RoleSessionName: aws.String("test")}
		if externalID != "" {
			in.ExternalId = aws.String(externalID)
		}
		if seconds != 0 {
			in.DurationSeconds = aws.Int32(seconds)
		}
		_, err := c.STS.AssumeRole(context.Background(), in)
		return err
	}
	const exporter, chained = "arn:aws:iam::333333333333:role/exporter", "arn:aws:iam::333333333333:role/chained"
	for _, c := range []struct {
		name   string
		err    error
		code   string
		status int
	}{
		{"trusted, with external ID", role(hub, exporter, "secret-id", 0), "OK", 200},
		{"without external ID", role(hub, exporter, "", 0), "AccessDenied", 403},
		{"with another external ID", role(hub, exporter, "wrong", 0), "AccessDenied", 403},
		{"not trusted", role(sdktest.As(s, sdktest.Management), exporter, "secret-id", 0), "AccessDenied", 403},
		{"no such role", role(hub, "arn:aws:iam::333333333333:role/none", "", 0), "AccessDenied", 403},
		{"no such account", role(hub, "arn:aws:iam::123123123123:role/exporter", "", 0), "AccessDenied", 403},
		{"a closed account", role(hub, "arn:aws:iam::444444444444:role/exporter", "", 0), "AccessDenied", 403},
		{"trust in a role", role(sdktest.NewClients(asHub), chained, "", 3600), "OK", 200},
		{"chained for longer than an hour", role(sdktest.NewClients(asHub), chained, "", 3601), "ValidationError", 400},
		{"longer than the role allows", role(hub, exporter, "secret-id", 7200), "ValidationError", 400},
		{"shorter than AWS allows", role(hub, exporter, "secret-id", 60), "ValidationError", 400},
		{"not a role", role(hub, "arn:aws:iam::333333333333:user/exporter", "", 0), "ValidationError", 400},
		{"a Region that the account has not enabled", role(hub.In("eu-south-1"), exporter, "secret-id", 0), "RegionDisabledException", 403},
	} {
		t.Run(c.name, func(t *testing.T) { sdktest.WantOutcome(t, c.err, c.code, c.status) })
	}
}

// assume opens a session.
func assume(t *testing.T, c sdktest.Clients, arn string) aws.CredentialsProvider {
	t.Helper()
	out, err := c.STS.AssumeRole(context.Background(), &sts.AssumeRoleInput{RoleArn: &arn, RoleSessionName: aws.String("test")})
	if err != nil {
		t.Fatal(err)
	}
	return credentials.NewStaticCredentialsProvider(*out.Credentials.AccessKeyId, *out.Credentials.SecretAccessKey, *out.Credentials.SessionToken)
}

func TestSessionsEnd(t *testing.T) {
	now := time.Now()
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{Now: func() time.Time { return now }})
	c := sdktest.As(s, sdktest.Security)
	cfg := c.Config.Copy()
	cfg.Credentials = assume(t, c, "arn:aws:iam::333333333333:role/exporter")
	c = sdktest.NewClients(cfg)
	call := func() []error {
		ctx := context.Background()
		_, analyzers := c.Analyzer.ListAnalyzers(ctx, nil)
		_, accounts := c.Organizations.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
		_, who := c.STS.GetCallerIdentity(ctx, nil)
		return []error{analyzers, accounts, who}
	}
	now = now.Add(59 * time.Minute)
	for _, err := range call() {
		sdktest.WantOutcome(t, err, "OK", 200)
	}
	now = now.Add(time.Minute)
	errs := call()
	sdktest.WantOutcome(t, errs[0], "ExpiredTokenException", 403)
	sdktest.WantOutcome(t, errs[1], "ExpiredTokenException", 400)
	sdktest.WantOutcome(t, errs[2], "ExpiredToken", 403)
}

func TestSessionsOfARoleThatIsGone(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	c := sdktest.As(s, sdktest.Security).Assumed(sdktest.Workload)
	_, err := c.Analyzer.ListAnalyzers(context.Background(), nil)
	sdktest.WantOutcome(t, err, "OK", 200)
	s.Update(func(w *simaws.World) { w.Account(sdktest.Workload).Roles = nil })
	_, err = c.Analyzer.ListAnalyzers(context.Background(), nil)
	sdktest.WantOutcome(t, err, "UnrecognizedClientException", 403)
}

func TestPoliciesAreEnforced(t *testing.T) {
	w := sdktest.NewWorld()
	w.Account(sdktest.Workload).Roles = []*simaws.Role{{Name: "exporter", Trusts: []string{sdktest.Security}, Actions: []string{"access-analyzer:List*"}}}
	w.Caller = simaws.Caller{AccountID: sdktest.Security, Actions: []string{"sts:AssumeRole"}}
	w.Analyzers = []*simaws.Analyzer{{AccountID: sdktest.Workload, Region: "eu-west-1", Name: "a", Type: "ACCOUNT", Status: "ACTIVE"}}
	s := sdktest.Start(t, w, simaws.Options{})
	ctx := context.Background()
	c := sdktest.As(s, sdktest.Security)
	member := c.Assumed(sdktest.Workload)
	_, err := member.Analyzer.ListAnalyzers(ctx, nil)
	sdktest.WantOutcome(t, err, "OK", 200)
	_, err = member.Analyzer.GetAnalyzer(ctx, &accessanalyzer.GetAnalyzerInput{AnalyzerName: aws.String("a")})
	sdktest.WantOutcome(t, err, "AccessDeniedException", 403)
	const want = "is not authorized to perform: access-analyzer:GetAnalyzer on resource: " +
		"arn:aws:access-analyzer:eu-west-1:333333333333:analyzer/a because no identity-based policy allows the access-analyzer:GetAnalyzer action"
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = c.Organizations.ListAccounts(ctx, nil)
	sdktest.WantOutcome(t, err, "AccessDeniedException", 400)
	_, err = c.STS.GetCallerIdentity(ctx, nil)
	sdktest.WantOutcome(t, err, "OK", 200)
}
