package world

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// PolicyMix is how many policies AddPolicies adds.
type PolicyMix struct {
	// PerAccount is how many policies belong to each account, beside the trust
	// policies of the roles that it has.
	PerAccount int
	// Alike is the share of documents that accounts have in common, from 0 to 1.
	Alike float64
}

// identityStatements are statements of identity policies, of which about half have
// findings. %d makes them differ.
var identityStatements = []string{
	`{"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::data-%d/*"}`,
	`{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "arn:aws:dynamodb:*:*:table/items+%d"}`,
	`{"Effect": "Deny", "NotAction": "iam:*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "false"}, "StringEquals": {"aws:PrincipalTag/n": "%d"}}}`,
	`{"Effect": "Allow", "Action": ["iam:PassRole"], "Resource": "*", "Condition": {"StringLike": {"aws:PrincipalTag/n": "%d%%20ä"}}}`,
	`{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:PrincipalTag/n": "%d"}}}`,
	`{"Sid": "", "Effect": "Allow", "Action": ["s3:Get*", "s3:GetObject"], "Resource": "arn:aws:s3:::data-%d"}`,
	`{"Effect": "Allow", "Action": ["s3:ListBuckets", "ec2:ListInstances"], "Resource": "arn:aws:s3:::%d"}`,
	`{"Effect": "Allow", "Action": [], "Resource": ["arn:aws:s3:::%d"]}`,
}

var trustStatements = []string{
	`{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::%012d:root"}, "Action": "sts:AssumeRole"}`,
	`{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole", "Condition": {"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-%d"}}}`,
	`{"Effect": "Allow", "Principal": {"AWS": []}, "Action": ["sts:AssumeRole", "sts:TagSession"], "Condition": {"StringEquals": {"sts:ExternalId": "%d"}}}`,
}

// RandomDocument returns a policy document with random content, which is the same
// for the same number. A trust policy is one of a role.
func RandomDocument(n uint64, trust bool) string {
	r := rand.New(rand.NewPCG(n, 1))
	kinds := identityStatements
	if trust {
		kinds = trustStatements
	}
	var statements []string
	for range 1 + r.IntN(3) {
		statements = append(statements, fmt.Sprintf(kinds[r.IntN(len(kinds))], n%1_000_000))
	}
	version := `"Version": "2012-10-17", `
	if r.IntN(4) == 0 {
		version = ""
	}
	separator := ", "
	if r.IntN(2) == 0 {
		separator = ",\n    "
	}
	return "{" + version + `"Statement": [` + strings.Join(statements, separator) + "]}"
}

// alikeDocuments is how many documents accounts have in common, of each type.
const alikeDocuments = 50

// document draws a document.
func (m PolicyMix) document(r *rand.Rand, trust bool) string {
	n := r.Uint64()
	if r.Float64() < m.Alike {
		n = r.Uint64N(alikeDocuments)
	}
	return RandomDocument(n, trust)
}

// AddPolicies adds policies of each kind to the accounts, and policies of AWS.
func AddPolicies(r *rand.Rand, accounts []*Account, mix PolicyMix) {
	for _, a := range accounts {
		for i := range mix.PerAccount {
			mix.add(r, a, fmt.Sprintf("p%d", i))
		}
		a.Roles = append(a.Roles, &Role{
			Name: "AWSServiceRoleForAccessAnalyzer", Path: "/aws-service-role/access-analyzer.amazonaws.com/", Trust: RandomDocument(r.Uint64(), true),
			Attached: []string{AWSManagedPolicies[2].ARN("aws")},
		})
	}
}

func (m PolicyMix) add(r *rand.Rand, a *Account, name string) {
	inline := []Policy{{Name: name, Document: m.document(r, false)}}
	attached := []string{AWSManagedPolicies[r.IntN(len(AWSManagedPolicies))].ARN("aws")}
	switch r.IntN(6) {
	case 0:
		a.Users = append(a.Users, &User{Name: name, Inline: inline, Attached: attached})
	case 1:
		a.Groups = append(a.Groups, &Group{Name: name, Path: "/teams/", Inline: inline, Attached: attached})
	case 2:
		// A further policy of a role that was added. Other roles may be those of
		// several accounts.
		if last := a.lastRole(); last != nil && last.Trust != "" && !last.IsServiceLinked() {
			last.Inline = append(last.Inline, inline...)
			return
		}
		fallthrough
	case 3:
		a.Roles = append(a.Roles, &Role{Name: name, Trust: m.document(r, true), Attached: attached})
	default:
		p := &ManagedPolicy{Name: name, Path: "/teams/"}
		for range 1 + r.IntN(3) {
			p.Versions = append(p.Versions, m.document(r, false))
		}
		p.Default = r.IntN(len(p.Versions) + 1)
		a.Policies = append(a.Policies, p)
	}
}

func (a *Account) lastRole() *Role {
	if len(a.Roles) == 0 {
		return nil
	}
	return a.Roles[len(a.Roles)-1]
}

// ChangePolicy gives a policy of the account another document. It returns false if
// the account has none.
func (m PolicyMix) ChangePolicy(r *rand.Rand, a *Account) bool {
	var changes []func()
	for _, p := range a.Policies {
		changes = append(changes, func() { p.AddVersion(m.document(r, false)) })
	}
	inline := func(policies []Policy) {
		for i := range policies {
			changes = append(changes, func() { policies[i].Document = m.document(r, false) })
		}
	}
	for _, u := range a.Users {
		inline(u.Inline)
	}
	for _, g := range a.Groups {
		inline(g.Inline)
	}
	for _, role := range a.Roles {
		if role.Trust != "" && !role.IsServiceLinked() {
			changes = append(changes, func() { role.Trust = m.document(r, true) })
		}
		inline(role.Inline)
	}
	if len(changes) == 0 {
		return false
	}
	changes[r.IntN(len(changes))]()
	return true
}
