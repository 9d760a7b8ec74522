package services_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

func TestFilters(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorldWithFindings(), simaws.Options{})
	c := sdktest.As(s, sdktest.Security)
	eq := func(values ...string) types.Criterion { return types.Criterion{Eq: values} }
	for _, test := range []struct {
		name   string
		filter map[string]types.Criterion
		want   string // first letters of the IDs
	}{
		{"none", nil, "abcdef"},
		{"status", map[string]types.Criterion{"status": eq("ACTIVE", "ARCHIVED")}, "abcde"},
		{"not a status", map[string]types.Criterion{"status": {Neq: []string{"ACTIVE"}}}, "ef"},
		{"resource type", map[string]types.Criterion{"resourceType": eq("AWS::IAM::Role", "AWS::SQS::Queue")}, "cf"},
		{"owner and status", map[string]types.Criterion{"resourceOwnerAccount": eq(sdktest.Workload), "status": eq("ACTIVE")}, "abd"},
		{"public", map[string]types.Criterion{"isPublic": eq("true")}, "af"},
		{"not public: error findings are neither", map[string]types.Criterion{"isPublic": eq("false")}, "bce"},
		{"unlike public", map[string]types.Criterion{"isPublic": {Neq: []string{"true"}}}, "bcde"},
		{"error", map[string]types.Criterion{"error": {Exists: aws.Bool(true)}}, "d"},
		{"no error", map[string]types.Criterion{"error": {Exists: aws.Bool(false)}}, "abcef"},
		{"contains", map[string]types.Criterion{"resource": {Contains: []string{"data", "locked"}}}, "bde"},
		{"id", map[string]types.Criterion{"id": eq("c-role", "none")}, "c"},
		{"finding type", map[string]types.Criterion{"findingType": eq("ExternalAccess")}, "abcdef"},
		{"principal", map[string]types.Criterion{"principal.AWS": eq("*")}, "af"},
		{"condition", map[string]types.Criterion{"condition.aws:SourceVpc": eq("vpc-1")}, "bce"},
		{"restriction", map[string]types.Criterion{"resourceControlPolicyRestriction": eq("APPLICABLE")}, "af"},
		{"two operators", map[string]types.Criterion{"resource": {Contains: []string{"s3"}, Neq: []string{"arn:aws:s3:::data"}}}, "ad"},
		{"nothing", map[string]types.Criterion{"resource": eq("arn:aws:s3:::none")}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, size := range []int32{1, 2, 100} {
				got := ""
				for _, id := range sdktest.FindingIDs(t, c, accessanalyzer.ListFindingsV2Input{Filter: test.filter, MaxResults: aws.Int32(size)}) {
					got += id[:1]
				}
				if got != test.want {
					t.Errorf("pages of %d: got %q, want %q", size, got, test.want)
				}
			}
		})
	}
}

func TestSorting(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorldWithFindings(), simaws.Options{})
	c := sdktest.As(s, sdktest.Security)
	for _, test := range []struct {
		attribute string
		order     types.OrderBy
		want      string
	}{
		{"UpdatedAt", types.OrderByAsc, "aecdbf"},
		{"updatedAt", types.OrderByDesc, "fbdcea"},
		{"CreatedAt", types.OrderByAsc, "abcdef"}, // all are equal: by ID
		{"CreatedAt", types.OrderByDesc, "fedcba"},
		{"Resource", "", "cbedaf"},
		{"resourceOwnerAccount", types.OrderByAsc, "cfabde"},
		{"Status", types.OrderByDesc, "fedcba"},
	} {
		for _, size := range []int32{1, 2, 3, 100} {
			got := ""
			for _, id := range sdktest.FindingIDs(t, c, accessanalyzer.ListFindingsV2Input{
				Sort: &types.SortCriteria{AttributeName: &test.attribute, OrderBy: test.order}, MaxResults: aws.Int32(size),
			}) {
				got += id[:1]
			}
			if got != test.want {
				t.Errorf("%s %s in pages of %d: got %q, want %q", test.attribute, test.order, size, got, test.want)
			}
		}
	}
	newest := sdktest.NewestFirst()
	s.Update(func(w *simaws.World) { w.Quirks.IgnoreSort = true })
	if got := sdktest.FindingIDs(t, c, newest); got[0] != "a-public" {
		t.Errorf("sorting is ignored, and yet %v", got)
	}
	s.Update(func(w *simaws.World) { w.Quirks = simaws.Quirks{RejectSort: true} })
	newest.AnalyzerArn = aws.String(sdktest.ExternalARN)
	_, err := c.Analyzer.ListFindingsV2(context.Background(), &newest)
	sdktest.WantOutcome(t, err, "ValidationException", 400)
}

// A list that is read while it changes repeats nothing, and loses nothing that
// stays where it was.
func TestPagesOfAListThatChanges(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorldWithFindings(), simaws.Options{})
	p := accessanalyzer.NewListFindingsV2Paginator(sdktest.As(s, sdktest.Security).Analyzer, &accessanalyzer.ListFindingsV2Input{AnalyzerArn: aws.String(sdktest.ExternalARN), MaxResults: aws.Int32(2)})
	got := ""
	for p.HasMorePages() {
		page, err := p.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Findings {
			got += (*f.Id)[:1]
		}
		s.Update(func(w *simaws.World) { // the first goes, and so does the one at which the page ended
			findings := w.Analyzer(sdktest.ExternalARN).Findings
			w.Analyzer(sdktest.ExternalARN).Findings = slices.DeleteFunc(slices.Clone(findings), func(f simaws.Finding) bool { return f.ID == "a-public" || f.ID == "b-shared" })
		})
	}
	if got != "abcdef" {
		t.Errorf("got %q", got)
	}
}

func TestTokensBelongToTheirList(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorldWithFindings(), simaws.Options{})
	c := sdktest.As(s, sdktest.Security).Analyzer
	in := accessanalyzer.ListFindingsV2Input{AnalyzerArn: aws.String(sdktest.ExternalARN), MaxResults: aws.Int32(2)}
	page, err := c.ListFindingsV2(context.Background(), &in)
	if err != nil {
		t.Fatal(err)
	}
	in.NextToken = page.NextToken
	in.Filter = map[string]types.Criterion{"status": {Eq: []string{"ACTIVE"}}}
	_, err = c.ListFindingsV2(context.Background(), &in)
	sdktest.WantOutcome(t, err, "ValidationException", 400)
}

func TestListFindingsV1(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorldWithFindings(), simaws.Options{})
	var all []types.FindingSummary
	p := accessanalyzer.NewListFindingsPaginator(sdktest.As(s, sdktest.Security).Analyzer, &accessanalyzer.ListFindingsInput{AnalyzerArn: aws.String(sdktest.ExternalARN), MaxResults: aws.Int32(4)})
	for p.HasMorePages() {
		page, err := p.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Findings...)
	}
	if len(all) != 6 {
		t.Fatalf("%d findings", len(all))
	}
	if f := all[1]; *f.Id != "b-shared" || *f.IsPublic || f.Principal["AWS"] != "999999999999" || !slices.Equal(f.Action, []string{"s3:GetObject"}) ||
		f.Condition["aws:SourceVpc"] != "vpc-1" || *f.Resource != "arn:aws:s3:::data" || f.ResourceType != types.ResourceTypeAwsS3Bucket ||
		*f.ResourceOwnerAccount != sdktest.Workload || f.Status != types.FindingStatusActive || !f.UpdatedAt.Equal(sdktest.Epoch.Add(5*time.Hour)) ||
		f.Sources[0].Type != types.FindingSourceTypePolicy || f.ResourceControlPolicyRestriction != types.ResourceControlPolicyRestrictionNotApplicable {
		t.Errorf("got %+v", f)
	}
	if f := all[3]; f.IsPublic != nil || f.Principal != nil || aws.ToString(f.Error) != "ACCESS_DENIED" || f.Condition == nil {
		t.Errorf("error finding %+v", f)
	}
}

func TestListFindingsV2(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorldWithFindings(), simaws.Options{})
	c := sdktest.As(s, sdktest.Security).Analyzer
	for name, want := range map[string]string{
		"external": fmt.Sprintln(6, "ExternalAccess", "AWS::S3::Bucket", sdktest.Workload, "ACTIVE"),
		"unused":   fmt.Sprintln(79, "UnusedIAMRole", "AWS::IAM::Role", "500000000000", "ACTIVE"),
		"internal": fmt.Sprintln(4, "InternalAccess", "AWS::DynamoDB::Table", sdktest.Workload, "ACTIVE"),
	} {
		out, err := c.ListFindingsV2(context.Background(), &accessanalyzer.ListFindingsV2Input{
			AnalyzerArn: aws.String("arn:aws:access-analyzer:eu-west-1:222222222222:analyzer/" + name),
			Sort:        &types.SortCriteria{AttributeName: aws.String("resourceOwnerAccount")},
		})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(out.Findings, func(f types.FindingSummaryV2) bool {
			return f.Status == types.FindingStatusActive && f.Error == nil && *f.ResourceOwnerAccount != sdktest.Management
		})
		f := out.Findings[i]
		if got := fmt.Sprintln(len(out.Findings), f.FindingType, f.ResourceType, *f.ResourceOwnerAccount, f.Status); got != want {
			t.Errorf("%s: got %swant %s", name, got, want)
		}
		if !f.CreatedAt.Equal(sdktest.Epoch) || f.AnalyzedAt == nil || f.UpdatedAt == nil {
			t.Errorf("%s: times %v, %v, %v", name, f.CreatedAt, f.AnalyzedAt, f.UpdatedAt)
		}
	}
}

func TestStatistics(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorldWithFindings(), simaws.Options{})
	c := sdktest.As(s, sdktest.Security).Analyzer
	get := func(name string) types.FindingsStatistics {
		t.Helper()
		out, err := c.GetFindingsStatistics(context.Background(), &accessanalyzer.GetFindingsStatisticsInput{AnalyzerArn: aws.String("arn:aws:access-analyzer:eu-west-1:222222222222:analyzer/" + name)})
		if err != nil {
			t.Fatal(err)
		}
		if out.LastUpdatedAt == nil || len(out.FindingsStatistics) != 1 {
			t.Fatalf("got %+v", out)
		}
		return out.FindingsStatistics[0]
	}
	n := aws.Int32
	external := get("external").(*types.FindingsStatisticsMemberExternalAccessFindingsStatistics).Value
	if want := (types.ExternalAccessFindingsStatistics{
		TotalActiveFindings: n(4), TotalArchivedFindings: n(1), TotalResolvedFindings: n(1),
		ResourceTypeStatistics: map[string]types.ResourceTypeDetails{
			"AWS::S3::Bucket": {TotalActivePublic: n(1), TotalActiveCrossAccount: n(1), TotalActiveErrors: n(1)},
			"AWS::IAM::Role":  {TotalActivePublic: n(0), TotalActiveCrossAccount: n(1), TotalActiveErrors: n(0)},
		},
	}); !reflect.DeepEqual(external, want) {
		t.Errorf("external: %+v", external)
	}
	internal := get("internal").(*types.FindingsStatisticsMemberInternalAccessFindingsStatistics).Value
	if want := (types.InternalAccessFindingsStatistics{
		TotalActiveFindings: n(2), TotalArchivedFindings: n(1), TotalResolvedFindings: n(1),
		ResourceTypeStatistics: map[string]types.InternalAccessResourceTypeDetails{
			"AWS::DynamoDB::Table": {TotalActiveFindings: n(2), TotalArchivedFindings: n(1), TotalResolvedFindings: n(1)},
		},
	}); !reflect.DeepEqual(internal, want) {
		t.Errorf("internal: %+v", internal)
	}
	unused := get("unused").(*types.FindingsStatisticsMemberUnusedAccessFindingsStatistics).Value
	if *unused.TotalActiveFindings != 78 || *unused.TotalResolvedFindings != 1 || len(unused.TopAccounts) != 10 {
		t.Errorf("unused: %d active, %d resolved, %d top accounts", *unused.TotalActiveFindings, *unused.TotalResolvedFindings, len(unused.TopAccounts))
	}
	if top := unused.TopAccounts[0]; *top.Account != "500000000011" || *top.NumberOfActiveFindings != 12 || top.Details["UnusedIAMRole"] != 6 {
		t.Errorf("top account %+v", top)
	}
	sum := int32(0)
	for _, x := range unused.UnusedAccessTypeStatistics {
		sum += *x.Total
	}
	if sum != 78 {
		t.Errorf("the types add up to %d", sum)
	}
}

func TestStatisticsThatLag(t *testing.T) {
	now := time.Now()
	w := sdktest.NewWorldWithFindings()
	w.Quirks = simaws.Quirks{ColdStatistics: true, StatisticsLag: time.Hour}
	s := sdktest.Start(t, w, simaws.Options{Now: func() time.Time { return now }})
	active := func() int32 {
		t.Helper()
		out, err := sdktest.As(s, sdktest.Security).Analyzer.GetFindingsStatistics(context.Background(), &accessanalyzer.GetFindingsStatisticsInput{AnalyzerArn: aws.String(sdktest.ExternalARN)})
		if err != nil {
			t.Fatal(err)
		}
		if out.LastUpdatedAt == nil {
			return -1
		}
		return *out.FindingsStatistics[0].(*types.FindingsStatisticsMemberExternalAccessFindingsStatistics).Value.TotalActiveFindings
	}
	if got := active(); got != -1 {
		t.Errorf("cold statistics: got %d active findings", got)
	}
	if got := active(); got != 4 {
		t.Errorf("%d active findings, want 4", got)
	}
	s.Update(func(w *simaws.World) { w.Analyzer(sdktest.ExternalARN).Findings[0].Status = "ARCHIVED" })
	now = now.Add(59 * time.Minute)
	if got := active(); got != 4 {
		t.Errorf("%d active findings, want the 4 of an hour ago", got)
	}
	now = now.Add(time.Minute)
	if got := active(); got != 3 {
		t.Errorf("%d active findings, want 3", got)
	}
}
