package scale

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"access-analyzer-exporter/collector"
	"access-analyzer-exporter/internal/awsapi"
	"access-analyzer-exporter/internal/coverage"
	"access-analyzer-exporter/internal/fleet"
	"access-analyzer-exporter/internal/inventory"
	"access-analyzer-exporter/internal/simaws"
	"access-analyzer-exporter/internal/sweep"
)

var (
	accounts    = flag.Int("scale.accounts", 1000, "how many accounts, of 17 Regions each")
	latency     = flag.Duration("scale.latency", 0, "of every call")
	concurrency = flag.Int("scale.concurrency", 256, "calls in flight")
	sweeps      = flag.Int("scale.sweeps", 3, "sweeps after the first")
)

const (
	serverVariable = "SCALE_SERVE"
	role           = "exporter"
	admin          = "100000000001"
)

// TestMain is also the simulated AWS: in this process it would be measured
// along with what it is there to measure.
func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(serverVariable) != "" {
		serve()
		return
	}
	os.Exit(m.Run())
}

func id(i int) string { return strconv.Itoa(100000000000 + i) }

// world is an organization that is covered by organization analyzers in every
// Region but one, and has an analyzer of its own in every tenth account.
func world() *simaws.World {
	w := &simaws.World{
		Organization: &simaws.Organization{
			ID: "o-exampleorg1", ManagementID: id(0), TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
			DelegatedAdmins: map[string][]string{simaws.AccessAnalyzerPrincipal: {admin}},
		},
		Caller:  simaws.Caller{AccountID: admin},
		Latency: *latency,
	}
	regions, roles := simaws.Regions(), []*simaws.Role{{Name: role, Trusts: []string{admin}}}
	for i := range *accounts {
		w.Accounts = append(w.Accounts, &simaws.Account{ID: id(i), Name: "account-" + strconv.Itoa(i), Regions: regions, Roles: roles})
		if i%10 == 2 {
			w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: id(i), Region: "sa-east-1", Name: "external", Type: "ACCOUNT", Status: "ACTIVE"})
		}
	}
	for _, region := range simaws.DefaultRegions[:16] {
		w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: admin, Region: region, Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE"})
	}
	return w
}

// serve tells its environment on stdout, then answers each line on stdin with
// the counts of calls so far, and ends with it.
func serve() {
	server := simaws.New(world(), simaws.Options{CallLog: -1})
	if err := server.Start(); err != nil {
		panic(err)
	}
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode(server.Env())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		_ = out.Encode(server.CallCounts())
		server.ResetCalls()
	}
}

// amazon is the simulated AWS in its process.
type amazon struct {
	env   map[string]string
	stdin io.Writer
	out   *json.Decoder
}

func start(b *testing.B) *amazon {
	b.Helper()
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), serverVariable+"=1", "GOGC=400")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	a := &amazon{stdin: stdin, out: json.NewDecoder(stdout)}
	if err := a.out.Decode(&a.env); err != nil {
		b.Fatal(err)
	}
	for k, v := range a.env {
		b.Setenv(k, v)
	}
	return a
}

// calls returns the calls since the last question, by service and operation.
func (a *amazon) calls(b *testing.B) map[string]int {
	b.Helper()
	if _, err := io.WriteString(a.stdin, "\n"); err != nil {
		b.Fatal(err)
	}
	var counts map[string]int
	if err := a.out.Decode(&counts); err != nil {
		b.Fatal(err)
	}
	return counts
}

// processor is the time that this process has had of it, user and system.
func processor() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// resident is what the process holds of memory, in bytes.
func resident() float64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseFloat(strings.Fields(string(data))[1], 64)
	return pages * float64(os.Getpagesize())
}

func exporter(b *testing.B) (*sweep.Sweeper, *collector.Exporter) {
	b.Helper()
	e := collector.New()
	client, err := awsapi.New(b.Context(), awsapi.Options{
		Concurrency: *concurrency, SessionName: "scale", LongestPause: time.Minute, Observe: e.ObserveRequest, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	discovery := fleet.New(client, fleet.Options{
		Organization: true, OrganizationAnalyzers: true, Role: role, Refresh: time.Hour, StaleAfter: time.Hour, Concurrency: *concurrency,
	})
	both := []inventory.Scope{inventory.AccountScope, inventory.OrganizationScope}
	return sweep.New(discovery, client, sweep.Options{
		Interval: 15 * time.Minute, Timeout: 14 * time.Minute, Concurrency: *concurrency,
		Policy:     coverage.Policy{Rules: map[inventory.Access]coverage.Rule{inventory.External: {Required: true, Scopes: both}}},
		StaleAfter: time.Hour, Publish: e.Publish, Logger: slog.New(slog.DiscardHandler),
	}, nil), e
}

// BenchmarkSweep measures steady sweeps against the time that the calls take
// at least (T2), the processor time that a bare client needs for the same
// calls (T3), memory (T4) and the number of calls (T6).
func BenchmarkSweep(b *testing.B) {
	amazon := start(b)
	sweeper, e := exporter(b)
	if s := sweeper.Once(b.Context()); len(s.Failures) > 0 {
		b.Fatal(s.Failures[0].Error())
	}
	amazon.calls(b)
	targets := *accounts * len(simaws.DefaultRegions)
	b.ResetTimer()
	for b.Loop() {
		var wall, cpu time.Duration
		for range *sweeps {
			wall0, cpu0 := time.Now(), processor()
			if s := sweeper.Once(b.Context()); len(s.Failures) > 0 {
				b.Fatal(s.Failures[0].Error())
			}
			wall, cpu = wall+time.Since(wall0), cpu+processor()-cpu0
		}
		calls := amazon.calls(b)
		total := 0
		for _, n := range calls {
			total += n
		}
		debug.FreeOSMemory()
		held := resident()
		scrape(b, e)
		bare := bareSweep(b, amazon.env)
		n := time.Duration(*sweeps)
		b.ReportMetric(float64(cpu/n)/float64(bare), "cpu/bare-cpu")
		b.ReportMetric(float64(cpu/n)/float64(targets)/1e3, "cpu-µs/target")
		b.ReportMetric(float64(bare)/float64(targets)/1e3, "bare-cpu-µs/target")
		b.ReportMetric((wall / n).Seconds(), "wall-s/sweep")
		if *latency > 0 {
			least := time.Duration(targets) * *latency / time.Duration(*concurrency)
			b.ReportMetric(float64(wall/n)/float64(least), "wall/least-wall")
		}
		b.ReportMetric(float64(total)/float64(*sweeps)/float64(targets), "calls/target")
		b.ReportMetric(float64(calls["access-analyzer:ListAnalyzers"]), "ListAnalyzers")
		b.ReportMetric(held/1e6, "resident-MB")
		b.ReportMetric((held-100e6)/float64(targets), "resident-over-100MB-B/target")
		b.Logf("calls in %d sweeps: %v", *sweeps, calls)
	}
	runtime.KeepAlive(sweeper)
}

func scrape(b *testing.B, e *collector.Exporter) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "/metrics", nil)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", "gzip")
	w := &discard{header: http.Header{}}
	e.ServeHTTP(w, request)
	b.ReportMetric(float64(w.n), "scrape-gzip-B")
}

type discard struct {
	header http.Header
	n      int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(int)             {}
func (d *discard) Write(p []byte) (int, error) { d.n += len(p); return len(p), nil }

// bareSweep sends the same signed requests as a sweep, and decodes the same
// JSON, with net/http and nothing around it. It returns its processor time.
func bareSweep(b *testing.B, env map[string]string) time.Duration {
	b.Helper()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, *concurrency
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	creds := aws.Credentials{AccessKeyID: env["AWS_ACCESS_KEY_ID"], SecretAccessKey: env["AWS_SECRET_ACCESS_KEY"]}
	signer := v4.NewSigner()
	empty := sha256.Sum256(nil)
	hash := hex.EncodeToString(empty[:])
	cpu := processor()
	queue := make(chan string)
	var wg sync.WaitGroup
	for range *concurrency {
		wg.Go(func() {
			for region := range queue {
				if err := bareCall(b.Context(), client, signer, creds, hash, env["AWS_ENDPOINT_URL"], region); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for range *accounts {
		for _, region := range simaws.DefaultRegions {
			queue <- region
		}
	}
	close(queue)
	wg.Wait()
	return processor() - cpu
}

func bareCall(ctx context.Context, client *http.Client, signer *v4.Signer, creds aws.Credentials, hash, endpoint, region string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/analyzer", nil)
	if err != nil {
		return err
	}
	if err := signer.SignHTTP(ctx, creds, request, hash, "access-analyzer", region, time.Now()); err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	var page struct {
		Analyzers []struct {
			Arn, Name, Type, Status string
			CreatedAt               time.Time
			StatusReason            *struct{ Code string }
		}
		NextToken string
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}
