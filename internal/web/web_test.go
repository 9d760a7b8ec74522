package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// options serve one snapshot, which may be nil.
func options(snap *inventory.Snapshot) Options {
	return Options{
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "metrics of "+r.Method)
		}),
		Snapshot: func() *inventory.Snapshot { return snap },
		Progress: func() []sweep.Progress { return nil },
		Version:  "1.2.3",
		Logger:   slog.New(slog.DiscardHandler),
	}
}

func do(h http.Handler, method, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, nil))
	return w
}

func get(t *testing.T, h http.Handler, target string) string {
	t.Helper()
	w := do(h, http.MethodGet, target)
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", target, w.Code, w.Body)
	}
	return w.Body.String()
}

func wantAll(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("not there: %s", want)
		}
	}
}

func TestPathsAndMethods(t *testing.T) {
	for _, test := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/", 200, "<h1>IAM Access Analyzer coverage</h1>"},
		{"HEAD", "/", 200, ""},
		{"POST", "/", 405, "Method Not Allowed"},
		{"GET", "/api/v1/coverage", 200, `"version":1`},
		{"HEAD", "/api/v1/coverage", 200, ""},
		{"DELETE", "/api/v1/coverage", 405, "Method Not Allowed"},
		{"GET", "/metrics", 200, "metrics of GET"},
		{"GET", "/metrics?name[]=x", 200, "metrics of GET"},
		{"GET", "/-/healthy", 200, "Alive.\n"},
		{"GET", "/-/ready", 200, "Ready.\n"},
		{"POST", "/-/ready", 405, "Method Not Allowed"},
		{"GET", "/-/reload", 405, "Method Not Allowed"},
		{"GET", "/favicon.ico", 404, "not found"},
		{"GET", "/index.html", 404, "not found"},
		{"GET", "/api/v1/", 404, "not found"},
		{"GET", "/api/v1/coverage/x", 404, "not found"},
		{"GET", "/debug/pprof/", 404, "not found"},
	} {
		t.Run(test.method+test.path, func(t *testing.T) {
			w := do(Handler(options(webtest.Organization(time.Now()))), test.method, test.path)
			if w.Code != test.status {
				t.Errorf("status %d, want %d", w.Code, test.status)
			}
			wantAll(t, w.Body.String(), test.body)
			for name, want := range map[string]string{
				"Content-Security-Policy":      "default-src 'none'",
				"Cross-Origin-Opener-Policy":   "same-origin",
				"Cross-Origin-Resource-Policy": "same-origin",
				"Referrer-Policy":              "no-referrer",
				"X-Content-Type-Options":       "nosniff",
				"X-Frame-Options":              "DENY",
				"Cache-Control":                "no-store",
			} {
				if got := w.Header().Get(name); !strings.HasPrefix(got, want) {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestTelemetryPathIsWhatTheUserSays(t *testing.T) {
	for _, test := range []struct{ path, at, want string }{
		{"", "/metrics", "metrics of GET"},
		{"/stats", "/stats", "metrics of GET"},
		{"/stats", "/", `href="./stats"`},
		{"/{all...}", "/{all...}", "metrics of GET"},
		{"/", "/", "metrics of GET"},
		{"/-/ready", "/-/ready", "metrics of GET"},
	} {
		o := options(webtest.Organization(time.Now()))
		o.TelemetryPath = test.path
		wantAll(t, get(t, Handler(o), test.at), test.want)
	}
	o := options(nil)
	o.TelemetryPath = "/{all...}"
	if w := do(Handler(o), "GET", "/anything"); w.Code != http.StatusNotFound {
		t.Errorf("a path with braces has become a pattern: %d", w.Code)
	}
}

func TestProfilesAreServedWhenAskedFor(t *testing.T) {
	o := options(nil)
	o.Pprof = true
	h := Handler(o)
	wantAll(t, get(t, h, "/debug/pprof/"), "goroutine")
	wantAll(t, get(t, h, "/debug/pprof/goroutine?debug=1"), "goroutine profile:")
	wantAll(t, get(t, h, "/debug/pprof/symbol"), "num_symbols")
}

func TestReadiness(t *testing.T) {
	for _, test := range []struct {
		name   string
		snap   *inventory.Snapshot
		status int
	}{
		{"nothing published", nil, 503},
		{"first sweep not completed", &inventory.Snapshot{}, 503},
		{"swept", &inventory.Snapshot{Ready: true}, 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := Handler(options(test.snap))
			w := do(h, "GET", "/-/ready")
			if w.Code != test.status {
				t.Errorf("/-/ready answers %d, want %d", w.Code, test.status)
			}
			if test.status != 200 && w.Body.String() != "Not ready: the first sweep has not been completed yet.\n" {
				t.Errorf("/-/ready says %q", w.Body)
			}
			if got := get(t, h, "/-/healthy"); got != "Alive.\n" {
				t.Errorf("/-/healthy says %q", got)
			}
		})
	}
}

func TestReload(t *testing.T) {
	broken := errors.New("config.yaml:3: sweep.interval: 5 has no unit\nconfig.yaml:9: unknown key")
	for _, test := range []struct {
		name, method string
		reload       func(context.Context) error
		origin       string
		status       int
		body         string
	}{
		{"switched off", "POST", nil, "", 403, "--web.enable-lifecycle"},
		{"done", "POST", func(context.Context) error { return nil }, "", 200, "Reloaded.\n"},
		{"done with PUT", "PUT", func(context.Context) error { return nil }, "", 200, "Reloaded.\n"},
		{"failing", "POST", func(context.Context) error { return broken }, "", 500, broken.Error()},
		{"from another site", "POST", func(context.Context) error { return nil }, "https://elsewhere.example", 403, "cross-origin"},
		{"of another method", "GET", func(context.Context) error { return nil }, "", 405, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(nil)
			o.Reload = test.reload
			r := httptest.NewRequest(test.method, "/-/reload", nil)
			if test.origin != "" {
				r.Header.Set("Origin", test.origin)
				r.Header.Set("Sec-Fetch-Site", "cross-site")
			}
			w := httptest.NewRecorder()
			Handler(o).ServeHTTP(w, r)
			if w.Code != test.status {
				t.Errorf("status %d, want %d", w.Code, test.status)
			}
			wantAll(t, w.Body.String(), test.body)
		})
	}
}

// pipes is a listener whose connections are pipes, so that deadlines follow the
// clock of the test.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	c, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (p pipes) Close() error {
	close(p)
	return nil
}
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p pipes) connect(t *testing.T, request string) net.Conn {
	t.Helper()
	client, server := net.Pipe()
	p <- server
	if _, err := io.WriteString(client, request); err != nil {
		t.Fatal(err)
	}
	return client
}

// Readers that ask and then do not read must not keep others out for long, nor
// /metrics for a moment.
func TestReadersWhoDoNotReadAreCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := make(pipes)
		server := &http.Server{Handler: Handler(options(webtest.Large(time.Now(), 200)))}
		go func() { _ = server.Serve(listener) }()
		ask := func(path string) string { return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n" }
		status := func(path string) string {
			c := listener.connect(t, ask(path))
			defer func() { _ = c.Close() }()
			line := make([]byte, len("HTTP/1.1 200"))
			if _, err := io.ReadFull(c, line); err != nil {
				t.Fatal(err)
			}
			return string(line[len("HTTP/1.1 "):])
		}
		idle := make([]net.Conn, readers)
		for i := range idle {
			idle[i] = listener.connect(t, ask("/?page_size=200"))
		}
		synctest.Wait()
		start := time.Now()
		if got := status("/metrics"); got != "200" || time.Since(start) > 0 {
			t.Errorf("/metrics answers %s after %s", got, time.Since(start))
		}
		for _, path := range []string{"/", "/api/v1/coverage"} {
			start = time.Now()
			if got := status(path); got != "503" || time.Since(start) != readerWait {
				t.Errorf("%s answers %s after %s, want 503 after %s", path, got, time.Since(start), readerWait)
			}
		}
		time.Sleep(writeTimeout - 2*readerWait)
		start = time.Now()
		if got := status("/"); got != "200" || time.Since(start) > 0 {
			t.Errorf("/ answers %s after %s: the idle readers are still there", got, time.Since(start))
		}
		for _, c := range idle {
			_ = c.Close()
		}
		_ = server.Close()
	})
}

// Who waits for a slot gets one as soon as there is one.
func TestReadersWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{Options: options(nil), slots: make(chan struct{}, 2)}
		var now, most atomic.Int32
		h := s.bounded(func(http.ResponseWriter, *http.Request) {
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Second)
			now.Add(-1)
		}, writeError)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if w := do(h, "GET", "/"); w.Code != 200 {
					t.Errorf("status %d", w.Code)
				}
			})
		}
		all.Wait()
		if most.Load() != 2 {
			t.Errorf("%d readers at once, want 2", most.Load())
		}
	})
}

// Pages are read while snapshots are published.
func TestReadersWhileSnapshotsArePublished(t *testing.T) {
	var latest atomic.Pointer[inventory.Snapshot]
	o := options(nil)
	o.Snapshot = latest.Load
	h := Handler(o)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				do(h, "GET", "/?state=uncovered")
				do(h, "GET", "/api/v1/coverage?page_size=5")
				do(h, "GET", "/-/ready")
			}
		})
	}
	for n := range 20 {
		latest.Store(webtest.Large(time.Now(), 10+n))
	}
	all.Wait()
	if w := do(h, "GET", "/"); !strings.Contains(w.Body.String(), "of 29, worst first") {
		t.Error("the last snapshot is not what is shown")
	}
}

// holds reports whether the views keep a snapshot from being collected.
func (vs *views) holds(snap *inventory.Snapshot) bool {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	return vs.latest != nil && vs.latest.snapshot == snap
}

func TestViewsAreDerivedOncePerSnapshotAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		snap := webtest.Organization(time.Now())
		vs := &views{snapshot: func() *inventory.Snapshot { return snap }}
		got := make(chan *view, 50)
		for range cap(got) {
			go func() { got <- vs.get() }()
		}
		first := <-got
		for range cap(got) - 1 {
			if v := <-got; v != first {
				t.Fatal("the same snapshot was derived twice")
			}
		}
		snap = webtest.Organization(time.Now())
		if v := vs.get(); v == first || v.snapshot != snap {
			t.Error("a new snapshot still shows the old view")
		}
		time.Sleep(viewIdle - time.Second)
		vs.get()
		time.Sleep(viewIdle - time.Second)
		synctest.Wait()
		if !vs.holds(snap) {
			t.Error("a view in use was forgotten")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if vs.holds(snap) {
			t.Error("an unused view still holds its snapshot")
		}
	})
}
