package main

import (
	"context"
	_ "embed"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

//go:embed demo.yaml
var demoConfig []byte

type demoCommand struct {
	Scenario   string    `name:"scenario" type:"existingfile" placeholder:"FILE" help:"Organization to simulate instead of the built-in one."`
	ConfigFile string    `name:"config.file" type:"path" placeholder:"FILE" help:"Configuration to run with instead of the built-in one."`
	Web        demoFlags `embed:""`
	Log        logFlags  `embed:""`
}

// demoFlags listen on this machine alone unless told otherwise.
type demoFlags struct {
	ListenAddress []string `name:"web.listen-address" default:"localhost:10289" placeholder:"ADDRESS" help:"Address to listen on; repeatable."`
	TelemetryPath string   `name:"web.telemetry-path" default:"/metrics" placeholder:"PATH" help:"Where the metrics are."`
}

// Run serves as serve does. The exporter finds the simulated AWS as it would
// find any other endpoint, through the SDK's environment variables, and cannot
// tell that it is one.
func (c demoCommand) Run(ctx context.Context, o output) error {
	world, err := c.world()
	if err != nil {
		return err
	}
	stop, err := simulateAWS(world)
	if err != nil {
		return err
	}
	defer stop()
	serve := serveCommand{
		ConfigFile: c.ConfigFile, Log: c.Log, Shard: shardFlags{Total: 1},
		Web: webFlags{ListenAddress: c.Web.ListenAddress, TelemetryPath: c.Web.TelemetryPath, EnableLifecycle: true},
	}
	c.greet(o)
	return serve.serve(ctx, c.Log.logger(o.err), func() (*config.Config, error) { return demoConfigAt(c.ConfigFile) })
}

// simulateAWS starts a simulated AWS and makes it the one that the SDK finds.
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

// demoConfigAt is the configuration in a file; without one, the demo's.
func demoConfigAt(path string) (*config.Config, error) {
	if path == "" {
		return config.Parse("demo.yaml", demoConfig)
	}
	return config.Load(path)
}

func (c demoCommand) world() (*simaws.World, error) {
	if c.Scenario == "" {
		return simaws.Demo(), nil
	}
	data, err := os.ReadFile(c.Scenario)
	if err != nil {
		return nil, err
	}
	world, err := simaws.ParseScenario(data, time.Now())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Scenario, err)
	}
	return world, nil
}

// greet tells where to look.
func (c demoCommand) greet(o output) {
	url := "http://" + c.Web.ListenAddress[0]
	if host, port, err := net.SplitHostPort(c.Web.ListenAddress[0]); err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		url = "http://localhost:" + port
	}
	fmt.Fprintf(o.out, `Watching a simulated AWS organization that changes as you look. Nothing leaves this machine.

  the coverage map   %[1]s/
  the metrics        %[1]s%[2]s
  the map as JSON    %[1]s/api/v1/coverage

Press Ctrl-C to stop.

`, url, c.Web.TelemetryPath)
}
