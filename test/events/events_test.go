package events_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

const queueURL = "https://sqs.eu-west-1.amazonaws.com/" + lab.Hub + "/events"

// targets is the number of targets, and of analyzers, of the organization.
var targets = 5 * len(simaws.DefaultRegions)

// organization has an analyzer in every Region of five accounts.
func organization() *simaws.World {
	w := lab.NewOrganization(lab.Management, lab.Hub, lab.Members(3)...)
	w.Queues = []*simaws.Queue{{AccountID: lab.Hub, Region: "eu-west-1", Name: "events"}}
	for _, account := range w.Accounts {
		for _, region := range simaws.DefaultRegions {
			w.Analyzers = append(w.Analyzers, lab.Analyzer(account.ID, region, "ACCOUNT"))
		}
	}
	return w
}

// withQueue makes sweeps so rare that only events can change a count in a test.
const withQueue = "sweep: {interval: 1h}\nfindings: {interval: 6h}\naccounts: {discovery: organization}\nassume_role: {name: exporter}\nevents: {queue_url: " + queueURL + "}\n"

func bucketOf(a *simaws.Analyzer, i int) simaws.Finding {
	return simaws.Finding{
		Type: "ExternalAccess", ResourceType: "AWS::S3::Bucket", Resource: fmt.Sprint("arn:aws:s3:::bucket-", i), Owner: a.AccountID, Public: true,
	}
}

// addFinding adds a public finding to an analyzer, and returns its target and
// how many findings it has.
func addFinding(server *simaws.Server, analyzer int) (accountID, region string, findings int) {
	server.Update(func(w *simaws.World) {
		a := w.Analyzers[analyzer%len(w.Analyzers)]
		a.AddFinding(bucketOf(a, len(a.Findings)), time.Now())
		accountID, region, findings = a.AccountID, a.Region, len(a.Findings)
	})
	return accountID, region, findings
}

// exposes reports whether an exposition has a number of public findings.
func exposes(exposition, accountID, region string, findings int) bool {
	for line := range strings.Lines(exposition) {
		if strings.HasPrefix(line, "aws_access_analyzer_findings{") && strings.Contains(line, `account_id="`+accountID+`"`) &&
			strings.Contains(line, `region="`+region+`"`) && strings.Contains(line, `public="true"`) &&
			strings.HasSuffix(line, " "+strconv.Itoa(findings)+"\n") {
			return true
		}
	}
	return false
}

// manyChanges is set by `make bench-events` to the number of changes to measure.
func manyChanges(t *testing.T) int {
	text := os.Getenv("CHANGES")
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("CHANGES=%s: %v", text, err)
	}
	return n
}

// TestEventsReachMetrics measures from a change in AWS to the changed value on
// /metrics, for analyzers with few findings and for those with so many that
// they are counted incrementally. It reports the times without judging them.
func TestEventsReachMetrics(t *testing.T) {
	for name, test := range map[string]struct{ analyzers, findings, perThousand int }{
		"few findings":  {targets, 0, 1000},
		"many findings": {20, 5000, 100},
	} {
		t.Run(name, func(t *testing.T) {
			changes, pause := 10, time.Duration(0)
			if n := manyChanges(t); n > 0 {
				changes = n * test.perThousand / 1000
				pause = 120 * time.Millisecond // refreshes are limited to ten a second
			} else {
				test.findings /= 5 // still incremental, and counted in time on a slow machine
			}
			w := organization()
			w.Analyzers = w.Analyzers[:test.analyzers]
			for _, a := range w.Analyzers {
				for i := range test.findings {
					a.AddFinding(bucketOf(a, i), time.Now().Add(-time.Hour-time.Duration(i)*time.Second))
				}
			}
			took, calls := measure(t, lab.Simulate(t, w), test.analyzers, changes, pause)
			slices.Sort(took)
			t.Logf("%d changes: p50 %s, p99 %s (target 3s), longest %s; %.2f calls of Access Analyzer a change", changes,
				took[changes/2].Round(time.Millisecond), took[changes*99/100].Round(time.Millisecond), took[changes-1].Round(time.Millisecond), float64(calls)/float64(changes))
		})
	}
}

// measure makes changes, one after the other, and returns how long each took to
// be exposed, and how many calls they caused.
func measure(t *testing.T, server *simaws.Server, analyzers, changes int, pause time.Duration) (took []time.Duration, calls int) {
	t.Helper()
	p := launch(t, analyzers)
	before := server.CallCount(simaws.CallFilter{Service: "access-analyzer"})
	for i := range changes {
		start := time.Now()
		accountID, region, findings := addFinding(server, i)
		p.Await(t, fmt.Sprintf("change %d on /metrics", i), func() bool {
			_, exposition := p.Get(t, "/metrics")
			return exposes(exposition, accountID, region, findings)
		})
		took = append(took, time.Since(start))
		time.Sleep(time.Until(start.Add(pause)))
	}
	return took, server.CallCount(simaws.CallFilter{Service: "access-analyzer"}) - before
}

// launch starts the exporter and waits until the findings of all analyzers have
// been counted.
func launch(t *testing.T, analyzers int, args ...string) *lab.Program {
	t.Helper()
	p := lab.Launch(t, append(args, "--config.file="+lab.WriteFile(t, withQueue))...)
	p.AwaitReady(t)
	p.Await(t, "the first count of all findings", func() bool {
		_, exposition := p.Get(t, "/metrics")
		return strings.Count(exposition, "\naws_access_analyzer_findings_last_success_timestamp_seconds{") >= analyzers
	})
	return p
}

// TestEventsBurst sends many events for one analyzer at once. They must share a
// few refreshes.
func TestEventsBurst(t *testing.T) {
	events := 1000
	if manyChanges(t) > 0 {
		events = 10_000
	}
	const bound = 6
	server := lab.Simulate(t, organization())
	p := launch(t, targets)
	server.ResetCalls()
	start := time.Now()
	server.Send(slices.Repeat([]string{`{"detail-type":"Access Analyzer Finding","account":"` + lab.Hub + `","region":"eu-west-1","time":"` +
		start.UTC().Format(time.RFC3339) + `","resources":["arn:aws:access-analyzer:eu-west-1:` + lab.Hub + `:analyzer/account"],"detail":{}}`}, events)...)
	p.Await(t, "an empty queue", func() bool { return server.Depth("events") == simaws.Depth{} })
	took, counts := time.Since(start), server.CallCounts()
	t.Logf("%d events for one analyzer: %d refresh(es) within %s; ReceiveMessage %d, DeleteMessageBatch %d", events,
		counts["ListFindings"], took.Round(time.Millisecond), counts["ReceiveMessage"], counts["DeleteMessageBatch"])
	if n := counts["ListFindings"]; n < 1 || n > bound {
		t.Errorf("%d refreshes, want 1 to %d", n, bound)
	}
}

// TestEventQueueComesAndGoes starts without the queue that is configured,
// creates it, and then removes it from the configuration.
func TestEventQueueComesAndGoes(t *testing.T) {
	w := organization()
	queue := w.Queues[0]
	w.Queues = nil
	server := lab.Simulate(t, w)
	file := lab.WriteFile(t, withQueue)
	p := lab.Launch(t, "--config.file="+file, "--web.enable-lifecycle")
	p.AwaitReady(t)
	expect := func(what string, value float64, exposed bool) {
		t.Helper()
		p.Await(t, what, func() bool {
			v, ok := lab.Series(p.Families(t)["access_analyzer_exporter_event_queue_success"])[""]
			return ok == exposed && v == value
		})
	}
	expect("a missing queue", 0, true)
	if n := strings.Count(p.Stderr.String(), "Failed to receive from the event queue"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, p.Stderr)
	}
	if n := len(p.Families(t)["aws_access_analyzer_coverage"].GetMetric()); n != targets {
		t.Errorf("%d series of coverage without a queue, want %d", n, targets)
	}
	server.Update(func(w *simaws.World) { w.Queues = []*simaws.Queue{queue} })
	expect("the new queue", 1, true)
	server.Send("not an event")
	p.Await(t, "an empty queue", func() bool { return server.Depth("events") == simaws.Depth{} })
	if failed := lab.Series(p.Families(t)["access_analyzer_exporter_events_failed_total"], "detail_type", "reason"); failed["other/malformed"] != 1 {
		t.Errorf("failed events: %v", failed)
	}

	if err := os.WriteFile(file, []byte("accounts: {discovery: organization}\nassume_role: {name: exporter}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, body := p.Reload(t); status != http.StatusOK {
		t.Fatalf("reload: %d %s\n%s", status, body, p.Stderr)
	}
	expect("no queue", 0, false)
	if code := p.Stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.Stderr)
	}
}
