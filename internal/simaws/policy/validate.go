package policy

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The types of policy.
const (
	Identity        = "IDENTITY_POLICY"
	Resource        = "RESOURCE_POLICY"
	ServiceControl  = "SERVICE_CONTROL_POLICY"
	ResourceControl = "RESOURCE_CONTROL_POLICY"
)

// Types lists the types of policy that can be validated.
var Types = []string{Identity, Resource, ServiceControl, ResourceControl}

// AssumeRolePolicy is the resource type of a role's trust policy.
const AssumeRolePolicy = "AWS::IAM::AssumeRolePolicyDocument"

// ResourceTypes lists the resource types for which a resource policy can be
// validated.
var ResourceTypes = []string{
	"AWS::S3::Bucket", "AWS::S3::AccessPoint", "AWS::S3::MultiRegionAccessPoint", "AWS::S3ObjectLambda::AccessPoint", AssumeRolePolicy, "AWS::DynamoDB::Table",
}

// The types of finding.
const (
	Error           = "ERROR"
	SecurityWarning = "SECURITY_WARNING"
	Warning         = "WARNING"
	Suggestion      = "SUGGESTION"
)

// Finding is a finding in a policy.
type Finding struct {
	Details       string     `json:"findingDetails"`
	Type          string     `json:"findingType"`
	IssueCode     string     `json:"issueCode"`
	LearnMoreLink string     `json:"learnMoreLink"`
	Locations     []Location `json:"locations"`
}

// Location is a location in a policy.
type Location struct {
	Path []PathElement `json:"path"`
	Span Span          `json:"span"`
}

// PathElement is a key of an object or an index of a list.
type PathElement struct {
	Key   string `json:"key,omitempty"`
	Index *int   `json:"index,omitempty"`
}

// Span is a part of the document; the end is exclusive.
type Span struct {
	Start Position `json:"start"`
	End   Position `json:"end"`
}

// Position is a position in the document. Lines start from 1, columns from 0.
type Position struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Offset int `json:"offset"`
}

// linkPage has a section for each issue.
const linkPage = "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-"

// validation collects the findings of a policy.
type validation struct {
	document
	policyType, resourceType string
	findings                 []Finding
}

// Validate returns the findings of a policy, in the order of the document. The
// resource type is that of a resource policy, or empty.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html
func Validate(text, policyType, resourceType string) []Finding {
	d, offset, err := parse(text)
	v := &validation{document: d, policyType: policyType, resourceType: resourceType, findings: []Finding{}}
	if err != nil {
		v.text = text
		at := position(text, offset)
		v.add(Error, "JSON_SYNTAX_ERROR", nil, "Fix the JSON syntax error at index %d line %d column %d.", at.Offset, at.Line, at.Column)
		return v.findings
	}
	v.policy()
	for i := range v.statements {
		s := &v.statements[i]
		if s.members == nil {
			v.add(Error, "DATA_TYPE_MISMATCH", s.path(), "The text does not match the expected JSON data type object.")
			continue
		}
		v.elements(s)
		v.principal(s)
		v.empty(s)
		v.actions(s)
		v.redundant(s)
		v.passRole(s)
		v.serviceLinkedRole(s)
		v.condition(s)
	}
	v.duplicates()
	return v.findings
}

func (v *validation) add(kind, code string, path []PathElement, format string, args ...any) {
	section := map[string]string{Error: "error", SecurityWarning: "security-warning", Warning: "general-warning", Suggestion: "suggestion"}[kind]
	start, end := locate(v.text, path)
	if path == nil {
		path = []PathElement{}
	}
	v.findings = append(v.findings, Finding{
		Details: fmt.Sprintf(format, args...), Type: kind, IssueCode: code,
		LearnMoreLink: linkPage + section + "-" + strings.ReplaceAll(strings.ToLower(code), "_", "-"),
		Locations:     []Location{{path, Span{position(v.text, start), position(v.text, end)}}},
	})
}

func position(text string, offset int) Position {
	before := text[:min(offset, len(text))]
	return Position{Line: 1 + strings.Count(before, "\n"), Column: len(before) - 1 - strings.LastIndexByte(before, '\n'), Offset: offset}
}

func key(name string) PathElement { return PathElement{Key: name} }

// policy checks the elements outside of statements.
func (v *validation) policy() {
	if v.members == nil {
		v.add(Error, "DATA_TYPE_MISMATCH", nil, "The text does not match the expected JSON data type object.")
		return
	}
	v.unknown(nil, v.members, "Version", "Id", "Statement")
	switch version := v.members["Version"]; version {
	case nil:
		v.add(Warning, "MISSING_VERSION", nil, "We recommend that you specify the Version element to help you with debugging permission issues.")
	case "2012-10-17", "2008-10-17":
	default:
		v.add(Error, "INVALID_VERSION", []PathElement{key("Version")}, "The version %v is not valid. Use one of the following versions: 2012-10-17, 2008-10-17", version)
	}
	if len(v.statements) == 0 {
		v.add(Error, "MISSING_STATEMENT", nil, "Add a statement to the policy")
	}
}

// unknown reports members that no policy has.
func (v *validation) unknown(path []PathElement, members map[string]any, known ...string) {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if slices.Contains(known, name) {
			continue
		}
		v.add(Error, "INVALID_POLICY_ELEMENT", append(slices.Clone(path), key(name)), "The policy element %s is not valid.", name)
	}
}

// elements checks which elements a statement has.
func (v *validation) elements(s *statement) {
	v.unknown(s.path(), s.members, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
	switch effect := s.members["Effect"]; effect {
	case nil:
		v.add(Error, "MISSING_EFFECT", s.path(), "Add an Effect element to the policy statement with a value of Allow or Deny.")
	case "Allow", "Deny":
	default:
		v.add(Error, "INVALID_EFFECT", s.path(key("Effect")), "The effect %v is not valid. Use Allow or Deny.", effect)
	}
	if !s.has("Action") && !s.has("NotAction") {
		v.add(Error, "MISSING_ACTION", s.path(), "Add an Action or NotAction element to the policy statement.")
	}
	hasResource := s.has("Resource") || s.has("NotResource")
	switch trust := v.resourceType == AssumeRolePolicy; {
	case trust && hasResource:
		v.add(Error, "ROLE_TRUST_POLICY_SYNTAX_ERROR_RESOURCE", s.path(), "Role trust policies apply to the role that they are attached to. You cannot specify a resource. Remove the Resource or NotResource element.")
	case !trust && !hasResource:
		v.add(Error, "MISSING_RESOURCE", s.path(), "Add a Resource or NotResource element to the policy statement.")
	}
	if v.policyType == ResourceControl && s.has("NotAction") {
		v.add(Error, "RCP_SYNTAX_ERROR_NOTACTION", s.path(key("NotAction")), "RCPs do not support the NotAction element. Update to use the Action element.")
	}
}

// principal checks the elements Principal and NotPrincipal.
func (v *validation) principal(s *statement) {
	has := s.has("Principal") || s.has("NotPrincipal")
	switch v.policyType {
	case Identity:
		if has {
			v.add(Error, "UNSUPPORTED_PRINCIPAL", s.path(), "The policy type %s does not support the Principal element. Remove the Principal element.", v.policyType)
		}
		return
	case ServiceControl:
		if has {
			v.add(Error, "SCP_SYNTAX_ERROR_PRINCIPAL", s.path(), "SCPs do not support specifying principals. Remove the Principal or NotPrincipal element.")
		}
		return
	case ResourceControl:
		if s.members["Principal"] != "*" {
			v.add(Error, "RCP_SYNTAX_ERROR_PRINCIPAL", s.path(), `The Principal element contents are not valid. RCPs only support specifying all principals ("*") in the Principal element. The NotPrincipal element is not supported for RCPs.`)
		}
		return
	}
	switch {
	case !has:
		v.add(Error, "MISSING_PRINCIPAL", s.path(), "Add a Principal element to the policy statement.")
	case s.has("NotPrincipal") && v.resourceType == AssumeRolePolicy:
		v.add(Error, "ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL", s.path(key("NotPrincipal")), "Role trust policies do not support NotPrincipal. Update the policy to use a Principal element instead.")
	case s.has("NotPrincipal") && s.allows():
		v.add(SecurityWarning, "ALLOW_WITH_NOT_PRINCIPAL", s.path(key("NotPrincipal")), "Using Allow with NotPrincipal can be overly permissive. We recommend that you use Principal instead.")
	}
}

// empty checks for elements without content.
func (v *validation) empty(s *statement) {
	if isEmptyList(s.members["Action"]) {
		v.add(Suggestion, "EMPTY_ARRAY_ACTION", s.path(key("Action")), "This statement includes no actions and does not affect the policy. Specify actions.")
	}
	if isEmptyList(s.members["Resource"]) {
		v.add(Suggestion, "EMPTY_ARRAY_RESOURCE", s.path(key("Resource")), "This statement includes no resources and does not affect the policy. Specify resources.")
	}
	if isEmptyObject(s.members["Condition"]) {
		v.add(Suggestion, "EMPTY_OBJECT_CONDITION", s.path(key("Condition")), "This condition block is empty and it does not affect the policy. Specify conditions.")
	}
	if s.members["Sid"] == "" {
		v.add(Suggestion, "EMPTY_SID_VALUE", s.path(key("Sid")), "Add a value to the empty string in the Sid element.")
	}
	if isEmptyObject(s.members["Principal"]) {
		v.add(Suggestion, "EMPTY_OBJECT_PRINCIPAL", s.path(key("Principal")), "This statement includes no principals and does not affect the policy. Specify principals.")
	}
	principals, _ := s.members["Principal"].(map[string]any)
	for _, kind := range slices.Sorted(maps.Keys(principals)) {
		if isEmptyList(principals[kind]) {
			v.add(Suggestion, "EMPTY_ARRAY_PRINCIPAL", s.path(key("Principal"), key(kind)), "This statement includes no principals and does not affect the policy. Specify principals.")
		}
	}
}

// mistaken are names that look like actions, with the action that was probably
// meant. The simulator has no list of all actions.
var mistaken = map[string]string{
	"s3:ListBuckets": "s3:ListAllMyBuckets", "iam:AssumeRole": "sts:AssumeRole", "ec2:ListInstances": "ec2:DescribeInstances",
	"sqs:DeleteMessageBatch": "sqs:DeleteMessage", "lambda:Invoke": "lambda:InvokeFunction",
}

// actions checks the actions of a statement.
func (v *validation) actions(s *statement) {
	for _, element := range []string{"Action", "NotAction"} {
		for i, action := range s.list(element) {
			path := s.path(key(element))
			if _, isList := s.members[element].([]any); isList {
				path = append(path, PathElement{Index: &i})
			}
			service, name, ok := strings.Cut(action, ":")
			switch {
			case action == "*":
			case !ok || service == "" || name == "":
				v.add(Error, "INVALID_ACTION", path, "The action %s does not exist.", action)
			case mistaken[action] != "":
				v.add(Error, "INVALID_ACTION", path, "The action %s does not exist. Did you mean %s?", action, mistaken[action])
			}
		}
	}
}

// redundant checks for values that another value of the same element covers.
func (v *validation) redundant(s *statement) {
	if n, example := redundancy(s.list("Action"), strings.ToLower); n > 0 {
		v.add(Suggestion, "REDUNDANT_ACTION", s.path(key("Action")), "The %d action(s) are redundant because they provide similar permissions. Update the policy to remove the redundant action such as: %s.", n, example)
	}
	if n, _ := redundancy(s.list("Resource"), func(s string) string { return s }); n > 0 {
		v.add(Suggestion, "REDUNDANT_RESOURCE", s.path(key("Resource")), "The %d resource ARN(s) are redundant because they reference the same resource. Review the use of wildcards (*)", n)
	}
}

// redundancy returns how many of the values another one covers, and the first.
func redundancy(values []string, normal func(string) string) (n int, example string) {
	for i, value := range values {
		if slices.ContainsFunc(values[:i], func(p string) bool { return covers(normal(p), normal(value)) }) ||
			slices.ContainsFunc(values[i+1:], func(p string) bool {
				return covers(normal(p), normal(value)) && normal(p) != normal(value)
			}) {
			n, example = n+1, cmp.Or(example, value)
		}
	}
	return n, example
}

// breadth is what a statement allows of an action: whether it names the action,
// or has it by a wildcard or by NotAction.
func (s *statement) breadth(action string) (named, wildcard, notAction bool) {
	for _, pattern := range s.list("Action") {
		pattern = strings.ToLower(pattern)
		named = named || pattern == action
		wildcard = wildcard || pattern != action && covers(pattern, action)
	}
	if s.has("NotAction") {
		notAction = !slices.ContainsFunc(s.list("NotAction"), func(p string) bool { return covers(strings.ToLower(p), action) })
	}
	return named, wildcard, notAction
}

// starInResource reports whether the resources of a statement include all roles.
func (s *statement) starInResource() bool {
	return slices.ContainsFunc(s.list("Resource"), func(r string) bool {
		return r == "*" || strings.HasPrefix(r, "arn:aws:iam::") && strings.HasSuffix(r, ":*") || strings.HasSuffix(r, ":role/*")
	})
}

// passRole checks which roles a statement allows to pass to any service.
func (v *validation) passRole(s *statement) {
	if !s.allows() || v.policyType != Identity || s.hasCondition("iam:PassedToService") {
		return
	}
	const (
		resources   = "We recommend that you specify resource ARNs instead."
		orCondition = "We recommend that you specify resource ARNs or add the iam:PassedToService condition key to your statement."
	)
	named, wildcard, notAction := s.breadth("iam:passrole")
	star, notResource := s.starInResource(), s.has("NotResource")
	switch path := s.path(); {
	case named && star:
		v.add(SecurityWarning, "PASS_ROLE_WITH_STAR_IN_RESOURCE", path, "Using the iam:PassRole action with wildcards (*) in the resource can be overly permissive because it allows iam:PassRole permissions on multiple resources. "+orCondition)
	case wildcard && star:
		v.add(SecurityWarning, "PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE", path, "Using wildcards (*) in the action and the resource can be overly permissive because it allows iam:PassRole permissions on all resources. "+orCondition)
	case notAction && star:
		v.add(SecurityWarning, "PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION", path, "Using a resource with wildcards (*) and NotAction can be overly permissive because it allows iam:PassRole permissions on all resources. "+orCondition)
	case named && notResource:
		v.add(SecurityWarning, "PASS_ROLE_WITH_NOT_RESOURCE", path, "Using the iam:PassRole action with NotResource can be overly permissive because it can allow iam:PassRole permissions on multiple resources. "+resources)
	case wildcard && notResource:
		v.add(SecurityWarning, "PASS_ROLE_WITH_STAR_IN_ACTION_AND_NOT_RESOURCE", path, "Using an action with a wildcard (*) and NotResource can be overly permissive because it can allow iam:PassRole permissions on multiple resources. "+resources)
	case notAction && notResource:
		v.add(SecurityWarning, "PASS_ROLE_WITH_NOT_ACTION_AND_NOT_RESOURCE", path, "Using NotAction with NotResource can be overly permissive because it can allow iam:PassRole permissions on multiple resources.. "+resources)
	}
}

// serviceLinkedRole checks which service-linked roles a statement allows to create.
func (v *validation) serviceLinkedRole(s *statement) {
	if !s.allows() || v.policyType != Identity || s.hasCondition("iam:AWSServiceName") {
		return
	}
	named, wildcard, _ := s.breadth("iam:createservicelinkedrole")
	switch path := s.path(); {
	case named && s.starInResource():
		v.add(Warning, "CREATE_SLR_WITH_STAR_IN_RESOURCE", path, "Using the iam:CreateServiceLinkedRole action with wildcards (*) in the resource can allow creation of unintended service-linked roles. We recommend that you specify resource ARNs instead.")
	case wildcard && s.starInResource():
		v.add(Warning, "CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE", path, "Using wildcards (*) in the action and the resource can allow creation of unintended service-linked roles because it allows iam:CreateServiceLinkedRole permissions on all resources. We recommend that you specify resource ARNs instead.")
	}
}

// singleValued are some condition keys that have one value in a request.
var singleValued = []string{"aws:SourceAccount", "aws:SourceIp", "aws:PrincipalOrgID", "aws:PrincipalArn", "sts:ExternalId"}

// condition checks the element Condition.
func (v *validation) condition(s *statement) {
	conditions := s.conditions()
	for _, operator := range slices.Sorted(maps.Keys(conditions)) {
		for _, name := range slices.Sorted(maps.Keys(conditions[operator])) {
			path := s.path(key("Condition"), key(operator), key(name))
			switch {
			case isEmptyList(conditions[operator][name]):
				v.add(Suggestion, "EMPTY_ARRAY_CONDITION", path, "There are no values for the condition key %s and it does not affect the policy. Specify conditions.", name)
			case strings.HasPrefix(operator, "ForAllValues:") && s.allows() && slices.Contains(singleValued, name):
				v.add(SecurityWarning, "FORALLVALUES_WITH_SINGLE_VALUED_KEY", path, "Using ForAllValues qualifier with the single-valued condition key %s can be overly permissive. We recommend that you remove ForAllValues:.", name)
			}
		}
	}
}

// duplicates compares the statements.
func (v *validation) duplicates() {
	sids := map[string]bool{}
	bodies := map[string]bool{}
	for i := range v.statements {
		s := &v.statements[i]
		if sid := s.text("Sid"); sid != "" {
			if sids[sid] {
				v.add(Error, "UNIQUE_SIDS_REQUIRED", s.path(key("Sid")), "Duplicate statement IDs are not supported for this policy type. Update the Sid value.")
			}
			sids[sid] = true
		}
		body := s.body()
		if body != "" && bodies[body] {
			v.add(Suggestion, "REDUNDANT_STATEMENT", s.path(), "The statements are redundant because they provide identical permissions. Update the policy to remove the redundant statement.")
		}
		bodies[body] = true
	}
}

// body is the statement without its Sid, in one form for all that are the same;
// empty if it is no statement.
func (s *statement) body() string {
	if s.members == nil {
		return ""
	}
	members := maps.Clone(s.members)
	delete(members, "Sid")
	b, err := json.Marshal(members)
	if err != nil {
		panic(err) // values of parsed JSON can be encoded
	}
	return string(b)
}
