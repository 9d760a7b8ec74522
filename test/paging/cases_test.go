package paging

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// organization is an exporter of accounts × Regions in the same state.
func organization(job string, accounts, regions int, s state) *exporter {
	e := newExporter(job, 1)
	for a := range accounts {
		for r := range regions {
			e.add(target{id(a), region(r)}, s)
		}
	}
	return e
}

// exporterJob is selected by the alerts on the exporter.
const exporterJob = "access-analyzer-exporter"

func one(accounts, regions int) func() []*exporter {
	return func() []*exporter { return []*exporter{organization(exporterJob, accounts, regions, covered)} }
}

// lose makes the Region uncovered in some accounts.
func lose(e *exporter, r, from, to int) {
	for a := from; a < to; a++ {
		e.facts[target{id(a), region(r)}] = uncovered
	}
}

// pages are the notifications of the receiver: the minute, and the state and
// summary of each alert.
func (c *chain) pages(receiver string) []string {
	var all []string
	for _, n := range c.alertmanager.notifications() {
		if n.receiver != receiver {
			continue
		}
		line := fmt.Sprint(n.at.Sub(epoch).Truncate(minute).Minutes())
		for _, a := range n.alerts {
			if a.ResolvedAt(n.at) {
				line += " resolved:"
			}
			line += " " + string(a.Annotations["summary"])
		}
		all = append(all, line)
	}
	return all
}

// epoch is when virtual time starts.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// scenario is a history with all of its pages. The oracle checks it as well.
type scenario struct {
	name      string
	exporters func() []*exporter
	run       func(*chain)
	pages     []string
	// tickets are checked if they are not nil.
	tickets []string
}

var cases = slices.Concat(coverageCases, findingCases)

var coverageCases = []scenario{
	{
		name: "losses in a Region, later ones, then all", exporters: one(30, 2), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 5)
			c.run(30)
			lose(e, 0, 5, 14)
			c.run(30)
			lose(e, 1, 0, 9)
			c.run(30)
			lose(e, 0, 0, 30)
			lose(e, 1, 0, 30)
			c.run(20)
		},
		pages: []string{
			"25" + strings.Repeat(" Account name-1000000000%02d is not covered in eu-test-0", 5),
			"55" + strings.Repeat(" Account name-1000000000%02d is not covered in eu-test-0", 9),
			"85" + strings.Repeat(" Account name-1000000000%02d is not covered in eu-test-1", 9),
			"115 16 account(s) are not covered in eu-test-0 21 account(s) are not covered in eu-test-1",
		},
	},
	{
		name: "the exporter is down for 3 hours", exporters: one(20, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(20)
			e.shards[0] = failing
			c.run(180)
			e.shards[0] = running
			e.facts[target{id(0), region(0)}] = covered
			c.run(40)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"45 1 uncovered target(s) cannot be read (job access-analyzer-exporter)",
			"90 1 uncovered target(s) cannot be read (job access-analyzer-exporter) Coverage of 100% of the targets cannot be read (job access-analyzer-exporter)",
			"210 resolved: Account name-100000000000 is not covered in eu-test-0",
			"225 resolved: 1 uncovered target(s) cannot be read (job access-analyzer-exporter) resolved: Coverage of 100% of the targets cannot be read (job access-analyzer-exporter)",
		},
	},
	{
		// Recorded series have no stale markers then.
		name: "the exporter disappears while Prometheus restarts", exporters: one(20, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(20)
			c.prometheusDown = 2
			c.run(1)
			e.shards[0] = absent
			c.run(40)
			e.shards[0] = running
			c.run(20)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"47 1 uncovered target(s) cannot be read (job access-analyzer-exporter)",
			"87 resolved: 1 uncovered target(s) cannot be read (job access-analyzer-exporter)",
		},
	},
	{
		// In a minute in which the share of unknown targets is recorded.
		name: "a target comes into scope uncovered while others are unknown", exporters: one(15, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(66)
			e.facts[target{id(0), region(0)}] = unknown
			e.facts[target{id(1), region(0)}] = unknown
			c.run(24)
			e.add(target{id(20), region(0)}, uncovered)
			c.run(50)
		},
		pages: []string{"126 Coverage of 12.5% of the targets cannot be read (job access-analyzer-exporter)"},
	},
	{
		name: "the exporter is down for 20 minutes, and nothing is uncovered", exporters: one(20, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			e.shards[0] = failing
			c.run(20)
			e.shards[0] = running
			c.run(30)
		},
	},
	{
		name: "scrapes time out for 20 minutes while a page is open", exporters: one(20, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(20)
			e.shards[0] = failing
			c.run(20)
			e.shards[0] = running
			c.run(20)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"45 1 uncovered target(s) cannot be read (job access-analyzer-exporter)",
			"65 resolved: 1 uncovered target(s) cannot be read (job access-analyzer-exporter)",
		},
	},
	{
		// The rules on what was covered are evaluated in minute 12.
		name: "a loss during an outage of two hours is paged by itself", exporters: one(20, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(12)
			e.shards[0] = failing
			c.run(120)
			e.shards[0] = running
			lose(e, 0, 3, 4)
			c.run(30)
		},
		pages: []string{
			"72 Coverage of 100% of the targets cannot be read (job access-analyzer-exporter)",
			"147 Account name-100000000003 is not covered in eu-test-0",
			"147 resolved: Coverage of 100% of the targets cannot be read (job access-analyzer-exporter)",
		},
	},
	{
		name: "an exporter is Pending for hours, and another organization loses coverage", exporters: func() []*exporter {
			a, b := organization("access-analyzer-exporter-a", 20, 1, covered), organization("access-analyzer-exporter-b", 20, 1, covered)
			a.shards[0] = absent
			lose(a, 0, 0, 2)
			return []*exporter{a, b}
		}, run: func(c *chain) {
			c.run(70)
			lose(c.exporters[1], 0, 1, 2)
			c.run(110)
			c.exporters[0].shards[0] = running
			c.run(20)
			lose(c.exporters[0], 0, 5, 6)
			c.run(20)
		},
		pages: []string{
			"85 Account name-100000000001 is not covered in eu-test-0",
			"195 2 target(s) have not been covered by an external access analyzer since monitoring began",
			"215 Account name-100000000005 is not covered in eu-test-0",
		},
	},
	{
		name: "a new Region is not covered", exporters: one(5, 1), run: func(c *chain) {
			c.run(65)
			for a := range 5 {
				c.exporters[0].add(target{id(a), region(1)}, uncovered)
			}
			c.run(120)
		},
		pages: []string{"180 5 target(s) came into scope and are not covered by an external access analyzer"},
	},
	{
		name: "the reason of a target that cannot be read changes", exporters: func() []*exporter {
			e := organization(exporterJob, 40, 1, covered)
			e.series = func(add) {} // for all rules
			return []*exporter{e}
		}, run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			e.facts[target{id(0), region(0)}] = unknown
			for range 10 {
				c.run(5)
				e.reason = "timeout"
				c.run(2)
				e.reason = "throttled"
			}
			c.run(20)
		},
		tickets: []string{"76 Coverage of 1 target(s) cannot be read: throttled"},
	},
	{
		name: "restarts that complete no sweep", exporters: one(20, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 3, 4)
			c.run(20)
			for range 15 {
				e.shards[0] = starting
				c.run(3)
				e.shards[0] = failing
				c.run(1)
			}
		},
		pages: []string{
			"25 Account name-100000000003 is not covered in eu-test-0",
			"45 1 uncovered target(s) cannot be read (job access-analyzer-exporter)",
		},
	},
	{
		name: "a loss during restarts is paged", exporters: one(20, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			e.shards[0] = failing
			c.run(30)
			e.shards[0] = running
			lose(e, 0, 3, 4)
			c.run(2)
			e.shards[0] = starting
			c.run(8)
			e.shards[0] = running
			c.run(10)
		},
		pages: []string{"55 Account name-100000000003 is not covered in eu-test-0"},
	},
	{
		name: "two organizations, one exporter is not a target any more", exporters: func() []*exporter {
			return []*exporter{organization("access-analyzer-exporter-a", 20, 1, covered), organization("access-analyzer-exporter-b", 20, 1, covered)}
		}, run: func(c *chain) {
			c.run(10)
			lose(c.exporters[0], 0, 0, 1)
			c.run(20)
			c.exporters[0].shards[0] = absent
			c.run(10)
			lose(c.exporters[1], 0, 1, 2)
			c.run(20)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"45 1 uncovered target(s) cannot be read (job access-analyzer-exporter-a)",
			"55 Account name-100000000001 is not covered in eu-test-0",
		},
	},
	{
		name: "two clusters have the same job, and a shard of one is missing", exporters: func() []*exporter {
			a, b := organization(exporterJob, 4, 1, covered), organization(exporterJob, 4, 1, covered)
			a.cluster, b.cluster = "a", "b"
			a.shards, b.shards = make([]mode, 2), make([]mode, 2)
			return []*exporter{a, b}
		}, run: func(c *chain) {
			a := c.exporters[0]
			c.run(10)
			lose(a, 0, 0, 1)
			c.run(20)
			a.shards[0] = absent
			a.facts[target{id(0), region(0)}] = gone // cannot be seen
			c.run(10)
			a.shards[0] = running
			c.run(10)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"40 resolved: Account name-100000000000 is not covered in eu-test-0",
		},
	},
	{
		name: "standing gaps of two organizations, and a loss in one", exporters: func() []*exporter {
			a, b := organization("access-analyzer-exporter-a", 20, 1, covered), organization("access-analyzer-exporter-b", 20, 1, covered)
			lose(a, 0, 0, 3)
			lose(b, 0, 0, 2)
			return []*exporter{a, b}
		}, run: func(c *chain) {
			c.run(30)
			lose(c.exporters[1], 0, 7, 8)
			c.run(20)
		},
		pages: []string{
			"15 3 target(s) have not been covered by an external access analyzer since monitoring began",
			"15 2 target(s) have not been covered by an external access analyzer since monitoring began",
			"45 Account name-100000000007 is not covered in eu-test-0",
		},
	},
	{
		name: "an account is renamed while its page is open", exporters: one(5, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(20)
			e.names[id(0)] = "renamed"
			c.run(20)
		},
		pages: []string{"25 Account name-100000000000 is not covered in eu-test-0"},
	},
	{
		name: "a new account is not covered", exporters: one(5, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(65)
			e.add(target{id(7), region(0)}, uncovered)
			e.add(target{id(8), region(0)}, uncovered)
			c.run(30)
			e.facts[target{id(8), region(0)}] = covered // in time
			c.run(100)
		},
		pages: []string{"180 1 target(s) came into scope and are not covered by an external access analyzer"},
	},
	{
		name: "the clock of the exporter is an hour behind", exporters: func() []*exporter {
			e := organization(exporterJob, 5, 1, covered)
			e.clock = -time.Hour
			return []*exporter{e}
		}, run: func(c *chain) {
			c.run(10)
			lose(c.exporters[0], 0, 0, 1)
			c.run(20)
			c.exporters[0].facts[target{id(0), region(0)}] = covered
			c.run(10)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"30 resolved: Account name-100000000000 is not covered in eu-test-0",
		},
	},
	{
		name: "names of accounts are hostile", exporters: func() []*exporter {
			e := organization(exporterJob, 30, 1, covered)
			for i, name := range []string{`"quoted"`, `{{ .Labels }}`, `https://example.org/?a=b&c`, `back\slash`, "new\nline", "`"} {
				e.names[id(i)] = name
			}
			return []*exporter{e}
		}, run: func(c *chain) {
			c.run(10)
			lose(c.exporters[0], 0, 0, 6)
			c.run(20)
			lose(c.exporters[0], 0, 6, 30)
			c.run(20)
		},
		pages: []string{
			"25 Account \"quoted\" is not covered in eu-test-0 Account {{ .Labels }} is not covered in eu-test-0 Account https://example.org/?a=b&c is not covered in eu-test-0 Account back\\slash is not covered in eu-test-0 Account new\nline is not covered in eu-test-0 Account ` is not covered in eu-test-0",
			"45 24 account(s) are not covered in eu-test-0",
		},
	},
	{
		name: "an account is closed, another exempt, a third unknown", exporters: one(5, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(1)
			lose(e, 0, 1, 2)
			c.run(1)
			lose(e, 0, 2, 3)
			c.run(20)
			e.facts[target{id(0), region(0)}] = gone
			e.facts[target{id(1), region(0)}] = exempt
			e.facts[target{id(2), region(0)}] = unknown
			c.run(30)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"26 Account name-100000000001 is not covered in eu-test-0",
			"27 Account name-100000000002 is not covered in eu-test-0",
			"35 resolved: Account name-100000000000 is not covered in eu-test-0",
			"36 resolved: Account name-100000000001 is not covered in eu-test-0",
			"47 1 uncovered target(s) cannot be read (job access-analyzer-exporter)",
		},
	},
	{
		name: "a closed account does not return while the exporter restarts", exporters: one(5, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(20)
			e.facts[target{id(0), region(0)}] = gone
			c.run(20)
			e.shards[0] = starting
			c.run(20)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"30 resolved: Account name-100000000000 is not covered in eu-test-0",
		},
	},
	{
		name: "Prometheus restarts", exporters: one(5, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(20)
			c.prometheusDown = 3
			c.run(10)
			e.facts[target{id(0), region(0)}] = covered
			c.run(10)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"40 resolved: Account name-100000000000 is not covered in eu-test-0",
		},
	},
	{
		// Alertmanager resolves it 20 minutes after Prometheus last sent it.
		name: "a target is covered again while Prometheus restarts, and another later", exporters: one(5, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 2)
			c.run(20)
			c.prometheusDown = 1
			e.facts[target{id(0), region(0)}] = covered
			c.run(10)
			e.facts[target{id(1), region(0)}] = covered
			c.run(20)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0 Account name-100000000001 is not covered in eu-test-0",
			"40 Account name-100000000000 is not covered in eu-test-0 resolved: Account name-100000000001 is not covered in eu-test-0",
			"45 resolved: Account name-100000000000 is not covered in eu-test-0",
		},
	},
	{
		name: "losses of several minutes are due while Prometheus is down", exporters: one(5, 1), run: func(c *chain) {
			c.run(10)
			for a := range 3 {
				lose(c.exporters[0], 0, a, a+1)
				c.run(2)
			}
			c.prometheusDown = 16
			c.run(20)
		},
		pages: []string{
			"32 Account name-100000000000 is not covered in eu-test-0",
			"32 Account name-100000000001 is not covered in eu-test-0",
			"32 Account name-100000000002 is not covered in eu-test-0",
		},
	},
	{
		// A restart writes no stale markers: two pages and two names are visible.
		name: "Prometheus restarts while many targets are lost and accounts are renamed", exporters: one(30, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(1)
			for a := range 30 {
				e.names[id(a)] = "renamed"
			}
			lose(e, 0, 1, 30)
			c.prometheusDown = 1
			c.run(30)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"27 29 account(s) are not covered in eu-test-0",
		},
	},
	{
		name: "a target is lost again", exporters: one(5, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(20)
			e.facts[target{id(0), region(0)}] = covered
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(20)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"30 resolved: Account name-100000000000 is not covered in eu-test-0",
			"55 Account name-100000000000 is not covered in eu-test-0",
		},
	},
	{
		// Too short for the rules on what was covered, which are evaluated in minute 102.
		name: "a target is covered for a minute", exporters: one(5, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(90)
			e.facts[target{id(0), region(0)}] = covered
			c.run(1)
			lose(e, 0, 0, 1)
			c.run(20)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"100 resolved: Account name-100000000000 is not covered in eu-test-0",
			"116 Account name-100000000000 is not covered in eu-test-0",
		},
	},
	{
		name: "a target is covered for a minute, and lost while its exporter is down", exporters: one(5, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(90)
			e.facts[target{id(0), region(0)}] = covered
			c.run(1)
			e.shards[0] = absent
			c.run(20)
			lose(e, 0, 0, 1)
			e.shards[0] = running
			c.run(20)
		},
		pages: []string{
			"25 Account name-100000000000 is not covered in eu-test-0",
			"100 resolved: Account name-100000000000 is not covered in eu-test-0",
			"136 Account name-100000000000 is not covered in eu-test-0",
		},
	},
	{
		// What was recorded as unknown before the restart is visible for 5 minutes.
		name: "a target is read again while Prometheus restarts", exporters: one(5, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(20)
			e.facts[target{id(0), region(0)}] = unknown
			c.run(5)
			c.prometheusDown = 2
			c.run(2)
			e.facts[target{id(0), region(0)}] = uncovered
			c.run(20)
		},
		pages: []string{"25 Account name-100000000000 is not covered in eu-test-0"},
	},
	{
		name: "scrapes time out for 40 minutes", exporters: one(5, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(20)
			for range 20 {
				e.shards[0] = failing
				c.run(1)
				e.shards[0] = []mode{failing, running}[c.minute/2%2]
				c.run(1)
			}
		},
		pages: []string{"25 Account name-100000000000 is not covered in eu-test-0"},
	},
	{
		name: "a replica hangs with old facts", exporters: func() []*exporter {
			a, b := organization(exporterJob, 5, 1, covered), organization(exporterJob, 5, 1, covered)
			b.replica = "replica"
			return []*exporter{a, b}
		}, run: func(c *chain) {
			c.run(10)
			lose(c.exporters[0], 0, 0, 1)
			c.run(20)
		},
		pages: []string{"25 Account name-100000000000 is not covered in eu-test-0"},
	},
	{
		name: "an exporter is down, and the sweeps of another are stalled", exporters: func() []*exporter {
			a, b := organization("access-analyzer-exporter-a", 5, 1, covered), organization("access-analyzer-exporter-b", 5, 1, covered)
			b.clock = -2 * time.Hour
			return []*exporter{a, b}
		}, run: func(c *chain) {
			c.exporters[1].shards[0] = starting
			c.exporters[0].shards[0] = failing
			c.run(20)
			c.exporters[1].shards[0] = running
			c.run(10)
		},
		tickets: []string{
			"6 access-analyzer-exporter access-analyzer-exporter-a-0 cannot be scraped",
			"21 The coverage sweep is stalled (job access-analyzer-exporter-b)",
		},
	},
	{
		name: "more losses than pages", exporters: one(300, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			for i := range 7 {
				lose(e, 0, 15*i, 15*i+15)
				c.run(1)
			}
			c.run(22)
			lose(e, 0, 250, 251)
			c.run(5)
			lose(e, 0, 251, 252)
			c.run(20)
		},
		pages: slices.Concat(first100(), []string{
			"54 More targets lost external access coverage while many pages are open",
			"59 resolved: More targets lost external access coverage while many pages are open More targets lost external access coverage while many pages are open",
		}),
	},
	{
		name: "uncovered for less than 15 minutes", exporters: one(5, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			lose(e, 0, 0, 1)
			c.run(14)
			e.facts[target{id(0), region(0)}] = covered
			c.run(20)
		},
	},
}

// first100 are pages for 15 accounts a minute.
func first100() []string {
	var all []string
	for i := range 7 {
		page := fmt.Sprint(25 + i)
		for a := range 15 {
			page += fmt.Sprintf(" Account name-%s is not covered in eu-test-0", id(15*i+a))
		}
		all = append(all, page)
	}
	return all
}

// expand replaces %02d by 0, 1, 2 …, continued from page to page.
func expand(pages []string) []string {
	var all []string
	next := map[string]int{}
	for _, p := range pages {
		parts := strings.Split(p, "%02d")
		for i := range parts[:len(parts)-1] {
			region := parts[i+1][:strings.Index(parts[i+1], "-")+7]
			parts[i] += fmt.Sprintf("%02d", next[region])
			next[region]++
		}
		all = append(all, strings.Join(parts, ""))
	}
	return all
}

// sorted are the pages with those of the same minute in order.
func sorted(pages []string) []string {
	pages = slices.Clone(pages)
	slices.SortFunc(pages, func(a, b string) int {
		var m, n int
		_, _ = fmt.Sscan(a, &m)
		_, _ = fmt.Sscan(b, &n)
		if m != n {
			return m - n
		}
		return strings.Compare(a, b)
	})
	return pages
}

// problems are what a case shows to be wrong.
func problems(t *testing.T, f files, name string) []string {
	for _, test := range cases {
		if test.name != name {
			continue
		}
		c := inVirtualTime(t, f, test.exporters(), test.run)
		problems := c.oracle.errors
		if got, want := sorted(c.pages("page")), sorted(expand(test.pages)); !slices.Equal(got, want) {
			problems = append(problems, fmt.Sprintf("pages\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n")))
		}
		if got := sorted(c.pages("ticket")); test.tickets != nil && !slices.Equal(got, test.tickets) {
			problems = append(problems, fmt.Sprintf("tickets\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.tickets, "\n")))
		}
		return problems
	}
	t.Fatalf("no case is named %s", name)
	return nil
}

func TestCases(t *testing.T) {
	f := shipped(t)
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, problem := range problems(t, f, test.name) {
				t.Error(problem)
			}
		})
	}
}
