package paging

import (
	"context"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
)

// scaled is a fleet whose exposition is the same each minute, but for the
// coverage of some targets.
type scaled struct {
	coverage, rest []labels.Labels
	refs           map[int]storage.SeriesRef
}

func newScaled(accounts, regions int) *scaled {
	s := &scaled{refs: map[int]storage.SeriesRef{}}
	series := func(name string, pairs ...string) labels.Labels {
		b := labels.NewBuilder(labels.EmptyLabels())
		b.Set("__name__", name).Set("job", "e").Set("instance", "e:1")
		for i := 0; i < len(pairs); i += 2 {
			b.Set(pairs[i], pairs[i+1])
		}
		return b.Labels()
	}
	s.rest = append(s.rest,
		series("up"), series("access_analyzer_exporter_shard_ordinal"), series("access_analyzer_exporter_build_info"), series("access_analyzer_exporter_total_shards"),
		series("access_analyzer_exporter_discovery_success"),
		series("access_analyzer_exporter_sweep_last_completed_timestamp_seconds", "kind", "coverage"))
	for a := range accounts {
		s.rest = append(s.rest, series("aws_access_analyzer_account_info", "account_id", id(a), "account_name", "name-"+id(a), "role", "member"))
		for r := range regions {
			s.coverage = append(s.coverage, series("aws_access_analyzer_coverage", "account_id", id(a), "region", region(r), "access", "external"))
			s.rest = append(s.rest,
				series("aws_access_analyzer_scrape_success", "account_id", id(a), "region", region(r)),
				series("aws_access_analyzer_scrape_last_success_timestamp_seconds", "account_id", id(a), "region", region(r)))
		}
	}
	return s
}

func (s *scaled) scrape(t testing.TB, d *database, now time.Time, coverage func(i int) float64) {
	t.Helper()
	app := d.head.Appender(context.Background())
	add := func(n int, l labels.Labels, v float64) {
		ref, err := app.Append(s.refs[n], l, now.UnixMilli(), v)
		if err != nil {
			t.Fatal(err)
		}
		s.refs[n] = ref
	}
	for i, l := range s.coverage {
		add(i, l, coverage(i))
	}
	for i, l := range s.rest {
		add(-1-i, l, 1)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// cpu is the processor time of the process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestScale measures the processor time of the group with the pages and of the
// group that it reads.
func TestScale(t *testing.T) {
	accounts, _ := strconv.Atoi(os.Getenv("PAGING_ACCOUNTS"))
	if accounts == 0 {
		t.Skip("PAGING_ACCOUNTS=10000 measures the rules at 170 000 targets")
	}
	minutes, _ := strconv.Atoi(os.Getenv("PAGING_MINUTES"))
	if minutes == 0 {
		minutes = 61 // the longest range
	}
	const regions = 17
	s := newScaled(accounts, regions)
	alerts := 0
	p := newPrometheus(t, shipped(t).rules, func(sent ...*rules.Alert) { alerts += len(sent) }, "access-analyzer-memory", "access-analyzer-coverage")
	now := time.Now().Truncate(minute)
	measure := func(what string, minutes int, coverage func(i int) float64) {
		spent, evaluations := map[string]time.Duration{}, map[string]int{}
		for i := range minutes {
			s.scrape(t, p.db, now, coverage)
			for _, g := range p.groups {
				if i%int(g.Interval()/minute) != 0 {
					continue
				}
				began := cpu()
				g.Eval(t.Context(), now)
				// Later evaluations have the whole range, and alerts that fire.
				if i >= minutes-4 {
					spent[g.Name()] += cpu() - began
					evaluations[g.Name()]++
				}
			}
			now = now.Add(minute)
		}
		for name, d := range spent {
			t.Logf("%s: %.2f s for an evaluation of %s", what, (d / time.Duration(evaluations[name])).Seconds(), name)
		}
	}
	measure("all covered", minutes, func(int) float64 { return 1 })
	measure("a Region lost", 20, func(i int) float64 { return number(i%regions != 0) })
	measure("all lost", 20, func(int) float64 { return 0 })
	t.Logf("%d alerts sent", alerts)
}
