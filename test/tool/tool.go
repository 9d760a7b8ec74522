// Package tool has what tests need that run other programs: their paths, addresses for
// them, and how long to wait for them.
package tool

import (
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// alternatives are the names of a program besides its own.
var alternatives = map[string][]string{
	"alertmanager": {"prometheus-alertmanager"}, // Debian and Ubuntu
	"chromium":     {"chromium-browser", "google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"},
}

// Path returns the path of a program. Where it is not installed, the test is
// skipped; with CI=true, as make check sets it, it fails.
func Path(t testing.TB, name string) string {
	t.Helper()
	for _, name := range append([]string{name}, alternatives[name]...) {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed; make setup installs it", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

// FreeAddress returns a loopback address that nothing listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

// Patience returns how long a test may wait for another program or goroutine:
// until a minute before go test's own timeout. So a slow machine fails no test, and
// a test that hangs still says what it waited for.
func Patience(t *testing.T) time.Duration {
	t.Helper()
	deadline, ok := t.Deadline()
	if !ok {
		return time.Hour
	}
	return time.Until(deadline.Add(-time.Minute))
}
