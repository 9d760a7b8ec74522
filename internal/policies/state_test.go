package policies

import (
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Documents are validated again within FullInterval, but not all in one read, and never
// because another account has just done so.
func TestDue(t *testing.T) {
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	week := Options{Interval: day, FullInterval: 7 * day}
	same := Options{Interval: day, FullInterval: day}
	first, last := hash{}, hash{0xff, 0xff}
	for name, test := range map[string]struct {
		o    *Options
		h    hash
		age  time.Duration
		want bool
	}{
		"never validated":          {&week, first, -1, true},
		"the next day":             {&week, first, day, false},
		"first of the last days":   {&week, first, 4*day + 6*time.Hour, true},
		"last, not yet":            {&week, last, 5 * day, false},
		"last, the next too late":  {&week, last, 6 * day, true},
		"in every read":            {&same, last, 23 * time.Hour, true},
		"just by another account":  {&same, first, 59 * time.Minute, false},
		"set back by another hour": {&week, first, 0, false},
	} {
		r := result{validatedAt: now.Add(-test.age)}
		if test.age < 0 {
			r.validatedAt = time.Time{}
		}
		if got := r.due(test.h, test.o, now); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The content and the policy type make a document, not its name or account.
func TestHash(t *testing.T) {
	p := Policy{Type: inventory.Managed, Name: "a", Document: "{}"}
	for name, test := range map[string]struct {
		other Policy
		same  bool
	}{
		"other name":             {Policy{Type: inventory.Managed, Name: "b", Document: "{}"}, true},
		"inline":                 {Policy{Type: inventory.Inline, Name: "a", Document: "{}"}, true},
		"trust":                  {Policy{Type: inventory.Trust, Name: "a", Document: "{}"}, false},
		"service control":        {Policy{Type: inventory.ServiceControl, Name: "a", Document: "{}"}, false},
		"other content":          {Policy{Type: inventory.Managed, Name: "a", Document: "{ }"}, false},
		"content with separator": {Policy{Type: inventory.Managed, Name: "a", Document: "\x00{}"}, false},
	} {
		if got := hashOf(p) == hashOf(test.other); got != test.same {
			t.Errorf("%s: same %v", name, got)
		}
	}
}

// Accounts that were read at the same time are due at different ones, never after the
// interval; those that failed are due sooner.
func TestSchedule(t *testing.T) {
	start := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	o := Options{Interval: day}
	times := map[time.Time]bool{}
	for _, id := range []string{"111111111111", "222222222222", "333333333333", "444444444444"} {
		s, k := source{readAt: start, triedAt: start}, sourceKey{accountID: id}
		s.schedule(k, &o, false)
		if after := s.dueAt.Sub(start); after < day/2 || after > day {
			t.Errorf("%s is due after %v", id, after)
		}
		times[s.dueAt] = true
		s.schedule(k, &o, false)
		if after := s.dueAt.Sub(start); after != 23*time.Hour {
			t.Errorf("%s is then due after %v", id, after)
		}
		for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
			if s.schedule(k, &o, true); s.dueAt.Sub(start) != want {
				t.Errorf("after %d failures: %v", i+1, s.dueAt.Sub(start))
			}
		}
		for range 20 {
			s.schedule(k, &o, true)
		}
		if after := s.dueAt.Sub(start); after != day/4 {
			t.Errorf("after many failures: %v", after)
		}
	}
	if len(times) != 4 {
		t.Errorf("%d different times", len(times))
	}
}
