package bench

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/gc"
)

// round is the cost of one sweep, and the state of the process after it.
type round struct {
	Wall, CPU time.Duration
	// Mallocs and Allocated are the objects and bytes that the sweep allocated.
	Mallocs, Allocated uint64
	// Resident and Peak are the resident memory after the sweep and one scrape,
	// and its maximum since the start, in bytes.
	Resident, Peak float64
	// Scraped is the compressed size of that scrape in bytes.
	Scraped int64
	// Series is the number of series in that scrape.
	Series  int
	Failure string
}

// playExporter answers each line with a sweep.
func playExporter() {
	pipeline, e := exporter()
	gc.Tune(context.Background(), e.TargetCount)
	server := httptest.NewServer(e)
	defer server.Close()
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode("ready")
	if *profile != "" {
		defer startProfile(*profile)()
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		r := measure(func() string {
			if s := pipeline.Sweep(context.Background()); len(s.Failures) > 0 {
				return s.Failures[0].Error()
			}
			return ""
		})
		r.Scraped, r.Series = scrape(server.URL)
		r.Resident, r.Peak = resident()
		_ = out.Encode(r)
	}
	if *heap != "" {
		writeHeap(*heap)
	}
	runtime.KeepAlive(pipeline)
}

// startProfile writes a CPU profile of this process for `go tool pprof`.
func startProfile(path string) (stop func()) {
	f, err := os.Create(path)
	if err != nil {
		panic(err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		panic(err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}
}

// writeHeap writes a heap profile of this process.
func writeHeap(path string) {
	f, err := os.Create(path)
	if err != nil {
		panic(err)
	}
	runtime.GC()
	if err := errors.Join(pprof.WriteHeapProfile(f), f.Close()); err != nil {
		panic(err)
	}
}

// measure calls a function and returns its cost.
func measure(do func() (failure string)) round {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	wall, cpu := time.Now(), processor()
	failure := do()
	r := round{Wall: time.Since(wall), CPU: processor() - cpu, Failure: failure}
	runtime.ReadMemStats(&after)
	r.Mallocs, r.Allocated = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	return r
}

// exporter builds the pipeline of the program. Findings are off: sweeps measure
// coverage.
func exporter() (*app.Pipeline, *collector.Exporter) {
	c, err := config.Parse("config.yaml", fmt.Appendf(nil, `
accounts: {discovery: organization}
assume_role: {name: %s, enter: %s}
sweep: {interval: 15m, timeout: 14m, concurrency: %d}
findings: {enabled: false}
`, role, cmp.Or(os.Getenv(enterVariable), config.EnterAlways), *concurrency))
	if err != nil {
		panic(err)
	}
	e := collector.New()
	p, err := app.New(context.Background(), c, app.Options{Exporter: e, Logger: slog.New(slog.DiscardHandler), Shard: app.Unsharded}, nil)
	if err != nil {
		panic(err)
	}
	return p, e
}

// scrape scrapes as Prometheus does, compressed. It returns the compressed size in
// bytes and the number of series.
func scrape(url string) (size int64, series int) {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	request.Header.Set("Accept-Encoding", "gzip")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer func() { _ = response.Body.Close() }()
	body := &counter{Reader: response.Body}
	text, err := gzip.NewReader(body)
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		if line := lines.Bytes(); len(line) > 0 && line[0] != '#' {
			series++
		}
	}
	if err := lines.Err(); err != nil {
		panic(err)
	}
	return body.n, series
}

type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}
