package collector

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// generation returns a snapshot in which all values are n.
func generation(n int) *inventory.Snapshot {
	s := &inventory.Snapshot{TargetCount: n}
	for i := range 200 {
		s.Accounts = append(s.Accounts, &inventory.Account{ID: fmt.Sprintf("%012d", i), Name: fmt.Sprintf("generation %d", n)})
		s.Analyzers = append(s.Analyzers, &inventory.Analyzer{AccountID: fmt.Sprintf("%012d", i), Status: inventory.Active, ArchiveRules: n})
	}
	return s
}

func TestConcurrentScrapesReturnOneSnapshot(t *testing.T) {
	const generations, scrapers, scrapes = 60, 6, 40
	want := map[string]int{} // body → generation
	for n := range generations {
		want[string(written(t, generation(n)))] = n
	}
	e := New()
	e.live = prometheus.ToTransactionalGatherer(prometheus.NewRegistry())
	e.Publish(generation(0))
	get := serve(t, e)

	var running sync.WaitGroup
	for i := range scrapers {
		running.Go(func() {
			last := 0
			for range scrapes {
				header, body := get("", headers("", compression(i%int(compressions)).String()))
				n, whole := want[string(unpack(t, header, body))]
				if !whole {
					t.Errorf("a scrape returned a mix of publications: %.200q", body)
					return
				}
				if n < last {
					t.Errorf("a scrape returned generation %d after %d", n, last)
				}
				last = n
			}
		})
	}
	for n := range generations {
		s := generation(n)
		e.Publish(s)
		if e.Snapshot() != s {
			t.Error("Snapshot is not what was just published")
		}
		runtime.Gosched()
	}
	running.Wait()
	if _, body := get("", headers("", "")); want[string(body)] != generations-1 {
		t.Error("the last scrape does not show the last publication")
	}
}

func TestObservationsDuringScrapes(t *testing.T) {
	e := New()
	e.Publish(organization())
	get := serve(t, e)
	var running sync.WaitGroup
	for i := range 4 {
		running.Go(func() {
			for n := range 200 {
				e.ObserveRequest("accessanalyzer", fmt.Sprint("Operation", n%3), "OK", time.Millisecond)
				e.ObserveReload(n%2 == i%2, moment)
			}
		})
		running.Go(func() {
			for range 10 {
				get("", headers("", "gzip"))
			}
		})
	}
	running.Wait()
	_, body := get("", headers("", ""))
	for n, want := range []int{268, 268, 264} {
		line := fmt.Sprintf("access_analyzer_exporter_aws_requests_total{aws_service=\"accessanalyzer\",code=\"OK\",operation=\"Operation%d\"} %d\n", n, want)
		if !bytes.Contains(body, []byte(line)) {
			t.Errorf("missing: %s", line)
		}
	}
}

// The allocations of a scrape do not depend on the number of series.
func TestScrapeAllocatesNothingForSeries(t *testing.T) {
	allocated := func(accounts int, encoding string) (series int, allocs float64) {
		e := New()
		freeze(t, e)
		s := fleet(accounts)
		e.Publish(s)
		r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
		r.Header = headers("", encoding)
		return seriesIn(s), testing.AllocsPerRun(20, func() { e.ServeHTTP(&sink{header: http.Header{}}, r) })
	}
	for c := range compressions {
		few, least := allocated(1, c.String())
		many, most := allocated(500, c.String())
		if most > least+20 {
			t.Errorf("%s: %v allocations for %d series, %v for %d", c, most, many, least, few)
		}
	}
}

// sink discards a response.
type sink struct{ header http.Header }

func (s *sink) Header() http.Header       { return s.header }
func (*sink) Write(b []byte) (int, error) { return len(b), nil }
func (*sink) WriteHeader(int)             {}

// A new publication releases the previous one with all its encodings.
func TestPreviousPublicationIsReleased(t *testing.T) {
	e := New()
	freeze(t, e)
	inUse := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse
	}
	scrape := func() {
		for _, encoding := range []string{"identity", "gzip"} {
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.Header = headers("", encoding)
			e.ServeHTTP(&sink{header: http.Header{}}, r)
		}
	}
	s := fleet(100) // about 1.5 MB of text
	e.Publish(s)
	scrape()
	before := inUse()
	for range 5 {
		e.Publish(s)
		scrape()
	}
	if after := inUse(); after > before+4<<20 {
		t.Errorf("%d KB in use after the first publication, %d KB after five more", before>>10, after>>10)
	}
}

func TestReloadsAreAbsentUntilObserved(t *testing.T) {
	e := New()
	get := serve(t, e)
	reloads := func() (lines []string) {
		_, body := get("", headers("", ""))
		for line := range strings.Lines(string(body)) {
			if strings.HasPrefix(line, "access_analyzer_exporter_config_") {
				lines = append(lines, strings.TrimPrefix(strings.TrimSpace(line), "access_analyzer_exporter_config_last_reload_"))
			}
		}
		return lines
	}
	check := func(want ...string) {
		t.Helper()
		if got := reloads(); strings.Join(got, "; ") != strings.Join(want, "; ") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	check()
	e.ObserveReload(true, moment)
	check("success_timestamp_seconds 1.79534340025e+09", "successful 1")
	e.ObserveReload(false, moment.Add(time.Hour)) // the previous configuration stays in use
	check("success_timestamp_seconds 1.79534340025e+09", "successful 0")
}

func TestNativeHistogram(t *testing.T) {
	e := New()
	e.ObserveRequest("sts", "AssumeRole", "OK", 20*time.Millisecond)
	families, done, err := e.live.Gather()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for _, f := range families {
		if f.GetName() != requestDuration.Name {
			continue
		}
		h := f.Metric[0].Histogram
		if len(h.Bucket) == 0 || h.Schema == nil || len(h.PositiveSpan) == 0 || h.GetSampleCount() != 1 {
			t.Errorf("want a classic and a native histogram of one observation, got %v", h)
		}
		return
	}
	t.Error("there is no histogram")
}

func TestCachedGathererGathersOncePerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gathered := 0
		u := &cachedGatherer{gatherer: prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			gathered++
			return make([]*dto.MetricFamily, gathered), nil
		})}
		for _, step := range []struct {
			after time.Duration
			want  int
		}{{0, 1}, {0, 1}, {999 * time.Millisecond, 1}, {time.Millisecond, 2}, {time.Hour, 3}} {
			time.Sleep(step.after)
			families, err := u.Gather()
			if err != nil || len(families) != step.want {
				t.Errorf("%v later it has gathered %d times (%v), want %d", step.after, len(families), err, step.want)
			}
		}
	})
}

// A stalled client must not keep a snapshot in memory.
func TestWriteDeadline(t *testing.T) {
	w := &deadlined{sink: sink{header: http.Header{}}}
	before := time.Now()
	New().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if at := w.at.Sub(before); at < sendTimeout || at > sendTimeout+time.Minute {
		t.Errorf("the deadline is %v away, want %v", at, sendTimeout)
	}
}

type deadlined struct {
	sink
	at time.Time
}

func (d *deadlined) SetWriteDeadline(at time.Time) error {
	d.at = at
	return nil
}
