package awsapi

import (
	"context"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"golang.org/x/time/rate"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/policies"
)

const (
	// policySlots bounds the calls about policies in flight.
	policySlots = 8
	// Rates of calls about policies, per second. AWS publishes limits of Organizations
	// alone; the others are counted by account.
	// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
	iamRate, organizationPolicyRate, validationRate, checkRate = 5, 5, 20, 5
	// detailsPage is the page size of GetAccountAuthorizationDetails, whose maximum is
	// 1000. An item can have 50 KB, as it has several documents, and a response at most
	// maxResponse.
	detailsPage = 300
	// maxDistinctIssues is the number of different issues of a document, far above what
	// AWS returns.
	maxDistinctIssues = 200
)

// policyService has what calls about policies do not share with sweeps.
type policyService struct {
	details authorizationDetails
	slots   chan struct{}

	iamRate, organizationRate, validationRate, checkRate *rate.Limiter
}

func newPolicyService(cfg aws.Config) policyService {
	limit := func(n int) *rate.Limiter { return rate.NewLimiter(rate.Limit(n), n) }
	return policyService{
		details: iam.NewFromConfig(cfg).GetAccountAuthorizationDetails, slots: make(chan struct{}, policySlots),
		iamRate: limit(iamRate), organizationRate: limit(organizationPolicyRate), validationRate: limit(validationRate), checkRate: limit(checkRate),
	}
}

type onlyPoliciesKey struct{}

// forPolicies marks the calls of a context as being about policies.
func forPolicies(ctx context.Context) context.Context {
	return context.WithValue(ctx, onlyPoliciesKey{}, true)
}

func onlyPolicies(ctx context.Context) bool { return ctx.Value(onlyPoliciesKey{}) != nil }

// withoutDocument returns a failure whose message has no part of a document. AWS
// quotes the parameters that it rejects, and a decoder what it cannot decode.
func withoutDocument(f *inventory.Failure) *inventory.Failure {
	if f == nil {
		return nil
	}
	switch f.Reason {
	case inventory.AccessDenied, inventory.SCPDenied, inventory.AssumeRoleDenied, inventory.Credentials, inventory.RegionDisabled,
		inventory.RegionUnsupported, inventory.Throttled, inventory.Timeout, inventory.Network:
		if !strings.ContainsAny(f.Message, "{}") {
			return f
		}
	}
	hidden := *f
	code, _, found := strings.Cut(f.Message, ": ")
	if hidden.Message = "the message is not shown, because it may quote a policy"; found && codeForm.MatchString(code) {
		hidden.Message = code + " (" + hidden.Message + ")"
	}
	return &hidden
}

// AccountPolicies passes the policies of an account, those of the types, to add, page
// by page, until add returns false. It leaves out policies of AWS and of
// service-linked roles, which no customer can change.
func (c *Client) AccountPolicies(ctx context.Context, a *inventory.Account, of []inventory.PolicyType, add func([]policies.Policy) bool) *inventory.Failure {
	ctx = forPolicies(ctx)
	wanted := map[inventory.PolicyType]bool{}
	for _, t := range of {
		wanted[t] = true
	}
	in := iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(detailsPage), Filter: entities(wanted)}
	var page []policies.Policy
	f := c.pagesThen(ctx, a, inventory.Global, "GetAccountAuthorizationDetails", policyBounds, c.policies.iamRate,
		func(ctx context.Context, creds aws.CredentialsProvider, marker *string) (int, *string, error) {
			in.Marker = marker
			out, err := c.policies.details(ctx, &in, func(o *iam.Options) { o.Credentials = creds })
			if err != nil {
				return 0, nil, err
			}
			switch {
			case out.Policies == nil && out.UserDetailList == nil && out.GroupDetailList == nil && out.RoleDetailList == nil:
				return 0, nil, errNoList
			case out.IsTruncated && aws.ToString(out.Marker) == "":
				return 0, nil, malformed("the list is truncated and has no marker")
			}
			d := c.documentsOf(a.ID, wanted)
			if d.read(out); d.err != nil {
				return 0, nil, d.err
			}
			page = d.all
			marker = out.Marker
			if !out.IsTruncated {
				marker = nil
			}
			return len(out.Policies) + len(out.UserDetailList) + len(out.GroupDetailList) + len(out.RoleDetailList), marker, nil
		}, func() bool { return add(page) })
	return withoutDocument(f)
}

// entities are those that have policies of the types.
func entities(wanted map[inventory.PolicyType]bool) []iamtypes.EntityType {
	var all []iamtypes.EntityType
	if wanted[inventory.Managed] {
		all = append(all, iamtypes.EntityTypeLocalManagedPolicy)
	}
	if wanted[inventory.Inline] {
		all = append(all, iamtypes.EntityTypeUser, iamtypes.EntityTypeGroup)
	}
	if wanted[inventory.Inline] || wanted[inventory.Trust] {
		all = append(all, iamtypes.EntityTypeRole)
	}
	return all
}

// documents collects the policies of a page, and the first error.
type documents struct {
	wanted map[inventory.PolicyType]bool
	all    []policies.Policy
	err    error
	// unreadable is the failure to read a document.
	unreadable *inventory.Failure
}

func (c *Client) documentsOf(accountID string, wanted map[inventory.PolicyType]bool) *documents {
	// Without the error of the decoder, which quotes the document.
	err := malformed("a policy has no document, or one that cannot be decoded")
	return &documents{wanted: wanted, unreadable: c.failure(accountID, inventory.Global, "GetAccountAuthorizationDetails", err)}
}

// add adds a policy. IAM encodes documents as in URLs, RFC 3986.
func (d *documents) add(of inventory.PolicyType, name string, document *string) {
	switch {
	case !d.wanted[of] || d.err != nil:
		return
	case strings.HasSuffix(name, "/"):
		d.err = errNameless
		return
	}
	p := policies.Policy{Type: of, Name: bounded(name)}
	text, err := url.PathUnescape(aws.ToString(document))
	if p.Document = text; err != nil || text == "" {
		p.Document, p.Failure = "", d.unreadable
	}
	d.all = append(d.all, p)
}

func (d *documents) inline(owner string, all []iamtypes.PolicyDetail) {
	for _, p := range all {
		d.add(inventory.Inline, owner+"/"+aws.ToString(p.PolicyName), p.PolicyDocument)
	}
}

// read adds the policies of a page.
func (d *documents) read(out *iam.GetAccountAuthorizationDetailsOutput) {
	for _, u := range out.UserDetailList {
		d.inline("user/"+aws.ToString(u.UserName), u.UserPolicyList)
	}
	for _, g := range out.GroupDetailList {
		d.inline("group/"+aws.ToString(g.GroupName), g.GroupPolicyList)
	}
	for _, r := range out.RoleDetailList {
		if strings.HasPrefix(aws.ToString(r.Path), "/aws-service-role/") {
			continue
		}
		name := "role/" + aws.ToString(r.RoleName)
		d.add(inventory.Trust, name, r.AssumeRolePolicyDocument)
		d.inline(name, r.RolePolicyList)
	}
	for _, p := range out.Policies {
		if strings.Contains(aws.ToString(p.Arn), ":iam::aws:") {
			continue
		}
		d.add(inventory.Managed, "policy/"+aws.ToString(p.PolicyName), defaultVersion(p))
	}
}

func defaultVersion(p iamtypes.ManagedPolicyDetail) *string {
	for _, v := range p.PolicyVersionList {
		if v.IsDefaultVersion {
			return v.Document
		}
	}
	return nil
}

var organizationPolicyTypes = map[inventory.PolicyType]orgtypes.PolicyType{
	inventory.ServiceControl:  orgtypes.PolicyTypeServiceControlPolicy,
	inventory.ResourceControl: orgtypes.PolicyTypeResourceControlPolicy,
}

// OrganizationPolicies passes the policies of a type in the hub account's organization
// to add, until that returns false. It leaves out policies of AWS.
func (c *Client) OrganizationPolicies(ctx context.Context, hub *inventory.Account, of inventory.PolicyType, add func([]policies.Policy) bool) *inventory.Failure {
	ctx = forPolicies(ctx)
	var (
		page   []orgtypes.PolicySummary
		failed *inventory.Failure
	)
	f := c.pagesThen(ctx, hub, inventory.Global, "ListPolicies", policyBounds, c.policies.organizationRate,
		func(ctx context.Context, creds aws.CredentialsProvider, token *string) (int, *string, error) {
			out, err := c.organizations.listPolicies(ctx, &organizations.ListPoliciesInput{Filter: organizationPolicyTypes[of], NextToken: token},
				func(o *organizations.Options) { o.Credentials = creds })
			switch {
			case err != nil:
				return 0, nil, err
			case out.Policies == nil:
				return 0, nil, errNoList
			}
			page = out.Policies
			return len(page), out.NextToken, nil
		}, func() bool {
			for _, p := range page {
				if p.AwsManaged {
					continue
				}
				var described []policies.Policy
				if described, failed = c.organizationPolicy(ctx, hub, of, p); failed != nil || !add(described) {
					return false
				}
			}
			return true
		})
	if f == nil {
		f = failed
	}
	return withoutDocument(f)
}

// policyNotFound is the code for a policy that was deleted since it was listed.
const policyNotFound = "PolicyNotFoundException"

// organizationPolicy returns a policy with its document; none if it is deleted.
func (c *Client) organizationPolicy(ctx context.Context, hub *inventory.Account, of inventory.PolicyType, s orgtypes.PolicySummary) (all []policies.Policy, _ *inventory.Failure) {
	if err := await(ctx, c.policies.organizationRate); err != nil {
		return nil, c.failure(hub.ID, inventory.Global, "DescribePolicy", err)
	}
	f := c.call(ctx, hub, inventory.Global, "DescribePolicy", func(ctx context.Context, creds aws.CredentialsProvider) error {
		if aws.ToString(s.Id) == "" {
			return errNameless
		}
		out, err := c.organizations.describePolicy(ctx, &organizations.DescribePolicyInput{PolicyId: s.Id}, func(o *organizations.Options) { o.Credentials = creds })
		switch {
		case errorCode(err) == policyNotFound:
			return nil
		case err != nil:
			return err
		case out.Policy == nil || aws.ToString(out.Policy.Content) == "":
			return malformed("the answer has no policy")
		}
		all = []policies.Policy{{Type: of, Name: bounded(aws.ToString(s.Name) + " (" + aws.ToString(s.Id) + ")"), Document: *out.Policy.Content}}
		return nil
	})
	return all, f
}

// validatedAs is the type of a policy in ValidatePolicy.
var validatedAs = map[inventory.PolicyType]types.PolicyType{
	inventory.Managed:         types.PolicyTypeIdentityPolicy,
	inventory.Inline:          types.PolicyTypeIdentityPolicy,
	inventory.Trust:           types.PolicyTypeResourcePolicy,
	inventory.ServiceControl:  types.PolicyTypeServiceControlPolicy,
	inventory.ResourceControl: types.PolicyTypeResourceControlPolicy,
}

// ValidatePolicy returns the issues of a policy, by finding type and issue code.
func (c *Client) ValidatePolicy(ctx context.Context, a *inventory.Account, region string, p policies.Policy) ([]inventory.PolicyIssue, *inventory.Failure) {
	in := accessanalyzer.ValidatePolicyInput{PolicyDocument: aws.String(p.Document), PolicyType: validatedAs[p.Type]}
	if p.Type == inventory.Trust {
		in.ValidatePolicyResourceType = types.ValidatePolicyResourceTypeRoleTrust
	}
	found := map[inventory.PolicyIssue]int{}
	f := c.pagesThen(forPolicies(ctx), a, region, "ValidatePolicy", issueBounds, c.policies.validationRate,
		func(ctx context.Context, creds aws.CredentialsProvider, token *string) (int, *string, error) {
			in.NextToken = token
			out, err := c.analyzer(region).validatePolicy(ctx, &in, func(o *accessanalyzer.Options) { o.Credentials = creds })
			switch {
			case err != nil:
				return 0, nil, err
			case out.Findings == nil:
				return 0, nil, errNoList
			}
			for _, finding := range out.Findings {
				if finding.FindingType == "" {
					return 0, nil, errNameless
				}
				found[issueOf(finding)]++
			}
			if len(found) > maxDistinctIssues {
				return 0, nil, malformed("a policy has more than %d different issues", maxDistinctIssues)
			}
			return len(out.Findings), out.NextToken, nil
		}, func() bool { return true })
	if f != nil {
		return nil, withoutDocument(f)
	}
	issues := make([]inventory.PolicyIssue, 0, len(found))
	for i, n := range found {
		i.Count = n
		issues = append(issues, i)
	}
	return issues, nil
}

// codeName is the form of types of findings and issue codes.
var codeName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{0,127}$`)

// issueOf returns a finding without its text and locations, which may quote the policy.
func issueOf(f types.ValidatePolicyFinding) inventory.PolicyIssue {
	name := func(s string) string {
		if codeName.MatchString(s) {
			return s
		}
		return "OTHER"
	}
	issue := inventory.PolicyIssue{FindingType: name(string(f.FindingType)), Code: name(aws.ToString(f.IssueCode))}
	link := aws.ToString(f.LearnMoreLink)
	if u, err := url.Parse(link); err == nil && u.Scheme == "https" && u.User == nil && u.RawQuery == "" && len(link) <= maxLink && isAWS(u.Hostname()) {
		issue.Link = u.String()
	}
	return issue
}

// maxLink is in bytes, more than any address in the documentation of AWS has.
const maxLink = 300

func isAWS(host string) bool {
	return strings.HasSuffix(host, ".amazon.com") || strings.HasSuffix(host, ".amazonaws.cn") || strings.HasSuffix(host, ".amazonaws.com")
}

// CheckPolicy returns whether an identity-based policy passes a check.
func (c *Client) CheckPolicy(ctx context.Context, a *inventory.Account, region string, p policies.Policy, check policies.Check) (passed bool, _ *inventory.Failure) {
	ctx = forPolicies(ctx)
	operation := check.Operation()
	if err := await(ctx, c.policies.checkRate); err != nil {
		return false, c.failure(a.ID, region, operation, err)
	}
	f := c.call(ctx, a, region, operation, func(ctx context.Context, creds aws.CredentialsProvider) error {
		result, err := c.check(ctx, creds, region, p, check)
		if err == nil && result != "PASS" && result != "FAIL" {
			err = malformed("the result is neither PASS nor FAIL")
		}
		passed = result == "PASS"
		return err
	})
	return passed && f == nil, withoutDocument(f)
}

func (c *Client) check(ctx context.Context, creds aws.CredentialsProvider, region string, p policies.Policy, check policies.Check) (result string, _ error) {
	// Once: AWS may bill every attempt.
	with := func(o *accessanalyzer.Options) { o.Credentials, o.RetryMaxAttempts = creds, 1 }
	if len(check.Actions) > 0 {
		out, err := c.analyzer(region).checkAccessNotGranted(ctx, &accessanalyzer.CheckAccessNotGrantedInput{
			Access: []types.Access{{Actions: check.Actions}}, PolicyDocument: aws.String(p.Document), PolicyType: types.AccessCheckPolicyTypeIdentityPolicy,
		}, with)
		if err != nil {
			return "", err
		}
		return string(out.Result), nil
	}
	out, err := c.analyzer(region).checkNoNewAccess(ctx, &accessanalyzer.CheckNoNewAccessInput{
		ExistingPolicyDocument: aws.String(check.Reference), NewPolicyDocument: aws.String(p.Document), PolicyType: types.AccessCheckPolicyTypeIdentityPolicy,
	}, with)
	if err != nil {
		return "", err
	}
	return string(out.Result), nil
}
