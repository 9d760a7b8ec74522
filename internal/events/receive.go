package events

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
)

// hide extends the visibility timeout of messages that are still needed.
func (c *Consumer) hide(ctx context.Context, wg *sync.WaitGroup) {
	now := time.Now()
	receipts := c.backlog.extendVisibility(now.Add(2*heartbeat), now.Add(visibility))
	if len(receipts) == 0 {
		return
	}
	wg.Go(func() {
		for chunk := range slices.Chunk(receipts, batch) {
			if f := c.queue.Hide(ctx, chunk, visibility); f != nil && ctx.Err() == nil {
				c.logger.Debug("Failed to extend the visibility timeout of messages; their targets are refreshed twice", "err", f, "request_id", f.RequestID)
				return
			}
		}
	})
}

// delete deletes the messages whose receipts it gets, until the context ends.
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
				c.logger.Warn("Failed to delete messages from the event queue; they are received again and refresh the same targets", "err", failure, "request_id", failure.RequestID)
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
	slots := make(chan struct{}, drainers)
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

// receive polls the queue until the context ends, and drainers it after a full
// batch.
func (c *Consumer) receive(ctx context.Context, to chan<- delivery) {
	var (
		backoff = minBackoff
		reason  inventory.Reason // why it is failing; empty when it is not
	)
	for ctx.Err() == nil {
		messages, failure := c.queue.Receive(ctx, longPoll, visibility)
		if ctx.Err() != nil {
			return
		}
		c.metrics.ObserveEventQueue(failure == nil)
		if failure != nil {
			if failure.Reason != reason {
				c.logger.Warn("Failed to receive from the event queue; changes are read by the next sweep", "reason", failure.Reason,
					"fix", remedy.Of(failure, nil, remedy.Setting{}).Text(), "err", failure, "request_id", failure.RequestID)
			}
			reason = failure.Reason
			clock.Wait(ctx, time.Now().Add(backoff), nil)
			backoff = min(2*backoff, maxBackoff)
			continue
		}
		if reason != "" {
			c.logger.Info("Receiving from the event queue again")
		}
		backoff, reason = minBackoff, ""
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

// drain receives in parallel until a batch is not full. It ignores a failure,
// which receive meets again and reports.
func (c *Consumer) drain(ctx context.Context, to chan<- delivery) {
	var wg sync.WaitGroup
	for range drainers {
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
