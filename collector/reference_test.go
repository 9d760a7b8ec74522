package collector

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// constMetrics exports a snapshot as most exporters do, with const metrics that
// each Collect creates. The exporter's encoding is compared with it.
type constMetrics struct {
	snapshot *inventory.Snapshot
	descs    map[string]*prometheus.Desc
}

func newConstMetrics(s *inventory.Snapshot) *constMetrics {
	c := &constMetrics{s, map[string]*prometheus.Desc{}}
	for _, l := range layouts {
		c.descs[l.Name] = prometheus.NewDesc(l.Name, l.Help, l.in(s).sorted, nil)
	}
	return c
}

func (c *constMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

func (c *constMetrics) Collect(ch chan<- prometheus.Metric) {
	var found series
	for _, l := range layouts {
		found.gather(l, c.snapshot)
		for _, i := range found.order {
			ch <- prometheus.MustNewConstMetric(c.descs[l.Name], prometheus.GaugeValue, found.values[i], found.at(i)...)
		}
	}
}

// pedantic returns a registry with all checks of client_golang.
func pedantic(s *inventory.Snapshot) *prometheus.Registry {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(newConstMetrics(s))
	return r
}

// reference serves the same through promhttp.
func reference(live prometheus.TransactionalGatherer, facts prometheus.Gatherer) http.Handler {
	// Not prometheus.Gatherers: that loses the units of go_*.
	all := prometheus.NewMultiTRegistry(live, prometheus.ToTransactionalGatherer(facts))
	return promhttp.HandlerForTransactional(all, promhttp.HandlerOpts{AcceptedFormats: accepted})
}

// freeze makes the live metrics constant, so that two scrapes can be compared.
func freeze(t testing.TB, e *Exporter) {
	t.Helper()
	families, done, err := e.live.Gather()
	if err != nil {
		t.Fatal(err)
	}
	done()
	e.live = prometheus.ToTransactionalGatherer(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		return slices.Clone(families), nil
	}))
}

// request starts a real server on loopback and returns what sends requests to
// it; it neither asks for compression nor takes it off on its own.
func request(t testing.TB, h http.Handler) func(query string, header http.Header) *http.Response {
	t.Helper()
	server := httptest.NewServer(h)
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		server.Close()
	})
	return func(query string, header http.Header) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/metrics"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		return response
	}
}

// serve is request that reads the body of a successful response.
func serve(t testing.TB, h http.Handler) func(query string, header http.Header) (http.Header, []byte) {
	t.Helper()
	send := request(t, h)
	return func(query string, header http.Header) (http.Header, []byte) {
		t.Helper()
		response := send(query, header)
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s", response.Status, body)
		}
		return response.Header, body
	}
}

// unpack decodes the body according to Content-Encoding.
func unpack(t testing.TB, h http.Header, body []byte) []byte {
	t.Helper()
	var (
		plain []byte
		err   error
	)
	switch coding := h.Get("Content-Encoding"); coding {
	case "":
		return body
	case "gzip":
		plain, err = gunzip(body)
	default:
		t.Fatalf("unknown Content-Encoding %q", coding)
	}
	if err != nil {
		t.Fatal(err)
	}
	return plain
}
