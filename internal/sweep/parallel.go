package sweep

import (
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Workers start together in groups of this size, the groups rampUp apart: AWS throttles
// bursts.
const (
	group  = 8
	rampUp = 2 * time.Millisecond
)

// inParallel calls do for every item, up to n at a time. timedOut is whether AWS did
// not answer.
func inParallel[T located](n int, q *queue[T], do func(T) (timedOut bool)) {
	var wg sync.WaitGroup
	for worker := range min(n, q.len()) {
		if worker > 0 && worker%group == 0 {
			time.Sleep(rampUp)
		}
		if q.len() == 0 {
			break
		}
		wg.Go(func() {
			for item, ok := q.next(); ok; item, ok = q.next() {
				if do(item) {
					q.timedOut(item.target())
				}
			}
		})
	}
	wg.Wait()
}

// located is about a target.
type located interface{ target() inventory.Target }

// queue has items in their order, but those last whose account or Region did not answer
// before: calls that hang would occupy the workers, and leave no time for the rest. It
// is safe for concurrent use.
type queue[T located] struct {
	mu sync.Mutex
	// levels are the items by the number of timeouts that counted against them when
	// they were queued.
	levels [][]T
	// lowest is the first level that has items.
	lowest, left int
	// accounts and regions are numbers of timeouts.
	accounts, regions map[string]int
}

// newQueue returns a queue of items. hung is whether one did not answer before.
func newQueue[T located](items []T, hung func(T) bool) *queue[T] {
	q := &queue[T]{left: len(items), levels: [][]T{items}, accounts: map[string]int{}, regions: map[string]int{}}
	for _, item := range items {
		if hung(item) {
			q.timedOut(item.target())
		}
	}
	return q
}

func (q *queue[T]) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.left
}

func (q *queue[T]) timedOut(t inventory.Target) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.accounts[t.AccountID]++
	q.regions[t.Region]++
}

// against returns the number of timeouts that count against a target. The first in a
// Region does not, as it may be due to the account.
func (q *queue[T]) against(t inventory.Target) int {
	return q.accounts[t.AccountID] + max(0, q.regions[t.Region]-1)
}

// next removes the next item; ok is false if there is none.
func (q *queue[T]) next() (item T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for ; q.lowest < len(q.levels); q.lowest++ {
		for len(q.levels[q.lowest]) > 0 {
			item = q.levels[q.lowest][0]
			q.levels[q.lowest] = q.levels[q.lowest][1:]
			n := q.against(item.target())
			if n <= q.lowest {
				q.left--
				return item, true
			}
			for len(q.levels) <= n {
				q.levels = append(q.levels, nil)
			}
			q.levels[n] = append(q.levels[n], item)
		}
	}
	return item, false
}

// collected collects items concurrently.
type collected[T any] struct {
	mu    sync.Mutex
	items []T
}

func (c *collected[T]) add(item T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.items = append(c.items, item)
}
