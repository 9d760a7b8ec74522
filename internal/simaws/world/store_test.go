package world

import (
	"testing"
	"time"
)

func TestEvents(t *testing.T) {
	now := time.Now()
	s := NewStore(&World{}, func() time.Time { return now }, func(*World, time.Time) {})
	count := 0
	s.Update(func(w *World) {
		w.Script = append(w.Script, &Event{After: time.Minute, Every: time.Minute, Times: 3, Do: func(*World, time.Time) { count++ }})
	})
	for i, want := range []int{0, 1, 2, 3, 3} {
		if s.View(func(*Index) {}); count != want {
			t.Errorf("after %d minutes: %d events, want %d", i, count, want)
		}
		now = now.Add(time.Minute)
	}
}
