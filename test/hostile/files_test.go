package hostile_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// programVariable makes the test binary the exporter, in another process.
const programVariable = "TEST_RUN_EXPORTER"

// launchWithFiles starts the exporter with a limit of open files.
func launchWithFiles(t *testing.T, limit int, args ...string) (address string, stderr *lab.Buffer) {
	t.Helper()
	address, stderr = tool.FreeAddress(t), &lab.Buffer{}
	shell := fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, limit)
	program := exec.CommandContext(t.Context(), "sh", append([]string{"-c", shell, os.Args[0], "--web.listen-address=" + address}, args...)...)
	program.Env, program.Stderr = append(os.Environ(), programVariable+"=1"), stderr
	program.Cancel = func() error { return program.Process.Signal(syscall.SIGTERM) }
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Process.Signal(syscall.SIGTERM); _ = program.Wait() })
	return address, stderr
}

// TestFewFiles scrapes an exporter whose sweeps would use more connections than
// it may have open files.
func TestFewFiles(t *testing.T) {
	w := lab.Organization()
	w.Faults = []*simaws.Fault{{Kind: simaws.Latency, Service: "access-analyzer", Delay: 200 * time.Millisecond}}
	lab.Simulate(t, w)
	config := strings.Replace(lab.Config, "{accounts", "{sweep: {interval: 5s, timeout: 5s}, accounts", 1)
	address, stderr := launchWithFiles(t, 64, "--config.file="+lab.WriteFile(t, strings.Replace(config, ", regions: {include: [us-east-1, eu-west-1, eu-south-1]}", "", 1)))
	transport := &http.Transport{DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: tool.Patience(t)}
	get := func(path string) (int, string) {
		resp, err := client.Get("http://" + address + path)
		if err != nil {
			return 0, err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	wait := func(what string, done func() bool) {
		t.Helper()
		if !tool.Await(t, done) {
			t.Fatalf("never happened: %s\n%s", what, stderr.String())
		}
	}
	wait("the port", func() bool { status, _ := get("/-/healthy"); return status == http.StatusOK })
	failed := 0
	wait("the first sweep", func() bool {
		if status, _ := get("/metrics"); status != http.StatusOK {
			failed++
		}
		status, _ := get("/-/ready")
		return status == http.StatusOK
	})
	if failed > 0 {
		t.Errorf("%d scrapes failed during the sweep\n%s", failed, stderr.String())
	}
	if _, metrics := get("/metrics"); strings.Contains(metrics, `reason="network"`) || !strings.Contains(metrics, "aws_access_analyzer_coverage{") {
		t.Errorf("targets were not read for lack of files\n%s", stderr.String())
	}
	if !strings.Contains(stderr.String(), "open files") {
		t.Errorf("the limit is not logged\n%s", stderr.String())
	}
}
