// Package iampolicy generates the least-privilege IAM policies for a
// configuration of the exporter.
//
// The actions are those of the Service Authorization Reference:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiamaccessanalyzer.html
// GetCallerIdentity requires no permission, and GetRegionOptStatus is a fallback
// for a denied ListRegions.
package iampolicy

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
)

// Options are the properties of a configuration that determine the permissions.
type Options struct {
	// ListAccounts is whether accounts are discovered through AWS Organizations.
	ListAccounts bool
	// Administrators is whether the hub account lists the delegated
	// administrators.
	Administrators bool
	// OtherOrganizations is whether member roles can be in another organization,
	// so that their organization has to be read.
	OtherOrganizations bool
	// OUNames and AccountTags are whether the names of organizational units and the
	// tags of accounts are read.
	OUNames, AccountTags bool
	// MemberRole is the ARN of the role to assume in the accounts of the
	// organization, with "*" for the account, and Roles are those of other roles.
	// Without any the exporter only reads the hub account.
	MemberRole string
	Roles      []string
	// Findings is whether findings are counted.
	Findings bool
	// AccountPolicies and OrganizationPolicies are whether the policies of accounts and
	// of the organization are validated.
	AccountPolicies, OrganizationPolicies bool
	// AccessNotGranted and NoNewAccess are whether there are checks of that kind.
	AccessNotGranted, NoNewAccess bool
	// Queue is the ARN of the SQS queue for events; empty if events are disabled.
	Queue string

	// Principal is the ARN of the hub role for the trust policy; empty for
	// PrincipalPlaceholder.
	Principal string
	// OrganizationID restricts the trust policy to principals in an organization,
	// and MemberRole to its accounts; empty for no such conditions.
	OrganizationID string
	// ExternalID is that of AssumeRole; empty for none.
	ExternalID string
	// SessionTags is whether the exporter's session has transitive tags, as with
	// EKS Pod Identity.
	// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
	SessionTags bool
}

// Placeholders for unknown values. IAM rejects the first as a principal, and the
// second matches no organization.
const (
	PrincipalPlaceholder      = "the ARN of the role that the exporter runs as (--hub-principal)"
	OrganizationIDPlaceholder = "the ID of the organization (--organization-id)"
)

// Policies are the policies of the exporter's roles.
type Policies struct {
	// Hub is the policy of the hub role.
	Hub *Document `json:"hub"`
	// Member is the policy of the member role, and Trust its trust policy; nil if
	// the exporter only reads the hub account.
	Member *Document `json:"member,omitempty"`
	Trust  *Document `json:"trust,omitempty"`
}

// Document is an IAM policy.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
type Document struct {
	Version   string
	Statement []Statement
}

// Statement is a statement of a policy.
type Statement struct {
	Sid       string `json:",omitempty"`
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    []string
	Resource  []string                     `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"`
}

// For returns the policies that the options require.
func For(o Options) Policies {
	p := Policies{Hub: document(o.hub()...)}
	if o.MemberRole != "" || len(o.Roles) > 0 {
		p.Member, p.Trust = document(o.member()...), document(o.trust()...)
	}
	return p
}

// SessionPolicy returns the policy for the sessions of member roles. AWS allows
// what both the role and this policy allow, so that a session of an administrator
// role can only read. Of the options, it depends on those of policies alone, so that
// most configurations can share sessions, and it is short, because it shares a size
// limit with session tags.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func SessionPolicy(o Options) string {
	actions := []string{"account:GetRegionOptStatus"} // for roles without ListRegions
	o = Options{
		Findings: true, OtherOrganizations: true,
		AccountPolicies: o.AccountPolicies, AccessNotGranted: o.AccessNotGranted, NoNewAccess: o.NoNewAccess,
	}
	for _, s := range o.member() {
		actions = append(actions, s.Action...)
	}
	text, err := json.Marshal(document(allow("", actions...)))
	if err != nil {
		panic(err) // strings can always be encoded
	}
	return string(text)
}

func document(statements ...Statement) *Document {
	return &Document{Version: "2012-10-17", Statement: statements}
}

// allow grants actions on all resources: most actions do not support others, and
// an identity can only read the analyzers of its account.
func allow(sid string, actions ...string) Statement {
	slices.Sort(actions)
	return Statement{Sid: sid, Effect: "Allow", Action: actions, Resource: []string{"*"}}
}

// read returns the statements for reading an account.
func (o Options) read() []Statement {
	actions := []string{"access-analyzer:ListAnalyzers", "access-analyzer:GetAnalyzer", "access-analyzer:ListArchiveRules"}
	if o.Findings {
		actions = append(actions, "access-analyzer:ListFindings", "access-analyzer:GetFindingsStatistics")
	}
	statements := []Statement{allow("ReadAnalyzers", actions...), allow("ListRegions", "account:ListRegions")}
	if o.AccountPolicies {
		statements = append(statements, allow("ReadPolicies", "iam:GetAccountAuthorizationDetails"))
	}
	if validate := o.validate(); len(validate) > 0 {
		statements = append(statements, allow("ValidatePolicies", validate...))
	}
	return statements
}

// validate returns the actions that validate and check policies in an account.
func (o Options) validate() []string {
	var actions []string
	if o.AccountPolicies {
		actions = append(actions, "access-analyzer:ValidatePolicy")
	}
	if o.AccessNotGranted {
		actions = append(actions, "access-analyzer:CheckAccessNotGranted")
	}
	if o.NoNewAccess {
		actions = append(actions, "access-analyzer:CheckNoNewAccess")
	}
	return actions
}

func (o Options) hub() []Statement {
	statements := o.read()
	var actions []string
	if o.ListAccounts {
		actions = append(actions, "organizations:ListAccounts")
	}
	if o.Administrators {
		actions = append(actions, "organizations:DescribeOrganization", "organizations:ListDelegatedAdministrators")
	}
	if len(actions) > 0 {
		statements = append(statements, allow("ReadOrganization", actions...))
	}
	if o.OrganizationPolicies {
		statements = append(statements, allow("ReadOrganizationPolicies", "organizations:ListPolicies", "organizations:DescribePolicy"))
		if !o.AccountPolicies {
			statements = append(statements, allow("ValidatePolicies", "access-analyzer:ValidatePolicy"))
		}
	}
	if o.OUNames {
		statements = append(statements, allow("ReadOUNames", "organizations:DescribeOrganizationalUnit"))
	}
	if o.AccountTags {
		statements = append(statements, allow("ReadAccountTags", "organizations:ListTagsForResource"))
	}
	if o.Queue != "" {
		read := allow("ReadEvents", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
		read.Resource = []string{o.Queue}
		statements = append(statements, read)
	}
	return append(statements, o.assume()...)
}

// assume returns the statements for assuming roles.
func (o Options) assume() []Statement {
	var statements []Statement
	roles := slices.Clone(o.Roles)
	if o.MemberRole != "" {
		roles = append(roles, o.MemberRole)
		members := allow("AssumeMemberRoles", "sts:AssumeRole")
		members.Resource = []string{o.MemberRole}
		if o.OrganizationID != "" {
			// The ARN matches every AWS account.
			members.Condition = map[string]map[string]string{"StringEquals": {"aws:ResourceOrgID": o.OrganizationID}}
		}
		statements = append(statements, members)
	}
	if len(o.Roles) > 0 {
		others := allow("AssumeOtherRoles", "sts:AssumeRole")
		others.Resource = o.Roles
		statements = append(statements, others)
	}
	if len(roles) > 0 && o.SessionTags {
		tag := allow("TagSessions", "sts:TagSession")
		tag.Resource = roles
		statements = append(statements, tag)
	}
	return statements
}

func (o Options) member() []Statement {
	statements := o.read()
	if o.OtherOrganizations {
		statements = append(statements, allow("ReadOrganization", "organizations:DescribeOrganization"))
	}
	return statements
}

func (o Options) trust() []Statement {
	conditions := map[string]string{}
	if o.OrganizationID != "" {
		conditions["aws:PrincipalOrgID"] = o.OrganizationID
	}
	tags := o.allowHub("AllowSessionTags", "sts:TagSession", conditions)
	if o.ExternalID != "" {
		conditions["sts:ExternalId"] = o.ExternalID
	}
	assume := o.allowHub("AllowExporterToAssumeRole", "sts:AssumeRole", conditions)
	if o.SessionTags {
		// A separate statement: AWS does not document that sts:ExternalId is set
		// for sts:TagSession.
		return []Statement{assume, tags}
	}
	return []Statement{assume}
}

func (o Options) allowHub(sid, action string, conditions map[string]string) Statement {
	s := Statement{
		Sid: sid, Effect: "Allow", Action: []string{action},
		Principal: map[string]string{"AWS": cmp.Or(o.Principal, PrincipalPlaceholder)},
	}
	if len(conditions) > 0 {
		s.Condition = map[string]map[string]string{"StringEquals": maps.Clone(conditions)}
	}
	return s
}
