// Package templates evaluates CloudFormation templates and Terraform modules for tests,
// without AWS.
package templates

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// Stack is a CloudFormation template with values for its parameters.
type Stack struct {
	t *testing.T
	// Parameters are those of the template, with their defaults, and the pseudo parameters.
	Parameters map[string]string
	conditions map[string]yaml.Node
	resources  map[string]any
}

// nothing is !Ref AWS::NoValue.
type nothing struct{}

// Load reads a template. Parameters without a default that are not given have no value.
func Load(t *testing.T, file string, parameters map[string]string) *Stack {
	t.Helper()
	b, err := os.ReadFile(file)
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
	s := &Stack{t: t, conditions: template.Conditions, Parameters: map[string]string{
		"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com", "AWS::StackName": "access-analyzer-exporter", "AWS::AccountId": "111122223333", "AWS::Region": "eu-west-1",
	}}
	for name, p := range template.Parameters {
		if p.Default != nil {
			s.Parameters[name] = *p.Default
		}
	}
	for name, value := range parameters {
		if _, ok := template.Parameters[name]; !ok {
			t.Fatalf("%s has no parameter %s", file, name)
		}
		s.Parameters[name] = value
	}
	s.resources = s.value(&template.Resources).(map[string]any)
	return s
}

var variable = regexp.MustCompile(`\$\{[^}]+\}`)

// substitute evaluates Fn::Sub: a text, or a text and its variables. ${!name} is
// literal.
func (s *Stack) substitute(n *yaml.Node) string {
	s.t.Helper()
	text, variables := n.Value, map[string]any{}
	if n.Kind == yaml.SequenceNode {
		text = n.Content[0].Value
		for i := 0; i < len(n.Content[1].Content); i += 2 {
			variables[n.Content[1].Content[i].Value] = s.value(n.Content[1].Content[i+1])
		}
	}
	return variable.ReplaceAllStringFunc(text, func(v string) string {
		name := v[2 : len(v)-1]
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			return "${" + literal + "}"
		}
		if value, ok := variables[name]; ok {
			return fmt.Sprint(value)
		}
		return fmt.Sprint(s.ref(name))
	})
}

func (s *Stack) value(n *yaml.Node) any {
	s.t.Helper()
	switch n.Tag {
	case "!Ref":
		return s.ref(n.Value)
	case "!Sub":
		return s.substitute(n)
	case "!GetAtt":
		return n.Value
	case "!Split":
		return strings.Split(s.value(n.Content[1]).(string), n.Content[0].Value)
	case "!Select":
		index, err := strconv.Atoi(n.Content[0].Value)
		if err != nil {
			s.t.Fatal(err)
		}
		parts := s.value(n.Content[1]).([]string)
		if index >= len(parts) { // of the ARN of a resource, which has no value here
			return fmt.Sprintf("%s[%d]", strings.Join(parts, ""), index)
		}
		return parts[index]
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

// Created reports whether the stack creates a resource with these parameters.
func (s *Stack) Created(resource string) bool {
	s.t.Helper()
	r, ok := s.resources[resource].(map[string]any)
	if !ok {
		s.t.Fatalf("no resource %s", resource)
	}
	name, conditional := r["Condition"].(string)
	condition := s.conditions[name]
	return !conditional || s.value(&condition) == true
}

func (s *Stack) ref(name string) any {
	if name == "AWS::NoValue" {
		return nothing{}
	}
	if v, ok := s.Parameters[name]; ok {
		return v
	}
	return name // a resource
}

// Property returns a property of a resource.
func (s *Stack) Property(resource string, path ...string) any {
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
