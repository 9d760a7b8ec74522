package app

import (
	"testing"
	"time"
)

// A configuration that keeps changing is applied less and less often, but never
// later than longestReloadGap, and a reload after a quiet time at once.
func TestPaceOfReloads(t *testing.T) {
	var p pace
	now := time.Now()
	var gaps []time.Duration
	for range 12 {
		d := p.delay(now)
		gaps = append(gaps, d)
		now = now.Add(d)
		p.apply(now)
	}
	for i, d := range gaps {
		switch {
		case i < freeReloads && d != 0, d > longestReloadGap, i > freeReloads && d < gaps[i-1]:
			t.Fatalf("reloads are applied after %v", gaps)
		}
	}
	if last := gaps[len(gaps)-1]; last != longestReloadGap {
		t.Errorf("the longest gap is %s", last)
	}
	now = now.Add(quietReloads)
	if d := p.delay(now); d != 0 {
		t.Errorf("after a quiet time a reload is applied after %s", d)
	}
	p.apply(now)
	if d := p.delay(now); d != 0 {
		t.Errorf("the streak did not end: %s", d)
	}
}
