// Package otel runs deploy/ecs/collector.yaml in an OpenTelemetry Collector with the
// components that it names, between the demo and a real Prometheus. It is a module of
// its own, because the collector takes minutes to compile.
package otel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/open-telemetry/opentelemetry-collector-contrib/exporter/prometheusremotewriteexporter"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/healthcheckextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/sigv4authextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/envprovider"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/memorylimiterprocessor"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

const (
	instance = "access-analyzer-exporter-0"
	// patience bounds waiting for another process.
	patience = 2 * time.Minute
)

// TestSeriesArrive compares every series and value that arrives in Prometheus with a
// direct scrape. A second collector, as after a deployment, adds no series.
func TestSeriesArrive(t *testing.T) {
	page := demoPage(t)
	exporter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		_, _ = w.Write(page)
	}))
	defer exporter.Close()
	prometheus := startPrometheus(t)
	want := exposed(t, page)
	if len(want) < 500 {
		t.Fatalf("the demo exposes only %d series", len(want))
	}
	for range 2 {
		stop := startCollector(t, exporter.Listener.Addr().String(), prometheus+"/api/v1/write")
		await(t, "all series", func(ctx context.Context) bool {
			return len(arrived(ctx, t, prometheus)) >= len(want)
		})
		compare(t, arrived(t.Context(), t, prometheus), want)
		stop()
	}
	// Also of series that are stale.
	var names struct{ Data []map[string]string }
	get(t.Context(), t, prometheus+"/api/v1/series?"+url.Values{"match[]": {`{__name__=~".+"}`}}.Encode(), &names)
	ofScrape := 0
	for _, series := range names.Data {
		name := series["__name__"]
		if name == "target_info" || series["otel_scope_name"] != "" {
			t.Errorf("there is the series %v", series)
		}
		if name == "up" || strings.HasPrefix(name, "scrape_") {
			ofScrape++
		}
	}
	if got := len(names.Data) - ofScrape; got != len(want) {
		t.Errorf("%d series after two collectors, want %d", got, len(want))
	}
}

func compare(t *testing.T, got, want map[string]float64) {
	t.Helper()
	reported := 0
	for _, series := range slices.Sorted(maps.Keys(want)) {
		if value, ok := got[series]; (!ok || value != want[series]) && reported < 10 {
			t.Errorf("%s arrived: %v, value %v, want %v", series, ok, value, want[series])
			reported++
		}
	}
	for series := range got {
		if _, ok := want[series]; !ok && reported < 20 {
			t.Errorf("%s is not exposed", series)
			reported++
		}
	}
}

// startCollector runs deploy/ecs/collector.yaml as a task does: the text in a variable
// that the collector reads as its configuration.
func startCollector(t *testing.T, target, remoteWrite string) (stop func()) {
	t.Helper()
	b, err := os.ReadFile("../../deploy/ecs/collector.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// Two addresses are not variables: in a task they do not vary.
	text := strings.NewReplacer("127.0.0.1:10289", target, "health_check: {}", "health_check: {endpoint: "+freeAddress(t)+"}").Replace(string(b))
	for name, value := range map[string]string{
		"AOT_CONFIG_CONTENT": text, "AMP_REGION": "eu-west-1", "AMP_REMOTE_WRITE_URL": remoteWrite, "INSTANCE": instance,
		"SCRAPE_INTERVAL": "1s", "SCRAPE_TIMEOUT": "1s",
		"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret",
	} {
		t.Setenv(name, value)
	}
	c, err := otelcol.NewCollector(otelcol.CollectorSettings{
		BuildInfo: component.NewDefaultBuildInfo(),
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{ResolverSettings: confmap.ResolverSettings{
			URIs:              []string{"env:AOT_CONFIG_CONTENT"},
			ProviderFactories: []confmap.ProviderFactory{envprovider.NewFactory()},
		}},
		DisableGracefulShutdown: true, // signals are those of the test
	})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Run(t.Context()) }()
	await(t, "the collector", func(context.Context) bool {
		select {
		case err := <-ended:
			t.Fatalf("the collector ended: %v", err)
		default:
		}
		return c.GetState() == otelcol.StateRunning
	})
	return func() {
		c.Shutdown()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// factories are the components of collector.yaml. The collector of AWS has more.
func factories() (f otelcol.Factories, err error) {
	if f.Extensions, err = otelcol.MakeFactoryMap[extension.Factory](healthcheckextension.NewFactory(), sigv4authextension.NewFactory()); err != nil {
		return f, err
	}
	if f.Receivers, err = otelcol.MakeFactoryMap[receiver.Factory](prometheusreceiver.NewFactory()); err != nil {
		return f, err
	}
	if f.Processors, err = otelcol.MakeFactoryMap[processor.Factory](memorylimiterprocessor.NewFactory()); err != nil {
		return f, err
	}
	f.Telemetry = otelconftelemetry.NewFactory()
	f.Exporters, err = otelcol.MakeFactoryMap[exporter.Factory](prometheusremotewriteexporter.NewFactory())
	return f, err
}

// demoPage returns one answer of the demo, with findings: over time it changes.
func demoPage(t *testing.T) (page []byte) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "access-analyzer-exporter")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	address := freeAddress(t)
	start(t, binary, "demo", "--web.listen-address="+address, "--log.level=error")
	await(t, "findings of the demo", func(ctx context.Context) bool {
		var err error
		page, err = fetch(ctx, "http://"+address+"/metrics")
		return err == nil && strings.Contains(string(page), "\naws_access_analyzer_findings{")
	})
	return page
}

// startPrometheus runs a Prometheus that receives remote writes, and returns its URL.
func startPrometheus(t *testing.T) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatalf("%v: make setup installs Prometheus", err)
	}
	directory := t.TempDir()
	config := filepath.Join(directory, "prometheus.yml")
	if err := os.WriteFile(config, []byte("global: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	start(t, binary, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(directory, "data"),
		"--web.listen-address="+address, "--web.enable-remote-write-receiver", "--log.level=warn")
	await(t, "Prometheus", func(ctx context.Context) bool {
		_, err := fetch(ctx, "http://"+address+"/-/ready")
		return err == nil
	})
	return "http://" + address
}

// exposed returns the samples of a page by series.
func exposed(t *testing.T, page []byte) map[string]float64 {
	t.Helper()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(page)))
	if err != nil {
		t.Fatal(err)
	}
	samples := map[string]float64{}
	for _, f := range families {
		vector, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, f)
		if err != nil && f.GetType() != dto.MetricType_HISTOGRAM {
			t.Fatal(err)
		}
		for _, s := range vector {
			labels := map[string]string{"job": "access-analyzer-exporter", "instance": instance}
			for name, value := range s.Metric {
				labels[string(name)] = string(value)
			}
			samples[key(labels)] = float64(s.Value)
		}
	}
	return samples
}

// arrived returns the samples in Prometheus by series, without those of the scrape.
func arrived(ctx context.Context, t *testing.T, prometheus string) map[string]float64 {
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	query := `{job="access-analyzer-exporter",__name__!~"up|scrape_.*"}`
	get(ctx, t, prometheus+"/api/v1/query?"+url.Values{"query": {query}}.Encode(), &answer)
	samples := map[string]float64{}
	for _, r := range answer.Data.Result {
		value, err := strconv.ParseFloat(r.Value[1].(string), 64)
		if err != nil {
			t.Fatal(err)
		}
		samples[key(r.Metric)] = value
	}
	return samples
}

// key returns a series as text. Upper bounds are numbers: 1 and 1.0 are the same.
func key(labels map[string]string) string {
	var parts []string
	for name, value := range labels {
		if bound, err := strconv.ParseFloat(value, 64); err == nil && name == "le" {
			value = fmt.Sprint(bound)
		}
		if value != "" {
			parts = append(parts, name+"="+strconv.Quote(value))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

// get decodes an answer of the API. One that cannot be read leaves it empty.
func get(ctx context.Context, t *testing.T, address string, answer any) {
	t.Helper()
	body, err := fetch(ctx, address)
	if err != nil {
		t.Log(err)
		return
	}
	if err := json.Unmarshal(body, answer); err != nil {
		t.Fatal(err)
	}
}

func fetch(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", response.Status, body)
	}
	return body, nil
}

func await(t *testing.T, what string, holds func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !holds(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("gave up waiting for %s", what)
		case <-tick.C:
		}
	}
}

// start runs a program until the end of the test.
func start(t *testing.T, binary string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, args...)
	command.Stdout, command.Stderr = t.Output(), t.Output()
	command.WaitDelay = 10 * time.Second
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Wait() })
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}
