package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v4"
)

// maxValues is the maximum number of values after alias expansion. A file of
// MaxSize with account IDs has fewer.
const maxValues = 100_000

// document decodes a file into a Config. The decoder of the YAML library loses the
// line numbers that later checks report, stops at some errors, and decodes the
// account ID 012345678901 as a number.
type document struct {
	file    string
	root    *yaml.Node
	nodes   map[string]*yaml.Node // by key; aliases are not resolved
	values  int                   // decoded so far
	invalid map[string]bool       // keys whose value has an error
	errs    Errors
}

func newDocument(file string, root *yaml.Node) *document {
	if root == nil {
		root = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: 1}
	}
	return &document{file: file, root: root, nodes: map[string]*yaml.Node{}, invalid: map[string]bool{}}
}

// decode sets the fields of c whose keys are in the file.
func (d *document) decode(c *Config) {
	d.value("", d.root, reflect.ValueOf(c).Elem())
}

// reject adds an error at key.
func (d *document) reject(key, format string, args ...any) {
	d.rejectAt(d.node(key), key, format, args...)
}

func (d *document) rejectAt(n *yaml.Node, key, format string, args ...any) {
	d.errs = append(d.errs, Error{File: d.file, Line: n.Line, Column: n.Column, Key: key, Message: fmt.Sprintf(format, args...)})
}

// rejectValue adds an error at key and marks the value invalid, which excludes it
// from further checks.
func (d *document) rejectValue(key, format string, args ...any) {
	d.invalid[key] = true
	d.reject(key, format, args...)
}

// node returns the node at key or, if the key is not set, at its nearest parent that
// is.
func (d *document) node(key string) *yaml.Node {
	for ; key != ""; key = parent(key) {
		if n, ok := d.nodes[key]; ok {
			return n
		}
	}
	return d.root
}

func parent(key string) string {
	return key[:max(0, strings.LastIndexAny(key, ".["))]
}

// value decodes n into v. The type of v determines the accepted values.
func (d *document) value(key string, n *yaml.Node, v reflect.Value) {
	d.nodes[key] = n
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	// The types limit the depth of nesting, but not the number of values.
	if d.values++; d.values > maxValues {
		if d.values == maxValues+1 {
			d.rejectValue("", "amounts to more than %d values; write fewer aliases", maxValues)
		}
		return
	}
	if n.Style&yaml.TaggedStyle != 0 {
		d.rejectValue(key, "has a YAML tag, which is not supported; remove the tag, which begins with !")
		return
	}
	switch v.Interface().(type) {
	case string, int, bool, model.Duration, time.Time:
		d.scalar(key, n, v)
	case map[string]string:
		d.pairs(key, n, v)
	default:
		if v.Kind() == reflect.Slice {
			d.list(key, n, v)
		} else {
			d.section(key, n, v)
		}
	}
}

func (d *document) section(key string, n *yaml.Node, v reflect.Value) {
	if n.ShortTag() == "!!null" {
		return // a section whose keys are all commented out
	}
	names := fieldNames(v.Type())
	if n.Kind != yaml.MappingNode {
		d.rejectValue(key, "does not consist of keys and values; the keys are %s", strings.Join(names, ", "))
		return
	}
	seen := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		if k.ShortTag() == "!!merge" {
			d.rejectAt(k, key, "merges keys with <<, which is not supported; write the keys out")
			continue
		}
		if !wholeWord.MatchString(k.Value) || k.Kind != yaml.ScalarNode {
			// Without a space after the colon, the value is part of the key.
			d.rejectAt(k, join(key, word.FindString(k.Value)), "is not a key; write one word, a colon, a space and the value")
			continue
		}
		path := join(key, k.Value)
		field := slices.Index(names, k.Value)
		switch line := seen[k.Value]; {
		case line != 0:
			d.rejectAt(k, path, "is set twice, first in line %d; remove one", line)
		case field < 0:
			d.rejectAt(k, path, "is an unknown key; %s", suggestKey(key, k.Value, names))
		default:
			d.value(path, value, v.Field(field))
		}
		seen[k.Value] = k.Line
	}
}

// pairs decodes text by keys that the user chooses.
func (d *document) pairs(key string, n *yaml.Node, v reflect.Value) {
	if n.ShortTag() == "!!null" {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.rejectValue(key, "does not consist of keys and values; write them as {team: payments}")
		return
	}
	pairs := reflect.MakeMap(v.Type())
	seen := map[string]int{}
	for i := 0; i < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.ShortTag() == "!!merge" {
			d.rejectAt(k, key, "has a key that is not text; write one word, a colon, a space and the value")
			continue
		}
		path := pair(key, k.Value)
		if line := seen[k.Value]; line != 0 {
			d.rejectAt(k, path, "is set twice, first in line %d; remove one", line)
			continue
		}
		seen[k.Value] = k.Line
		text := reflect.New(v.Type().Elem()).Elem()
		d.value(path, value, text)
		pairs.SetMapIndex(reflect.ValueOf(k.Value), text)
	}
	v.Set(pairs)
}

// pair returns the path of a key that the user chose.
func pair(key, name string) string {
	if !wholeWord.MatchString(name) {
		name = strconv.Quote(shorten(name))
	}
	return key + "." + name
}

func (d *document) list(key string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.rejectValue(key, "is not a list; write its items in brackets, or below it with a - before each; [] is a list of none")
		return
	}
	// An empty list is nil, as in Default.
	v.SetZero()
	for i, item := range n.Content {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		d.value(fmt.Sprintf("%s[%d]", key, i), item, v.Index(i))
	}
}

func (d *document) scalar(key string, n *yaml.Node, v reflect.Value) {
	tag := n.ShortTag()
	if n.Kind != yaml.ScalarNode {
		d.rejectValue(key, "is not a single value; write %s", accepted(v))
		return
	}
	if tag == "!!null" {
		d.rejectValue(key, "has no value; write %s, or remove it", accepted(v))
		return
	}
	// Text is the source text of the value: YAML resolves account IDs to numbers and
	// dates to timestamps.
	switch target := v.Addr().Interface().(type) {
	case *string:
		switch tag {
		case "!!str", "!!int", "!!float", "!!timestamp":
			*target = n.Value
		default:
			d.rejectValue(key, "is not text; write it in quotes")
		}
	case *bool:
		*target = strings.EqualFold(n.Value, "true")
		if tag != "!!bool" || !*target && !strings.EqualFold(n.Value, "false") {
			d.rejectValue(key, "%s is neither true nor false; write one of them, without quotes", d.quote(key, n.Value))
		}
	case *int:
		var err error
		*target, err = strconv.Atoi(n.Value)
		if tag != "!!int" || err != nil || strconv.Itoa(*target) != n.Value {
			d.rejectValue(key, "%s is not a whole number; write %s, without quotes", d.quote(key, n.Value), accepted(v))
		}
	case *model.Duration:
		if err := target.UnmarshalText([]byte(n.Value)); err != nil {
			d.rejectValue(key, "%s is not a duration; write %s", d.quote(key, n.Value), accepted(v))
		}
	case *time.Time:
		var err error
		if *target, err = parseDate(n.Value); err != nil {
			d.rejectValue(key, "%s is not a date; write %s", d.quote(key, n.Value), accepted(v))
		}
	}
}

// accepted describes the accepted values for the type of v.
func accepted(v reflect.Value) string {
	switch v.Interface().(type) {
	case bool:
		return "true or false"
	case int:
		return "digits, such as 64"
	case model.Duration:
		return "numbers with units (ms, s, m, h, d, w or y), such as 15m or 1h30m"
	case time.Time:
		return "2027-03-31 or an RFC 3339 time"
	}
	return "text"
}

// parseDate reads a date, which begins at midnight UTC, or an RFC 3339 time.
func parseDate(s string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t, err = time.Parse(time.RFC3339, s)
	}
	if err == nil && t.Year() < 1970 {
		// The zero time means that an exemption does not end.
		err = fmt.Errorf("year %d is before 1970", t.Year())
	}
	return t, err
}

// quote returns s, the value at key, for a message: in one line of limited length.
// The value of an alias is not included, because it can be the external ID.
func (d *document) quote(key, s string) string {
	if n, ok := d.nodes[key]; ok && n.Kind == yaml.AliasNode {
		s = "*" + n.Value
	}
	return strconv.Quote(shorten(s))
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}

var (
	word      = regexp.MustCompile(`^[\w-]{0,64}`)
	wholeWord = regexp.MustCompile(`^[\w-]{1,64}$`)
)

func join(key, name string) string {
	if key == "" || name == "" {
		return key + name
	}
	return key + "." + name
}

func fieldName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	return name
}

// fieldNames returns the keys of a section. Fields that no key sets are the last of
// their struct.
func fieldNames(t reflect.Type) []string {
	var names []string
	for f := range t.Fields() {
		if name := fieldName(f); name != "-" {
			names = append(names, name)
		}
	}
	return names
}
