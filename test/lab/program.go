package lab

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// Buffer is a bytes.Buffer that is safe for concurrent use.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Reset empties the buffer.
func (b *Buffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Reset()
}

// Program is a running exporter.
type Program struct {
	// Address is the host and port that it listens on, URL the same as http://.
	Address, URL   string
	Stdout, Stderr *Buffer
	// Stop ends the program and returns its exit code.
	Stop func() int
}

// Launch runs the program in this process, listening on a free port. It stops
// at the end of the test.
func Launch(t *testing.T, args ...string) *Program {
	t.Helper()
	address := tool.FreeAddress(t)
	ctx, cancel := context.WithCancel(context.Background())
	p := &Program{Address: address, URL: "http://" + address, Stdout: &Buffer{}, Stderr: &Buffer{}}
	exited := make(chan int, 1)
	go func() { exited <- cli.Run(ctx, append(args, "--web.listen-address="+address), p.Stdout, p.Stderr) }()
	p.Stop = sync.OnceValue(func() int {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		select {
		case code := <-exited:
			return code
		case <-time.After(tool.Patience(t) + 30*time.Second): // a test that waited to the end stops, too
			t.Error("still running after its context ended")
			return -1
		}
	})
	t.Cleanup(func() { p.Stop() })
	return p
}

// Get returns status and body; status 0 before the port is open.
func (p *Program) Get(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(p.URL + path)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// Reload posts to /-/reload and returns status and body.
func (p *Program) Reload(t *testing.T) (int, string) {
	t.Helper()
	resp, err := (&http.Client{Timeout: tool.Patience(t)}).Post(p.URL+"/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// Await polls until a condition holds. It fails the test shortly before go test's
// timeout.
func (p *Program) Await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	if !tool.Await(t, holds) {
		t.Fatalf("never happened: %s\n%s", what, p.Stderr)
	}
}

// AwaitReady waits for the first sweep.
func (p *Program) AwaitReady(t *testing.T) {
	t.Helper()
	p.Await(t, "/-/ready", func() bool { status, _ := p.Get(t, "/-/ready"); return status == http.StatusOK })
}

// Families parses /metrics.
func (p *Program) Families(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	_, text := p.Get(t, "/metrics")
	return parse(t, strings.NewReader(text))
}

func parse(t *testing.T, text io.Reader) map[string]*dto.MetricFamily {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// Series returns the values of a family's series by the values of the given
// labels, joined by "/".
func Series(f *dto.MetricFamily, labels ...string) map[string]float64 {
	all := map[string]float64{}
	for _, m := range f.GetMetric() {
		values := make([]string, len(labels))
		for _, l := range m.GetLabel() {
			if i := slices.Index(labels, l.GetName()); i >= 0 {
				values[i] = l.GetValue()
			}
		}
		all[strings.Join(values, "/")] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
	}
	return all
}

// ReloadSuccessful is the value of config_last_reload_successful.
func (p *Program) ReloadSuccessful(t *testing.T) float64 {
	t.Helper()
	return Series(p.Families(t)["access_analyzer_exporter_config_last_reload_successful"])[""]
}

// Simulate serves a world on a free port and directs the SDK to it until the
// test ends.
func Simulate(t *testing.T, w *simaws.World) *simaws.Server {
	t.Helper()
	server := simaws.New(w, simaws.Options{})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	for k, v := range server.Env() {
		t.Setenv(k, v)
	}
	return server
}

// WriteFile writes a file of its own for a configuration and returns its path.
func WriteFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
