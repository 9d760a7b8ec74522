package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Reason is a statement because of which a check of access failed.
type Reason struct {
	Description    string `json:"description"`
	StatementIndex int    `json:"statementIndex"`
	StatementID    string `json:"statementId,omitempty"`
}

// errMalformed is the error of a policy document that has errors.
var errMalformed = errors.New("the policy document has errors")

// Grants returns the statements of a policy that allow some of the actions on some
// of the resources; no resources are all. Conditions count as fulfilled: the
// policy might allow the access. Statements that deny count if they have no
// condition.
func Grants(text, policyType string, actions, resources []string) ([]Reason, error) {
	d, err := checked(text, policyType)
	if err != nil {
		return nil, err
	}
	if len(actions) == 0 {
		actions = []string{"*"}
	}
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	var reasons []Reason
	for i := range d.statements {
		s := &d.statements[i]
		if s.allows() && d.grants(s, actions, resources) {
			reasons = append(reasons, s.reason("One or more of the listed actions or resources"))
		}
	}
	return reasons, nil
}

// NewAccess returns the statements of an updated policy that allow what the
// existing one does not.
func NewAccess(updated, existing, policyType string) ([]Reason, error) {
	d, err := checked(updated, policyType)
	if err != nil {
		return nil, err
	}
	before, err := checked(existing, policyType)
	if err != nil {
		return nil, err
	}
	var reasons []Reason
	for i := range d.statements {
		s := &d.statements[i]
		if s.allows() && (!before.allowsAll(s) || before.deniesMore(s, &d)) {
			reasons = append(reasons, s.reason("New access"))
		}
	}
	return reasons, nil
}

// checked parses a policy that has no errors.
func checked(text, policyType string) (document, error) {
	resourceType := ""
	d, _, err := parse(text)
	if err != nil {
		return d, errMalformed
	}
	if policyType == Resource && !slices.ContainsFunc(d.statements, func(s statement) bool { return s.has("Resource") || s.has("NotResource") }) {
		resourceType = AssumeRolePolicy
	}
	if slices.ContainsFunc(Validate(text, policyType, resourceType), func(f Finding) bool { return f.Type == Error && f.IssueCode != "INVALID_ACTION" }) {
		return d, errMalformed
	}
	return d, nil
}

func (s *statement) reason(what string) Reason {
	where := fmt.Sprintf("index: %d", s.index)
	if sid := s.text("Sid"); sid != "" {
		where = "sid: " + sid
	}
	return Reason{Description: what + " in the statement with " + where + ".", StatementIndex: s.index, StatementID: s.text("Sid")}
}

// grants reports whether a statement allows some of the access and no other
// statement denies all of that.
func (d *document) grants(s *statement, actions, resources []string) bool {
	for _, action := range s.overlap("Action", actions) {
		for _, resource := range s.overlap("Resource", resources) {
			if !slices.ContainsFunc(d.statements, func(o statement) bool { return o.denies(action, resource) }) {
				return true
			}
		}
	}
	return false
}

// values are the patterns of an element and whether they are those of its
// negation, without regard to case for actions. A trust policy has no resources:
// it is about its role.
func (s *statement) values(element string) (patterns []string, negated bool) {
	patterns, negated = s.list(element), s.has("Not"+element)
	if negated {
		patterns = s.list("Not" + element)
	}
	if element == "Action" {
		for i := range patterns {
			patterns[i] = strings.ToLower(patterns[i])
		}
	} else if !negated && !s.has(element) {
		patterns = []string{"*"}
	}
	return patterns, negated
}

// overlap returns what a statement has in common with the patterns, as the narrower
// of both.
func (s *statement) overlap(element string, wanted []string) (common []string) {
	patterns, negated := s.values(element)
	for _, w := range wanted {
		if element == "Action" {
			w = strings.ToLower(w)
		}
		if negated {
			if !anyCovers(patterns, w) {
				common = append(common, w)
			}
			continue
		}
		for _, p := range patterns {
			if covers(p, w) {
				common = append(common, w)
			} else if overlaps(p, w) {
				common = append(common, p)
			}
		}
	}
	return common
}

// includes reports whether the values of an element cover all of a pattern.
func (s *statement) includes(element, pattern string) bool {
	patterns, negated := s.values(element)
	if !negated {
		return anyCovers(patterns, pattern)
	}
	return !slices.ContainsFunc(patterns, func(p string) bool { return overlaps(p, pattern) })
}

func (s *statement) denies(action, resource string) bool {
	return s.text("Effect") == "Deny" && !s.has("Condition") && s.includes("Action", action) && s.includes("Resource", resource)
}

// allowsAll reports whether one statement of the policy allows all that a
// statement of another policy does.
func (d *document) allowsAll(s *statement) bool {
	return slices.ContainsFunc(d.statements, func(o statement) bool {
		if o.body() == s.body() {
			return true
		}
		return o.allows() && o.includesAll("Action", s) && o.includesAll("Resource", s) && o.hasPrincipals(s) &&
			(!o.has("Condition") || sameValue(o.members["Condition"], s.members["Condition"]))
	})
}

// includesAll reports whether an element covers that of another statement.
func (s *statement) includesAll(element string, other *statement) bool {
	patterns, negated := other.values(element)
	if negated {
		own, ownNegated := s.values(element)
		return anyCovers(own, "*") && !ownNegated || ownNegated && !slices.ContainsFunc(own, func(p string) bool { return !anyCovers(patterns, p) })
	}
	return !slices.ContainsFunc(patterns, func(p string) bool { return !s.includes(element, p) })
}

// hasPrincipals reports whether the statement is about the principals of another
// one.
func (s *statement) hasPrincipals(other *statement) bool {
	if s.members["Principal"] == "*" || sameValue(s.members["Principal"], other.members["Principal"]) && !s.has("NotPrincipal") && !other.has("NotPrincipal") {
		return true
	}
	own, _ := s.members["Principal"].(map[string]any)
	theirs, ok := other.members["Principal"].(map[string]any)
	if !ok {
		return false
	}
	for kind := range theirs {
		for _, p := range texts(theirs[kind]) {
			if !slices.Contains(texts(own[kind]), p) && !slices.Contains(texts(own[kind]), "*") {
				return false
			}
		}
	}
	return true
}

// deniesMore reports whether the policy denies some of what a statement allows and
// the updated policy does not.
func (d *document) deniesMore(s *statement, updated *document) bool {
	return slices.ContainsFunc(d.statements, func(o statement) bool {
		if o.text("Effect") != "Deny" || slices.ContainsFunc(updated.statements, func(u statement) bool { return u.body() == o.body() }) {
			return false
		}
		actions, _ := s.values("Action")
		return s.has("NotAction") || len(o.overlap("Action", actions)) > 0
	})
}

func sameValue(a, b any) bool {
	x, y := statement{members: map[string]any{"": a}}, statement{members: map[string]any{"": b}}
	return x.body() == y.body()
}
