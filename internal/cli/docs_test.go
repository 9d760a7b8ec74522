package cli

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents are the Markdown files of the repository, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	docs := map[string]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			text, err := os.ReadFile(path)
			docs[path] = string(text)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(docs) < 4 {
		t.Fatalf("only %d documents found; is this the root of the repository?", len(docs))
	}
	return docs
}

func TestDocumentsLinkToWhatExists(t *testing.T) {
	docs := documents(t)
	link := regexp.MustCompile(`(?:\]\(|(?:src|srcset|href)=")([^)"\s#]*)(?:#([^)"\s]*))?[)"]`)
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
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which is not there", path, to)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(docs[file]), anchor) {
				t.Errorf("%s links to #%s, but %s has no such heading", path, anchor, file)
			}
		}
	}
}

// anchors are the names that GitHub gives to the headings of a document.
func anchors(text string) []string {
	heading := regexp.MustCompile(`(?m)^#+ +(.*)$`)
	dropped := regexp.MustCompile(`[^\p{L}\p{N}_ -]`)
	var names []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		names = append(names, strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-"))
	}
	return names
}

func TestDocumentsNameFlagsCommandsAndTargetsThatExist(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	commands := help(t)
	everything := commands
	command := regexp.MustCompile(`(?m)^  ([a-z-]+)\b`)
	for _, m := range command.FindAllStringSubmatch(commands, -1) {
		everything += help(t, m[1])
	}
	for _, named := range []struct {
		what, in string
		pattern  *regexp.Regexp
		found    func(string) *regexp.Regexp
	}{
		{
			"flag", everything,
			regexp.MustCompile(`--([a-z]+\.[a-z.-]*[a-z])`),
			func(name string) *regexp.Regexp {
				return regexp.MustCompile(`--(\[no-\])?` + regexp.QuoteMeta(name) + `\b`)
			},
		},
		{
			"command", commands,
			regexp.MustCompile("(?m)(?:^(?:\\./)?|`)(?:access-analyzer-exporter|go run \\.) ([a-z][a-z-]*)"),
			func(name string) *regexp.Regexp { return regexp.MustCompile(`(?m)^  ` + name + `\b`) },
		},
		{
			"target", string(makefile),
			regexp.MustCompile("(?m)(?:^|`)make ([a-z][a-z0-9-]*)"),
			func(name string) *regexp.Regexp { return regexp.MustCompile(`(?m)^` + name + `:`) },
		},
	} {
		seen := 0
		for path, text := range documents(t) {
			for _, m := range named.pattern.FindAllStringSubmatch(text, -1) {
				seen++
				if !named.found(m[1]).MatchString(named.in) {
					t.Errorf("%s names the %s %s, which does not exist", path, named.what, m[1])
				}
			}
		}
		if seen == 0 {
			t.Errorf("no document names a %s: this test looks for the wrong thing", named.what)
		}
	}
}

// help is what the program prints with --help.
func help(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if code := Run(t.Context(), append(args, "--help"), &out, io.Discard); code != 0 {
		t.Fatalf("%v --help: exit code %d", args, code)
	}
	return out.String()
}
