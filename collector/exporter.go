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

// Exporter serves what has been published, and what it measures about itself.
// It is an http.Handler, and all its methods may be called at any time from
// anywhere.
type Exporter struct {
	requests     *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	fullCounts   *prometheus.CounterVec
	reloaded     *prometheus.GaugeVec
	reloadedAt   *prometheus.GaugeVec
	shardOrdinal *prometheus.GaugeVec
	totalShards  *prometheus.GaugeVec
	events       eventMetrics

	// live gathers what the exporter measures about itself.
	live prometheus.TransactionalGatherer
	// livePackers bounds how much of that is encoded at once: scrapes beyond
	// it wait for their turn, and what they need in memory stays the same.
	livePackers chan *packers

	published atomic.Pointer[publication]
	// preparing is held while a publication is being encoded.
	preparing sync.Mutex
}

// New returns an Exporter that has nothing to say about AWS until the first Publish.
// Its build information is that of github.com/prometheus/common/version.
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
		// Vectors without labels, because a vector is empty until it is asked
		// for its series: a 0 before the first reload would page somebody.
		reloaded:     prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: reloadSuccessful.Name, Help: reloadSuccessful.Help}, nil),
		reloadedAt:   prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: reloadSuccessTimestamp.Name, Help: reloadSuccessTimestamp.Help}, nil),
		shardOrdinal: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: shardOrdinal.Name, Help: shardOrdinal.Help}, nil),
		totalShards:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: totalShards.Name, Help: totalShards.Help}, nil),
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
	own.MustRegister(e.requests, e.duration, e.fullCounts, e.reloaded, e.reloadedAt, e.shardOrdinal, e.totalShards, version.NewCollector(namespace))
	own.MustRegister(e.events.all()...)
	process.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	e.live = prometheus.NewMultiTRegistry(
		prometheus.ToTransactionalGatherer(own),
		prometheus.ToTransactionalGatherer(&unhurried{gatherer: process}),
	)
	return e
}

// Publish makes a snapshot what is served from now on. Scrapes that have begun
// end with the one before. The snapshot must never be changed again.
func (e *Exporter) Publish(s *inventory.Snapshot) {
	e.published.Store(e.newPublication(s))
}

// Snapshot returns what was last published; nil before the first time.
func (e *Exporter) Snapshot() *inventory.Snapshot {
	if p := e.published.Load(); p != nil {
		return p.snapshot
	}
	return nil
}

// TargetCount is the number of targets in scope; 0 before anything is published.
func (e *Exporter) TargetCount() int {
	if s := e.Snapshot(); s != nil {
		return s.TargetCount
	}
	return 0
}

// ObserveRequest takes note of one attempt of a request to AWS that reached
// the network. service and operation are spelt as AWS spells them; code is the
// error code of AWS, or OK.
func (e *Exporter) ObserveRequest(service, operation, code string, d time.Duration) {
	// The code is whatever the other side sent, and client_golang panics at
	// what is not UTF-8.
	code = strings.ToValidUTF8(code, "\uFFFD")
	e.requests.WithLabelValues(service, operation, code).Inc()
	e.duration.WithLabelValues(service, operation).Observe(d.Seconds())
}

// ObserveFullCount takes note of a count for which all findings of an analyzer
// were listed.
func (e *Exporter) ObserveFullCount(reason findings.FullCountReason) {
	e.fullCounts.WithLabelValues(string(reason)).Inc()
}

// ObserveReload takes note of an attempt to load the configuration, the first
// one included.
func (e *Exporter) ObserveReload(ok bool, at time.Time) {
	e.reloaded.WithLabelValues().Set(number(ok))
	if ok {
		e.reloadedAt.WithLabelValues().Set(seconds(at))
	}
}

// ObserveShard takes note of which shard this exporter is, from 0, and of how
// many.
func (e *Exporter) ObserveShard(index, total int) {
	e.shardOrdinal.WithLabelValues().Set(float64(index))
	e.totalShards.WithLabelValues().Set(float64(total))
}

// unhurried gathers anew only when what it has is a second old. go_* and
// process_* come out of a dozen files under /proc, and reading those takes
// half as long as sending half a million series.
type unhurried struct {
	gatherer prometheus.Gatherer

	mu       sync.Mutex
	at       time.Time
	families []*dto.MetricFamily
	err      error
}

// Gather implements prometheus.Gatherer. What it returns is shared and only to
// be read.
func (u *unhurried) Gather() ([]*dto.MetricFamily, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Since(u.at) >= time.Second {
		u.families, u.err = u.gatherer.Gather()
		u.at = time.Now()
	}
	return u.families, u.err
}
