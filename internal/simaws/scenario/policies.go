package scenario

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// policyFile is a policy of IAM in each of the accounts, or one of the organization.
type policyFile struct {
	Account  texts  `yaml:"account"`
	Role     text   `yaml:"role"`
	User     text   `yaml:"user"`
	Group    text   `yaml:"group"`
	Path     string `yaml:"path"`
	Trust    text   `yaml:"trust"`
	Groups   texts  `yaml:"groups"`
	Attach   texts  `yaml:"attach"`
	Name     text   `yaml:"name"`
	Document text   `yaml:"document"`
	Type     text   `yaml:"type"`
	ID       text   `yaml:"id"`
}

// documentFile is a policy document in JSON.
type documentFile struct {
	value string
	line  int
}

// UnmarshalYAML accepts a mapping, or text as it is.
func (d *documentFile) UnmarshalYAML(n *yaml.Node) error {
	d.value, d.line = n.Value, n.Line
	if n.Kind == yaml.ScalarNode {
		return nil
	}
	var value map[string]any
	if err := n.Decode(&value); err != nil {
		return fmt.Errorf("line %d: a policy document is a mapping or text", n.Line)
	}
	b, err := json.MarshalIndent(value, "", "    ")
	if err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	d.value = string(b)
	return nil
}

// line is that of the entry, as near as it is known.
func (f *policyFile) line() int {
	return cmp.Or(f.Account.line(), f.Name.line, f.Role.line, f.User.line, f.Group.line, f.ID.line, f.Type.line)
}

var organizationPolicyID = regexp.MustCompile(`^p-[0-9a-zA-Z_]{8,128}$`)

// policy returns the change that adds or replaces a policy.
func (b *builder) policy(f *policyFile) change {
	if f.Type.value != "" {
		return b.organizationPolicy(f)
	}
	if f.Account == nil {
		b.errorf(f.line(), "a policy needs an account, or a type if it is one of the organization")
	}
	owners := 0
	for _, name := range []text{f.Role, f.User, f.Group} {
		if name.value != "" {
			owners++
		}
	}
	switch {
	case owners > 1:
		b.errorf(f.line(), "a policy is one of a role, a user or a group")
	case owners == 0 && f.Document.value == "":
		b.errorf(f.line(), "a policy needs a document")
	case (f.Name.value == "") != (f.Document.value == ""):
		b.errorf(f.line(), "a policy has a name and a document")
	case f.Trust.value != "" && f.Role.value == "":
		b.errorf(f.line(), "only a role has a trust policy")
	}
	document, trust := b.document(f.Document), b.document(f.Trust)
	ids := b.accountIDs(f.Account)
	return func(w *world.World, _ time.Time) {
		for _, id := range ids {
			if a := w.Account(id); a != nil {
				ofAccount := strings.NewReplacer("{account}", id)
				f.apply(a, ofAccount.Replace(document), ofAccount.Replace(trust))
			}
		}
	}
}

// document returns the named document; empty if there is no name.
func (b *builder) document(name text) string {
	d, ok := b.documents[name.value]
	if name.value != "" && !ok {
		b.errorf(name.line, "there is no document %q", name.value)
	}
	return d.value
}

func (f *policyFile) apply(a *world.Account, document, trust string) {
	var attached []string
	for _, name := range f.Attach.values() {
		attached = append(attached, policyARN(a, name))
	}
	switch {
	case f.Role.value != "":
		r := a.Role(f.Role.value)
		if r == nil {
			r = &world.Role{Name: f.Role.value, Path: f.Path}
			a.Roles = append(a.Roles, r)
		}
		r.Trust, r.Attached = cmp.Or(trust, r.Trust), union(r.Attached, attached)
		r.Inline = withPolicy(r.Inline, f.Name.value, document)
	case f.User.value != "":
		u := named(&a.Users, func(u *world.User) bool { return u.Name == f.User.value }, &world.User{Name: f.User.value, Path: f.Path})
		u.Groups, u.Attached = union(u.Groups, f.Groups.values()), union(u.Attached, attached)
		u.Inline = withPolicy(u.Inline, f.Name.value, document)
	case f.Group.value != "":
		g := named(&a.Groups, func(g *world.Group) bool { return g.Name == f.Group.value }, &world.Group{Name: f.Group.value, Path: f.Path})
		g.Attached = union(g.Attached, attached)
		g.Inline = withPolicy(g.Inline, f.Name.value, document)
	default:
		p := named(&a.Policies, func(p *world.ManagedPolicy) bool { return p.Name == f.Name.value }, &world.ManagedPolicy{Name: f.Name.value, Path: f.Path})
		p.AddVersion(document)
	}
}

// named returns the item that matches, which it adds if there is none.
func named[T any](items *[]*T, matches func(*T) bool, item *T) *T {
	if i := slices.IndexFunc(*items, matches); i >= 0 {
		return (*items)[i]
	}
	*items = append(*items, item)
	return item
}

// union returns the names and those that they do not have yet.
func union(names, more []string) []string {
	for _, name := range more {
		if !slices.Contains(names, name) {
			names = append(slices.Clone(names), name)
		}
	}
	return names
}

// withPolicy returns inline policies of which one is added or replaced.
func withPolicy(policies []world.Policy, name, document string) []world.Policy {
	if name == "" {
		return policies
	}
	others := slices.DeleteFunc(slices.Clone(policies), func(p world.Policy) bool { return p.Name == name })
	return append(others, world.Policy{Name: name, Document: document})
}

// policyARN is the ARN of a managed policy of AWS or of the account.
func policyARN(a *world.Account, name string) string {
	for _, p := range world.AWSManagedPolicies {
		if p.Name == name {
			return p.ARN("aws")
		}
	}
	for _, p := range a.Policies {
		if p.Name == name {
			return p.ARN(a.ID)
		}
	}
	return (&world.ManagedPolicy{Name: name}).ARN(a.ID)
}

func (b *builder) organizationPolicy(f *policyFile) change {
	p := &world.OrganizationPolicy{
		ID: f.ID.value, Name: f.Name.value, Document: b.document(f.Document),
		Type: b.oneOf(f.Type, "", "policy type", []string{world.ServiceControlPolicy, world.ResourceControlPolicy}),
	}
	switch {
	case b.world.Organization == nil:
		b.errorf(f.line(), "there is no organization that can have a policy")
	case !organizationPolicyID.MatchString(p.ID):
		b.errorf(f.line(), "policy ID %q must be p- and 8 to 128 letters, digits or underscores", p.ID)
	case p.Name == "" || p.Document == "":
		b.errorf(f.line(), "a policy of the organization needs a name and a document")
	}
	return func(w *world.World, _ time.Time) {
		others := slices.DeleteFunc(slices.Clone(w.Organization.Policies), func(o *world.OrganizationPolicy) bool { return o.ID == p.ID })
		w.Organization.Policies = append(others, p)
	}
}
