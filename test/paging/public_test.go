package paging

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/types"
)

// publicKey is a public resource of an account.
type publicKey struct{ job, cluster, owner, region, resource string }

// publicMemory is what is known of a public resource.
type publicMemory struct {
	// reporters are the analyzers that reported it.
	reporters map[string]reporting
	// lingers is until when a page may have what an analyzer that was created lately does
	// not report any more.
	lingers map[string]time.Time
	since   time.Time
	until   time.Time // after it ended, until when a page may still have it
	paged   bool
	shown   int       // for how many minutes it has been reported without a gap
	kept    bool      // the rules have the name of its account, and record it
	begun   time.Time // the rules may take it for one that began between since and then
}

// reporting is when an analyzer was created, and when it last reported a resource.
type reporting struct{ created, last time.Time }

func (m *publicMemory) open() bool { return len(m.reporters) > 0 }

// lingering is whether a page has it although no analyzer reports it.
func (m *publicMemory) lingering(at time.Time) bool {
	for _, until := range m.lingers {
		if at.Before(until) {
			return true
		}
	}
	return false
}

// publicLatency is latency, and the interval in which names of accounts are
// recorded.
const publicLatency = latency + 3*minute

// An analyzer that is re-created finds resources again within a day. What it, or the one
// before, last reported while it was young may stay on pages for this day.
const (
	day   = 24 * time.Hour
	young = 2 * time.Hour
)

func (m *publicMemory) due(now time.Time) bool {
	return m.open() && m.kept && now.Sub(m.begun) >= publicLatency
}

// learnPublic takes what analyzers report, and then what they do not report any more: what
// one ceases to report in the minute in which another begins stays public.
func (o *oracle) learnPublic(e *exporter, now time.Time) {
	reported := map[*analyzer]map[publicKey]bool{}
	reportedNow := map[publicKey]bool{}
	for _, a := range e.analyzers {
		if e.publishes(a.account) && a.counted() {
			reported[a] = o.reported(e, a, now)
			maps.Copy(reportedNow, reported[a])
		}
	}
	for a, current := range reported {
		for k, m := range o.public {
			r, before := m.reporters[a.reporter()]
			if k.job != e.job || k.cluster != e.cluster || !before || current[k] {
				continue
			}
			age := now.Sub(a.created)
			if !r.created.Equal(a.created) && age <= day {
				continue
			}
			if o.end(m, a.reporter(), now); age <= day && !r.last.After(a.created.Add(young)) {
				m.lingers[a.reporter()] = a.created.Add(day + latency)
			}
		}
	}
	for k, m := range o.public {
		if k.job != e.job || k.cluster != e.cluster {
			continue
		}
		listed := e.names[k.owner] != ""
		m.show(reportedNow[k], listed, now)
		if !listed && e.complete() && !reportedNow[k] {
			clear(m.lingers)
			for reporter := range m.reporters {
				o.end(m, reporter, now)
			}
		}
	}
}

// show is called once a minute. An account that is not listed has a name while findings
// about it are reported: what is out of sight before the name is recorded may begin later.
func (m *publicMemory) show(reported, listed bool, now time.Time) {
	if !reported {
		m.shown = 0
		return
	}
	if m.shown++; m.shown == 1 && !m.kept {
		m.begun = now
	}
	m.kept = m.kept || listed || m.shown >= recording
}

// reported takes what an analyzer reports.
func (o *oracle) reported(e *exporter, a *analyzer, now time.Time) map[publicKey]bool {
	current := map[publicKey]bool{}
	for f, s := range a.findings {
		if !f.public || s.archived {
			continue
		}
		k := publicKey{e.job, e.cluster, f.owner, a.region, f.resource}
		if f.resourceType == "AWS::IAM::Role" {
			k.region = "global"
		}
		current[k] = true
		m := o.public[k]
		if m == nil {
			m = &publicMemory{reporters: map[string]reporting{}, lingers: map[string]time.Time{}}
			o.public[k] = m
		}
		if !m.open() && !m.lingering(now) {
			m.since, m.paged, m.shown, m.kept = now, false, 0, false
		}
		delete(m.lingers, a.reporter())
		m.reporters[a.reporter()] = reporting{a.created, now}
	}
	return current
}

// reporter is an analyzer, or one of the same name that replaced it.
func (a *analyzer) reporter() string { return a.account + a.region + a.name }

func (o *oracle) end(m *publicMemory, reporter string, now time.Time) {
	if delete(m.reporters, reporter); !m.open() {
		m.until = o.until(now)
	}
}

// aboutPublic is whether an alert is about a public resource.
func aboutPublic(a *types.Alert, k publicKey, m *publicMemory) bool {
	l := a.Labels
	if l["alertname"] != "AccessAnalyzerPublicFinding" || string(l["job"]) != k.job || string(l["cluster"]) != k.cluster {
		return false
	}
	switch l["page"] {
	case "overflow":
		return true
	case "region":
		since, _ := strconv.ParseFloat(string(l["since"]), 64)
		at := time.Unix(int64(since), 0)
		return string(l["region"]) == k.region && !at.After(m.begun.Add(3*minute)) && m.since.Sub(at) <= minute
	}
	return string(l["account_id"]) == k.owner && string(l["region"]) == k.region && (string(l["resource"]) == k.resource || l["n"] != "")
}

// checkPublic: each public resource is paged, and its page stays until all
// analyzers that reported it report the end.
func (o *oracle) checkPublic(c *chain, active []*types.Alert, now time.Time) {
	sent := c.alertmanager.notifications()
	for k, m := range o.public {
		if !m.due(now) || now.Sub(o.back) <= publicLatency {
			continue
		}
		about := func(a *types.Alert) bool { return aboutPublic(a, k, m) }
		if !slices.ContainsFunc(active, about) {
			o.fail(now, "%v: no alert is active, although it is public since %s", k, m.since.UTC().Format("15:04"))
			clear(m.reporters) // once is enough
			continue
		}
		for i := len(sent) - 1; i >= 0 && !m.paged && !sent[i].at.Before(m.since); i-- {
			m.paged = sent[i].receiver == "page" && slices.ContainsFunc(sent[i].alerts, func(a *types.Alert) bool {
				return !a.ResolvedAt(sent[i].at) && about(a)
			})
		}
		if !m.paged {
			o.fail(now, "%v: no page, although it is public since %s", k, m.since.UTC().Format("15:04"))
			m.paged = true
		}
	}
}

// publicPage is whether a page is about a resource that is public, or was until
// lately.
func (o *oracle) publicPage(a *types.Alert, at time.Time) bool {
	for k, m := range o.public {
		if aboutPublic(a, k, m) && (m.open() || m.lingering(at) || !at.After(m.until)) {
			return true
		}
	}
	return false
}

// checkPublicResolved: a page is resolved only when all of its resources are.
func (o *oracle) checkPublicResolved(n notification, a *types.Alert) {
	for k, m := range o.public {
		if a.Labels["page"] != "overflow" && a.Labels["n"] == "" && m.due(n.at) && aboutPublic(a, k, m) {
			o.fail(n.at, "%v: false all-clear, public since %s: %s", k, m.since.UTC().Format("15:04"), strings.TrimSpace(n.String()))
		}
	}
}
