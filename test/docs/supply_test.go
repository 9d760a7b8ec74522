package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// TestLicenses reads the license of every module that is in the binary.
func TestLicenses(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Dir}}{{end}}{{end}}", "./"+lab.Root).Output()
	if err != nil {
		t.Fatal(err)
	}
	accepted := map[string]string{
		"Apache-2.0": "Apache License",
		"MIT":        "Permission is hereby granted, free of charge",
		"BSD":        "Redistribution and use in source and binary forms",
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		module, dir, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || seen[module] {
			continue
		}
		seen[module] = true
		text := license(dir)
		known := false
		for _, phrase := range accepted {
			known = known || strings.Contains(text, phrase)
		}
		if !known {
			t.Errorf("%s has a license that is not in the list of accepted ones: %.200q", module, text)
		}
	}
	if len(seen) < 20 {
		t.Errorf("only %d modules were looked at", len(seen))
	}
}

// license returns the text of a module's license. A module within a repository may
// leave it to the directories above.
func license(dir string) string {
	for range 4 {
		for _, name := range []string{"LICENSE", "LICENSE.txt", "LICENSE.md", "COPYING"} {
			if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil {
				return strings.Join(strings.Fields(string(text)), " ")
			}
		}
		dir = filepath.Dir(dir)
	}
	return ""
}

// TestWorkflowsArePinned checks that actions are named by hash, because a tag can
// be moved to other code.
func TestWorkflowsArePinned(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(lab.Root, ".github", "workflows", "*.yaml"))
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	uses := regexp.MustCompile(`(?m)^\s*(?:- )?uses:\s*(\S+)(.*)$`)
	pinned := regexp.MustCompile(`^[\w./-]+@[0-9a-f]{40}$`)
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range uses.FindAllStringSubmatch(string(text), -1) {
			if found++; !pinned.MatchString(m[1]) || !strings.Contains(m[2], "# v") {
				t.Errorf("%s: %s%s: write the hash of a commit, and its version as a comment", file, m[1], m[2])
			}
		}
	}
	if found == 0 {
		t.Error("no action was found")
	}
}
