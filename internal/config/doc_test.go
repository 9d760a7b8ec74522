package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"
)

var update = flag.Bool("update", false, "update docs/configuration.md")

const (
	referenceFile     = "../../config.yaml"
	documentationFile = "../../docs/configuration.md"
)

// entry is the documentation of one key in config.yaml.
type entry struct {
	Key, Text string
	Value     string // in one line; empty for sections and in examples

	example string  // of a list of sections: the items that a comment has
	items   []entry // of the example
}

// reference reads config.yaml with its comments, the only source of the meaning of
// each key.
func reference(t *testing.T) []entry {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(read(t, referenceFile), &doc); err != nil {
		t.Fatal(err)
	}
	return entries(t, "", doc.Content[0])
}

func entries(t *testing.T, prefix string, n *yaml.Node) []entry {
	t.Helper()
	var all []entry
	for i := 0; i < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		e := entry{Key: join(prefix, k.Value)}
		e.Text, e.example = comment(k.HeadComment + value.LineComment)
		if e.example != "" {
			var list yaml.Node
			if err := yaml.Unmarshal([]byte(e.example), &list); err != nil {
				t.Fatalf("example of %s: %v", e.Key, err)
			}
			for _, item := range list.Content[0].Content {
				e.addItems(entries(t, e.Key+"[]", item))
			}
		}
		if value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 { // in one line: keys of the user
			all = append(append(all, e), entries(t, e.Key, value)...)
			continue
		}
		e.Value = source(value)
		all = append(all, e)
	}
	return all
}

// addItems adds the keys of an item of the example that no item before has.
func (e *entry) addItems(items []entry) {
	for _, item := range items {
		if item.Value = ""; !slices.ContainsFunc(e.items, func(other entry) bool { return other.Key == item.Key }) {
			e.items = append(e.items, item)
		}
	}
}

// source returns a value as it would be written in one line.
func source(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		if n.Style == yaml.DoubleQuotedStyle {
			return `"` + n.Value + `"`
		}
		return n.Value
	}
	var items []string
	for _, item := range n.Content {
		items = append(items, source(item))
	}
	return "[" + strings.Join(items, ", ") + "]"
}

// comment splits a comment into its sentences and the example, which is
// indented further.
func comment(s string) (text, example string) {
	var words, lines []string
	for line := range strings.Lines(s) {
		line = strings.TrimPrefix(strings.TrimRight(line, "\n"), "#")
		if strings.HasPrefix(line, "   ") {
			lines = append(lines, line[3:])
		} else {
			words = append(words, strings.TrimSpace(line))
		}
	}
	return strings.Join(words, " "), strings.Join(lines, "\n")
}

func flatten(all []entry) []entry {
	var flat []entry
	for _, e := range all {
		flat = append(append(flat, e), e.items...)
	}
	return flat
}

func TestReferenceIsDefault(t *testing.T) {
	c, err := Load(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, c, Default())
}

func TestReferenceExplainsEveryKey(t *testing.T) {
	var got []string
	for _, e := range flatten(reference(t)) {
		got = append(got, e.Key)
		if e.Text == "" {
			t.Errorf("%s is not explained", e.Key)
		}
	}
	if want := keys("", reflect.TypeFor[Config]()); !slices.Equal(got, want) {
		t.Errorf("config.yaml has the keys\n%s\nand Config has\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The examples in comments of config.yaml are valid values of the lists below
// them.
func TestReferenceExamples(t *testing.T) {
	data := read(t, referenceFile)
	for _, e := range reference(t) {
		if e.example == "" {
			continue
		}
		name := e.Key[strings.LastIndex(e.Key, ".")+1:]
		empty := []byte("\n  " + name + ": []\n")
		if !bytes.Contains(data, empty) {
			t.Errorf("%s is not empty", e.Key)
		}
		filled := "\n  " + name + ":\n    " + strings.ReplaceAll(e.example, "\n", "\n    ") + "\n"
		data = bytes.Replace(data, empty, []byte(filled), 1)
	}
	data = bytes.Replace(data, []byte("checks_per_day: 0"), []byte("checks_per_day: 500"), 1)
	c, err := Parse("config.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Policies.Checks) != 2 || len(c.Accounts.Static) != 1 || len(c.Coverage.Exemptions) != 1 {
		t.Errorf("got %+v", c)
	}
}

func TestDocumentation(t *testing.T) {
	want := documentation(t)
	if *update {
		if err := os.MkdirAll(filepath.Dir(documentationFile), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(documentationFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(read(t, documentationFile), want) {
		t.Error("docs/configuration.md does not match config.yaml and the examples; run go generate ./internal/config")
	}
}

// documentation fills the template with the sections of config.yaml, the examples
// of TestGood, and the errors of an invalid file.
func documentation(t *testing.T) []byte {
	t.Helper()
	type section struct {
		Key, Text string
		Rows      []entry
	}
	var sections []section
	for _, e := range flatten(reference(t)) {
		switch top := !strings.Contains(e.Key, "."); {
		case top && e.Value == "":
			sections = append(sections, section{Key: e.Key, Text: e.Text})
			continue
		case top:
			sections = append(sections, section{Key: e.Key})
		}
		last := &sections[len(sections)-1]
		last.Rows = append(last.Rows, e)
	}
	page, err := template.New("configuration.md.tmpl").Funcs(template.FuncMap{
		"type":    func(key string) string { return typeName(reflect.TypeFor[Config](), key) },
		"example": func(name string) string { return string(read(t, "testdata/good", name)) },
		"mistaken": func() string {
			return string(read(t, "testdata/mistaken.yaml"))
		},
		"errors": func() string {
			_, err := Parse("config.yaml", read(t, "testdata/mistaken.yaml"))
			return err.Error()
		},
	}).ParseFiles("testdata/configuration.md.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := page.Execute(&b, sections); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// typeName returns the type of value that the decoder accepts for a key.
func typeName(t reflect.Type, key string) string {
	for name := range strings.SplitSeq(strings.ReplaceAll(key, "[]", ""), ".") {
		if t.Kind() == reflect.Slice {
			t = t.Elem()
		}
		t = t.Field(slices.Index(fieldNames(t), name)).Type
	}
	switch reflect.Zero(t).Interface().(type) {
	case string:
		return "text"
	case int:
		return "number"
	case bool:
		return "true or false"
	case model.Duration:
		return "duration"
	case time.Time:
		return "date"
	case []string:
		return "list of text"
	case map[string]string:
		return "text by key"
	}
	if t.Kind() == reflect.Slice {
		return "list of sections"
	}
	return "section"
}
