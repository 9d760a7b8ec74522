package paging

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing/synctest"
	"time"

	"github.com/prometheus/alertmanager/types"
	"github.com/prometheus/common/model"
)

// oracle follows the promises on pages. Its input are the facts that exporters
// published, and of the rules only the names of alerts and their labels.
type oracle struct {
	targets map[key]*memory
	public  map[publicKey]*publicMemory
	// hidden and blind are for how many minutes an open page cannot be verified, and
	// more than a tenth of the targets is unknown, by job.
	hidden, blind map[string]int
	// back is since when Prometheus evaluates without a gap, and last when it did last.
	back, last time.Time
	// before is the evaluation before the last one, and gap what was between back and the
	// evaluation before it.
	before time.Time
	gap    time.Duration
	// restored is whether this evaluation is the first after a gap in which the last
	// values are not found any more. It records what was uncovered as it was before.
	restored bool
	errors   []string
	read     int // notifications that were checked
	// opened has the number of pages of each job, alert and minute.
	opened map[string]int
	most   int // alerts at a time
}

type key struct {
	job, cluster string
	target
}

// memory is what is known of a target.
type memory struct {
	last     state // covered, uncovered or gone
	seen     bool
	since    time.Time // when it became uncovered
	lost     bool      // it was covered before
	minutes  int       // for how many it has been covered without a gap
	recorded bool      // it has been covered or uncovered for so long that the rules record it
	until    time.Time // after it ended, until when a page may still have it
	paged    bool
	now      state // as published now; unknown if it is not
	shown    int   // for how many minutes it has been published without a gap
	kept     bool  // it has been published for so long that the rules keep it while it is unknown
}

const (
	// Every so many minutes the rules record what is covered, and the names of accounts:
	// without one, an uncovered target is not recorded.
	recording = 3
	confirm   = 15 * minute
	// An evaluation, group_wait, and the interval in which the fact was published.
	latency = 3 * minute
	grace   = 2 * time.Hour
	// Alertmanager resolves an alert that it has not got for four times the delay, and
	// the last evaluation may not have sent it.
	forgotten = 3*resendDelay - minute
)

func newOracle(exporters []*exporter) *oracle {
	return &oracle{targets: map[key]*memory{}, public: map[publicKey]*publicMemory{}, hidden: map[string]int{}, blind: map[string]int{}, opened: map[string]int{}}
}

func (o *oracle) fail(now time.Time, format string, args ...any) {
	if len(o.errors) < 10 {
		o.errors = append(o.errors, now.UTC().Format("15:04 ")+fmt.Sprintf(format, args...))
	}
}

// observe is called once a minute, after evaluation.
func (o *oracle) observe(c *chain, now time.Time) {
	if !c.evaluated {
		o.back = time.Time{}
		return
	}
	if o.back.IsZero() {
		o.back, o.gap = now, 0
		if !o.last.IsZero() {
			o.gap = now.Sub(o.last)
		}
	}
	o.restored = o.back.Equal(now) && o.gap >= lookBack
	o.before, o.last = o.last, now
	for _, e := range c.exporters {
		if e.replica == "" {
			o.learn(e, now)
			o.learnPublic(e, now)
		}
	}
	active := c.alertmanager.active()
	o.most = max(o.most, len(active))
	if len(active) > 1000 {
		o.fail(now, "%d alerts", len(active))
	}
	o.checkActive(active, now)
	synctest.Wait() // for those of this moment
	sent := c.alertmanager.notifications()
	for _, n := range sent[o.read:] {
		o.checkNotification(n)
	}
	o.read = len(sent)
	o.checkPaged(c, now)
	o.checkPublic(c, active, now)
	o.checkSight(c, active, now)
}

// learn takes what the exporter publishes.
func (o *oracle) learn(e *exporter, now time.Time) {
	for tg := range e.facts {
		s, published := e.fact(tg), e.publishes(tg.account)
		k := key{e.job, e.cluster, tg}
		m := o.targets[k]
		if m == nil {
			m = &memory{last: gone}
			o.targets[k] = m
		}
		m.now = unknown
		if m.minutes++; s != covered || !published || o.back.Equal(now) {
			m.minutes = 0
		}
		m.recorded = m.recorded || m.minutes >= recording || m.last == uncovered
		if s == gone && !e.complete() || s != gone && !published || s == unknown {
			m.shown = 0
			continue
		}
		m.now = s
		m.shown++
		m.kept = m.kept || m.shown >= recording
		switch {
		case s == exempt || s == gone:
			if m.last == uncovered {
				m.until = o.until(now)
			}
			m.last, m.paged, m.recorded, m.kept = gone, false, false, false
		case s == covered && o.restored && m.last == uncovered:
		case s == covered:
			if m.last == uncovered {
				m.until = o.until(now)
			}
			m.last, m.paged = covered, false
		case m.last != uncovered:
			m.lost = m.last == covered && m.recorded
			m.last, m.since = uncovered, now
		}
		if s == covered || s == uncovered {
			m.seen = true
		}
	}
}

// until is until when a page may still have what ended now: Prometheus does not resolve what
// ends while it restarts, so that Alertmanager keeps it for four times the delay.
func (o *oracle) until(now time.Time) time.Time {
	if o.back.Equal(now) {
		return now.Add(4 * resendDelay)
	}
	return now.Add(latency)
}

// due is whether the page for a target must have been sent.
func (m *memory) due(now time.Time) bool {
	return m.last == uncovered && m.lost && now.Sub(m.since) >= confirm+latency
}

// about is whether an alert is about a target that was lost.
func about(a *types.Alert, k key, m *memory) bool {
	l := a.Labels
	if string(l["job"]) != k.job || string(l["cluster"]) != k.cluster || l["access"] != "external" || l["severity"] != "critical" {
		return false
	}
	if l["account_id"] != "" {
		return string(l["account_id"]) == k.account && string(l["region"]) == k.region
	}
	if l["page"] == "overflow" {
		return true
	}
	since, _ := strconv.ParseFloat(string(l["since"]), 64)
	at := time.Unix(int64(since), 0)
	return string(l["region"]) == k.region && !at.After(m.since) && m.since.Sub(at) <= minute
}

// checkActive: what was paged stays active until the exporter reports the end of it.
func (o *oracle) checkActive(active []*types.Alert, now time.Time) {
	if now.Sub(o.back) < 2*minute {
		return
	}
	for k, m := range o.targets {
		if m.due(now) && !slices.ContainsFunc(active, func(a *types.Alert) bool { return about(a, k, m) }) {
			o.fail(now, "%v: no alert is active, although it is uncovered since %s", k, m.since.UTC().Format("15:04"))
			m.last = gone // once is enough
		}
	}
}

// checkPaged: each loss has been notified to the page receiver.
func (o *oracle) checkPaged(c *chain, now time.Time) {
	for k, m := range o.targets {
		if !m.due(now) || m.paged {
			continue
		}
		for _, n := range slices.Backward(c.alertmanager.notifications()) {
			if n.receiver != "page" || n.at.Before(m.since) {
				continue
			}
			for _, a := range n.alerts {
				m.paged = m.paged || !a.ResolvedAt(n.at) && about(a, k, m)
			}
		}
		if !m.paged && now.Sub(o.back) > 3*minute {
			o.fail(now, "%v: no page, although it is uncovered since %s", k, m.since.UTC().Format("15:04"))
			m.paged = true
		}
	}
}

// checkNotification: what a page says is so.
func (o *oracle) checkNotification(n notification) {
	for _, a := range n.alerts {
		o.checkText(n, a)
		if n.receiver != "page" {
			continue
		}
		if a.ResolvedAt(n.at) {
			if n.at.Sub(o.before) < forgotten {
				o.checkResolved(n, a)
			}
			continue
		}
		o.checkFiring(n, a)
	}
	if n.receiver == "page" {
		o.checkFlood(n)
	}
}

func (o *oracle) checkFiring(n notification, a *types.Alert) {
	switch a.Labels["alertname"] {
	case "AccessAnalyzerRegionUncovered":
		if o.count(a, n.at) == 0 {
			o.fail(n.at, "a page about nothing: %s", n)
		}
	case "AccessAnalyzerOrganizationUncovered", "AccessAnalyzerNewTargetUncovered":
		some := false
		for k, m := range o.targets {
			some = some || k.job == string(a.Labels["job"]) && k.cluster == string(a.Labels["cluster"]) && (m.last == uncovered && n.at.Sub(m.since) >= confirm || !n.at.After(m.until))
		}
		if !some {
			o.fail(n.at, "a page about nothing: %s", n)
		}
	case "AccessAnalyzerPublicFinding":
		if !o.publicPage(a, n.at) {
			o.fail(n.at, "a page about nothing: %s", n)
		}
	case "AccessAnalyzerCoverageNotUpdated":
	default:
		o.fail(n.at, "an unknown page: %s", n)
	}
}

// count is how many lost targets the alert can be about.
func (o *oracle) count(a *types.Alert, at time.Time) int {
	n := 0
	for k, m := range o.targets {
		if (m.last == uncovered && at.Sub(m.since) >= confirm-minute || !at.After(m.until)) && about(a, k, m) {
			n++
		}
	}
	return n
}

// checkResolved: a page is resolved only when all of its targets are.
func (o *oracle) checkResolved(n notification, a *types.Alert) {
	o.checkPublicResolved(n, a)
	for k, m := range o.targets {
		if a.Labels["alertname"] == "AccessAnalyzerRegionUncovered" && m.due(n.at) && about(a, k, m) {
			o.fail(n.at, "%v: false all-clear, uncovered since %s: %s", k, m.since.UTC().Format("15:04"), n)
		}
	}
}

// checkFlood: at most one page for an exporter, alert and minute. Pages for single
// losses have a group each. What was due in a gap is sent after it.
func (o *oracle) checkFlood(n notification) {
	a := n.alerts[0]
	if n.alerts[len(n.alerts)-1].ResolvedAt(n.at) && a.ResolvedAt(n.at) {
		return
	}
	slot := fmt.Sprint(a.Labels["job"], a.Labels["cluster"], a.Labels["alertname"], n.at.Unix()/60)
	most := 2
	if n.at.Sub(o.back) < 2*minute {
		most += int(o.gap / minute)
	}
	if o.opened[slot]++; o.opened[slot] > most {
		o.fail(n.at, "%d pages in a minute: %s", o.opened[slot], n)
	}
}

func (o *oracle) checkText(n notification, a *types.Alert) {
	for name, text := range a.Annotations {
		for _, bad := range []string{"error expanding", "<no value>", "%!", "NaN", "1970"} {
			if strings.Contains(string(text), bad) {
				o.fail(n.at, "%s of %s: %s", name, a.Labels["alertname"], text)
			}
		}
	}
	description := string(a.Annotations["description"])
	for _, label := range []model.LabelName{"account_id", "account_name", "region", "resource"} {
		if v := string(a.Labels[label]); !strings.Contains(description, v) {
			o.fail(n.at, "the description of %s does not have %s %q: %s", a.Labels["alertname"], label, v, description)
		}
	}
}

// checkSight: loss of sight pages.
func (o *oracle) checkSight(c *chain, active []*types.Alert, now time.Time) {
	for _, e := range c.exporters {
		hidden, dark, all := 0, 0, 0
		for k, m := range o.targets {
			if k.job != e.job || k.cluster != e.cluster || m.last == gone || m.now == unknown && !m.kept {
				continue
			}
			all++
			if m.now == unknown {
				dark++
				if m.last == uncovered && now.Sub(m.since) >= confirm+latency {
					hidden++
				}
			}
		}
		id := e.job + e.cluster
		o.hidden[id], o.blind[id] = o.hidden[id]+1, o.blind[id]+1
		if hidden == 0 {
			o.hidden[id] = 0
		}
		if dark*10 <= all {
			o.blind[id] = 0
		}
		paged := slices.ContainsFunc(active, func(a *types.Alert) bool {
			return a.Labels["alertname"] == "AccessAnalyzerCoverageNotUpdated" && string(a.Labels["job"]) == e.job && string(a.Labels["cluster"]) == e.cluster
		})
		if !paged && (o.hidden[id] > 18 || o.blind[id] > 70) && now.Sub(o.back) > 65*minute {
			o.fail(now, "%s is out of sight for %d and %d minutes without a page", id, o.hidden[id], o.blind[id])
			o.hidden[id], o.blind[id] = -1000, -1000
		}
	}
}
