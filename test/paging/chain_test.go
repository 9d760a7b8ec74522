package paging

import (
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// offset is how far the evaluations are from whole minutes.
const offset = 17 * time.Second

// chain is exporters, Prometheus and Alertmanager in virtual time.
type chain struct {
	t            testing.TB
	exporters    []*exporter
	prometheus   *prometheus
	alertmanager *alertmanager
	oracle       *oracle
	// prometheusDown is how many more minutes Prometheus is down.
	prometheusDown int
	// evaluated is whether the rules were evaluated in this minute.
	evaluated bool
	// minute is the number of the current minute.
	minute int
}

// files are the rules and the configuration of Alertmanager.
type files struct{ rules, alertmanager text }

func shipped(t testing.TB) files {
	t.Helper()
	read := func(path string) text {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text(b)
	}
	return files{read(rulesFile), read(alertmanagerFile)}
}

// inVirtualTime runs f with a chain whose exporters are given.
func inVirtualTime(t *testing.T, f files, exporters []*exporter, run func(*chain)) *chain {
	t.Helper()
	c := &chain{t: t, exporters: exporters}
	synctest.Test(t, func(t *testing.T) {
		c.t = t
		time.Sleep(offset)
		c.alertmanager = newAlertmanager(t, string(f.alertmanager))
		c.prometheus = newPrometheus(t, f.rules, c.alertmanager.receive, groups(exporters)...)
		c.oracle = newOracle(exporters)
		defer c.alertmanager.stop()
		run(c)
		synctest.Wait()
	})
	return c
}

// scrape appends what the exporters expose.
func (c *chain) scrape(now time.Time) {
	for _, e := range c.exporters {
		for shard, m := range e.shards {
			target := e.cluster + e.job + e.replica + strconv.Itoa(shard)
			c.prometheus.db.scrape(c.t, target, now, e.exposition(shard, m, e.instance(shard), now))
			c.prometheus.db.scrape(c.t, target+"-second", now, e.hung(now).exposition(shard, e.second, e.instance(shard)+"-second", now))
			var update []sample
			if e.updating && m == running {
				update = e.exposition(shard, running, e.instance(shard)+"-update", now)
			} else if e.updating {
				update = e.exposition(shard, starting, e.instance(shard)+"-update", now)
			}
			c.prometheus.db.scrape(c.t, target+"-update", now, update)
		}
	}
}

// groups are the groups of rules that the exporters need.
func groups(exporters []*exporter) []string {
	needed := []string{"access-analyzer-memory", "access-analyzer-coverage", "access-analyzer-exporter"}
	for _, e := range exporters {
		if e.series != nil {
			return nil // all
		}
		if len(e.analyzers) > 0 {
			needed = append(needed, "access-analyzer-public")
		}
	}
	return needed
}

// run lets minutes pass.
func (c *chain) run(minutes int) {
	c.t.Helper()
	for range minutes {
		now := time.Now()
		c.evaluated = c.prometheusDown == 0
		if !c.evaluated {
			if c.prometheusDown--; c.prometheusDown == 0 {
				c.prometheus.start()
			}
		} else {
			c.scrape(now)
			c.prometheus.evaluate(now)
			for _, err := range c.prometheus.errors {
				c.oracle.fail(now, "%s", err)
			}
			c.prometheus.errors = nil
		}
		synctest.Wait()
		c.oracle.observe(c, now)
		c.minute++
		time.Sleep(minute)
	}
}
