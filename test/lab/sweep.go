package lab

import (
	"log/slog"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// NewPipeline builds the pipeline of a configuration, and the exporter that it
// publishes to. It calls the AWS of [Simulate].
func NewPipeline(t *testing.T, c *config.Config) (*app.Pipeline, *collector.Exporter) {
	t.Helper()
	exporter := collector.New()
	pipeline, err := app.New(t.Context(), c, app.Options{Exporter: exporter, Shard: app.Unsharded, Logger: slog.New(slog.DiscardHandler)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pipeline.Close)
	return pipeline, exporter
}

// Sweep simulates a world and sweeps it once.
func Sweep(t *testing.T, w *simaws.World, c *config.Config) (*simaws.Server, *inventory.Snapshot) {
	t.Helper()
	server := Simulate(t, w)
	pipeline, _ := NewPipeline(t, c)
	return server, pipeline.Sweep(t.Context())
}

// ParseConfig parses a configuration that is valid.
func ParseConfig(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("config.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
