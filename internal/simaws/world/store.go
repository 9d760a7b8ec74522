package world

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Store guards a World for concurrent use, and runs its script.
type Store struct {
	now      func() time.Time
	onChange func(*World, time.Time)

	mu    sync.RWMutex
	index *Index
	// nextEvent is when the script continues, in Unix nanoseconds.
	nextEvent atomic.Int64
}

// NewStore returns a Store of w, which goes by the clock now. It calls onChange
// with the world locked after each change, and once at the start.
func NewStore(w *World, now func() time.Time, onChange func(*World, time.Time)) *Store {
	s := &Store{now: now, onChange: onChange}
	s.Set(w)
	return s
}

// Set replaces the world. Its script starts now.
func (s *Store) Set(w *World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.started = s.now()
	for _, e := range w.Script {
		e.begin(w.started)
	}
	s.changed(w)
}

// View calls read with the current world, which must not be kept.
func (s *Store) View(read func(*Index)) {
	s.Advance()
	s.Read(read)
}

// Read is View without advancing the script.
func (s *Store) Read(read func(*Index)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	read(s.index)
}

// Update calls change, which may change everything. No reader observes a part
// of the change.
func (s *Store) Update(change func(*World)) {
	s.Advance()
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.index.World)
	s.changed(s.index.World)
}

// AddFault adds a fault before all others and returns a function that removes
// it.
func (s *Store) AddFault(f *Fault) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.index.World
	w.Faults = append([]*Fault{f}, w.Faults...)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		w := s.index.World
		w.Faults = slices.DeleteFunc(slices.Clone(w.Faults), func(x *Fault) bool { return x == f })
	}
}

// Advance runs the events of the script that are due.
func (s *Store) Advance() {
	now := s.now()
	if now.UnixNano() < s.nextEvent.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.UnixNano() < s.nextEvent.Load() {
		return
	}
	play(s.index.World, now)
	s.changed(s.index.World)
}

// NextEvent is when the script continues.
func (s *Store) NextEvent() time.Time { return time.Unix(0, s.nextEvent.Load()) }

func (s *Store) changed(w *World) {
	now := s.now()
	s.onChange(w, now)
	s.index = newIndex(w)
	for _, e := range w.Script {
		if !e.begun {
			e.begin(now)
		}
	}
	s.nextEvent.Store(next(w.Script))
}

// Now is the time by the clock of the Store.
func (s *Store) Now() time.Time { return s.now() }
