package soak_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// TestReloadsUnderLoad reloads while clients scrape: a hundred times, or a
// thousand in `make soak`. Every tenth file is invalid.
func TestReloadsUnderLoad(t *testing.T) {
	some, all := 20, 100
	if os.Getenv("SOAK_SWEEPS") != "" {
		some, all = 100, 1000
	}
	lab.Simulate(t, lab.Organization())
	r := &reloads{path: lab.WriteFile(t, lab.Config)}
	r.p = lab.Launch(t, "--config.file="+r.path, "--web.enable-lifecycle")
	r.p.AwaitReady(t)
	r.underLoad(t, some)
	early := r.held(t, held{})
	r.underLoad(t, all-some)
	late := r.held(t, early)
	t.Logf("%d scrapes: after %d reloads %v, after %d %v", r.scrapes.Load(), some, early, all, late)
	if late.goroutines > early.goroutines || late.files > early.files {
		t.Errorf("after %d reloads %v, after %d %v", some, early, all, late)
	}
}

// reloads reloads a program by POST while it is scraped.
type reloads struct {
	p       *lab.Program
	path    string
	done    int
	scrapes atomic.Int64
}

func (r *reloads) underLoad(t *testing.T, n int) {
	t.Helper()
	good := []string{
		lab.Config,
		"{accounts: {discovery: organization, exclude: ['" + lab.Beta + "']}, assume_role: {name: exporter}, regions: {include: [eu-west-1]}}",
	}
	var load sync.WaitGroup
	var ended atomic.Bool
	for range 4 {
		load.Go(func() { r.scrape(t, &ended) })
	}
	defer load.Wait()
	defer ended.Store(true)
	for ; n > 0; n-- {
		r.done++
		text, want := good[r.done%2], http.StatusOK
		if r.done%10 == 5 {
			text, want = "accounts: {discovery: guess}", http.StatusInternalServerError
		}
		r.reload(t, text, want)
	}
}

func (r *reloads) reload(t *testing.T, text string, want int) {
	t.Helper()
	if err := os.WriteFile(r.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := r.p.Reload(t); status != want {
		t.Fatalf("reload %d: status %d, want %d: %s", r.done, status, want, body)
	}
}

func (r *reloads) scrape(t *testing.T, ended *atomic.Bool) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for !ended.Load() {
		resp, err := (&http.Client{Transport: transport}).Get(r.p.URL + "/metrics")
		if err != nil {
			t.Errorf("a scrape failed: %v", err)
			return
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "\naws_access_analyzer_coverage{") {
			t.Errorf("a scrape failed: status %d, %d bytes, %v", resp.StatusCode, len(body), err)
			return
		}
		r.scrapes.Add(1)
	}
}

type held struct{ goroutines, files int }

func (h held) String() string {
	return fmt.Sprintf("%d goroutines and %d files", h.goroutines, h.files)
}

// held returns what the program and its AWS hold while AWS is unreachable and
// no client connects. Idle connections kept for the next sweep are thereby not
// counted; those of replaced configurations would be. A sweep between two
// attempts holds less than one that is connecting, so the minimum over two
// seconds counts, or over a longer time while it exceeds want: a connection that is
// established after its request was canceled stays idle for a minute and a half.
func (r *reloads) held(t *testing.T, want held) held {
	t.Helper()
	aws := os.Getenv("AWS_ENDPOINT_URL")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	defer t.Setenv("AWS_ENDPOINT_URL", aws)
	r.reload(t, lab.Config, http.StatusOK)
	http.DefaultClient.CloseIdleConnections()
	patience, least := tool.Patience(t), held{runtime.NumGoroutine(), openFiles()}
	for begun := time.Now(); time.Since(begun) < 2*time.Second ||
		(want != held{} && (least.goroutines > want.goroutines || least.files > want.files) && time.Since(begun) < patience); {
		time.Sleep(50 * time.Millisecond)
		least.goroutines, least.files = min(least.goroutines, runtime.NumGoroutine()), min(least.files, openFiles())
	}
	return least
}
