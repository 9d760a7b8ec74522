package collector

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/collectors/version"
	dto "github.com/prometheus/client_model/go"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Exporter is an http.Handler that serves the last published snapshot and the
// exporter's metrics about itself. All methods are safe for concurrent use.
type Exporter struct {
	requests     *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	fullCounts   *prometheus.CounterVec
	reloaded     *prometheus.GaugeVec
	reloadedAt   *prometheus.GaugeVec
	shardOrdinal *prometheus.GaugeVec
	totalShards  *prometheus.GaugeVec
	required     *prometheus.GaugeVec
	checkCalls   *prometheus.CounterVec
	events       eventMetrics

	// live gathers the exporter's metrics about itself.
	live prometheus.TransactionalGatherer
	// livePackers bounds the number of scrapes that encode live metrics at the
	// same time, and so their memory.
	livePackers chan *packers

	published atomic.Pointer[publication]
	// preparing serializes the encoding of publications.
	preparing sync.Mutex
}

// New returns an Exporter that serves only metrics about itself until the first
// Publish. Its build information is that of github.com/prometheus/common/version.
func New() *Exporter {
	e := &Exporter{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: requestsTotal.Name, Help: requestsTotal.Help,
		}, requestsTotal.Labels),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: requestDuration.Name, Help: requestDuration.Help,
			Buckets:                         []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, requestDuration.Labels),
		fullCounts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: fullCounts.Name, Help: fullCounts.Help}, fullCounts.Labels),
		// Vectors without labels, because a vector has no series until they are
		// set: a 0 before the first reload would fire an alert.
		reloaded:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: reloadSuccessful.Name, Help: reloadSuccessful.Help}, nil),
		reloadedAt:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: reloadSuccessTimestamp.Name, Help: reloadSuccessTimestamp.Help}, nil),
		shardOrdinal: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: shardOrdinal.Name, Help: shardOrdinal.Help}, nil),
		totalShards:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: totalShards.Name, Help: totalShards.Help}, nil),
		required:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: coverageRequired.Name, Help: coverageRequired.Help}, coverageRequired.Labels),
		checkCalls:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: checkCalls.Name, Help: checkCalls.Help}, checkCalls.Labels),
		events:       newEventMetrics(),
		livePackers:  make(chan *packers, runtime.GOMAXPROCS(0)),
	}
	for range cap(e.livePackers) {
		e.livePackers <- new(packers)
	}
	for _, reason := range findings.FullCountReasons {
		e.fullCounts.WithLabelValues(string(reason))
	}
	own, process := prometheus.NewRegistry(), prometheus.NewRegistry()
	own.MustRegister(e.requests, e.duration, e.fullCounts, e.reloaded, e.reloadedAt, e.shardOrdinal, e.totalShards, e.required, e.checkCalls, version.NewCollector(namespace))
	own.MustRegister(e.events.all()...)
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	e.live = prometheus.NewMultiTRegistry(
		prometheus.ToTransactionalGatherer(own),
		prometheus.ToTransactionalGatherer(&cachedGatherer{gatherer: process}),
	)
	return e
}

// Publish replaces the served snapshot. Scrapes in progress complete with the
// previous one. The snapshot must not be modified afterwards.
func (e *Exporter) Publish(s *inventory.Snapshot) {
	e.published.Store(e.newPublication(s))
}

// Snapshot returns the last published snapshot; nil before the first Publish.
func (e *Exporter) Snapshot() *inventory.Snapshot {
	if p := e.published.Load(); p != nil {
		return p.snapshot
	}
	return nil
}

// TargetCount is the number of targets in scope; 0 before the first Publish.
func (e *Exporter) TargetCount() int {
	if s := e.Snapshot(); s != nil {
		return s.TargetCount
	}
	return 0
}

// ObserveRequest records one attempt of a request to AWS that reached the
// network. service and operation have the spelling of AWS; code is the error
// code that AWS returned, or OK.
func (e *Exporter) ObserveRequest(service, operation, code string, d time.Duration) {
	// The code comes from the response, and client_golang panics on invalid
	// UTF-8.
	code = strings.ToValidUTF8(code, "\uFFFD")
	e.requests.WithLabelValues(service, operation, code).Inc()
	e.duration.WithLabelValues(service, operation).Observe(d.Seconds())
}

// ObserveFullCount records a count in which all findings of an analyzer were
// listed.
func (e *Exporter) ObserveFullCount(reason findings.FullCountReason) {
	e.fullCounts.WithLabelValues(string(reason)).Inc()
}

// ExpectChecks initializes the counter of calls for a check of policies to 0.
func (e *Exporter) ExpectChecks(check string) { e.checkCalls.WithLabelValues(check) }

// ObserveCheck counts a call for a check of policies, by its name.
func (e *Exporter) ObserveCheck(check string) { e.checkCalls.WithLabelValues(check).Inc() }

// ObserveReload records an attempt to load the configuration, including the
// first.
func (e *Exporter) ObserveReload(ok bool, at time.Time) {
	e.reloaded.WithLabelValues().Set(number(ok))
	if ok {
		e.reloadedAt.WithLabelValues().Set(seconds(at))
	}
}

// ObserveShard records the ordinal of this shard, from 0, and the number of
// shards.
func (e *Exporter) ObserveShard(index, total int) {
	e.shardOrdinal.WithLabelValues().Set(float64(index))
	e.totalShards.WithLabelValues().Set(float64(total))
}

// ObserveRequired records for which kinds of access the configuration requires
// coverage.
func (e *Exporter) ObserveRequired(required map[inventory.Access]bool) {
	for _, access := range inventory.Accesses {
		e.required.WithLabelValues(string(access)).Set(number(required[access]))
	}
}

// cachedGatherer gathers at most once a second. go_* and process_* are read from
// a dozen files under /proc, which takes half as long as sending half a million
// series.
type cachedGatherer struct {
	gatherer prometheus.Gatherer

	mu       sync.Mutex
	at       time.Time
	families []*dto.MetricFamily
	err      error
}

// Gather implements prometheus.Gatherer. The result is shared and must not be
// modified.
func (c *cachedGatherer) Gather() ([]*dto.MetricFamily, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.at) >= time.Second {
		c.families, c.err = c.gatherer.Gather()
		c.at = time.Now()
	}
	return c.families, c.err
}
