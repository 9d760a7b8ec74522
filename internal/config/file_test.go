package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestReadFile(t *testing.T) {
	defer func(before time.Duration) { pipeTimeout = before }(pipeTimeout)
	pipeTimeout = 200 * time.Millisecond
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := func(name string, write func(*os.File)) string {
		path := filepath.Join(dir, name)
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if write != nil {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			write(f)
			t.Cleanup(func() { _ = f.Close() })
		}
		return path
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file("target", "linked"), link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, path, want, fault string }{
		{"regular", file("regular", "text"), "text", ""},
		{"empty", file("empty", ""), "", ""},
		{"link", link, "linked", ""},
		{"as large as can be", file("full", strings.Repeat("x", 100)), strings.Repeat("x", 100), ""},
		{"too large", file("large", strings.Repeat("x", 101)), "", "too large"},
		{"missing", filepath.Join(dir, "missing"), "", "no such file"},
		{"directory", dir, "", "is a directory"},
		{"device without an end", "/dev/zero", "", "not a regular file"},
		{"device without content", "/dev/null", "", "not a regular file"},
		{"pipe without a writer", fifo("unwritten", nil), "", "nothing was written"},
		{"pipe whose writer writes nothing", fifo("silent", func(*os.File) {}), "", "timeout"},
		{"pipe whose writer does not end", fifo("endless", func(f *os.File) { _, _ = f.WriteString("half") }), "", "timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := ReadFile(test.path, 100)
			if string(got) != test.want || (err == nil) != (test.fault == "") || err != nil && !strings.Contains(err.Error(), test.fault) {
				t.Errorf("%q, %v, want %q and %q", got, err, test.want, test.fault)
			}
			if err != nil && !strings.Contains(err.Error(), test.path) {
				t.Errorf("the path is not in %v", err)
			}
		})
	}
}

// A shell passes <(command) as the path of a pipe.
func TestReadPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	go func() {
		_, _ = w.WriteString("sweep: {interval: 2h}\n")
		_ = w.Close()
	}()
	c, err := Load(fmt.Sprintf("/dev/fd/%d", r.Fd()))
	if err != nil || c.Sweep.Interval != hours(2) {
		t.Errorf("%+v, %v", c, err)
	}
}
