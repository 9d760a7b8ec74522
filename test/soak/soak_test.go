package soak_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// soakSweeps is the number of sweeps: SOAK_SWEEPS in `make soak`, otherwise few.
func soakSweeps(t *testing.T) int {
	text := os.Getenv("SOAK_SWEEPS")
	if text == "" {
		return 40
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 40 {
		t.Fatalf("SOAK_SWEEPS=%s: write a number from 40", text)
	}
	return n
}

// chaos changes faults and accounts from sweep to sweep.
type chaos struct{ *rand.Rand }

func (r chaos) pick(from ...string) string { return from[r.IntN(len(from))] }

// change replaces the faults by up to three others, with slow ones among them
// only if the clock is a fake one.
func (r chaos) change(w *simaws.World, slow bool) {
	kinds := []simaws.FaultKind{
		simaws.AccessDenied, simaws.SCPDenied, simaws.AssumeRoleDenied, simaws.InvalidCredentials, simaws.ExpiredToken, simaws.RegionDisabled, simaws.Rejected,
		simaws.Throttled, simaws.ThrottledUnparsable, simaws.ConnectionReset, simaws.ServiceError, simaws.ServiceErrorUnparsable,
		simaws.MalformedResponse, simaws.WrongTypes, simaws.EmptyResponse, simaws.RepeatingToken,
	}
	if slow {
		kinds = append(kinds, simaws.Timeout, simaws.SlowBody)
	}
	w.Faults = nil
	for range r.IntN(4) {
		w.Faults = append(w.Faults, &simaws.Fault{
			Kind: kinds[r.IntN(len(kinds))], Service: r.pick("", "access-analyzer", "access-analyzer", "sts", "account", "organizations"),
			Account: r.pick("", lab.Alpha, lab.Beta, lab.Hub, lab.Management), Region: r.pick("", "eu-west-1", "eu-south-1"),
		})
	}
	if r.IntN(4) == 0 {
		w.Account(lab.Beta).Name = r.pick("beta", "gamma", "delta")
		w.Account(lab.Beta).State = r.pick("", "", "SUSPENDED")
	}
	if r.IntN(4) == 0 {
		w.Account(lab.Alpha).Roles[0].ID = r.pick("AROAONEONEONEONEONEON", "AROATWOTWOTWOTWOTWOTW")
	}
}

func (chaos) clear(w *simaws.World) {
	w.Faults = nil
	w.Account(lab.Beta).Name, w.Account(lab.Beta).State = "beta", ""
}

// usage is what must not grow.
type usage struct {
	sweep, goroutines, files int
	heap                     uint64
	series                   int
}

func (g usage) String() string {
	return fmt.Sprintf("sweep %5d: %3d goroutines, %2d files, %5.1f MB heap, %d series", g.sweep, g.goroutines, g.files, float64(g.heap)/1e6, g.series)
}

// measure returns the usage of this process, with the series of a scrape.
func measure(sweep int, exposition []byte) usage {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	g := usage{sweep: sweep, goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc, files: openFiles()}
	for line := range bytes.Lines(exposition) {
		if bytes.HasPrefix(line, []byte("aws_access_analyzer_")) {
			g.series++
		}
	}
	return g
}

// openFiles counts the descriptors of this process; 0 where there is no /proc.
func openFiles() int {
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(files)
}

// expectFlat compares the last quarter of a soak with the first. Each was
// measured without faults and with complete coverage. The maximum of a quarter
// counts, because goroutines and files vary with open connections.
func expectFlat(t *testing.T, all []usage) {
	t.Helper()
	for i, g := range all {
		if i == 0 || i == len(all)-1 || i%max(1, len(all)/10) == 0 {
			t.Log(g)
		}
	}
	quarter := len(all) / 4
	most := func(of []usage) (m usage) {
		for _, g := range of {
			m.goroutines, m.files, m.heap = max(m.goroutines, g.goroutines), max(m.files, g.files), max(m.heap, g.heap)
		}
		return m
	}
	first, last := most(all[:quarter+1]), most(all[len(all)-quarter-1:])
	if last.goroutines > first.goroutines+5 || last.files > first.files+5 {
		t.Errorf("from %d goroutines and %d files to %d and %d", first.goroutines, first.files, last.goroutines, last.files)
	}
	if last.heap > first.heap+first.heap/4+2e6 {
		t.Errorf("the heap grew from %d to %d bytes", first.heap, last.heap)
	}
	if a, z := all[0].series, all[len(all)-1].series; a != z {
		t.Errorf("series went from %d to %d", a, z)
	}
}

func scrapeBody(h http.Handler) []byte {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.Bytes()
}

// TestSoakByClock sweeps for weeks under a fake clock.
func TestSoakByClock(t *testing.T) {
	sweeps := soakSweeps(t)
	setup := lab.Setup{Config: strings.TrimSuffix(lab.Config, "}") + ", sweep: {interval: 15m}}", World: lab.Organization}
	lab.Run(t, setup, func(l *lab.Lab) {
		r := chaos{rand.New(rand.NewPCG(1, 1))}
		every := max(10, sweeps/100)
		var measured []usage
		for sweep := range sweeps {
			quiet := sweep%every >= every-4
			l.AWS.Update(func(w *simaws.World) {
				if quiet {
					r.clear(w)
				} else {
					r.change(w, true)
				}
			})
			l.Until(time.Duration(sweep)*15*time.Minute+10*time.Minute, nil)
			if !quiet {
				continue
			}
			if sweep%every == every-1 {
				if s, truth := l.Scrape(), l.Truth(); !s.Complete(truth) {
					t.Errorf("sweep %d: incomplete after four sweeps without faults: %v %v\n%s", sweep, s.Unknown(truth), s.Errors, l.Log)
				}
				l.AWS.ResetCalls()
				l.Log.Reset()
				measured = append(measured, measure(sweep+1, scrapeBody(l.Exporter)))
			}
		}
		expectFlat(t, measured)
	})
}

// TestSoakBySockets sweeps without pauses over real connections.
func TestSoakBySockets(t *testing.T) {
	sweeps := soakSweeps(t)
	server := lab.Simulate(t, lab.Organization())
	// Pauses between attempts would take real time.
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	pipeline, exporter := lab.NewPipeline(t, lab.ParseConfig(t, "{accounts: {discovery: organization, refresh: 1s}, assume_role: {name: exporter}, "+
		"regions: {include: [us-east-1, eu-west-1, eu-south-1]}, sweep: {interval: 1s, timeout: 1s}, findings: {interval: 1s}}"))
	r := chaos{rand.New(rand.NewPCG(2, 2))}
	every := max(10, sweeps/100)
	var measured []usage
	for sweep := range sweeps {
		server.Update(func(w *simaws.World) {
			if sweep%every >= every-2 {
				r.clear(w)
			} else {
				r.change(w, false)
			}
		})
		if sweep%every == every-1 {
			measured = append(measured, settle(t, pipeline, exporter, server, sweep))
			continue
		}
		pipeline.Sweep(t.Context())
		scrapeBody(exporter)
	}
	expectFlat(t, measured)
}

// settle sweeps without faults until nothing is unknown. Denied roles are retried
// only after a pause.
func settle(t *testing.T, pipeline *app.Pipeline, exporter *collector.Exporter, server *simaws.Server, sweep int) usage {
	t.Helper()
	deadline, cancel := context.WithTimeout(t.Context(), tool.Patience(t))
	defer cancel()
	for deadline.Err() == nil {
		if s := pipeline.Sweep(t.Context()); len(s.Failures) == 0 && s.DiscoverySuccess && len(s.Accounts) == 4 {
			server.ResetCalls()
			return measure(sweep+1, scrapeBody(exporter))
		}
	}
	t.Fatalf("sweep %d: incomplete without faults: %v", sweep, exporter.Snapshot().Failures)
	return usage{}
}
