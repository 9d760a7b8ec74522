package events

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a fake queue, sweeper and metrics, and records the calls of the
// consumer in order.
type world struct {
	mu           sync.Mutex
	ready        chan struct{}
	messages     map[string]*message // by receipt
	next         int
	arrived      chan struct{}
	fails        *inventory.Failure // of Receive
	refreshFails *inventory.Failure // of Refresh
	takes        time.Duration      // a refresh
	did          []string
	hides        int
	receives     int
	counts       map[string]int
	log          bytes.Buffer
}

type message struct {
	body, receipt string
	visible       time.Time
	receives      int
}

func newWorld() *world {
	return &world{messages: map[string]*message{}, ready: make(chan struct{}), arrived: make(chan struct{}), counts: map[string]int{}}
}

func (w *world) do(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) note(format string, args ...any) {
	w.do(func() { w.did = append(w.did, fmt.Sprintf(format, args...)) })
}

func (w *world) count(key string) {
	w.do(func() { w.counts[key]++ })
}

func (w *world) send(bodies ...string) {
	w.do(func() {
		for _, b := range bodies {
			w.next++
			receipt := fmt.Sprint(w.next)
			w.messages[receipt] = &message{body: b, receipt: receipt}
		}
		close(w.arrived)
		w.arrived = make(chan struct{})
	})
}

func (w *world) Receive(ctx context.Context, wait, hide time.Duration) ([]Message, *inventory.Failure) {
	end := time.Now().Add(wait)
	for {
		w.mu.Lock()
		w.receives++
		if f := w.fails; f != nil {
			w.mu.Unlock()
			return nil, f
		}
		var out []Message
		for _, m := range w.messages {
			if len(out) == batch {
				break
			}
			if !m.visible.After(time.Now()) {
				m.visible = time.Now().Add(hide)
				m.receives++
				out = append(out, Message{Body: m.body, Receipt: m.receipt, Receives: m.receives})
			}
		}
		arrived := w.arrived
		w.mu.Unlock()
		if len(out) > 0 || !time.Now().Before(end) {
			return out, nil
		}
		select {
		case <-arrived:
		case <-time.After(min(time.Until(end), 5*time.Second)): // hidden ones appear
		case <-ctx.Done():
			return nil, &inventory.Failure{Reason: inventory.Timeout}
		}
	}
}

func (w *world) Delete(_ context.Context, receipts []string) *inventory.Failure {
	w.do(func() {
		w.did = append(w.did, fmt.Sprintf("delete %d", len(receipts)))
		for _, r := range receipts {
			delete(w.messages, r)
		}
	})
	return nil
}

func (w *world) Hide(_ context.Context, receipts []string, d time.Duration) *inventory.Failure {
	w.do(func() {
		w.hides += len(receipts)
		for _, r := range receipts {
			if m := w.messages[r]; m != nil {
				m.visible = time.Now().Add(d)
			}
		}
	})
	return nil
}

func (w *world) Ready() <-chan struct{} { return w.ready }

func (w *world) Locate(p inventory.RefreshKey) (inventory.RefreshKey, bool) {
	return p, p.AccountID == security
}

func (w *world) Refresh(ctx context.Context, p inventory.RefreshKey) *inventory.Failure {
	name := p.AccountID
	if p.AnalyzerARN != "" {
		name = p.AnalyzerARN[strings.LastIndex(p.AnalyzerARN, "/")+1:]
	}
	w.note("refresh %s", name)
	w.mu.Lock()
	d, f := w.takes, w.refreshFails
	w.mu.Unlock()
	clock.Wait(ctx, time.Now().Add(d), nil)
	return f
}

func (w *world) Publish() { w.note("publish") }

func (w *world) ObserveEvent(detailType string, lag time.Duration) { w.count("received " + detailType) }
func (w *world) ObserveIgnoredEvent(_, reason string)              { w.count("ignored " + reason) }
func (w *world) ObserveFailedEvent(_, reason string)               { w.count("failed " + reason) }
func (w *world) ObserveRefresh(kind string, ok bool)               { w.count(fmt.Sprint("refresh ", kind, " ", ok)) }

func (w *world) ObserveEventQueue(ok bool) { w.count(fmt.Sprint("queue ", ok)) }

// consume runs a consumer with a fake clock, and see beside it.
func consume(t *testing.T, see func(*world)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		w := newWorld()
		close(w.ready)
		ctx, cancel := context.WithCancel(context.Background())
		c := New(w, w, w, slog.New(slog.NewTextHandler(&w.log, nil)))
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx)
		}()
		synctest.Wait()
		see(w)
		cancel()
		<-done
	})
}

// after waits and returns the calls made since it was last called.
func (w *world) after(d time.Duration) []string {
	time.Sleep(d)
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	did := w.did
	w.did = nil
	return did
}

func times(did []string, prefix string) int {
	n := 0
	for _, d := range did {
		if strings.HasPrefix(d, prefix) {
			n++
		}
	}
	return n
}

func named(name string) string {
	return strings.ReplaceAll(finding(externalFinding, externalDetail), "analyzer/organization", "analyzer/"+name)
}

func expectDid(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestEventIsRefreshedPublishedAndDeletedInThisOrder(t *testing.T) {
	consume(t, func(w *world) {
		w.send(named("a"))
		expectDid(t, "a finding", w.after(time.Millisecond), "refresh a", "publish", "delete 1")
		w.send(call(`{"eventSource":"access-analyzer.amazonaws.com","eventName":"DeleteAnalyzer"}`))
		expectDid(t, "a call", w.after(time.Millisecond), "refresh "+security, "publish", "delete 1")
		want := map[string]int{"received " + externalFinding: 1, "received " + apiCall: 1, "refresh findings true": 1, "refresh coverage true": 1, "queue true": 2}
		if !maps.Equal(w.counts, want) {
			t.Errorf("%v", w.counts)
		}
	})
}

func TestBurstIsOneRefresh(t *testing.T) {
	consume(t, func(w *world) {
		w.send(slices.Repeat([]string{named("a")}, 10_000)...)
		did := w.after(10 * time.Second)
		if n := times(did, "refresh"); n != 1 || len(w.messages) != 0 || times(did, "publish") != 1 {
			t.Errorf("%d refreshes, %d publications, %d messages left", n, times(did, "publish"), len(w.messages))
		}
		// What comes while a refresh is running waits for the next, and that for the minInterval.
		w.do(func() { w.takes = 100 * time.Millisecond })
		w.send(named("a"))
		w.after(50 * time.Millisecond)
		for range 50 {
			w.send(named("a"))
			w.after(10 * time.Millisecond)
		}
		did = w.after(minInterval - 700*time.Millisecond)
		if n := times(did, "refresh"); n != 0 {
			t.Errorf("%d refreshes before the minInterval", n)
		}
		expectDid(t, "after the minInterval", w.after(time.Second), "refresh a", "publish", "delete 10", "delete 10", "delete 10", "delete 10", "delete 10")
	})
}

func TestSlowAnalyzerIsCountedAtMostAFifthOfTheTime(t *testing.T) {
	consume(t, func(w *world) {
		w.do(func() { w.takes = 10 * time.Second })
		n := 0
		for range 3000 {
			w.send(named("a"))
			n += times(w.after(100*time.Millisecond), "refresh")
		}
		if n < 6 || n > 7 {
			t.Errorf("%d refreshes of 10 s in 5 minutes, want 6 or 7", n)
		}
	})
}

// Forged events can name all that is in scope, and no more than that.
func TestForgedEventsCauseALimitedNumberOfRefreshes(t *testing.T) {
	consume(t, func(w *world) {
		var bodies []string
		for i := range 2000 {
			bodies = append(bodies, named(fmt.Sprint("a", i)))
		}
		w.send(bodies...)
		if n := times(w.after(10*time.Second), "refresh"); n > refreshBurst+11*refreshRate || n < refreshBurst {
			t.Errorf("%d refreshes in 10 s", n)
		}
	})
}

func TestMessagesStayHiddenWhileTheirRefreshRuns(t *testing.T) {
	consume(t, func(w *world) {
		w.do(func() { w.takes = 5 * time.Minute })
		w.send(named("a"))
		did := w.after(299 * time.Second)
		w.mu.Lock()
		if w.messages["1"].receives != 1 || w.hides == 0 || len(did) != 1 {
			t.Errorf("received %d times, hidden %d times, %v", w.messages["1"].receives, w.hides, did)
		}
		w.mu.Unlock()
		expectDid(t, "in the end", w.after(2*time.Second), "publish", "delete 1")
	})
}

func TestFailedRefreshKeepsItsMessages(t *testing.T) {
	consume(t, func(w *world) {
		w.do(func() { w.refreshFails = &inventory.Failure{Reason: inventory.Throttled} })
		w.send(named("a"), named("a"))
		expectDid(t, "the first time", w.after(time.Second), "refresh a", "publish")
		w.do(func() { w.refreshFails = nil })
		did := w.after(visibility + 10*time.Second)
		if times(did, "refresh") == 0 || len(w.messages) != 0 {
			t.Errorf("%v, %d messages left", did, len(w.messages))
		}
		if w.counts["failed "+refreshFailed] != 2 || w.counts["received "+externalFinding] != 2 {
			t.Errorf("%v", w.counts)
		}
	})
}

func TestIgnoredAndMalformedEventsAreCountedAndDeleted(t *testing.T) {
	consume(t, func(w *world) {
		w.send("poison", "more poison", strings.ReplaceAll(named("a"), security, workload), finding("Access Preview State Change", "{}"),
			call(`{"eventSource":"access-analyzer.amazonaws.com","eventName":"TagResource"}`))
		did := w.after(time.Second)
		if times(did, "refresh")+times(did, "publish") != 0 || len(w.messages) != 0 {
			t.Errorf("%v, %d messages left", did, len(w.messages))
		}
		for key, want := range map[string]int{
			"failed " + malformed: 2, "ignored " + outOfScope: 1, "ignored " + unknownDetailType: 1, "ignored " + unknownCall: 1, "received " + otherType: 3,
		} {
			if w.counts[key] != want {
				t.Errorf("%s: %d, want %d", key, w.counts[key], want)
			}
		}
		if n := strings.Count(w.log.String(), "level=WARN"); n != 2 {
			t.Errorf("%d warnings, want one for each kind:\n%s", n, &w.log)
		}
	})
}

func TestFailingQueueIsPolledRarelyAndLoggedOnce(t *testing.T) {
	for _, reason := range []inventory.Reason{inventory.AccessDenied, inventory.Throttled, inventory.Other} {
		consume(t, func(w *world) {
			w.do(func() { w.fails, w.receives = &inventory.Failure{Reason: reason, Operation: "ReceiveMessage"}, 0 })
			w.after(time.Hour)
			if w.receives > 75 || w.receives < 55 || strings.Count(w.log.String(), "level=WARN") != 1 || w.counts["queue false"] == 0 {
				t.Errorf("%s: asked %d times in an hour, %v\n%s", reason, w.receives, w.counts, &w.log)
			}
			w.do(func() { w.fails = nil })
			w.send(named("a"))
			expectDid(t, "when it is back", w.after(maxBackoff), "refresh a", "publish", "delete 1")
			if !strings.Contains(w.log.String(), "Receiving from the event queue again") {
				t.Errorf("%s", &w.log)
			}
		})
	}
}

func TestEmptyQueueIsPolledThreeTimesAMinute(t *testing.T) {
	consume(t, func(w *world) {
		w.do(func() { w.counts = map[string]int{} })
		w.after(time.Hour)
		if n := w.counts["queue true"]; n != 180 {
			t.Errorf("%d calls an hour", n)
		}
	})
}

func TestNothingIsReceivedBeforeTheFirstSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() {
			defer close(done)
			New(w, w, w, slog.New(slog.DiscardHandler)).Run(ctx)
		}()
		w.send(named("a"))
		if did := w.after(time.Hour); len(did) != 0 || w.receives != 0 {
			t.Errorf("%v, received %d times", did, w.receives)
		}
		cancel()
		<-done
	})
}

func TestShutdownCancelsRefreshesAndDeletesNothing(t *testing.T) {
	var w *world
	consume(t, func(running *world) {
		w = running
		w.do(func() { w.takes = time.Hour })
		w.send(slices.Repeat([]string{named("a")}, 100)...)
		w.after(5 * time.Second)
	})
	if len(w.messages) != 100 {
		t.Errorf("%d messages left of 100", len(w.messages))
	}
}

// Two publications are apart when making one takes long.
func TestConcurrentRefreshesArePublishedTogether(t *testing.T) {
	consume(t, func(w *world) {
		w.do(func() { w.takes = time.Second })
		w.send(named("a"), named("b"), named("c"))
		did := w.after(2 * time.Second)
		if times(did, "refresh") != 3 || times(did, "publish") > 3 || len(w.messages) != 0 {
			t.Errorf("%v", did)
		}
	})
}
