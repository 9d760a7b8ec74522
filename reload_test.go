package main

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
	const scrapers = 4
	reloads := 100
	if os.Getenv("SOAK_SWEEPS") != "" {
		reloads = 1000
	}
	simulate(t, labWorld())
	good := []string{
		labConfig,
		"{accounts: {discovery: organization, exclude: ['" + labBeta + "']}, assume_role: {name: exporter}, regions: {include: [eu-west-1]}}",
	}
	path := configFile(t, good[0])
	p := launch(t, "--config.file="+path, "--web.enable-lifecycle")
	p.awaitReady(t)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	reload := func(text string) (int, string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		resp, err := client.Post(p.url+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	for i := range 20 { // what is allocated once is allocated now
		reload(good[i%2])
	}
	before := settled()

	var load sync.WaitGroup
	var ended atomic.Bool
	var scrapes atomic.Int64
	for range scrapers {
		load.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			for !ended.Load() {
				resp, err := (&http.Client{Transport: transport}).Get(p.url + "/metrics")
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
				scrapes.Add(1)
			}
		})
	}
	for i := range reloads {
		text, want := good[i%2], http.StatusOK
		if i%10 == 5 {
			text, want = "accounts: {discovery: guess}", http.StatusInternalServerError
		}
		if status, body := reload(text); status != want {
			t.Fatalf("reload %d: status %d, want %d: %s", i, status, want, body)
		}
	}
	ended.Store(true)
	load.Wait()
	after := settled()
	t.Logf("%d reloads during %d scrapes: %v before, %v after", reloads, scrapes.Load(), before, after)
	// A sweep over 12 targets has up to as many connections, and both ends of
	// each are here; what a reload leaked would be there for every one of them.
	if after.goroutines > before.goroutines+40 || after.files > before.files+30 {
		t.Errorf("%v before, %v after", before, after)
	}
}

type held struct{ goroutines, files int }

func (h held) String() string {
	return fmt.Sprintf("%d goroutines and %d files", h.goroutines, h.files)
}

// settled is what is held once what is ending has ended.
func settled() held {
	now := held{runtime.NumGoroutine(), openFiles()}
	for range 20 {
		time.Sleep(50 * time.Millisecond)
		now.goroutines, now.files = min(now.goroutines, runtime.NumGoroutine()), min(now.files, openFiles())
	}
	return now
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
		if err := l.watch.reload(context.Background()); err != nil {
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
		if err := l.watch.reload(context.Background()); err != nil {
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
