package gc

import (
	"runtime/debug"
	"testing"
)

func TestPercent(t *testing.T) {
	for _, test := range []struct {
		live uint64
		want int
	}{
		{0, 400}, {1 << 20, 400}, {8 << 20, 400}, {16 << 20, 200}, {32 << 20, 100}, {128 << 20, 75}, {10 << 30, 75},
	} {
		if got := percent(test.live); got != test.want {
			t.Errorf("%d bytes: %d %%, want %d %%", test.live, got, test.want)
		}
	}
}

func TestTheEnvironmentHasPrecedence(t *testing.T) {
	before := debug.SetGCPercent(123)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "123")
	if Pace(); debug.SetGCPercent(123) != 123 {
		t.Error("GOGC is set, and was not kept")
	}
	t.Setenv("GOGC", "")
	if Pace(); debug.SetGCPercent(123) == 123 {
		t.Error("GOGC is not set, and the pace stayed as it was")
	}
}
