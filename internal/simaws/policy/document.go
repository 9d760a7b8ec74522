// Package policy checks policy documents as Access Analyzer does: a small and
// deterministic part of its validation, and its checks of access. It does no I/O.
package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
)

// document is a policy as it was parsed. Elements that are absent are nil.
type document struct {
	text       string
	members    map[string]any
	statements []statement
}

// statement is a statement of a policy.
type statement struct {
	// index is its position; single is whether the policy has it without a list.
	index   int
	single  bool
	members map[string]any
}

var errSyntax = errors.New("syntax")

// parse parses a document. After an error, offset is where it was found.
func parse(text string) (d document, offset int, err error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	var value any
	err = decoder.Decode(&value)
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return d, max(0, int(syntax.Offset)-1), errSyntax
	}
	if err == nil {
		_, err = decoder.Token()
		if !errors.Is(err, io.EOF) {
			return d, int(decoder.InputOffset()), errSyntax
		}
		err = nil
	}
	if err != nil {
		return d, len(text), errSyntax
	}
	d.text = text
	d.members, _ = value.(map[string]any)
	switch s := d.members["Statement"].(type) {
	case map[string]any:
		d.statements = []statement{{single: true, members: s}}
	case []any:
		for i, item := range s {
			members, _ := item.(map[string]any)
			d.statements = append(d.statements, statement{index: i, members: members})
		}
	}
	return d, 0, nil
}

// path is the path of an element of the statement.
func (s *statement) path(elements ...PathElement) []PathElement {
	path := []PathElement{{Key: "Statement"}}
	if !s.single {
		path = append(path, PathElement{Index: &s.index})
	}
	return append(path, elements...)
}

// has reports whether the statement has an element, which may be empty.
func (s *statement) has(name string) bool {
	_, ok := s.members[name]
	return ok
}

// text is the value of an element that is a string.
func (s *statement) text(name string) string {
	text, _ := s.members[name].(string)
	return text
}

// list is the value of an element that is a string or a list of strings.
func (s *statement) list(name string) []string { return texts(s.members[name]) }

func (s *statement) allows() bool { return s.text("Effect") == "Allow" }

// conditions returns the values of the condition keys, by operator and key.
func (s *statement) conditions() map[string]map[string]any {
	operators, _ := s.members["Condition"].(map[string]any)
	conditions := map[string]map[string]any{}
	for operator, value := range operators {
		conditions[operator], _ = value.(map[string]any)
	}
	return conditions
}

// hasCondition reports whether the statement has a condition on a key.
func (s *statement) hasCondition(key string) bool {
	for _, keys := range s.conditions() {
		for k := range keys {
			if strings.EqualFold(k, key) {
				return true
			}
		}
	}
	return false
}

func texts(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var list []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}

// isEmptyList reports whether a value is a list without items.
func isEmptyList(value any) bool {
	list, ok := value.([]any)
	return ok && len(list) == 0
}

// isEmptyObject reports whether a value is an object without members.
func isEmptyObject(value any) bool {
	object, ok := value.(map[string]any)
	return ok && len(object) == 0
}

// locate returns the byte offsets of an element of the document.
func locate(text string, path []PathElement) (start, end int) {
	raw := json.RawMessage(text)
	for _, element := range path {
		from, to, ok := child(raw, element)
		if !ok {
			break
		}
		start, raw = start+from, raw[from:to]
	}
	lead := len(raw) - len(bytes.TrimLeft(raw, " \t\r\n"))
	return start + lead, start + len(bytes.TrimRight(raw, " \t\r\n"))
}

// child returns the offsets of a member of an object or of an item of a list.
func child(raw json.RawMessage, element PathElement) (from, to int, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if _, err := decoder.Token(); err != nil {
		return 0, 0, false
	}
	for i := 0; decoder.More(); i++ {
		var key json.Token
		if element.Index == nil {
			if key, _ = decoder.Token(); key == nil {
				return 0, 0, false
			}
		}
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return 0, 0, false
		}
		if element.Index == nil && key == element.Key || element.Index != nil && i == *element.Index {
			to = int(decoder.InputOffset())
			return to - len(value), to, true
		}
	}
	return 0, 0, false
}

// covers reports whether a pattern with the wildcards * and ? matches everything
// that another one matches.
func covers(pattern, other string) bool {
	switch {
	case pattern == "":
		return other == ""
	case pattern[0] == '*':
		return covers(pattern[1:], other) || other != "" && covers(pattern, other[1:])
	case other == "" || other[0] == '*':
		return false
	}
	return (pattern[0] == '?' || pattern[0] == other[0]) && covers(pattern[1:], other[1:])
}

// overlaps reports whether there is a string that both patterns match.
func overlaps(a, b string) bool {
	switch {
	case a == "" && b == "":
		return true
	case strings.HasPrefix(a, "*"):
		return overlaps(a[1:], b) || b != "" && overlaps(a, b[1:])
	case strings.HasPrefix(b, "*"):
		return overlaps(b, a)
	case a == "" || b == "":
		return false
	}
	return (a[0] == '?' || b[0] == '?' || a[0] == b[0]) && overlaps(a[1:], b[1:])
}

// anyCovers reports whether one of the patterns covers another one.
func anyCovers(patterns []string, other string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return covers(p, other) })
}
