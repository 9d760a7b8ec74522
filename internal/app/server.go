package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/gc"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web"
)

// Name is the name of the program.
const Name = "access-analyzer-exporter"

// drainTimeout bounds how long scrapes in progress may take after SIGTERM.
const drainTimeout = 4 * time.Second

// ServerOptions are the settings of the HTTP server and of reloading.
type ServerOptions struct {
	// Load returns the configuration, at start and at each reload.
	Load func() (*config.Config, error)
	// ConfigFile is checked for changes every AutoReloadInterval. 0 disables it.
	ConfigFile         string
	AutoReloadInterval time.Duration

	Listen toolkit.FlagConfig
	// HealthListenAddress is for health and readiness alone, without TLS and
	// authentication; empty for none.
	HealthListenAddress string
	TelemetryPath       string
	EnableLifecycle     bool
	EnablePprof         bool
	// Simulated is whether AWS is simulated.
	Simulated bool

	Shard  Shard
	Logger *slog.Logger
}

// Serve runs the exporter until the context ends or the server fails. It opens
// the port before the first sweep: /metrics and /-/healthy answer at once.
func Serve(ctx context.Context, o ServerOptions) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	// The web configuration is read again for every request.
	if info, err := os.Stat(*o.Listen.WebConfigFile); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("--web.config.file: %s is not a regular file", *o.Listen.WebConfigFile)
	}
	if err := toolkit.Validate(*o.Listen.WebConfigFile); err != nil {
		return fmt.Errorf("--web.config.file: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := fileChanges(ctx, o.ConfigFile, o.AutoReloadInterval)
	o.Logger.Info("Starting "+Name, "version", version.Info(), "build", version.BuildContext())
	exporter := collector.New()
	gc.Tune(ctx, exporter.TargetCount)
	exporter.ObserveShard(o.Shard.Index, o.Shard.Total)
	supervisor, err := NewSupervisor(ctx, o.Load, Options{Exporter: exporter, Logger: o.Logger, Shard: o.Shard})
	if err != nil {
		return err
	}
	server := newServer(o, exporter, supervisor)
	failed := make(chan error, 2)
	go func() { failed <- toolkit.ListenAndServe(server, &o.Listen, o.Logger) }()
	if o.HealthListenAddress != "" {
		health := newHealthServer(o, exporter)
		defer func() { _ = health.Close() }()
		go func() { failed <- health.ListenAndServe() }()
	}
	if err := supervise(ctx, supervisor, failed, hangups, changed); err != nil {
		return err
	}
	notifyStopping(o.Logger)
	o.Logger.Info("Stopped sweeping; draining scrapes in progress")
	drain, cancelDrain := context.WithTimeout(context.Background(), drainTimeout)
	defer cancelDrain()
	if err := server.Shutdown(drain); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}

func newServer(o ServerOptions, exporter *collector.Exporter, supervisor *Supervisor) *http.Server {
	options := web.Options{
		Metrics: exporter, TelemetryPath: o.TelemetryPath, Snapshot: exporter.Snapshot, Progress: supervisor.Progress, Console: supervisor.Console,
		Pprof: o.EnablePprof, Simulated: o.Simulated, Version: version.Version, Logger: o.Logger,
	}
	if o.EnableLifecycle {
		options.Reload = supervisor.Reload
	}
	server := boundedServer(web.Handler(options), o.Logger)
	open, base := sync.Once{}, server.BaseContext
	server.BaseContext = func(l net.Listener) context.Context {
		open.Do(func() { notifyReady(o.Logger, "Running") })
		return base(l)
	}
	return server
}

func newHealthServer(o ServerOptions, exporter *collector.Exporter) *http.Server {
	server := boundedServer(web.HealthHandler(web.Options{Snapshot: exporter.Snapshot}), o.Logger)
	server.Addr = o.HealthListenAddress
	return server
}

func boundedServer(handler http.Handler, logger *slog.Logger) *http.Server {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          newServerLog(logger),
	}
	server.BaseContext = func(l net.Listener) context.Context {
		// With a web configuration, exporter-toolkit has just wrapped the handler.
		// There are no requests yet.
		if guarded := web.Guard(server.Handler); guarded != server.Handler {
			server.Handler = guarded
		}
		return web.ListenerContext(l)
	}
	return server
}

// supervise runs the supervisor, and reloads on SIGHUP and on changes of the
// file, until the context ends or the server fails. When it returns, all sweeps
// have ended.
func supervise(ctx context.Context, supervisor *Supervisor, failed <-chan error, hangups <-chan os.Signal, changed <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		supervisor.Run(ctx)
	}()
	defer func() { cancel(); <-ended }()
	for {
		select {
		case <-hangups:
			go func() { _ = supervisor.Reload(ctx) }() // the supervisor logs the outcome
		case <-changed:
			go func() { _ = supervisor.Reload(ctx) }()
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		}
	}
}
