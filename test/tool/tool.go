// Package tool has what tests need that run other programs: their paths, addresses for
// them, and how long to wait for them.
package tool

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync/atomic"
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

// Ports of FreeAddress are below those that systems choose for port 0 and for clients,
// which any other test may be given before the program listens.
const firstPort, endPort = 10_000, 32_000

// port is the last one that this process returned. Test processes run side by side, and
// their process IDs are close together.
var port atomic.Int64

func init() { port.Store(int64(os.Getpid()) * 61) }

// FreeAddress returns a loopback address that nothing listens on, a different one each
// time.
func FreeAddress(t testing.TB) string {
	t.Helper()
	var err error
	for range endPort - firstPort {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+port.Add(1)%(endPort-firstPort))
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal(err)
	return ""
}

// Await polls until a condition holds, and returns false if it does not within
// Patience.
func Await(t *testing.T, holds func() bool) bool {
	t.Helper()
	for deadline := time.Now().Add(Patience(t)); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
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
