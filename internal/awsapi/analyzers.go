package awsapi

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	"github.com/aws/smithy-go"
	"golang.org/x/time/rate"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const accessAnalyzer = "AccessAnalyzer"

// notFound is the code for an analyzer that is gone.
const notFound = "ResourceNotFoundException"

// malformed is the error of a response that was decoded and is invalid.
func malformed(format string, args ...any) error {
	return &smithy.DeserializationError{Err: fmt.Errorf(format, args...)}
}

// errNoList is for a response without the list that AWS always sends, empty or
// not. Reading it as an empty one would report a false zero.
var errNoList = malformed("the answer has no list")

// errNameless is for an item without the name or ID that AWS gives to each:
// several of them would be taken for one.
var errNameless = malformed("an item of the list has neither name nor ID")

// earliest and latest are the limits of times.
var earliest, latest = time.Unix(0, 0), time.Date(2200, time.January, 1, 0, 0, 0, 0, time.UTC)

// timeOf returns a time of a response; zero if it is missing, or out of limits:
// Unix nanoseconds overflow in 2262, and JSON has no year after 9999.
func timeOf(t *time.Time) time.Time {
	if t == nil || t.Before(earliest) || t.After(latest) {
		return time.Time{}
	}
	return *t
}

// bounds are the limits of a list. A list beyond them is an error, because a part
// of it must not be taken for the whole.
type bounds struct {
	// items is the maximum number of items, far above the quotas of AWS: a server
	// that always returns another page would otherwise use up the memory.
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-quotas.html
	// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
	items int
	// time is for how long further pages are requested.
	time time.Duration
	// throttled is how many times a page that AWS throttles is requested again.
	throttled int
	// empty is the largest number of empty pages in a row.
	empty int
}

const (
	// listTime is for the lists of a target: with the last page they are read within
	// a minute, and slow responses do not occupy a worker for the whole sweep.
	listTime = time.Minute - callTimeout
	// anyTime is for lists that grow with the organization.
	anyTime = time.Duration(math.MaxInt64)
	// throttledAttempts and throttledPause bound the further requests of one page that
	// AWS throttles, at a few seconds each: it grants a few calls a second to all
	// callers in an organization or account.
	throttledAttempts = 20
	throttledPause    = 5 * time.Second
	// emptyPages is for lists without a filter, and filteredPages for those that AWS
	// filters page by page.
	emptyPages, filteredPages = 100, 10_000
)

var (
	analyzerBounds    = bounds{1_000, listTime, 0, emptyPages}
	archiveRuleBounds = bounds{100_000, listTime, 0, emptyPages}
	findingBounds     = bounds{10_000_000, anyTime, throttledAttempts, filteredPages}
	accountBounds     = bounds{200_000, anyTime, throttledAttempts, emptyPages}
	adminBounds       = bounds{1_000, anyTime, throttledAttempts, emptyPages}
	regionBounds      = bounds{1_000, anyTime, 0, emptyPages}
	policyBounds      = bounds{1_000_000, anyTime, throttledAttempts, emptyPages}
	issueBounds       = bounds{10_000, listTime, 0, emptyPages}
	tagBounds         = bounds{1_000, anyTime, 0, emptyPages}
)

// pages calls next, which returns the number of items on a page, until there is no
// further token or the list exceeds its bounds. An empty page with a token is
// followed; a token that repeats is an error: the list would never end, and what
// was read of it is not the whole.
func (c *Client) pages(ctx context.Context, a *inventory.Account, region, operation string, most bounds,
	next func(context.Context, aws.CredentialsProvider, *string) (int, *string, error),
) *inventory.Failure {
	return c.pagesThen(ctx, a, region, operation, most, nil, next, func() bool { return true })
}

// pagesThen is pages with a rate limit, which may be nil. It calls then after each
// page, outside of the time of the call, and ends if that returns false.
func (c *Client) pagesThen(ctx context.Context, a *inventory.Account, region, operation string, most bounds, limit *rate.Limiter,
	next func(context.Context, aws.CredentialsProvider, *string) (int, *string, error), then func() bool,
) *inventory.Failure {
	var (
		items int
		empty int
		token *string
		seen  map[string]bool // most lists have one page
		start = clock.Now()
	)
	for throttled := 0; ; {
		if limit != nil {
			if err := await(ctx, limit); err != nil {
				return c.failure(a.ID, region, operation, err)
			}
		}
		f := c.call(ctx, a, region, operation, func(ctx context.Context, creds aws.CredentialsProvider) error {
			n, following, err := next(ctx, creds, token)
			if err != nil {
				return err // the token is that of the page to request again
			}
			items, token = items+n, following
			if empty++; n > 0 {
				empty = 0
			}
			switch {
			case empty > most.empty:
				return malformed("the list has more than %d empty pages in a row", most.empty)
			case items > most.items:
				return malformed("the list has more than %d items", most.items)
			case seen[aws.ToString(token)]:
				return malformed("the next token repeats")
			}
			return nil
		})
		if f != nil && f.Reason == inventory.Throttled && throttled < most.throttled && c.cfg.RetryMaxAttempts != 1 && ctx.Err() == nil {
			// The pages before are not lost: AWS grants these lists a few calls a second.
			throttled++
			clock.Wait(ctx, time.Now().Add(rand.N(throttledPause)), nil)
			continue
		}
		if f == nil {
			f = c.suspended(start, a.ID, region, operation)
		}
		if f != nil || !then() || aws.ToString(token) == "" {
			return f
		}
		throttled = 0
		if clock.Now().Sub(start) > most.time {
			return c.failure(a.ID, region, operation, fmt.Errorf("there are more pages after %s: %w", most.time, context.DeadlineExceeded))
		}
		if seen == nil {
			seen = map[string]bool{}
		}
		seen[*token] = true
	}
}

// Analyzers lists the analyzers that an account shows in a Region, without
// their configuration. Most belong to the account; an organization's may
// belong to another.
func (c *Client) Analyzers(ctx context.Context, a *inventory.Account, region string) ([]*inventory.Analyzer, *inventory.Failure) {
	var analyzers []*inventory.Analyzer
	f := c.pages(ctx, a, region, "ListAnalyzers", analyzerBounds, func(ctx context.Context, creds aws.CredentialsProvider, token *string) (int, *string, error) {
		out, err := c.analyzer(region).listAnalyzers(ctx, &accessanalyzer.ListAnalyzersInput{NextToken: token},
			func(o *accessanalyzer.Options) { o.Credentials = creds })
		if err != nil {
			return 0, nil, err
		}
		if out.Analyzers == nil {
			return 0, nil, errNoList
		}
		for _, s := range out.Analyzers {
			analyzer, err := analyzerOf(s)
			if err != nil {
				return 0, nil, err
			}
			analyzers = append(analyzers, analyzer)
		}
		return len(out.Analyzers), out.NextToken, nil
	})
	if f != nil {
		return nil, f
	}
	return analyzers, nil
}

func analyzerOf(s types.AnalyzerSummary) (*inventory.Analyzer, error) {
	parsed, err := arn.Parse(aws.ToString(s.Arn))
	if err != nil || parsed.AccountID == "" || parsed.Region == "" {
		return nil, malformed("%q is not the ARN of an analyzer", aws.ToString(s.Arn))
	}
	a := &inventory.Analyzer{
		ARN: aws.ToString(s.Arn), Name: aws.ToString(s.Name), AccountID: parsed.AccountID, Region: parsed.Region,
		Type: string(s.Type), Status: string(s.Status), ManagedBy: aws.ToString(s.ManagedBy),
		CreatedAt: timeOf(s.CreatedAt), LastResourceAnalyzedAt: timeOf(s.LastResourceAnalyzedAt),
		ArchiveRules: -1,
	}
	if s.StatusReason != nil {
		a.StatusReason = string(s.StatusReason.Code)
	}
	if a.Access() == inventory.External {
		a.Configuration = &inventory.Configuration{}
	}
	return a, nil
}

// ArchiveRules counts the archive rules of an analyzer that the account owns;
// -1, without a failure, when the analyzer is gone.
func (c *Client) ArchiveRules(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer) (int, *inventory.Failure) {
	n := 0
	f := c.pages(ctx, a, analyzer.Region, "ListArchiveRules", archiveRuleBounds, func(ctx context.Context, creds aws.CredentialsProvider, token *string) (int, *string, error) {
		out, err := c.analyzer(analyzer.Region).listArchiveRules(ctx, &accessanalyzer.ListArchiveRulesInput{
			AnalyzerName: aws.String(analyzer.Name), NextToken: token,
		}, func(o *accessanalyzer.Options) { o.Credentials = creds })
		switch {
		case errorCode(err) == notFound:
			n = -1
			return 0, nil, nil
		case err != nil:
			return 0, nil, err
		case out.ArchiveRules == nil:
			return 0, nil, errNoList
		}
		n += len(out.ArchiveRules)
		return len(out.ArchiveRules), out.NextToken, nil
	})
	return n, f
}
