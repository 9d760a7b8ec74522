package services_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

// namesOf lists the analyzers of all pages.
func namesOf(t *testing.T, c sdktest.Clients, in *accessanalyzer.ListAnalyzersInput) []string {
	t.Helper()
	var names []string
	for p := accessanalyzer.NewListAnalyzersPaginator(c.Analyzer, in); p.HasMorePages(); {
		page, err := p.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Analyzers {
			names = append(names, strings.TrimPrefix(*a.Arn, "arn:aws:access-analyzer:"))
		}
	}
	return names
}

func TestListAnalyzers(t *testing.T) {
	w := sdktest.NewWorld()
	for _, kind := range []string{"ACCOUNT", "ORGANIZATION", "ACCOUNT_UNUSED_ACCESS", "ORGANIZATION_UNUSED_ACCESS", "ACCOUNT_INTERNAL_ACCESS", "ORGANIZATION_INTERNAL_ACCESS"} {
		w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: sdktest.Security, Region: "eu-west-1", Name: strings.ToLower(kind), Type: kind, Status: "ACTIVE"})
	}
	w.Analyzers = append(w.Analyzers,
		&simaws.Analyzer{AccountID: sdktest.Security, Region: "us-east-1", Name: "elsewhere", Type: "ACCOUNT", Status: "ACTIVE"},
		&simaws.Analyzer{AccountID: sdktest.Workload, Region: "eu-west-1", Name: "own", Type: "ACCOUNT", Status: "FAILED"})
	s := sdktest.Start(t, w, simaws.Options{})
	c := sdktest.As(s, sdktest.Security)

	all := namesOf(t, c, &accessanalyzer.ListAnalyzersInput{MaxResults: aws.Int32(4)})
	if len(all) != 6 || all[0] != "eu-west-1:222222222222:analyzer/account" {
		t.Errorf("got %v", all)
	}
	if n := s.CallCount(simaws.CallFilter{Operation: "ListAnalyzers"}); n != 2 {
		t.Errorf("%d calls for six analyzers in fours", n)
	}
	for _, kind := range types.TypeAccount.Values() {
		got := namesOf(t, c, &accessanalyzer.ListAnalyzersInput{Type: kind})
		if len(got) != 1 || !strings.HasSuffix(got[0], "/"+strings.ToLower(string(kind))) {
			t.Errorf("of type %s: %v", kind, got)
		}
	}
	member := c.Assumed(sdktest.Workload)
	if got := namesOf(t, member, nil); !slices.Equal(got, []string{"eu-west-1:333333333333:analyzer/own"}) {
		t.Errorf("the member lists %v", got)
	}
	if got := namesOf(t, member.In("us-east-1"), nil); len(got) != 0 {
		t.Errorf("the member lists %v in us-east-1", got)
	}
	s.Update(func(w *simaws.World) { w.Quirks.MembersSeeOrganizationAnalyzers = true })
	if got := namesOf(t, member, nil); len(got) != 4 || got[1] != "eu-west-1:222222222222:analyzer/organization" {
		t.Errorf("the member lists %v, want the organization analyzers too", got)
	}
	if got := namesOf(t, sdktest.As(s, sdktest.Standalone), nil); len(got) != 0 {
		t.Errorf("an account outside of the organization lists %v", got)
	}
	if got := namesOf(t, c, nil); len(got) != 6 {
		t.Errorf("the owner lists %v", got)
	}
}

func TestGetAnalyzer(t *testing.T) {
	w := sdktest.NewWorld()
	w.Analyzers = []*simaws.Analyzer{
		{
			AccountID: sdktest.Security, Region: "eu-west-1", Name: "unused", Type: "ORGANIZATION_UNUSED_ACCESS", Status: "DISABLED", StatusReason: "ORGANIZATION_DELETED",
			ManagedBy: "securityhubv2.amazonaws.com", CreatedAt: sdktest.Epoch, LastResourceAnalyzed: "arn:aws:iam::333333333333:role/x", LastResourceAnalyzedAt: sdktest.Epoch.Add(time.Millisecond),
			Tags:   map[string]string{"team": "security"},
			Unused: &simaws.UnusedAccess{Age: 90, Exclusions: []simaws.Exclusion{{AccountIDs: []string{sdktest.Workload}}, {ResourceTags: []map[string]string{{"k": "v"}}}}},
		},
		{
			AccountID: sdktest.Security, Region: "eu-west-1", Name: "internal", Type: "ACCOUNT_INTERNAL_ACCESS", Status: "ACTIVE",
			Internal: &simaws.InternalAccess{Inclusions: []simaws.Inclusion{{ResourceTypes: []string{"AWS::S3::Bucket"}, ResourceARNs: []string{"arn:aws:s3:::x"}}}},
		},
		{AccountID: sdktest.Security, Region: "eu-west-1", Name: "external", Type: "ACCOUNT", Status: "ACTIVE"},
	}
	s := sdktest.Start(t, w, simaws.Options{})
	c := sdktest.As(s, sdktest.Security).Analyzer
	get := func(name string) *types.AnalyzerSummary {
		t.Helper()
		out, err := c.GetAnalyzer(context.Background(), &accessanalyzer.GetAnalyzerInput{AnalyzerName: &name})
		if err != nil {
			t.Fatal(err)
		}
		return out.Analyzer
	}
	a := get("unused")
	if *a.Arn != "arn:aws:access-analyzer:eu-west-1:222222222222:analyzer/unused" || *a.Name != "unused" || a.Type != types.TypeOrganizationUnusedAccess ||
		a.Status != types.AnalyzerStatusDisabled || a.StatusReason.Code != types.ReasonCodeOrganizationDeleted || *a.ManagedBy != "securityhubv2.amazonaws.com" ||
		!a.CreatedAt.Equal(sdktest.Epoch) || !a.LastResourceAnalyzedAt.Equal(sdktest.Epoch.Add(time.Millisecond)) || *a.LastResourceAnalyzed != "arn:aws:iam::333333333333:role/x" || a.Tags["team"] != "security" {
		t.Errorf("got %+v", a)
	}
	unused := a.Configuration.(*types.AnalyzerConfigurationMemberUnusedAccess).Value
	exclusions := unused.AnalysisRule.Exclusions
	if *unused.UnusedAccessAge != 90 || len(exclusions) != 2 || exclusions[0].AccountIds[0] != sdktest.Workload || exclusions[1].ResourceTags[0]["k"] != "v" {
		t.Errorf("configuration %+v", unused)
	}
	internal := get("internal").Configuration.(*types.AnalyzerConfigurationMemberInternalAccess).Value
	if i := internal.AnalysisRule.Inclusions[0]; i.ResourceTypes[0] != types.ResourceTypeAwsS3Bucket || i.ResourceArns[0] != "arn:aws:s3:::x" || i.AccountIds != nil {
		t.Errorf("configuration %+v", internal)
	}
	if a := get("external"); a.Configuration != nil || a.StatusReason != nil || a.ManagedBy != nil || a.LastResourceAnalyzedAt != nil {
		t.Errorf("unexpected configuration or timestamps: %+v", a)
	}
	list, err := c.ListAnalyzers(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list.Analyzers {
		if a.Configuration != nil {
			t.Errorf("ListAnalyzers has the configuration of %s", *a.Name)
		}
	}
}

func TestListArchiveRules(t *testing.T) {
	w := sdktest.NewWorld()
	a := &simaws.Analyzer{AccountID: sdktest.Security, Region: "eu-west-1", Name: "a", Type: "ACCOUNT", Status: "ACTIVE"}
	for i := range 5 {
		a.ArchiveRules = append(a.ArchiveRules, &simaws.ArchiveRule{
			Name: fmt.Sprintf("rule-%d", i), CreatedAt: sdktest.Epoch, UpdatedAt: sdktest.Epoch.Add(time.Hour),
			Filter: map[string]simaws.Criterion{"resource": {Contains: []string{"x"}}, "error": {Exists: aws.Bool(false)}},
		})
	}
	w.Analyzers = []*simaws.Analyzer{a}
	s := sdktest.Start(t, w, simaws.Options{})
	var rules []types.ArchiveRuleSummary
	p := accessanalyzer.NewListArchiveRulesPaginator(sdktest.As(s, sdktest.Security).Analyzer, &accessanalyzer.ListArchiveRulesInput{AnalyzerName: aws.String("a"), MaxResults: aws.Int32(2)})
	for p.HasMorePages() {
		page, err := p.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		rules = append(rules, page.ArchiveRules...)
	}
	if len(rules) != 5 {
		t.Fatalf("%d rules", len(rules))
	}
	last := rules[4]
	if *last.RuleName != "rule-4" || !last.CreatedAt.Equal(sdktest.Epoch) || !last.UpdatedAt.Equal(sdktest.Epoch.Add(time.Hour)) ||
		!reflect.DeepEqual(last.Filter["resource"].Contains, []string{"x"}) || *last.Filter["error"].Exists {
		t.Errorf("got %+v", last)
	}
}

func TestAccessAnalyzerErrors(t *testing.T) {
	w := sdktest.NewWorld()
	w.Analyzers = []*simaws.Analyzer{
		{AccountID: sdktest.Security, Region: "eu-west-1", Name: "external", Type: "ORGANIZATION", Status: "ACTIVE"},
		{AccountID: sdktest.Security, Region: "eu-west-1", Name: "unused", Type: "ORGANIZATION_UNUSED_ACCESS", Status: "ACTIVE", Unused: &simaws.UnusedAccess{Age: 90}},
		{AccountID: sdktest.Security, Region: "eu-west-1", Name: "deregistered", Type: "ORGANIZATION", Status: "DISABLED"},
		{AccountID: sdktest.Workload, Region: "eu-west-1", Name: "own", Type: "ACCOUNT", Status: "ACTIVE"},
	}
	s := sdktest.Start(t, w, simaws.Options{})
	ctx := context.Background()
	c := sdktest.As(s, sdktest.Security)
	const prefix = "arn:aws:access-analyzer:eu-west-1:222222222222:analyzer/"
	get := func(name string) error {
		_, err := c.Analyzer.GetAnalyzer(ctx, &accessanalyzer.GetAnalyzerInput{AnalyzerName: &name})
		return err
	}
	v1 := func(arn string) error {
		_, err := c.Analyzer.ListFindings(ctx, &accessanalyzer.ListFindingsInput{AnalyzerArn: &arn})
		return err
	}
	v2 := func(arn string, change func(*accessanalyzer.ListFindingsV2Input)) error {
		in := &accessanalyzer.ListFindingsV2Input{AnalyzerArn: &arn}
		if change != nil {
			change(in)
		}
		_, err := c.Analyzer.ListFindingsV2(ctx, in)
		return err
	}
	filter := func(key string, values ...string) func(*accessanalyzer.ListFindingsV2Input) {
		return func(in *accessanalyzer.ListFindingsV2Input) {
			in.Filter = map[string]types.Criterion{key: {Eq: values}}
		}
	}
	statistics := func(arn string) error {
		_, err := c.Analyzer.GetFindingsStatistics(ctx, &accessanalyzer.GetFindingsStatisticsInput{AnalyzerArn: &arn})
		return err
	}
	list := func(region string, in accessanalyzer.ListAnalyzersInput) error {
		_, err := c.In(region).Analyzer.ListAnalyzers(ctx, &in)
		return err
	}
	_, rules := c.Analyzer.ListArchiveRules(ctx, &accessanalyzer.ListArchiveRulesInput{AnalyzerName: aws.String("none")})
	for _, c := range []struct {
		name   string
		err    error
		code   string
		status int
	}{
		{"no such analyzer", get("none"), "ResourceNotFoundException", 404},
		{"an analyzer of another account", get("own"), "ResourceNotFoundException", 404},
		{"archive rules of no analyzer", rules, "ResourceNotFoundException", 404},
		{"findings of no analyzer", v2(prefix+"none", nil), "ResourceNotFoundException", 404},
		{"statistics of no analyzer", statistics(prefix + "none"), "ResourceNotFoundException", 404},
		{"findings of another account", v2("arn:aws:access-analyzer:eu-west-1:333333333333:analyzer/own", nil), "AccessDeniedException", 403},
		{"statistics of another account", statistics("arn:aws:access-analyzer:eu-west-1:333333333333:analyzer/own"), "AccessDeniedException", 403},
		{"findings of another Region", v2("arn:aws:access-analyzer:us-east-1:222222222222:analyzer/external", nil), "ValidationException", 400},
		{"findings of a deregistered administrator", v2(prefix+"deregistered", nil), "AccessDeniedException", 403},
		{"statistics of a deregistered administrator", statistics(prefix + "deregistered"), "AccessDeniedException", 403},
		{"the analyzer of a deregistered administrator", get("deregistered"), "OK", 200},
		{"not an ARN", v1("external"), "ValidationException", 400},
		{"version 1 on unused access", v1(prefix + "unused"), "ValidationException", 400},
		{"version 1 on external access", v1(prefix + "external"), "OK", 200},
		{"a filter key of another kind", v2(prefix+"unused", filter("isPublic", "true")), "ValidationException", 400},
		{"an unknown filter key", v2(prefix+"external", filter("updatedAt", "x")), "ValidationException", 400},
		{"a filter of twenty values", v2(prefix+"external", filter("id", make([]string, 20)...)), "OK", 200},
		{"a filter of too many values", v2(prefix+"external", filter("id", make([]string, 21)...)), "ValidationException", 400},
		{"an empty page", v2(prefix+"external", func(in *accessanalyzer.ListFindingsV2Input) { in.MaxResults = aws.Int32(0) }), "ValidationException", 400},
		{"an unknown attribute to sort by", v2(prefix+"external", func(in *accessanalyzer.ListFindingsV2Input) {
			in.Sort = &types.SortCriteria{AttributeName: aws.String("size")}
		}), "ValidationException", 400},
		{"an invalid token", v2(prefix+"external", func(in *accessanalyzer.ListFindingsV2Input) { in.NextToken = aws.String("?") }), "ValidationException", 400},
		{"an unknown type", list("eu-west-1", accessanalyzer.ListAnalyzersInput{Type: "COUNTRY"}), "ValidationException", 400},
		{"an empty page of analyzers", list("eu-west-1", accessanalyzer.ListAnalyzersInput{MaxResults: aws.Int32(0)}), "ValidationException", 400},
		{"a Region that is enabled", list("eu-south-1", accessanalyzer.ListAnalyzersInput{}), "OK", 200},
		{"a Region that is not enabled", list("me-south-1", accessanalyzer.ListAnalyzersInput{}), "UnrecognizedClientException", 403},
		{"a Region that does not exist", list("xx-north-1", accessanalyzer.ListAnalyzersInput{}), "UnrecognizedClientException", 403},
	} {
		t.Run(c.name, func(t *testing.T) { sdktest.WantOutcome(t, c.err, c.code, c.status) })
	}
}

func TestErrorMembers(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	c := sdktest.As(s, sdktest.Security).Analyzer
	ctx := context.Background()

	_, err := c.GetAnalyzer(ctx, &accessanalyzer.GetAnalyzerInput{AnalyzerName: aws.String("none")})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) || aws.ToString(missing.ResourceId) != "none" || aws.ToString(missing.ResourceType) != "analyzer" {
		t.Errorf("got %#v", missing)
	}
	_, err = c.ListAnalyzers(ctx, &accessanalyzer.ListAnalyzersInput{Type: "COUNTRY"})
	var invalid *types.ValidationException
	if !errors.As(err, &invalid) || invalid.Reason != types.ValidationExceptionReasonFieldValidationFailed || *invalid.FieldList[0].Name != "type" {
		t.Errorf("got %#v", invalid)
	}
	s.AddFault(&simaws.Fault{Kind: simaws.Throttled, Times: 1})
	_, err = c.ListAnalyzers(ctx, nil)
	var throttled *types.ThrottlingException
	if !errors.As(err, &throttled) || aws.ToInt32(throttled.RetryAfterSeconds) != 1 {
		t.Errorf("got %#v", throttled)
	}
	s.AddFault(&simaws.Fault{Kind: simaws.ServiceError, Times: 1})
	_, err = c.ListAnalyzers(ctx, nil)
	var internal *types.InternalServerException
	if !errors.As(err, &internal) || aws.ToInt32(internal.RetryAfterSeconds) != 1 {
		t.Errorf("got %#v", internal)
	}
}
