// Package gc adjusts the garbage collector to the number of targets.
//
// A sweep allocates about 30 KB per call, most of it in the AWS SDK, and keeps a
// few hundred bytes per target. The default GOGC collects too often on such a
// heap, and a higher one exceeds the memory target of small fleets. So GOGC is
// high, and a memory limit that follows the number of targets bounds the heap.
// docs/design/garbage-collection.md has the measurements.
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
	// base and perTarget are the memory limit in bytes: 100 MB and 1.5 KB less
	// the binary, thread stacks and memory that is not yet returned.
	base, perTarget = 83e6, 1400
	// publishedPercent is GOGC once the number of targets is known. The limit
	// bounds the heap.
	publishedPercent = 300
	// initialPercent is GOGC before, and the least growth that the limit allows
	// above the live heap.
	initialPercent = 75
	// cgroupRatio leaves room for memory outside of the Go runtime.
	cgroupRatio = 0.9
	// interval is the time between adjustments of the limit.
	interval = time.Second
)

// Tune adjusts the garbage collector to the number of targets, 0 if unknown,
// until ctx is done. It does nothing if GOGC is set. The limit is at most
// GOMEMLIMIT or, if that is not set, 90% of the memory limit of the cgroup.
func Tune(ctx context.Context, targets func() int) {
	// Without a cgroup limit there is no ceiling.
	_, _ = memlimit.Set(memlimit.WithProvider(memlimit.FromCgroup), memlimit.WithRatio(cgroupRatio))
	if os.Getenv("GOGC") != "" {
		return
	}
	debug.SetGCPercent(initialPercent)
	go adjust(ctx, targets, debug.SetMemoryLimit(-1))
}

func adjust(ctx context.Context, targets func() int, ceiling int64) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	// Each change stops the world.
	for set := int64(0); ; {
		if n := targets(); n > 0 {
			if to := min(limit(n, live()), ceiling); to != set {
				debug.SetGCPercent(publishedPercent)
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

// live returns the size of the live heap at the last collection in bytes.
func live() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// limit returns the memory limit in bytes. It grows with the live heap, because a
// collector at its limit would use half of the CPU time.
func limit(targets int, live uint64) int64 {
	return max(base+perTarget*int64(targets), base/2+int64(live)*(100+initialPercent)/100)
}
