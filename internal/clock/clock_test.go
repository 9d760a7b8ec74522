package clock

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock/clocktest"
)

func TestElapsed(t *testing.T) {
	testElapsed(t)
	synctest.Test(t, testElapsed)
}

func testElapsed(t *testing.T) {
	today := time.Now()
	now := clocktest.Stepped(today, 0)
	if !now.Equal(today) || now.UnixNano() != today.UnixNano() {
		t.Fatalf("%s is %s", today, now)
	}
	if s := clocktest.Stepped(now, time.Hour); s.Sub(now) != 0 || s.Unix()-now.Unix() != 3600 {
		t.Fatalf("a stepped time is %s, %d s later", s.Sub(now), s.Unix()-now.Unix())
	}
	for _, test := range []struct {
		name string
		to   time.Time
		want time.Duration
	}{
		{"both clocks", now.Add(time.Minute), time.Minute},
		{"suspended for an hour", clocktest.Stepped(now.Add(time.Minute), time.Hour), time.Hour + time.Minute},
		{"set back by an hour", clocktest.Stepped(now.Add(time.Minute), -time.Hour), time.Minute},
		{"without a monotonic clock", now.Add(time.Minute).Round(0), time.Minute},
	} {
		if got := Elapsed(now, test.to); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
	if until := now.Add(time.Minute); Reached(until, now) || !Reached(until, clocktest.Stepped(now, time.Hour)) || Reached(until, clocktest.Stepped(now, -time.Hour)) {
		t.Error("a time is reached by one clock alone, or not at all")
	}
}

// A time that was set before a suspension comes before one that was set after it and
// that the monotonic clock reaches first.
func TestEarlier(t *testing.T) {
	start := clocktest.Stepped(time.Now(), 0)
	before := start.Add(3 * time.Hour)
	now := clocktest.Stepped(start, 165*time.Minute) // suspended
	after := now.Add(time.Hour)
	for _, got := range []time.Time{Earlier(before, after, now), Earlier(after, before, now)} {
		if !got.Equal(before) {
			t.Errorf("got %s, want %s", got, before)
		}
	}
}

func TestRebase(t *testing.T) {
	start := clocktest.Stepped(time.Now(), 0)
	for by, want := range map[time.Duration]time.Duration{-2 * time.Hour: time.Hour + time.Minute, time.Hour: 2*time.Hour + time.Minute} {
		now := clocktest.Stepped(start.Add(time.Minute), by)
		resumed := clocktest.Stepped(now, time.Hour)
		if got := Elapsed(Rebase(start, now), resumed); got != want {
			t.Errorf("set by %s and then suspended for an hour: %s, want %s", by, got, want)
		}
		if SetBack(start, now) != (by < 0) || Rebase(time.Time{}, now) != (time.Time{}) {
			t.Errorf("set by %s: set back %v", by, SetBack(start, now))
		}
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
