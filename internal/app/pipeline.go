// Package app assembles the exporter: configuration → pipeline → server.
//
// Only [New] builds a sweeper. The serve, audit and demo commands, the property
// tests and the benchmarks all run the pipeline that it returns.
package app

import (
	"context"
	"log/slog"
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/awsapi"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/events"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/fleet"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/policies"
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
	// Once is whether [Pipeline.Sweep] is called, a single time. ForReport is whether
	// only verdicts and counts are of interest, rather than every metric.
	Once, ForReport bool
	// Dial opens connections to AWS. Nil dials the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Pipeline is one configuration at work: AWS clients, discovery, sweeper and,
// where a queue is configured, the event consumer.
type Pipeline struct {
	config   *config.Config
	exporter *collector.Exporter
	client   *awsapi.Client
	// previous is the client whose sessions to take over; nil for none.
	previous  *awsapi.Client
	discovery *fleet.Discovery
	sweeper   *sweep.Sweeper
	events    *events.Consumer  // nil without a queue
	policies  *policies.Watcher // nil where it is disabled
	// lastPolicies is that of the last configuration before this one that enabled it;
	// nil for none. Its calls that AWS bills count towards the ceiling.
	lastPolicies *policies.Watcher
	// published is whether the sweeper has published, and so has its state.
	published atomic.Bool
}

// New builds the pipeline for a configuration. It does not call AWS. It takes over
// the state of the previous pipeline, if there is one, when it starts to run: that
// must have ended by then. Sessions of roles carry over where the configuration
// does not touch them.
func New(ctx context.Context, c *config.Config, o Options, previous *Pipeline) (*Pipeline, error) {
	if previous == nil {
		previous = &Pipeline{}
	}
	if err := checkShare(c, o.Shard); err != nil {
		return nil, err
	}
	warnOfFewFiles(c, o.Logger)
	client, err := awsapi.New(ctx, awsOptions(c, o))
	if err != nil {
		return nil, err
	}
	discovery := fleet.New(client, FleetOptions(c, o.Shard), previous.discovery)
	options := sweepOptions(c, o.Logger)
	options.Filters = filters(c, o.Shard)
	options.Restart = previous.config != nil && previous.changesReads(c)
	options.Once, options.ForReport = o.Once, o.ForReport
	options.OnFullCount = o.Exporter.ObserveFullCount
	p := &Pipeline{config: c, exporter: o.Exporter, client: client, previous: previous.client, discovery: discovery}
	if p.lastPolicies = previous.policies; p.lastPolicies == nil {
		p.lastPolicies = previous.lastPolicies
	}
	options.Publish = p.publish
	p.sweeper = sweep.New(discovery, client, options, previous.sweeper)
	if c.Policies.Enabled {
		watch := policyOptions(c, o.Shard, o.Logger)
		watch.Publish, watch.OnCheck = p.publishPolicies, o.Exporter.ObserveCheck
		p.policies = policies.New(discovery, client, watch)
	}
	if c.Events.QueueURL != "" {
		p.events = events.New(client.Queue(c.Events.QueueURL), p.sweeper, o.Exporter, o.Logger)
	}
	return p, nil
}

// publish adds what other loops have read to a snapshot, and publishes it.
func (p *Pipeline) publish(s *inventory.Snapshot) {
	if p.policies != nil {
		p.policies.AddTo(s)
	}
	p.exporter.Publish(s)
	p.published.Store(true)
}

// publishPolicies publishes new results of policies with the latest results of
// sweeps. The first publication of the sweeper has them anyway.
func (p *Pipeline) publishPolicies() {
	if p.published.Load() {
		p.sweeper.Publish()
	}
}

// changesReads returns whether a configuration may change what is read, or whether
// it can be.
func (p *Pipeline) changesReads(next *config.Config) bool {
	return !reflect.DeepEqual(p.config.AssumeRole, next.AssumeRole) || !reflect.DeepEqual(p.config.Accounts, next.Accounts) ||
		!reflect.DeepEqual(p.config.Regions, next.Regions) || !reflect.DeepEqual(p.config.Coverage, next.Coverage)
}

// takeOver takes over from the previous pipeline, which has ended.
func (p *Pipeline) takeOver() {
	if p.previous != nil {
		p.client.TakeSessions(p.previous)
		p.previous = nil
	}
	if p.policies != nil && p.lastPolicies != nil {
		p.policies.Continue(p.lastPolicies)
		p.lastPolicies = nil
	}
	required := map[inventory.Access]bool{}
	for access, rule := range policy(p.config).Rules {
		required[access] = rule.Required
	}
	p.exporter.ObserveRequired(required)
	for _, check := range p.config.Policies.Checks {
		p.exporter.ExpectChecks(check.Name)
	}
	if p.events == nil {
		p.exporter.ForgetEventQueue()
		return
	}
	p.exporter.ExpectEvents(events.DetailTypes, events.IgnoredReasons, events.FailedReasons,
		[]string{string(inventory.CoverageSweep), string(inventory.FindingsSweep)})
}

// Run sweeps on schedule and consumes events until the context ends.
func (p *Pipeline) Run(ctx context.Context) {
	p.takeOver()
	var wg sync.WaitGroup
	wg.Go(func() { p.discovery.Run(ctx) })
	if p.events != nil {
		wg.Go(func() { p.events.Run(ctx) })
	}
	if p.policies != nil {
		wg.Go(func() { p.policies.Run(ctx) })
	}
	p.sweeper.Run(ctx)
	wg.Wait()
}

// Sweep waits for all lists, runs a single sweep, publishes it and returns what it
// published. Lists that are due meanwhile are read again.
func (p *Pipeline) Sweep(ctx context.Context) *inventory.Snapshot {
	p.takeOver()
	limited, cancel := context.WithTimeout(ctx, time.Duration(p.config.Sweep.Timeout))
	p.discovery.Discover(limited)
	cancel()
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { p.discovery.Run(running) })
	defer wg.Wait()
	defer stop()
	snapshot := p.sweeper.Once(ctx)
	if p.policies != nil && ctx.Err() == nil {
		p.policies.Once(ctx)
		p.policies.AddTo(snapshot)
	}
	return snapshot
}

// Progress reports the sweeps in progress, and that of policies of [Pipeline.Sweep].
func (p *Pipeline) Progress() []sweep.Progress {
	all := p.sweeper.Progress()
	if p.policies != nil {
		started, done, failed, total := p.policies.Progress()
		all = append(all, sweep.Progress{Kind: inventory.PolicySweep, Running: !started.IsZero(), StartedAt: started, Done: done, Failed: failed, Total: total})
	}
	return all
}

// Close releases the connections to AWS.
func (p *Pipeline) Close() { p.client.Close() }
