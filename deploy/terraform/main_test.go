package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// modules returns all modules and examples by directory.
func modules(t *testing.T) map[string]*module {
	t.Helper()
	files, err := filepath.Glob("*/*/main.tf")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*module{}
	for _, file := range files {
		m, err := parse(filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		all[m.directory] = m
	}
	if len(all) < 8 {
		t.Fatalf("only %d modules", len(all))
	}
	return all
}

func TestReadmesAreCurrent(t *testing.T) {
	for directory, m := range modules(t) {
		got, err := os.ReadFile(filepath.Join(directory, "README.md"))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != m.readme() {
			t.Errorf("%s/README.md is outdated: run `go generate ./...` in deploy/terraform", directory)
		}
	}
}

// TestLayout requires the files that Terraform's registry expects, and a description of
// every variable and output.
func TestLayout(t *testing.T) {
	for directory, m := range modules(t) {
		for _, file := range []string{"main.tf", "variables.tf", "outputs.tf", "versions.tf", "README.md"} {
			if info, err := os.Stat(filepath.Join(directory, file)); err != nil || info.Size() == 0 {
				t.Errorf("%s has no %s", directory, file)
			}
		}
		if m.introduction == "" {
			t.Errorf("%s/main.tf does not begin with a comment on the module", directory)
		}
		for _, kind := range []string{"variable", "output"} {
			for _, b := range m.all(kind) {
				if b.literal("description") == "" || kind == "variable" && b.source("type") == "" {
					t.Errorf("%s: %s %s has no description or no type", directory, kind, b.Labels[0])
				}
			}
		}
	}
}

// scope is what expressions of a module can refer to: "var.name", "local.name",
// "data.type.name", "type.name", "module.name".
func (m *module) scope() map[string]bool {
	names := map[string]bool{}
	for _, b := range m.blocks {
		switch b.Type {
		case "variable":
			names["var."+b.Labels[0]] = true
		case "resource":
			names[strings.Join(b.Labels, ".")] = true
		case "data":
			names["data."+strings.Join(b.Labels, ".")] = true
		case "module":
			names["module."+b.Labels[0]] = true
		case "locals":
			for name := range b.Body.Attributes {
				names["local."+name] = true
			}
		}
	}
	return names
}

// references returns the traversals of all expressions. Providers, meta-arguments and
// variables of for expressions are not among them.
func (m *module) references() (found []hcl.Traversal) {
	for _, b := range m.blocks {
		if b.Type == "terraform" || b.Type == "provider" {
			continue
		}
		_ = hclsyntax.VisitAll(b.Body, func(n hclsyntax.Node) hcl.Diagnostics {
			if attribute, ok := n.(*hclsyntax.Attribute); ok && !slices.Contains([]string{"providers", "type", "ignore_changes"}, attribute.Name) {
				found = append(found, attribute.Expr.Variables()...)
			}
			return nil
		})
	}
	return found
}

// path returns the names of a traversal up to the first index.
func path(t hcl.Traversal) (names []string) {
	for _, step := range t {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			names = append(names, step.Name)
		case hcl.TraverseAttr:
			names = append(names, step.Name)
		default:
			return names
		}
	}
	return names
}

// Without the AWS provider, Terraform only parses most modules. This test resolves
// their references.
func TestReferences(t *testing.T) {
	for directory, m := range modules(t) {
		scope, used := m.scope(), map[string]bool{}
		for _, traversal := range m.references() {
			names := path(traversal)
			length := 2
			switch names[0] {
			case "data":
				length = 3
			case "each", "path", "count", "self":
				continue
			}
			name := strings.Join(names[:min(length, len(names))], ".")
			if used[name] = true; !scope[name] {
				t.Errorf("%s: %s is not declared", traversal.SourceRange(), name)
			}
		}
		// Providers use variables, too.
		for _, p := range m.all("provider") {
			_ = hclsyntax.VisitAll(p.Body, func(n hclsyntax.Node) hcl.Diagnostics {
				if attribute, ok := n.(*hclsyntax.Attribute); ok {
					for _, v := range attribute.Expr.Variables() {
						used[strings.Join(path(v)[:2], ".")] = true
					}
				}
				return nil
			})
		}
		for name := range scope {
			if (strings.HasPrefix(name, "var.") || strings.HasPrefix(name, "local.")) && !used[name] {
				t.Errorf("%s: %s is not used", directory, name)
			}
		}
	}
}

// TestModuleCalls compares the arguments of each call with the variables of the module,
// and the outputs that are read with its outputs.
func TestModuleCalls(t *testing.T) {
	all := modules(t)
	calls := 0
	for directory, m := range all {
		called := map[string]*module{}
		for _, c := range m.all("module") {
			calls++
			callee := all[filepath.Join(directory, c.literal("source"))]
			if callee == nil {
				t.Errorf("%s: module %s has the source %s, which does not exist", directory, c.Labels[0], c.literal("source"))
				continue
			}
			called[c.Labels[0]] = callee
			given := maps.Clone(c.Body.Attributes)
			for _, meta := range []string{"source", "providers", "for_each", "count", "depends_on"} {
				delete(given, meta)
			}
			for _, v := range callee.all("variable") {
				name := v.Labels[0]
				if given[name] == nil && v.Body.Attributes["default"] == nil {
					t.Errorf("%s: module %s requires %s", directory, c.Labels[0], name)
				}
				delete(given, name)
			}
			for name := range given {
				t.Errorf("%s: module %s has no variable %s", directory, c.Labels[0], name)
			}
		}
		for _, traversal := range m.references() {
			names := path(traversal)
			if names[0] != "module" || called[names[1]] == nil || len(names) < 3 {
				continue
			}
			if !slices.ContainsFunc(called[names[1]].all("output"), func(o block) bool { return o.Labels[0] == names[2] }) {
				t.Errorf("%s: module %s has no output %s", directory, names[1], names[2])
			}
		}
	}
	if calls < 10 {
		t.Errorf("only %d calls found", calls)
	}
}
