package property

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/awsapi"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/fleet"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/sweep"
)

// front is one listener for all labs. A client says in its User-Agent which
// lab is its own: the environment, which tells clients where AWS is, is the
// same for all.
type front struct {
	mu   sync.Mutex
	labs map[string]*lab
	made int
}

func newFront(t *testing.T) *front {
	f := &front{labs: map[string]*lab{}}
	server := httptest.NewUnstartedServer(f)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // broken connections are what faults are for
	// Every draw has connections of its own. Closed in the ordinary way, each
	// would keep its port for a minute, and a run would use up all of them.
	server.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if tcp, ok := c.(*net.TCPConn); ok && state == http.StateNew {
			_ = tcp.SetLinger(0) // at worst the port is kept
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	env := simaws.New(&simaws.World{Caller: simaws.Caller{AccountID: hub}, Accounts: []*simaws.Account{{ID: hub}}}, simaws.Options{}).Env()
	env["AWS_ENDPOINT_URL"] = server.URL
	for name, value := range env {
		t.Setenv(name, value)
	}
	return f
}

var labName = regexp.MustCompile(`access-analyzer-exporter/(lab-\d+)`)

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var name string
	if m := labName.FindStringSubmatch(r.UserAgent()); m != nil {
		name = m[1]
	}
	f.mu.Lock()
	l := f.labs[name]
	f.mu.Unlock()
	if l == nil {
		http.Error(w, "a request of nobody", http.StatusTeapot)
		return
	}
	l.ServeHTTP(w, r)
}

// lab is the AWS of one draw: a server for each organization.
type lab struct {
	front       *front
	name        string
	home, other *simaws.Server
	// foreign are the accounts of the other organization, sessions the access
	// keys that it gave out.
	foreign  map[string]bool
	mu       sync.Mutex
	sessions map[string]bool
}

func (f *front) newLab(w world) *lab {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	l := &lab{front: f, name: fmt.Sprintf("lab-%d", f.made), foreign: map[string]bool{}, sessions: map[string]bool{}}
	opts := simaws.Options{CallLog: -1}
	l.home = simaws.New(w.home, opts)
	if w.other != nil {
		l.other = simaws.New(w.other, opts)
		for _, a := range w.other.Accounts[1:] {
			l.foreign[a.ID] = true
		}
	}
	f.labs[l.name] = l
	return l
}

func (l *lab) close() {
	l.front.mu.Lock()
	defer l.front.mu.Unlock()
	delete(l.front.labs, l.name)
}

// set replaces what AWS is. Sessions go on.
func (l *lab) set(w world, faults []fault) {
	w = w.clone()
	for _, f := range faults {
		built := f.build() // one for both, as it counts
		for _, part := range w.parts() {
			part.Faults = append(part.Faults, built)
		}
	}
	l.home.SetWorld(w.home)
	if l.other != nil {
		l.other.SetWorld(w.other)
	}
}

var (
	credential  = regexp.MustCompile(`Credential=(\w+)/`)
	accessKeyID = regexp.MustCompile(`<AccessKeyId>(\w+)</AccessKeyId>`)
)

// ServeHTTP hands a call to the organization whose credentials sign it, or
// whose role it wants.
func (l *lab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.other == nil {
		l.home.ServeHTTP(w, r)
		return
	}
	if m := credential.FindStringSubmatch(r.Header.Get("Authorization")); m != nil {
		l.mu.Lock()
		foreign := l.sessions[m[1]]
		l.mu.Unlock()
		if foreign {
			l.other.ServeHTTP(w, r)
			return
		}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body)) // what is no form has no role
	if arn := strings.Split(form.Get("RoleArn"), ":"); len(arn) == 6 && l.foreign[arn[4]] {
		answer := &overheard{ResponseWriter: w}
		l.other.ServeHTTP(answer, r)
		if m := accessKeyID.FindSubmatch(answer.body); m != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.sessions[string(m[1])] = true
		}
		return
	}
	l.home.ServeHTTP(w, r)
}

// overheard keeps what is written.
type overheard struct {
	http.ResponseWriter
	body []byte
}

func (o *overheard) Write(p []byte) (int, error) {
	o.body = append(o.body, p...)
	return o.ResponseWriter.Write(p)
}

func (o *overheard) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// exporter is the program as main wires it, for one shard.
type exporter struct {
	client    *awsapi.Client
	discovery *fleet.Discovery
	sweeper   *sweep.Sweeper
	published *inventory.Snapshot
	// exposed is published as text.
	exposed string
}

// start makes an exporter, which goes on with what another knew.
func (l *lab) start(c *config.Config, shard, shards int, previous *exporter) (*exporter, error) {
	client, err := awsapi.New(context.Background(), awsOptions(c, l.name))
	if err != nil {
		return nil, err
	}
	e := &exporter{client: client}
	options := sweepOptions(c)
	options.Publish = func(s *inventory.Snapshot) { e.published = s }
	if previous == nil {
		previous = &exporter{}
	} else {
		previous.client.Close()
		e.published, e.exposed = previous.published, previous.exposed
	}
	e.discovery = fleet.New(client, fleetOptions(c, shard, shards), previous.discovery)
	e.sweeper = sweep.New(e.discovery, client, options, previous.sweeper)
	return e, nil
}

// sweep sweeps once and exposes what is then known. What was published before
// must still be what it was: others may be reading it.
func (e *exporter) sweep() error {
	held, was := e.published, e.exposed
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	e.sweeper.Once(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("the sweep did not end: %w", ctx.Err())
	}
	var err error
	if e.exposed, err = text(e.published); err != nil {
		return err
	}
	if held != nil {
		is, err := text(held)
		if err != nil {
			return err
		}
		if is != was {
			return fmt.Errorf("a published snapshot was changed from\n%s\nto\n%s", was, is)
		}
	}
	return nil
}

func text(s *inventory.Snapshot) (string, error) {
	var b strings.Builder
	err := collector.WriteText(&b, s)
	return b.String(), err
}
