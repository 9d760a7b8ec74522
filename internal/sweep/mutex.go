package sweep

import (
	"context"
	"sync"
)

// keyedMutex is a mutex for each key. The zero value has none locked.
type keyedMutex[K comparable] struct {
	mu sync.Mutex
	// locked has the locked keys, each with a channel, closed by unlock, if
	// there is a waiter.
	locked map[K]chan struct{}
}

// lock returns false when the context ends before the key is locked.
func (m *keyedMutex[K]) lock(ctx context.Context, key K) bool {
	for {
		m.mu.Lock()
		unlocked, busy := m.locked[key]
		if !busy {
			if m.locked == nil {
				m.locked = map[K]chan struct{}{}
			}
			m.locked[key] = nil
			m.mu.Unlock()
			return true
		}
		if unlocked == nil {
			unlocked = make(chan struct{})
			m.locked[key] = unlocked
		}
		m.mu.Unlock()
		select {
		case <-unlocked:
		case <-ctx.Done():
			return false
		}
	}
}

func (m *keyedMutex[K]) unlock(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if unlocked := m.locked[key]; unlocked != nil {
		close(unlocked)
	}
	delete(m.locked, key)
}
