package cli

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// soakSweeps is how many sweeps a soak has: a few in an ordinary run, and
// those of SOAK_SWEEPS in `make soak`.
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

// weather changes what goes wrong, and who there is, from sweep to sweep.
type weather struct{ *rand.Rand }

func (r weather) pick(from ...string) string { return from[r.IntN(len(from))] }

// change leaves the world with up to three faults, none of which may take long
// unless slow ones are wanted.
func (r weather) change(w *simaws.World, slow bool) {
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
			Account: r.pick("", labAlpha, labBeta, labHub, labManagement), Region: r.pick("", "eu-west-1", "eu-south-1"),
		})
	}
	if r.IntN(4) == 0 {
		w.Account(labBeta).Name = r.pick("beta", "gamma", "delta")
		w.Account(labBeta).State = r.pick("", "", "SUSPENDED")
	}
	if r.IntN(4) == 0 {
		w.Account(labAlpha).Roles[0].ID = r.pick("AROAONEONEONEONEONEON", "AROATWOTWOTWOTWOTWOTW")
	}
}

func (weather) clear(w *simaws.World) {
	w.Faults = nil
	w.Account(labBeta).Name, w.Account(labBeta).State = "beta", ""
}

// gauge is what must not grow.
type gauge struct {
	sweep, goroutines, files int
	heap                     uint64
	series                   int
}

func (g gauge) String() string {
	return fmt.Sprintf("sweep %5d: %3d goroutines, %2d files, %5.1f MB heap, %d series", g.sweep, g.goroutines, g.files, float64(g.heap)/1e6, g.series)
}

// measure takes the gauge of the process. The series are those of a scrape.
func measure(sweep int, exposition []byte) gauge {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	g := gauge{sweep: sweep, goroutines: runtime.NumGoroutine(), heap: m.HeapAlloc, files: openFiles()}
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

// flat compares the end of a soak with the time when it had just got going.
// All were taken in calm, with everything known. Of goroutines and files, which
// come and go with connections, the most of a quarter of the time counts.
func flat(t *testing.T, all []gauge) {
	t.Helper()
	for i, g := range all {
		if i == 0 || i == len(all)-1 || i%max(1, len(all)/10) == 0 {
			t.Log(g)
		}
	}
	quarter := len(all) / 4
	most := func(of []gauge) (m gauge) {
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

// TestSoakByClock lets weeks pass under a clock that waits for nobody.
func TestSoakByClock(t *testing.T) {
	sweeps := soakSweeps(t)
	inLab(t, labConfig[:len(labConfig)-1]+", sweep: {interval: 15m}}", false, labWorld, func(l *lab) {
		r := weather{rand.New(rand.NewPCG(1, 1))}
		every := max(10, sweeps/100)
		var gauges []gauge
		for sweep := range sweeps {
			calm := sweep%every >= every-4
			l.aws.Update(func(w *simaws.World) {
				if calm {
					r.clear(w)
				} else {
					r.change(w, true)
				}
			})
			l.until(time.Duration(sweep)*15*time.Minute+10*time.Minute, nil)
			if !calm {
				continue
			}
			if sweep%every == every-1 {
				if e, truth := l.scrape(), l.truth(); !e.whole(truth) {
					t.Errorf("sweep %d: not whole after four in calm: %v %v\n%s", sweep, e.unknown(truth), e.errors, l.log)
				}
				l.aws.ResetCalls()
				l.log.reset()
				gauges = append(gauges, measure(sweep+1, scrapeBody(l.exporter)))
			}
		}
		flat(t, gauges)
	})
}

// TestSoakBySockets makes the same sweeps one right after another, over real
// connections.
func TestSoakBySockets(t *testing.T) {
	sweeps := soakSweeps(t)
	server := simulate(t, labWorld())
	// A pause between attempts is real time here.
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	c, err := config.Parse("config.yaml", []byte("{accounts: {discovery: organization, refresh: 1s}, assume_role: {name: exporter}, "+
		"regions: {include: [us-east-1, eu-west-1, eu-south-1]}, sweep: {interval: 1s, timeout: 1s}, findings: {interval: 1s}}"))
	if err != nil {
		t.Fatal(err)
	}
	exporter := collector.New()
	pipeline, err := app.New(t.Context(), c, app.Options{Exporter: exporter, Shard: app.Unsharded, Logger: slog.New(slog.DiscardHandler)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer pipeline.Close()
	r := weather{rand.New(rand.NewPCG(2, 2))}
	every := max(10, sweeps/100)
	var gauges []gauge
	for sweep := range sweeps {
		server.Update(func(w *simaws.World) {
			if sweep%every >= every-2 {
				r.clear(w)
			} else {
				r.change(w, false)
			}
		})
		if sweep%every == every-1 {
			gauges = append(gauges, settle(t, pipeline, exporter, server, sweep))
			continue
		}
		pipeline.Sweep(t.Context())
		scrapeBody(exporter)
	}
	flat(t, gauges)
}

// settle sweeps in calm until everything is known: roles that were refused
// are asked for again after a pause.
func settle(t *testing.T, pipeline *app.Pipeline, exporter *collector.Exporter, server *simaws.Server, sweep int) gauge {
	t.Helper()
	deadline, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for deadline.Err() == nil {
		if s := pipeline.Sweep(t.Context()); len(s.Failures) == 0 && s.DiscoverySuccess && len(s.Accounts) == 4 {
			server.ResetCalls()
			return measure(sweep+1, scrapeBody(exporter))
		}
	}
	t.Fatalf("sweep %d: not whole after 30 s in calm: %v", sweep, exporter.Snapshot().Failures)
	return gauge{}
}
