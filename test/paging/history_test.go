package paging

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A quarter of the time is that of the garbage collector, which collects after every 4 MB
// that a small heap grows. TestScale measures with the setting of Prometheus.
func TestMain(m *testing.M) {
	if os.Getenv("GOGC") == "" && os.Getenv("PAGING_ACCOUNTS") == "" {
		debug.SetGCPercent(800)
	}
	os.Exit(m.Run())
}

// history is a random organization, and what happens to it, to its exporter and
// to Prometheus.
type history struct {
	*rand.Rand
	c *chain
	// log is what happened, for the report of a failure.
	log []string
}

// length is how many minutes a history takes.
const length = 150

func newHistory(seed uint64) *history {
	return &history{Rand: rand.New(rand.NewPCG(seed, 0))}
}

func (h *history) exporters() []*exporter {
	var all []*exporter
	clusters := h.IntN(3) == 0 // with the same job
	for n := range []int{1, 1, 1, 1, 1, 1, 2, 2, 2, 6}[h.IntN(10)] {
		e := h.exporter("access-analyzer-exporter-" + string(rune('a'+n)))
		if clusters {
			e.job, e.cluster = "access-analyzer-exporter", string(rune('a'+n))
		}
		all = append(all, e)
	}
	return all
}

func (h *history) exporter(job string) *exporter {
	e := newExporter(job, 1+h.IntN(2))
	if h.IntN(4) == 0 {
		e.clock = -time.Hour
	}
	gaps := []int{0, 0, 10, 90}[h.IntN(4)] // percent
	accounts, regions := 2+h.IntN(8), 4
	if h.IntN(100) == 0 {
		accounts, regions = 60, 34
	}
	for a := range accounts {
		for r := range 1 + h.IntN(regions) {
			s := covered
			if h.IntN(100) < gaps {
				s = uncovered
			}
			e.add(target{id(a), region(r)}, s)
		}
	}
	if h.IntN(2) == 0 {
		h.analyze(e)
	}
	return e
}

// analyze adds an organization analyzer in each of the first Regions, and account
// analyzers.
func (h *history) analyze(e *exporter) {
	e.series = func(add) {} // for all rules
	for r := range 1 + h.IntN(3) {
		e.analyze(id(0), region(r), "organization", epoch.Add(old))
	}
	for a := range h.IntN(3) {
		e.analyze(id(a), region(0), "account", epoch.Add(old))
	}
	public := []int{0, 0, 1, 40}[h.IntN(4)]
	for n := range public {
		a := e.analyzers[h.IntN(len(e.analyzers))]
		a.find(bucket(id(h.IntN(3)), n), epoch)
	}
}

// play lets things happen at random.
func (h *history) play(c *chain) {
	h.c = c
	for c.minute < length {
		c.run(1 + h.IntN(25))
		for range c.exporters {
			h.happen(c.exporters[h.IntN(len(c.exporters))])
		}
	}
	// What is lost at the end is paged too.
	for _, e := range c.exporters {
		for shard := range e.shards {
			e.shards[shard] = running
		}
	}
	c.run(25)
}

func (h *history) note(e *exporter, format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf("minute %d, %s %s: ", h.c.minute, e.cluster, e.job)+fmt.Sprintf(format, args...))
}

// some are the targets of an event: one, those of an account, of a Region, or all, or
// those of an account, or all, in some Regions.
func (h *history) some(e *exporter) []target {
	all := slices.SortedFunc(maps.Keys(e.facts), func(a, b target) int {
		return strings.Compare(a.account+a.region, b.account+b.region)
	})
	of := all[h.IntN(len(all))]
	others := map[string]bool{} // Regions besides that of the target
	for r := range 34 {
		others[region(r)] = h.IntN(2) == 0
	}
	elsewhere := func(tg target) bool { return tg.region != of.region && !others[tg.region] }
	switch h.IntN(7) {
	case 0:
		return slices.DeleteFunc(all, func(tg target) bool { return tg.account != of.account })
	case 1:
		return slices.DeleteFunc(all, func(tg target) bool { return tg.region != of.region })
	case 2:
		if h.IntN(3) == 0 {
			return all
		}
	case 3:
		return slices.DeleteFunc(all, func(tg target) bool { return tg.account != of.account || elsewhere(tg) })
	case 4:
		return slices.DeleteFunc(all, elsewhere)
	}
	return []target{of}
}

func (h *history) happen(e *exporter) {
	if len(e.analyzers) > 0 && h.IntN(2) == 0 {
		h.change(e.analyzers[h.IntN(len(e.analyzers))], e)
		return
	}
	switch h.IntN(14) {
	case 0, 1, 2, 3:
		h.set(e, uncovered)
	case 4:
		h.set(e, covered)
	case 5:
		h.set(e, []state{unknown, exempt, gone}[h.IntN(3)])
	case 6:
		h.c.prometheusDown = 1 + h.IntN(10)
		h.note(e, "Prometheus is down for %d minutes", h.c.prometheusDown)
	case 7:
		h.loop(e)
	case 10:
		h.operate(e)
	case 8:
		a := id(h.IntN(20))
		e.names[a] = "renamed-" + a
		h.note(e, "%s is renamed", a)
	case 9:
		tg := target{id(20 + h.IntN(5)), region(h.IntN(6))}
		if _, ok := e.facts[tg]; !ok {
			e.add(tg, state(h.IntN(2)))
			h.note(e, "%v is new: %d", tg, e.facts[tg])
		}
	default:
		h.switchMode(e)
	}
}

// operate is a rolling update, or what else changes series but not what they say.
func (h *history) operate(e *exporter) {
	switch h.IntN(6) {
	case 0:
		e.updating = !e.updating
		h.note(e, "updating: %t", e.updating)
	case 1:
		e.relabeled = []string{"", "blue", "green"}[h.IntN(3)]
		h.note(e, "relabeled: %q", e.relabeled)
	case 2:
		e.cached = !e.cached
		h.note(e, "cached: %t", e.cached)
	case 3:
		e.swept = []time.Time{{}, time.Now()}[h.IntN(2)]
		h.note(e, "sweeps are stalled: %t", !e.swept.IsZero())
	case 4, 5:
		e.second, e.old = []mode{running, running, failing, failing, absent, starting}[h.IntN(6)], nil
		if e.second == running && h.IntN(2) == 0 {
			e.old, e.oldAt = maps.Clone(e.facts), time.Now()
		}
		h.note(e, "the second replica is %d, hangs: %t", e.second, e.old != nil)
	}
}

// change changes an analyzer, or what it finds.
func (h *history) change(a *analyzer, e *exporter) {
	what := []string{
		"find", "find", "find", "archive", "archive all", "close", "close all", "flap",
		"disable", "enable", "count or not", "delete", "replace", "re-create", "find everywhere", "count some",
	}[h.IntN(16)]
	h.note(e, "%s of %s in %s: %s", a.name, a.account, a.region, what)
	switch what {
	case "find":
		for range []int{1, 1, 3, 30}[h.IntN(4)] {
			f := bucket(id(h.IntN(4)), h.IntN(50))
			f.public = h.IntN(4) > 0
			if h.IntN(6) == 0 {
				f.resourceType, f.resource = "AWS::IAM::Role", "arn:aws:iam::1:role/r"
			}
			a.find(f, time.Now())
		}
	case "find everywhere":
		owner := id(h.IntN(4))
		for _, a := range e.analyzers {
			a.find(finding{owner, "AWS::IAM::Role", "arn:aws:iam::" + owner + ":role/everywhere", true}, time.Now())
		}
	case "count some":
		for _, a := range e.analyzers {
			a.uncounted = h.IntN(2) == 0
		}
	case "archive":
		for f, s := range h.one(a) {
			a.findings[f] = findingState{!s.archived, s.created}
		}
	case "archive all":
		a.archive()
	case "close":
		for f := range h.one(a) {
			delete(a.findings, f)
		}
	case "close all":
		clear(a.findings)
	case "flap":
		f := bucket(id(1), 100)
		a.find(f, time.Now())
		h.c.run(1 + h.IntN(3))
		delete(a.findings, f)
	case "disable":
		a.status = "DISABLED"
	case "enable":
		a.status = "ACTIVE"
	case "count or not":
		a.uncounted = !a.uncounted
	case "delete":
		a.status = ""
	case "replace":
		a.status = ""
		b := e.analyze(a.account, a.region, fmt.Sprint("replacement-", len(e.analyzers)), time.Now())
		b.archiveRules, b.findings = 1, maps.Clone(a.findings)
		b.archive()
	case "re-create":
		a.status, a.created = "ACTIVE", time.Now()
		found := a.findings
		a.findings = map[finding]findingState{}
		h.c.run(1 + h.IntN(20))
		if h.IntN(2) == 0 {
			a.findings = found
		}
	}
}

// one is one of the findings of an analyzer, if there are any.
func (h *history) one(a *analyzer) map[finding]findingState {
	all := a.sorted()
	if len(all) == 0 {
		return nil
	}
	f := all[h.IntN(len(all))]
	return map[finding]findingState{f: a.findings[f]}
}

func (h *history) set(e *exporter, s state) {
	chosen := h.some(e)
	for _, tg := range chosen {
		e.facts[tg] = s
	}
	h.note(e, "%d for %v", s, chosen)
}

// loop is a restart loop, or scrapes that fail every other time.
func (h *history) loop(e *exporter) {
	shard := h.IntN(len(e.shards))
	up, down := []mode{running, starting}[h.IntN(2)], []mode{failing, absent}[h.IntN(2)]
	h.note(e, "shard %d loops: %d %d", shard, up, down)
	for range 1 + h.IntN(8) {
		e.shards[shard] = up
		h.c.run(1 + h.IntN(4))
		e.shards[shard] = down
		h.c.run(1)
	}
	e.shards[shard] = running
}

func (h *history) switchMode(e *exporter) {
	shard := h.IntN(len(e.shards))
	e.shards[shard] = mode(h.IntN(4))
	if h.IntN(6) == 0 {
		e.listing = !e.listing
	}
	h.note(e, "shard %d is %d, lists: %t", shard, e.shards[shard], e.listing)
}

// check runs the history of a seed and returns what breaks a promise, and how many
// organizations it has.
func check(t *testing.T, f files, seed uint64) (organizations int, errors []string, report string) {
	h := newHistory(seed)
	exporters := h.exporters()
	c := inVirtualTime(t, f, exporters, h.play)
	var b strings.Builder
	for _, e := range exporters {
		fmt.Fprintf(&b, "%s %s: %d shards, clock %s\n", e.cluster, e.job, len(e.shards), e.clock)
	}
	fmt.Fprintln(&b, strings.Join(h.log, "\n"))
	for _, n := range c.alertmanager.notifications() {
		fmt.Fprintln(&b, n)
	}
	return len(exporters), c.oracle.errors, b.String()
}

// ordinaryHistories are those of an ordinary run, some 30 s of two processors.
const ordinaryHistories = 12

// TestHistories plays a fixed number of histories (two with -short or the race detector), or
// PAGING_HISTORIES from PAGING_SEED on.
func TestHistories(t *testing.T) {
	f := shipped(t)
	limit, _ := strconv.Atoi(os.Getenv("PAGING_HISTORIES"))
	first, _ := strconv.ParseUint(os.Getenv("PAGING_SEED"), 10, 64)
	switch {
	case limit > 0:
	case testing.Short() || raceDetector:
		limit = 2
	default:
		limit = ordinaryHistories
	}
	var (
		mu   sync.Mutex
		next uint64

		organizations int
		wg            sync.WaitGroup
	)
	for range 2 {
		wg.Go(func() {
			for {
				mu.Lock()
				seed := first + next
				done := next >= uint64(limit) || t.Failed()
				next++
				mu.Unlock()
				if done {
					return
				}
				n, errors, report := check(t, f, seed)
				if len(errors) > 0 {
					t.Errorf("seed %d:\n%s\n%s", seed, strings.Join(errors, "\n"), report)
				}
				mu.Lock()
				organizations += n
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	t.Logf("%d histories of %d organizations", limit, organizations)
}
