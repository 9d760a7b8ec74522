package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML returns the root of the only document in data, nil when there is
// none, or the fault that makes data something else than YAML.
func parseYAML(data []byte) (*yaml.Node, *Fault) {
	lines := &lineReader{rest: data}
	decoder := yaml.NewDecoder(lines)
	var first, second yaml.Node
	switch err := decoder.Decode(&first); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, syntaxFault(err, data, lines.read)
	}
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
		return first.Content[0], nil
	case err != nil:
		return nil, syntaxFault(err, data, lines.read)
	}
	return nil, &Fault{Line: second.Line, Message: "a second YAML document begins here; put everything into one, without a line of --- in between"}
}

// lineReader hands out one line at a time, and so knows how far a reader has
// come. The YAML library tells where the block with the fault begins, which
// may be many lines earlier, or nothing at all.
type lineReader struct {
	rest []byte
	read int
}

func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		return 0, io.EOF
	}
	line := r.rest
	if end := bytes.IndexByte(line, '\n'); end >= 0 {
		line = line[:end+1]
	}
	n := copy(p, line)
	r.rest = r.rest[n:]
	if n == len(line) {
		r.read++
	}
	return n, nil
}

// syntaxErrors turns what the library says into what to do about it. An error
// that the parser finds, as opposed to the scanner below it, is where reading
// stopped.
var syntaxErrors = []struct {
	says     string
	atReader bool
	remedy   string
}{
	{"did not find expected key", true, "this line does not continue what is above it; indent the keys of a section alike"},
	{"did not find expected '-' indicator", true, "this line does not continue the list above it; begin every item with a - at the same depth"},
	{"did not find expected ',' or ']'", true, "a [ above is not closed; write a comma between items and a ] after the last"},
	{"did not find expected ',' or '}'", true, "a { above is not closed; write a comma between keys and a } after the last"},
	{"did not find expected node content", true, "a value is missing, or a bracket is closed that was not opened"},
	{"did not find expected <document start>", true, "nothing may follow the end of the document"},
	{"violates indentation", true, "indent with spaces, not tabs"},
	{"cannot start any token", false, "indent with spaces, not tabs, and put text that begins with a special character in quotes"},
	{"mapping values are not allowed", false, "indent the keys of a section alike, write a space after each colon, and put text that holds one in quotes"},
	{"could not find expected ':'", false, "write a colon and a space between a key and its value"},
	{"unexpected end of stream", false, "a quote is not closed"},
	{"alphabetic or numeric character", false, `put text that begins with * or & in quotes, such as "*"`},
	{"unknown anchor", false, `put text that begins with * in quotes, such as "*"`},
	{"control characters", true, "save the file as plain text in UTF-8"},
	{"UTF-8", true, "save the file as plain text in UTF-8"},
	{"", false, "look for indentation, quotes and brackets at this line and above"},
}

var (
	libraryLine   = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)
	unknownAnchor = regexp.MustCompile(`unknown anchor '(.*)' referenced`)
)

func syntaxFault(err error, data []byte, read int) *Fault {
	prefix := libraryLine.FindStringSubmatch(err.Error())
	says := strings.TrimPrefix(err.Error(), prefix[0])
	line := read
	if n, err := strconv.Atoi(prefix[1]); err == nil && n < read {
		line = n
	}
	if m := unknownAnchor.FindStringSubmatch(says); m != nil {
		// The name may be the beginning of a value that lacks its quotes.
		says = "unknown anchor"
		line = 1 + bytes.Count(data[:max(0, bytes.Index(data, []byte("*"+m[1])))], []byte("\n"))
	}
	for _, e := range syntaxErrors {
		if strings.Contains(says, e.says) {
			if e.atReader {
				line = read
			}
			return &Fault{Line: max(1, line), Message: fmt.Sprintf("is not YAML (%s): %s", says, e.remedy)}
		}
	}
	panic("unreachable: the last entry matches everything")
}
