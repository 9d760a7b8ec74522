// Package lab runs the whole program in tests: with [Launch] as a user starts
// it, over sockets, and with [Run] inside a synctest bubble, where hours pass
// at once. AWS is simulated in both.
package lab

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// Setup is what a [Lab] starts with.
type Setup struct {
	Config string
	World  func() *simaws.World
	// TLS makes the exporter call the host names of AWS, with TLS.
	TLS bool
	// Shard is the part of the accounts; the zero value is all of them.
	Shard app.Shard
	// LogLevel is the lowest of what is logged.
	LogLevel slog.Level
}

// Lab is the exporter as the serve command assembles it, without its listener,
// before a simulated AWS in memory. All of it lies inside a synctest bubble.
type Lab struct {
	T        *testing.T
	AWS      *simaws.Server
	Exporter *collector.Exporter
	Log      *Buffer

	supervisor *app.Supervisor
	started    time.Time
	// begin starts the sweeps. The first Until calls it, so that a fault that
	// is added before affects the first sweep too.
	begin func()

	mu          sync.Mutex
	config      string
	unreachable map[string]error // by host name or *.suffix
	impostor    string
}

// Run runs a test with a lab.
func Run(t *testing.T, s Setup, test func(*Lab)) {
	t.Helper()
	setEnvironment(t, s)
	synctest.Test(t, func(t *testing.T) {
		pipe := simaws.NewPipe()
		l := &Lab{
			T: t, Exporter: collector.New(), Log: &Buffer{},
			started: time.Now(), config: s.Config, unreachable: map[string]error{},
		}
		var listener net.Listener = pipe
		if s.TLS {
			listener = tls.NewListener(pipe, l.serverTLS())
		}
		l.AWS = simaws.New(s.World(), simaws.Options{Listener: listener})
		if err := l.AWS.Start(); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.AWS.Close() }()
		defer l.start(pipe, s)()
		test(l)
	})
}

// start builds the pipeline. The returned function waits for its end.
func (l *Lab) start(pipe *simaws.Pipe, s Setup) (stop func()) {
	shard := s.Shard
	if shard.Total == 0 {
		shard = app.Unsharded
	}
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	l.supervisor, err = app.NewSupervisor(ctx, l.load, app.Options{
		Exporter: l.Exporter, Shard: shard, Logger: slog.New(slog.NewTextHandler(l.Log, &slog.HandlerOptions{Level: s.LogLevel})),
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if err := l.dialError(address); err != nil {
				return nil, err
			}
			return pipe.DialContext(ctx, network, address)
		},
	})
	if err != nil {
		cancel()
		l.T.Fatal(err)
	}
	var running sync.WaitGroup
	l.begin = sync.OnceFunc(func() { running.Go(func() { l.supervisor.Run(ctx) }) })
	return func() { cancel(); running.Wait() }
}

// setEnvironment gives the SDK the credentials of the hub.
func setEnvironment(t *testing.T, s Setup) {
	env := simaws.New(s.World(), simaws.Options{}).Env()
	if env["AWS_ENDPOINT_URL"] = "http://" + Endpoint; s.TLS {
		env["AWS_ENDPOINT_URL"], env["AWS_CA_BUNDLE"] = "", caFile(t)
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
}

// Endpoint is the host name of AWS in a lab without TLS.
const Endpoint = "simaws.invalid"

func (l *Lab) load() (*config.Config, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return config.Parse("config.yaml", []byte(l.config))
}

// Reload replaces the configuration and reloads it.
func (l *Lab) Reload(text string) error {
	l.mu.Lock()
	l.config = text
	l.mu.Unlock()
	return l.supervisor.Reload(context.Background())
}

func (l *Lab) dialError(address string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	host, _, _ := strings.Cut(address, ":")
	for name, err := range l.unreachable {
		if suffix, wildcard := strings.CutPrefix(name, "*"); host == name || wildcard && strings.HasSuffix(host, suffix) {
			return err
		}
	}
	return nil
}

// Unreachable makes connections to hosts fail until they are restored. A host
// is a name or * and a suffix.
func (l *Lab) Unreachable(err error, hosts ...string) (restore func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range hosts {
		l.unreachable[h] = err
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, h := range hosts {
			delete(l.unreachable, h)
		}
	}
}

// Impersonate presents the certificate of another name for a host; "" ends it.
func (l *Lab) Impersonate(host string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.impostor = host
}

func (l *Lab) impersonated() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.impostor
}

// Fault adds faults to AWS until they are removed.
func (l *Lab) Fault(faults ...simaws.Fault) (remove func()) {
	var all []func()
	for i := range faults {
		all = append(all, l.AWS.AddFault(&faults[i]))
	}
	return func() {
		for _, remove := range all {
			remove()
		}
	}
}

// Until advances the clock to a time after the start of the lab. Every five
// minutes it passes what is exposed to check, unless that is nil.
func (l *Lab) Until(at time.Duration, check func(State)) {
	l.T.Helper()
	l.begin()
	for {
		left := at - time.Since(l.started)
		if left <= 0 {
			return
		}
		time.Sleep(min(left, 5*time.Minute))
		synctest.Wait()
		if check != nil {
			check(l.Scrape())
		}
	}
}

// UpdateAccount changes an account of the world.
func (l *Lab) UpdateAccount(id string, f func(*simaws.Account)) {
	l.AWS.Update(func(w *simaws.World) { f(w.Account(id)) })
}

// LogLines counts the lines of a level, such as WARN.
func (l *Lab) LogLines(level string) int { return strings.Count(l.Log.String(), "level="+level) }
