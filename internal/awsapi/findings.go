package awsapi

import (
	"context"
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
	list, operation := c.listFindingsV2, "ListFindingsV2"
	if analyzer.Access() == inventory.External {
		// Only the first version says which findings are public.
		list, operation = c.listFindings, "ListFindings"
	}
	q := findingsQuery{arn: aws.String(analyzer.ARN), size: aws.Int32(findingsPage)}
	if statuses == nil {
		q.sort = newestFirst
	} else {
		q.filter = map[string]types.Criterion{"status": {Eq: statuses}}
	}
	exists = true
	f := c.pages(ctx, a, analyzer.Region, operation, findingBounds, func(ctx context.Context, creds aws.CredentialsProvider, token *string) (int, *string, error) {
		q.token = token
		page, next, err := list(ctx, creds, analyzer.Region, q)
		if errorCode(err) == "ValidationException" && q.size != nil && token == nil {
			q.size = nil
			page, next, err = list(ctx, creds, analyzer.Region, q)
		}
		switch {
		case errorCode(err) == notFound:
			exists = false
			return 0, nil, nil
		case err != nil:
			return 0, nil, err
		case !more(page):
			return 0, nil, nil
		}
		return len(page.Findings), next, nil
	})
	return exists, f
}

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
	out, err := c.analyzer(region).ListFindings(ctx, &accessanalyzer.ListFindingsInput{
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
			ID: aws.ToString(f.Id), Error: aws.ToString(f.Error), CreatedAt: timeOf(f.CreatedAt), UpdatedAt: timeOf(f.UpdatedAt),
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
	out, err := c.analyzer(region).ListFindingsV2(ctx, &accessanalyzer.ListFindingsV2Input{
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
			ID: aws.ToString(f.Id), Error: aws.ToString(f.Error), CreatedAt: timeOf(f.CreatedAt), UpdatedAt: timeOf(f.UpdatedAt),
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
		out, err := c.analyzer(analyzer.Region).GetFindingsStatistics(ctx, &accessanalyzer.GetFindingsStatisticsInput{AnalyzerArn: aws.String(analyzer.ARN)},
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
