package world

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Policy is an inline policy of a user, a group or a role.
type Policy struct {
	Name string
	// Document is JSON as it was written, white space included.
	Document string
}

// ManagedPolicy is a managed policy of IAM.
type ManagedPolicy struct {
	Name string
	// Path begins and ends with a slash; empty is "/".
	Path string
	// Versions are the documents of the versions, v1 first.
	Versions []string
	// Default is the number of the default version; 0 is the newest.
	Default int
}

// DefaultVersion is the number of the version that is in effect; 0 if there is
// none.
func (p *ManagedPolicy) DefaultVersion() int {
	if p.Default > 0 {
		return p.Default
	}
	return len(p.Versions)
}

// maxVersions is how many versions a managed policy can have.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
const maxVersions = 5

// AddVersion makes a document the default version. The oldest of too many versions
// is deleted; the others keep their numbers at AWS, but not here.
func (p *ManagedPolicy) AddVersion(document string) {
	versions := append(slices.Clone(p.Versions), document)
	p.Versions = versions[max(0, len(versions)-maxVersions):]
	p.Default = 0
}

// ARN is the ARN of the policy in an account; "aws" is the account of AWS.
func (p *ManagedPolicy) ARN(accountID string) string {
	return IAMARN(accountID, "policy", p.Path, p.Name)
}

// IAMARN is the ARN of a user, group, role or policy.
func IAMARN(accountID, kind, path, name string) string {
	return "arn:aws:iam::" + accountID + ":" + kind + IAMPath(path) + name
}

// IAMPath is a path of IAM, with its default.
func IAMPath(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// User is an IAM user.
type User struct {
	Name, Path string
	Inline     []Policy
	// Attached are the ARNs of managed policies.
	Attached []string
	// Groups are the names of groups of the account.
	Groups []string
}

// Group is an IAM group.
type Group struct {
	Name, Path string
	Inline     []Policy
	// Attached are the ARNs of managed policies.
	Attached []string
}

// TrustPolicy is the document of the role's trust policy: r.Trust, else one
// that allows r.Trusts to assume the role. A role without either is for a service.
func (r *Role) TrustPolicy() string {
	if r.Trust != "" {
		return r.Trust
	}
	if len(r.Trusts) == 0 {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	}
	principals := []string{}
	for _, p := range r.Trusts {
		if p != "*" && !strings.HasPrefix(p, "arn:") {
			p = "arn:aws:iam::" + p + ":root"
		}
		principals = append(principals, p)
	}
	statement := map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": principals}, "Action": "sts:AssumeRole"}
	if r.ExternalID != "" {
		statement["Condition"] = map[string]any{"StringEquals": map[string]string{"sts:ExternalId": r.ExternalID}}
	}
	b, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{statement}})
	if err != nil {
		panic(err) // maps of strings can be encoded
	}
	return string(b)
}

// IsServiceLinked reports whether the role is a service-linked role.
func (r *Role) IsServiceLinked() bool { return strings.HasPrefix(r.Path, "/aws-service-role/") }

// PolicyDocument is the document of a policy that belongs to an account.
type PolicyDocument struct {
	// Kind is managed, inline or trust.
	Kind string
	// Owner is the ARN of the managed policy, or of the user, group or role.
	Owner    string
	Name     string
	Document string
}

// PolicyDocuments are the policies that belong to the account: the default versions
// of its managed policies, inline policies, and trust policies. Service-linked
// roles belong to AWS.
func (a *Account) PolicyDocuments() (all []PolicyDocument) {
	inline := func(owner string, policies []Policy) {
		for _, p := range policies {
			all = append(all, PolicyDocument{"inline", owner, p.Name, p.Document})
		}
	}
	for _, p := range a.Policies {
		all = append(all, PolicyDocument{"managed", p.ARN(a.ID), p.Name, p.Versions[p.DefaultVersion()-1]})
	}
	for _, u := range a.Users {
		inline(IAMARN(a.ID, "user", u.Path, u.Name), u.Inline)
	}
	for _, g := range a.Groups {
		inline(IAMARN(a.ID, "group", g.Path, g.Name), g.Inline)
	}
	for _, r := range a.Roles {
		if r.IsServiceLinked() {
			continue
		}
		arn := IAMARN(a.ID, "role", r.Path, r.Name)
		all = append(all, PolicyDocument{"trust", arn, r.Name, r.TrustPolicy()})
		inline(arn, r.Inline)
	}
	return all
}

// Attachments is how many users, groups and roles of the account a managed policy
// is attached to.
func (a *Account) Attachments(arn string) (n int) {
	count := func(arns []string) {
		if slices.Contains(arns, arn) {
			n++
		}
	}
	for _, u := range a.Users {
		count(u.Attached)
	}
	for _, g := range a.Groups {
		count(g.Attached)
	}
	for _, r := range a.Roles {
		count(r.Attached)
	}
	return n
}

// AWSManagedPolicies are some of the managed policies of AWS, shortened. An account
// lists those that are attached in it.
// https://docs.aws.amazon.com/aws-managed-policy/latest/reference/policy-list.html
var AWSManagedPolicies = []*ManagedPolicy{
	{Name: "AdministratorAccess", Versions: []string{allowAll("*")}},
	{Name: "ViewOnlyAccess", Path: "/job-function/", Versions: []string{allowAll("iam:List*"), allowAll("iam:List*", "s3:ListAllMyBuckets")}},
	{Name: "AccessAnalyzerServiceRolePolicy", Path: "/aws-service-role/", Versions: []string{allowAll("iam:GetRole", "iam:ListRoles", "kms:GetKeyPolicy")}},
}

func allowAll(actions ...string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["%s"],"Resource":"*"}]}`, strings.Join(actions, `","`))
}

// The types of an organization's policies that are simulated.
const (
	ServiceControlPolicy  = "SERVICE_CONTROL_POLICY"
	ResourceControlPolicy = "RESOURCE_CONTROL_POLICY"
)

// OrganizationPolicy is a policy of an organization.
type OrganizationPolicy struct {
	// ID is p- and 8 to 128 letters, digits or underscores.
	ID, Name, Description string
	// Type is ServiceControlPolicy or ResourceControlPolicy.
	Type string
	// AWSManaged policies are those of AWS.
	AWSManaged bool
	Document   string
}

// ARN is the ARN of the policy.
func (p *OrganizationPolicy) ARN(o *Organization) string {
	kind := strings.ToLower(p.Type)
	if p.AWSManaged {
		return "arn:aws:organizations::aws:policy/" + kind + "/" + p.ID
	}
	return "arn:aws:organizations::" + o.ManagementID + ":policy/" + o.ID + "/" + kind + "/" + p.ID
}

// fullAccess are the policies of AWS that every organization has.
var fullAccess = []*OrganizationPolicy{
	{
		ID: "p-FullAWSAccess", Name: "FullAWSAccess", Type: ServiceControlPolicy, AWSManaged: true, Description: "Allows access to every operation",
		Document: "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}",
	},
	{
		ID: "p-RCPFullAWSAccess", Name: "RCPFullAWSAccess", Type: ResourceControlPolicy, AWSManaged: true, Description: "Allows access to every resource",
		Document: "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Principal\": \"*\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}",
	},
}

// PoliciesOfType returns the policies of a type, those of AWS first.
func (o *Organization) PoliciesOfType(kind string) []*OrganizationPolicy {
	return slices.DeleteFunc(slices.Concat(fullAccess, o.Policies), func(p *OrganizationPolicy) bool { return p.Type != kind })
}

// Policy returns the policy with an ID, or nil.
func (o *Organization) Policy(id string) *OrganizationPolicy {
	for _, p := range slices.Concat(fullAccess, o.Policies) {
		if p.ID == id {
			return p
		}
	}
	return nil
}
