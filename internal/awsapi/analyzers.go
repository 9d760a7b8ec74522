package awsapi

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	"github.com/aws/smithy-go"

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

const (
	// listTime is for how long further pages of a target's list are asked for:
	// with the last of them it is read within a minute, and one that answers
	// slowly, page after page, does not hold a worker for the whole sweep.
	listTime = time.Minute - callTimeout
	// anyTime is for lists that grow with the organization.
	anyTime = time.Duration(math.MaxInt64)
)

// pages calls next until there is no further token, or for as long as it may.
// An empty page with a token is followed; a token that repeats is an error: the
// list would never end, and what was read of it is not the whole.
func (c *Client) pages(ctx context.Context, a *inventory.Account, region, operation string, most time.Duration,
	next func(context.Context, aws.CredentialsProvider, *string) (*string, error),
) *inventory.Failure {
	var (
		token *string
		seen  map[string]bool // most lists have one page
		start = time.Now()
	)
	for {
		f := c.call(ctx, a, region, operation, func(ctx context.Context, creds aws.CredentialsProvider) (err error) {
			token, err = next(ctx, creds, token)
			if err == nil && seen[aws.ToString(token)] {
				return malformed("the next token repeats")
			}
			return err
		})
		if f != nil || aws.ToString(token) == "" {
			return f
		}
		if time.Since(start) > most {
			return c.failure(a.ID, region, operation, fmt.Errorf("there are more pages after %s: %w", most, context.DeadlineExceeded))
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
	f := c.pages(ctx, a, region, "ListAnalyzers", listTime, func(ctx context.Context, creds aws.CredentialsProvider, token *string) (*string, error) {
		out, err := c.analyzer(region).ListAnalyzers(ctx, &accessanalyzer.ListAnalyzersInput{NextToken: token},
			func(o *accessanalyzer.Options) { o.Credentials = creds })
		if err != nil {
			return nil, err
		}
		if out.Analyzers == nil {
			return nil, errNoList
		}
		for _, s := range out.Analyzers {
			analyzer, err := analyzerOf(s)
			if err != nil {
				return nil, err
			}
			analyzers = append(analyzers, analyzer)
		}
		return out.NextToken, nil
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
		CreatedAt: aws.ToTime(s.CreatedAt), LastResourceAnalyzedAt: aws.ToTime(s.LastResourceAnalyzedAt),
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
	f := c.pages(ctx, a, analyzer.Region, "ListArchiveRules", listTime, func(ctx context.Context, creds aws.CredentialsProvider, token *string) (*string, error) {
		out, err := c.analyzer(analyzer.Region).ListArchiveRules(ctx, &accessanalyzer.ListArchiveRulesInput{
			AnalyzerName: aws.String(analyzer.Name), NextToken: token,
		}, func(o *accessanalyzer.Options) { o.Credentials = creds })
		switch {
		case errorCode(err) == notFound:
			n = -1
			return nil, nil
		case err != nil:
			return nil, err
		case out.ArchiveRules == nil:
			return nil, errNoList
		}
		n += len(out.ArchiveRules)
		return out.NextToken, nil
	})
	return n, f
}
