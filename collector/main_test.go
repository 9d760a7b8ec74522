package collector

import (
	"flag"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "update the golden files and docs/metrics.md")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// promtool returns the path of promtool. Without it, tests are skipped locally
// and fail in CI.
func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatal("promtool is not installed")
	default:
		t.Skip("promtool is not installed")
	}
	return path
}
