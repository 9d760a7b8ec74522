package world

import (
	"math"
	"time"
)

// Event is a scheduled change of the world.
type Event struct {
	// After is the time since a Store got the world.
	After time.Duration
	// Every is the interval of repetition; zero is never.
	Every time.Duration
	// Times limits the number of repetitions; 0 is no limit.
	Times int
	// Do changes the world. now is when the event was due, which may be before
	// the current time.
	Do func(w *World, now time.Time)

	begun bool
	due   time.Time // zero when there is no next time
	done  int
}

// maxCatchUp bounds how many events run at once when a clock jumps ahead.
const maxCatchUp = 100_000

// begin schedules the first run.
func (e *Event) begin(start time.Time) {
	e.begun, e.due, e.done = true, start.Add(e.After), 0
}

// next is when the next event is due, in Unix nanoseconds.
func next(script []*Event) int64 {
	if e := earliest(script); e != nil {
		return e.due.UnixNano()
	}
	return math.MaxInt64
}

func earliest(script []*Event) *Event {
	var first *Event
	for _, e := range script {
		if !e.due.IsZero() && (first == nil || e.due.Before(first.due)) {
			first = e
		}
	}
	return first
}

// play runs the events that are due, in order.
func play(w *World, now time.Time) {
	for range maxCatchUp {
		e := earliest(w.Script)
		if e == nil || e.due.After(now) {
			return
		}
		due := e.due
		e.done++
		if e.due = due.Add(e.Every); e.Every <= 0 || e.Times > 0 && e.done >= e.Times {
			e.due = time.Time{}
		}
		e.Do(w, due)
	}
}
