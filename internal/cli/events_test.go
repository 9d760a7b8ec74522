package cli

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
)

const queueURL = "https://sqs.eu-west-1.amazonaws.com/" + hubID + "/events"

// eventWorld has an analyzer in every default Region of five accounts.
func eventWorld() *simaws.World {
	w := &simaws.World{
		Queues: []*simaws.Queue{{AccountID: hubID, Region: "eu-west-1", Name: "events"}},
		Organization: &simaws.Organization{
			ID: "o-exampleorg1", ManagementID: managementID,
			DelegatedAdmins: map[string][]string{simaws.AccessAnalyzerPrincipal: {hubID}},
			TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
		},
		Caller: simaws.Caller{AccountID: hubID},
	}
	for _, id := range []string{managementID, hubID, memberID, strangerID, "555555555555"} {
		w.Accounts = append(w.Accounts, &simaws.Account{
			ID: id, Name: id, Regions: simaws.Regions(), Roles: []*simaws.Role{{Name: "exporter", Trusts: []string{hubID}}},
		})
		for _, region := range simaws.DefaultRegions {
			w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: id, Region: region, Name: "account", Type: "ACCOUNT", Status: "ACTIVE"})
		}
	}
	return w
}

func eventConfig(t *testing.T, queue string) string {
	return configFile(t, "sweep: {interval: 1h}\nfindings: {interval: 6h}\naccounts: {discovery: organization}\nassume_role: {name: exporter}\nevents: {queue_url: "+queue+"}\n")
}

func bucketOf(a *simaws.Analyzer, i int) simaws.Finding {
	return simaws.Finding{
		Type: "ExternalAccess", ResourceType: "AWS::S3::Bucket", Resource: fmt.Sprint("arn:aws:s3:::bucket-", i), Owner: a.AccountID, Public: true,
	}
}

// find lets an analyzer find something.
func find(server *simaws.Server, i int) (accountID, region string, findings int) {
	server.Update(func(w *simaws.World) {
		a := w.Analyzers[i%len(w.Analyzers)]
		a.AddFinding(bucketOf(a, len(a.Findings)), time.Now())
		accountID, region, findings = a.AccountID, a.Region, len(a.Findings)
	})
	return accountID, region, findings
}

// shows tells whether a page has a count of findings that are public.
func shows(page, accountID, region string, findings int) bool {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "aws_access_analyzer_findings{") && strings.Contains(line, `account_id="`+accountID+`"`) &&
			strings.Contains(line, `region="`+region+`"`) && strings.Contains(line, `public="true"`) &&
			strings.HasSuffix(line, " "+strconv.Itoa(findings)+"\n") {
			return true
		}
	}
	return false
}

// TestEventsAreSeenWithinSeconds measures from a change in AWS to the changed
// value on /metrics, where analyzers have a few findings, and where they have so
// many that not all of them are listed for a change. The times are told and not
// judged: machines are noisy.
func TestEventsAreSeenWithinSeconds(t *testing.T) {
	for name, test := range map[string]struct{ analyzers, findings, changes int }{
		"few findings":  {85, 0, 1000},
		"many findings": {20, 5000, 100},
	} {
		t.Run(name, func(t *testing.T) {
			changes, pause := 10, time.Duration(0)
			if os.Getenv("CHANGES") != "" {
				of, _ := strconv.Atoi(os.Getenv("CHANGES"))
				changes = test.changes * of / 1000
				pause = 120 * time.Millisecond // somewhat slower than refreshes may begin for long
			}
			w := eventWorld()
			w.Analyzers = w.Analyzers[:test.analyzers]
			for _, a := range w.Analyzers {
				for i := range test.findings {
					at := time.Now().Add(-time.Hour - time.Duration(i)*time.Second)
					a.AddFinding(bucketOf(a, i), at)
				}
			}
			took, calls := seenWithin(t, simulate(t, w), test.analyzers, changes, pause)
			slices.Sort(took)
			t.Logf("%d changes: p50 %s, p99 %s (target 3s), longest %s; %.2f calls of Access Analyzer a change", changes,
				took[changes/2].Round(time.Millisecond), took[changes*99/100].Round(time.Millisecond), took[changes-1].Round(time.Millisecond), float64(calls)/float64(changes))
		})
	}
}

// seenWithin makes changes, one after the other, and returns how long each took
// to be seen, and how many calls they led to.
func seenWithin(t *testing.T, server *simaws.Server, analyzers, changes int, pause time.Duration) (took []time.Duration, calls int) {
	t.Helper()
	p := launch(t, "serve", "--config.file="+eventConfig(t, queueURL))
	p.awaitReady(t)
	p.await(t, "the first count of all findings", func() bool {
		_, page := p.get(t, "/metrics")
		return strings.Count(page, "\naws_access_analyzer_findings_last_success_timestamp_seconds{") >= analyzers
	})
	before := server.CallCount(simaws.CallFilter{Service: "access-analyzer"})
	for i := range changes {
		start := time.Now()
		accountID, region, findings := find(server, i)
		for page := ""; !shows(page, accountID, region, findings); _, page = p.get(t, "/metrics") {
			if time.Since(start) > 30*time.Second {
				t.Fatalf("change %d is not on /metrics after 30 s\n%s", i, p.stderr)
			}
			time.Sleep(time.Millisecond)
		}
		took = append(took, time.Since(start))
		time.Sleep(time.Until(start.Add(pause)))
	}
	return took, server.CallCount(simaws.CallFilter{Service: "access-analyzer"}) - before
}

func TestEventsBurst(t *testing.T) {
	events, bound := 1000, 6
	if os.Getenv("CHANGES") != "" {
		events = 10_000
	}
	server := simulate(t, eventWorld())
	p := launch(t, "serve", "--config.file="+eventConfig(t, queueURL))
	p.awaitReady(t)
	p.await(t, "the first count of all findings", func() bool { return server.CallCounts()["ListFindings"] >= 85 })
	server.ResetCalls()
	start := time.Now()
	server.Send(slices.Repeat([]string{`{"detail-type":"Access Analyzer Finding","account":"` + memberID + `","region":"eu-west-1","time":"` +
		start.UTC().Format(time.RFC3339) + `","resources":["arn:aws:access-analyzer:eu-west-1:` + memberID + `:analyzer/account"],"detail":{}}`}, events)...)
	p.await(t, "an empty queue", func() bool { return server.Depth("events") == simaws.Depth{} })
	took, counts := time.Since(start), server.CallCounts()
	t.Logf("%d events for one analyzer: %d refresh(es) within %s; ReceiveMessage %d, DeleteMessageBatch %d", events,
		counts["ListFindings"], took.Round(time.Millisecond), counts["ReceiveMessage"], counts["DeleteMessageBatch"])
	if n := counts["ListFindings"]; n < 1 || n > bound {
		t.Errorf("%d refreshes", n)
	}
}

func TestEventQueueComesAndGoes(t *testing.T) {
	w := eventWorld()
	queue := w.Queues[0]
	w.Queues = nil
	server := simulate(t, w)
	file := eventConfig(t, queueURL)
	p := launch(t, "serve", "--config.file="+file, "--web.enable-lifecycle")
	p.awaitReady(t)
	success := func() (float64, bool) {
		v, ok := series(p.families(t)["access_analyzer_exporter_event_queue_success"])[""]
		return v, ok
	}
	p.await(t, "a queue that is not there", func() bool { v, ok := success(); return ok && v == 0 })
	if n := strings.Count(p.stderr.String(), "The event queue cannot be read"); n != 1 {
		t.Errorf("told %d times:\n%s", n, p.stderr)
	}
	if n := len(p.families(t)["aws_access_analyzer_coverage"].GetMetric()); n != 85 {
		t.Errorf("%d series of coverage without a queue, want 85", n)
	}
	server.Update(func(w *simaws.World) { w.Queues = []*simaws.Queue{queue} })
	p.await(t, "the queue that is there at last", func() bool { v, _ := success(); return v == 1 })
	server.Send("poison")
	p.await(t, "an empty queue", func() bool { return server.Depth("events") == simaws.Depth{} })
	failed := series(p.families(t)["access_analyzer_exporter_events_failed_total"], "detail_type", "reason")
	if failed["other/malformed"] != 1 {
		t.Errorf("failed events: %v", failed)
	}

	if err := os.WriteFile(file, []byte("accounts: {discovery: organization}\nassume_role: {name: exporter}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(p.url+"/-/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("reload: %s, %v\n%s", resp.Status, err, p.stderr)
	}
	p.await(t, "no queue any more", func() bool { _, ok := success(); return !ok })
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.stderr)
	}
}
