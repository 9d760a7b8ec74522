package rules

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// file is a rule file as text, divided into its rules. An encoder would lose the
// blank lines and the line breaks of expressions, and with them the readability.
type file struct {
	head   string
	groups []group
}

type group struct {
	head  string // comment, name and interval
	rules []rule

	Name  string
	Needs []string // what the configuration must have
}

type rule struct {
	text string // with the comment above it

	Record, Alert, Expr, For string
	Needs                    []string
}

func (r rule) name() string { return r.Record + r.Alert }

var (
	groupStart   = regexp.MustCompile(`^  - name: `)
	ruleStart    = regexp.MustCompile(`^      - (record|alert): `)
	remark       = regexp.MustCompile(`^ *(#.*)?\n$`)
	needsLine    = regexp.MustCompile(`(?m)^ +needs: .*\n`)
	severityLine = regexp.MustCompile(`(?m)^          severity: .*$`)
)

// parse divides a rule file in the layout of rules.in.yaml. Comments belong to what
// follows them.
func parse(text string) file {
	var (
		f       file
		remarks string
	)
	current := &f.head
	for line := range strings.Lines(text) {
		switch {
		case groupStart.MatchString(line):
			f.groups = append(f.groups, group{})
			current = &f.groups[len(f.groups)-1].head
		case ruleStart.MatchString(line):
			g := &f.groups[len(f.groups)-1]
			g.rules = append(g.rules, rule{})
			current = &g.rules[len(g.rules)-1].text
		case remark.MatchString(line):
			remarks += line
			continue
		}
		*current += remarks + line
		remarks = ""
	}
	for i := range f.groups {
		f.groups[i].decode()
	}
	return f
}

// decode sets the fields that have a key in the text.
func (g *group) decode() {
	var one []struct {
		Name  string
		Needs []string
	}
	mustUnmarshal([]byte(g.head), &one)
	g.Name, g.Needs = one[0].Name, one[0].Needs
	g.head = strings.Trim(needsLine.ReplaceAllString(g.head, ""), "\n") + "\n"
	for i, r := range g.rules {
		var one []rule
		mustUnmarshal([]byte(r.text), &one)
		one[0].text = strings.Trim(needsLine.ReplaceAllString(r.text, ""), "\n") + "\n"
		g.rules[i] = one[0]
	}
}

func (r *rule) setSeverity(s string) {
	r.text = severityLine.ReplaceAllString(r.text, "          severity: "+strconv.Quote(s))
}

// divide divides groups with more rules than the limit. The recording rules, which
// come first and use each other, are less than config accepts as a limit.
func (f *file) divide(limit int) {
	var divided []group
	for _, g := range f.groups {
		part := g
		for n := 2; len(part.rules) > limit; n++ {
			rest := part.rules[limit:]
			part.rules = part.rules[:limit]
			divided = append(divided, part)
			part = group{head: g.headOf(n), rules: rest}
		}
		divided = append(divided, part)
	}
	f.groups = divided
}

// headOf returns the head of part n of a group, which has a name of its own.
func (g group) headOf(n int) string {
	lines := slices.DeleteFunc(strings.SplitAfter(g.head, "\n"), remark.MatchString)
	return strings.Replace(strings.Join(lines, ""), g.Name, g.Name+"-"+strconv.Itoa(n), 1)
}

func (f file) String() string {
	var groups []string
	for _, g := range f.groups {
		var rules []string
		for _, r := range g.rules {
			rules = append(rules, r.text)
		}
		groups = append(groups, g.head+strings.Join(rules, "\n"))
	}
	return f.head + strings.Join(groups, "\n")
}
