package collector

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// fleet returns an organization with an organization analyzer in each of 17
// Regions; about a hundred series per account.
func fleet(accounts int) *inventory.Snapshot {
	regions := []string{
		"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1",
		"eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
	}
	s := &inventory.Snapshot{
		PublishedAt: moment, Ready: true, DiscoverySuccess: true, TargetCount: accounts * len(regions),
		FindingStatuses: []string{inventory.Active, "ARCHIVED"},
	}
	for _, region := range regions {
		a := &inventory.Analyzer{Name: "organization", AccountID: "100000000000", Region: region, Type: "ORGANIZATION", Status: inventory.Active, CreatedAt: moment}
		s.Analyzers = append(s.Analyzers, a)
		f := inventory.NewFindings()
		f.CountedAt = moment
		s.Findings = append(s.Findings, inventory.AnalyzerFindings{Analyzer: a, Findings: f})
	}
	for i := range accounts {
		id := fmt.Sprintf("1%011d", i*7919)
		s.Accounts = append(s.Accounts, &inventory.Account{ID: id, Name: fmt.Sprintf("account-%d", i), Role: inventory.Member})
		for r, region := range regions {
			at := moment.Add(-time.Duration((i*17+r)*7919%900_000) * time.Millisecond)
			s.Targets = append(s.Targets, inventory.TargetState{Target: inventory.Target{AccountID: id, Region: region}, Success: true, LastSuccess: at})
			s.Verdicts = append(s.Verdicts, inventory.Verdict{AccountID: id, Region: region, Access: inventory.External, State: inventory.Covered})
			f := s.Findings[r].Findings
			for k, resource := range []string{"AWS::S3::Bucket", "AWS::IAM::Role", "AWS::KMS::Key"}[:2+(i+r)%2] {
				key := inventory.FindingKey{AccountID: id, Type: "ExternalAccess", Status: inventory.Active, ResourceType: resource, Public: fmt.Sprint(k == 0)}
				f.Counts[key] = 1 + (i*31+r*17+k)%40
			}
			if i%10 == 0 {
				f.OldestActive[inventory.OldestKey{AccountID: id, Type: "ExternalAccess"}] = at.AddDate(0, 0, -r)
			}
		}
	}
	return s
}

func seriesIn(s *inventory.Snapshot) int {
	var (
		n     int
		found series
	)
	for _, l := range layouts {
		found.gather(l, s)
		n += len(found.order)
	}
	return n
}

// half is a snapshot of half a million series.
func half(b *testing.B) *inventory.Snapshot {
	s := fleet(5200)
	if n := seriesIn(s); n < 500_000 || n > 505_000 {
		b.Fatalf("%d series", n)
	}
	return s
}

var benchmarked = []struct {
	name   string
	header http.Header
}{
	{"text", http.Header{"Accept-Encoding": {"identity"}}},
	{"text-gzip", http.Header{"Accept-Encoding": {"gzip"}}},
	{"openmetrics-gzip", http.Header{"Accept": {"application/openmetrics-text;version=1.0.0"}, "Accept-Encoding": {"gzip"}}},
	{"protobuf-gzip", http.Header{"Accept": {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"}, "Accept-Encoding": {"gzip"}}},
}

// BenchmarkPublish measures a publication and the first scrape of it.
func BenchmarkPublish(b *testing.B) {
	s := half(b)
	n := float64(seriesIn(s))
	for _, f := range benchmarked {
		b.Run(f.name, func(b *testing.B) {
			e := New()
			scrape := fetcher(b, e)
			scrape(f.header)
			var before, after runtime.MemStats
			b.ResetTimer()
			runtime.ReadMemStats(&before)
			for b.Loop() {
				e.Publish(s)
				scrape(f.header)
			}
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(b.N)/n, "allocs/series")
			b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/n, "B/series")
		})
	}
}

// BenchmarkScrape measures scrapes of an encoded publication, as multiples of
// net/http serving the same bytes from memory.
func BenchmarkScrape(b *testing.B) {
	s := half(b)
	for _, f := range benchmarked {
		b.Run(f.name, func(b *testing.B) {
			e := New()
			e.Publish(s)
			scrape := fetcher(b, e)
			header, body := serve(b, e)("", f.header)
			static := fetcher(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", header.Get("Content-Type"))
				w.Header().Set("Content-Length", header.Get("Content-Length"))
				_, _ = w.Write(body)
			}))
			var ours, theirs []time.Duration
			for b.Loop() {
				// In turns, so that noise of the machine affects both.
				ours = append(ours, scrape(f.header))
				theirs = append(theirs, static(f.header))
			}
			b.ReportMetric(median(ours)/median(theirs), "x-net/http")
			b.ReportMetric(median(ours)/1e6, "ms/scrape")
			b.ReportMetric(median(theirs)/1e6, "ms/static")
			b.ReportMetric(float64(len(body))/1e6, "MB")
		})
	}
}

// BenchmarkConstMetrics measures how many times longer a scrape takes if Collect
// creates const metrics and promhttp encodes them.
func BenchmarkConstMetrics(b *testing.B) {
	s := half(b)
	for _, f := range benchmarked {
		b.Run(f.name, func(b *testing.B) {
			e := New()
			e.Publish(s)
			scrape, usual := fetcher(b, e), fetcher(b, reference(e.live, usualRegistry(s)))
			scrape(f.header)
			var ours, theirs []time.Duration
			for b.Loop() {
				theirs = append(theirs, usual(f.header))
				for range 5 {
					ours = append(ours, scrape(f.header))
				}
			}
			b.ReportMetric(median(theirs)/median(ours), "x-faster")
		})
	}
}

// usualRegistry is faster than a pedantic one because it checks less.
func usualRegistry(s *inventory.Snapshot) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(newConstMetrics(s))
	return r
}

func median(d []time.Duration) float64 {
	return float64(slices.Sorted(slices.Values(d))[len(d)/2])
}

// fetcher returns a function that reads a response over loopback and returns the
// time from the request to the last byte.
func fetcher(b *testing.B, h http.Handler) func(http.Header) time.Duration {
	get := request(b, h)
	buffer := make([]byte, 256<<10)
	return func(header http.Header) time.Duration {
		start := time.Now()
		response := get("", header)
		defer response.Body.Close()
		if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{response.Body}, buffer); err != nil {
			b.Fatal(err)
		}
		return time.Since(start)
	}
}

// BenchmarkPublicResources measures the scrape of 17,000 targets with as many public
// resources for each account as given, without them in the same run.
func BenchmarkPublicResources(b *testing.B) {
	const accounts = 1000
	for _, each := range []int{0, 1, 10, 100} {
		b.Run(fmt.Sprint(each), func(b *testing.B) {
			s, random := fleet(accounts), rand.New(rand.NewPCG(1, 1)) // UUIDs do not compress
			for i, a := range s.Accounts {
				for n := range each {
					f := s.Findings[(i+n)%len(s.Findings)]
					s.PublicResources = append(s.PublicResources, inventory.PublicResource{
						Region: f.Analyzer.Region, Analyzer: f.Analyzer, PublicFinding: inventory.PublicFinding{
							ID: fmt.Sprintf("%08x-7f10-4f0c-8b1d-%012x", random.Uint32(), random.Uint64()>>16), AccountID: a.ID, ResourceType: "AWS::S3::Bucket",
							Resource: fmt.Sprintf("arn:aws:s3:::%s-assets-%d", a.Name, n), CreatedAt: moment.Add(-time.Duration(n*7919+i) * time.Minute),
						},
					})
				}
			}
			e := New()
			for b.Loop() {
				e.Publish(s)
				for _, f := range benchmarked[:2] {
					_, body := serve(b, e)("", f.header)
					b.ReportMetric(float64(len(body)), "B-"+f.name)
				}
			}
			b.ReportMetric(float64(seriesIn(s)), "series")
		})
	}
}
