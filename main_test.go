package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// SIGHUP ends a process that does not handle it yet, so the handler is installed
// before the packages whose initialization takes long.
func TestHangupIsHandledFirst(t *testing.T) {
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var order []string
	for _, m := range regexp.MustCompile(`(?m)^init (\S+) @`).FindAllSubmatch(out, -1) {
		order = append(order, string(m[1]))
	}
	const module = "github.com/access-analyzer-exporter/access-analyzer-exporter/"
	ours := slices.Index(order, module+"internal/hangup")
	if ours < 0 {
		t.Fatalf("internal/hangup is not initialized\n%s", out)
	}
	for _, before := range order[:ours] {
		if strings.HasPrefix(before, module) || before == "net/http" || before == "crypto/tls" {
			t.Errorf("%s is initialized before the handler of SIGHUP", before)
		}
	}
}
