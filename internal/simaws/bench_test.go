package simaws_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

// fleet is an organization of n member accounts with an account analyzer in
// each of their 17 Regions.
func fleet(n int) *simaws.World {
	w := sdktest.NewWorld()
	regions := simaws.Regions()
	roles := []*simaws.Role{{Name: "exporter", Trusts: []string{sdktest.Security}}}
	for i := range n {
		id := fmt.Sprintf("5%011d", i)
		w.Accounts = append(w.Accounts, &simaws.Account{ID: id, Name: "workload-" + id, Regions: regions, Roles: roles})
		for _, region := range simaws.DefaultRegions {
			w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: id, Region: region, Name: "account", Type: "ACCOUNT", Status: "ACTIVE", CreatedAt: sdktest.Epoch})
		}
	}
	return w
}

// sha256 of an empty body
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// signedList is a signed ListAnalyzers, which can be sent repeatedly.
func signedList(b *testing.B, s *simaws.Server, accountID, region string) *http.Request {
	b.Helper()
	id, secret := s.Credentials(accountID)
	url := s.URL()
	if url == "" {
		url = "http://127.0.0.1"
	}
	r, err := http.NewRequest(http.MethodGet, url+"/analyzer", nil)
	if err != nil {
		b.Fatal(err)
	}
	creds := aws.Credentials{AccessKeyID: id, SecretAccessKey: secret}
	if err := v4.NewSigner().SignHTTP(context.Background(), creds, r, emptyHash, "access-analyzer", region, time.Now()); err != nil {
		b.Fatal(err)
	}
	return r
}

// discard is a ResponseWriter that keeps only the status.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// BenchmarkListAnalyzers measures a call: in the handler alone, and over loopback
// with the client of net/http, whose share "nothing" measures.
func BenchmarkListAnalyzers(b *testing.B) {
	s := sdktest.Start(b, fleet(100), simaws.Options{CallLog: -1})
	b.Run("handler", func(b *testing.B) {
		r := signedList(b, s, "500000000042", "eu-west-1")
		r.Body, r.Host = http.NoBody, r.URL.Host
		b.ReportAllocs()
		for b.Loop() {
			w := &discard{header: http.Header{}}
			if s.ServeHTTP(w, r); w.status != http.StatusOK {
				b.Fatal(w.status)
			}
		}
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.Cleanup(client.CloseIdleConnections)
	send := func(b *testing.B, r *http.Request) {
		b.ReportAllocs()
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			r := r.Clone(context.Background())
			for pb.Next() {
				response, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, response.Body)
				if response.Body.Close(); response.StatusCode != http.StatusOK {
					b.Error(response.Status)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	}
	b.Run("loopback", func(b *testing.B) { send(b, signedList(b, s, "500000000042", "eu-west-1")) })
	b.Run("nothing", func(b *testing.B) {
		static := startStatic(b)
		r, err := http.NewRequest(http.MethodGet, static, nil)
		if err != nil {
			b.Fatal(err)
		}
		send(b, r)
	})
}

// startStatic serves a static response of the same size.
func startStatic(b *testing.B) string {
	b.Helper()
	body := []byte(strings.Repeat("x", 200))
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(body)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	b.Cleanup(func() { _ = server.Close() })
	return "http://" + l.Addr().String()
}

// BenchmarkWorld measures a fleet of 10,000 accounts × 17 Regions: memory with its
// index, and an update.
func BenchmarkWorld(b *testing.B) {
	before := heap()
	w := fleet(10_000)
	s := simaws.New(w, simaws.Options{CallLog: -1})
	perTarget := float64(heap()-before) / float64(len(w.Analyzers))
	for b.Loop() {
		s.Update(func(w *simaws.World) { w.Analyzers[0].Status = "DISABLED" })
	}
	b.ReportMetric(perTarget, "B/target")
	runtime.KeepAlive(s)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkListFindings lists 100,000 findings, most recently updated first, in
// pages of a thousand.
func BenchmarkListFindings(b *testing.B) {
	w := sdktest.NewWorld()
	a := &simaws.Analyzer{AccountID: sdktest.Security, Region: "eu-west-1", Name: "external", Type: "ORGANIZATION", Status: "ACTIVE", CreatedAt: sdktest.Epoch}
	before := heap()
	for i := range 100_000 {
		a.AddFinding(simaws.Finding{
			Type: "ExternalAccess", Resource: fmt.Sprintf("arn:aws:s3:::bucket-%d", i), ResourceType: "AWS::S3::Bucket", Owner: sdktest.Workload,
		}, sdktest.Epoch.Add(time.Duration(i)*time.Second))
	}
	perFinding := float64(heap()-before) / 100_000
	w.Analyzers = append(w.Analyzers, a)
	s := sdktest.Start(b, w, simaws.Options{CallLog: -1})
	c := sdktest.As(s, sdktest.Security)
	for b.Loop() {
		if n := len(sdktest.FindingIDs(b, c, sdktest.NewestFirst())); n != 100_000 {
			b.Fatal(n)
		}
	}
	b.ReportMetric(perFinding, "B/finding")
}
