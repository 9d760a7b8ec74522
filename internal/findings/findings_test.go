package findings_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/awsapi"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	hub    = "222222222222"
	region = "eu-west-1"
)

// clock is that of the simulated AWS.
type clock struct{ now atomic.Int64 }

func (c *clock) time() time.Time         { return time.Unix(0, c.now.Load()) }
func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

// lab is a simulated AWS with one analyzer, and a counter's budget.
type lab struct {
	*awsapi.Client
	clock    *clock
	server   *simaws.Server
	account  *inventory.Account
	analyzer *inventory.Analyzer
	budget   *findings.Budget
	// full are the full counts of the current round.
	full []findings.FullCountReason
	// between is called after each page and after the totals.
	between func()
	// asOf are the times of the totals of the current round.
	asOf []time.Time
	// random chooses what change changes.
	random *rand.Rand
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{clock: &clock{}, budget: &findings.Budget{}, account: &inventory.Account{ID: hub, Queried: true}, between: func() {}}
	l.random = rand.New(rand.NewPCG(2, 2))
	l.clock.now.Store(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	l.server = simaws.New(&simaws.World{}, simaws.Options{Now: l.clock.time})
	if err := l.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.server.Close() })
	l.set(newWorld("ORGANIZATION"))
	for k, v := range l.server.Env() {
		t.Setenv(k, v)
	}
	var err error
	l.Client, err = awsapi.New(context.Background(), awsapi.Options{
		Concurrency: 4, SessionName: "test", LongestPause: time.Minute, Logger: slog.New(slog.DiscardHandler),
		Observe: func(string, string, string, time.Duration) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func newWorld(kind string) *simaws.World {
	w := &simaws.World{Accounts: []*simaws.Account{{ID: hub, Regions: simaws.Regions()}}}
	a := &simaws.Analyzer{AccountID: hub, Region: region, Name: "analyzer", Type: kind, Status: "ACTIVE", Unused: &simaws.UnusedAccess{Age: 90}}
	w.Analyzers = []*simaws.Analyzer{a}
	return w
}

func (l *lab) set(w *simaws.World) {
	a := w.Analyzers[0]
	l.analyzer = &inventory.Analyzer{ARN: a.ARN(), Name: a.Name, AccountID: a.AccountID, Region: a.Region, Type: a.Type}
	l.server.SetWorld(w)
}

// Findings implements Reader: the simulated AWS, by its own clock.
func (l *lab) Findings(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer, statuses []string, more func(findings.Page) bool) (bool, *inventory.Failure) {
	// Slightly earlier, so that it differs from the time of totals.
	asked := l.clock.time().Add(-time.Nanosecond)
	return l.Client.Findings(ctx, a, analyzer, statuses, func(page findings.Page) bool {
		page.AskedAt = asked
		proceed := more(page)
		l.between()
		asked = l.clock.time().Add(-time.Nanosecond)
		return proceed
	})
}

// FindingTotals implements Reader.
func (l *lab) FindingTotals(ctx context.Context, a *inventory.Account, analyzer *inventory.Analyzer) (findings.Totals, *inventory.Failure) {
	asked := l.clock.time()
	totals, failure := l.Client.FindingTotals(ctx, a, analyzer)
	totals.AskedAt = asked
	l.asOf = append(l.asOf, totals.AsOf)
	l.between()
	return totals, failure
}

func (l *lab) counter(o findings.Options) *findings.Counter {
	o.OnFullCount = func(why findings.FullCountReason) { l.full = append(l.full, why) }
	if o.FullInterval == 0 {
		o.FullInterval = time.Hour
	}
	if o.Statuses == nil {
		o.Statuses = []string{"ACTIVE", "ARCHIVED"}
	}
	c := findings.New(l, o, l.budget)
	c.SetPause(0)
	return c
}

// round counts, and fails the test if the count fails.
func (l *lab) round(t testing.TB, c *findings.Counter, s *findings.State) *inventory.Findings {
	t.Helper()
	l.full, l.asOf = nil, nil
	counts, failure, doubt := c.Count(t.Context(), l.account, l.analyzer, s)
	if failure != nil || doubt != nil {
		t.Fatal(failure, doubt)
	}
	return counts
}

// truth counts the findings in the simulated AWS.
func (l *lab) truth(o findings.Options) *inventory.Findings {
	counts := inventory.NewFindings()
	l.server.View(func(w *simaws.World) {
		for _, f := range w.Analyzers[0].Findings {
			counted := false
			for _, s := range o.Statuses {
				counted = counted || s == f.Status
			}
			if !counted {
				continue
			}
			key := inventory.FindingKey{AccountID: f.Owner, Type: f.Type, Status: f.Status}
			if o.ResourceTypes {
				key.ResourceType = f.ResourceType
			}
			if f.Type == "ExternalAccess" && f.Error == "" {
				key.Public = strconv.FormatBool(f.Public)
			}
			counts.Add(key, 1, f.CreatedAt, f.Error)
			if f.Public && f.Status == "ACTIVE" {
				counts.Public = append(counts.Public, inventory.PublicFinding{
					ID: f.ID, AccountID: f.Owner, ResourceType: f.ResourceType, Resource: f.Resource, CreatedAt: f.CreatedAt,
				})
			}
		}
	})
	counts.Public, counts.PublicUnnamed = name(counts.Public, o.PublicResources)
	return counts
}

// name keeps the global resources, and the oldest findings of others of each owner.
func name(public []inventory.PublicFinding, most int) (named []inventory.PublicFinding, unnamed map[string]int) {
	if most == 0 {
		return nil, nil
	}
	slices.SortFunc(public, func(a, b inventory.PublicFinding) int {
		isLocal := func(f inventory.PublicFinding) int {
			if f.ResourceType == "AWS::IAM::Role" {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.AccountID, b.AccountID), cmp.Compare(isLocal(a), isLocal(b)), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	unnamed, local := map[string]int{}, map[string]int{}
	for _, f := range public {
		if f.ResourceType != "AWS::IAM::Role" {
			local[f.AccountID]++
		}
		if local[f.AccountID] > most {
			unnamed[f.AccountID]++
			continue
		}
		named = append(named, f)
	}
	return named, unnamed
}

func equalPublic(a, b inventory.PublicFinding) bool {
	at, bt := a.CreatedAt, b.CreatedAt
	a.CreatedAt, b.CreatedAt = time.Time{}, time.Time{}
	return a == b && at.Equal(bt)
}

func same(a, b *inventory.Findings) bool {
	return maps.Equal(a.Counts, b.Counts) && maps.Equal(a.Errors, b.Errors) && maps.EqualFunc(a.OldestActive, b.OldestActive, time.Time.Equal) &&
		slices.EqualFunc(a.Public, b.Public, equalPublic) && maps.Equal(a.PublicUnnamed, b.PublicUnnamed)
}

func differences(got, want *inventory.Findings) string {
	text := ""
	for k, n := range want.Counts {
		if got.Counts[k] != n {
			text += fmt.Sprintf("\n%+v: %d, want %d", k, got.Counts[k], n)
		}
	}
	for k, n := range got.Counts {
		if _, ok := want.Counts[k]; !ok {
			text += fmt.Sprintf("\n%+v: %d, want none", k, n)
		}
	}
	return text + fmt.Sprintf("\nerrors %v, want %v\noldest %v, want %v\npublic %v, unnamed %v, want %v, %v",
		got.Errors, want.Errors, got.OldestActive, want.OldestActive, got.Public, got.PublicUnnamed, want.Public, want.PublicUnnamed)
}

// large is an analyzer with n findings in a thousand accounts, every tenth of
// which changed after it was created.
func (l *lab) large(n int) *simaws.World {
	w := newWorld("ORGANIZATION")
	random := rand.New(rand.NewPCG(1, 1))
	for i := range n {
		created := l.clock.time().Add(-time.Duration(random.IntN(90*24*3600)+3600) * time.Second)
		updated := created
		if i%10 == 0 {
			updated = created.Add(time.Duration(random.Int64N(int64(l.clock.time().Sub(created)) - int64(time.Minute))))
		}
		w.Analyzers[0].Findings = append(w.Analyzers[0].Findings, simaws.Finding{
			ID: fmt.Sprintf("%08x-0000-4000-8000-%012x", random.Uint32(), i), Type: "ExternalAccess", Status: []string{"ACTIVE", "ACTIVE", "ARCHIVED"}[i%3],
			Owner: strconv.Itoa(300000000000 + i%1000), ResourceType: "AWS::S3::Bucket", Resource: fmt.Sprintf("arn:aws:s3:::a-bucket-with-a-longer-name-%d", i),
			Public: i%7 == 0, CreatedAt: created, UpdatedAt: updated,
		})
	}
	return w
}

// change changes ten findings.
func (l *lab) change() {
	l.clock.advance(time.Minute)
	l.server.Update(func(w *simaws.World) {
		now := l.clock.time()
		a := w.Analyzers[0]
		for i := range 9 {
			f := &a.Findings[l.random.IntN(len(a.Findings))]
			f.Status, f.UpdatedAt = []string{"ACTIVE", "ARCHIVED", "RESOLVED"}[i%3], now
		}
		a.AddFinding(simaws.Finding{Type: "ExternalAccess", Owner: "999999999999", ResourceType: "AWS::KMS::Key"}, now)
	})
	l.clock.advance(29 * time.Minute)
}

// Ten changes among a hundred pages of findings cost five calls at most, and
// the counts are exact. The benchmark has pages of a thousand.
func TestTenChangesInAHundredPages(t *testing.T) {
	l := newLab(t)
	w := l.large(10_000)
	w.PageSizes = map[string]int{"ListFindings": 100}
	l.set(w)
	options := findings.Options{Statuses: []string{"ACTIVE", "ARCHIVED"}, ResourceTypes: true, PublicResources: 10}
	c, s := l.counter(options), &findings.State{}
	l.round(t, c, s)
	for range 2 {
		l.change()
		l.server.ResetCalls()
		counts := l.round(t, c, s)
		if want := l.truth(options); !same(counts, want) {
			t.Error(differences(counts, want))
		}
		if n := len(l.server.Calls(simaws.CallFilter{})); n > 5 || len(l.full) > 0 {
			t.Errorf("%d calls, full counts %v", n, l.full)
		}
	}
	if l.budget.Used() != s.Entries() {
		t.Errorf("%d findings are in the index and %d in the budget", s.Entries(), l.budget.Used())
	}
	if l.budget.Drop(s); l.budget.Used() != 0 {
		t.Errorf("%d findings are in the budget after Drop", l.budget.Used())
	}
}

func reasons(l *lab) string { return fmt.Sprint(l.full) }

// small is an analyzer whose findings take more pages than few, and the ten
// changes of change fewer than too many.
func (l *lab) small() {
	w := l.large(500)
	w.PageSizes = map[string]int{"ListFindings": 50}
	l.set(w)
}

func TestBudgetExceeded(t *testing.T) {
	l := newLab(t)
	l.small()
	options := findings.Options{Statuses: []string{"ACTIVE", "ARCHIVED"}, ResourceTypes: true, PublicResources: 10}
	c, s := l.counter(options), &findings.State{}
	const others = findings.MaxEntries - 300
	l.budget.Reserve(others)
	for i, want := range []string{"[first]", "[too_many]", "[too_many]", "[]"} {
		if i == 2 {
			l.budget.Release(others)
		}
		counts := l.round(t, c, s)
		if reasons(l) != want || !same(counts, l.truth(options)) {
			t.Errorf("round %d: full counts %v, want %v:%s", i, l.full, want, differences(counts, l.truth(options)))
		}
		if used := l.budget.Used(); i < 2 && used != others {
			t.Errorf("round %d: %d findings are in the budget", i, used-others)
		}
		l.change()
	}
}

// A change without a new update time is in no list of changes. The next full
// count finds it, and then counts are full ones for another interval.
func TestChangeWithoutUpdateTime(t *testing.T) {
	l := newLab(t)
	l.small()
	options := findings.Options{Statuses: []string{"ACTIVE", "ARCHIVED"}, FullInterval: time.Hour}
	c, s, start := l.counter(options), &findings.State{}, l.clock.time()
	for i, want := range []string{"[first]", "[]", "[interval]", "[contradiction]", "[first]", "[]"} {
		switch i {
		case 2:
			l.server.Update(func(w *simaws.World) {
				for j := range w.Analyzers[0].Findings {
					// One that the list of changes does not return.
					if f := &w.Analyzers[0].Findings[j]; f.Status == "ACTIVE" && f.UpdatedAt.Before(start) {
						f.Owner = "888888888888"
						return
					}
				}
			})
			s.AgeFullCount(time.Hour)
		case 4:
			s.ResumeIncremental()
		}
		counts := l.round(t, c, s)
		if reasons(l) != want || !same(counts, l.truth(options)) {
			t.Errorf("round %d: full counts %v, want %v:%s", i, l.full, want, differences(counts, l.truth(options)))
		}
		l.change()
	}
}

// Without GetFindingsStatistics, counts are full ones and the failure is returned.
func TestStatisticsDenied(t *testing.T) {
	l := newLab(t)
	l.small()
	options := findings.Options{Statuses: []string{"ACTIVE", "ARCHIVED"}}
	c, s := l.counter(options), &findings.State{}
	remove := l.server.AddFault(&simaws.Fault{Kind: simaws.AccessDenied, Operation: "GetFindingsStatistics"})
	for _, want := range []string{"[first]", "[first statistics]"} {
		counts, failure, doubt := c.Count(t.Context(), l.account, l.analyzer, s)
		if failure != nil || doubt == nil || doubt.Reason != inventory.AccessDenied || reasons(l) != want || !same(counts, l.truth(options)) {
			t.Errorf("full counts %v, failure %v, doubt %v", l.full, failure, doubt)
		}
	}
	remove()
	if l.round(t, c, s); reasons(l) != "[]" {
		t.Errorf("after recovery: %v", l.full)
	}
}

// A count whose context ends fails. The count of a deleted analyzer is nil, without
// a failure.
func TestContextEnds(t *testing.T) {
	l := newLab(t)
	l.small()
	c, s := l.counter(findings.Options{}), &findings.State{}
	l.round(t, c, s)
	l.server.Update(func(w *simaws.World) { w.Quirks.StatisticsLag = time.Hour })
	l.round(t, c, s)
	l.clock.advance(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	c.SetPause(time.Hour)
	l.between = cancel
	if counts, failure, _ := c.Count(ctx, l.account, l.analyzer, s); counts != nil || failure == nil {
		t.Errorf("%v, %v", counts, failure)
	}
	l.between = func() {}
	l.server.Update(func(w *simaws.World) { w.Analyzers = nil })
	if counts, failure, _ := c.Count(t.Context(), l.account, l.analyzer, s); counts != nil || failure != nil || l.budget.Used() != 0 {
		t.Errorf("deleted: %v, %v, %d in the budget", counts, failure, l.budget.Used())
	}
}

func environment(name string, otherwise uint64) uint64 {
	if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
		return n
	}
	return otherwise
}

// BenchmarkFindings counts the findings of an analyzer with a hundred thousand
// of them of which ten have changed (T7), and compares with listing all.
func BenchmarkFindings(b *testing.B) {
	const n, most = 100_000, 5
	l := newLab(b)
	l.set(l.large(n))
	options := findings.Options{Statuses: []string{"ACTIVE", "ARCHIVED"}, ResourceTypes: true, PublicResources: 10, FullInterval: 24 * time.Hour}
	c, s := l.counter(options), &findings.State{}
	start := time.Now()
	l.round(b, c, s)
	full, fullCalls := time.Since(start), len(l.server.Calls(simaws.CallFilter{}))
	rounds, calls, worst := 0, 0, 0
	var took time.Duration
	for b.Loop() {
		l.change()
		l.server.ResetCalls()
		start := time.Now()
		counts := l.round(b, c, s)
		took += time.Since(start)
		if want := l.truth(options); !same(counts, want) {
			b.Fatal(differences(counts, want))
		}
		made := len(l.server.Calls(simaws.CallFilter{}))
		rounds, calls, worst = rounds+1, calls+made, max(worst, made)
	}
	if worst > most {
		b.Errorf("%d calls in a round, at most %d are the target", worst, most)
	}
	b.ReportMetric(float64(calls)/float64(rounds), "calls/round")
	b.ReportMetric(float64(fullCalls), "calls/full-count")
	b.ReportMetric(float64(calls)/float64(rounds)/float64(fullCalls), "calls/full-calls")
	b.ReportMetric(float64(took)/float64(rounds)/float64(full), "time/full-time")
	b.ReportMetric(float64(worst)/most, "calls/target")
	remembered, held := l.budget.Used(), heap()
	l.budget.Drop(s)
	b.ReportMetric(float64(held-heap())/float64(remembered), "B/finding")
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // pools let go at the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
