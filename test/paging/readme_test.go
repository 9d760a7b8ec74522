package paging

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadmeNamesCases checks that the cases in the table exist.
func TestReadmeNamesCases(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## Known cases")
	names := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(table, -1)
	if len(names) == 0 {
		t.Fatal("no names")
	}
	for _, name := range names {
		isCase := slices.ContainsFunc(cases, func(s scenario) bool { return s.name == name[1] })
		if !isCase && !strings.HasPrefix(name[1], "Test") {
			t.Errorf("no case %q", name[1])
		}
	}
}
