package property

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// scenario is one draw: a configuration and the steps of a simulated AWS.
type scenario struct {
	settings settings
	shards   int
	steps    []step
	// earlier are worlds before the first step, in a history.
	earlier []world
}

// step is one sweep, with the state of AWS and the faults during it.
type step struct {
	world  world
	faults []fault
	// reload replaces the pipeline before the sweep.
	reload bool
}

func newScenario(seed, draw uint64) *scenario {
	d := newDrawing(seed, draw)
	w := d.structure()
	s := &scenario{shards: 1}
	var holders []string
	s.settings, holders = d.configure(w)
	if draw%3 == 0 {
		s.settings.set("assume_role", "enter", config.EnterUncovered)
	}
	if d.percent(5) {
		s.shards = d.number(2, 3)
	}
	for _, part := range w.parts() {
		disableOrphans(part, holders)
	}
	if d.large {
		d.enlarge(w)
	}
	d.populate(w, holders)
	first := step{world: w}
	if d.percent(65) {
		first.faults = d.faults(w)
	}
	s.steps = append(s.steps, first)
	if first.faults != nil {
		s.steps = append(s.steps, step{world: w})
	}
	if d.percent(25) {
		s.steps = append(s.steps, step{world: w, faults: d.faults(w)})
	}
	if d.percent(35) {
		w = d.change(w, stepAt(len(s.steps)), holders, s.staleDisabled())
		changed := step{world: w}
		if d.percent(75) {
			changed.faults = d.faults(w)
		}
		s.steps = append(s.steps, changed, step{world: w})
	}
	if d.large {
		for range d.number(5, 7) {
			w = d.changeFindings(w, stepAt(len(s.steps)), s.silent())
			next := step{world: w}
			if d.percent(10) {
				next.faults = d.faults(w)
			}
			s.steps = append(s.steps, next)
		}
	}
	for i := range s.steps {
		s.steps[i].reload = i > 0 && d.percent(4)
	}
	return s
}

// staleDisabled reports whether the last known state is never used. Otherwise
// the organization, its accounts and Regions do not change, because the contract
// limits the age of the state of analyzers only.
func (s *scenario) staleDisabled() bool {
	_, ok := s.settings["stale_after"]
	return ok
}

// silent reports whether findings may change without a new time of update. An
// incremental count misses that until findings.full_interval is over.
func (s *scenario) silent() bool { return s.settings["findings"]["full_interval"] == shortFullInterval }

// problem is something that is wrong with what was published.
type problem struct {
	// kind is the same for problems of one kind in different targets.
	kind, text string
}

// outcome is how a scenario ended.
type outcome struct {
	// step is the first sweep with problems; wrong has those.
	step  string
	wrong []problem
	counts
}

// play runs the scenario in a bubble of its own: time passes only while
// everything waits.
func (s *scenario) play(t *testing.T) (o outcome) {
	synctest.Test(t, func(*testing.T) { o = s.run() })
	return o
}

func (s *scenario) run() (o outcome) {
	c, err := s.settings.parse()
	if err != nil {
		return outcome{step: "configuration", wrong: []problem{{"configuration", err.Error()}}}
	}
	l := newSimulation(s.steps[0].world)
	defer l.close()
	var exporters []*exporter
	for i := range s.shards {
		exporters = append(exporters, l.newExporter(app.Shard{Index: i, Total: s.shards}))
	}
	defer func() {
		for _, e := range exporters {
			e.close()
		}
	}()
	var before *published
	for n, step := range s.steps {
		waitForStep(n)
		began := time.Now()
		l.set(step.world, step.faults)
		after, err := sweep(c, exporters, step.reload)
		if err != nil {
			return outcome{step: fmt.Sprint("sweep ", n+1), wrong: []problem{{"sweep", err.Error()}}}
		}
		if wrong := s.check(c, n, before, after); len(wrong) > 0 {
			slices.SortFunc(wrong, func(a, b problem) int { return strings.Compare(a.text, b.text) })
			return outcome{step: fmt.Sprint("sweep ", n+1), wrong: wrong}
		}
		o.counts.add(countsOf(after, l, oracle{config: c, world: step.world}, began))
		before = after
	}
	return o
}

const (
	// interval is the time between two steps, long enough for roles that could
	// not be assumed to be due again, and for the steps of a draw together
	// shorter than the default of stale_after.
	interval = 4 * time.Minute
	// leastPause follows a sweep that took longer. Lists that are read in one step are
	// too old in the next if stale state is disabled: accounts.refresh and sweep.timeout
	// are over.
	leastPause = 3*time.Minute + time.Second
)

// stepAt is when a step begins if the one before ended in time.
func stepAt(n int) time.Time { return start.Add(time.Duration(n) * interval) }

func waitForStep(n int) {
	if n > 0 {
		time.Sleep(max(time.Until(stepAt(n)), leastPause))
	}
}

// sweep lets every shard sweep once.
func sweep(c *config.Config, exporters []*exporter, reload bool) (*published, error) {
	all := newPublished()
	for _, e := range exporters {
		if e.pipeline == nil || reload {
			if err := e.load(c); err != nil {
				return nil, err
			}
		}
		if err := e.sweep(); err != nil {
			return nil, err
		}
		all.noTargets = append(all.noTargets, e.snapshot.NoTargets)
		if err := all.add(e.exposed); err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, e.exposed)
		}
	}
	return all, nil
}

// window are the steps whose state may be published: this one and, unless stale
// state is disabled, those since the last step without faults.
func (s *scenario) window(n int) []step {
	first := n
	for !s.staleDisabled() && first > 0 && s.steps[first].faults != nil {
		first--
	}
	return s.steps[first : n+1]
}

// checker compares what one sweep published with the oracle.
type checker struct {
	scenario *scenario
	n        int
	oracle   oracle
	// window has the oracles of the steps whose state may be published.
	window        []oracle
	before, after *published
	wrong         []problem
}

func (s *scenario) check(c *config.Config, n int, before, after *published) []problem {
	now := clock.Now()
	k := &checker{scenario: s, n: n, before: before, after: after}
	for _, w := range s.window(n) {
		k.window = append(k.window, oracle{c, w.world, w.faults, now})
	}
	k.oracle = k.window[len(k.window)-1]
	for _, series := range after.twice {
		k.fail("two shards have %s", series)
	}
	expected := k.oracle.expected()
	k.checkUnexpected(expected)
	for p, exemptions := range expected {
		if len(exemptions) > 0 {
			k.checkExempt(p, exemptions)
		} else {
			k.checkCoverage(p)
		}
	}
	k.checkScope()
	k.checkLabels(s.worlds(n), s.earlier == nil && s.steps[n].faults == nil)
	k.checkAnalyzers()
	if c.Findings.Enabled {
		k.checkFindings()
		k.checkPublic(k.sinceCounted)
	} else if len(after.findings) > 0 {
		k.fail("findings are published, and counting is disabled")
	}
	return k.wrong
}

func (k *checker) fail(format string, args ...any) {
	k.wrong = append(k.wrong, problem{format, fmt.Sprintf(format, args...)})
}

// checkUnexpected checks the series that are not expected.
func (k *checker) checkUnexpected(expected map[requirement][]config.Exemption) {
	for p, v := range k.after.coverage {
		exemptions, ok := expected[p]
		switch {
		case len(exemptions) > 0:
			k.fail("%v is %v, and exempt", p, v)
		case k.assumed(p) && !ok:
			k.checkCoverage(p)
		case !ok && !k.lingers(p):
			k.fail("%v is %v, and no coverage is required", p, v)
		}
	}
	for p, reason := range k.after.exempt {
		exemptions, ok := expected[p]
		if len(exemptions) == 0 && k.mayExist(p) {
			exemptions = k.oracle.exemptions(p)
		}
		if len(exemptions) == 0 && (ok || !k.lingers(p)) {
			k.fail("%v is exempt (%s), and should not be", p, reason)
		}
	}
}

// assumed reports whether the exporter assumes the Region for an account whose
// Regions cannot be listed: those that are enabled by default. Most of them are
// not in the worlds that are drawn, which keeps these small.
func (k *checker) assumed(p requirement) bool {
	a := k.oracle.account(p.account)
	return a != nil && !k.oracle.regionsKnown(a) && slices.Contains(simaws.DefaultRegions, p.region)
}

// mayExist reports whether the exporter cannot rule out the target: one that it assumes,
// that regions.include names or whose Region was enabled before, or an account that may
// have left or is in a state that it does not know. An exemption then decides: without it,
// coverage would be unknown.
func (k *checker) mayExist(p requirement) bool {
	a := k.oracle.account(p.account)
	switch {
	case a == nil:
		return false
	case !k.oracle.listed():
		return true
	case inUnknownState(a) && slices.Contains(enabledRegions(a), p.region):
		return true
	case k.oracle.regionsKnown(a):
		return false
	}
	return p.region == inventory.Global || k.assumed(p) || slices.Contains(k.oracle.config.Regions.Include, p.region) || k.wasEnabled(p)
}

// wasEnabled reports whether the Region of the target was enabled until now.
func (k *checker) wasEnabled(p requirement) bool {
	return slices.ContainsFunc(k.scenario.worlds(k.n), func(w world) bool {
		_, a := w.of(p.account)
		return a != nil && slices.Contains(enabledRegions(a), p.region)
	})
}

// lingers reports whether a target that was removed may still be published: a
// list is kept until it can be read again.
func (k *checker) lingers(p requirement) bool {
	if k.before == nil {
		return false
	}
	if a := k.oracle.account(p.account); k.oracle.listed() && (a == nil || k.oracle.regionsKnown(a)) {
		return false
	}
	return k.before.has(p)
}

// has reports whether the target of a requirement is published.
func (p *published) has(at requirement) bool {
	_, ok := p.success[target{at.account, at.region}]
	return ok
}

func (k *checker) checkExempt(p requirement, exemptions []config.Exemption) {
	reason, ok := k.after.exempt[p]
	if !ok {
		if k.after.has(p) {
			k.fail("%v is exempt, and has no exemption series", p)
		} else {
			k.checkError(p)
		}
		return
	}
	i := slices.IndexFunc(exemptions, func(e config.Exemption) bool { return e.Reason == reason })
	if i < 0 {
		k.fail("%v is exempt for the reason %q, which is none of %v", p, reason, exemptions)
		return
	}
	until, ok := k.after.until[p]
	if !slices.ContainsFunc(exemptions, func(e config.Exemption) bool {
		return e.Reason == reason && ok == !e.Until.IsZero() && (!ok || until == float64(e.Until.Unix()))
	}) {
		k.fail("%v is exempt until %v, which is none of %v", p, until, exemptions)
	}
}

func (k *checker) checkCoverage(p requirement) {
	_, ok := k.after.coverage[p]
	switch {
	case ok:
		k.checkValue(p)
	case k.oracle.determinable(p):
		k.fail("%v is absent (%q), and can be determined: %s", p, k.after.errors[target{p.account, p.region}], describe(k.oracle.covering(p)))
	case k.usable(p):
		k.fail("%v is absent (%q), and was known one sweep ago", p, k.after.errors[target{p.account, p.region}])
	default:
		k.checkError(p)
	}
}

// checkValue checks a value that is published.
func (k *checker) checkValue(p requirement) {
	switch v := k.after.coverage[p]; v {
	case 1:
		// 1 combines the list of accounts and that of analyzers, each from a step of
		// its own.
		if !slices.ContainsFunc(k.window, func(o oracle) bool {
			return slices.ContainsFunc(k.window, func(of oracle) bool { return len(o.coveringOf(of.world, p)) > 0 })
		}) {
			k.fail("%v is 1, and nothing covers it", p)
		}
	case 0:
		// 0 combines state of many targets, each from a step of its own.
		always := k.oracle.holders(p)
		for _, o := range k.window {
			now := o.holders(p)
			for t := range always {
				if !now[t] {
					delete(always, t)
				}
			}
		}
		if len(always) > 0 {
			k.fail("%v is 0, and covered, or maybe covered, by %s", p, describe(append(k.oracle.covering(p), k.oracle.undefined(p)...)))
		}
	default:
		k.fail("%v is %v", p, v)
	}
}

// usable reports whether the last known coverage must still be published.
func (k *checker) usable(p requirement) bool {
	if k.scenario.staleDisabled() || k.before == nil {
		return false
	}
	now, then := k.scenario.steps[k.n], k.scenario.steps[k.n-1]
	_, known := k.before.coverage[p]
	// State of a step with faults may have been stale already, and a change since
	// then invalidates it.
	return known && then.faults == nil && then.world == now.world && !now.reload
}

// checkError checks that an absent series has a published error: of the target,
// of the account if its Regions are unknown, or of discovery if the account is
// unknown.
func (k *checker) checkError(p requirement) {
	at, whole := target{p.account, p.region}, target{p.account, inventory.Global}
	switch {
	case k.after.has(p):
		if k.after.success[at] || len(k.after.errors[at]) == 0 {
			k.fail("%v is absent, and its target has success %v and errors %q", p, k.after.success[at], k.after.errors[at])
		}
	case k.after.has(requirement{p.account, inventory.Global, p.access}) && !k.after.success[whole] && len(k.after.errors[whole]) > 0:
	case k.after.discovered || len(k.after.errors) == 0:
		k.fail("%v is absent, its target is not published, the account has success %v and errors %q, and discovery has success %v and errors %q",
			p, k.after.success[whole], k.after.errors[whole], k.after.discovered, k.after.errors)
	}
}

// checkScope checks that a scope without targets is reported, with the key that
// excludes them. A shard may have no accounts.
func (k *checker) checkScope() {
	accounts, c := k.oracle.inScope(), k.oracle.config
	unknown := func(a *simaws.Account) bool { return !k.oracle.regionsKnown(a) }
	if slices.ContainsFunc(k.oracle.world.home.Accounts, inUnknownState) {
		return // it may be in scope
	}
	if k.scenario.shards > 1 || !k.oracle.listed() || slices.ContainsFunc(accounts, unknown) {
		return
	}
	want := ""
	switch {
	case slices.ContainsFunc(accounts, k.hasTarget):
	case len(accounts) > 0 && len(c.Regions.Include) > 0:
		want = "regions.include"
	case len(accounts) > 0:
		want = "regions.exclude"
	case len(c.Accounts.Include) > 0:
		want = "accounts.include"
	default:
		want = "accounts.exclude"
	}
	if got := k.after.noTargets[0]; got != want {
		k.fail("the key that excludes every target is %q, and should be %q", got, want)
	}
}

// hasTarget reports whether a Region of the account is in scope.
func (k *checker) hasTarget(a *simaws.Account) bool {
	return slices.ContainsFunc(enabledRegions(a), k.oracle.regionInScope)
}

// checkAnalyzers compares the status of every analyzer that is published.
func (k *checker) checkAnalyzers() {
	for key, status := range k.after.status {
		if !slices.ContainsFunc(k.window, func(o oracle) bool { a := o.analyzer(key); return a != nil && a.Status == status }) {
			k.fail("analyzer %v is %s, and never had that status", key, status)
		}
	}
}

func (o oracle) analyzer(key analyzerKey) *simaws.Analyzer {
	for _, a := range o.world.analyzers() {
		if (analyzerKey{a.AccountID, a.Region, a.Name}) == key {
			return a
		}
	}
	return nil
}

func (k *checker) checkFindings() {
	for key := range k.after.findings {
		if _, counted := k.after.counted[key]; !counted {
			k.fail("analyzer %v has findings without a time at which they were counted", key)
		}
	}
	for key := range k.after.counted {
		got := k.after.findings[key]
		if !slices.ContainsFunc(k.sinceCounted(key), func(o oracle) bool { a := o.analyzer(key); return a != nil && sameCounts(got, o.counts(a)) }) {
			k.fail("analyzer %v has the findings %v, and should have %v", key, got, k.wanted(key))
		}
	}
	for _, a := range k.oracle.world.analyzers() {
		skipped := func(o oracle) bool { return o.maySkip(a.AccountID, a.Region) }
		key := analyzerKey{a.AccountID, a.Region, a.Name}
		_, counted := k.after.counted[key]
		if !counted && k.oracle.countable(a) && !slices.ContainsFunc(k.window, skipped) {
			k.fail("the findings of analyzer %v are absent, and could be counted", key)
		}
	}
}

// sinceCounted are the steps whose count may be published. An analyzer that AWS
// has disabled keeps its last count even without faults, unless stale state is
// disabled.
func (k *checker) sinceCounted(key analyzerKey) []oracle {
	a := k.oracle.analyzer(key)
	if a == nil || a.Status != "DISABLED" || k.scenario.staleDisabled() {
		return k.window
	}
	var all []oracle
	for _, step := range k.scenario.steps[:k.n+1] {
		all = append(all, oracle{config: k.oracle.config, world: step.world})
	}
	return all
}

func (k *checker) wanted(key analyzerKey) map[finding]float64 {
	if a := k.oracle.analyzer(key); a != nil {
		return k.oracle.counts(a)
	}
	return nil
}

func sameCounts(a, b map[finding]float64) bool {
	if len(a) != len(b) {
		return false
	}
	for key, n := range a {
		if m, ok := b[key]; !ok || m != n {
			return false
		}
	}
	return true
}

// String describes the scenario for the report of a failure.
func (s *scenario) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "config.yaml, %d shard(s):\n%s", s.shards, indent(s.settings.text()))
	for n, step := range s.steps {
		fmt.Fprintf(&b, "sweep %d", n+1)
		if step.reload {
			b.WriteString(", after a reload")
		}
		b.WriteString(":\n")
		if n == 0 || step.world != s.steps[n-1].world {
			b.WriteString(indent(step.world.String()))
		}
		for _, f := range step.faults {
			fmt.Fprintf(&b, "  fault: %s\n", f)
		}
	}
	return b.String()
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

func (w world) String() string {
	var b strings.Builder
	for _, part := range w.parts() {
		if o := part.Organization; o != nil {
			fmt.Fprintf(&b, "organization %s: management account %s, delegated administrators %v\n", o.ID, o.ManagementID, o.DelegatedAdmins)
		}
		fmt.Fprintf(&b, "pages %v, quirks %+v\n", part.PageSizes, part.Quirks)
		if part.Caller.Actions != nil {
			fmt.Fprintf(&b, "the caller may %q\n", part.Caller.Actions)
		}
		for _, a := range part.Accounts {
			fmt.Fprintf(&b, "account %s (%s) %s", a.ID, a.Name, a.State)
			if a.Standalone {
				b.WriteString(" standalone")
			}
			for _, r := range a.Regions {
				fmt.Fprintf(&b, " %s:%s", r.Name, r.Status)
			}
			for _, r := range a.Roles {
				fmt.Fprintf(&b, " role:%+v", *r)
				if r.Actions == nil {
					b.WriteString(" that may do everything")
				}
			}
			b.WriteString("\n")
		}
		b.WriteString(describe(part.Analyzers))
		b.WriteString("\n")
	}
	return b.String()
}

func describe(analyzers []*simaws.Analyzer) string {
	if len(analyzers) == 0 {
		return "covered by nothing"
	}
	var lines []string
	for _, a := range analyzers {
		line := fmt.Sprintf("analyzer %s %s %s, created %s", a.ARN(), a.Type, a.Status, a.CreatedAt.Format(time.TimeOnly))
		if a.Unused != nil && a.Unused.Exclusions != nil {
			line += fmt.Sprintf(" exclusions:%+v", a.Unused.Exclusions)
		}
		if a.RawConfiguration != nil {
			line += " configuration:" + string(a.RawConfiguration)
		}
		if a.Internal != nil {
			line += fmt.Sprintf(" inclusions:%+v", a.Internal.Inclusions)
		}
		if len(a.Findings) > 0 {
			line += fmt.Sprintf(" findings:%d", len(a.Findings))
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
