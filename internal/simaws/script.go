package simaws

import (
	"math"
	"time"
)

// Event is a change of the world that happens by itself.
type Event struct {
	// After is when, counted from when the world was set.
	After time.Duration
	// Every repeats it; zero does not.
	Every time.Duration
	// Times limits how often it happens; 0 is no limit.
	Times int
	// Do changes the world. now is when the event was due, which is not later
	// than the moment at which somebody looks.
	Do func(w *World, now time.Time)

	begun bool
	due   time.Time // zero when it will not happen (again)
	done  int
}

// maxCatchUp bounds how many events happen at once when a clock jumps ahead.
const maxCatchUp = 100_000

// begin sets the event to its start.
func (e *Event) begin(start time.Time) {
	e.begun, e.due, e.done = true, start.Add(e.After), 0
}

// next is when something in the script is due, in Unix nanoseconds.
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

// play lets everything happen that is due, in the order in which it is.
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
