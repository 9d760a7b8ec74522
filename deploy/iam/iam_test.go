// Package iam compares the templates and modules in deploy/iam with the policies
// that the exporter generates.
package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/events"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/iampolicy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/templates"
)

const (
	hub          = "arn:aws:iam::111122223333:role/access-analyzer-exporter-hub"
	organization = "o-exampleorg1"
)

// reads are what the configuration reads in addition.
type reads struct{ ou, tags, policies, checks bool }

// needs returns the policies for a configuration with organization discovery.
func needs(externalID string, sessionTags bool, queue string, reads reads) iampolicy.Policies {
	return iampolicy.For(iampolicy.Options{
		ListAccounts: true, Administrators: true, Findings: true, Queue: queue, OUNames: reads.ou, AccountTags: reads.tags,
		AccountPolicies: reads.policies, OrganizationPolicies: reads.policies, AccessNotGranted: reads.checks, NoNewAccess: reads.checks,
		MemberRole: "arn:aws:iam::*:role/access-analyzer-exporter",
		Principal:  hub, OrganizationID: organization, ExternalID: externalID, SessionTags: sessionTags,
	})
}

// same compares two policies. A single string equals a list of one.
func same(t *testing.T, what string, got any, want *iampolicy.Document) {
	t.Helper()
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var w any
	if err := json.Unmarshal(b, &w); err != nil {
		t.Fatal(err)
	}
	g, wanted := text(t, plain(got)), text(t, plain(w))
	if g != wanted {
		t.Errorf("%s is\n%s\niam-policy prints\n%s", what, g, wanted)
	}
}

func plain(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) == 1 {
			if s, ok := v[0].(string); ok {
				return s
			}
		}
		all := make([]any, len(v))
		for i := range v {
			all[i] = plain(v[i])
		}
		return all
	case map[string]any:
		all := map[string]any{}
		for k := range v {
			all[k] = plain(v[k])
		}
		return all
	}
	return v
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func load(t *testing.T, file string, parameters map[string]string) *templates.Stack {
	t.Helper()
	return templates.Load(t, filepath.Join("cloudformation", file), parameters)
}

func TestCloudFormationPolicies(t *testing.T) {
	for name, test := range map[string]struct {
		runsOn, externalID, queue string
		noTags                    bool // the association disables session tags
		reads                     reads
	}{
		"pod-identity":           {runsOn: "pod-identity"},
		"pod-identity, no tags":  {runsOn: "pod-identity", noTags: true},
		"irsa":                   {runsOn: "irsa"},
		"ec2, with external ID":  {runsOn: "ec2", externalID: "example-external-id"},
		"pod-identity, external": {runsOn: "pod-identity", externalID: "example-external-id"},
		"irsa, with a queue":     {runsOn: "irsa", queue: queue},
		"ec2, names of OUs":      {runsOn: "ec2", reads: reads{ou: true}},
		"ec2, policies":          {runsOn: "ec2", reads: reads{policies: true}},
		"ec2, checks and labels": {runsOn: "ec2", reads: reads{tags: true, policies: true, checks: true}},
		"irsa, queue and labels": {runsOn: "irsa", queue: queue, reads: reads{ou: true, tags: true}},
	} {
		t.Run(name, func(t *testing.T) {
			tags := test.runsOn == "pod-identity" && !test.noTags
			want := needs(test.externalID, tags, test.queue, test.reads)
			h := load(t, "hub.yaml", map[string]string{
				"RunsOn": test.runsOn, "QueueArn": test.queue, "OrganizationId": organization, "SessionTags": fmt.Sprint(tags),
				"ReadOUNames": fmt.Sprint(test.reads.ou), "ReadAccountTags": fmt.Sprint(test.reads.tags),
				"ValidatePolicies": fmt.Sprint(test.reads.policies), "CheckPolicies": fmt.Sprint(test.reads.checks),
			})
			same(t, "the hub's policy", h.Property("Policy", "PolicyDocument"), want.Hub)
			m := load(t, "member.yaml", map[string]string{
				"HubRoleArn": hub, "OrganizationId": organization, "ExternalId": test.externalID, "SessionTags": fmt.Sprint(tags),
				"ValidatePolicies": fmt.Sprint(test.reads.policies), "CheckPolicies": fmt.Sprint(test.reads.checks),
			})
			policies := m.Property("Role", "Policies").([]any)
			if len(policies) != 1 {
				t.Fatalf("%d policies", len(policies))
			}
			same(t, "the member's policy", policies[0].(map[string]any)["PolicyDocument"], want.Member)
			same(t, "the member's trust", m.Property("Role", "AssumeRolePolicyDocument"), want.Trust)
		})
	}
}

// The default names of templates, modules and the chart's notes match.
func TestDefaultNames(t *testing.T) {
	h, m := load(t, "hub.yaml", nil), load(t, "member.yaml", map[string]string{"HubRoleArn": hub, "OrganizationId": organization})
	if got := m.Property("Role", "RoleName"); got != h.Parameters["MemberRoleName"] {
		t.Errorf("the hub role assumes %s, the member role is %s", h.Parameters["MemberRoleName"], got)
	}
	// A StackSet reaches the account of the hub, too.
	if h.Parameters["RoleName"] == m.Parameters["RoleName"] {
		t.Error("the hub role and the member role have the same name, and so cannot be in one account")
	}
}

// Each kind of hub role trusts one kind of principal, restricted to the account,
// cluster or service account.
func TestHubTrust(t *testing.T) {
	for runsOn, test := range map[string]struct{ role, principal, condition string }{
		"pod-identity": {"PodIdentityRole", "pods.eks.amazonaws.com", `{"ArnLike":{"aws:SourceArn":"arn:aws:eks:*:111122223333:cluster/*"},"StringEquals":{"aws:RequestTag/kubernetes-namespace":"monitoring","aws:RequestTag/kubernetes-service-account":"access-analyzer-exporter","aws:SourceAccount":"111122223333"}}`},
		"irsa":         {"IrsaRole", "oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE", `"oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE:sub":"system:serviceaccount:monitoring:access-analyzer-exporter"`},
		"ecs":          {"EcsRole", "ecs-tasks.amazonaws.com", `{"ArnLike":{"aws:SourceArn":"arn:aws:ecs:*:111122223333:*"},"StringEquals":{"aws:SourceAccount":"111122223333"}}`},
		"ec2":          {"Ec2Role", "ec2.amazonaws.com", ""},
	} {
		h := load(t, "hub.yaml", map[string]string{"RunsOn": runsOn, "OidcProvider": "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE"})
		trust := h.Property(test.role, "AssumeRolePolicyDocument")
		if s, ok := trust.(string); ok { // as JSON in a string
			trust = nil
			if err := json.Unmarshal([]byte(s), &trust); err != nil {
				t.Errorf("%s: %v\n%s", runsOn, err, s)
			}
		}
		b, err := json.Marshal(trust)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(trust.(map[string]any)["Statement"].([]any)); n != 1 {
			t.Errorf("%s: %d statements", runsOn, n)
		}
		if !bytes.Contains(b, []byte(test.principal)) || !bytes.Contains(b, []byte(test.condition)) || bytes.Contains(b, []byte(`"AWS":"*"`)) {
			t.Errorf("%s: the trust policy is %s", runsOn, b)
		}
		if name := h.Property(test.role, "RoleName"); name != "access-analyzer-exporter-hub" {
			t.Errorf("%s: the role is %s", runsOn, name)
		}
	}
}

// With session tags disabled, a request of Pod Identity has no tags to compare.
func TestHubTrustWithoutSessionTags(t *testing.T) {
	trust := load(t, "hub.yaml", map[string]string{"SessionTags": "false"}).Property("PodIdentityRole", "AssumeRolePolicyDocument")
	if text := text(t, trust); strings.Contains(text, "aws:RequestTag") || !strings.Contains(text, "aws:SourceArn") {
		t.Errorf("the trust policy is %s", text)
	}
}

// Both ways of deployment restrict who can send events to the default event bus,
// and who can assume the hub role, in the same way.
func TestTerraformConditions(t *testing.T) {
	for module, conditions := range map[string][]string{
		"events": {
			`StringEquals = { "aws:PrincipalOrgID" = var.organization_id }`,
			`ArnLike      = { "aws:PrincipalArn" = "arn:${data.aws_partition.this.partition}:iam::*:role/access-analyzer-exporter/*" }`,
			`"ForAllValues:StringEquals" = { "events:source" = "aws.access-analyzer" }`,
		},
		"hub": {
			`"aws:RequestTag/kubernetes-namespace"       = split(":", var.service_account)[0]`,
			`"aws:RequestTag/kubernetes-service-account" = split(":", var.service_account)[1]`,
			`ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:*:${local.account}:*" }`,
		},
	} {
		b, err := os.ReadFile(filepath.Join("../terraform/modules", module, "main.tf"))
		if err != nil {
			t.Fatal(err)
		}
		for _, condition := range conditions {
			if !bytes.Contains(b, []byte(condition)) {
				t.Errorf("module %s has no condition %s", module, condition)
			}
		}
		// It has one condition only.
		if bytes.Contains(b, []byte("aws_cloudwatch_event_permission")) {
			t.Errorf("module %s allows every role of the organization to send events", module)
		}
	}
}

// statements returns the statements of a policy by Sid, as JSON in one line.
func statements(t *testing.T, policy any) map[string]string {
	t.Helper()
	bySid := map[string]string{}
	for _, statement := range policy.(map[string]any)["Statement"].([]any) {
		b, err := json.Marshal(plain(statement))
		if err != nil {
			t.Fatal(err)
		}
		bySid[statement.(map[string]any)["Sid"].(string)] = string(b)
	}
	return bySid
}

const (
	queue    = "arn:aws:sqs:eu-west-1:111122223333:access-analyzer-exporter"
	queueKey = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d"
	bus      = "arn:aws:events:eu-west-1:111122223333:event-bus/default"
)

// decrypting is the additional statement of the hub role for a queue with a KMS
// key, which is not part of the exporter's configuration.
const decrypting = `{"Action":"kms:Decrypt","Effect":"Allow","Resource":"` + queueKey + `","Sid":"DecryptEvents"}`

func TestHubDecryptsQueue(t *testing.T) {
	got := statements(t, load(t, "hub.yaml", map[string]string{"QueueArn": queue, "QueueKeyArn": queueKey}).Property("Policy", "PolicyDocument"))
	if got["DecryptEvents"] != decrypting {
		t.Errorf("DecryptEvents is %s, want %s", got["DecryptEvents"], decrypting)
	}
}

func TestQueueOnlyAcceptsRule(t *testing.T) {
	s := load(t, "events.yaml", map[string]string{"OrganizationId": organization})
	if s.Property("Queue", "SqsManagedSseEnabled") != "true" {
		t.Error("the queue is not encrypted")
	}
	got := statements(t, s.Property("QueuePolicy", "PolicyDocument"))
	for sid, want := range map[string]string{
		"AllowEventBridgeRule":  `{"Action":"sqs:SendMessage","Condition":{"ArnEquals":{"aws:SourceArn":"Rule.Arn"}},"Effect":"Allow","Principal":{"Service":"events.amazonaws.com"},"Resource":"Queue.Arn","Sid":"AllowEventBridgeRule"}`,
		"DenyInsecureTransport": `{"Action":"sqs:*","Condition":{"Bool":{"aws:SecureTransport":"false"}},"Effect":"Deny","Principal":"*","Resource":"Queue.Arn","Sid":"DenyInsecureTransport"}`,
	} {
		if got[sid] != want {
			t.Errorf("%s is %s, want %s", sid, got[sid], want)
		}
		delete(got, sid)
	}
	if len(got) > 0 {
		t.Errorf("and %v", got)
	}
}

// The event bus accepts events from the role of events-role.yaml, and the role
// trusts the forwarding rules.
func TestEventForwarding(t *testing.T) {
	role := load(t, "events-role.yaml", map[string]string{"BusArn": bus})
	path := role.Property("Role", "Path").(string)
	name := role.Property("Role", "RoleName").(string)
	taken := text(t, load(t, "events.yaml", map[string]string{"OrganizationId": organization}).Property("BusPolicy", "Statement"))
	if !strings.Contains(taken, `"aws:PrincipalOrgID": "`+organization+`"`) || !strings.Contains(taken, `"arn:aws:iam::*:role`+path+`*"`) {
		t.Errorf("the role has path %s, the event bus allows %s", path, taken)
	}
	if !strings.Contains(taken, `"events:source": "aws.access-analyzer"`) {
		t.Errorf("the event bus accepts events of any source: %s", taken)
	}
	for region, elsewhere := range map[string]bool{"eu-west-1": false, "eu-central-1": true} {
		s := load(t, "events-forward.yaml", map[string]string{"BusArn": bus})
		s.Parameters["AWS::Region"] = region
		if s.Created("Rule") != elsewhere || s.Created("Nothing") == elsewhere {
			t.Errorf("in %s a rule: %v", region, s.Created("Rule"))
		}
	}
	s := load(t, "events-forward.yaml", map[string]string{"BusArn": bus})
	targets := text(t, s.Property("Rule", "Targets"))
	if !strings.Contains(targets, `"arn:aws:iam::111122223333:role`+path+name+`"`) || !strings.Contains(targets, bus) {
		t.Errorf("the role is %s, the targets %s", path+name, targets)
	}
	trust := text(t, role.Property("Role", "AssumeRolePolicyDocument"))
	if rule := s.Property("Rule", "Name").(string); !strings.Contains(trust, `"arn:aws:events:*:111122223333:rule/`+rule+`"`) || !strings.Contains(trust, `"aws:SourceAccount": "111122223333"`) {
		t.Errorf("the rule is %s, the role trusts %s", rule, trust)
	}
}

// All rules select the events that the exporter supports.
func TestRulesSelectSameEvents(t *testing.T) {
	quoted := regexp.MustCompile(`"[A-Z]\w+( \w+)*"`)
	known := append(slices.Clone(events.DetailTypes), events.Calls...)
	known = slices.DeleteFunc(known, func(s string) bool { return s == strings.ToLower(s) })
	slices.Sort(known)
	picks := func(where string, pattern []byte) {
		var got []string
		for _, m := range quoted.FindAll(pattern, -1) {
			got = append(got, strings.Trim(string(m), `"`))
		}
		slices.Sort(got)
		if !slices.Equal(got, known) {
			t.Errorf("%s selects %q, want %q", where, got, known)
		}
	}
	for _, file := range []string{"events.yaml", "events-forward.yaml"} {
		picks(file, []byte(text(t, load(t, file, nil).Property("Rule", "EventPattern", "$or"))))
	}
	for _, module := range []string{"events", "events-forward"} {
		b, err := os.ReadFile(filepath.Join("../terraform/modules", module, "main.tf"))
		if err != nil {
			t.Fatal(err)
		}
		_, b, _ = bytes.Cut(b, []byte("event_pattern = jsonencode("))
		pattern, _, _ := bytes.Cut(b, []byte("\n  })"))
		picks("module "+module, pattern)
	}
}

// TestTerraformPolicies evaluates the module that generates the
// policies; it requires no provider.
func TestTerraformPolicies(t *testing.T) {
	const module = "../terraform/modules/policies"
	for name, test := range map[string]struct {
		externalID, queue string
		tags              bool
		reads             reads
	}{
		"with session tags": {tags: true},
		"plain":             {},
		"with external ID":  {externalID: "example-external-id", tags: true},
		"with a queue":      {queue: queue, tags: true},
		"with labels":       {reads: reads{ou: true, tags: true}},
		"policies":          {reads: reads{policies: true}},
		"checks":            {reads: reads{ou: true, policies: true, checks: true}},
		"tags of accounts":  {reads: reads{tags: true}},
	} {
		want := needs(test.externalID, test.tags, test.queue, test.reads)
		got := templates.Outputs(t, module, "hub_role_arn="+hub, "organization_id="+organization, "external_id="+test.externalID, fmt.Sprint("session_tags=", test.tags), "queue_arn="+test.queue,
			fmt.Sprint("read_ou_names=", test.reads.ou), fmt.Sprint("read_account_tags=", test.reads.tags),
			fmt.Sprint("validate_policies=", test.reads.policies), fmt.Sprint("check_policies=", test.reads.checks))
		for document, w := range map[string]*iampolicy.Document{"hub": want.Hub, "member": want.Member, "trust": want.Trust} {
			same(t, name+": "+document, got[document], w)
		}
	}
	got := statements(t, templates.Outputs(t, module, "organization_id="+organization, "queue_arn="+queue, "queue_key_arn="+queueKey)["hub"])
	if got["DecryptEvents"] != decrypting {
		t.Errorf("DecryptEvents is %s, want %s", got["DecryptEvents"], decrypting)
	}
}
