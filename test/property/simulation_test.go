package property

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// setEnvironment gives the SDK the credentials of the hub account, and an endpoint
// that only exporters of [simulation.newExporter] reach, in memory.
func setEnvironment(t *testing.T) {
	env := simaws.New(&simaws.World{Caller: simaws.Caller{AccountID: hub}, Accounts: []*simaws.Account{{ID: hub}}}, simaws.Options{}).Env()
	env["AWS_ENDPOINT_URL"] = "http://simaws.invalid"
	for name, value := range env {
		t.Setenv(name, value)
	}
}

// simulation is the simulated AWS of one draw, in memory: a server for each
// organization behind one endpoint. It runs in a synctest bubble.
type simulation struct {
	pipe        *simaws.Pipe
	http        *http.Server
	home, other *simaws.Server
	// foreign are the accounts of the other organization, sessions the access
	// keys that it issued.
	foreign  map[string]bool
	mu       sync.Mutex
	sessions map[string]bool
	// listed has the ARNs of the analyzers whose findings were listed in full
	// since the last call of set.
	listed map[string]bool
}

func newSimulation(w world) *simulation {
	l := &simulation{pipe: simaws.NewPipe(), foreign: map[string]bool{}, sessions: map[string]bool{}}
	opts := simaws.Options{CallLog: -1}
	l.home = simaws.New(w.home, opts)
	if w.other != nil {
		l.other = simaws.New(w.other, opts)
		for _, a := range w.other.Accounts[1:] {
			l.foreign[a.ID] = true
		}
	}
	l.http = &http.Server{Handler: l, ErrorLog: log.New(io.Discard, "", 0)} // faults break connections
	go func() { _ = l.http.Serve(l.pipe) }()
	return l
}

// close ends the listener and all connections; the bubble waits for the rest.
func (l *simulation) close() { _ = l.http.Close() }

// set replaces the world and its faults. Sessions stay valid.
func (l *simulation) set(w world, faults []fault) {
	l.mu.Lock()
	l.listed = map[string]bool{}
	l.mu.Unlock()
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

// ServeHTTP routes a call to the organization whose credentials sign it, or
// whose role it assumes.
func (l *simulation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/finding") {
		l.noteListing(r)
	}
	switch {
	case l.other == nil:
		l.home.ServeHTTP(w, r)
	case l.signedByOther(r):
		l.other.ServeHTTP(w, r)
	default:
		l.serveSTS(w, r)
	}
}

func (l *simulation) signedByOther(r *http.Request) bool {
	m := credential.FindStringSubmatch(r.Header.Get("Authorization"))
	l.mu.Lock()
	defer l.mu.Unlock()
	return m != nil && l.sessions[m[1]]
}

// noteListing notes full lists of findings. They alone have a filter: the list
// of changes has an order.
func (l *simulation) noteListing(r *http.Request) {
	var in struct {
		AnalyzerARN string          `json:"analyzerArn"`
		Filter      json.RawMessage `json:"filter"`
	}
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil || json.Unmarshal(body, &in) != nil || in.Filter == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listed[in.AnalyzerARN] = true
}

func (l *simulation) listedInFull(arn string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.listed[arn]
}

// serveSTS notes the sessions that AssumeRole issues for roles of the other
// organization. Everything else is for the home organization.
func (l *simulation) serveSTS(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body)) // other protocols have no role in it
	if arn := strings.Split(form.Get("RoleArn"), ":"); len(arn) != 6 || !l.foreign[arn[4]] {
		l.home.ServeHTTP(w, r)
		return
	}
	answer := &recorder{ResponseWriter: w}
	l.other.ServeHTTP(answer, r)
	if m := accessKeyID.FindSubmatch(answer.body); m != nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.sessions[string(m[1])] = true
	}
}

// recorder records the body of a response.
type recorder struct {
	http.ResponseWriter
	body []byte
}

func (r *recorder) Write(p []byte) (int, error) {
	r.body = append(r.body, p...)
	return r.ResponseWriter.Write(p)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// exporter is one shard of the exporter: the pipeline that the program runs.
type exporter struct {
	options  app.Options
	pipeline *app.Pipeline
	snapshot *inventory.Snapshot
	// exposed is the snapshot as text.
	exposed string
}

func (l *simulation) newExporter(shard app.Shard) *exporter {
	return &exporter{options: app.Options{
		Exporter: collector.New(), Logger: slog.New(slog.DiscardHandler), Shard: shard, Dial: l.pipe.DialContext,
	}}
}

// load starts a pipeline, which takes over the state of the one before.
func (e *exporter) load(c *config.Config) error {
	next, err := app.New(context.Background(), c, e.options, e.pipeline)
	if err != nil {
		return err
	}
	e.close()
	e.pipeline = next
	return nil
}

func (e *exporter) close() {
	if e.pipeline != nil {
		e.pipeline.Close()
	}
}

// sweepLimit is longer than all timeouts of a configuration together.
const sweepLimit = 30 * time.Minute

// sweep sweeps once. A snapshot is immutable: the previous one must still be
// exposed as before.
func (e *exporter) sweep() error {
	previous, exposed := e.snapshot, e.exposed
	ctx, cancel := context.WithTimeout(context.Background(), sweepLimit)
	defer cancel()
	e.snapshot = e.pipeline.Sweep(ctx)
	if ctx.Err() != nil {
		return fmt.Errorf("the sweep did not end: %w", ctx.Err())
	}
	var err error
	if e.exposed, err = text(e.snapshot); err != nil || previous == nil {
		return err
	}
	again, err := text(previous)
	if err == nil && again != exposed {
		err = fmt.Errorf("a published snapshot changed from\n%s\nto\n%s", exposed, again)
	}
	return err
}

func text(s *inventory.Snapshot) (string, error) {
	var b strings.Builder
	err := collector.WriteText(&b, s)
	return b.String(), err
}
