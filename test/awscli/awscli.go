// Package awscli checks commands of the AWS CLI in documents and advice, without
// AWS and without the CLI: it runs the script with stubs, so that the shell's own
// quoting applies, and compares the arguments with testdata/table.json.
//
// ./update writes that file from the argument tables of an installed AWS CLI, for the
// operations that the documents use. Run it after adding one.
package awscli

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// table is what the AWS CLI accepts. A reference is the name of a shape, a
// primitive type, or either after "[]" (list) or "{}" (map of strings to it).
type table struct {
	Global     map[string]string // option → reference
	Operations map[string]struct {
		Options  map[string]string // option → reference
		Required []string          // options
		Output   string            // reference; empty if there is no output or no query of it
	}
	// Shapes are the values of each enum and the members of each structure.
	Shapes map[string]shape
}

type shape struct {
	enum    []string
	members map[string]string // name → reference
}

func (s *shape) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		return json.Unmarshal(b, &s.enum)
	}
	return json.Unmarshal(b, &s.members)
}

//go:embed testdata/table.json
var tableJSON []byte

var known = func() (t table) {
	if err := json.Unmarshal(tableJSON, &t); err != nil {
		panic(err)
	}
	return t
}()

// Local are the commands of the CLI that are not operations of a service, with their
// options. The table has none of them; version 1 of the AWS CLI lacks some.
var Local = map[string][]string{
	"configure export-credentials": {"--profile", "--format"},
	"logs tail":                    {"--follow", "--since", "--format", "--filter-pattern", "--region"},
	"sso login":                    {"--profile", "--sso-session", "--no-browser", "--use-device-code"},
}

// Problems returns what the AWS CLI does not accept of a command: the arguments
// after "aws".
func Problems(args []string) (problems []string) {
	if len(args) < 2 {
		return []string{"there is no operation"}
	}
	name := Operation(args)
	if options, ok := Local[name]; ok {
		for _, a := range args[2:] {
			if strings.HasPrefix(a, "--") && !slices.Contains(options, a) {
				problems = append(problems, a+" is not an option")
			}
		}
		return problems
	}
	operation, ok := known.Operations[name]
	if !ok {
		return []string{name + " is not in testdata/table.json; test/awscli/update adds it if it exists"}
	}
	given := map[string]bool{}
	for option, values := range options(args[2:], &problems) {
		given[option] = true
		ref := cmp.Or(operation.Options[option], known.Global[option])
		if ref == "" {
			problems = append(problems, option+" is not an option")
			continue
		}
		for _, p := range checkOption(ref, values) {
			problems = append(problems, option+": "+p)
		}
		if option == "--filter" && args[0] == "accessanalyzer" {
			problems = append(problems, filterProblems(values[0])...)
		}
		if option == "--query" {
			problems = append(problems, queryProblems(values[0], operation.Output)...)
		}
	}
	for _, option := range operation.Required {
		off := "--no-" + strings.TrimPrefix(option, "--")
		if !given[option] && !given[off] && !given["--cli-input-json"] {
			problems = append(problems, option+" is missing")
		}
	}
	slices.Sort(problems)
	return problems
}

// findingFilter are the keys of the filters of ListFindingsV2 and of archive rules,
// with the enum of their values if they have one. The model has no list of them.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-filter-keys.html
var findingFilter = map[string]string{
	"status": "accessanalyzer.FindingStatus", "findingType": "accessanalyzer.FindingType", "resourceType": "accessanalyzer.ResourceType",
	"resource": "string", "resourceOwnerAccount": "string", "error": "string", "isPublic": "string", "id": "string",
	"principal.AWS": "string", "principal.Federated": "string", "condition.aws:PrincipalOrgID": "string",
}

func filterProblems(text string) (problems []string) {
	var filter map[string]struct{ Eq, Neq, Contains []string }
	if err := json.Unmarshal([]byte(text), &filter); err != nil {
		return []string{"--filter: " + err.Error()}
	}
	for key, criterion := range filter {
		ref, ok := findingFilter[key]
		if !ok {
			problems = append(problems, "--filter: findings have no property "+key)
			continue
		}
		for _, v := range append(criterion.Eq, criterion.Neq...) {
			problems = append(problems, check(ref, v)...)
		}
	}
	return problems
}

var (
	literal    = regexp.MustCompile("'[^']*'|`[^`]*`")
	identifier = regexp.MustCompile(`&?([A-Za-z_]\w*)\s*([(:])?`)
)

// queryProblems finds names in a JMESPath expression that are nowhere in the
// output. Names before "(" are functions, those before ":" keys of the result,
// those after a map its keys.
func queryProblems(query, output string) (problems []string) {
	names := map[string]bool{}
	query = literal.ReplaceAllString(query, "")
	walk(output, map[string]bool{}, func(name, ref string) {
		names[name] = true
		if strings.HasPrefix(ref, "{}") {
			query = regexp.MustCompile(`\b`+name+`\.\w+`).ReplaceAllString(query, name)
		}
	})
	for _, m := range identifier.FindAllStringSubmatch(query, -1) {
		if m[2] == "" && !names[m[1]] {
			problems = append(problems, "--query: the output has no "+m[1])
		}
	}
	return problems
}

// walk visits the members of a shape, at any depth.
func walk(ref string, seen map[string]bool, visit func(name, ref string)) {
	ref = strings.TrimLeft(ref, "[]{}")
	if seen[ref] {
		return
	}
	seen[ref] = true
	for name, member := range known.Shapes[ref].members {
		visit(name, member)
		walk(member, seen, visit)
	}
}

// Enum returns the values of an enum of the models, such as
// "accessanalyzer.ResourceType".
func Enum(name string) []string { return known.Shapes[name].enum }

// Operation is the service and the operation of a command.
func Operation(args []string) string { return strings.Join(args[:min(2, len(args))], " ") }

// options are the values of each option.
func options(args []string, problems *[]string) map[string][]string {
	values, option := map[string][]string{}, ""
	for _, a := range args {
		switch {
		case strings.HasPrefix(a, "--"):
			name, value, assigned := strings.Cut(a, "=")
			option, values[name] = name, nil
			if assigned {
				values[name] = []string{value}
			}
		case option == "":
			*problems = append(*problems, strconv.Quote(a)+" follows no option")
		default:
			values[option] = append(values[option], a)
		}
	}
	return values
}

func checkOption(ref string, values []string) (problems []string) {
	element, list := strings.CutPrefix(ref, "[]")
	switch {
	case ref == "boolean" && len(values) == 0:
		return nil
	case ref == "boolean":
		return []string{"takes no value"}
	case len(values) == 0:
		return []string{"needs a value"}
	case list && len(values) == 1 && strings.HasPrefix(values[0], "["):
		return checkText(ref, values[0])
	case list:
		for _, v := range values {
			problems = append(problems, checkText(element, v)...)
		}
		return problems
	case len(values) > 1:
		return []string{fmt.Sprintf("takes one value, not %q", values)}
	}
	return checkText(ref, values[0])
}

// checkText checks a value as JSON, as shorthand or as a primitive. The content
// of files is unknown.
func checkText(ref, text string) []string {
	compound := strings.HasPrefix(ref, "[]") || strings.HasPrefix(ref, "{}") || known.Shapes[ref].members != nil
	switch {
	case strings.HasPrefix(text, "file://"), strings.HasPrefix(text, "fileb://"):
		return nil
	case compound && strings.ContainsAny(text[:min(1, len(text))], "[{"):
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			return []string{fmt.Sprintf("%q is not valid JSON: %v", text, err)}
		}
		return check(ref, v)
	case compound:
		return checkShorthand(ref, text)
	case ref == "integer" || ref == "long" || ref == "int":
		if _, err := strconv.Atoi(text); err != nil {
			return []string{strconv.Quote(text) + " is not a number"}
		}
		return nil
	}
	return check(ref, text)
}

// check checks a decoded value.
func check(ref string, value any) (problems []string) {
	switch v := value.(type) {
	case map[string]any:
		element, isMap := strings.CutPrefix(ref, "{}")
		members := known.Shapes[ref].members
		if !isMap && members == nil {
			return []string{"an object is given, but it is " + ref}
		}
		for k, v := range v {
			if !isMap {
				element = members[k]
			}
			if element == "" {
				problems = append(problems, k+" is not a member of "+ref)
				continue
			}
			problems = append(problems, check(element, v)...)
		}
		return problems
	case []any:
		element, list := strings.CutPrefix(ref, "[]")
		if !list {
			return []string{"a list is given, but it is " + ref}
		}
		for _, v := range v {
			problems = append(problems, check(element, v)...)
		}
		return problems
	case string:
		if enum := known.Shapes[ref].enum; enum != nil && !slices.Contains(enum, v) {
			return []string{fmt.Sprintf("%q is not one of %s", v, strings.Join(enum, ", "))}
		}
	}
	got := map[string]string{"string": "string", "float64": "integer", "bool": "boolean"}[fmt.Sprintf("%T", value)]
	if known.Shapes[ref].enum != nil || slices.Contains([]string{"timestamp", "blob"}, ref) {
		ref = "string"
	}
	if got != strings.Replace(ref, "long", "integer", 1) {
		return []string{fmt.Sprintf("%v is given, but it is %s", value, ref)}
	}
	return nil
}

// checkShorthand checks key=value,key=value. A value in brackets is not looked
// into.
func checkShorthand(ref, text string) (problems []string) {
	element, isMap := strings.CutPrefix(ref, "{}")
	for _, m := range shorthand.FindAllStringSubmatch(text, -1) {
		key, value := m[1], strings.TrimSuffix(m[2], ",")
		if !isMap {
			element = known.Shapes[ref].members[key]
		}
		inner, list := strings.CutPrefix(element, "[]")
		switch {
		case element == "":
			problems = append(problems, key+" is not a member of "+ref)
		case list && !strings.HasPrefix(value, "["):
			for v := range strings.SplitSeq(value, ",") {
				problems = append(problems, check(inner, v)...)
			}
		case element == "boolean" && value != "true" && value != "false":
			problems = append(problems, key+" is true or false, not "+value)
		case known.Shapes[element].enum != nil:
			problems = append(problems, check(element, value)...)
		}
	}
	if !strings.Contains(text, "=") {
		problems = append(problems, fmt.Sprintf("%q is neither JSON nor key=value", text))
	}
	return problems
}

// shorthand matches a key and its value; a list goes up to the next key.
var shorthand = regexp.MustCompile(`([A-Za-z][\w.-]*)=(\[[^]]*\]|\{[^}]*\}|(?:[^,=]+(?:,|$))*)`)
