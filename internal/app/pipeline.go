// Package app assembles the exporter: configuration → pipeline → server.
//
// Only [New] builds a sweeper. The serve, audit and demo commands, the property
// tests and the benchmarks all run the pipeline that it returns.
package app

import (
	"context"
	"log/slog"
	"net"
	"sync"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/awsapi"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/events"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/fleet"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
)

// Shard selects the accounts of one process: those whose hash modulo Total is
// Index. An unsharded exporter is shard 0 of 1.
type Shard struct{ Index, Total int }

// Unsharded selects every account.
var Unsharded = Shard{Total: 1}

// Options are what a pipeline needs besides its configuration.
type Options struct {
	Exporter *collector.Exporter
	Logger   *slog.Logger
	Shard    Shard
	// Dial opens connections to AWS. Nil dials the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Pipeline is one configuration at work: AWS clients, discovery, sweeper and,
// where a queue is configured, the event consumer.
type Pipeline struct {
	client    *awsapi.Client
	discovery *fleet.Discovery
	sweeper   *sweep.Sweeper
	events    *events.Consumer // nil without a queue
}

// New builds the pipeline for a configuration. It does not call AWS. The last
// known state of the previous pipeline, if there is one, carries over; New does
// not stop that pipeline.
func New(ctx context.Context, c *config.Config, o Options, previous *Pipeline) (*Pipeline, error) {
	if previous == nil {
		previous = &Pipeline{}
	}
	warnOfFewFiles(c, o.Logger)
	client, err := awsapi.New(ctx, awsOptions(c, o))
	if err != nil {
		return nil, err
	}
	discovery := fleet.New(client, FleetOptions(c, o.Shard), previous.discovery)
	options := sweepOptions(c, o.Logger)
	options.Filters = filters(c, o.Shard)
	options.Publish = o.Exporter.Publish
	options.OnFullCount = o.Exporter.ObserveFullCount
	required := map[inventory.Access]bool{}
	for access, rule := range options.Policy.Rules {
		required[access] = rule.Required
	}
	o.Exporter.ObserveRequired(required)
	p := &Pipeline{client: client, discovery: discovery, sweeper: sweep.New(discovery, client, options, previous.sweeper)}
	if c.Events.QueueURL != "" {
		o.Exporter.ExpectEvents(events.DetailTypes, events.IgnoredReasons, events.FailedReasons,
			[]string{string(inventory.CoverageSweep), string(inventory.FindingsSweep)})
		p.events = events.New(client.Queue(c.Events.QueueURL), p.sweeper, o.Exporter, o.Logger)
	}
	return p, nil
}

// Run sweeps on schedule and consumes events until the context ends.
func (p *Pipeline) Run(ctx context.Context) {
	var wg sync.WaitGroup
	if p.events != nil {
		wg.Go(func() { p.events.Run(ctx) })
	}
	p.sweeper.Run(ctx)
	wg.Wait()
}

// Sweep runs a single sweep, publishes it and returns what it published.
func (p *Pipeline) Sweep(ctx context.Context) *inventory.Snapshot { return p.sweeper.Once(ctx) }

// Progress reports the sweeps in progress.
func (p *Pipeline) Progress() []sweep.Progress { return p.sweeper.Progress() }

// Close releases the connections to AWS.
func (p *Pipeline) Close() { p.client.Close() }
