package bench

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// BenchmarkStart measures the time from the start of the exporter to the open
// port, and to readiness with one account (T9).
func BenchmarkStart(b *testing.B) {
	aws := startAWS(b)
	program := build(b)
	for b.Loop() {
		port, ready := startOnce(b, program, aws.env)
		b.ReportMetric(port.Seconds(), "s-to-port(limit-0.3)")
		b.ReportMetric(ready.Seconds(), "s-to-ready(limit-1)")
	}
}

// build builds the exporter and returns its path.
func build(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "exporter")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-o", program, "github.com/access-analyzer-exporter/access-analyzer-exporter")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return program
}

func startOnce(b *testing.B, program string, env map[string]string) (port, ready time.Duration) {
	b.Helper()
	address := tool.FreeAddress(b)
	cmd := exec.CommandContext(b.Context(), program, "--web.listen-address="+address)
	cmd.Env = os.Environ()
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}()
	port = poll(b, start, func() bool {
		c, err := net.Dial("tcp", address)
		return err == nil && c.Close() == nil
	})
	ready = poll(b, start, func() bool {
		r, err := http.Get("http://" + address + "/-/ready")
		return err == nil && r.Body.Close() == nil && r.StatusCode == http.StatusOK
	})
	return port, ready
}

// poll waits for a condition and returns how long after the start it was met.
func poll(b *testing.B, start time.Time, done func() bool) time.Duration {
	b.Helper()
	for !done() {
		if time.Since(start) > time.Minute {
			b.Fatal("condition not met within a minute")
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(start)
}
