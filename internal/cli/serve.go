package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	toolkit "github.com/prometheus/exporter-toolkit/web"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
)

type serveCommand struct {
	ConfigFile         string        `name:"config.file" type:"path" placeholder:"FILE" help:"Path to the configuration file. Reloaded on SIGHUP."`
	AutoReloadInterval time.Duration `name:"config.auto-reload-interval" default:"0s" placeholder:"DURATION" help:"Interval at which the configuration file is checked for changes and reloaded. Default 0s: disabled."`
	Web                webFlags      `embed:""`
	Shard              shardFlags    `embed:"" prefix:"shard."`
	Log                logFlags      `embed:""`
}

type webFlags struct {
	ListenAddress   []string `name:"web.listen-address" default:":10289" placeholder:"ADDRESS" help:"Addresses on which to expose metrics and web interface. Repeatable for multiple addresses. Examples: :10289, [::1]:10289, vsock://:10289. Default :10289."`
	ConfigFile      string   `name:"web.config.file" type:"path" placeholder:"FILE" help:"Path to configuration file that can enable TLS or authentication. See https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md."`
	HealthAddress   string   `name:"web.health-listen-address" placeholder:"ADDRESS" help:"Address on which to expose only /-/healthy and /-/ready, without TLS and authentication, for probes. Example: 127.0.0.1:10290. Default: none."`
	SystemdSocket   bool     `name:"web.systemd-socket" help:"Use systemd socket activation listeners instead of port listeners (Linux only)."`
	TelemetryPath   string   `name:"web.telemetry-path" default:"/metrics" placeholder:"PATH" help:"Path under which to expose metrics. Default /metrics."`
	EnableLifecycle bool     `name:"web.enable-lifecycle" help:"Enable reload via POST /-/reload."`
	EnablePprof     bool     `name:"web.enable-pprof" help:"Expose profiles under /debug/pprof/."`
}

// Validate is called by kong.
func (c serveCommand) Validate() error {
	if c.AutoReloadInterval < 0 {
		return fmt.Errorf("--config.auto-reload-interval=%s: must not be negative; 0s disables it", c.AutoReloadInterval)
	}
	return nil
}

// Validate is called by kong.
func (f *webFlags) Validate() error { return checkTelemetryPath(f.TelemetryPath) }

// checkTelemetryPath returns why metrics cannot be exposed under a path: it would
// never be requested, or replace one that the exporter needs.
func checkTelemetryPath(p string) error {
	switch {
	case !strings.HasPrefix(p, "/"):
		return fmt.Errorf("--web.telemetry-path=%s: must start with a slash, such as /metrics", p)
	case strings.HasPrefix(p, "/-/"), strings.HasPrefix(p, "/api/"), strings.HasPrefix(p, "/debug/"):
		return fmt.Errorf("--web.telemetry-path=%s: the exporter serves something else there; choose another path, such as /metrics", p)
	}
	return nil
}

func (f *webFlags) listen() toolkit.FlagConfig {
	return toolkit.FlagConfig{WebListenAddresses: &f.ListenAddress, WebSystemdSocket: &f.SystemdSocket, WebConfigFile: &f.ConfigFile}
}

// Run serves until the context ends.
func (c serveCommand) Run(ctx context.Context, o output) error {
	logger := c.Log.logger(o.err)
	warnOfUnknownVariables(logger, o.unknown)
	return app.Serve(ctx, app.ServerOptions{
		Load:                func() (*config.Config, error) { return loadConfig(c.ConfigFile) },
		ConfigFile:          c.ConfigFile,
		AutoReloadInterval:  c.AutoReloadInterval,
		Listen:              c.Web.listen(),
		HealthListenAddress: c.Web.HealthAddress,
		TelemetryPath:       c.Web.TelemetryPath,
		EnableLifecycle:     c.Web.EnableLifecycle,
		EnablePprof:         c.Web.EnablePprof,
		Shard:               c.Shard.shard(),
		Logger:              logger,
	})
}
