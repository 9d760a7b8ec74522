package cli_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// TestRulesFile checks that the file in the repository is the command's output.
func TestRulesFile(t *testing.T) {
	var out bytes.Buffer
	if code := cli.Run(t.Context(), []string{"rules"}, &out, io.Discard); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if bytes.Contains(out.Bytes(), []byte("${")) {
		t.Error("the rules have a placeholder without a value")
	}
	lab.Golden(t, "../../deploy/prometheus/rules.yaml", out.Bytes())
}
