package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// parseYAML returns the root node of the only document in data, nil if there is
// none, or the syntax error.
func parseYAML(data []byte) (*yaml.Node, *Error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, syntaxError(err, data)
	}
	var first, second yaml.Node
	switch err := loader.Load(&first); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxError(err, data)
	}
	switch err := loader.Load(&second); {
	case errors.Is(err, io.EOF):
		return first.Content[0], nil
	case err != nil:
		return nil, syntaxError(err, data)
	}
	return nil, &Error{Line: second.Line, Message: "a second YAML document begins here; write a single document, without a line of ---"}
}

// remedies say how to fix the syntax errors of the YAML library, by a part of its
// message. The last entry matches all messages.
var remedies = []struct {
	message string
	remedy  string
}{
	{"did not find expected key", "this line does not continue what is above it; indent the keys of a section alike"},
	{"did not find expected '-' indicator", "this line does not continue the list above it; begin every item with a - at the same depth"},
	{"did not find expected ',' or ']'", "a [ above is not closed; write a comma between items and a ] after the last"},
	{"did not find expected ',' or '}'", "a { above is not closed; write a comma between keys and a } after the last"},
	{"did not find expected node content", "a value is missing, or a bracket is closed that was not opened"},
	{"did not find expected <document start>", "nothing may follow the end of the document"},
	{"violates indentation", "indent with spaces, not tabs"},
	{"cannot start any token", "indent with spaces, not tabs, and put text that begins with a special character in quotes"},
	{"mapping values are not allowed", "indent the keys of a section alike, write a space after each colon, and put text that holds one in quotes"},
	{"could not find expected ':'", "write a colon and a space between a key and its value"},
	{"unexpected end of stream", "a quote is not closed"},
	{"alphabetic or numeric character", `put text that begins with * or & in quotes, such as "*"`},
	{"unknown anchor", `put text that begins with * in quotes, such as "*"`},
	{"control characters", "save the file as plain text in UTF-8"},
	{"UTF-8", "save the file as plain text in UTF-8"},
	{"", "look for indentation, quotes and brackets at this line and above"},
}

func syntaxError(err error, data []byte) *Error {
	e := &Error{Line: 1}
	message := err.Error()
	if loadError, ok := errors.AsType[*yaml.LoadError](err); ok {
		e.Line = loadError.Mark.Line
		message, _, _ = strings.Cut(loadError.Message, " (value: ")
		switch {
		case loadError.Stage == yaml.ReaderStage:
			e.Line = lineOfUnprintable(data)
		case strings.Contains(message, "unexpected end of stream"):
			e.Line = loadError.ContextMark.Line // the line of the opening quote
		case strings.HasPrefix(message, "unknown anchor"):
			message = "unknown anchor" // its name may be a value without quotes, such as a secret
		}
	}
	// At the end of the file, the library reports the line after the last.
	e.Line = max(1, min(e.Line, bytes.Count(data, []byte("\n"))+1))
	for _, r := range remedies {
		if strings.Contains(message, r.message) {
			e.Message = fmt.Sprintf("is not YAML (%s): %s", message, r.remedy)
			break
		}
	}
	return e
}

// lineOfUnprintable returns the line of the first byte that is not UTF-8 or the
// first control character, for which the library reports no line.
func lineOfUnprintable(data []byte) int {
	line := 1
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == '\n':
			line++
		case r == utf8.RuneError && size == 1, unicode.IsControl(r) && r != '\t' && r != '\r' && r != '\u0085':
			return line
		}
		data = data[size:]
	}
	return line
}
