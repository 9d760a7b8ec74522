// Package iam compares the templates and modules in deploy/iam with the policies
// that the exporter generates.
package iam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/events"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/iampolicy"
)

const (
	hub          = "arn:aws:iam::111122223333:role/access-analyzer-exporter-hub"
	organization = "o-exampleorg1"
)

// needs returns the policies for a configuration with organization discovery.
func needs(externalID string, sessionTags bool, queue string) iampolicy.Policies {
	return iampolicy.For(iampolicy.Options{
		ListAccounts: true, Administrators: true, Findings: true, Queue: queue,
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

// stack is a template with values for its parameters.
type stack struct {
	t          *testing.T
	parameters map[string]string
	conditions map[string]yaml.Node
	resources  map[string]any
}

// nothing is !Ref AWS::NoValue.
type nothing struct{}

func load(t *testing.T, file string, parameters map[string]string) *stack {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("cloudformation", file))
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Parameters map[string]struct {
			Default *string `yaml:"Default"`
		} `yaml:"Parameters"`
		Conditions map[string]yaml.Node `yaml:"Conditions"`
		Resources  yaml.Node            `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(b, &template); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	s := &stack{t: t, conditions: template.Conditions, parameters: map[string]string{
		"AWS::Partition": "aws", "AWS::AccountId": "111122223333", "AWS::Region": "eu-west-1",
	}}
	for name, p := range template.Parameters {
		if p.Default != nil {
			s.parameters[name] = *p.Default
		}
	}
	for name, value := range parameters {
		if _, ok := template.Parameters[name]; !ok {
			t.Fatalf("%s has no parameter %s", file, name)
		}
		s.parameters[name] = value
	}
	s.resources = s.value(&template.Resources).(map[string]any)
	return s
}

var variable = regexp.MustCompile(`\$\{([A-Za-z:]+)\}`)

func (s *stack) value(n *yaml.Node) any {
	s.t.Helper()
	switch n.Tag {
	case "!Ref":
		return s.ref(n.Value)
	case "!Sub":
		return variable.ReplaceAllStringFunc(n.Value, func(v string) string { return fmt.Sprint(s.ref(v[2 : len(v)-1])) })
	case "!GetAtt":
		return n.Value
	case "!Split":
		return strings.Split(s.value(n.Content[1]).(string), n.Content[0].Value)
	case "!Select":
		index, err := strconv.Atoi(n.Content[0].Value)
		if err != nil {
			s.t.Fatal(err)
		}
		return s.value(n.Content[1]).([]string)[index]
	case "!Equals":
		return s.value(n.Content[0]) == s.value(n.Content[1])
	case "!Not":
		return s.value(n.Content[0]) == false
	case "!If":
		condition, ok := s.conditions[n.Content[0].Value]
		if !ok {
			s.t.Fatalf("no condition %s", n.Content[0].Value)
		}
		if s.value(&condition) == true {
			return s.value(n.Content[1])
		}
		return s.value(n.Content[2])
	case "!Condition":
		condition := s.conditions[n.Value]
		return s.value(&condition)
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			if v := s.value(n.Content[i+1]); v != (nothing{}) {
				m[n.Content[i].Value] = v
			}
		}
		return m
	case yaml.SequenceNode:
		var l []any
		for _, c := range n.Content {
			if v := s.value(c); v != any(nothing{}) {
				l = append(l, v)
			}
		}
		return l
	}
	return n.Value
}

// created reports whether the stack creates a resource with these parameters.
func (s *stack) created(resource string) bool {
	s.t.Helper()
	r, ok := s.resources[resource].(map[string]any)
	if !ok {
		s.t.Fatalf("no resource %s", resource)
	}
	name, conditional := r["Condition"].(string)
	condition := s.conditions[name]
	return !conditional || s.value(&condition) == true
}

func (s *stack) ref(name string) any {
	if name == "AWS::NoValue" {
		return nothing{}
	}
	if v, ok := s.parameters[name]; ok {
		return v
	}
	return name // a resource
}

// property returns a property of a resource.
func (s *stack) property(resource string, path ...string) any {
	s.t.Helper()
	at := s.resources[resource]
	for _, key := range append([]string{"Properties"}, path...) {
		m, ok := at.(map[string]any)
		if !ok || m[key] == nil {
			s.t.Fatalf("%s has no %s", resource, strings.Join(path, "."))
		}
		at = m[key]
	}
	return at
}

func TestCloudFormationPolicies(t *testing.T) {
	for name, test := range map[string]struct {
		runsOn, externalID, queue string
		noTags                    bool // the association disables session tags
	}{
		"pod-identity":           {runsOn: "pod-identity"},
		"pod-identity, no tags":  {runsOn: "pod-identity", noTags: true},
		"irsa":                   {runsOn: "irsa"},
		"ec2, with external ID":  {runsOn: "ec2", externalID: "example-external-id"},
		"pod-identity, external": {runsOn: "pod-identity", externalID: "example-external-id"},
		"irsa, with a queue":     {runsOn: "irsa", queue: queue},
	} {
		t.Run(name, func(t *testing.T) {
			tags := test.runsOn == "pod-identity" && !test.noTags
			want := needs(test.externalID, tags, test.queue)
			h := load(t, "hub.yaml", map[string]string{"RunsOn": test.runsOn, "QueueArn": test.queue, "OrganizationId": organization, "SessionTags": fmt.Sprint(tags)})
			same(t, "the hub's policy", h.property("Policy", "PolicyDocument"), want.Hub)
			m := load(t, "member.yaml", map[string]string{
				"HubRoleArn": hub, "OrganizationId": organization, "ExternalId": test.externalID, "SessionTags": fmt.Sprint(tags),
			})
			policies := m.property("Role", "Policies").([]any)
			if len(policies) != 1 {
				t.Fatalf("%d policies", len(policies))
			}
			same(t, "the member's policy", policies[0].(map[string]any)["PolicyDocument"], want.Member)
			same(t, "the member's trust", m.property("Role", "AssumeRolePolicyDocument"), want.Trust)
		})
	}
}

// The default names of templates, modules and the chart's notes match.
func TestDefaultNames(t *testing.T) {
	h, m := load(t, "hub.yaml", nil), load(t, "member.yaml", map[string]string{"HubRoleArn": hub, "OrganizationId": organization})
	if got := m.property("Role", "RoleName"); got != h.parameters["MemberRoleName"] {
		t.Errorf("the hub role assumes %s, the member role is %s", h.parameters["MemberRoleName"], got)
	}
	// A StackSet reaches the account of the hub, too.
	if h.parameters["RoleName"] == m.parameters["RoleName"] {
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
		trust := h.property(test.role, "AssumeRolePolicyDocument")
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
		if name := h.property(test.role, "RoleName"); name != "access-analyzer-exporter-hub" {
			t.Errorf("%s: the role is %s", runsOn, name)
		}
	}
}

// With session tags disabled, a request of Pod Identity has no tags to compare.
func TestHubTrustWithoutSessionTags(t *testing.T) {
	trust := load(t, "hub.yaml", map[string]string{"SessionTags": "false"}).property("PodIdentityRole", "AssumeRolePolicyDocument")
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
		},
		"hub": {
			`"aws:RequestTag/kubernetes-namespace"       = split(":", var.service_account)[0]`,
			`"aws:RequestTag/kubernetes-service-account" = split(":", var.service_account)[1]`,
			`ArnLike      = { "aws:SourceArn" = "arn:${local.partition}:ecs:*:${local.account}:*" }`,
		},
	} {
		b, err := os.ReadFile(filepath.Join("terraform/modules", module, "main.tf"))
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
	got := statements(t, load(t, "hub.yaml", map[string]string{"QueueArn": queue, "QueueKeyArn": queueKey}).property("Policy", "PolicyDocument"))
	if got["DecryptEvents"] != decrypting {
		t.Errorf("DecryptEvents is %s, want %s", got["DecryptEvents"], decrypting)
	}
}

func TestQueueOnlyAcceptsRule(t *testing.T) {
	s := load(t, "events.yaml", map[string]string{"OrganizationId": organization})
	if s.property("Queue", "SqsManagedSseEnabled") != "true" {
		t.Error("the queue is not encrypted")
	}
	got := statements(t, s.property("QueuePolicy", "PolicyDocument"))
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
	path := role.property("Role", "Path").(string)
	name := role.property("Role", "RoleName").(string)
	taken := text(t, load(t, "events.yaml", map[string]string{"OrganizationId": organization}).property("BusPolicy", "Statement"))
	if !strings.Contains(taken, `"aws:PrincipalOrgID": "`+organization+`"`) || !strings.Contains(taken, `"arn:aws:iam::*:role`+path+`*"`) {
		t.Errorf("the role has path %s, the event bus allows %s", path, taken)
	}
	for region, elsewhere := range map[string]bool{"eu-west-1": false, "eu-central-1": true} {
		s := load(t, "events-forward.yaml", map[string]string{"BusArn": bus})
		s.parameters["AWS::Region"] = region
		if s.created("Rule") != elsewhere || s.created("Nothing") == elsewhere {
			t.Errorf("in %s a rule: %v", region, s.created("Rule"))
		}
	}
	s := load(t, "events-forward.yaml", map[string]string{"BusArn": bus})
	targets := text(t, s.property("Rule", "Targets"))
	if !strings.Contains(targets, `"arn:aws:iam::111122223333:role`+path+name+`"`) || !strings.Contains(targets, bus) {
		t.Errorf("the role is %s, the targets %s", path+name, targets)
	}
	trust := text(t, role.property("Role", "AssumeRolePolicyDocument"))
	if rule := s.property("Rule", "Name").(string); !strings.Contains(trust, `"arn:aws:events:*:111122223333:rule/`+rule+`"`) || !strings.Contains(trust, `"aws:SourceAccount": "111122223333"`) {
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
		picks(file, []byte(text(t, load(t, file, nil).property("Rule", "EventPattern", "$or"))))
	}
	for _, module := range []string{"events", "events-forward"} {
		b, err := os.ReadFile(filepath.Join("terraform/modules", module, "main.tf"))
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
	directory := t.TempDir()
	b, err := os.ReadFile("terraform/modules/policies/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "main.tf"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	terraform(t, directory, "init", "-input=false")
	terraform(t, directory, "validate")
	for name, test := range map[string]struct {
		externalID, queue string
		tags              bool
	}{
		"with session tags": {tags: true},
		"plain":             {},
		"with external ID":  {externalID: "example-external-id", tags: true},
		"with a queue":      {queue: queue, tags: true},
	} {
		want := needs(test.externalID, test.tags, test.queue)
		got := outputs(t, directory, "hub_role_arn="+hub, "organization_id="+organization, "external_id="+test.externalID, fmt.Sprint("session_tags=", test.tags), "queue_arn="+test.queue)
		for document, w := range map[string]*iampolicy.Document{"hub": want.Hub, "member": want.Member, "trust": want.Trust} {
			same(t, name+": "+document, got[document], w)
		}
	}
	got := statements(t, outputs(t, directory, "organization_id="+organization, "queue_arn="+queue, "queue_key_arn="+queueKey)["hub"])
	if got["DecryptEvents"] != decrypting {
		t.Errorf("DecryptEvents is %s, want %s", got["DecryptEvents"], decrypting)
	}
}

func terraform(t *testing.T, directory string, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not here")
	}
	c := exec.CommandContext(t.Context(), path, append([]string{"-chdir=" + directory}, args...)...)
	c.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1") // it would ask for a newer version of itself
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("terraform %v: %v\n%s%s", args, err, out, stderr.Bytes())
	}
	return out
}

// outputs returns the outputs of the module for the variables.
func outputs(t *testing.T, directory string, variables ...string) map[string]any {
	t.Helper()
	args := []string{"apply", "-auto-approve", "-input=false"}
	for _, v := range variables {
		args = append(args, "-var="+v)
	}
	terraform(t, directory, args...)
	var out map[string]struct{ Value string }
	if err := json.Unmarshal(terraform(t, directory, "output", "-json"), &out); err != nil {
		t.Fatal(err)
	}
	policies := map[string]any{}
	for name, o := range out {
		var policy any
		if err := json.Unmarshal([]byte(o.Value), &policy); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		policies[name] = policy
	}
	return policies
}

// Without the AWS provider, Terraform only parses the other modules. This test
// resolves the references in them.
func TestTerraformReferences(t *testing.T) {
	var (
		declared = regexp.MustCompile(`(?m)^variable "(\w+)"`)
		optional = regexp.MustCompile(`(?ms)^variable "(\w+)" \{(?:[^}]|\}[^\n])*?^  default `)
		used     = regexp.MustCompile(`\bvar\.(\w+)`)
		call     = regexp.MustCompile(`(?ms)^module "(\w+)" \{\n(.*?)^\}`)
		source   = regexp.MustCompile(`(?m)^  source\s+= "(.*)"`)
		argument = regexp.MustCompile(`(?m)^  (\w+)\s+=`)
		output   = regexp.MustCompile(`(?m)^output "(\w+)"`)
		of       = regexp.MustCompile(`\bmodule\.(\w+)\.(\w+)`)
	)
	names := func(r *regexp.Regexp, text string) map[string]bool {
		all := map[string]bool{}
		for _, m := range r.FindAllStringSubmatch(text, -1) {
			all[m[1]] = true
		}
		return all
	}
	read := func(directory string) string {
		b, err := os.ReadFile(filepath.Join(directory, "main.tf"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	files, err := filepath.Glob("terraform/modules/*/main.tf")
	if err != nil || len(files) == 0 {
		t.Fatalf("no modules (%v)", err)
	}
	for _, file := range append(files, "terraform/example/main.tf") {
		directory := filepath.Dir(file)
		text := read(directory)
		if d, u := names(declared, text), names(used, text); !maps.Equal(d, u) {
			t.Errorf("%s declares %v and uses %v", directory, d, u)
		}
		outputs := map[string]map[string]bool{}
		for _, m := range call.FindAllStringSubmatch(text, -1) {
			module := read(filepath.Join(directory, source.FindStringSubmatch(m[2])[1]))
			outputs[m[1]] = names(output, module)
			given, known, free := names(argument, m[2]), names(declared, module), names(optional, module)
			for name := range given {
				if name != "source" && name != "providers" && !known[name] {
					t.Errorf("%s: module %s has no variable %s", directory, m[1], name)
				}
			}
			for name := range known {
				if !free[name] && !given[name] {
					t.Errorf("%s: module %s needs %s", directory, m[1], name)
				}
			}
		}
		for _, m := range of.FindAllStringSubmatch(text, -1) {
			if !outputs[m[1]][m[2]] {
				t.Errorf("%s: module %s has no output %s", directory, m[1], m[2])
			}
		}
	}
}
