package collector

import (
	"flag"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden files and docs/metrics.md anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// promtool returns the path of Prometheus' own judge of names and expressions.
func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal("promtool is not installed, and nothing may go unchecked here")
	default:
		t.Skip("promtool is not installed")
	}
	return path
}
