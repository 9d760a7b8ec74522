package clock

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// stepped returns a time whose wall clock was set by d since, which leaves the
// monotonic clock alone. Package time has no way to make one: with a monotonic
// reading, the first word of a Time has the seconds from bit 30.
func stepped(t time.Time, d time.Duration) time.Time {
	word := (*uint64)(unsafe.Pointer(&t))
	*word = uint64(int64(*word) + int64(d/time.Second)<<30)
	return t
}

func TestElapsed(t *testing.T) {
	now := time.Now()
	if s := stepped(now, time.Hour); s.Sub(now) != 0 || s.Unix()-now.Unix() != 3600 {
		t.Fatalf("a stepped time is %s, %d s later", s.Sub(now), s.Unix()-now.Unix())
	}
	for _, test := range []struct {
		name string
		to   time.Time
		want time.Duration
	}{
		{"both clocks", now.Add(time.Minute), time.Minute},
		{"suspended for an hour", stepped(now.Add(time.Minute), time.Hour), time.Hour + time.Minute},
		{"set back by an hour", stepped(now.Add(time.Minute), -time.Hour), time.Minute},
		{"without a monotonic clock", now.Add(time.Minute).Round(0), time.Minute},
	} {
		if got := Elapsed(now, test.to); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	if until := now.Add(time.Minute); Reached(until, now) || !Reached(until, stepped(now, time.Hour)) || Reached(until, stepped(now, -time.Hour)) {
		t.Error("a time is reached by one clock alone, or not at all")
	}
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		Wait(t.Context(), start.Add(time.Hour), nil)
		if d := time.Since(start); d != time.Hour {
			t.Errorf("waited %s", d)
		}
		wake := make(chan struct{}, 1)
		wake <- struct{}{}
		Wait(t.Context(), start.Add(5*time.Hour), wake)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		Wait(ctx, start.Add(5*time.Hour), nil)
		if d := time.Since(start); d != time.Hour {
			t.Errorf("waited %s although woken", d)
		}
	})
}
