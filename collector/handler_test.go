package collector

import (
	"bufio"
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// gunzip reads a single member, as browsers and curl do: nothing may follow it.
func gunzip(body []byte) ([]byte, error) {
	rest := bufio.NewReader(bytes.NewReader(body))
	member, err := stdgzip.NewReader(rest)
	if err != nil {
		return nil, err
	}
	member.Multistream(false)
	plain, err := io.ReadAll(member)
	if err != nil {
		return nil, err
	}
	if n, _ := io.Copy(io.Discard, rest); n != 0 {
		return nil, fmt.Errorf("%d bytes after the first member", n)
	}
	return plain, nil
}

// The headers of Prometheus, browsers and curl.
var acceptHeaders = []string{
	"",
	"*/*",
	"text/plain",
	"text/plain;version=0.0.4;q=0.5;escaping=allow-utf-8",
	"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
	"application/openmetrics-text",
	"application/openmetrics-text;version=0.0.1",
	"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
	"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
	"application/openmetrics-text;version=2.0.0",
	"application/openmetrics-text;version=1.0.0;escaping=dots",
	"application/openmetrics-text;version=1.0.0;escaping=values",
	"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
	"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=dots;q=0.7,text/plain;q=0.3",
	"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
}

var acceptEncodings = []string{
	"", "identity", "gzip", "zstd", "deflate, gzip, br, zstd", "zstd, gzip;q=0.5", "gzip;q=0.1,zstd;q=0.9", "*", "*;q=0", "gzip;q=0",
	"gzip;q=0, *", "identity;q=0.2, *;q=0.1", "br", "gzip ; q=1.0", "gzip;q=x",
}

func TestResponsesEqualPromhttp(t *testing.T) {
	queries := []string{"", "?name[]=aws_access_analyzer_coverage&name[]=go_goroutines&name[]=access_analyzer_exporter_targets", "?name[]=none"}
	for name, snapshot := range fixtures {
		t.Run(name, func(t *testing.T) {
			ours, theirs := pair(t, snapshot)
			for _, accept := range acceptHeaders {
				for _, encoding := range []string{"identity", "gzip"} {
					for _, query := range queries {
						compare(t, ours, theirs, query, headers(accept, encoding))
					}
				}
			}
		})
	}
}

func TestNegotiationEqualsPromhttp(t *testing.T) {
	ours, theirs := pair(t, fixtures["empty"])
	for _, accept := range acceptHeaders {
		for _, encoding := range acceptEncodings {
			compare(t, ours, theirs, "?name[]=access_analyzer_exporter_targets", headers(accept, encoding))
		}
	}
	several := http.Header{"Accept-Encoding": {"gzip;q=0.3", "zstd;q=0.4, identity;q=0.1"}}
	compare(t, ours, theirs, "?name[]=access_analyzer_exporter_targets", several)
}

// headers omits empty headers, as clients without compression do.
func headers(accept, encoding string) http.Header {
	h := http.Header{}
	if accept != "" {
		h.Set("Accept", accept)
	}
	if encoding != "" {
		h.Set("Accept-Encoding", encoding)
	}
	return h
}

type scraper func(query string, header http.Header) (http.Header, []byte)

// pair serves a snapshot through the exporter and through promhttp.
func pair(t *testing.T, s *inventory.Snapshot) (ours, theirs scraper) {
	e := New()
	e.ObserveRequest("accessanalyzer", "ListAnalyzers", "OK", 20*time.Millisecond)
	e.ObserveRequest("accessanalyzer", "ListAnalyzers", "\xffBad\"Code", time.Second)
	e.ObserveReload(true, moment)
	e.ObserveShard(1, 3)
	freeze(t, e)
	e.Publish(s)
	return serve(t, e), serve(t, reference(e.live, pedantic(s)))
}

func compare(t *testing.T, ours, theirs scraper, query string, header http.Header) {
	t.Helper()
	gotHeader, got := ours(query, header)
	wantHeader, want := theirs(query, header)
	for _, k := range []string{"Content-Type", "Content-Encoding", "Vary"} {
		if g, w := strings.Join(gotHeader[k], ", "), strings.Join(wantHeader[k], ", "); g != w {
			t.Errorf("%v: %s is %q, promhttp has %q", header, k, g, w)
		}
	}
	if got, want := unpack(t, gotHeader, got), unpack(t, wantHeader, want); !bytes.Equal(got, want) {
		t.Errorf("%v, %q: the body differs from promhttp's%s", header, query, difference(got, want))
	}
}

// difference returns the first line in which two bodies differ.
func difference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("\nline %d: %q\n    want: %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf(": %d lines, want %d", len(g), len(w))
}

func TestFamiliesAreSortedByName(t *testing.T) {
	registry := prometheus.NewRegistry()
	for _, name := range []string{"aaa", "access_analyzer_exporter_event_lag_seconds", "access_analyzer_exporter_made_up", "aws_access_analyzer_d", "zzz"} {
		registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: "h"}))
	}
	e := New()
	e.live = prometheus.ToTransactionalGatherer(registry)
	e.Publish(organization())
	_, got := serve(t, e)("", http.Header{})
	_, want := serve(t, reference(e.live, pedantic(organization())))("", http.Header{})
	if !bytes.Equal(got, want) {
		t.Error(difference(got, want))
	}
}

func TestOnlyExporterMetricsBeforeFirstPublication(t *testing.T) {
	e := New()
	if e.Snapshot() != nil {
		t.Error("there is a snapshot before the first publication")
	}
	freeze(t, e)
	_, got := serve(t, e)("", http.Header{})
	_, want := serve(t, reference(e.live, prometheus.NewRegistry()))("", http.Header{})
	if !bytes.Equal(got, want) {
		t.Error(difference(got, want))
	}
	if body := string(got); !strings.Contains(body, "access_analyzer_exporter_build_info{") || strings.Contains(body, "aws_access_analyzer") {
		t.Errorf("want only metrics about the exporter:\n%s", body)
	}
}

func TestHeadHasLengthWithoutBody(t *testing.T) {
	e := New()
	freeze(t, e)
	e.Publish(organization())
	get, head := httptest.NewRecorder(), httptest.NewRecorder()
	e.ServeHTTP(get, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	e.ServeHTTP(head, httptest.NewRequest(http.MethodHead, "/metrics", nil))
	if head.Code != http.StatusOK || head.Body.Len() != 0 {
		t.Errorf("HEAD: status %d with %d bytes, want 200 without body", head.Code, head.Body.Len())
	}
	if got, want := head.Header().Get("Content-Length"), fmt.Sprint(get.Body.Len()); got != want {
		t.Errorf("Content-Length of HEAD is %s, GET has %s bytes", got, want)
	}
}

func TestMethodNotAllowed(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		w := httptest.NewRecorder()
		New().ServeHTTP(w, httptest.NewRequest(method, "/metrics", nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d, Allow %q, want 405 and GET, HEAD", method, w.Code, w.Header().Get("Allow"))
		}
	}
}

func TestGatherErrorIsInternalServerError(t *testing.T) {
	e := New()
	e.live = prometheus.ToTransactionalGatherer(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		return nil, errors.New("broken collector")
	}))
	e.Publish(organization())
	for range 10 { // more often than there are packers: each is returned
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), "broken collector") {
			t.Fatalf("%d %q, want 500 with the reason", w.Code, w.Body)
		}
	}
}
