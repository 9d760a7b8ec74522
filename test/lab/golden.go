package lab

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Root is the root of the repository for the tests of packages two levels
// below it.
const Root = "../.."

var update = flag.Bool("update", false, "rewrite golden files and generated parts of documents")

// Golden compares output with a file. go generate rewrites it.
func Golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("output differs from %s; go generate rewrites the file. Output:\n%s", path, got)
	}
}

// Generated compares the part of a document between two comments that name it
// with what it should be. go generate rewrites it.
func Generated(t *testing.T, document, name, want string) {
	t.Helper()
	path := filepath.Join(Root, document)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+name+": generated -->\n\n", "\n<!-- /"+name+" -->"
	before, rest, ok := strings.Cut(string(text), begin)
	got, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		t.Fatalf("%s has no part %q", path, name)
	}
	if got == want {
		return
	}
	if *update {
		if err := os.WriteFile(path, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("part %q of %s is outdated; go generate rewrites it. It should be:\n%s", name, path, want)
}
