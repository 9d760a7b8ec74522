package gc

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestTune(t *testing.T) {
	for _, test := range []struct {
		name        string
		gogc        string
		ceiling     int64
		targets     int
		held        int
		wantPercent int
		wantAtLeast int64
		wantAtMost  int64
	}{
		{name: "targets unknown", ceiling: math.MaxInt64, wantPercent: 75, wantAtLeast: math.MaxInt64, wantAtMost: math.MaxInt64},
		{name: "one account", ceiling: math.MaxInt64, targets: 17, wantPercent: 300, wantAtLeast: 83_023_800, wantAtMost: 83_023_800},
		{name: "ten thousand accounts", ceiling: math.MaxInt64, targets: 170_000, wantPercent: 300, wantAtLeast: 321e6, wantAtMost: 321e6},
		{name: "limit of the container", ceiling: 200e6, targets: 170_000, wantPercent: 300, wantAtLeast: 200e6, wantAtMost: 200e6},
		{name: "live heap above the limit", ceiling: math.MaxInt64, targets: 17, held: 100e6, wantPercent: 300, wantAtLeast: 216e6, wantAtMost: 300e6},
		{name: "live heap above the limit of the container", ceiling: 100e6, targets: 17, held: 100e6, wantPercent: 300, wantAtLeast: 100e6, wantAtMost: 100e6},
		{name: "GOGC is set", gogc: "123", ceiling: math.MaxInt64, targets: 170_000, wantPercent: 123, wantAtLeast: math.MaxInt64, wantAtMost: math.MaxInt64},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv("GOGC", test.gogc)
			// GOMEMLIMIT keeps memlimit from reading the cgroup of this machine.
			t.Setenv("GOMEMLIMIT", "off")
			defer debug.SetGCPercent(debug.SetGCPercent(123))
			defer debug.SetMemoryLimit(debug.SetMemoryLimit(test.ceiling))
			held := make([]byte, test.held)
			runtime.GC()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				Tune(ctx, func() int { return test.targets })
				time.Sleep(interval)
				synctest.Wait()
			})
			limit, percent := debug.SetMemoryLimit(-1), debug.SetGCPercent(100)
			if percent != test.wantPercent || limit < test.wantAtLeast || limit > test.wantAtMost {
				t.Errorf("%d %% and a limit of %d bytes; want %d %% and %d to %d", percent, limit, test.wantPercent, test.wantAtLeast, test.wantAtMost)
			}
			runtime.KeepAlive(held)
		})
	}
}

// The limit follows the number of targets and the live heap.
func TestLimitFollowsTargets(t *testing.T) {
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "off")
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var targets atomic.Int64
		Tune(ctx, func() int { return int(targets.Load()) })
		limit := func() int64 {
			time.Sleep(interval)
			synctest.Wait()
			return debug.SetMemoryLimit(-1)
		}
		if got := limit(); got != math.MaxInt64 {
			t.Errorf("%d bytes before anything is known", got)
		}
		targets.Store(1000)
		if got := limit(); got != 84_400_000 {
			t.Errorf("%d bytes for a thousand targets", got)
		}
		held := make([]byte, 100e6)
		runtime.GC()
		if got := limit(); got < 216e6 {
			t.Errorf("%d bytes where 100 MB are held", got)
		}
		runtime.KeepAlive(held)
		runtime.GC()
		if got := limit(); got != 84_400_000 {
			t.Errorf("%d bytes once they are not", got)
		}
		targets.Store(10_000)
		if got := limit(); got != 97_000_000 {
			t.Errorf("%d bytes for ten thousand targets", got)
		}
	})
}
