package docs_test

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// documentRoots hold the documents besides those at the root of the repository.
// The root itself is not listed: Go's test cache would take every new commit or
// build below it for a changed input.
var documentRoots = []string{"collector", "deploy", "docs", "grafana", "internal", "test", "tools"}

// documents returns the Markdown files of the repository by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	add := func(path string) error {
		text, err := os.ReadFile(filepath.Join(lab.Root, path))
		docs[path] = string(text)
		return err
	}
	for _, path := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "RELEASING.md", "CODE_OF_CONDUCT.md"} {
		if err := add(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, root := range documentRoots {
		err := fs.WalkDir(os.DirFS(lab.Root), root, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules"):
				return filepath.SkipDir
			case filepath.Ext(path) == ".md":
				return add(path)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return docs
}

// link matches a link or an image: its path, and its anchor.
var link = regexp.MustCompile(`(?:\]\(|(?:src|srcset|href)=")([^)"\s#]*)(?:#([^)"\s]*))?[)"]`)

func TestDocumentsLinkToWhatExists(t *testing.T) {
	docs := documents(t)
	for path, text := range docs {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to, anchor := m[1], m[2]
			if strings.Contains(to, "://") {
				continue
			}
			file := path
			if to != "" {
				file = filepath.Join(filepath.Dir(path), to)
			}
			if _, err := os.Stat(filepath.Join(lab.Root, file)); err != nil {
				t.Errorf("%s links to %s, which does not exist", path, to)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(docs[file]), anchor) {
				t.Errorf("%s links to #%s, but %s has no such heading", path, anchor, file)
			}
		}
	}
}

// TestTwoClicksFromReadme follows the links of README.md, and of the documents that it
// links to. Documents on the development of a directory are in it only.
func TestTwoClicksFromReadme(t *testing.T) {
	docs := documents(t)
	reached := map[string]bool{"README.md": true}
	for range 2 {
		for path := range maps.Clone(reached) {
			for _, m := range link.FindAllStringSubmatch(docs[path], -1) {
				to := filepath.Join(filepath.Dir(path), m[1])
				if _, ok := docs[filepath.Join(to, "README.md")]; ok {
					to = filepath.Join(to, "README.md")
				}
				reached[to] = true
			}
		}
	}
	for path := range docs {
		ofUsers := !strings.Contains(path, "testdata") && !strings.HasPrefix(path, "test/") && !strings.HasPrefix(path, "internal/") && !strings.HasPrefix(path, "tools/")
		if ofUsers && !reached[path] {
			t.Errorf("%s is more than two clicks from README.md", path)
		}
	}
}

// anchors returns the anchors that GitHub gives the headings of a document.
func anchors(text string) []string {
	heading := regexp.MustCompile(`(?m)^#+ +(.*)$`)
	dropped := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	var names []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		names = append(names, strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return names
}

// flagsOfOthers are flags of Prometheus that documents name.
const flagsOfOthers = " --rules.alert.resend-delay "

func TestDocumentsNameFlagsCommandsAndTargetsThatExist(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(lab.Root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	commands := help(t)
	everything := commands
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+)\b`).FindAllStringSubmatch(commands, -1) {
		everything += help(t, m[1])
	}
	for _, test := range []struct {
		kind, in string // in lists what exists
		mention  string // in documents; the first group is the name
		entry    string // in the list, with %s for the name
	}{
		{"flag", everything + flagsOfOthers, `--([a-z]+\.[a-z.-]*[a-z])`, `--(\[no-\])?%s\b`},
		{"command", commands, "(?m)(?:^(?:\\./)?|`)(?:access-analyzer-exporter|go run \\.) ([a-z][a-z-]*)", `(?m)^  %s\b`},
		{"target", string(makefile), "(?m)(?:^|`)make ([a-z][a-z0-9-]*)", `(?m)^%s:`},
	} {
		mention, found := regexp.MustCompile(test.mention), 0
		for path, text := range documents(t) {
			for _, m := range mention.FindAllStringSubmatch(text, -1) {
				found++
				if !regexp.MustCompile(fmt.Sprintf(test.entry, regexp.QuoteMeta(m[1]))).MatchString(test.in) {
					t.Errorf("%s names the %s %s, which does not exist", path, test.kind, m[1])
				}
			}
		}
		if found == 0 {
			t.Errorf("no document names a %s: the pattern is wrong", test.kind)
		}
	}
}

// help returns the output of --help.
func help(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if code := cli.Run(t.Context(), append(args, "--help"), &out, io.Discard); code != 0 {
		t.Fatalf("%v --help: exit code %d", args, code)
	}
	return out.String()
}
