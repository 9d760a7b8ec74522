package app

import (
	"context"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
)

// A changed configuration is applied at once, but one that keeps changing, for
// example under two controllers, at longer and longer intervals: each reload cancels
// the calls in progress, and lists and counts of many pages must end some time.
const (
	freeReloads      = 3
	firstReloadGap   = 10 * time.Second
	longestReloadGap = 5 * time.Minute
	quietReloads     = 2 * longestReloadGap
)

// pace spaces reloads that follow each other.
type pace struct {
	applied time.Time
	// streak is the number of reloads, each within quietReloads of the last.
	streak int
}

// delay returns how long to wait before the next reload is applied.
func (p *pace) delay(now time.Time) time.Duration {
	if p.streak < freeReloads || now.Sub(p.applied) >= quietReloads {
		return 0
	}
	gap := min(firstReloadGap<<min(p.streak-freeReloads, 16), longestReloadGap)
	return max(0, gap-now.Sub(p.applied))
}

func (p *pace) apply(now time.Time) {
	if now.Sub(p.applied) >= quietReloads {
		p.streak = 0
	}
	p.streak++
	p.applied = now
}

// Supervisor runs one pipeline at a time. Its Run goroutine alone starts,
// replaces and stops pipelines.
type Supervisor struct {
	load     func() (*config.Config, error)
	options  Options
	requests chan chan error
	current  atomic.Pointer[Pipeline]
	pace     pace // of the Run goroutine
}

// NewSupervisor loads the configuration for the first time and returns its
// error. Nothing runs before [Supervisor.Run].
func NewSupervisor(ctx context.Context, load func() (*config.Config, error), o Options) (*Supervisor, error) {
	s := &Supervisor{load: load, options: o, requests: make(chan chan error)}
	c, err := load()
	if err != nil {
		return nil, err
	}
	first, err := New(ctx, c, s.options, nil)
	if err != nil {
		return nil, err
	}
	o.Exporter.ObserveReload(true, time.Now())
	s.current.Store(first)
	return s, nil
}

// Console returns the links into the AWS console that are configured.
func (s *Supervisor) Console() console.Links { return ConsoleLinks(s.current.Load().config) }

// Run sweeps until the context ends. On a reload the old pipeline ends before the
// new one starts.
func (s *Supervisor) Run(ctx context.Context) {
	for ctx.Err() == nil {
		pipeline := s.current.Load()
		running, stop := context.WithCancel(ctx)
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			pipeline.Run(running)
		}()
		next := s.awaitReload(ctx, pipeline)
		stop()
		<-stopped
		pipeline.Close()
		if next != nil {
			s.current.Store(next)
		}
	}
}

// awaitReload answers reload requests until a changed configuration is to be
// applied. It returns nil when the context ends.
func (s *Supervisor) awaitReload(ctx context.Context, running *Pipeline) (next *Pipeline) {
	apply := time.NewTimer(0)
	apply.Stop()
	defer apply.Stop()
	discard := func() {
		if next != nil {
			next.Close()
			next = nil
		}
	}
	for {
		select {
		case <-ctx.Done():
			discard()
			return nil
		case <-apply.C:
			if next != nil {
				s.pace.apply(time.Now())
				s.options.Logger.Info("Completed reloading the configuration")
				return next
			}
		case answer := <-s.requests:
			changed, err := s.reload(ctx, running, next)
			answer <- err
			switch {
			case err != nil:
			case changed == running:
				discard()
			case changed != next:
				if next == nil {
					apply.Reset(s.spacing())
				}
				discard()
				next = changed
			}
		}
	}
}

// spacing returns when to apply a changed configuration.
func (s *Supervisor) spacing() time.Duration {
	delay := s.pace.delay(time.Now())
	if delay > 0 {
		s.options.Logger.Warn("The configuration keeps changing; applying the latest change later", "in", delay.Round(time.Second))
	}
	return delay
}

// reload loads the configuration, and returns the pipeline for it: one of those
// given if it is unchanged, else a new one.
func (s *Supervisor) reload(ctx context.Context, running, next *Pipeline) (changed *Pipeline, err error) {
	notifyReloading(s.options.Logger)
	defer func() {
		status := "Running with the latest configuration"
		if err != nil {
			status = "Running with the previous configuration, because the latest one is invalid"
		}
		notifyReady(s.options.Logger, status)
	}()
	c, err := s.load()
	if err == nil {
		for _, p := range []*Pipeline{running, next} {
			if p != nil && reflect.DeepEqual(p.config, c) {
				s.options.Exporter.ObserveReload(true, time.Now())
				s.options.Logger.Info("Completed reloading the configuration; it is unchanged")
				return p, nil
			}
		}
		if changed, err = New(ctx, c, s.options, running); err == nil {
			s.options.Exporter.ObserveReload(true, time.Now())
			return changed, nil
		}
	}
	s.options.Exporter.ObserveReload(false, time.Now())
	s.options.Logger.Error("Error reloading the configuration; keeping the previous one", "err", err)
	return nil, err
}

// Reload loads the configuration again and returns the error that kept it from
// being applied. It is applied as a whole or not at all.
func (s *Supervisor) Reload(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.requests <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	return <-answer
}

// Progress reports the sweeps in progress.
func (s *Supervisor) Progress() []sweep.Progress { return s.current.Load().Progress() }
