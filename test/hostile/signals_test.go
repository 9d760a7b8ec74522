package hostile_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// process is the exporter's binary, with a configuration that it waits for: a
// pipe without a writer.
type process struct {
	*exec.Cmd
	pipe, address string
	stderr        *lab.Buffer
	exited        chan error
}

func startWaiting(t *testing.T, binary string) *process {
	t.Helper()
	p := &process{pipe: filepath.Join(t.TempDir(), "config.yaml"), address: tool.FreeAddress(t), stderr: &lab.Buffer{}, exited: make(chan error, 1)}
	if err := syscall.Mkfifo(p.pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	p.Cmd = exec.CommandContext(t.Context(), binary, "--config.file="+p.pipe, "--web.listen-address="+p.address)
	p.Stderr = p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exited <- p.Wait() }()
	if !tool.Await(t, func() bool { return strings.Contains(p.stderr.String(), "Starting") }) {
		t.Fatalf("not started\n%s", p.stderr)
	}
	return p
}

func (p *process) send(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func (p *process) wait(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.exited:
		return err
	case <-time.After(tool.Patience(t)):
		t.Fatalf("still running\n%s", p.stderr)
		return nil
	}
}

// build builds the binary, which is more than the command line: main handles
// signals.
func build(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the binary")
	}
	binary := filepath.Join(t.TempDir(), "access-analyzer-exporter")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../..").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

// TestAuditWithoutOutput must not pass for an audit whose report was read.
func TestAuditWithoutOutput(t *testing.T) {
	binary := build(t)
	for redirection, want := range map[string]struct {
		code string
		says string
	}{
		">&-":         {"3", "standard output is closed"},
		">/dev/full":  {"3", "no space left on device"},
		"| true":      {"3", "broken pipe"},
		">/dev/null":  {"1", "uncovered"},
		"| cat >&2":   {"1", "uncovered"},
		"> $0.report": {"1", "uncovered"},
	} {
		t.Run(redirection, func(t *testing.T) {
			script := `{ "$0" audit --demo --quiet; echo "exit code $?" >&2; } ` + redirection
			out, err := exec.CommandContext(t.Context(), "sh", "-c", script, binary).CombinedOutput()
			if err != nil || !strings.Contains(string(out), "exit code "+want.code) || !strings.Contains(string(out), want.says) {
				t.Errorf("%v, want exit code %s and %q in\n%s", err, want.code, want.says, out)
			}
		})
	}
}

// TestSignalsDuringStart sends signals before the configuration has been read.
func TestSignalsDuringStart(t *testing.T) {
	lab.Simulate(t, lab.Standalone())
	binary := build(t)
	t.Run("SIGHUP", func(t *testing.T) {
		p := startWaiting(t, binary)
		p.send(t, syscall.SIGHUP)
		if err := os.WriteFile(p.pipe, []byte("regions: {include: [eu-west-1]}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		healthy := func() bool {
			resp, err := http.Get("http://" + p.address + "/-/healthy")
			if err == nil {
				_ = resp.Body.Close()
			}
			return err == nil
		}
		if !tool.Await(t, healthy) {
			t.Fatalf("no answer\n%s", p.stderr)
		}
		p.send(t, syscall.SIGTERM)
		if err := p.wait(t); err != nil {
			t.Errorf("%v\n%s", err, p.stderr)
		}
	})
	t.Run("SIGTERM twice", func(t *testing.T) {
		p := startWaiting(t, binary)
		for {
			_ = p.Process.Signal(syscall.SIGTERM) // it may have ended
			select {
			case err := <-p.exited: // with an exit code if it waited for the pipe instead
				if err == nil || err.Error() != "signal: terminated" {
					t.Errorf("ended with %v\n%s", err, p.stderr)
				}
				return
			case <-time.After(50 * time.Millisecond): // the first must have arrived
			}
		}
	})
}
