package awsapi

import (
	"context"
	"maps"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// findingsPage is the page size of ListFindings. AWS documents no maximum; if it
// rejects this size, the request is repeated with the default size.
const findingsPage = 1000

// newestFirst follows the spelling of filter keys. AWS does not document the
// attributes by which findings can be sorted.
var newestFirst = &types.SortCriteria{AttributeName: aws.String("updatedAt"), OrderBy: types.OrderByDesc}

// Findings lists the findings of an analyzer that the account owns. With statuses,
// it lists the findings of these statuses in no particular order; without, all
// findings, the most recently updated first. It passes each page to more until
// more returns false. exists is false, without a failure, if the analyzer is
// deleted. If AWS rejects the request as invalid, for example because of the sort
// order, the reason of the failure is inventory.Other.
func (c *Client) Findings(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer, statuses []string,
	more func(findings.Page) bool,
) (exists bool, _ *inventory.Failure) {
	l := findingsList{operation: "ListFindingsV2", list: c.listFindingsV2, more: more}
	if analyzer.Access() == inventory.External {
		// Only the first version says which findings are public.
		l.operation, l.list = "ListFindings", c.listFindings
	}
	q := findingsQuery{arn: aws.String(analyzer.ARN), size: aws.Int32(findingsPage)}
	if statuses == nil {
		q.sort = newestFirst
	} else {
		q.filter = map[string]types.Criterion{"status": {Eq: statuses}}
	}
	f := c.readFindings(ctx, a, analyzer.Region, q, &l)
	if f != nil && l.rejected && statuses != nil && l.operation == "ListFindings" {
		exists, failure, rejected := c.externalFindingsV2(ctx, a, analyzer.Region, q, more)
		if !rejected {
			return exists, failure
		}
	}
	return !l.deleted, f
}

// externalFindingsV2 lists the findings of an external access analyzer whose first
// version of the list AWS rejects as invalid. The second version does not say
// which are public, but can list those alone.
func (c *Client) externalFindingsV2(ctx context.Context, a *inventory.Account, region string, q findingsQuery, more func(findings.Page) bool) (exists bool, _ *inventory.Failure, rejected bool) {
	public := map[string]bool{}
	l := findingsList{operation: "ListFindingsV2", list: c.listFindingsV2, more: func(page findings.Page) bool {
		for _, f := range page.Findings {
			public[f.ID] = true
		}
		return true
	}}
	onlyPublic := q
	onlyPublic.filter = maps.Clone(q.filter)
	onlyPublic.filter["isPublic"] = types.Criterion{Eq: []string{"true"}}
	if f := c.readFindings(ctx, a, region, onlyPublic, &l); f != nil || l.deleted {
		return !l.deleted, f, l.rejected
	}
	l.more = func(page findings.Page) bool {
		for i, f := range page.Findings {
			if f.Error == "" {
				page.Findings[i].Public = strconv.FormatBool(public[f.ID])
			}
		}
		return more(page)
	}
	f := c.readFindings(ctx, a, region, q, &l)
	return !l.deleted, f, l.rejected
}

// findingsList is one list of findings, and what became of it.
type findingsList struct {
	operation string
	list      func(context.Context, aws.CredentialsProvider, string, findingsQuery) (findings.Page, *string, error)
	more      func(findings.Page) bool
	// deleted is set if the analyzer is deleted, rejected if AWS rejects the
	// request for the first page as invalid.
	deleted, rejected bool
}

func (c *Client) readFindings(ctx context.Context, a *inventory.Account, region string, q findingsQuery, l *findingsList) *inventory.Failure {
	return c.pages(ctx, a, region, l.operation, findingBounds, func(ctx context.Context, creds aws.CredentialsProvider, token *string) (int, *string, error) {
		q.token = token
		page, next, err := l.list(ctx, creds, region, q)
		if errorCode(err) == invalid && q.size != nil && token == nil {
			q.size = nil
			page, next, err = l.list(ctx, creds, region, q)
		}
		l.rejected = errorCode(err) == invalid && token == nil
		switch {
		case errorCode(err) == notFound:
			l.deleted = true
			return 0, nil, nil
		case err != nil:
			return 0, nil, err
		case !l.more(page):
			return 0, nil, nil
		}
		return len(page.Findings), next, nil
	})
}

// invalid is the code of a request that AWS rejects as invalid.
const invalid = "ValidationException"

// findingsQuery is what both versions of ListFindings take.
type findingsQuery struct {
	arn    *string
	filter map[string]types.Criterion
	sort   *types.SortCriteria
	size   *int32
	token  *string
}

func (c *Client) listFindings(ctx context.Context, creds aws.CredentialsProvider, region string, q findingsQuery) (page findings.Page, next *string, _ error) {
	start := time.Now()
	out, err := c.analyzer(region).listFindings(ctx, &accessanalyzer.ListFindingsInput{
		AnalyzerArn: q.arn, Filter: q.filter, Sort: q.sort, MaxResults: q.size, NextToken: q.token,
	}, func(o *accessanalyzer.Options) { o.Credentials = creds })
	if err != nil {
		return page, nil, err
	}
	if out.Findings == nil {
		return page, nil, errNoList
	}
	page = findings.Page{Findings: make([]inventory.Finding, len(out.Findings)), AskedAt: askedAt(start, out.ResultMetadata)}
	for i, f := range out.Findings {
		page.Findings[i] = inventory.Finding{
			FindingKey: inventory.FindingKey{
				AccountID: aws.ToString(f.ResourceOwnerAccount), Type: "ExternalAccess", Status: string(f.Status), ResourceType: string(f.ResourceType),
			},
			ID: aws.ToString(f.Id), Resource: aws.ToString(f.Resource), Error: aws.ToString(f.Error), CreatedAt: timeOf(f.CreatedAt), UpdatedAt: timeOf(f.UpdatedAt),
		}
		if f.IsPublic != nil {
			page.Findings[i].Public = strconv.FormatBool(*f.IsPublic)
		}
		if page.Findings[i].ID == "" {
			return page, nil, errNameless
		}
	}
	return page, out.NextToken, nil
}

func (c *Client) listFindingsV2(ctx context.Context, creds aws.CredentialsProvider, region string, q findingsQuery) (page findings.Page, next *string, _ error) {
	start := time.Now()
	out, err := c.analyzer(region).listFindingsV2(ctx, &accessanalyzer.ListFindingsV2Input{
		AnalyzerArn: q.arn, Filter: q.filter, Sort: q.sort, MaxResults: q.size, NextToken: q.token,
	}, func(o *accessanalyzer.Options) { o.Credentials = creds })
	if err != nil {
		return page, nil, err
	}
	if out.Findings == nil {
		return page, nil, errNoList
	}
	page = findings.Page{Findings: make([]inventory.Finding, len(out.Findings)), AskedAt: askedAt(start, out.ResultMetadata)}
	for i, f := range out.Findings {
		page.Findings[i] = inventory.Finding{
			FindingKey: inventory.FindingKey{
				AccountID: aws.ToString(f.ResourceOwnerAccount), Type: string(f.FindingType), Status: string(f.Status), ResourceType: string(f.ResourceType),
			},
			ID: aws.ToString(f.Id), Resource: aws.ToString(f.Resource), Error: aws.ToString(f.Error), CreatedAt: timeOf(f.CreatedAt), UpdatedAt: timeOf(f.UpdatedAt),
		}
		if page.Findings[i].ID == "" {
			return page, nil, errNameless
		}
	}
	return page, out.NextToken, nil
}

// askedAt returns the start of a call by the clock of AWS. The response has that
// clock with a resolution of one second.
func askedAt(start time.Time, answer middleware.Metadata) time.Time {
	skew, _ := awsmiddleware.GetAttemptSkew(answer)
	return start.Add(skew - time.Second)
}

// FindingTotals returns the number of findings by status as AWS counts them, for
// an analyzer that the account owns. AWS caches these statistics: AsOf is their
// time. ByStatus is nil if AWS has none.
func (c *Client) FindingTotals(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer) (totals findings.Totals, _ *inventory.Failure) {
	f := c.call(ctx, a, analyzer.Region, "GetFindingsStatistics", func(ctx context.Context, creds aws.CredentialsProvider) error {
		start := time.Now()
		out, err := c.analyzer(analyzer.Region).getFindingsStatistics(ctx, &accessanalyzer.GetFindingsStatisticsInput{AnalyzerArn: aws.String(analyzer.ARN)},
			func(o *accessanalyzer.Options) { o.Credentials = creds })
		if err != nil {
			return err
		}
		totals = findings.Totals{AsOf: timeOf(out.LastUpdatedAt), AskedAt: askedAt(start, out.ResultMetadata)}
		if out.LastUpdatedAt != nil && len(out.FindingsStatistics) == 1 {
			totals.ByStatus = totalsOf(out.FindingsStatistics[0])
		}
		return nil
	})
	return totals, f
}

// totalsOf converts the union. It returns nil if a value is missing or negative,
// or if the SDK does not have the type of the member.
func totalsOf(from types.FindingsStatistics) map[string]int {
	switch v := from.(type) {
	case *types.FindingsStatisticsMemberExternalAccessFindingsStatistics:
		totals := byStatus(v.Value.TotalActiveFindings, v.Value.TotalArchivedFindings, v.Value.TotalResolvedFindings)
		return withErrors(totals, v.Value.ResourceTypeStatistics)
	case *types.FindingsStatisticsMemberInternalAccessFindingsStatistics:
		return byStatus(v.Value.TotalActiveFindings, v.Value.TotalArchivedFindings, v.Value.TotalResolvedFindings)
	case *types.FindingsStatisticsMemberUnusedAccessFindingsStatistics:
		return byStatus(v.Value.TotalActiveFindings, v.Value.TotalArchivedFindings, v.Value.TotalResolvedFindings)
	}
	return nil
}

func byStatus(active, archived, resolved *int32) map[string]int {
	for _, n := range []*int32{active, archived, resolved} {
		if n == nil || *n < 0 {
			return nil
		}
	}
	return map[string]int{inventory.Active: int(*active), "ARCHIVED": int(*archived), "RESOLVED": int(*resolved)}
}

// withErrors adds findings with analysis errors to the ACTIVE total if it lacks
// them: lists include them. AWS does not document whether its total does; the sum
// of the parts, with or without errors, shows it.
func withErrors(totals map[string]int, parts map[string]types.ResourceTypeDetails) map[string]int {
	if totals == nil {
		return nil
	}
	sum, errors := 0, 0
	for _, p := range parts {
		if min(aws.ToInt32(p.TotalActiveErrors), aws.ToInt32(p.TotalActivePublic), aws.ToInt32(p.TotalActiveCrossAccount)) < 0 {
			return nil
		}
		errors += int(aws.ToInt32(p.TotalActiveErrors))
		sum += int(aws.ToInt32(p.TotalActivePublic)) + int(aws.ToInt32(p.TotalActiveCrossAccount))
	}
	switch totals[inventory.Active] {
	case sum + errors:
		return totals
	case sum:
		totals[inventory.Active] += errors
		return totals
	}
	return nil
}
