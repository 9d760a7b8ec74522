// Package clocktest has a wall clock that tests set.
package clocktest

import (
	"sync/atomic"
	"time"
	"unsafe"
)

// Wall is a wall clock beside the monotonic clock of package time. The zero value
// agrees with that of package time.
type Wall struct{ ahead atomic.Int64 }

// Step sets the clock forward, as a suspension of the machine does too, or back.
func (w *Wall) Step(d time.Duration) { w.ahead.Add(int64(d)) }

// Now returns the time by both clocks.
func (w *Wall) Now() time.Time { return Stepped(time.Now(), time.Duration(w.ahead.Load())) }

// Stepped returns a time whose wall clock was set by d since, in whole seconds, which
// leaves the monotonic clock alone. In a synctest bubble, where times have no reading of
// that clock, it gets one.
func Stepped(t time.Time, d time.Duration) time.Time {
	const (
		hasMonotonic   = 1 << 63
		nanosecondBits = 30
		// days are those from 1885, where the first word begins, to 1970.
		days = 85*365 + 20
	)
	// Package time has no way to make such a Time: with a reading of the monotonic
	// clock, the first word has the wall clock, and the second word that reading.
	words := (*struct {
		wall uint64
		ext  int64
	})(unsafe.Pointer(&t))
	if words.wall&hasMonotonic == 0 {
		*words = struct {
			wall uint64
			ext  int64
		}{hasMonotonic | uint64(t.Unix()+days*24*60*60)<<nanosecondBits | uint64(t.Nanosecond()), t.UnixNano()}
	}
	words.wall = uint64(int64(words.wall) + int64(d/time.Second)<<nanosecondBits)
	return t
}
