package cli

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

//go:embed demo.yaml
var demoConfig []byte

type demoCommand struct {
	Scenario   string    `name:"scenario" type:"existingfile" placeholder:"FILE" help:"Path to a scenario file to simulate instead of the built-in organization."`
	ConfigFile string    `name:"config.file" type:"path" placeholder:"FILE" help:"Path to a configuration file to use instead of the built-in one."`
	Web        demoFlags `embed:""`
	Log        logFlags  `embed:""`
}

// demoFlags listen on the loopback interface by default.
type demoFlags struct {
	ListenAddress []string `name:"web.listen-address" default:"localhost:10289" placeholder:"ADDRESS" help:"Addresses on which to expose metrics and web interface. Repeatable."`
	TelemetryPath string   `name:"web.telemetry-path" default:"/metrics" placeholder:"PATH" help:"Path under which to expose metrics."`
}

// Validate is called by kong.
func (f *demoFlags) Validate() error { return checkTelemetryPath(f.TelemetryPath) }

// Run serves like the serve command. The SDK finds the simulated AWS through its
// own environment variables, like any other endpoint.
func (c demoCommand) Run(ctx context.Context, o output) error {
	logger := c.Log.logger(o.err)
	warnOfUnknownVariables(logger, o.unknown)
	if err := c.checkPorts(); err != nil {
		return err
	}
	world, err := c.world()
	if err != nil {
		return err
	}
	stop, err := simulateAWS(world)
	if err != nil {
		return err
	}
	defer stop()
	c.greet(o)
	web := webFlags{ListenAddress: c.Web.ListenAddress}
	return app.Serve(ctx, app.ServerOptions{
		Load:            func() (*config.Config, error) { return loadDemoConfig(c.ConfigFile) },
		Listen:          web.listen(),
		TelemetryPath:   c.Web.TelemetryPath,
		EnableLifecycle: true,
		Simulated:       true,
		Shard:           app.Unsharded,
		Logger:          logger,
	})
}

// checkPorts returns an error if another program listens on an address, before the
// demo prints where it can be found.
func (c demoCommand) checkPorts() error {
	for _, address := range c.Web.ListenAddress {
		l, err := net.Listen("tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("another program listens on %s; choose another port, such as --web.listen-address=localhost:10290", address)
		}
		if err == nil {
			_ = l.Close()
		}
	}
	return nil
}

// simulateAWS starts a simulated AWS and points the SDK at it.
func simulateAWS(world *simaws.World) (stop func(), err error) {
	server := simaws.New(world, simaws.Options{CallLog: -1})
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("starting the simulated AWS: %w", err)
	}
	stop = func() { _ = server.Close() }
	for name, value := range server.Env() {
		if err := os.Setenv(name, value); err != nil {
			stop()
			return nil, err
		}
	}
	return stop, nil
}

// loadDemoConfig is like loadConfig, with the demo's configuration as the default.
func loadDemoConfig(path string) (*config.Config, error) {
	return loadConfigOr(path, func() (*config.Config, error) { return config.Parse("demo.yaml", demoConfig) })
}

// maxScenario is the maximum size of a scenario, in bytes.
const maxScenario = 16 << 20

func (c demoCommand) world() (*simaws.World, error) {
	if c.Scenario == "" {
		return simaws.Demo(), nil
	}
	data, err := config.ReadFile(c.Scenario, maxScenario)
	if err != nil {
		return nil, err
	}
	world, err := simaws.ParseScenario(data, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Scenario, err)
	}
	return world, nil
}

// greet prints the addresses of the demo.
func (c demoCommand) greet(o output) {
	url := "http://" + c.Web.ListenAddress[0]
	if host, port, err := net.SplitHostPort(c.Web.ListenAddress[0]); err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		url = "http://localhost:" + port
	}
	fmt.Fprintf(o.out, `Monitoring a simulated AWS organization. It changes over time; no network access is needed.

  Coverage map   %[1]s/
  Metrics        %[1]s%[2]s
  JSON           %[1]s/api/v1/coverage

Press Ctrl-C to stop.

`, url, c.Web.TelemetryPath)
}
