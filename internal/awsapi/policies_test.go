package awsapi

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"

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
