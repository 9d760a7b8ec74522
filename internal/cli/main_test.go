package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// The tests read documents and golden files below the root of the repository.
func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	if spec := os.Getenv(holdVariable); spec != "" {
		if err := hold(spec); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// buffer is a bytes.Buffer for a writer and a reader at once.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *buffer) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.b.Reset()
}

// program is a running exporter.
type program struct {
	address, url   string
	stdout, stderr *buffer
	stop           func() int
}

// launch runs the program with arguments and a port of its own.
func launch(t *testing.T, args ...string) *program {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	p := &program{address: address, url: "http://" + address, stdout: &buffer{}, stderr: &buffer{}}
	exited := make(chan int, 1)
	go func() { exited <- Run(ctx, append(args, "--web.listen-address="+address), p.stdout, p.stderr) }()
	p.stop = sync.OnceValue(func() int {
		cancel()
		http.DefaultClient.CloseIdleConnections()
		select {
		case code := <-exited:
			return code
		case <-time.After(10 * time.Second):
			t.Error("still running 10 s after it was told to stop")
			return -1
		}
	})
	t.Cleanup(func() { p.stop() })
	return p
}

// get returns status and body; status 0 while nobody listens.
func (p *program) get(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(p.url + path)
	if err != nil {
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// await polls until a condition holds.
func (p *program) await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 300 {
		if holds() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("waited 30 s for: %s\n%s", what, p.stderr)
}

func (p *program) awaitReady(t *testing.T) {
	t.Helper()
	p.await(t, "/-/ready", func() bool { status, _ := p.get(t, "/-/ready"); return status == http.StatusOK })
}

// families parses /metrics.
func (p *program) families(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	_, text := p.get(t, "/metrics")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// series writes the series of a family as label values joined by "/".
func series(f *dto.MetricFamily, labels ...string) map[string]float64 {
	all := map[string]float64{}
	for _, m := range f.GetMetric() {
		values := make([]string, len(labels))
		for _, l := range m.GetLabel() {
			if i := slices.Index(labels, l.GetName()); i >= 0 {
				values[i] = l.GetValue()
			}
		}
		all[strings.Join(values, "/")] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
	}
	return all
}

func simulate(t *testing.T, w *simaws.World) *simaws.Server {
	t.Helper()
	server := simaws.New(w, simaws.Options{})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	for k, v := range server.Env() {
		t.Setenv(k, v)
	}
	return server
}

func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDemo sees what a newcomer sees: every family of the table, from one
// command.
func TestDemo(t *testing.T) {
	p := launch(t, "demo")
	p.awaitReady(t)
	var missing []string
	p.await(t, "every family of the table", func() bool {
		families := p.families(t)
		missing = nil
		for _, f := range collector.Families() {
			if families[f.Name] == nil {
				missing = append(missing, f.Name)
			}
		}
		return len(missing) == 0
	})
	if len(missing) > 0 {
		t.Errorf("missing: %v", missing)
	}
	if status, page := p.get(t, "/"); status != http.StatusOK || !strings.Contains(page, "<table") {
		t.Errorf("the map: status %d", status)
	}
	if !strings.Contains(p.stdout.String(), p.url+"/metrics") {
		t.Errorf("it does not say where to look:\n%s", p.stdout)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
}

// TestWithoutConfiguration sees what somebody with credentials and nothing
// else sees.
func TestWithoutConfiguration(t *testing.T) {
	w := &simaws.World{
		Accounts: []*simaws.Account{{ID: "111111111111", Standalone: true, Regions: simaws.Regions("eu-south-1")}},
		Analyzers: []*simaws.Analyzer{
			{AccountID: "111111111111", Region: "eu-south-1", Name: "external", Type: "ACCOUNT", Status: "ACTIVE"},
			{AccountID: "111111111111", Region: "eu-west-1", Name: "external", Type: "ACCOUNT", Status: "FAILED"},
		},
	}
	simulate(t, w)
	p := launch(t)
	p.awaitReady(t)
	coverage := series(p.families(t)["aws_access_analyzer_coverage"], "account_id", "region", "access")
	if len(coverage) != 18 || coverage["111111111111/eu-south-1/external"] != 1 || coverage["111111111111/eu-west-1/external"] != 0 {
		t.Errorf("coverage %v", coverage)
	}
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestOrganizationWithFaults compares coverage with the truth for an
// organization of 40 accounts in 17 Regions, 30 places of which fail.
func TestOrganizationWithFaults(t *testing.T) {
	const management, admin = "100000000000", "100000000001"
	random := rand.New(rand.NewPCG(1, 2))
	w := &simaws.World{Organization: &simaws.Organization{
		ID: "o-exampleorg1", ManagementID: management, TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
		DelegatedAdmins: map[string][]string{simaws.AccessAnalyzerPrincipal: {admin}},
	}, Caller: simaws.Caller{AccountID: admin}}
	truth := map[string]float64{}
	byOrganization := map[string]bool{}
	for _, region := range simaws.DefaultRegions {
		status := []string{"ACTIVE", "ACTIVE", "DISABLED", ""}[random.IntN(4)]
		byOrganization[region] = status == "ACTIVE"
		if status != "" {
			w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: admin, Region: region, Name: "organization", Type: "ORGANIZATION", Status: status})
		}
	}
	for i := range 40 {
		id := fmt.Sprint(100000000000 + i)
		w.Accounts = append(w.Accounts, &simaws.Account{
			ID: id, Name: "account-" + id, Regions: simaws.Regions(), Roles: []*simaws.Role{{Name: "exporter", Trusts: []string{admin}}},
		})
		for _, region := range simaws.DefaultRegions {
			covered := byOrganization[region]
			if random.IntN(3) == 0 {
				w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: id, Region: region, Name: "account", Type: "ACCOUNT", Status: "ACTIVE"})
				covered = true
			}
			truth[id+"/"+region+"/external"] = map[bool]float64{true: 1}[covered]
		}
	}
	kinds := []simaws.FaultKind{
		simaws.AccessDenied, simaws.SCPDenied, simaws.InvalidCredentials, simaws.ExpiredToken, simaws.Throttled,
		simaws.ConnectionReset, simaws.ServiceError, simaws.MalformedResponse, simaws.EmptyResponse, simaws.AssumeRoleDenied,
	}
	for i := range 30 {
		f := &simaws.Fault{Kind: kinds[i%len(kinds)], Service: "access-analyzer", Account: fmt.Sprint(100000000000 + random.IntN(40))}
		switch {
		case f.Kind == simaws.AssumeRoleDenied:
			f.Service = "sts"
		case i%5 > 0:
			f.Region = simaws.DefaultRegions[random.IntN(len(simaws.DefaultRegions))]
		}
		w.Faults = append(w.Faults, f)
	}
	server := simulate(t, w)
	p := launch(t, "--config.file="+configFile(t, "accounts: {discovery: organization}\nassume_role: {name: exporter}\nfindings: {enabled: false}\n"))
	p.awaitReady(t)
	families := p.families(t)
	coverage := series(families["aws_access_analyzer_coverage"], "account_id", "region", "access")
	failing := map[string]bool{}
	for key := range series(families["aws_access_analyzer_scrape_error"], "account_id", "region", "operation", "reason") {
		parts := strings.Split(key, "/")
		failing[parts[0]+"/"+parts[1]+"/external"] = true
	}
	success := series(families["aws_access_analyzer_scrape_success"], "account_id", "region")
	absent := 0
	for place, want := range truth {
		got, ok := coverage[place]
		switch {
		case ok && got != want:
			t.Errorf("%s is %v, the truth is %v", place, got, want)
		case !ok && (!failing[place] || success[strings.TrimSuffix(place, "/external")] != 0):
			t.Errorf("%s is absent without a scrape_error", place)
		case !ok:
			absent++
		}
	}
	if len(coverage)+absent != len(truth) || absent == 0 {
		t.Errorf("%d series and %d absent, of %d", len(coverage), absent, len(truth))
	}
	lists := server.Calls(simaws.CallFilter{Operation: "ListAnalyzers", Code: "OK"})
	if len(lists) > 40*17 {
		t.Errorf("%d ListAnalyzers were answered, more than one for each target", len(lists))
	}
	t.Logf("%d of %d places known, %d unknown", len(coverage), len(truth), absent)
}

// TestStartWithoutCredentials opens the port, says what to do, and recovers by
// itself.
func TestStartWithoutCredentials(t *testing.T) {
	w := &simaws.World{Accounts: []*simaws.Account{{ID: "111111111111", Standalone: true, Regions: simaws.Regions()}}}
	server := simulate(t, w)
	remove := server.AddFault(&simaws.Fault{Kind: simaws.InvalidCredentials, Service: "sts"})
	p := launch(t)
	p.await(t, "scrape_error", func() bool { return p.families(t)["aws_access_analyzer_scrape_error"] != nil })
	errs := series(p.families(t)["aws_access_analyzer_scrape_error"], "account_id", "region", "operation", "reason")
	if errs["//GetCallerIdentity/credentials"] != 1 {
		t.Errorf("scrape_error %v", errs)
	}
	if status, _ := p.get(t, "/-/ready"); status != http.StatusServiceUnavailable {
		t.Errorf("ready without having seen anything: %d", status)
	}
	if status, _ := p.get(t, "/-/healthy"); status != http.StatusOK {
		t.Errorf("not healthy: %d", status)
	}
	if lines := strings.Count(p.stderr.String(), "level=WARN"); lines != 1 {
		t.Errorf("%d warnings, want one:\n%s", lines, p.stderr)
	}
	remove()
	p.awaitReady(t)
}

func TestReload(t *testing.T) {
	w := &simaws.World{Accounts: []*simaws.Account{{ID: "111111111111", Standalone: true, Regions: simaws.Regions()}}}
	simulate(t, w)
	path := configFile(t, "regions: {include: [eu-west-1]}")
	p := launch(t, "--config.file="+path, "--web.enable-lifecycle")
	p.awaitReady(t)
	reload := func() (int, string) {
		resp, err := http.Post(p.url+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	outcome := func() float64 {
		return series(p.families(t)["access_analyzer_exporter_config_last_reload_successful"])[""]
	}
	if err := os.WriteFile(path, []byte("regions: {inclued: [eu-west-2]}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := reload(); status != http.StatusInternalServerError || !strings.Contains(body, "config.yaml:1: regions.inclued") || outcome() != 0 {
		t.Errorf("a bad file: %d %s, metric %v", status, body, outcome())
	}
	if err := os.WriteFile(path, []byte("regions: {include: [eu-west-2]}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := reload(); status != http.StatusOK || outcome() != 1 {
		t.Errorf("a good file: %d %s, metric %v", status, body, outcome())
	}
	p.await(t, "the new Region alone", func() bool {
		coverage := series(p.families(t)["aws_access_analyzer_coverage"], "region")
		_, ok := coverage["eu-west-2"]
		return ok && len(coverage) == 1
	})
}

func TestCommandLine(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.yaml")
	bad := configFile(t, "sweep:\n  interval: soon\n")
	for _, test := range []struct {
		args []string
		code int
		out  string // part of what is written
	}{
		{[]string{"--version"}, 0, "access-analyzer-exporter, version"},
		{[]string{"version"}, 0, "access-analyzer-exporter, version"},
		{[]string{"--help"}, 0, "check-config"},
		{[]string{"serve", "--help"}, 0, "ACCESS_ANALYZER_EXPORTER_WEB_LISTEN_ADDRESS"},
		{[]string{"check-config", "config.yaml"}, 0, "config.yaml: valid"},
		{[]string{"check-config", bad}, 1, bad + ":2: sweep.interval: "},
		{[]string{"check-config", missing}, 1, missing},
		{[]string{"--config.file=" + missing}, 1, missing},
		{[]string{"--config.file=" + bad}, 1, bad + ":2: sweep.interval: "},
		{[]string{"--config.flie=x"}, 80, "config.flie"},
		{[]string{"--shard.index=2", "--shard.total=2"}, 80, "the index must be from 0 to the total less one"},
		{[]string{"--web.config.file=" + missing}, 1, "web.config.file"},
		{[]string{"--web.listen-address=256.0.0.1:1"}, 1, "256.0.0.1"},
		{[]string{"--log.level=loud"}, 80, "log.level"},
		{[]string{"demo", "--scenario=" + missing}, 80, missing},
		{[]string{"demo", "--scenario=" + bad}, 1, bad},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			var out buffer
			code := Run(t.Context(), test.args, &out, &out)
			if code != test.code || !strings.Contains(out.String(), test.out) {
				t.Errorf("exit code %d, want %d, with %q in:\n%s", code, test.code, test.out, out.String())
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("ACCESS_ANALYZER_EXPORTER_SHARD_TOTAL", "0")
	var out buffer
	if code := Run(t.Context(), nil, &out, &out); code == 0 || !strings.Contains(out.String(), "--shard.total=0") {
		t.Errorf("the variable has no effect: exit code %d\n%s", code, out.String())
	}
}
