package awsapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Configuration returns the part of the configuration of an analyzer that only
// GetAnalyzer returns. The account must own the analyzer. It returns nil and no
// failure if the analyzer is deleted.
func (c *Client) Configuration(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer) (*inventory.Configuration, *inventory.Failure) {
	var configuration *inventory.Configuration
	f := c.call(ctx, a, analyzer.Region, "GetAnalyzer", func(ctx context.Context, creds aws.CredentialsProvider) error {
		body := &bytes.Buffer{}
		out, err := c.analyzer(analyzer.Region).getAnalyzer(ctx, &accessanalyzer.GetAnalyzerInput{AnalyzerName: aws.String(analyzer.Name)},
			func(o *accessanalyzer.Options) {
				o.Credentials = creds
				o.APIOptions = append(o.APIOptions, copyBody(body))
			})
		switch {
		case errorCode(err) == notFound:
			return nil
		case err != nil:
			return err
		case out.Analyzer == nil:
			return malformed("the answer has no analyzer")
		case body.Len() > maxConfiguration:
			return malformed("the configuration is larger than %d bytes", maxConfiguration)
		}
		if configuration, err = configurationOf(analyzer, out.Analyzer.Configuration); err == nil {
			configuration.Unsupported = cmp.Or(unsupportedMember(body.Bytes()), configuration.Unsupported)
		}
		return err
	})
	return configuration, f
}

// maxConfiguration is in bytes. AWS allows 2,000 accounts in a criterion.
const maxConfiguration = 1 << 20

// maxUnusedAccessAge is in days, and what a time.Duration can hold; AWS takes
// up to 365.
const maxUnusedAccessAge = math.MaxInt64 / int64(24*time.Hour)

// configurationOf reads the union. A member that the SDK does not know comes as
// nil or as UnknownUnionMember, by its version. It must not be taken for "nothing
// is excluded" or "nothing is included".
func configurationOf(a *inventory.Analyzer, from types.AnalyzerConfiguration) (*inventory.Configuration, error) {
	c := &inventory.Configuration{}
	of := a.Access()
	switch v := from.(type) {
	case *types.AnalyzerConfigurationMemberUnusedAccess:
		of = inventory.Unused
		days := int64(aws.ToInt32(v.Value.UnusedAccessAge))
		if days < 0 || days > maxUnusedAccessAge {
			return nil, malformed("unused access is not tracked for %d days", days)
		}
		c.UnusedAccessAge = time.Duration(days) * 24 * time.Hour
		if v.Value.AnalysisRule != nil {
			addExclusions(c, v.Value.AnalysisRule.Exclusions)
		}
	case *types.AnalyzerConfigurationMemberInternalAccess:
		of = inventory.Internal
		if v.Value.AnalysisRule != nil {
			for _, i := range v.Value.AnalysisRule.Inclusions {
				c.Inclusions = append(c.Inclusions, inclusionOf(i))
			}
		}
	default:
		c.Unsupported = fmt.Sprintf("GetAnalyzer returned no configuration of %s access", of)
	}
	if of != a.Access() {
		return nil, malformed("the configuration of an analyzer of %s access is one of %s access", a.Access(), of)
	}
	return c, nil
}

// addExclusions adds the accounts that criteria exclude. AWS does not document
// whether a criterion with accounts and tags excludes the accounts as a whole.
func addExclusions(c *inventory.Configuration, exclusions []types.AnalysisRuleCriteria) {
	for _, e := range exclusions {
		switch {
		case len(e.ResourceTags) == 0 && len(e.AccountIds) == 0:
			c.Unsupported = "an exclusion has neither accounts nor tags"
		case len(e.ResourceTags) == 0:
			c.ExcludedAccounts = append(c.ExcludedAccounts, e.AccountIds...)
		default:
			c.UndefinedExclusions = append(c.UndefinedExclusions, e.AccountIds...)
		}
	}
}

func inclusionOf(i types.InternalAccessAnalysisRuleCriteria) inventory.Inclusion {
	in := inventory.Inclusion{AccountIDs: i.AccountIds, ResourceARNs: i.ResourceArns}
	for _, t := range i.ResourceTypes {
		in.ResourceTypes = append(in.ResourceTypes, string(t))
	}
	return in
}

// members are those of a structure that this version supports, each with its own
// members; nil for values that are not structures.
type members map[string]members

// configurationMembers are those of AnalyzerConfiguration.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_AnalyzerConfiguration.html
var configurationMembers = members{
	"unusedAccess":   {"unusedAccessAge": nil, "analysisRule": {"exclusions": {"accountIds": nil, "resourceTags": nil}}},
	"internalAccess": {"analysisRule": {"inclusions": {"accountIds": nil, "resourceArns": nil, "resourceTypes": nil}}},
}

// unsupportedMember returns why a response of GetAnalyzer is not supported, or "".
// The SDK drops members that it does not know: of a criterion with a new member,
// only a less strict one would be left.
func unsupportedMember(body []byte) string {
	var response struct {
		Analyzer struct {
			Configuration any `json:"configuration"`
		} `json:"analyzer"`
	}
	if err := json.Unmarshal(body, &response); err != nil {
		return "the response of GetAnalyzer cannot be checked: " + err.Error()
	}
	if name := configurationMembers.unknown(response.Analyzer.Configuration); name != "" {
		return fmt.Sprintf("the configuration has a member %q, which this version does not support", name)
	}
	return ""
}

// unknown returns the first unknown member of a value or of the items of a list,
// or "".
func (m members) unknown(value any) string {
	switch v := value.(type) {
	case []any:
		for _, item := range v {
			if name := m.unknown(item); name != "" {
				return name
			}
		}
	case map[string]any:
		if m == nil {
			return "" // a map such as that of tags
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			known, ok := m[name]
			if !ok && v[name] != nil {
				return name
			}
			if inner := known.unknown(v[name]); inner != "" {
				return inner
			}
		}
	}
	return ""
}

// copyBody copies the body of the last response.
func copyBody(to *bytes.Buffer) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("CopyBody", func(
			ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler,
		) (middleware.DeserializeOutput, middleware.Metadata, error) {
			to.Reset()
			out, metadata, err := next.HandleDeserialize(ctx, in)
			if r, ok := out.RawResponse.(*smithyhttp.Response); ok && r.Body != nil {
				r.Body = struct {
					io.Reader
					io.Closer
				}{io.TeeReader(r.Body, to), r.Body}
			}
			return out, metadata, err
		}), middleware.After)
	}
}
