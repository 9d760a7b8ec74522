// Package web is the HTTP side: the coverage map for people, the same as JSON,
// health, readiness and reload. It reads what a sweep has published and never
// calls AWS.
//
// Everything that AWS or an account's owner can name is untrusted here: pages
// are written by html/template, under a Content-Security-Policy that allows no
// script at all, and show nothing that /metrics does not.
package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
)

// Options has the data sources and settings of the handler.
type Options struct {
	// Metrics answers at TelemetryPath, which is /metrics if empty. At "/" it
	// replaces the map.
	Metrics       http.Handler
	TelemetryPath string
	// Snapshot returns what was last published; nil before.
	Snapshot func() *inventory.Snapshot
	// Progress returns the progress of the sweeps.
	Progress func() []sweep.Progress
	// Console returns the links into the AWS console; nil: without sign-in.
	Console func() console.Links
	// Reload applies the configuration file again. It must be safe to call
	// from several requests at once. Nil: /-/reload answers 403.
	Reload func(context.Context) error
	// Pprof serves net/http/pprof under /debug/pprof/.
	Pprof bool
	// Simulated is whether the organization is that of the demo, which the page says.
	Simulated bool
	Version   string
	Logger    *slog.Logger
}

// Limits of concurrent requests for the map and the JSON. A slot is held while
// the response is written, so that slow clients cannot exhaust memory; the write
// deadline releases the slot.
const (
	readers      = 32
	readerWait   = 10 * time.Second
	writeTimeout = 30 * time.Second
)

type server struct {
	Options
	views *views
	slots chan struct{}
}

// Handler returns the handler of all paths.
func Handler(o Options) http.Handler {
	if o.TelemetryPath == "" {
		o.TelemetryPath = "/metrics"
	}
	s := &server{
		Options: o,
		views:   &views{snapshot: o.Snapshot, console: o.Console},
		slots:   make(chan struct{}, readers),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.bounded(s.servePage, writeError))
	mux.HandleFunc("GET /api/v1/coverage", s.bounded(s.serveCoverage, s.writeErrorJSON))
	mux.HandleFunc("GET /-/healthy", healthy)
	mux.HandleFunc("GET /-/ready", s.ready)
	// A page of another site could otherwise make an operator's browser reload.
	reload := http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.reload))
	mux.Handle("POST /-/reload", reload)
	mux.Handle("PUT /-/reload", reload)
	if o.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Not a pattern of the mux: a path that a user chose may hold what
		// patterns give a meaning to, or be one of ours.
		if r.URL.Path == o.TelemetryPath {
			o.Metrics.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	}))
}

// HealthHandler returns the handler of /-/healthy and /-/ready alone, for a
// listener that requires no credentials.
func HealthHandler(o Options) http.Handler {
	s := &server{Options: o}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /-/healthy", healthy)
	mux.HandleFunc("GET /-/ready", s.ready)
	return Guard(mux)
}

// secure sets the headers of every response.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", contentSecurityPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
}

// bounded limits concurrent requests and responds with 503 after a timeout, so
// that requests for the page cannot starve /metrics.
func (s *server) bounded(next http.HandlerFunc, writeError func(w http.ResponseWriter, status int, why string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readerWait)
		defer cancel()
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-ctx.Done():
			w.Header().Set("Retry-After", "10")
			writeError(w, http.StatusServiceUnavailable, "too many readers at once: try again in a few seconds")
			return
		}
		// A wrapped ResponseWriter may not support deadlines.
		err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			s.Logger.Debug("No write deadline for a reader", "err", err)
		}
		next(w, r)
	}
}

func healthy(w http.ResponseWriter, _ *http.Request) {
	text(w, "Alive.\n")
}

func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	if snap := s.Snapshot(); snap == nil || !snap.Ready {
		http.Error(w, "Not ready: the first sweep has not been completed yet.", http.StatusServiceUnavailable)
		return
	}
	text(w, "Ready.\n")
}

func (s *server) reload(w http.ResponseWriter, r *http.Request) {
	if s.Reload == nil {
		http.Error(w, "Reloading over HTTP is disabled: start with --web.enable-lifecycle, or send SIGHUP.", http.StatusForbidden)
		return
	}
	if err := s.Reload(r.Context()); err != nil {
		http.Error(w, "Error reloading configuration; keeping the previous one: "+err.Error(), http.StatusInternalServerError)
		return
	}
	text(w, "Reloaded.\n")
}

// writeError responds with an error message as plain text.
func writeError(w http.ResponseWriter, status int, why string) {
	http.Error(w, report.Capital(why)+".", status)
}

func text(w http.ResponseWriter, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, s) // the client may have disconnected
}
