package services

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/policy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
)

// locales are the languages of findings. The simulator has one.
var locales = []string{"", "DE", "EN", "ES", "FR", "IT", "JA", "KO", "PT_BR", "ZH_CN", "ZH_TW"}

// decodeRequired decodes the body, and requires members.
func decodeRequired(q *wire.Request, in any, required ...string) *wire.Error {
	if err := q.DecodeJSON(in); err != nil {
		return err
	}
	var given map[string]json.RawMessage
	_ = json.Unmarshal(q.Body, &given) // an empty body has no members
	for _, name := range required {
		if given[name] == nil {
			return invalidField(name, name+" is required")
		}
	}
	return nil
}

// oneOf requires a value of an enumeration.
func oneOf(field, value string, values []string) *wire.Error {
	if slices.Contains(values, value) {
		return nil
	}
	return invalidField(field, field+" must be one of "+strings.Join(values, ", "))
}

func validatePolicy(q *wire.Request) (any, *wire.Error) {
	var in struct{ PolicyDocument, PolicyType, ValidatePolicyResourceType, Locale string }
	if err := decodeRequired(q, &in, "policyDocument", "policyType"); err != nil {
		return nil, err
	}
	limit, err := maxResults(q)
	if err != nil {
		return nil, err
	}
	if err := oneOf("policyType", in.PolicyType, policy.Types); err != nil {
		return nil, err
	}
	if err := oneOf("locale", in.Locale, locales); err != nil {
		return nil, err
	}
	if in.ValidatePolicyResourceType != "" {
		if err := oneOf("validatePolicyResourceType", in.ValidatePolicyResourceType, policy.ResourceTypes); err != nil {
			return nil, err
		}
		if in.PolicyType != policy.Resource {
			return nil, invalidField("validatePolicyResourceType", "validatePolicyResourceType is for policies of type "+policy.Resource)
		}
	}
	findings := policy.Validate(in.PolicyDocument, in.PolicyType, in.ValidatePolicyResourceType)
	page, token, err := wire.Paginate(q, findings, limit, q.Query.Get("nextToken"), in.PolicyDocument, in.PolicyType, in.ValidatePolicyResourceType)
	if err != nil {
		return nil, err
	}
	if page == nil {
		page = []policy.Finding{}
	}
	return struct {
		Findings  []policy.Finding `json:"findings"`
		NextToken string           `json:"nextToken,omitempty"`
	}{page, token}, nil
}

// checkResult is the response of a check of access.
type checkResult struct {
	Result  string          `json:"result"`
	Message string          `json:"message"`
	Reasons []policy.Reason `json:"reasons,omitempty"`
}

// checkedTypes are the types of policy whose access can be checked.
var checkedTypes = []string{policy.Identity, policy.Resource}

func invalidCheck(message string) *wire.Error {
	return &wire.Error{Code: "InvalidParameterException", Status: http.StatusBadRequest, Message: message}
}

// maxAccess is how many actions, and how many resources, a check can list.
const maxAccess = 100

func checkAccessNotGranted(q *wire.Request) (any, *wire.Error) {
	var in struct {
		PolicyDocument, PolicyType string
		Access                     []struct{ Actions, Resources []string }
	}
	if err := decodeRequired(q, &in, "policyDocument", "access", "policyType"); err != nil {
		return nil, err
	}
	if err := oneOf("policyType", in.PolicyType, checkedTypes); err != nil {
		return nil, err
	}
	if len(in.Access) != 1 {
		return nil, invalidField("access", "access must have one element")
	}
	access := in.Access[0]
	switch {
	case len(access.Actions) == 0 && len(access.Resources) == 0:
		return nil, invalidField("access", "access must have actions or resources")
	case len(access.Actions) > maxAccess || len(access.Resources) > maxAccess:
		return nil, invalidField("access", "access must have at most 100 actions and 100 resources")
	}
	for _, action := range access.Actions {
		if service, name, ok := strings.Cut(action, ":"); action != "*" && (!ok || service == "" || name == "") {
			return nil, invalidCheck("The action " + action + " is not valid.")
		}
	}
	reasons, err := policy.Grants(in.PolicyDocument, in.PolicyType, access.Actions, access.Resources)
	if err != nil {
		return nil, invalidCheck("The policy document is not valid.")
	}
	if len(reasons) == 0 {
		return checkResult{Result: "PASS", Message: "The policy document does not grant access to perform the listed actions or resources."}, nil
	}
	return checkResult{"FAIL", "The policy document grants access to perform one or more of the listed actions or resources.", reasons}, nil
}

func checkNoNewAccess(q *wire.Request) (any, *wire.Error) {
	var in struct{ NewPolicyDocument, ExistingPolicyDocument, PolicyType string }
	if err := decodeRequired(q, &in, "newPolicyDocument", "existingPolicyDocument", "policyType"); err != nil {
		return nil, err
	}
	if err := oneOf("policyType", in.PolicyType, checkedTypes); err != nil {
		return nil, err
	}
	reasons, err := policy.NewAccess(in.NewPolicyDocument, in.ExistingPolicyDocument, in.PolicyType)
	if err != nil {
		return nil, invalidCheck("The policy document is not valid.")
	}
	if len(reasons) == 0 {
		return checkResult{Result: "PASS", Message: "The modified permissions do not grant new access compared to your existing policy."}, nil
	}
	return checkResult{"FAIL", "The modified permissions grant new access compared to your existing policy.", reasons}, nil
}
