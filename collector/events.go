package collector

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// eventMetrics are the metrics about events. They have no series until a queue
// is configured.
type eventMetrics struct {
	received, ignored, failed  *prometheus.CounterVec
	refreshes, refreshFailures *prometheus.CounterVec
	lag                        *prometheus.HistogramVec
	last, success              *prometheus.GaugeVec
}

func newEventMetrics() eventMetrics {
	counter := func(f Family) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: f.Name, Help: f.Help}, f.Labels)
	}
	gauge := func(f Family) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: f.Name, Help: f.Help}, f.Labels)
	}
	return eventMetrics{
		received: counter(eventsReceived), ignored: counter(eventsIgnored), failed: counter(eventsFailed),
		refreshes: counter(eventRefreshes), refreshFailures: counter(eventRefreshFailures),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: eventLag.Name, Help: eventLag.Help,
			Buckets:                         []float64{1, 2, 5, 15, 60, 300, 900, 3600},
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  100,
			NativeHistogramMinResetDuration: time.Hour,
		}, eventLag.Labels),
		last: gauge(eventLastReceived), success: gauge(eventQueueSuccess),
	}
}

func (m eventMetrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.received, m.ignored, m.failed, m.refreshes, m.refreshFailures, m.lag, m.last, m.success}
}

// ExpectEvents initializes the counters of events to 0: a counter whose first
// sample is 1 shows no increase.
func (e *Exporter) ExpectEvents(detailTypes, ignoredReasons, failedReasons, kinds []string) {
	for _, detailType := range detailTypes {
		e.events.received.WithLabelValues(detailType)
		e.events.lag.WithLabelValues(detailType)
		for _, reason := range ignoredReasons {
			e.events.ignored.WithLabelValues(detailType, reason)
		}
		for _, reason := range failedReasons {
			e.events.failed.WithLabelValues(detailType, reason)
		}
	}
	for _, kind := range kinds {
		e.events.refreshes.WithLabelValues(kind)
		e.events.refreshFailures.WithLabelValues(kind)
	}
}

// ForgetEventQueue removes the state of the queue after a reload without one.
// Counters keep their values.
func (e *Exporter) ForgetEventQueue() { e.events.success.Reset() }

// ObserveEvent records the first receipt of an event; lag is the time since AWS
// emitted it, negative if unknown.
func (e *Exporter) ObserveEvent(detailType string, lag time.Duration) {
	e.events.received.WithLabelValues(detailType).Inc()
	e.events.last.WithLabelValues().SetToCurrentTime()
	if lag >= 0 {
		e.events.lag.WithLabelValues(detailType).Observe(lag.Seconds())
	}
}

// ObserveIgnoredEvent records an event that required no refresh.
func (e *Exporter) ObserveIgnoredEvent(detailType, reason string) {
	e.events.ignored.WithLabelValues(detailType, reason).Inc()
}

// ObserveFailedEvent records an event that failed.
func (e *Exporter) ObserveFailedEvent(detailType, reason string) {
	e.events.failed.WithLabelValues(detailType, reason).Inc()
}

// ObserveRefresh counts a refresh caused by events; kind is a
// [inventory.SweepKind].
func (e *Exporter) ObserveRefresh(kind string, ok bool) {
	e.events.refreshes.WithLabelValues(kind).Inc()
	if !ok {
		e.events.refreshFailures.WithLabelValues(kind).Inc()
	}
}

// ObserveEventQueue records an attempt to read the event queue.
func (e *Exporter) ObserveEventQueue(ok bool) { e.events.success.WithLabelValues().Set(number(ok)) }
