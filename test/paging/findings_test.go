package paging

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// analyzed is an exporter of covered accounts with an organization analyzer in each
// Region.
func analyzed(accounts, regions int) *exporter {
	e := organization(exporterJob, accounts, regions, covered)
	for r := range regions {
		e.analyze(id(0), region(r), "organization", epoch.Add(old))
	}
	return e
}

func oneAnalyzed(accounts, regions int) func() []*exporter {
	return func() []*exporter { return []*exporter{analyzed(accounts, regions)} }
}

// withTickets is oneAnalyzed with all rules.
func withTickets(accounts, regions int) func() []*exporter {
	return func() []*exporter {
		e := analyzed(accounts, regions)
		e.series = func(add) {}
		return []*exporter{e}
	}
}

// publish makes buckets of an account public.
func publish(a *analyzer, account, from, to int) {
	for n := from; n < to; n++ {
		a.find(bucket(id(account), n), time.Now())
	}
}

// isPublic is the summary of the page for a bucket.
func isPublic(account, n int) string {
	return fmt.Sprintf("%s of account name-%s is public", bucket(id(account), n).resource, id(account))
}

var findingCases = []scenario{
	{
		name: "an account is renamed while Prometheus restarts, and has new findings", exporters: withTickets(2, 1), run: func(c *chain) {
			e := c.exporters[0]
			e.analyzers[0].find(finding{id(1), "AWS::IAM::Role", "arn:aws:iam::1:role/r", false}, time.Now())
			c.run(130)
			c.prometheusDown = 2
			c.run(2)
			e.names[id(1)] = "renamed"
			for n := range 3 {
				e.analyzers[0].find(finding{id(1), "AWS::S3::Bucket", fmt.Sprint("arn:aws:s3:::b-", n), false}, time.Now())
			}
			c.run(20)
		},
		tickets: []string{"133 3 new external access finding(s) in eu-test-0"},
	},
	{
		name: "public buckets in one account, later in the same and in another", exporters: oneAnalyzed(3, 1), run: func(c *chain) {
			a := c.exporters[0].analyzers[0]
			c.run(10)
			publish(a, 1, 0, 1)
			c.run(10)
			publish(a, 1, 1, 2)
			c.run(10)
			publish(a, 2, 0, 1)
			c.run(10)
		},
		pages: []string{"10 " + isPublic(1, 0), "20 " + isPublic(1, 1), "30 " + isPublic(2, 0)},
	},
	{
		name: "a bucket is closed and another opened between two counts", exporters: oneAnalyzed(3, 1), run: func(c *chain) {
			a := c.exporters[0].analyzers[0]
			publish(a, 1, 0, 1)
			c.run(10)
			delete(a.findings, bucket(id(1), 0))
			publish(a, 1, 1, 2)
			c.run(10)
		},
		pages: []string{"0 " + isPublic(1, 0), "10 resolved: " + isPublic(1, 0), "10 " + isPublic(1, 1)},
	},
	{
		name: "an organization analyzer with public buckets is disabled", exporters: oneAnalyzed(3, 1), run: func(c *chain) {
			a := c.exporters[0].analyzers[0]
			publish(a, 1, 0, 2)
			c.run(10)
			a.status = "DISABLED"
			c.run(180)
			a.status = "ACTIVE"
			c.run(10)
		},
		pages: []string{"0 " + isPublic(1, 0) + " " + isPublic(1, 1)},
	},
	{
		name: "a bucket is archived in the minute in which another analyzer is counted", exporters: oneAnalyzed(3, 1), run: func(c *chain) {
			e := c.exporters[0]
			a, b := e.analyzers[0], e.analyze(id(1), region(0), "account", epoch.Add(old))
			b.uncounted = true
			publish(a, 1, 0, 1)
			publish(b, 1, 0, 1)
			c.run(10)
			a.archive()
			b.uncounted = false
			c.run(20)
		},
		pages: []string{"0 " + isPublic(1, 0)},
	},
	{
		name: "a bucket of an account that is not listed is seen for a minute, and later", exporters: oneAnalyzed(3, 1), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			publish(e.analyzers[0], 9, 0, 1)
			c.run(1)
			e.shards[0] = failing
			c.run(11)
			e.shards[0] = running
			c.run(10)
		},
		pages: []string{"24 arn:aws:s3:::bucket-100000000009-0 of account 100000000009 is public"},
	},
	{
		name: "a bucket of an account that is not listed is paged, and seen later", exporters: oneAnalyzed(3, 1), run: func(c *chain) {
			e := c.exporters[0]
			publish(e.analyzers[0], 9, 0, 1)
			c.run(1)
			e.shards[0] = failing
			c.run(20)
			e.shards[0] = running
			c.run(10)
		},
		pages: []string{"0 arn:aws:s3:::bucket-100000000009-0 of account 100000000009 is public"},
	},
	{
		name: "a bucket of a new analyzer is closed and opened within two hours", exporters: oneAnalyzed(3, 1), run: func(c *chain) {
			a := c.exporters[0].analyzers[0]
			a.created = time.Now()
			c.run(10)
			publish(a, 1, 0, 1)
			c.run(10)
			clear(a.findings)
			c.run(10)
			publish(a, 1, 0, 1)
			c.run(10)
		},
		pages: []string{"10 " + isPublic(1, 0)},
	},
	{
		name: "a closed bucket does not return when its analyzer is disabled", exporters: oneAnalyzed(3, 1), run: func(c *chain) {
			a := c.exporters[0].analyzers[0]
			publish(a, 1, 0, 1)
			c.run(10)
			clear(a.findings)
			c.run(10)
			a.status = "DISABLED"
			c.run(30)
		},
		pages: []string{"0 " + isPublic(1, 0), "10 resolved: " + isPublic(1, 0)},
	},
	{
		name: "an analyzer is replaced by one that archives everything", exporters: withTickets(3, 1), run: func(c *chain) {
			e := c.exporters[0]
			publish(e.analyzers[0], 1, 0, 1)
			c.run(70)
			e.analyzers[0].status = "" // deleted
			a := e.analyze(id(0), region(0), "replacement", time.Now())
			a.archiveRules = 1
			a.findings[bucket(id(1), 0)] = findingState{archived: true, created: time.Now()}
			c.run(90)
		},
		pages: []string{"0 " + isPublic(1, 0)},
		tickets: []string{
			"73 1 analyzer(s) in eu-test-0 have new archive rules",
		},
	},
	{
		name: "an analyzer is re-created under its own name", exporters: withTickets(20, 1), run: func(c *chain) {
			a := c.exporters[0].analyzers[0]
			publish(a, 1, 0, 1)
			for n := range 30 {
				a.findings[finding{id(n % 20), "AWS::KMS::Key", fmt.Sprint("key-", n), false}] = findingState{archived: n < 15, created: epoch}
			}
			c.run(70)
			before := a.findings
			a.created, a.findings = time.Now(), map[finding]findingState{}
			c.run(30)
			for f, s := range before {
				a.findings[f] = findingState{s.archived, time.Now()}
			}
			c.run(90)
		},
		pages:   []string{"0 " + isPublic(1, 0)},
		tickets: []string{},
	},
	{
		name: "a public bucket of a re-created analyzer is closed", exporters: oneAnalyzed(3, 1), run: func(c *chain) {
			a := c.exporters[0].analyzers[0]
			c.run(10)
			a.created = time.Now()
			c.run(180)
			publish(a, 1, 0, 1)
			c.run(10)
			clear(a.findings)
			c.run(10)
		},
		pages: []string{"190 " + isPublic(1, 0), "200 resolved: " + isPublic(1, 0)},
	},
	{
		name: "the exporter restarts, and Prometheus, while a bucket is public", exporters: oneAnalyzed(3, 1), run: func(c *chain) {
			e := c.exporters[0]
			publish(e.analyzers[0], 1, 0, 1)
			c.run(10)
			e.shards[0] = failing
			c.run(40)
			e.shards[0] = starting
			c.run(20)
			e.shards[0] = running
			e.analyzers[0].uncounted = true // findings are counted after coverage
			c.run(20)
			e.analyzers[0].uncounted = false
			c.prometheusDown = 8
			c.run(20)
			clear(e.analyzers[0].findings)
			c.run(10)
		},
		pages: []string{"0 " + isPublic(1, 0), "110 resolved: " + isPublic(1, 0)},
	},
	{
		name: "an account with a public bucket is closed while its analyzer is disabled", exporters: oneAnalyzed(3, 1), run: func(c *chain) {
			e := c.exporters[0]
			publish(e.analyzers[0], 1, 0, 1)
			c.run(10)
			e.analyzers[0].status = "DISABLED"
			c.run(10)
			delete(e.names, id(1))
			e.facts[target{id(1), region(0)}] = gone
			c.run(10)
		},
		pages: []string{"0 " + isPublic(1, 0), "20 resolved: " + isPublic(1, 0)},
	},
	{
		name: "two analyzers report a bucket, one archives it, the other is disabled", exporters: func() []*exporter {
			e := analyzed(3, 1)
			e.analyze(id(1), region(0), "account", epoch.Add(old))
			return []*exporter{e}
		}, run: func(c *chain) {
			e := c.exporters[0]
			publish(e.analyzers[0], 1, 0, 1)
			publish(e.analyzers[1], 1, 0, 1)
			c.run(10)
			e.analyzers[0].archive()
			e.analyzers[1].status = "DISABLED"
			c.run(10)
			e.analyzers[1].status = "ACTIVE"
			e.analyzers[1].archive()
			c.run(10)
		},
		pages: []string{"0 " + isPublic(1, 0), "20 resolved: " + isPublic(1, 0)},
	},
	{
		name: "a role is public in every Region", exporters: oneAnalyzed(3, 4), run: func(c *chain) {
			e := c.exporters[0]
			c.run(10)
			for _, a := range e.analyzers {
				a.find(finding{id(1), "AWS::IAM::Role", "arn:aws:iam::1:role/r", true}, time.Now())
				c.run(1)
			}
			c.run(10)
		},
		pages: []string{"10 arn:aws:iam::1:role/r of account name-" + id(1) + " is public"},
	},
	{
		name: "many buckets are public when monitoring begins, and a later one", exporters: oneAnalyzed(30, 2), run: func(c *chain) {
			e := c.exporters[0]
			for account := range 30 {
				publish(e.analyzers[account%2], account, 0, 10)
			}
			c.run(10)
			publish(e.analyzers[1], 3, 10, 11)
			c.run(10)
		},
		pages: []string{
			"0 150 resource(s) are public in eu-test-0 150 resource(s) are public in eu-test-1",
			"10 " + isPublic(3, 10),
		},
	},
	{
		name: "more public buckets than pages", exporters: oneAnalyzed(30, 1), run: func(c *chain) {
			a := c.exporters[0].analyzers[0]
			for minute := range 7 {
				publish(a, minute, 0, 15)
				c.run(1)
			}
			c.run(13)
			publish(a, 20, 0, 1)
			c.run(2)
			publish(a, 20, 1, 2)
			c.run(10)
		},
		pages: overflow(),
	},
	{
		name: "public buckets that are not named", exporters: func() []*exporter {
			e := analyzed(3, 1)
			e.public = 2
			return []*exporter{e}
		}, run: func(c *chain) {
			a := c.exporters[0].analyzers[0]
			publish(a, 1, 0, 2)
			c.run(10)
			publish(a, 1, 2, 8)
			c.run(10)
			publish(a, 1, 8, 9)
			c.run(4)
		},
		pages: []string{
			"0 " + isPublic(1, 0) + " " + isPublic(1, 1),
			"10" + unnamed(1, 2, 3, 4, 5, 6),
			"20" + unnamed(1, 2, 3, 4, 5) + " resolved:" + unnamed(6),
			"20" + unnamed(7),
		},
	},
	{
		name: "a role is old in 17 Regions of many accounts", exporters: withTickets(60, 17), run: func(c *chain) {
			for _, a := range c.exporters[0].analyzers {
				for account := range 60 {
					a.find(finding{id(account), "AWS::IAM::Role", "vendor", false}, epoch.Add(2*old))
				}
			}
			c.run(20)
		},
		tickets: []string{"1 60 account(s) have ExternalAccess findings that have been ACTIVE for 30 days"},
	},
}

// TestBound checks the number of alerts while every family fires in every Region.
func TestBound(t *testing.T) {
	if testing.Short() || raceDetector {
		t.Skip("takes half a minute of processor time without the race detector")
	}
	e := analyzed(4, 34)
	e.series = func(add add) {
		for r := range 34 {
			add(0, "aws_access_analyzer_last_resource_analyzed_timestamp_seconds", "account_id", id(0), "region", region(r), "analyzer", "organization")
			add(1, "aws_access_analyzer_scrape_error", "account_id", id(3), "region", region(r), "operation", "GetAnalyzer", "reason", fmt.Sprint("reason-", r%12))
			add(3, "aws_access_analyzer_findings_with_errors", "account_id", id(0), "region", region(r), "analyzer_account_id", id(0), "analyzer", "organization", "finding_type", "ExternalAccess", "error", "ACCESS_DENIED")
		}
	}
	c := inVirtualTime(t, shipped(t), []*exporter{e}, everything)
	for _, err := range c.oracle.errors {
		t.Error(err)
	}
	families := map[string]int{}
	for _, n := range c.alertmanager.notifications() {
		for _, a := range n.alerts {
			families[string(a.Labels["alertname"])]++
		}
	}
	t.Logf("%d alerts at most, of %d families: %v", c.oracle.most, len(families), families)
	if c.oracle.most < 300 || len(families) < 10 {
		t.Error("not everything is broken")
	}
}

// overflow are pages for 15 buckets a minute, then one page for all.
func overflow() []string {
	var all []string
	for minute := range 7 {
		var page []string
		for n := range 15 {
			page = append(page, isPublic(minute, n))
		}
		slices.Sort(page)
		all = append(all, fmt.Sprint(minute)+" "+strings.Join(page, " "))
	}
	return append(all,
		"20 More resources are public while many pages are open",
		"22 resolved: More resources are public while many pages are open More resources are public while many pages are open")
}

// unnamed are the summaries of pages for buckets that are not named.
func unnamed(numbers ...int) string {
	text := ""
	for _, n := range numbers {
		text += fmt.Sprintf(" Account name-%s has at least %d more public AWS::S3::Bucket in eu-test-0", id(1), n)
	}
	return text
}

// everything are all faults in 34 Regions at once, with a page for each target and
// resource until there are too many.
func everything(c *chain) {
	e := c.exporters[0]
	for r := range 34 {
		for n := range 15 {
			e.analyzers[r].find(finding{id(n % 4), "AWS::KMS::Key", fmt.Sprint("key-", n), false}, epoch.Add(2*old))
		}
		for _, status := range []string{"CREATING", "DISABLED", "FAILED"} {
			e.analyze(id(1), region(r), strings.ToLower(status), epoch.Add(old)).status = status
		}
	}
	c.run(70)
	for r, a := range e.analyzers[:34] {
		a.archive()
		a.archiveRules = 1
		a.find(finding{id(2), "AWS::SQS::Queue", "queue", false}, epoch.Add(2*old))
		publish(a, r%4, 0, 7)
		lose(e, r, 0, 4)
		if r%4 == 3 {
			c.run(1)
		}
	}
	for r := range 34 {
		e.add(target{id(4), region(r)}, uncovered)
	}
	c.run(25)
	e.shards[0] = failing
	c.run(20)
}
