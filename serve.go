package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/prometheus/common/version"
	toolkit "github.com/prometheus/exporter-toolkit/web"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/gc"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web"
)

// drainTimeout is how long a scrape in progress may take to end after SIGTERM.
const drainTimeout = 4 * time.Second

type serveCommand struct {
	ConfigFile         string        `name:"config.file" type:"path" placeholder:"FILE" help:"Configuration file. Reloaded on SIGHUP."`
	AutoReloadInterval time.Duration `name:"config.auto-reload-interval" default:"0s" placeholder:"DURATION" help:"Look at the file this often and reload it when its content has changed. Default 0s: never."`
	Web                webFlags      `embed:""`
	Shard              shardFlags    `embed:"" prefix:"shard."`
	Log                logFlags      `embed:""`
}

type webFlags struct {
	ListenAddress   []string `name:"web.listen-address" default:":10289" placeholder:"ADDRESS" help:"Address to listen on; repeatable. vsock://:PORT for vsock. Default :10289."`
	ConfigFile      string   `name:"web.config.file" type:"path" placeholder:"FILE" help:"TLS and authentication, as in Prometheus' exporter-toolkit."`
	SystemdSocket   bool     `name:"web.systemd-socket" help:"Listen on the sockets that systemd passes."`
	TelemetryPath   string   `name:"web.telemetry-path" default:"/metrics" placeholder:"PATH" help:"Where the metrics are. Default /metrics."`
	EnableLifecycle bool     `name:"web.enable-lifecycle" help:"Reload on POST /-/reload."`
	EnablePprof     bool     `name:"web.enable-pprof" help:"Serve profiles under /debug/pprof/."`
}

// Run serves until the context ends.
func (c serveCommand) Run(ctx context.Context, o output) error {
	return c.serve(ctx, c.Log.logger(o.err), func() (*config.Config, error) { return configAt(c.ConfigFile) })
}

// serve opens the port first and sweeps second: whoever asks is answered from
// the start, even if it is only that nothing is known yet.
func (c serveCommand) serve(ctx context.Context, logger *slog.Logger, load func() (*config.Config, error)) error {
	if err := toolkit.Validate(c.Web.ConfigFile); err != nil {
		return fmt.Errorf("--web.config.file: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changed := changes(ctx, c.ConfigFile, c.AutoReloadInterval)
	logger.Info("Starting "+name, "version", version.Info(), "build", version.BuildContext())
	exporter := collector.New()
	gc.Tune(ctx, exporter.TargetCount)
	exporter.ObserveShard(int(c.Shard.Index), c.Shard.Total)
	w := &watch{load: load, exporter: exporter, shard: c.Shard, logger: logger, requests: make(chan chan error)}
	if err := w.start(ctx); err != nil {
		return err
	}
	server := &http.Server{
		Handler: web.Handler(web.Options{
			Metrics: exporter, TelemetryPath: c.Web.TelemetryPath, Snapshot: exporter.Snapshot, Progress: w.progress,
			Reload: c.reload(w), Pprof: c.Web.EnablePprof, Version: version.Version, Logger: logger,
		}),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() {
		failed <- toolkit.ListenAndServe(server, &toolkit.FlagConfig{
			WebListenAddresses: &c.Web.ListenAddress, WebSystemdSocket: &c.Web.SystemdSocket, WebConfigFile: &c.Web.ConfigFile,
		}, logger)
	}()
	return c.untilStopped(ctx, w, server, failed, changed, logger)
}

func (c serveCommand) reload(w *watch) func(context.Context) error {
	if !c.Web.EnableLifecycle {
		return nil
	}
	return w.reload
}

// untilStopped runs the watch until the context ends or the server fails, and
// ends both in order: the sweeps, whose results nobody will see, then the
// server, once the scrapes in progress are answered.
func (c serveCommand) untilStopped(ctx context.Context, w *watch, server *http.Server, failed <-chan error, changed <-chan struct{}, logger *slog.Logger) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		w.run(ctx)
	}()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	var err error
	for stopped := false; !stopped; {
		select {
		case <-hangups:
			go func() { _ = w.reload(ctx) }() // the watch logs what came of it
		case <-changed:
			go func() { _ = w.reload(ctx) }()
		case err = <-failed:
			stopped = true
		case <-ctx.Done():
			stopped = true
		}
	}
	cancel()
	<-watched
	if err != nil {
		return err
	}
	logger.Info("Stopping: the sweeps have ended, scrapes in progress are answered")
	drain, cancelDrain := context.WithTimeout(context.Background(), drainTimeout)
	defer cancelDrain()
	if err := server.Shutdown(drain); err != nil {
		return errors.Join(err, server.Close())
	}
	return nil
}
