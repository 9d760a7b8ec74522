package services_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

const (
	passRole = `{
  "Statement": [
    {"Effect": "Allow", "Action": ["iam:PassRole", "iam:passrole"], "Resource": "*"},
    {"Effect": "Allow", "Action": [], "Resource": "*"},
    {"Effect": "Allow", "Action": "s3:ListBuckets", "Resource": "*"}
  ]
}`
	trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"sts:AssumeRole"}]}`
)

// validate follows all pages: type and issue code of each finding.
func validate(c sdktest.Clients, in accessanalyzer.ValidatePolicyInput) (findings []types.ValidatePolicyFinding, pages int, _ error) {
	for p := accessanalyzer.NewValidatePolicyPaginator(c.Analyzer, &in); p.HasMorePages(); pages++ {
		page, err := p.NextPage(context.Background())
		if err != nil {
			return nil, pages, err
		}
		findings = append(findings, page.Findings...)
	}
	return findings, pages, nil
}

func TestValidatePolicy(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	for _, limit := range []*int32{nil, aws.Int32(2)} {
		findings, pages, err := validate(assumed(s), accessanalyzer.ValidatePolicyInput{
			PolicyDocument: aws.String(passRole), PolicyType: types.PolicyTypeIdentityPolicy, MaxResults: limit,
		})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range findings {
			start := f.Locations[0].Span.Start
			got = append(got, fmt.Sprintf("%s %s line %d column %d", f.FindingType, *f.IssueCode, *start.Line, *start.Column))
		}
		want := []string{
			"WARNING MISSING_VERSION line 1 column 0", "SUGGESTION REDUNDANT_ACTION line 3 column 34", "SECURITY_WARNING PASS_ROLE_WITH_STAR_IN_RESOURCE line 3 column 4",
			"SUGGESTION EMPTY_ARRAY_ACTION line 4 column 34", "ERROR INVALID_ACTION line 5 column 34",
		}
		wantPages := 1
		if limit != nil {
			wantPages = 3
		}
		if !slices.Equal(got, want) || pages != wantPages {
			t.Errorf("got %d pages of %s", pages, strings.Join(got, "\n"))
		}
		const link = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-security-warning-pass-role-with-star-in-resource"
		if got := *findings[2].LearnMoreLink; got != link {
			t.Errorf("link %s", got)
		}
	}
}

func TestCheckAccess(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	c := assumed(s).Analyzer
	notGranted, err := c.CheckAccessNotGranted(context.Background(), &accessanalyzer.CheckAccessNotGrantedInput{
		PolicyDocument: aws.String(passRole), PolicyType: types.AccessCheckPolicyTypeIdentityPolicy, Access: []types.Access{{Actions: []string{"iam:PassRole"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(notGranted.Result, " ", *notGranted.Message, " ", *notGranted.Reasons[0].Description, " ", *notGranted.Reasons[0].StatementIndex)
	if want := "FAIL The policy document grants access to perform one or more of the listed actions or resources. One or more of the listed actions or resources in the statement with index: 0. 0"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	noNew, err := c.CheckNoNewAccess(context.Background(), &accessanalyzer.CheckNoNewAccessInput{
		NewPolicyDocument: aws.String(trust), ExistingPolicyDocument: aws.String(trust), PolicyType: types.AccessCheckPolicyTypeResourcePolicy,
	})
	if err != nil {
		t.Fatal(err)
	}
	if noNew.Result != "PASS" || len(noNew.Reasons) != 0 {
		t.Errorf("got %s %v", noNew.Result, noNew.Reasons)
	}
}

func TestPolicyCheckErrors(t *testing.T) {
	w := sdktest.NewWorld()
	w.Account(sdktest.Management).Roles = []*simaws.Role{{Name: "exporter", Trusts: []string{sdktest.Security}, Actions: []string{"access-analyzer:Validate*"}}}
	s := sdktest.Start(t, w, simaws.Options{})
	type input = accessanalyzer.ValidatePolicyInput
	validates := func(in input) func(*accessanalyzer.Client) error {
		return func(c *accessanalyzer.Client) error {
			_, err := c.ValidatePolicy(context.Background(), &in)
			return err
		}
	}
	checks := func(document, kind string, access ...types.Access) func(*accessanalyzer.Client) error {
		return func(c *accessanalyzer.Client) error {
			_, err := c.CheckAccessNotGranted(context.Background(), &accessanalyzer.CheckAccessNotGrantedInput{
				PolicyDocument: aws.String(document), PolicyType: types.AccessCheckPolicyType(kind), Access: append([]types.Access{}, access...),
			})
			return err
		}
	}
	actions := types.Access{Actions: []string{"iam:PassRole"}}
	for _, test := range []struct {
		name   string
		call   func(*accessanalyzer.Client) error
		code   string
		status int
	}{
		{"an unknown policy type", validates(input{PolicyDocument: aws.String("{}"), PolicyType: "POLICY"}), "ValidationException", 400},
		{"an unknown resource type", validates(input{PolicyDocument: aws.String("{}"), PolicyType: "RESOURCE_POLICY", ValidatePolicyResourceType: "AWS::IAM::Role"}), "ValidationException", 400},
		{
			"a resource type of an identity policy",
			validates(input{PolicyDocument: aws.String("{}"), PolicyType: "IDENTITY_POLICY", ValidatePolicyResourceType: "AWS::IAM::AssumeRolePolicyDocument"}), "ValidationException", 400,
		},
		{"no results", validates(input{PolicyDocument: aws.String("{}"), PolicyType: "IDENTITY_POLICY", MaxResults: aws.Int32(0)}), "ValidationException", 400},
		{"a token of another list", validates(input{PolicyDocument: aws.String("{}"), PolicyType: "IDENTITY_POLICY", NextToken: aws.String("x")}), "ValidationException", 400},
		{"no access", checks(passRole, "IDENTITY_POLICY", types.Access{}), "ValidationException", 400},
		{"no list of access", checks(passRole, "IDENTITY_POLICY"), "ValidationException", 400},
		{"two lists of access", checks(passRole, "IDENTITY_POLICY", actions, actions), "ValidationException", 400},
		{"101 actions", checks(passRole, "IDENTITY_POLICY", types.Access{Actions: slices.Repeat(actions.Actions, 101)}), "ValidationException", 400},
		{"the type of an SCP", checks(passRole, "SERVICE_CONTROL_POLICY", actions), "ValidationException", 400},
		{"no action", checks(passRole, "IDENTITY_POLICY", types.Access{Actions: []string{"PassRole"}}), "InvalidParameterException", 400},
		{"no policy", checks("{", "IDENTITY_POLICY", actions), "InvalidParameterException", 400},
		{"a trust policy as an identity policy", checks(trust, "IDENTITY_POLICY", actions), "InvalidParameterException", 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			sdktest.WantOutcome(t, test.call(assumed(s).Analyzer), test.code, test.status)
		})
	}
	t.Run("permissions", func(t *testing.T) {
		c := sdktest.As(s, sdktest.Security).Assumed(sdktest.Management).Analyzer
		if err := validates(input{PolicyDocument: aws.String("{}"), PolicyType: "IDENTITY_POLICY"})(c); err != nil {
			t.Error(err)
		}
		sdktest.WantOutcome(t, checks(passRole, "IDENTITY_POLICY", actions)(c), "AccessDeniedException", 403)
	})
}
