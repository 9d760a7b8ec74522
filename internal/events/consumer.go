package events

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	// longPoll is the wait time of a receive request (WaitTimeSeconds).
	longPoll = 20 * time.Second
	// shortPoll is that while the queue is being drained. Zero would mean the
	// queue's own setting.
	shortPoll = time.Second
	// visibility is the visibility timeout of received messages; heartbeat is how
	// often it is extended for those that are still needed.
	visibility, heartbeat = time.Minute, 20 * time.Second
	// batch is the number of messages in one request.
	batch = 10
	// drainers is the number of parallel requests while the queue is drained.
	drainers = 8
	// maxHeld bounds the messages in memory. Beyond it none is received.
	maxHeld = 20_000
	// maxRefreshes bounds the parallel refreshes.
	maxRefreshes = 16
	// minBackoff follows the first failed receive request; each further failure
	// doubles it, up to maxBackoff.
	minBackoff, maxBackoff = time.Second, time.Minute
)

// Message is one received message of an event queue.
type Message struct {
	Body string
	// Receipt is the handle to delete or hide the message with, valid for this
	// receipt of it.
	Receipt string
	// Receives is the number of times it was received, including this one; 0
	// when SQS does not report it.
	Receives int
}

// Queue delivers events. A failure of Delete or Hide is harmless: the messages
// become visible again, and their targets are refreshed once more.
type Queue interface {
	Receive(ctx context.Context, wait, hide time.Duration) ([]Message, *inventory.Failure)
	Delete(ctx context.Context, receipts []string) *inventory.Failure
	Hide(ctx context.Context, receipts []string, d time.Duration) *inventory.Failure
}

// Sweeper refreshes targets and analyzers.
type Sweeper interface {
	// Ready is closed once Locate can be called.
	Ready() <-chan struct{}
	// Locate returns what to refresh for an event, and false if that is out of
	// scope.
	Locate(inventory.RefreshKey) (inventory.RefreshKey, bool)
	Refresh(context.Context, inventory.RefreshKey) *inventory.Failure
	Publish()
}

// Metrics counts events and refreshes.
type Metrics interface {
	ObserveEvent(detailType string, lag time.Duration)
	ObserveIgnoredEvent(detailType, reason string)
	ObserveFailedEvent(detailType, reason string)
	ObserveRefresh(kind string, ok bool)
	ObserveEventQueue(ok bool)
}

// Consumer refreshes the targets and analyzers that the events of a queue name.
//
// A message is deleted once the result of its refresh is published. If the
// refresh fails, the message becomes visible again after a minute and is
// retried until the queue's retention or redrive policy removes it. Malformed
// messages, and events that need no refresh, are counted and deleted at once.
type Consumer struct {
	queue   Queue
	sweeper Sweeper
	metrics Metrics
	logger  *slog.Logger

	backlog *backlog
	// logged has the kinds of malformed and unknown events logged before.
	logged map[string]bool
}

// New returns a consumer; Run starts it.
func New(queue Queue, sweeper Sweeper, metrics Metrics, logger *slog.Logger) *Consumer {
	return &Consumer{queue: queue, sweeper: sweeper, metrics: metrics, logger: logger, backlog: newBacklog(), logged: map[string]bool{}}
}

// delivery is a batch of messages, and whether the queue may have more now.
type delivery struct {
	messages []Message
	more     bool
}

// outcome is the result of a refresh.
type outcome struct {
	key          inventory.RefreshKey
	began, ended time.Time
	failure      *inventory.Failure
}

// Run consumes events until the context ends, and returns when all goroutines
// that it started have ended. Messages that it still holds become visible again.
func (c *Consumer) Run(ctx context.Context) {
	select {
	case <-c.sweeper.Ready():
	case <-ctx.Done():
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	deliveries, outcomes := make(chan delivery), make(chan outcome)
	settled := make(chan []string, 1)
	wg.Go(func() { c.receive(ctx, deliveries) })
	wg.Go(func() { c.delete(ctx, settled) })
	c.loop(ctx, &wg, deliveries, outcomes, settled)
}

// loop owns the backlog.
func (c *Consumer) loop(ctx context.Context, wg *sync.WaitGroup, deliveries <-chan delivery, outcomes chan outcome, settled chan<- []string) {
	var (
		done      []outcome // not published yet
		publishAt time.Time
		delete    []string // receipts of messages that are no longer needed
		wake      = time.NewTimer(0)
		beat      = time.NewTicker(heartbeat)
	)
	defer wake.Stop()
	defer beat.Stop()
	for {
		if now := time.Now(); len(done) > 0 && !now.Before(publishAt) {
			delete = append(delete, c.settle(done)...)
			done, publishAt = nil, time.Now().Add(cooldownFactor*time.Since(now))
		}
		due, next := c.backlog.start(time.Now(), maxRefreshes-len(c.backlog.running))
		for _, key := range due {
			wg.Go(func() { c.refresh(ctx, key, outcomes) })
		}
		if len(done) > 0 && (next.IsZero() || publishAt.Before(next)) {
			next = publishAt
		}
		wake.Stop()
		if !next.IsZero() {
			wake.Reset(time.Until(next))
		}
		in := deliveries
		if c.backlog.held+len(delete) >= maxHeld {
			in = nil
		}
		out := settled
		if len(delete) == 0 {
			out = nil
		}
		select {
		case <-ctx.Done():
			return
		case d := <-in:
			c.backlog.draining = d.more
			delete = append(delete, c.enqueue(d.messages, time.Now())...)
		case o := <-outcomes:
			done = append(done, o)
		case out <- delete:
			delete = nil
		case <-beat.C:
			c.hide(ctx, wg)
		case <-wake.C:
		}
	}
}

// enqueue adds messages to the backlog and returns the receipts of those that
// need no refresh.
func (c *Consumer) enqueue(messages []Message, now time.Time) (answered []string) {
	for _, m := range messages {
		e, ok := parse(m.Body)
		if m.Receives <= 1 {
			// Later receipts follow a failed refresh: their lag is not that of AWS.
			lag := time.Duration(-1)
			if !e.at.IsZero() {
				lag = max(0, now.Sub(e.at))
			}
			c.metrics.ObserveEvent(e.detailType, lag)
		}
		located := false
		if ok && e.ignored == "" {
			if e.key, located = c.sweeper.Locate(e.key); !located {
				e.ignored = outOfScope
			}
		}
		switch {
		case located:
			c.backlog.add(e.key, heldMessage{m.Receipt, e.detailType, now.Add(visibility)}, now)
			continue
		case !ok:
			c.metrics.ObserveFailedEvent(e.detailType, malformed)
			c.logOnce(malformed, "Deleted a malformed message from the event queue; further ones are only counted", m.Body)
		default:
			c.metrics.ObserveIgnoredEvent(e.detailType, e.ignored)
			if e.ignored == unknownDetailType {
				c.logOnce(unknownDetailType, "Ignored an event with an unknown detail type; further ones are only counted", m.Body)
			}
		}
		answered = append(answered, m.Receipt)
	}
	return answered
}

// maxLoggedBody is in bytes.
const maxLoggedBody = 200

func (c *Consumer) logOnce(kind, message, body string) {
	if c.logged[kind] {
		return
	}
	c.logged[kind] = true
	c.logger.Warn(message, "body", body[:min(maxLoggedBody, len(body))])
}

func (c *Consumer) refresh(ctx context.Context, key inventory.RefreshKey, outcomes chan<- outcome) {
	began := time.Now()
	failure := c.sweeper.Refresh(ctx, key)
	select {
	case outcomes <- outcome{key, began, time.Now(), failure}:
	case <-ctx.Done():
	}
}

// settle publishes the results of several refreshes at once and returns the
// receipts of the messages that they answer.
func (c *Consumer) settle(done []outcome) (answered []string) {
	c.sweeper.Publish()
	for _, o := range done {
		kind := string(inventory.CoverageSweep)
		if o.key.AnalyzerARN != "" {
			kind = string(inventory.FindingsSweep)
		}
		c.metrics.ObserveRefresh(kind, o.failure == nil)
		for _, m := range c.backlog.finish(o.key, o.began, o.ended) {
			if o.failure == nil {
				answered = append(answered, m.receipt)
			} else {
				c.metrics.ObserveFailedEvent(m.detailType, refreshFailed)
			}
		}
		if o.failure != nil {
			c.logger.Debug("Failed to refresh after an event; retrying when the message becomes visible again",
				"account_id", o.key.AccountID, "region", o.key.Region, "reason", o.failure.Reason, "message", o.failure.Message, "request_id", o.failure.RequestID)
		}
	}
	return answered
}
