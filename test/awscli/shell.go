package awscli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// record appends its arguments to a file, each followed by NUL and the last one by
// a record separator, and prints a word.
const record = `#!/bin/sh
for word; do printf '%s\0' "$word"; done >>"$CALLS"
printf '\036' >>"$CALLS"
echo stub
`

// other reads its input and prints a word.
const other = `#!/bin/sh
cat >/dev/null
echo stub
`

// stubs are programs whose output scripts read, and that are not run.
var stubs = []string{
	"access-analyzer-exporter", "curl", "jq",
	"stub", // what eval runs
}

// tools are programs that are run: they only change the directory of the test.
var tools = []string{"cat", "cp", "date", "grep", "head", "mktemp", "sed", "sort", "tee", "tr", "uniq"}

// absent matches errors about files and programs of the repository and the reader.
var absent = regexp.MustCompile(`: not found$|No such file or directory$|: cannot open |: can't cd to `)

// Run runs a script in a POSIX shell with stubs and returns the arguments of each
// aws command. It fails the test on an error of syntax and an unset variable.
func Run(t testing.TB, script string) (calls [][]string) {
	t.Helper()
	bin, home := t.TempDir(), t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o755); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	write("aws", record)
	for _, name := range stubs {
		write(name, other)
	}
	for _, name := range tools {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-u")
	file := filepath.Join(bin, "calls")
	cmd.Stdin, cmd.Dir, cmd.Env = strings.NewReader(script), home, []string{"PATH=" + bin, "HOME=" + home, "CALLS=" + file}
	var errs strings.Builder
	cmd.Stderr = &errs
	_ = cmd.Run() // the status is that of the last command alone
	for line := range strings.Lines(errs.String()) {
		if line = strings.TrimSpace(line); !absent.MatchString(line) {
			t.Errorf("sh: %s", line)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for call := range strings.SplitSeq(strings.TrimSuffix(string(text), "\036"), "\036") {
		if call != "" {
			calls = append(calls, strings.Split(strings.TrimSuffix(call, "\x00"), "\x00"))
		}
	}
	return calls
}

// Check runs a script and reports what the AWS CLI does not accept of it.
func Check(t testing.TB, script string) (calls [][]string) {
	t.Helper()
	calls = Run(t, script)
	for _, call := range calls {
		for _, p := range Problems(call) {
			t.Errorf("aws %s: %s", strings.Join(call, " "), p)
		}
	}
	return calls
}
