package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// schema is what the oldest supported AWS provider accepts; schema.mjs writes it. Data
// sources have the prefix "data.".
type schema struct {
	Provider string
	Schema   map[string]struct {
		Arguments  map[string]argument
		Attributes []string
	}
}

// argument is an argument of a type, or a block.
type argument struct {
	Required bool
	Type     string // string, number, boolean, list or map
	Block    map[string]argument
}

func readSchema(t *testing.T) (s schema) {
	t.Helper()
	b, err := os.ReadFile("testdata/aws.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// name returns the name of a resource or data source in the schema.
func (b block) name() string {
	if b.Type == "data" {
		return "data." + b.Labels[0]
	}
	return b.Labels[0]
}

// problems returns what the provider would reject in a module: types, arguments, blocks
// and attributes that do not exist, missing arguments, and values of another type.
func (s schema) problems(m *module) (found []string) {
	for _, b := range append(m.all("resource"), m.all("data")...) {
		resource, ok := s.Schema[b.name()]
		if !ok {
			found = append(found, b.name()+" is not in testdata/aws.json: run schema.mjs")
			continue
		}
		found = append(found, bodyProblems(b.name(), b.Body, resource.Arguments)...)
	}
	for _, traversal := range m.references() {
		names := path(traversal)
		if names[0] == "data" {
			names = append([]string{"data." + names[1]}, names[2:]...)
		}
		attribute := names[min(2, len(names)):]
		if len(attribute) == 0 {
			attribute = afterIndex(traversal)
		}
		if resource, ok := s.Schema[names[0]]; ok && len(attribute) > 0 && !slices.Contains(resource.Attributes, attribute[0]) {
			found = append(found, names[0]+" has no attribute "+attribute[0])
		}
	}
	return found
}

// afterIndex returns the first name after an index.
func afterIndex(t hcl.Traversal) []string {
	for i, step := range t[:len(t)-1] {
		if _, ok := step.(hcl.TraverseIndex); ok {
			if attribute, ok := t[i+1].(hcl.TraverseAttr); ok {
				return []string{attribute.Name}
			}
		}
	}
	return nil
}

func bodyProblems(where string, body *hclsyntax.Body, arguments map[string]argument) (found []string) {
	given := map[string]bool{}
	for name, attribute := range body.Attributes {
		if slices.Contains([]string{"for_each", "count", "provider", "depends_on"}, name) {
			continue
		}
		given[name] = true
		switch a, ok := arguments[name]; {
		case !ok || a.Block != nil:
			found = append(found, fmt.Sprintf("%s has no argument %s", where, name))
		case kind(attribute.Expr) != "" && kind(attribute.Expr) != a.Type:
			found = append(found, fmt.Sprintf("%s.%s is a %s, not a %s", where, name, a.Type, kind(attribute.Expr)))
		}
	}
	for _, b := range body.Blocks {
		if b.Type == "lifecycle" {
			continue
		}
		given[b.Type] = true
		if a := arguments[b.Type]; a.Block == nil {
			found = append(found, fmt.Sprintf("%s has no block %s", where, b.Type))
		} else {
			found = append(found, bodyProblems(where+"."+b.Type, b.Body, a.Block)...)
		}
	}
	for name, a := range arguments {
		if a.Required && !given[name] {
			found = append(found, fmt.Sprintf("%s requires %s", where, name))
		}
	}
	return found
}

// kind returns the type of an expression as in the schema, empty if it depends on
// variables.
func kind(e hclsyntax.Expression) string {
	switch e.(type) {
	case *hclsyntax.TemplateExpr:
		return "string"
	case *hclsyntax.TupleConsExpr:
		return "list"
	case *hclsyntax.ObjectConsExpr:
		return "map"
	}
	v, problems := e.Value(nil)
	if problems.HasErrors() {
		return ""
	}
	return map[cty.Type]string{cty.String: "string", cty.Number: "number", cty.Bool: "boolean"}[v.Type()]
}

// TestProviderAcceptsModules compares the modules and examples with the oldest provider
// that they accept.
func TestProviderAcceptsModules(t *testing.T) {
	s := readSchema(t)
	for directory, m := range modules(t) {
		for _, problem := range s.problems(m) {
			t.Errorf("%s: %s", directory, problem)
		}
		for _, row := range m.providerRows() {
			if want := "| aws | >= " + strings.TrimSuffix(s.Provider, ".0") + " |"; row != want {
				t.Errorf("%s requires %s, the schema is of %s", directory, row, s.Provider)
			}
		}
	}
}

func TestProviderRejectsMistakes(t *testing.T) {
	s := readSchema(t)
	for source, want := range map[string]string{
		`resource "aws_iam_rule" "a" {}`:                                                               "aws_iam_rule is not in testdata/aws.json: run schema.mjs",
		`resource "aws_sns_topic" "a" { nane = "a" }`:                                                  "aws_sns_topic has no argument nane",
		`resource "aws_sqs_queue" "a" { message_retention_seconds = "1h" }`:                            "aws_sqs_queue.message_retention_seconds is a number, not a string",
		`resource "aws_sns_topic_policy" "a" { arn = "a" }`:                                            "aws_sns_topic_policy requires policy",
		`resource "aws_prometheus_workspace" "a" { logging { log_group_arn = "a" } }`:                  "aws_prometheus_workspace has no block logging",
		`resource "aws_prometheus_workspace" "a" { logging_configuration { log_group = "a" } }`:        "aws_prometheus_workspace.logging_configuration has no argument log_group",
		`resource "aws_sns_topic" "a" { name = data.aws_region.a.nane }`:                               "data.aws_region has no attribute nane",
		"resource \"aws_sns_topic\" \"a\" { name = \"a\" }\nlocals { a = aws_sns_topic.a[0].address }": "aws_sns_topic has no attribute address",
	} {
		directory := t.TempDir()
		if err := os.WriteFile(filepath.Join(directory, "main.tf"), []byte(expanded(source)), 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := parse(directory)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.problems(m); !slices.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", source, got, want)
		}
	}
}

// expanded returns nested blocks on lines of their own, as HCL requires.
func expanded(source string) string {
	return strings.NewReplacer("{ ", "{\n", " }", "\n}").Replace(source)
}
