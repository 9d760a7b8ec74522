package templates

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Outputs applies a Terraform module that requires no provider, and returns its outputs,
// which are texts in JSON. Variables are NAME=VALUE. Without Terraform the test is
// skipped.
func Outputs(t *testing.T, module string, variables ...string) map[string]any {
	t.Helper()
	directory := t.TempDir()
	state := "-state=" + filepath.Join(directory, "state")
	run := func(args ...string) []byte { return terraform(t, module, directory, args...) }
	run("init", "-input=false")
	args := []string{"apply", "-auto-approve", "-input=false", state}
	for _, v := range variables {
		args = append(args, "-var="+v)
	}
	run(args...)
	var out map[string]struct{ Value string }
	if err := json.Unmarshal(run("output", "-json", state), &out); err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	for name, o := range out {
		var value any
		if err := json.Unmarshal([]byte(o.Value), &value); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		values[name] = value
	}
	return values
}

// terraform runs a command in a module, whose directory it does not change.
func terraform(t *testing.T, module, directory string, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not installed")
	}
	c := exec.CommandContext(t.Context(), path, append([]string{"-chdir=" + module}, args...)...)
	// Without CHECKPOINT_DISABLE it queries its latest version.
	c.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1", "TF_DATA_DIR="+directory)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("terraform %v: %v\n%s%s", args, err, out, stderr.Bytes())
	}
	return out
}
