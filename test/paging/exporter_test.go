package paging

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// state is what an exporter finds out about the coverage of a target.
type state int

const (
	covered state = iota
	uncovered
	unknown
	exempt
	gone // closed, disabled or excluded
)

// mode is the state of an exporter for Prometheus.
type mode int

const (
	running  mode = iota // has completed a sweep
	starting             // answers, but has not completed a sweep
	failing              // scrapes fail
	absent               // not a scrape target
)

// target is one account in one Region, of external access.
type target struct{ account, region string }

// exporter is the exporter of one organization: one job with its shards.
type exporter struct {
	job    string
	shards []mode
	facts  map[target]state
	// names of the accounts, by ID.
	names map[string]string
	// listing is whether accounts and Regions can be listed.
	listing bool
	// clock is how far the clock of the exporter is off.
	clock time.Duration
	// cluster is an identity label besides job.
	cluster string
	// replica distinguishes exporters of the same targets.
	replica string
	// second is the state of the second replica of each shard, which reads the same.
	second mode
	// old is what the second replica last read, at oldAt, if its sweeps hang.
	old   map[target]state
	oldAt time.Time
	// read is when each target was last read.
	read      map[target]time.Time
	analyzers []*analyzer
	// public is how many public resources are named for each account.
	public int
	// updating is whether each shard has a second instance, as in a rolling update.
	updating bool
	// relabeled is the value of a label that does not identify the exporter.
	relabeled string
	// cached is whether no target can be read, and the last facts are published.
	cached bool
	// swept is when the last sweep was completed, if sweeps are stalled.
	swept time.Time
	// reason is why targets are unknown.
	reason string
	// series are others that are always exposed. If it is not nil, all rules are used.
	series func(add)
}

func newExporter(job string, shards int) *exporter {
	return &exporter{
		job: job, shards: make([]mode, shards), facts: map[target]state{}, names: map[string]string{},
		listing: true, second: absent, read: map[target]time.Time{}, public: 100, reason: "throttled",
	}
}

// add adds a target and its account.
func (e *exporter) add(tg target, s state) {
	e.facts[tg] = s
	if e.names[tg.account] == "" {
		e.names[tg.account] = "name-" + tg.account
	}
}

// shardOf is the shard of an account.
func (e *exporter) shardOf(account string) int {
	n, _ := strconv.Atoi(account)
	return n % len(e.shards)
}

// runs is whether facts of a shard reach Prometheus: one replica is enough.
func (e *exporter) runs(shard int) bool { return e.shards[shard] == running || e.second == running }

// publishes is whether facts about the account reach Prometheus.
func (e *exporter) publishes(account string) bool { return e.runs(e.shardOf(account)) }

// fact is what the replicas that run report of a target: the state that comes first in
// order.
func (e *exporter) fact(tg target) state {
	s := gone
	hear := func(runs bool, facts map[target]state) {
		if reported, ok := facts[tg]; runs && ok && slices.Index(order, reported) < slices.Index(order, s) {
			s = reported
		}
	}
	second := e.facts
	if e.old != nil {
		second = e.old
	}
	hear(e.shards[e.shardOf(tg.account)] == running, e.facts)
	hear(e.second == running, second)
	return s
}

// order is which state counts if replicas differ: one that reports a gap is believed, and
// one that does not have a target yet is not.
var order = []state{uncovered, covered, exempt, unknown, gone}

// hung is the second replica. Its sweeps may hang: it reports what it read last.
func (e *exporter) hung(now time.Time) *exporter {
	if e.old == nil {
		return e
	}
	h := *e
	h.facts, h.read, h.clock = e.old, maps.Clone(e.read), e.clock-now.Sub(e.oldAt)
	return &h
}

// complete is whether every shard has published, so that what is missing is gone.
func (e *exporter) complete() bool {
	for shard := range e.shards {
		if !e.runs(shard) {
			return false
		}
	}
	return e.listing
}

func (e *exporter) instance(shard int) string { return fmt.Sprintf("%s%s-%d", e.job, e.replica, shard) }

// exposition are the series of a shard, as an instance in a mode exposes them.
func (e *exporter) exposition(shard int, m mode, instance string, now time.Time) []sample {
	var all []sample
	add := func(v float64, name string, pairs ...string) {
		b := labels.NewBuilder(labels.EmptyLabels())
		b.Set("__name__", name).Set("job", e.job).Set("instance", instance).Set("environment", e.relabeled)
		if e.cluster != "" {
			b.Set("cluster", e.cluster)
		}
		for i := 0; i < len(pairs); i += 2 {
			b.Set(pairs[i], pairs[i+1])
		}
		all = append(all, sample{b.Labels(), v})
	}
	switch m {
	case absent:
		return nil
	case failing:
		add(0, "up")
		return all
	}
	add(1, "up")
	add(1, "access_analyzer_exporter_build_info", "version", "1")
	add(float64(shard), "access_analyzer_exporter_shard_ordinal")
	add(float64(len(e.shards)), "access_analyzer_exporter_total_shards")
	add(number(e.listing), "access_analyzer_exporter_discovery_success")
	if !e.listing {
		add(1, "access_analyzer_exporter_discovery_failures", "operation", "ListAccounts", "reason", "throttled")
	}
	add(1, "aws_access_analyzer_coverage_required", "access", "external")
	add(0, "aws_access_analyzer_coverage_required", "access", "unused")
	if m == starting {
		return all
	}
	swept := now
	if !e.swept.IsZero() {
		swept = e.swept
	}
	for _, kind := range []string{"coverage", "findings"} {
		add(seconds(swept.Add(e.clock)), "access_analyzer_exporter_sweep_last_completed_timestamp_seconds", "kind", kind)
	}
	for _, a := range e.analyzers {
		if e.shardOf(a.account) == shard && a.status != "" {
			a.expose(add, e.public)
		}
	}
	if e.series != nil {
		e.series(add)
	}
	for account, name := range e.names {
		if e.shardOf(account) == shard {
			add(1, "aws_access_analyzer_account_info", "account_id", account, "account_name", name, "role", "member")
		}
	}
	for tg, s := range e.facts {
		if e.shardOf(tg.account) != shard || s == gone {
			continue
		}
		at := []string{"account_id", tg.account, "region", tg.region}
		read := s != unknown && !e.cached
		add(number(read), "aws_access_analyzer_scrape_success", at...)
		if read {
			e.read[tg] = now.Add(e.clock)
		} else {
			add(1, "aws_access_analyzer_scrape_error", append(at, "operation", "ListAnalyzers", "reason", e.reason)...)
		}
		if read := e.read[tg]; !read.IsZero() {
			add(seconds(read), "aws_access_analyzer_scrape_last_success_timestamp_seconds", at...)
		}
		of := append(at, "access", "external")
		switch s {
		case covered, uncovered:
			add(number(s == covered), "aws_access_analyzer_coverage", of...)
		case exempt:
			add(1, "aws_access_analyzer_coverage_exempt", append(of, "reason", "test")...)
		}
	}
	return all
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func id(account int) string { return fmt.Sprintf("%012d", 100000000000+account) }

func region(r int) string { return fmt.Sprintf("eu-test-%d", r) }
