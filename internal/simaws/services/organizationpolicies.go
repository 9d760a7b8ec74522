package services

import (
	"net/http"
	"regexp"
	"slices"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// organizationPolicyTypes are the types of policy of Organizations. Only service
// control policies and resource control policies are simulated; there are none of
// the other types.
var organizationPolicyTypes = []string{
	world.ServiceControlPolicy, world.ResourceControlPolicy, "TAG_POLICY", "BACKUP_POLICY", "AISERVICES_OPT_OUT_POLICY", "CHATBOT_POLICY",
	"DECLARATIVE_POLICY_EC2", "SECURITYHUB_POLICY", "INSPECTOR_POLICY", "UPGRADE_ROLLOUT_POLICY", "BEDROCK_POLICY", "S3_POLICY", "NETWORK_SECURITY_DIRECTOR_POLICY",
}

var organizationPolicyID = regexp.MustCompile(`^p-[0-9a-zA-Z_]{8,128}$`)

type policySummary struct {
	ID          string `json:"Id"`
	ARN         string `json:"Arn"`
	Name        string
	Description string
	Type        string
	AWSManaged  bool `json:"AwsManaged"`
}

func summarizePolicy(o *world.Organization, p *world.OrganizationPolicy) policySummary {
	return policySummary{p.ID, p.ARN(o), p.Name, p.Description, p.Type, p.AWSManaged}
}

// invalidOrganizationsInput is an InvalidInputException with its reason.
func invalidOrganizationsInput(q *wire.Request, reason, message string) *wire.Error {
	err := q.Service.Errorf(wire.InvalidInput, "%s", message)
	err.Fields = map[string]any{"Reason": reason}
	return err
}

func listPolicies(q *wire.Request) (any, *wire.Error) {
	in, err := parseListInput(q)
	if err != nil {
		return nil, err
	}
	switch {
	case in.Filter == "":
		return nil, invalidOrganizationsInput(q, "INPUT_REQUIRED", "You must specify a value for Filter.")
	case !slices.Contains(organizationPolicyTypes, in.Filter):
		return nil, invalidOrganizationsInput(q, "INVALID_ENUM_POLICY_TYPE", "You specified an invalid policy type.")
	}
	if err := requireAdministrator(q); err != nil {
		return nil, err
	}
	o := q.World.Organization
	page, token, err := wire.Paginate(q, o.PoliciesOfType(in.Filter), in.limit(), in.NextToken, in.Filter)
	if err != nil {
		return nil, err
	}
	out := struct {
		Policies  []policySummary
		NextToken string `json:",omitempty"`
	}{make([]policySummary, len(page)), token}
	for i, p := range page {
		out.Policies[i] = summarizePolicy(o, p)
	}
	return out, nil
}

func describePolicy(q *wire.Request) (any, *wire.Error) {
	var in struct {
		ID string `json:"PolicyId"`
	}
	if err := q.DecodeJSON(&in); err != nil {
		return nil, err
	}
	if !organizationPolicyID.MatchString(in.ID) {
		return nil, invalidOrganizationsInput(q, "INVALID_PATTERN", "You specified an invalid value for PolicyId.")
	}
	if err := requireAdministrator(q); err != nil {
		return nil, err
	}
	o := q.World.Organization
	p := o.Policy(in.ID)
	if p == nil {
		return nil, &wire.Error{Code: "PolicyNotFoundException", Status: http.StatusBadRequest, Message: "We can't find a policy with the PolicyId that you specified."}
	}
	return map[string]any{"Policy": map[string]any{"PolicySummary": summarizePolicy(o, p), "Content": p.Document}}, nil
}
