// Package iampolicy writes the IAM policies that a configuration of the
// exporter needs: the least that lets it read everything it asks for.
//
// What authorises which operation is AWS' table:
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsiamaccessanalyzer.html
// GetCallerIdentity needs no permission, and GetRegionOptStatus is called only
// where ListRegions is refused.
package iampolicy

import (
	"cmp"
	"maps"
	"slices"
)

// Options say what a configuration makes the exporter do.
type Options struct {
	// ListAccounts: the accounts of the hub's organization are listed.
	ListAccounts bool
	// Administrators: the hub is asked who may hold organization analyzers.
	Administrators bool
	// Strangers: accounts are entered that may be in another organization, and
	// are asked in which.
	Strangers bool
	// Roles are the ARNs of the roles to assume, with "*" for any account;
	// empty when no account but the hub is entered.
	Roles []string
	// Findings are counted.
	Findings bool
	// Queue is the ARN of the queue that events are read from; empty for none.
	Queue string

	// Principal is the ARN by which member roles trust the exporter; empty for
	// PrincipalPlaceholder.
	Principal string
	// OrganizationID is the exporter's organization, outside of which nobody is
	// trusted; empty for no such condition.
	OrganizationID string
	// ExternalID goes with every AssumeRole; empty for none.
	ExternalID string
	// SessionTags come with the exporter's credentials and are handed on to
	// the roles that it assumes, as those of EKS Pod Identity are.
	// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-abac.html
	SessionTags bool
}

// The placeholders are what stands in place of what is not known. IAM refuses
// the first for an ARN, and nobody is in the organization of the second.
const (
	PrincipalPlaceholder      = "the ARN of the role that the exporter runs as (--hub-principal)"
	OrganizationIDPlaceholder = "the ID of the organization (--organization-id)"
)

// Policies are a policy document each.
type Policies struct {
	// Hub is for the principal that the exporter runs as.
	Hub *Document `json:"hub"`
	// Member is for the role in every other account, Trust its trust policy;
	// nil when no other account is entered.
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
	Sid       string
	Effect    string
	Principal map[string]string `json:",omitempty"`
	Action    []string
	Resource  []string                     `json:",omitempty"`
	Condition map[string]map[string]string `json:",omitempty"`
}

// For returns the policies for what the options say.
func For(o Options) Policies {
	p := Policies{Hub: document(o.hub()...)}
	if len(o.Roles) > 0 {
		p.Member, p.Trust = document(o.member()...), document(o.trust()...)
	}
	return p
}

func document(statements ...Statement) *Document {
	return &Document{Version: "2012-10-17", Statement: statements}
}

// allow grants actions on all resources: most of them know no other, and the
// only analyzers that an identity can read are those of its own account.
func allow(sid string, actions ...string) Statement {
	slices.Sort(actions)
	return Statement{Sid: sid, Effect: "Allow", Action: actions, Resource: []string{"*"}}
}

// read is what reading an account takes.
func (o Options) read() []Statement {
	actions := []string{"access-analyzer:ListAnalyzers", "access-analyzer:GetAnalyzer", "access-analyzer:ListArchiveRules"}
	if o.Findings {
		actions = append(actions, "access-analyzer:ListFindings", "access-analyzer:GetFindingsStatistics")
	}
	return []Statement{allow("ReadAnalyzers", actions...), allow("ListRegions", "account:ListRegions")}
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
	if o.Queue != "" {
		read := allow("ReadEvents", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility")
		read.Resource = []string{o.Queue}
		statements = append(statements, read)
	}
	if len(o.Roles) > 0 {
		enter := allow("EnterAccounts", "sts:AssumeRole")
		enter.Resource = o.Roles
		if o.SessionTags {
			enter.Action = append(enter.Action, "sts:TagSession")
		}
		statements = append(statements, enter)
	}
	return statements
}

func (o Options) member() []Statement {
	statements := o.read()
	if o.Strangers {
		statements = append(statements, allow("ReadOrganization", "organizations:DescribeOrganization"))
	}
	return statements
}

// trust lets one principal in.
func (o Options) trust() []Statement {
	conditions := map[string]string{}
	if o.OrganizationID != "" {
		conditions["aws:PrincipalOrgID"] = o.OrganizationID
	}
	tags := o.letIn("HandOnSessionTags", "sts:TagSession", conditions)
	if o.ExternalID != "" {
		conditions["sts:ExternalId"] = o.ExternalID
	}
	enter := o.letIn("LetExporterIn", "sts:AssumeRole", conditions)
	if o.SessionTags {
		// Tags have a statement of their own: AWS does not say that the external
		// ID is known where they are judged.
		return []Statement{enter, tags}
	}
	return []Statement{enter}
}

func (o Options) letIn(sid, action string, conditions map[string]string) Statement {
	s := Statement{
		Sid: sid, Effect: "Allow", Action: []string{action},
		Principal: map[string]string{"AWS": cmp.Or(o.Principal, PrincipalPlaceholder)},
	}
	if len(conditions) > 0 {
		s.Condition = map[string]map[string]string{"StringEquals": maps.Clone(conditions)}
	}
	return s
}
