package property

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock/clocktest"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

const (
	// staleAfter is that of all histories.
	staleAfter = 5 * time.Minute
	// oldest is the age of the oldest state that may be published: a read that was
	// due at the end of an interval and its timeout, and stale_after it. A call may
	// take half a minute.
	oldest = 4*time.Minute + 3*time.Minute + staleAfter + 30*time.Second
	// slow is the interval of counts and lists of accounts in most histories. It is
	// shorter than that of sweeps, so that oldest is the same.
	slow = 3 * time.Minute
	// firstSweep is the time after a start in which throttled targets are read again, and
	// before the second sweep.
	firstSweep = 2 * time.Minute
	// quiet is the time without faults and changes after which everything has to be
	// known again.
	quiet = 12 * time.Minute

	ordinaryHistories = 60
)

// TestHistoriesRightOrAbsent plays random histories of the running program:
// changes of the organization, faults, reload loops and restarts. Nothing that is
// published may be older than the contract allows, and after a quiet time
// nothing may be absent.
func TestHistoriesRightOrAbsent(t *testing.T) {
	seed := parameter(t, "PROPERTY_SEED", ordinarySeed)
	first, last := uint64(0), parameter(t, "PROPERTY_HISTORIES", ordinaryHistories)
	if draw := parameter(t, "PROPERTY_HISTORY", last); draw != last {
		first, last = draw, draw+1
	}
	fmt.Printf("PROPERTY_SEED=%d\n", seed)
	setEnvironment(t)
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	var draws []uint64
	for draw := first; draw < last; draw++ {
		draws = append(draws, draw)
	}
	var mu sync.Mutex
	failures := map[uint64]string{}
	draw, failed := firstFailing(t, draws, func(t *testing.T, draw uint64) bool {
		var wrong []problem
		var log string
		wall := &clocktest.Wall{}
		if draw%stepsEvery == 1 {
			simulating.Lock()
			defer simulating.Unlock()
			defer clock.Simulate(wall.Now)()
		} else {
			simulating.RLock()
			defer simulating.RUnlock()
		}
		synctest.Test(t, func(*testing.T) { wrong, log = playHistory(seed, draw, wall) })
		var text strings.Builder
		for _, p := range wrong {
			text.WriteString("  " + p.text + "\n")
		}
		mu.Lock()
		defer mu.Unlock()
		failures[draw] = text.String() + log
		return len(wrong) == 0
	})
	if failed {
		t.Errorf("PROPERTY_SEED=%d PROPERTY_HISTORY=%d:\n%s", seed, draw, failures[draw])
	}
}

// In one history of so many, the wall clock is set and the machine is suspended. The
// clock is that of the whole process.
const stepsEvery = 4

var simulating sync.RWMutex

// era is a time in which the world and the faults stay the same.
type era struct {
	from time.Time
	// suspended is for how long the machine had been suspended before.
	suspended time.Duration
	world     world
	faults    []fault
}

// history is one draw.
type history struct {
	*drawing
	settings settings
	holders  []string
	eras     []era
	log      strings.Builder

	// wall is the clock of the exporter's machine, which was suspended for a time. The
	// clock of AWS is that of the bubble.
	wall      *clocktest.Wall
	steps     bool
	suspended time.Duration

	simulation *simulation
	shards     []*shard

	mu      sync.Mutex
	config  *config.Config
	session string // assume_role.session_name, which reloads change
	// previous is the configuration before the findings to count changed, at replacedAt.
	previous   *config.Config
	replacedAt time.Time
}

// shard is one process of the exporter.
type shard struct {
	app.Shard
	exporter   *collector.Exporter
	supervisor *app.Supervisor
	stop       func()
}

func playHistory(seed, draw uint64, wall *clocktest.Wall) ([]problem, string) {
	h := &history{drawing: newDrawing(seed, 1<<40+draw), session: "first", wall: wall, steps: draw%stepsEvery == 1}
	w := h.structure()
	h.settings, h.holders = h.configure(w)
	h.settings.set("stale_after", "", staleAfter.String())
	if draw%8 > 0 && !h.silent() { // in others, most lists and counts repeat the last
		h.settings.set("accounts", "refresh", slow.String())
		h.settings.set("findings", "interval", slow.String())
	}
	if draw%3 == 0 {
		h.settings.set("assume_role", "enter", config.EnterUncovered)
	}
	for _, part := range w.parts() {
		disableOrphans(part, h.holders)
	}
	if h.large {
		h.enlarge(w)
	}
	h.populate(w, h.holders)
	h.simulation = newSimulation(w)
	defer h.simulation.close()
	h.enter(era{world: w})
	h.shards = []*shard{{Shard: app.Unsharded}}
	if draw%4 == 0 {
		h.shards = []*shard{{Shard: app.Shard{Index: 0, Total: 2}}, {Shard: app.Shard{Index: 1, Total: 2}}}
	}
	for _, s := range h.shards {
		if err := h.start(s); err != nil {
			return []problem{{"start", err.Error()}}, h.log.String()
		}
		defer func() { s.stop() }()
	}
	for range h.number(3, 8) {
		wrong := h.happen()
		if wrong = append(wrong, h.check()...); len(wrong) > 0 {
			return wrong, h.log.String()
		}
	}
	h.enter(era{world: h.now().world})
	h.pass(quiet)
	return h.checkComplete(), h.log.String()
}

// silent reports whether every count is a full one.
func (h *history) silent() bool { return (&scenario{settings: h.settings}).silent() }

func (h *history) worlds() []world {
	var all []world
	for _, e := range h.eras {
		all = append(all, e.world)
	}
	return all
}

func (h *history) now() era { return h.eras[len(h.eras)-1] }

func (h *history) say(format string, args ...any) {
	fmt.Fprintf(&h.log, "%s %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
}

// enter begins an era.
func (h *history) enter(e era) {
	e.from, e.suspended = time.Now(), h.suspended
	if len(h.eras) == 0 || e.world != h.now().world {
		h.say("world:\n%s", indent(e.world.String()))
	}
	h.say("faults: %v", e.faults)
	h.eras = append(h.eras, e)
	h.simulation.set(e.world, e.faults)
}

// start starts a shard with nothing known.
func (h *history) start(s *shard) error {
	ctx, cancel := context.WithCancel(context.Background())
	s.exporter = collector.New()
	supervisor, err := app.NewSupervisor(ctx, h.load, app.Options{
		Exporter: s.exporter, Logger: slog.New(slog.DiscardHandler), Shard: s.Shard, Dial: h.simulation.pipe.DialContext,
	})
	if err != nil {
		cancel()
		return err
	}
	ended := make(chan struct{})
	go func() { defer close(ended); supervisor.Run(ctx) }()
	s.supervisor, s.stop = supervisor, func() { cancel(); <-ended }
	return nil
}

func (h *history) load() (*config.Config, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.config == nil { // once, as parsing takes as long as a call
		var err error
		if h.config, err = h.settings.parse(); err != nil {
			return nil, err
		}
	}
	c := *h.config
	c.AssumeRole.SessionName = h.session
	return &c, nil
}

// happen is the next thing that happens, and the time until the one after. It returns
// what is wrong in between.
func (h *history) happen() []problem {
	if h.steps && h.percent(40) {
		h.stepClock()
		return nil
	}
	switch n := h.IntN(100); {
	case n < 15:
		h.changeUnseen()
	case n < 20:
		h.enter(era{world: h.changeFindings(h.now().world, time.Now(), h.silent()), faults: h.now().faults})
	case n < 35:
		h.enter(era{world: h.change(h.now().world, time.Now(), h.holders, true), faults: h.now().faults})
	case n < 55:
		h.enter(era{world: h.now().world, faults: h.faults(h.now().world)})
	case n < 65:
		h.enter(era{world: h.change(h.now().world, time.Now(), h.holders, true), faults: h.faults(h.now().world)})
	case n < 75:
		h.enter(era{world: h.now().world})
	case n < 78:
		h.restart(pick(h.drawing, h.shards...))
	case n < 82:
		return h.restartThrottled()
	default:
		h.reloads()
		return nil
	}
	h.pass(time.Duration(h.number(1, 15*60)) * time.Second)
	return nil
}

func (h *history) restart(s *shard) {
	h.say("restart of shard %d", s.Index)
	s.stop()
	if err := h.start(s); err != nil {
		panic(err) // it started before with the same configuration
	}
}

// restartThrottled restarts all shards, and AWS throttles their first calls. After their
// first sweep everything is known.
func (h *history) restartThrottled() []problem {
	h.enter(era{world: h.now().world, faults: []fault{{
		kind: simaws.Throttled, service: "access-analyzer", operation: "ListAnalyzers", times: h.number(1, 4),
	}}})
	for _, s := range h.shards {
		h.restart(s)
	}
	h.pass(firstSweep)
	return h.checkComplete()
}

// stepClock suspends the machine, while the organization changes, or sets its clock.
func (h *history) stepClock() {
	d := time.Duration(h.number(1, 5*60*60)) * time.Second
	switch h.IntN(3) {
	case 0:
		h.say("the clock is set forward by %s", d)
	case 1:
		h.say("the clock is set back by %s", d)
		d = -d
	default:
		faults := h.now().faults
		if h.percent(50) {
			faults = h.faults(h.now().world)
		}
		h.enter(era{world: h.change(h.now().world, time.Now(), h.holders, true), faults: faults})
		h.say("suspended for %s", d)
		h.suspended += d
	}
	h.wall.Step(d)
	h.pass(time.Duration(h.number(15, 15*60)) * time.Second)
}

// elapsed returns the time since a moment, with that of suspensions.
func (h *history) elapsed(e *era) time.Duration {
	return time.Since(e.from) + h.suspended - e.suspended
}

// changeUnseen changes the organization while a service fails that lists part of
// it, or all calls in Regions hang.
func (h *history) changeUnseen() {
	faults := []fault{{
		kind:    pick(h.drawing, simaws.AccessDenied, simaws.Throttled, simaws.ServiceError, simaws.Timeout),
		service: pick(h.drawing, "account", "account", "organizations", "access-analyzer"),
	}}
	h.enter(era{world: h.now().world, faults: faults})
	h.pass(time.Duration(h.number(0, 120)) * time.Second)
	w := h.now().world
	for range 3 {
		w = h.change(w, time.Now(), h.holders, true)
	}
	h.enter(era{world: w, faults: faults})
}

// reloads reloads every few seconds, with or without a change.
func (h *history) reloads() {
	every, times, change := time.Duration(h.number(1, 20))*time.Second, h.number(1, 60), h.percent(70)
	h.say("%d reloads, every %s, changes: %v", times, every, change)
	if h.percent(50) {
		h.changeStatuses()
	}
	for i := range times {
		if change {
			h.mu.Lock()
			h.session = fmt.Sprint("session-", i)
			h.mu.Unlock()
		}
		for _, s := range h.shards {
			if err := s.supervisor.Reload(context.Background()); err != nil {
				panic(err) // the configuration is valid
			}
		}
		h.pass(every)
	}
}

// changeStatuses changes which findings are counted. The next reload applies it.
func (h *history) changeStatuses() {
	c, err := h.load()
	if err != nil {
		panic(err) // it is valid
	}
	if !c.Findings.Enabled || h.previous != nil && time.Since(h.replacedAt) < oldest {
		return // check considers a single change
	}
	statuses := []string{"ACTIVE", "ARCHIVED"}
	if slices.Contains(c.Findings.Statuses, "ARCHIVED") {
		statuses = []string{"ACTIVE"}
	}
	h.say("findings.statuses: %v", statuses)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settings.set("findings", "statuses", statuses)
	h.previous, h.replacedAt, h.config = h.config, time.Now(), nil
}

func (h *history) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// check compares everything that is published with the eras that it may be from.
func (h *history) check() []problem {
	after, c := h.published()
	configs := h.configs(c)
	k := &checker{after: after}
	for _, c := range configs {
		for i, e := range h.eras {
			if i+1 == len(h.eras) || h.elapsed(&h.eras[i+1]) <= oldest {
				k.window = append(k.window, oracle{c, e.world, e.faults, clock.Now()})
			}
		}
	}
	k.oracle = k.window[len(k.window)-1]
	for p, v := range after.coverage {
		if !slices.Contains(simaws.DefaultRegions, p.region) && !k.mayBeExpected(p) {
			k.fail("%v is %v, and was not in scope for %s", p, v, oldest)
			continue
		}
		k.checkValue(p)
	}
	k.checkLabels(h.worlds(), false)
	k.checkAnalyzers()
	for key, got := range after.findings {
		a := k.oracle.analyzer(key)
		if a != nil && a.Status == "DISABLED" {
			continue // its last count stays
		}
		if !slices.ContainsFunc(k.window, func(o oracle) bool { a := o.analyzer(key); return a != nil && sameCounts(got, o.counts(a)) }) {
			k.fail("analyzer %v has the findings %v, and should have %v", key, got, k.wanted(key))
		}
	}
	k.checkPublic(h.sinceCounted(k.window, configs))
	return k.wrong
}

// configs are the configurations by which values may be published, the current one last.
func (h *history) configs(current *config.Config) []*config.Config {
	if h.previous == nil || time.Since(h.replacedAt) > oldest {
		return []*config.Config{current}
	}
	return []*config.Config{h.previous, current}
}

// mayBeExpected reports whether a requirement may be in scope: the lists of accounts and
// of Regions may be from different eras.
func (k *checker) mayBeExpected(p requirement) bool {
	account := func(o oracle) bool {
		return accesses(o.config)[p.access].Required && slices.ContainsFunc(o.inScope(), func(a *simaws.Account) bool { return a.ID == p.account })
	}
	region := func(o oracle) bool {
		a := o.account(p.account)
		return p.region == inventory.Global || a != nil && o.regionInScope(p.region) && slices.Contains(enabledRegions(a), p.region)
	}
	return slices.ContainsFunc(k.window, account) && slices.ContainsFunc(k.window, region)
}

// sinceCounted returns the function that has the eras whose count of an analyzer
// may be published. That of a disabled analyzer may be old.
func (h *history) sinceCounted(window []oracle, configs []*config.Config) func(analyzerKey) []oracle {
	current := window[len(window)-1]
	var all []oracle
	for _, c := range configs {
		for _, e := range h.eras {
			all = append(all, oracle{c, e.world, e.faults, current.now})
		}
	}
	return func(key analyzerKey) []oracle {
		if a := current.analyzer(key); a != nil && a.Status == "DISABLED" {
			return all
		}
		return window
	}
}

// checkComplete checks that what is published is exactly the present.
func (h *history) checkComplete() []problem {
	after, c := h.published()
	s := &scenario{shards: len(h.shards), settings: h.settings, steps: []step{{world: h.now().world}}, earlier: h.worlds()}
	return s.check(c, 0, nil, after)
}

func (h *history) published() (*published, *config.Config) {
	all := newPublished()
	c, err := h.load()
	if err != nil {
		panic(err) // it is valid
	}
	for _, shard := range h.shards {
		s := shard.exporter.Snapshot()
		if s == nil {
			continue
		}
		exposed, err := text(s)
		if err == nil {
			err = all.add(exposed)
		}
		if err != nil {
			panic(err)
		}
		all.noTargets = append(all.noTargets, s.NoTargets)
	}
	return all, c
}
