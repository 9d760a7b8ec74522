package main

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/version"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/awsapi"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/events"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/fleet"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
)

// watch owns the sweeps: one goroutine starts, replaces and ends them.
type watch struct {
	load     func() (*config.Config, error)
	exporter *collector.Exporter
	shard    shardFlags
	logger   *slog.Logger
	requests chan chan error
	// dial reaches AWS; nil is the network.
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	current atomic.Pointer[sweeps]
}

// sweeps is one configuration at work.
type sweeps struct {
	client    *awsapi.Client
	discovery *fleet.Discovery
	sweeper   *sweep.Sweeper
	// events is nil without a queue.
	events *events.Consumer
}

// run sweeps, and consumes events between the sweeps, until the context ends.
func (s *sweeps) run(ctx context.Context) {
	var wg sync.WaitGroup
	if s.events != nil {
		wg.Go(func() { s.events.Run(ctx) })
	}
	s.sweeper.Run(ctx)
	wg.Wait()
}

// start loads the configuration for the first time.
func (w *watch) start(ctx context.Context) error {
	next, err := w.prepare(ctx, &sweeps{})
	if err != nil {
		return err
	}
	w.exporter.ObserveReload(true, time.Now())
	w.current.Store(next)
	return nil
}

// run sweeps until the context ends. Between two configurations the old sweeps
// have ended before the new ones start.
func (w *watch) run(ctx context.Context) {
	for ctx.Err() == nil {
		now := w.current.Load()
		if now.events == nil {
			w.exporter.ForgetEventQueue()
		}
		running, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			now.run(running)
		}()
		next := w.awaitReload(ctx, now)
		stop()
		<-ended
		now.client.Close()
		if next != nil {
			w.current.Store(next)
		}
	}
}

// awaitReload answers requests until one brings a configuration that holds, or
// the context ends.
func (w *watch) awaitReload(ctx context.Context, now *sweeps) *sweeps {
	for {
		select {
		case <-ctx.Done():
			return nil
		case answer := <-w.requests:
			next, err := w.prepare(ctx, now)
			w.exporter.ObserveReload(err == nil, time.Now())
			answer <- err
			if err == nil {
				w.logger.Info("Reloaded the configuration")
				return next
			}
			w.logger.Error("The configuration was not reloaded: the former one goes on", "err", err)
		}
	}
}

// reload asks for the configuration to be loaded again and waits for the
// outcome: all of it, or nothing.
func (w *watch) reload(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case w.requests <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-answer
}

func (w *watch) progress() []inventory.Progress {
	return w.current.Load().sweeper.Progress()
}

// prepare builds everything that can fail before anything is replaced.
func (w *watch) prepare(ctx context.Context, previous *sweeps) (*sweeps, error) {
	c, err := w.load()
	if err != nil {
		return nil, err
	}
	reads := awsOptions(c, w.exporter.ObserveRequest, w.logger)
	reads.Dial = w.dial
	client, err := awsapi.New(ctx, reads)
	if err != nil {
		return nil, err
	}
	discovery := fleet.New(client, fleetOptions(c, w.shard), previous.discovery)
	options := sweepOptions(c, w.logger)
	options.Publish = w.exporter.Publish
	options.FullCount = w.exporter.ObserveFullCount
	next := &sweeps{client: client, discovery: discovery, sweeper: sweep.New(discovery, client, options, previous.sweeper)}
	if c.Events.QueueURL != "" {
		w.exporter.ExpectEvents(events.DetailTypes, events.IgnoredReasons, events.FailedReasons,
			[]string{string(inventory.CoverageSweep), string(inventory.FindingsSweep)})
		next.events = events.New(client.Queue(c.Events.QueueURL), next.sweeper, w.exporter, w.logger)
	}
	return next, nil
}

// configAt is the configuration in a file; without one, the defaults.
func configAt(path string) (*config.Config, error) {
	if path == "" {
		return config.Default(), nil
	}
	return config.Load(path)
}

func awsOptions(c *config.Config, observe func(service, operation, code string, d time.Duration), logger *slog.Logger) awsapi.Options {
	return awsapi.Options{
		Concurrency: c.Sweep.Concurrency,
		ExternalID:  c.AssumeRole.ExternalID,
		SessionName: c.AssumeRole.SessionName,
		// Half an interval: what is mended is seen by the next sweep.
		LongestPause: time.Duration(c.Sweep.Interval) / 2,
		Observe:      observe,
		Version:      version.Version,
		Logger:       logger,
	}
}

func fleetOptions(c *config.Config, shard shardFlags) fleet.Options {
	var static []fleet.Static
	for _, s := range c.Accounts.Static {
		static = append(static, fleet.Static(s))
	}
	acceptsOrganization := false
	for _, rule := range policy(c).Rules {
		for _, scope := range rule.Scopes {
			acceptsOrganization = acceptsOrganization || (rule.Required && scope == inventory.OrganizationScope)
		}
	}
	return fleet.Options{
		Organization:          c.Accounts.Discovery == config.DiscoveryOrganization,
		OrganizationAnalyzers: acceptsOrganization,
		Include:               c.Accounts.Include,
		Exclude:               c.Accounts.Exclude,
		Static:                static,
		Admins:                c.Accounts.OrganizationAdmins,
		Role:                  c.AssumeRole.Name,
		IncludeRegions:        c.Regions.Include,
		ExcludeRegions:        c.Regions.Exclude,
		ShardIndex:            int(shard.Index),
		ShardTotal:            shard.Total,
		Refresh:               time.Duration(c.Accounts.Refresh),
		StaleAfter:            time.Duration(c.StaleAfter),
		Concurrency:           c.Sweep.Concurrency,
	}
}

func sweepOptions(c *config.Config, logger *slog.Logger) sweep.Options {
	return sweep.Options{
		Interval:         time.Duration(c.Sweep.Interval),
		Timeout:          time.Duration(c.Sweep.Timeout),
		Concurrency:      c.Sweep.Concurrency,
		Findings:         c.Findings.Enabled,
		FindingsInterval: time.Duration(c.Findings.Interval),
		FindingStatuses:  c.Findings.Statuses,

		FindingsFullInterval: time.Duration(c.Findings.FullInterval),
		ResourceTypes:        c.Findings.ResourceType,
		Policy:               policy(c),
		SkipCovered:          c.AssumeRole.Enter == config.EnterUncovered,
		StaleAfter:           time.Duration(c.StaleAfter),
		Logger:               logger,
	}
}

func policy(c *config.Config) coverage.Policy {
	p := coverage.Policy{Rules: map[inventory.Access]coverage.Rule{}}
	for access, a := range map[inventory.Access]config.Access{
		inventory.External: c.Coverage.External,
		inventory.Unused:   c.Coverage.Unused,
		inventory.Internal: c.Coverage.Internal,
	} {
		rule := coverage.Rule{Required: a.Required}
		for _, s := range a.Scopes {
			rule.Scopes = append(rule.Scopes, inventory.Scope(s))
		}
		p.Rules[access] = rule
	}
	for _, e := range c.Coverage.Exemptions {
		p.Exemptions = append(p.Exemptions, inventory.Exemption(e))
	}
	return p
}
