package world

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Finding is a finding of an analyzer.
type Finding struct {
	// ID is a UUID, unique within the analyzer.
	ID string
	// Type is one of the [FindingTypes] of the analyzer.
	Type string
	// Status is one of [FindingStatuses].
	Status string
	// Resource is an ARN, Owner the ID of the account that owns it.
	Resource, ResourceType, Owner string
	// Public applies to external access only, and not to error findings.
	Public bool
	// Error is the reason why the resource was not analyzed: ACCESS_DENIED,
	// INTERNAL_ERROR … Empty if it was.
	Error string
	// Access is nil for unused access and for error findings. Findings may
	// share one.
	Access                           *Access
	CreatedAt, UpdatedAt, AnalyzedAt time.Time
}

// Access is the access that a finding reports.
type Access struct {
	// Principal has the key AWS or Federated.
	Principal map[string]string
	Action    []string
	// Condition holds the values of the policy's conditions, by condition key.
	Condition map[string]string
	// ResourceControlPolicyRestriction is an enumeration of the API; empty is
	// NOT_APPLICABLE.
	ResourceControlPolicyRestriction string
}

// FindingStatuses lists the values of Finding.Status.
var FindingStatuses = []string{"ACTIVE", "ARCHIVED", "RESOLVED"}

// FindingTypes lists the values of Finding.Type by the kind of analyzer.
var FindingTypes = map[AccessType][]string{
	ExternalAccessType: {"ExternalAccess"},
	UnusedAccessType:   {"UnusedPermission", "UnusedIAMRole", "UnusedIAMUserAccessKey", "UnusedIAMUserPassword"},
	InternalAccessType: {"InternalAccess"},
}

// Restriction is the resourceControlPolicyRestriction of the API; empty for
// findings without access.
func (f *Finding) Restriction() string {
	if f.Access == nil {
		return ""
	}
	return cmp.Or(f.Access.ResourceControlPolicyRestriction, "NOT_APPLICABLE")
}

// Filter selects the findings that match all of its criteria, by filter key.
type Filter map[string]Criterion

// Criterion is the condition on one filter key. All of its operators must
// match; an operator matches if one of its values does.
type Criterion struct {
	Eq       []string `json:"eq,omitempty" yaml:"eq"`
	Neq      []string `json:"neq,omitempty" yaml:"neq"`
	Contains []string `json:"contains,omitempty" yaml:"contains"`
	Exists   *bool    `json:"exists,omitempty" yaml:"exists"`
}

// maxCriterionValues is the limit in the model of the API.
const maxCriterionValues = 20

// filterKeys maps each filter key to the access types that support it.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-filter-keys.html
var filterKeys = map[string]string{
	"id": "EIU", "status": "EIU", "findingType": "EIU", "resource": "EIU", "resourceType": "EIU", "resourceOwnerAccount": "EIU",
	"error": "EI", "isPublic": "E", "resourceControlPolicyRestriction": "EI", "serviceControlPolicyRestriction": "I",
	"principal.AWS": "E", "principal.Federated": "E",
	"condition.aws:PrincipalArn": "E", "condition.aws:PrincipalOrgID": "E", "condition.aws:PrincipalOrgPaths": "E",
	"condition.aws:SourceIp": "E", "condition.aws:SourceVpc": "E", "condition.aws:UserId": "E",
	"condition.aws:VpceAccount": "EI", "condition.aws:VpceOrgID": "EI", "condition.aws:VpceOrgPaths": "EI",
	"condition.cognito-identity.amazonaws.com:aud": "E", "condition.graph.facebook.com:app_id": "E",
	"condition.accounts.google.com:aud": "E", "condition.www.amazon.com:app_id": "E", "condition.kms:CallerAccount": "E",
}

// Validate returns an error for a key that analyzers of this access type do not
// support, and for more values than the API accepts.
func (filter Filter) Validate(access AccessType) error {
	for key, c := range filter {
		if strings.IndexByte(filterKeys[key], byte(access)) < 0 {
			return fmt.Errorf("filter key %s is not supported for this analyzer", key)
		}
		for _, values := range [][]string{c.Eq, c.Neq, c.Contains} {
			if values != nil && (len(values) < 1 || len(values) > maxCriterionValues) {
				return fmt.Errorf("filter key %s must have 1 to %d values, got %d", key, maxCriterionValues, len(values))
			}
		}
	}
	return nil
}

// Matches reports whether a finding matches all criteria.
func (filter Filter) Matches(f *Finding) bool {
	for key, c := range filter {
		value, ok := f.filterValue(key)
		if c.Eq != nil && !(ok && slices.Contains(c.Eq, value)) ||
			c.Neq != nil && ok && slices.Contains(c.Neq, value) ||
			c.Contains != nil && !(ok && slices.ContainsFunc(c.Contains, func(s string) bool { return strings.Contains(value, s) })) ||
			c.Exists != nil && *c.Exists != ok {
			return false
		}
	}
	return true
}

// filterValue is the value of a filter key; ok is false if the finding has
// none.
func (f *Finding) filterValue(key string) (value string, ok bool) {
	switch key {
	case "id":
		return f.ID, true
	case "status":
		return f.Status, true
	case "findingType":
		return f.Type, true
	case "resource":
		return f.Resource, true
	case "resourceType":
		return f.ResourceType, true
	case "resourceOwnerAccount":
		return f.Owner, true
	case "error":
		return f.Error, f.Error != ""
	case "isPublic":
		return strconv.FormatBool(f.Public), f.Error == "" && f.Type == "ExternalAccess"
	case "resourceControlPolicyRestriction":
		return f.Restriction(), f.Restriction() != ""
	case "serviceControlPolicyRestriction":
		return "NOT_APPLICABLE", f.Error == "" && f.Type == "InternalAccess"
	}
	if f.Access == nil {
		return "", false
	}
	if name, isPrincipal := strings.CutPrefix(key, "principal."); isPrincipal {
		value, ok = f.Access.Principal[name]
	} else {
		value, ok = f.Access.Condition[strings.TrimPrefix(key, "condition.")]
	}
	return value, ok
}
