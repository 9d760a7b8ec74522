package paging

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

const (
	rulesFile = "../../deploy/prometheus/rules.yaml"
	minute    = time.Minute
	// resendDelay is what deploy/prometheus/README.md recommends.
	resendDelay = 5 * minute
	// lookBack is for how long Prometheus finds the last value of a series.
	lookBack = 5 * minute
)

// promql and rules log every template error.
var discard = slog.New(slog.DiscardHandler)

// database is a storage in memory.
type database struct {
	head *tsdb.Head
	refs map[string]storage.SeriesRef
	// previous are the series of the last scrape, by scrape target.
	previous map[string]map[string]labels.Labels
}

func newDatabase(t testing.TB) *database {
	t.Helper()
	options := tsdb.DefaultHeadOptions()
	options.ChunkDirRoot = t.TempDir()
	options.ChunkRange = int64(30 * 24 * time.Hour / time.Millisecond)
	options.ChunkWriteQueueSize = 0
	head, err := tsdb.NewHead(nil, discard, nil, nil, options, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = head.Close() })
	return &database{head, map[string]storage.SeriesRef{}, map[string]map[string]labels.Labels{}}
}

func (d *database) Appender(ctx context.Context) storage.Appender { return d.head.Appender(ctx) }

func (d *database) Querier(mint, maxt int64) (storage.Querier, error) {
	return tsdb.NewBlockQuerier(tsdb.NewRangeHead(d.head, mint, maxt), mint, maxt)
}

// sample is a series and its value.
type sample struct {
	labels labels.Labels
	value  float64
}

// scrape appends what a scrape target exposes, and ends the series that it no
// longer exposes, as Prometheus does.
func (d *database) scrape(t testing.TB, target string, now time.Time, samples []sample) {
	t.Helper()
	app := d.head.Appender(context.Background())
	ts := now.UnixMilli()
	current := make(map[string]labels.Labels, len(samples))
	add := func(key string, l labels.Labels, v float64) {
		ref, err := app.Append(d.refs[key], l, ts, v)
		if err != nil {
			t.Fatalf("%s at %s: %v", l, now, err)
		}
		d.refs[key] = ref
	}
	for _, s := range samples {
		key := s.labels.String()
		current[key] = s.labels
		add(key, s.labels, s.value)
	}
	for key, l := range d.previous[target] {
		if _, ok := current[key]; !ok {
			add(key, l, math.Float64frombits(value.StaleNaN))
		}
	}
	d.previous[target] = current
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// text is a rule file in memory: the shipped one, or a mutant of it.
type text string

var promQL = parser.NewParser(parser.Options{})

// Load implements rules.GroupLoader.
func (f text) Load(_ string, unknownFields bool, scheme model.ValidationScheme) (*rulefmt.RuleGroups, []error) {
	return rulefmt.Parse([]byte(f), unknownFields, scheme, promQL)
}

// Parse implements rules.GroupLoader.
func (f text) Parse(query string) (parser.Expr, error) { return promQL.ParseExpr(query) }

// cache is a parser that parses each expression once. It is for one engine, which runs
// one query at a time.
type cache struct {
	parser.Parser
	parsed map[string]parsed
}

// parsed is an expression, and what removes from it what the engine adds.
type parsed struct {
	expr  parser.Expr
	reset []func()
}

// ParseExpr implements parser.Parser.
func (c cache) ParseExpr(query string) (parser.Expr, error) {
	if p, ok := c.parsed[query]; ok {
		for _, reset := range p.reset {
			reset()
		}
		return p.expr, nil
	}
	expr, err := c.Parser.ParseExpr(query)
	if err != nil {
		return nil, err
	}
	p := parsed{expr: expr}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		p.reset = append(p.reset, resets(node)...)
		return nil
	})
	c.parsed[query] = p
	return expr, nil
}

// resets removes from a node what the engine adds to it: series, and marks of what does
// not change in a range.
func resets(node parser.Node) []func() {
	restore := func(expr *parser.Expr) func() {
		original := *expr
		return func() { *expr = original }
	}
	switch n := node.(type) {
	case *parser.VectorSelector:
		return []func(){func() { n.UnexpandedSeriesSet, n.Series = nil, nil }}
	case *parser.BinaryExpr:
		return []func(){restore(&n.LHS), restore(&n.RHS)}
	case *parser.Call:
		var all []func()
		for i := range n.Args {
			all = append(all, restore(&n.Args[i]))
		}
		return all
	}
	return nil
}

// prometheus evaluates the rules.
type prometheus struct {
	t      testing.TB
	db     *database
	file   text
	only   []string
	send   func(...*rules.Alert)
	groups []*rules.Group
	engine *promql.Engine
	// errors are those of rules.
	errors []string
	// restored is false until the state of alerts was restored after a start.
	restored bool
}

func newPrometheus(t testing.TB, file text, send func(...*rules.Alert), only ...string) *prometheus {
	t.Helper()
	p := &prometheus{t: t, db: newDatabase(t), file: file, only: only, send: send}
	p.start()
	return p
}

// start loads the rules, as after a restart. The database stays.
func (p *prometheus) start() {
	p.t.Helper()
	p.engine = promql.NewEngine(promql.EngineOpts{
		Logger: discard, MaxSamples: 50_000_000, Timeout: time.Hour, LookbackDelta: lookBack,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: cache{promQL, map[string]parsed{}},
	})
	external, err := url.Parse("http://prometheus.example.org")
	if err != nil {
		p.t.Fatal(err)
	}
	manager := rules.NewManager(&rules.ManagerOptions{
		ExternalURL: external, QueryFunc: rules.EngineQueryFunc(p.engine, p.db), Context: context.Background(),
		NotifyFunc: func(_ context.Context, _ string, alerts ...*rules.Alert) { p.send(alerts...) },
		Appendable: p.db, Queryable: p.db, Logger: discard, GroupLoader: p.file, Parser: promQL,
		OutageTolerance: time.Hour, ForGracePeriod: 10 * minute, ResendDelay: resendDelay,
	})
	groups, errs := manager.LoadGroups(minute, labels.EmptyLabels(), external.String(), nil, false, "rules.yaml")
	if len(errs) > 0 {
		p.t.Fatal(errs)
	}
	p.groups, p.restored = nil, false
	for _, g := range groups {
		if len(p.only) == 0 || slices.Contains(p.only, g.Name()) {
			p.groups = append(p.groups, g)
		}
	}
	slices.SortFunc(p.groups, func(a, b *rules.Group) int { return len(a.Rules()) - len(b.Rules()) })
}

func (p *prometheus) evaluate(now time.Time) {
	p.t.Helper()
	for _, g := range p.groups {
		if p.restored && now.Unix()/60%int64(g.Interval()/minute) != 0 {
			continue
		}
		g.Eval(context.Background(), now)
		for _, r := range g.Rules() {
			if err := r.LastError(); err != nil {
				p.errors = append(p.errors, fmt.Sprintf("%s: %v", r.Name(), err))
			}
		}
	}
	if !p.restored {
		for _, g := range p.groups {
			g.RestoreForState(now)
		}
		p.restored = true
	}
}
