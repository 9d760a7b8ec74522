package sweep

import (
	"sync"
	"sync/atomic"
	"time"
)

// The first workers start at the same moment, and the others rampUp apart: AWS
// throttles bursts.
const (
	firstWorkers = 8
	rampUp       = time.Millisecond
)

// inParallel calls do for every item, up to n at a time.
func inParallel[T any](n int, items []T, do func(T)) {
	var (
		wg   sync.WaitGroup
		next atomic.Int64
	)
	for worker := range min(n, len(items)) {
		if worker >= firstWorkers {
			time.Sleep(rampUp)
		}
		if next.Load() >= int64(len(items)) {
			break
		}
		wg.Go(func() {
			for i := next.Add(1); i <= int64(len(items)); i = next.Add(1) {
				do(items[i-1])
			}
		})
	}
	wg.Wait()
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
