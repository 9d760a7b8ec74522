package app

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
)

// Supervisor runs one pipeline at a time. Its Run goroutine alone starts,
// replaces and stops pipelines.
type Supervisor struct {
	load     func() (*config.Config, error)
	options  Options
	requests chan chan error
	current  atomic.Pointer[Pipeline]
}

// NewSupervisor loads the configuration for the first time and returns its
// error. Nothing runs before [Supervisor.Run].
func NewSupervisor(ctx context.Context, load func() (*config.Config, error), o Options) (*Supervisor, error) {
	s := &Supervisor{load: load, options: o, requests: make(chan chan error)}
	first, err := s.build(ctx, nil)
	if err != nil {
		return nil, err
	}
	o.Exporter.ObserveReload(true, time.Now())
	s.current.Store(first)
	return s, nil
}

func (s *Supervisor) build(ctx context.Context, previous *Pipeline) (*Pipeline, error) {
	c, err := s.load()
	if err != nil {
		return nil, err
	}
	return New(ctx, c, s.options, previous)
}

// Run sweeps until the context ends. On a reload the old pipeline stops before
// the new one starts.
func (s *Supervisor) Run(ctx context.Context) {
	for ctx.Err() == nil {
		pipeline := s.current.Load()
		if pipeline.events == nil {
			s.options.Exporter.ForgetEventQueue()
		}
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

// awaitReload answers reload requests until one has a valid configuration. It
// returns nil when the context ends.
func (s *Supervisor) awaitReload(ctx context.Context, running *Pipeline) *Pipeline {
	for {
		select {
		case <-ctx.Done():
			return nil
		case answer := <-s.requests:
			next, err := s.build(ctx, running)
			s.options.Exporter.ObserveReload(err == nil, time.Now())
			answer <- err
			if err == nil {
				s.options.Logger.Info("Completed reloading the configuration")
				return next
			}
			s.options.Logger.Error("Error reloading the configuration; keeping the previous one", "err", err)
		}
	}
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
