package awsapi

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// AWS quotes the parameters that it rejects. A document is one.
func TestWithoutDocument(t *testing.T) {
	const hidden = "the message is not shown, because it may quote a policy"
	denied := "AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/a/b is not authorized to perform: access-analyzer:ValidatePolicy"
	for message, test := range map[string]struct {
		reason inventory.Reason
		want   string
	}{
		`ValidationException: Value '{"Version":"secret"}' at 'policyDocument' failed`: {inventory.Other, "ValidationException (" + hidden + ")"},
		"invalid character 's' in policy":                                              {inventory.MalformedResponse, hidden},
		"InternalServerException: secret":                                              {inventory.ServiceError, "InternalServerException (" + hidden + ")"},
		denied:                                                                         {inventory.AccessDenied, denied},
		`AccessDeniedException: you may not validate {"Version":"secret"}`:             {inventory.AccessDenied, "AccessDeniedException (" + hidden + ")"},
		`ThrottlingException: Rate exceeded`:                                           {inventory.Throttled, "ThrottlingException: Rate exceeded"},
	} {
		if got := withoutDocument(&inventory.Failure{Reason: test.reason, Message: message}); got.Message != test.want {
			t.Errorf("%s: %s", message, got.Message)
		}
	}
	if withoutDocument(nil) != nil {
		t.Error("a failure out of none")
	}
}

// Only codes and addresses of AWS are kept of a finding, never text of a policy.
func TestIssueOf(t *testing.T) {
	page := "https://docs.aws.amazon.com/IAM/latest/UserGuide/checks.html#one"
	for name, test := range map[string]struct {
		kind, code, link string
		want             inventory.PolicyIssue
	}{
		"of AWS":          {"ERROR", "INVALID_ACTION", page, inventory.PolicyIssue{FindingType: "ERROR", Code: "INVALID_ACTION", Link: page}},
		"new type":        {"REMARK", "A_1", "", inventory.PolicyIssue{FindingType: "REMARK", Code: "A_1"}},
		"text":            {"s3:secret", "an action", page, inventory.PolicyIssue{FindingType: "OTHER", Code: "OTHER", Link: page}},
		"other site":      {"ERROR", "A", "https://example.com/", inventory.PolicyIssue{FindingType: "ERROR", Code: "A"}},
		"script":          {"ERROR", "A", "javascript:alert(1)", inventory.PolicyIssue{FindingType: "ERROR", Code: "A"}},
		"query of a page": {"ERROR", "A", "https://docs.aws.amazon.com/a?policy=secret", inventory.PolicyIssue{FindingType: "ERROR", Code: "A"}},
		"user":            {"ERROR", "A", "https://docs.aws.amazon.com@example.com/", inventory.PolicyIssue{FindingType: "ERROR", Code: "A"}},
	} {
		got := issueOf(types.ValidatePolicyFinding{FindingType: types.ValidatePolicyFindingType(test.kind), IssueCode: aws.String(test.code), LearnMoreLink: aws.String(test.link)})
		if got != test.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A document that cannot be read does not lose the other policies of the account, and is
// not in the failure.
func TestUnreadableDocuments(t *testing.T) {
	document := func(s string) *string { return aws.String(s) }
	role := iamtypes.RoleDetail{RoleName: aws.String("r"), AssumeRolePolicyDocument: document("%7B%22Statement%22%3A%5B%5D%7D")}
	for encoded, want := range map[string]string{
		"%7B%22Id%22%3A%22a%2Bb+c%25%22%7D": `{"Id":"a+b+c%"}`, // RFC 3986: a plus sign is not a space
		`{"Id":"not encoded"}`:              `{"Id":"not encoded"}`,
		`{"Id":"s3cret 100%"}`:              "",
		"%7B%ZZs3cret":                      "",
		"":                                  "",
	} {
		var c Client
		d := c.documentsOf("111122223333", map[inventory.PolicyType]bool{inventory.Managed: true, inventory.Inline: true, inventory.Trust: true})
		d.read(&iam.GetAccountAuthorizationDetailsOutput{
			UserDetailList:  []iamtypes.UserDetail{{UserName: aws.String("u"), UserPolicyList: []iamtypes.PolicyDetail{{PolicyName: aws.String("i"), PolicyDocument: document(encoded)}}}},
			GroupDetailList: []iamtypes.GroupDetail{{GroupName: aws.String("u"), GroupPolicyList: []iamtypes.PolicyDetail{{PolicyName: aws.String("i"), PolicyDocument: document(encoded)}}}},
			RoleDetailList:  []iamtypes.RoleDetail{role},
			Policies:        []iamtypes.ManagedPolicyDetail{{PolicyName: aws.String("without a version")}},
		})
		if d.err != nil || len(d.all) != 4 {
			t.Fatalf("%s: %d policies, %v", encoded, len(d.all), d.err)
		}
		names := map[string]bool{}
		for i, p := range d.all {
			names[p.Name] = true
			expected := []string{want, want, `{"Statement":[]}`, ""}[i]
			if p.Document != expected || (p.Failure != nil) != (expected == "") {
				t.Errorf("%s: %s is %q, %v", encoded, p.Name, p.Document, p.Failure)
			}
			if f := p.Failure; f != nil && (f.AccountID != "111122223333" || f.Operation != "GetAccountAuthorizationDetails" ||
				f.Reason != inventory.MalformedResponse || strings.Contains(f.Message, "s3cret")) {
				t.Errorf("%s: %+v", encoded, *f)
			}
		}
		if len(names) != 4 {
			t.Errorf("%s: names %v", encoded, names)
		}
	}
}
