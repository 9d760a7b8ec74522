package events

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	// longPoll is for how long the queue is asked to wait for messages.
	longPoll = 20 * time.Second
	// shortPoll is that when it was just seen to have some. Zero would stand
	// for the queue's own setting.
	shortPoll = time.Second
	// visibility is for how long a message is hidden from others; heartbeat is
	// how often those that are still needed are hidden anew.
	visibility, heartbeat = time.Minute, 20 * time.Second
	// batch is how many messages one request is about.
	batch = 10
	// drains is how many ask the queue at once when it has more and more.
	drains = 8
	// maxHeld bounds the messages in memory: nothing is received beyond it.
	maxHeld = 20_000
	// maxRefreshes bounds the refreshes at once.
	maxRefreshes = 16
	// firstPause follows the first failure of the queue; each further one
	// doubles it, up to longestPause.
	firstPause, longestPause = time.Second, time.Minute
)

// Queue is where events come from. A failure of Delete or Hide is harmless: the
// messages appear again, and what they name is refreshed once more.
type Queue interface {
	Receive(ctx context.Context, wait, hide time.Duration) ([]inventory.Message, *inventory.Failure)
	Delete(ctx context.Context, receipts []string) *inventory.Failure
	Hide(ctx context.Context, receipts []string, d time.Duration) *inventory.Failure
}

// Sweeper reads what events name.
type Sweeper interface {
	// Ready is closed when places can be located.
	Ready() <-chan struct{}
	// Locate tells where to look, and false for what is out of scope.
	Locate(inventory.RefreshKey) (inventory.RefreshKey, bool)
	Refresh(context.Context, inventory.RefreshKey) *inventory.Failure
	Publish()
}

// Metrics takes note of what happens.
type Metrics interface {
	ObserveEvent(detailType string, lag time.Duration)
	ObserveIgnoredEvent(detailType, reason string)
	ObserveFailedEvent(detailType, reason string)
	ObserveRefresh(kind string, ok bool)
	ObserveEventQueue(ok bool)
}

// Consumer refreshes what the events of a queue name.
//
// A message is deleted once what it led to was published. If the refresh
// failed, the message is left to the queue: it appears again after a minute and
// is tried again until the queue's retention or redrive policy ends that. What
// is no event can never become one and is deleted at once, after it was counted
// and logged; so is what needs no refresh.
type Consumer struct {
	queue   Queue
	sweeper Sweeper
	metrics Metrics
	logger  *slog.Logger

	backlog *backlog
	// logged are the kinds of malformed and unknown events that were logged.
	logged map[string]bool
}

// New makes a consumer.
func New(queue Queue, sweeper Sweeper, metrics Metrics, logger *slog.Logger) *Consumer {
	return &Consumer{queue: queue, sweeper: sweeper, metrics: metrics, logger: logger, backlog: newBacklog(), logged: map[string]bool{}}
}

// delivery is what the queue brought, and whether it has more for the asking.
type delivery struct {
	messages []inventory.Message
	more     bool
}

// outcome is how a refresh went.
type outcome struct {
	place        inventory.RefreshKey
	began, ended time.Time
	failure      *inventory.Failure
}

// Run consumes events until the context ends. It returns when everything that
// it started has ended. Messages that it still holds appear again.
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
			done, publishAt = nil, time.Now().Add(rest*time.Since(now))
		}
		due, next := c.backlog.start(time.Now(), maxRefreshes-len(c.backlog.running))
		for _, p := range due {
			wg.Go(func() { c.refresh(ctx, p, outcomes) })
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
			delete = append(delete, c.sort(d.messages, time.Now())...)
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

// sort puts messages into the backlog and returns the receipts of those that
// ask for nothing.
func (c *Consumer) sort(messages []inventory.Message, now time.Time) (useless []string) {
	for _, m := range messages {
		e, ok := parse(m.Body)
		if m.Receives <= 1 {
			// Later receipts are late because the refresh failed.
			lag := time.Duration(-1)
			if !e.at.IsZero() {
				lag = max(0, now.Sub(e.at))
			}
			c.metrics.ObserveEvent(e.detailType, lag)
		}
		located := false
		if ok && e.ignored == "" {
			if e.place, located = c.sweeper.Locate(e.place); !located {
				e.ignored = outOfScope
			}
		}
		switch {
		case located:
			c.backlog.add(e.place, held{m.Receipt, e.detailType, now.Add(visibility)}, now)
			continue
		case !ok:
			c.metrics.ObserveFailedEvent(e.detailType, malformed)
			c.logOnce(malformed, "A message of the event queue is no event of AWS and was deleted; further ones are only counted", m.Body)
		default:
			c.metrics.ObserveIgnoredEvent(e.detailType, e.ignored)
			if e.ignored == unknownDetailType {
				c.logOnce(unknownDetailType, "An event of a kind that this program does not know was ignored; further ones are only counted", m.Body)
			}
		}
		useless = append(useless, m.Receipt)
	}
	return useless
}

const longestQuote = 200

func (c *Consumer) logOnce(kind, message, body string) {
	if c.logged[kind] {
		return
	}
	c.logged[kind] = true
	c.logger.Warn(message, "body", body[:min(longestQuote, len(body))])
}

func (c *Consumer) refresh(ctx context.Context, p inventory.RefreshKey, outcomes chan<- outcome) {
	began := time.Now()
	failure := c.sweeper.Refresh(ctx, p)
	select {
	case outcomes <- outcome{p, began, time.Now(), failure}:
	case <-ctx.Done():
	}
}

// settle publishes what has been refreshed, all at once, and returns the
// receipts of the messages that are thereby answered.
func (c *Consumer) settle(done []outcome) (answered []string) {
	c.sweeper.Publish()
	for _, o := range done {
		kind := string(inventory.CoverageSweep)
		if o.place.AnalyzerARN != "" {
			kind = string(inventory.FindingsSweep)
		}
		c.metrics.ObserveRefresh(kind, o.failure == nil)
		for _, m := range c.backlog.finish(o.place, o.began, o.ended) {
			if o.failure == nil {
				answered = append(answered, m.receipt)
			} else {
				c.metrics.ObserveFailedEvent(m.detailType, refreshFailed)
			}
		}
		if o.failure != nil {
			c.logger.Debug("What an event names could not be read; the message will appear again",
				"account_id", o.place.AccountID, "region", o.place.Region, "reason", o.failure.Reason, "message", o.failure.Message, "request_id", o.failure.RequestID)
		}
	}
	return answered
}

// hide keeps the messages hidden that are still needed.
func (c *Consumer) hide(ctx context.Context, wg *sync.WaitGroup) {
	now := time.Now()
	receipts := c.backlog.fading(now.Add(2*heartbeat), now.Add(visibility))
	if len(receipts) == 0 {
		return
	}
	wg.Go(func() {
		for chunk := range slices.Chunk(receipts, batch) {
			if f := c.queue.Hide(ctx, chunk, visibility); f != nil && ctx.Err() == nil {
				c.logger.Debug("Messages could not be kept hidden and will be received twice, which does no harm", "err", f, "request_id", f.RequestID)
				return
			}
		}
	})
}

// delete deletes messages in batches.
func (c *Consumer) delete(ctx context.Context, settled <-chan []string) {
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case receipts := <-settled:
			failure := c.deleteAll(ctx, receipts)
			if ctx.Err() != nil {
				return
			}
			if failure != nil && !failing {
				c.logger.Warn("Messages cannot be deleted from the event queue: they are received, and what they name is refreshed, again and again", "err", failure, "request_id", failure.RequestID)
			}
			failing = failure != nil
		}
	}
}

func (c *Consumer) deleteAll(ctx context.Context, receipts []string) *inventory.Failure {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first *inventory.Failure
	)
	slots := make(chan struct{}, drains)
	for chunk := range slices.Chunk(receipts, batch) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if f := c.queue.Delete(ctx, chunk); f != nil {
				mu.Lock()
				defer mu.Unlock()
				first = f
			}
		})
	}
	wg.Wait()
	return first
}

// receive asks the queue again and again; several do while there is more.
func (c *Consumer) receive(ctx context.Context, to chan<- delivery) {
	var (
		pause  = firstPause
		reason inventory.Reason // why it is failing; empty when it is not
	)
	for ctx.Err() == nil {
		messages, failure := c.queue.Receive(ctx, longPoll, visibility)
		if ctx.Err() != nil {
			return
		}
		c.metrics.ObserveEventQueue(failure == nil)
		if failure != nil {
			if failure.Reason != reason {
				c.logger.Warn("The event queue cannot be read: findings and analyzers are as fresh as the sweeps make them", "reason", failure.Reason, "err", failure, "request_id", failure.RequestID)
			}
			reason = failure.Reason
			sleep(ctx, pause)
			pause = min(2*pause, longestPause)
			continue
		}
		if reason != "" {
			c.logger.Info("The event queue can be read again")
		}
		pause, reason = firstPause, ""
		if len(messages) == 0 {
			continue
		}
		more := len(messages) == batch
		if c.deliver(ctx, to, delivery{messages, more}); more {
			c.drain(ctx, to)
			c.deliver(ctx, to, delivery{})
		}
	}
}

// drain empties the queue as fast as it can, until somebody gets less than
// could be had. A failure is found again by who asks next.
func (c *Consumer) drain(ctx context.Context, to chan<- delivery) {
	var wg sync.WaitGroup
	for range drains {
		wg.Go(func() {
			for more := true; more && ctx.Err() == nil; {
				messages, failure := c.queue.Receive(ctx, shortPoll, visibility)
				more = failure == nil && len(messages) == batch
				c.deliver(ctx, to, delivery{messages, true})
			}
		})
	}
	wg.Wait()
}

func (c *Consumer) deliver(ctx context.Context, to chan<- delivery, d delivery) {
	select {
	case to <- d:
	case <-ctx.Done():
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
