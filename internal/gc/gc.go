// Package gc tunes Go's garbage collector to this program.
//
// A sweep allocates some 30 KB a call, most of it in the AWS SDK, over facts of
// two hundred bytes a target. Go's own pace, a collection for as much again
// as there is, spends a fourth of the processor time on a small heap, and a
// pace that suits a small heap wastes hundreds of megabytes on a large one. So
// collections are rare, and what bounds memory is a limit, which Go keeps by
// collecting more often close to it. That limit follows how many targets there
// are, and gives way where more is held than was reckoned with: a collector
// that is always at its limit would take half of the processors.
package gc

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// base and perTarget bytes are for Go to take: 100 MB and 1.5 KB without
	// the program's own pages, stacks of threads and what is late to be freed.
	base, perTarget = 83e6, 1400
	// few is Go's pace, in percent of what is held, where only the limit holds
	// it back. More would be fewer collections, and more memory to go through
	// between them, which takes longer.
	few = 300
	// many is the pace while nobody knows how many targets there are, and what
	// there is room for beside what is held, whatever that is.
	many = 75
	// ofContainer leaves room for what is not Go's.
	ofContainer = 0.9
	// every is how often the limit is fitted.
	every = time.Second
)

// Tune fits the collector to the number of targets, which is 0 while it is not
// known, until the context ends. GOGC, where it is set, turns this off. Never
// is the limit above GOMEMLIMIT, where that is set, or else above nine tenths
// of the memory that the cgroup allows.
func Tune(ctx context.Context, targets func() int) {
	// Without a cgroup, or without a limit in it, there is none to keep.
	_, _ = memlimit.Set(memlimit.WithProvider(memlimit.FromCgroup), memlimit.WithRatio(ofContainer))
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(many)
	go fit(ctx, targets, debug.SetMemoryLimit(-1))
}

func fit(ctx context.Context, targets func() int, ceiling int64) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	// Whatever is set stops the world, so that it is set where it changes.
	for set := int64(0); ; {
		if n := targets(); n > 0 {
			if to := min(limit(n, live()), ceiling); to != set {
				debug.SetGCPercent(few)
				debug.SetMemoryLimit(to)
				set = to
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// live is how many bytes the last collection found in use.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// limit is how many bytes Go may take where so many of them are in use.
func limit(targets int, live uint64) int64 {
	return max(base+perTarget*int64(targets), base/2+int64(live)*(100+many)/100)
}
