package paging

import (
	"context"
	"os"
	"runtime"
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
	for r := range regions {
		s.analyzer(series, region(r))
	}
	for a := range accounts {
		s.rest = append(s.rest, series("aws_access_analyzer_account_info", "account_id", id(a), "account_name", "name-"+id(a), "role", "member"))
		for r := range regions {
			s.coverage = append(s.coverage, series("aws_access_analyzer_coverage", "account_id", id(a), "region", region(r), "access", "external"))
			s.findings(series, id(a), region(r))
			s.rest = append(s.rest,
				series("aws_access_analyzer_scrape_success", "account_id", id(a), "region", region(r)),
				series("aws_access_analyzer_scrape_last_success_timestamp_seconds", "account_id", id(a), "region", region(r)))
		}
	}
	return s
}

// admin is the account of the organization analyzers.
var admin = id(0)

// analyzer adds an organization analyzer.
func (s *scaled) analyzer(series func(string, ...string) labels.Labels, region string) {
	of := []string{"account_id", admin, "region", region, "analyzer", "organization"}
	s.rest = append(s.rest,
		series("aws_access_analyzer_info", append(of, "type", "ORGANIZATION", "access", "external", "scope", "organization")...),
		series("aws_access_analyzer_status", append(of, "status", "ACTIVE")...),
		series("aws_access_analyzer_created_timestamp_seconds", of...),
		series("aws_access_analyzer_archive_rules", of...),
		series("aws_access_analyzer_findings_last_success_timestamp_seconds", of...))
	for _, status := range []string{"ACTIVE", "ARCHIVED"} {
		s.rest = append(s.rest, series("aws_access_analyzer_findings", "account_id", admin, "region", region,
			"analyzer_account_id", admin, "analyzer", "organization", "finding_type", "ExternalAccess", "status", status))
	}
}

// findings adds findings about an account: roles in every Region, and a bucket.
func (s *scaled) findings(series func(string, ...string) labels.Labels, account, region string) {
	by := []string{"account_id", account, "region", region, "analyzer_account_id", admin, "analyzer", "organization", "finding_type", "ExternalAccess"}
	s.rest = append(s.rest,
		series("aws_access_analyzer_findings", append(by, "status", "ACTIVE", "resource_type", "AWS::IAM::Role", "public", "false")...),
		series("aws_access_analyzer_oldest_active_finding_timestamp_seconds", by...))
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

// TestScale measures the processor time of each group of rules, and counts series. Each
// value is the least of three evaluations: others may use the processors too.
func TestScale(t *testing.T) {
	accounts, _ := strconv.Atoi(os.Getenv("PAGING_ACCOUNTS"))
	if accounts == 0 {
		t.Skip("PAGING_ACCOUNTS=10000 measures the rules at 170 000 targets")
	}
	const regions = 17
	s := newScaled(accounts, regions)
	alerts := 0
	p := newPrometheus(t, shipped(t).rules, func(sent ...*rules.Alert) { alerts += len(sent) })
	now := time.Now().Truncate(minute)
	for _, phase := range []struct {
		name     string
		coverage func(i int) float64
	}{
		{"all covered", func(int) float64 { return 1 }},
		{"a Region lost", func(i int) float64 { return number(i%regions != 0) }},
		{"all lost", func(int) float64 { return 0 }},
	} {
		for range 4 { // until every group has seen the change
			s.scrape(t, p.db, now, phase.coverage)
			p.evaluate(now)
			now = now.Add(minute)
		}
		recorded := s.repeat(t, p, phase.coverage, &now)
		spent := map[string]time.Duration{}
		for range 3 {
			s.scrape(t, p.db, now, phase.coverage)
			for _, g := range p.groups {
				runtime.GC()
				began := cpu()
				g.Eval(t.Context(), now)
				if d := cpu() - began; spent[g.Name()] == 0 || d < spent[g.Name()] {
					spent[g.Name()] = d
				}
			}
			now = now.Add(minute)
		}
		share := 0.0
		for _, g := range p.groups {
			of := spent[g.Name()].Seconds() / g.Interval().Seconds()
			t.Logf("%s: %s takes %.2f s, %.1f %% of its interval", phase.name, g.Name(), spent[g.Name()].Seconds(), 100*of)
			share += of
		}
		scraped := len(s.coverage) + len(s.rest)
		t.Logf("%s: all groups take %.1f %%; %d series recorded, %.2f of %d scraped; %d alerts sent",
			phase.name, 100*share, recorded, float64(recorded)/float64(scraped), scraped, alerts)
	}
}

// repeat lets an hour pass, the longest range, in which each series keeps its value. It
// returns the number of recorded series.
func (s *scaled) repeat(t testing.TB, p *prometheus, coverage func(i int) float64, now *time.Time) int {
	t.Helper()
	recorded, err := rules.EngineQueryFunc(p.engine, p.db)(t.Context(), `{__name__=~".+:.+"}`, now.Add(-minute))
	if err != nil {
		t.Fatal(err)
	}
	refs := make([]storage.SeriesRef, len(recorded))
	for range 60 {
		s.scrape(t, p.db, *now, coverage)
		app := p.db.head.Appender(t.Context())
		for i, sample := range recorded {
			if refs[i], err = app.Append(refs[i], sample.Metric, now.UnixMilli(), sample.F); err != nil {
				t.Fatal(err)
			}
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
		*now = now.Add(minute)
	}
	return len(recorded)
}
