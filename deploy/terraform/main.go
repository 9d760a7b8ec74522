// Command terraform generates the README.md of every module and example from its
// variables, outputs and resources, in the layout of terraform-docs. Run it with go
// generate; a test fails while they are outdated.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

//go:generate go run .

func main() {
	directories, err := filepath.Glob("*/*/main.tf")
	if err != nil {
		log.Fatal(err)
	}
	for _, file := range directories {
		m, err := parse(filepath.Dir(file))
		if err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(m.directory, "README.md"), []byte(m.readme()), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// module is a directory with Terraform files.
type module struct {
	directory string
	// introduction is the comment at the start of main.tf.
	introduction string
	// blocks are sorted by type and labels.
	blocks []block
}

// block is a block at the top of a file. text is the file, to quote expressions.
type block struct {
	*hclsyntax.Block
	text []byte
}

// parse reads all Terraform files of a directory.
func parse(directory string) (*module, error) {
	files, err := filepath.Glob(filepath.Join(directory, "*.tf"))
	if err != nil {
		return nil, err
	}
	m := &module{directory: directory}
	parser := hclparse.NewParser()
	for _, path := range files {
		file, problems := parser.ParseHCLFile(path)
		if problems.HasErrors() {
			return nil, problems
		}
		for _, b := range file.Body.(*hclsyntax.Body).Blocks {
			m.blocks = append(m.blocks, block{b, file.Bytes})
		}
		if filepath.Base(path) == "main.tf" {
			m.introduction = firstComment(string(file.Bytes))
		}
	}
	slices.SortFunc(m.blocks, func(a, b block) int {
		return strings.Compare(a.Type+" "+strings.Join(a.Labels, " "), b.Type+" "+strings.Join(b.Labels, " "))
	})
	return m, nil
}

// firstComment returns the comment at the start of a file without its marks.
func firstComment(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		comment, ok := strings.CutPrefix(line, "#")
		if !ok {
			break
		}
		lines = append(lines, strings.TrimPrefix(comment, " "))
	}
	return strings.TrimSpace(strings.Join(lines, ""))
}

// all returns the blocks of a type.
func (m *module) all(blockType string) (found []block) {
	for _, b := range m.blocks {
		if b.Type == blockType {
			found = append(found, b)
		}
	}
	return found
}

// source returns an attribute as it is written, empty if it is not set.
func (b block) source(name string) string {
	attribute, ok := b.Body.Attributes[name]
	if !ok {
		return ""
	}
	return string(attribute.Expr.Range().SliceBytes(b.text))
}

// literal returns the value of a string attribute.
func (b block) literal(name string) string {
	attribute, ok := b.Body.Attributes[name]
	if !ok {
		return ""
	}
	v, problems := attribute.Expr.Value(nil)
	if problems.HasErrors() {
		return b.source(name)
	}
	return v.AsString()
}

// readme renders the document of a module.
func (m *module) readme() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", filepath.Base(m.directory), m.introduction)
	b.WriteString("<!-- BEGIN_TF_DOCS -->\n")
	m.requirements(&b)
	m.section(&b, "Providers", "| Name | Version |\n|------|---------|", m.providerRows())
	m.section(&b, "Modules", "| Name | Source |\n|------|--------|", m.moduleRows())
	m.section(&b, "Resources", "| Name | Type |\n|------|------|", m.resourceRows())
	m.section(&b, "Inputs", "| Name | Description | Type | Default | Required |\n|------|-------------|------|---------|:--------:|", m.inputRows())
	m.section(&b, "Outputs", "| Name | Description |\n|------|-------------|", m.outputRows())
	b.WriteString("<!-- END_TF_DOCS -->\n")
	return b.String()
}

func (m *module) section(b *strings.Builder, title, header string, rows []string) {
	if len(rows) == 0 {
		fmt.Fprintf(b, "## %s\n\nNo %s.\n\n", title, strings.ToLower(title))
		return
	}
	fmt.Fprintf(b, "## %s\n\n%s\n%s\n\n", title, header, strings.Join(rows, "\n"))
}

// requirements renders the versions of Terraform and of the providers.
func (m *module) requirements(b *strings.Builder) {
	var rows []string
	for _, t := range m.all("terraform") {
		rows = append(rows, "| terraform | "+t.literal("required_version")+" |")
	}
	m.section(b, "Requirements", "| Name | Version |\n|------|---------|", append(rows, m.providerRows()...))
}

func (m *module) providerRows() (rows []string) {
	for _, t := range m.all("terraform") {
		for _, providers := range t.Body.Blocks {
			for name, attribute := range providers.Body.Attributes {
				if v, problems := attribute.Expr.Value(nil); !problems.HasErrors() {
					rows = append(rows, fmt.Sprintf("| %s | %s |", name, v.GetAttr("version").AsString()))
				}
			}
		}
	}
	slices.Sort(rows)
	return rows
}

func (m *module) moduleRows() (rows []string) {
	for _, c := range m.all("module") {
		rows = append(rows, fmt.Sprintf("| %s | [%s](%s) |", c.Labels[0], c.literal("source"), c.literal("source")))
	}
	return rows
}

func (m *module) resourceRows() (rows []string) {
	for _, kind := range []struct{ block, name string }{{"resource", "resource"}, {"data", "data source"}} {
		for _, r := range m.all(kind.block) {
			rows = append(rows, fmt.Sprintf("| %s.%s | %s |", r.Labels[0], r.Labels[1], kind.name))
		}
	}
	return rows
}

func (m *module) inputRows() (rows []string) {
	for _, v := range m.all("variable") {
		standard, required := "n/a", "yes"
		if attribute, ok := v.Body.Attributes["default"]; ok {
			standard, required = cell(v.text, attribute.Expr), "no"
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | `%s` | %s | %s |", v.Labels[0], escaped(v.literal("description")), v.source("type"), standard, required))
	}
	return rows
}

func (m *module) outputRows() (rows []string) {
	for _, o := range m.all("output") {
		rows = append(rows, fmt.Sprintf("| %s | %s |", o.Labels[0], escaped(o.literal("description"))))
	}
	return rows
}

// cell renders a default value. That of several lines has a block of its own.
func cell(text []byte, e hclsyntax.Expression) string {
	if template, ok := e.(*hclsyntax.TemplateExpr); ok && e.Range().Start.Line != e.Range().End.Line {
		if v, problems := template.Value(&hcl.EvalContext{}); !problems.HasErrors() {
			return "<pre>" + strings.ReplaceAll(strings.TrimSpace(v.AsString()), "\n", "<br>") + "</pre>"
		}
	}
	return "`" + string(e.Range().SliceBytes(text)) + "`"
}

func escaped(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
