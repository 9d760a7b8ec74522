package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestReloadsUnderLoad reloads again and again, every tenth time a file that is
// refused, while others scrape: a hundred times, or a thousand in `make soak`.
func TestReloadsUnderLoad(t *testing.T) {
	some, all := 20, 100
	if os.Getenv("SOAK_SWEEPS") != "" {
		some, all = 100, 1000
	}
	simulate(t, labWorld())
	r := &reloads{path: configFile(t, labConfig)}
	r.p = launch(t, "--config.file="+r.path, "--web.enable-lifecycle")
	r.p.awaitReady(t)
	r.underLoad(t, some)
	early := r.held(t, held{})
	r.underLoad(t, all-some)
	late := r.held(t, early)
	t.Logf("%d scrapes: after %d reloads %v, after %d %v", r.scrapes.Load(), some, early, all, late)
	if late.goroutines > early.goroutines || late.files > early.files {
		t.Errorf("after %d reloads %v, after %d %v", some, early, all, late)
	}
}

// reloads are those of a program by POST, while it is scraped.
type reloads struct {
	p       *program
	path    string
	done    int
	scrapes atomic.Int64
}

func (r *reloads) underLoad(t *testing.T, n int) {
	t.Helper()
	good := []string{
		labConfig,
		"{accounts: {discovery: organization, exclude: ['" + labBeta + "']}, assume_role: {name: exporter}, regions: {include: [eu-west-1]}}",
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
	resp, err := (&http.Client{Timeout: 20 * time.Second}).Post(r.p.url+"/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != want {
		t.Fatalf("reload %d: status %d, want %d: %s", r.done, resp.StatusCode, want, body)
	}
}

func (r *reloads) scrape(t *testing.T, ended *atomic.Bool) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for !ended.Load() {
		resp, err := (&http.Client{Transport: transport}).Get(r.p.url + "/metrics")
		if err != nil {
			t.Errorf("a scrape was lost: %v", err)
			return
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "\naws_access_analyzer_coverage{") {
			t.Errorf("a scrape was lost: status %d, %d bytes, %v", resp.StatusCode, len(body), err)
			return
		}
		r.scrapes.Add(1)
	}
}

type held struct{ goroutines, files int }

func (h held) String() string {
	return fmt.Sprintf("%d goroutines and %d files", h.goroutines, h.files)
}

// held is what the program and its AWS hold while AWS cannot be reached and
// nobody asks for anything: connections that are idle for the next sweep, whose
// number depends on how many happened to be needed at once, are not among it.
// Those of former configurations would be. A sweep that is retrying holds more
// than one that waits for its turn: so it is the least of two seconds, or of
// up to half a minute if that is more than wanted.
func (r *reloads) held(t *testing.T, want held) held {
	t.Helper()
	aws := os.Getenv("AWS_ENDPOINT_URL")
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	defer t.Setenv("AWS_ENDPOINT_URL", aws)
	r.reload(t, labConfig, http.StatusOK)
	http.DefaultClient.CloseIdleConnections()
	least := held{runtime.NumGoroutine(), openFiles()}
	for begun := time.Now(); time.Since(begun) < 2*time.Second ||
		(want != held{} && (least.goroutines > want.goroutines || least.files > want.files) && time.Since(begun) < 30*time.Second); {
		time.Sleep(50 * time.Millisecond)
		least.goroutines, least.files = min(least.goroutines, runtime.NumGoroutine()), min(least.files, openFiles())
	}
	return least
}

// TestHangup reloads by signal.
func TestHangup(t *testing.T) {
	simulate(t, labWorld())
	path := configFile(t, labConfig)
	p := launch(t, "--config.file="+path)
	p.awaitReady(t)
	if err := os.WriteFile(path, []byte("accounts: {discovery: guess}"), 0o600); err != nil {
		t.Fatal(err)
	}
	outcome := func() float64 {
		return series(p.families(t)["access_analyzer_exporter_config_last_reload_successful"])[""]
	}
	for _, want := range []float64{0, 1} {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		p.await(t, "the outcome of the reload", func() bool { return outcome() == want })
		if len(p.families(t)["aws_access_analyzer_coverage"].GetMetric()) != 12 {
			t.Error("what was known is lost")
		}
		if err := os.WriteFile(path, []byte(labConfig), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(p.stderr.String(), "config.yaml:1: accounts.discovery") {
		t.Errorf("the log does not say what is wrong:\n%s", p.stderr)
	}
}

// TestRemovedAccountsDisappear looks at the first publication after a reload.
func TestRemovedAccountsDisappear(t *testing.T) {
	inLab(t, labConfig, false, labWorld, func(l *lab) {
		l.until(5*time.Minute, nil)
		published := l.exporter.Snapshot()
		l.mu.Lock()
		l.settings = strings.Replace(labConfig, "organization}", "organization, exclude: ['"+labAlpha+"']}", 1)
		l.mu.Unlock()
		if err := l.supervisor.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		for l.exporter.Snapshot() == published {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		for name, f := range l.scrape().families {
			for _, m := range f.GetMetric() {
				for _, label := range m.GetLabel() {
					if label.GetValue() == labAlpha {
						t.Errorf("%s still tells of an account that was removed: %v", name, m.GetLabel())
					}
				}
			}
		}
		if e := l.scrape(); len(e.coverage) != 9 {
			t.Errorf("coverage %v", e.coverage)
		}
	})
}

// TestReloadWithoutAWS reloads when AWS has gone: what is known is not lost to
// it, and is known anew when AWS is back.
func TestReloadWithoutAWS(t *testing.T) {
	inLab(t, labConfig, false, labWorld, func(l *lab) {
		truth := l.truth()
		l.until(5*time.Minute, nil)
		mend := l.unreachable(errors.New("connection refused"), "simaws.invalid")
		if err := l.supervisor.Reload(context.Background()); err != nil {
			t.Fatal(err)
		}
		l.until(25*time.Minute, func(e exposed) {
			e.right(t, truth)
			if unknown := e.unknown(truth); len(unknown) > 0 {
				t.Errorf("lost by the reload: %v", unknown)
			}
			if len(e.errors) == 0 {
				t.Error("not a word of AWS being out of reach")
			}
		})
		mend()
		l.until(45*time.Minute, nil)
		if e := l.scrape(); !e.whole(truth) {
			t.Errorf("after AWS was back: coverage %v, errors %v", e.coverage, e.errors)
		}
	})
}
