package policy

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// one is a policy with the current version.
func one(statement string) string { return `{"Version":"2012-10-17","Statement":[` + statement + `]}` }

// findings are "type code" of each finding.
func findings(text, policyType, resourceType string) []string {
	got := []string{}
	for _, f := range Validate(text, policyType, resourceType) {
		got = append(got, f.Type+" "+f.IssueCode)
	}
	return got
}

func TestValidate(t *testing.T) {
	const trust = `{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}`
	for _, test := range []struct {
		name, text, policyType, resourceType string
		want                                 []string
	}{
		{name: "good", text: one(`{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}`)},
		{name: "good with one statement", text: `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}}`},
		{name: "good trust", text: one(trust), policyType: Resource, resourceType: AssumeRolePolicy},
		{name: "good SCP", text: one(`{"Effect":"Deny","Action":"*","Resource":"*"}`), policyType: ServiceControl},
		{name: "good RCP", text: one(`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}`), policyType: ResourceControl},
		{name: "the type of a trust policy matters", text: one(trust), policyType: Resource, want: []string{"ERROR MISSING_RESOURCE"}},
		{name: "a trust policy as an identity policy", text: one(trust), want: []string{"ERROR MISSING_RESOURCE", "ERROR UNSUPPORTED_PRINCIPAL"}},
		{
			name: "a trust policy with a resource", text: one(`{"Effect":"Allow","NotPrincipal":{"AWS":"*"},"Action":"sts:AssumeRole","Resource":"*"}`), policyType: Resource, resourceType: AssumeRolePolicy,
			want: []string{"ERROR ROLE_TRUST_POLICY_SYNTAX_ERROR_RESOURCE", "ERROR ROLE_TRUST_POLICY_SYNTAX_ERROR_NOTPRINCIPAL"},
		},
		{name: "an RCP without principal", text: one(`{"Effect":"Deny","NotAction":"s3:*","Resource":"*"}`), policyType: ResourceControl, want: []string{"ERROR RCP_SYNTAX_ERROR_NOTACTION", "ERROR RCP_SYNTAX_ERROR_PRINCIPAL"}},
		{name: "an SCP with principal", text: one(`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}`), policyType: ServiceControl, want: []string{"ERROR SCP_SYNTAX_ERROR_PRINCIPAL"}},
		{name: "all but one principal", text: one(`{"Effect":"Allow","NotPrincipal":{"AWS":"1"},"Action":"s3:*","Resource":"*"}`), policyType: Resource, want: []string{"SECURITY_WARNING ALLOW_WITH_NOT_PRINCIPAL"}},
		{name: "no JSON", text: `{"Version"`, want: []string{"ERROR JSON_SYNTAX_ERROR"}},
		{name: "nothing", text: "", want: []string{"ERROR JSON_SYNTAX_ERROR"}},
		{name: "two documents", text: `{} {}`, want: []string{"ERROR JSON_SYNTAX_ERROR"}},
		{name: "no object", text: `[]`, want: []string{"ERROR DATA_TYPE_MISMATCH"}},
		{name: "an empty policy", text: `{}`, want: []string{"WARNING MISSING_VERSION", "ERROR MISSING_STATEMENT"}},
		{name: "an empty statement", text: one(`{}`), want: []string{"ERROR MISSING_EFFECT", "ERROR MISSING_ACTION", "ERROR MISSING_RESOURCE"}},
		{name: "no statement", text: one(`"a"`), want: []string{"ERROR DATA_TYPE_MISMATCH"}},
		{
			name: "unknown values", text: `{"Version":"2020-01-01","Statements":1,"Statement":{"Effect":"allow","Action":"GetObject","Resource":"*","Why":1}}`,
			want: []string{"ERROR INVALID_POLICY_ELEMENT", "ERROR INVALID_VERSION", "ERROR INVALID_POLICY_ELEMENT", "ERROR INVALID_EFFECT", "ERROR INVALID_ACTION"},
		},
		{
			name: "empty elements", text: one(`{"Sid":"","Effect":"Allow","Action":[],"Resource":[],"Condition":{}}`),
			want: []string{"SUGGESTION EMPTY_ARRAY_ACTION", "SUGGESTION EMPTY_ARRAY_RESOURCE", "SUGGESTION EMPTY_OBJECT_CONDITION", "SUGGESTION EMPTY_SID_VALUE"},
		},
		{
			name: "empty principals and conditions", text: one(`{"Effect":"Allow","Principal":{"AWS":[]},"Action":"s3:Get*","Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":[]}}},{"Effect":"Allow","Principal":{},"Action":"s3:Get*","Resource":"*"}`), policyType: Resource,
			want: []string{"SUGGESTION EMPTY_ARRAY_PRINCIPAL", "SUGGESTION EMPTY_ARRAY_CONDITION", "SUGGESTION EMPTY_OBJECT_PRINCIPAL"},
		},
		{name: "redundant", text: one(`{"Effect":"Allow","Action":["s3:Get*","s3:GetObject","S3:getobject"],"Resource":["arn:aws:s3:::a/*","arn:aws:s3:::a/b"]}`), want: []string{"SUGGESTION REDUNDANT_ACTION", "SUGGESTION REDUNDANT_RESOURCE"}},
		{
			name: "the same statement twice", text: one(`{"Sid":"A","Effect":"Deny","Action":"s3:*","Resource":"*"},{"Sid":"A","Effect":"Deny","Resource":"*","Action":"s3:*"}`),
			want: []string{"ERROR UNIQUE_SIDS_REQUIRED", "SUGGESTION REDUNDANT_STATEMENT"},
		},
		{name: "everything", text: one(`{"Effect":"Allow","Action":"*","Resource":"*"}`), want: []string{"SECURITY_WARNING PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE", "WARNING CREATE_SLR_WITH_STAR_IN_ACTION_AND_RESOURCE"}},
		{name: "everything in an SCP", text: one(`{"Effect":"Allow","Action":"*","Resource":"*"}`), policyType: ServiceControl},
		{name: "all roles", text: one(`{"Effect":"Allow","Action":"iam:PassRole","Resource":"arn:aws:iam::*:role/*"}`), want: []string{"SECURITY_WARNING PASS_ROLE_WITH_STAR_IN_RESOURCE"}},
		{name: "all roles to one service", text: one(`{"Effect":"Allow","Action":"iam:PassRole","Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}}`)},
		{name: "all but one action", text: one(`{"Effect":"Allow","NotAction":"iam:CreateUser","Resource":"*"}`), want: []string{"SECURITY_WARNING PASS_ROLE_WITH_STAR_IN_RESOURCE_AND_NOT_ACTION"}},
		{name: "all but the actions of IAM", text: one(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`)},
		{name: "all roles but one", text: one(`{"Effect":"Allow","Action":"iam:PassRole","NotResource":"arn:aws:iam::1:role/a"}`), want: []string{"SECURITY_WARNING PASS_ROLE_WITH_NOT_RESOURCE"}},
		{
			name: "a condition that is true without values", text: one(`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole","Condition":{"ForAllValues:StringEquals":{"aws:PrincipalOrgID":"o-exampleorg1"}}}`),
			policyType: Resource, resourceType: AssumeRolePolicy, want: []string{"SECURITY_WARNING FORALLVALUES_WITH_SINGLE_VALUED_KEY"},
		},
		{name: "service-linked roles", text: one(`{"Effect":"Allow","Action":"iam:CreateServiceLinkedRole","Resource":"*"}`), want: []string{"WARNING CREATE_SLR_WITH_STAR_IN_RESOURCE"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.policyType == "" {
				test.policyType = Identity
			}
			if got := findings(test.text, test.policyType, test.resourceType); !slices.Equal(got, test.want) {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

// Every finding has what the model of the API requires.
func TestFindingsAreComplete(t *testing.T) {
	text := "{\n \"Statement\": [\n  {\"Effect\": \"Allow\", \"Action\": [\"iam:PassRole\", \"a\"], \"Resource\": \"*\"}]}"
	for _, f := range Validate(text, Identity, "") {
		if f.Details == "" || !strings.HasPrefix(f.LearnMoreLink, "https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#") || len(f.Locations) != 1 {
			t.Errorf("%+v", f)
		}
		span := f.Locations[0].Span
		if part := text[span.Start.Offset:span.End.Offset]; f.IssueCode == "INVALID_ACTION" && part != `"a"` || !json.Valid([]byte(part)) {
			t.Errorf("%s is at %s", f.IssueCode, part)
		}
	}
}

func TestGrants(t *testing.T) {
	const admin = `{"Effect":"Allow","Action":"*","Resource":"*"}`
	for _, test := range []struct {
		name, text         string
		actions, resources []string
		want               int // statements
	}{
		{"everything", one(admin), []string{"s3:GetObject"}, nil, 1},
		{"another service", one(`{"Effect":"Allow","Action":"ec2:*","Resource":"*"}`), []string{"s3:GetObject"}, nil, 0},
		{"without regard to case", one(`{"Effect":"Allow","Action":"S3:getobject","Resource":"*"}`), []string{"s3:GetObject"}, nil, 1},
		{"overlapping patterns", one(`{"Effect":"Allow","Action":"s3:*Object","Resource":"*"}`), []string{"s3:Get*"}, nil, 1},
		{"all actions but this", one(`{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}`), []string{"s3:GetObject"}, nil, 0},
		{"all actions but another", one(`{"Effect":"Allow","NotAction":"ec2:*","Resource":"*"}`), []string{"s3:GetObject"}, nil, 1},
		{"denied", one(admin + `,{"Effect":"Deny","Action":"s3:*","Resource":"*"}`), []string{"s3:GetObject"}, nil, 0},
		{"denied with a condition", one(admin + `,{"Effect":"Deny","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}`), []string{"s3:GetObject"}, nil, 1},
		{"denied in part", one(admin + `,{"Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::a"}`), []string{"s3:GetObject"}, nil, 1},
		{"denied for all others", one(admin + `,{"Effect":"Deny","NotAction":"ec2:*","Resource":"*"}`), []string{"s3:GetObject"}, nil, 0},
		{"another resource", one(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::a/*"}`), nil, []string{"arn:aws:s3:::b/*"}, 0},
		{"one of the resources", one(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::a/*"}`), nil, []string{"arn:aws:s3:::b/*", "arn:aws:s3:::a/c"}, 1},
		{"two statements", one(`{"Effect":"Allow","Action":"s3:Get*","Resource":"*"},{"Effect":"Allow","Action":"s3:*","Resource":"*"}`), []string{"s3:GetObject"}, nil, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			reasons, err := Grants(test.text, Identity, test.actions, test.resources)
			if err != nil || len(reasons) != test.want {
				t.Errorf("got %v %v, want %d statements", reasons, err, test.want)
			}
		})
	}
	t.Run("a statement ID", func(t *testing.T) {
		reasons, err := Grants(one(`{"Sid":"All","Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}`), Resource, []string{"s3:*"}, nil)
		if err != nil || len(reasons) != 1 || reasons[0] != (Reason{"One or more of the listed actions or resources in the statement with sid: All.", 0, "All"}) {
			t.Errorf("got %+v %v", reasons, err)
		}
	})
}

func TestNewAccess(t *testing.T) {
	get, deny := `{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}`, `{"Effect":"Deny","Action":"s3:GetBucketAcl","Resource":"*"}`
	for _, test := range []struct {
		name, existing, updated string
		want                    int // statements
	}{
		{"the same", one(get), one(get), 0},
		{"less", one(get), one(`{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"arn:aws:s3:::a/*"}`), 0},
		{"more actions", one(get), one(`{"Effect":"Allow","Action":["s3:Get*","s3:Put*"],"Resource":"*"}`), 1},
		{"more resources", one(`{"Effect":"Allow","Action":"s3:Get*","Resource":"arn:aws:s3:::a/*"}`), one(get), 1},
		{"a further statement", one(get), one(get + `,{"Effect":"Allow","Action":"ec2:*","Resource":"*"}`), 1},
		{"a further denial", one(get), one(get + "," + deny), 0},
		{"no denial", one(get + "," + deny), one(get), 1},
		{"a further condition", one(get), one(`{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`), 0},
		{"no condition", one(`{"Effect":"Allow","Action":"s3:Get*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}`), one(get), 1},
		{"all actions but one", one(get), one(`{"Effect":"Allow","NotAction":"s3:PutObject","Resource":"*"}`), 1},
		{"fewer exceptions", one(`{"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"}`), one(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`), 1},
		{"more exceptions", one(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`), one(`{"Effect":"Allow","NotAction":["iam:*","sts:*"],"Resource":"*"}`), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			reasons, err := NewAccess(test.updated, test.existing, Identity)
			if err != nil || len(reasons) != test.want {
				t.Errorf("got %v %v, want %d statements", reasons, err, test.want)
			}
		})
	}
	trust := func(principals string) string {
		return one(`{"Effect":"Allow","Principal":{"AWS":[` + principals + `]},"Action":"sts:AssumeRole"}`)
	}
	for _, test := range []struct {
		existing, updated string
		want              int
	}{{trust(`"1"`), trust(`"1","2"`), 1}, {trust(`"1","2"`), trust(`"2"`), 0}, {trust(`"*"`), trust(`"1"`), 0}} {
		if reasons, err := NewAccess(test.updated, test.existing, Resource); err != nil || len(reasons) != test.want {
			t.Errorf("%s after %s: got %v %v, want %d", test.updated, test.existing, reasons, err, test.want)
		}
	}
}
