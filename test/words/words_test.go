package words

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

const root = "../.."

// term is a word that this project replaces by that of Prometheus, Kubernetes or
// AWS.
type term struct {
	// banned is a regular expression, matched in lower case at word boundaries.
	banned string
	// use is what to write instead.
	use string
	// except are phrases, in lower case, that may contain the word.
	except []string
}

var terms = []term{
	{banned: `nobody|somebody|whoever|anybody`, use: "a component, AWS, or you", except: []string{"http.nobody", `"nobody"`, "user nobody", "nobody user"}},
	{banned: `mend|mends|mended|mending`, use: "fix"},
	{banned: `anew`, use: "again, or re-create"},
	{banned: `stands? in(to)? for|stood in for|standing in for`, use: "instead of, or last known state"},
	{banned: `in vain`, use: "failed, or retries exhausted"},
	{banned: `rests? on|rested on|resting on`, use: "depends on, or uses"},
	{banned: `goes on|went on`, use: "keeps, or continues"},
	{banned: `collections? of garbage`, use: "garbage collection"},
	{banned: `places?`, use: "target, or Region", except: []string{`json:"places"`, "`places`", "in place of", "in place", "take place", "takes place", "took place", "in the first place", "decimal place"}},
	{banned: `spots?`, use: "target", except: []string{"spot instance"}},
	{banned: `enter(s|ed|ing)? (a|an|the|each|every|this|that|those|other|all|in|only|member)*( ?(the|other|member))* ?accounts?|accounts? (is|are|was|were|cannot be|can be|be|not) (not )?entered`, use: "assume a role in"},
	{banned: `entered`, use: "the role was assumed"},
	{banned: `analyzers? (of|for) (external|unused|internal) access`, use: "external access analyzer, unused access analyzer, internal access analyzer"},
	{banned: `analyzers? of (the|an|its) organizations?|organization's analyzers?`, use: "organization analyzer"},
	{banned: `guardrails?`, use: "service control policy (SCP)", except: []string{"control tower"}},
	{banned: `turn(s|ed)? away|turned the call away`, use: "throttled, or rejected"},
	{banned: `misread|misreads|cannot be meant`, use: "invalid"},
	{banned: `refuses?|refused|refusing|refusals?`, use: "rejects, fails, or returns an error", except: []string{"connection refused", "connections refused", "econnrefused"}},
	{banned: `tells?|telling|told|foretold|retold`, use: "reports, returns, logs, or exposes"},
	{banned: `knows|sees|believes?|speaks?|spoken`, use: "reads, caches, or uses"},
	{banned: `hasty|hastily|unhurried`, use: "a term of the field"},
	{banned: `slips`, use: "a term of the field"},
	{banned: `strangers?`, use: "account outside the organization"},
	{banned: `rooms|houses?|walls`, use: "package, repository, import rule"},
	{banned: `behaviours?|colou?red? as a|colours?|coloured|licences?|honours?|neighbours?|neighbouring|favour|favourite|centre|grey|catalogue|judgements?|analyse|analysed|analysing|cancelled|cancelling|labelled|labelling|modelled|spelt|learnt|whilst`, use: "US spelling"},
	{banned: `(organi|recogni|summari|seriali|initiali|normali|authori|minimi|optimi|prioriti|synchroni|utili|randomi|categori|customi|generali|speciali)s(e|es|ed|ing|ation|ations)`, use: "US spelling"},
}

// possessive is AWS' in front of what belongs to AWS.
var possessive = regexp.MustCompile(`(^|[^'"\x60\w])AWS' `)

// skipped are files without prose of this project.
var skipped = []string{
	".git", "LICENSE", "bin", "dist", "node_modules", "test/words",
	// Wire formats, whose words are those of AWS, and inputs that a fuzzer found.
	"testdata/fuzz",
}

var (
	extensions = []string{".css", ".go", ".html", ".js", ".md", ".mjs", ".service", ".sh", ".tf", ".tmpl", ".tpl", ".txt", ".yaml", ".yml"}
	files      = []string{"Dockerfile", "Makefile", "run", "setup", "check-image"}
)

// checker has the compiled terms.
type checker struct {
	// any matches a text that has one of the terms.
	any      *regexp.Regexp
	patterns []*regexp.Regexp
}

func newChecker() checker {
	var c checker
	var banned []string
	for _, t := range terms {
		c.patterns = append(c.patterns, regexp.MustCompile(`\b(`+t.banned+`)\b`))
		banned = append(banned, t.banned)
	}
	c.any = regexp.MustCompile(`\b(` + strings.Join(banned, "|") + `)\b|aws' `)
	return c
}

// check returns the banned words of a text, with the line of each from 0.
func (c checker) check(text string) (problems []problem) {
	if !c.any.MatchString(strings.ToLower(text)) {
		return nil
	}
	for i, line := range strings.Split(text, "\n") {
		if possessive.MatchString(line) {
			problems = append(problems, problem{i, "AWS'", "AWS, or its (the AWS API, the limits of AWS)"})
		}
		lower := strings.ToLower(line)
		for n, pattern := range c.patterns {
			rest := lower
			for _, phrase := range terms[n].except {
				rest = strings.ReplaceAll(rest, phrase, "")
			}
			if word := pattern.FindString(rest); word != "" {
				problems = append(problems, problem{i, word, terms[n].use})
			}
		}
	}
	return problems
}

type problem struct {
	line      int
	word, use string
}

// words splits an identifier: markUnknown is "mark unknown".
func words(identifier string) string {
	var b strings.Builder
	runes := []rune(identifier)
	for i, r := range runes {
		if r == '_' {
			r = ' '
		}
		if i > 0 && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func TestWords(t *testing.T) {
	c := newChecker()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		if slices.Contains(skipped, name) || slices.Contains(skipped, d.Name()) || strings.HasSuffix(name, "testdata/fuzz") {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() || !slices.Contains(extensions, filepath.Ext(name)) && !slices.Contains(files, d.Name()) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		report := func(line int, ps []problem) {
			for _, p := range ps {
				t.Errorf("%s:%d: %q: use %s", name, line+p.line, p.word, p.use)
			}
		}
		if filepath.Ext(name) == ".go" {
			return checkGo(c, name, text, report)
		}
		report(1, c.check(string(text)))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkGo checks the comments, the strings and the names that a file declares.
// Names of other modules are not this project's to choose.
func checkGo(c checker, name string, text []byte, report func(line int, ps []problem)) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, text, parser.ParseComments)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	line := func(p token.Pos) int { return set.Position(p).Line }
	for _, group := range file.Comments {
		for _, comment := range group.List {
			report(line(comment.Pos()), c.check(comment.Text))
		}
	}
	declared := func(ids ...*ast.Ident) {
		for _, id := range ids {
			if id != nil {
				report(line(id.Pos()), c.check(words(id.Name)))
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BasicLit:
			if n.Kind == token.STRING {
				value, err := strconv.Unquote(n.Value)
				if err == nil {
					report(line(n.Pos()), c.check(value))
				}
			}
		case *ast.FuncDecl:
			declared(n.Name)
		case *ast.TypeSpec:
			declared(n.Name)
		case *ast.ValueSpec:
			declared(n.Names...)
		case *ast.Field:
			declared(n.Names...)
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				for _, e := range n.Lhs {
					if id, ok := e.(*ast.Ident); ok {
						declared(id)
					}
				}
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				for _, e := range []ast.Expr{n.Key, n.Value} {
					if id, ok := e.(*ast.Ident); ok {
						declared(id)
					}
				}
			}
		}
		return true
	})
	return nil
}

func TestCheckFindsWords(t *testing.T) {
	for text, want := range map[string]string{
		"AWS' own limits":                 "AWS'",
		"'AWS' is a name":                 "",
		"nobody looks":                    "nobody",
		"req := f(http.NoBody)":           "",
		"a place nearby, and replaced":    "place",
		"changed in place":                "",
		"connection refused":              "",
		"is refused":                      "refused",
		"analyzers of the organization":   "analyzers of the organization",
		words("markPlacesAndMore"):        "places",
		words("AWSPlaces"):                "places",
		words("accountsEntered"):          "entered",
		"the exporter enters the account": "enters the account",
	} {
		got := ""
		if ps := newChecker().check(text); len(ps) > 0 {
			got = ps[0].word
		}
		if got != want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}
