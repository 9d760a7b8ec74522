// Package gc tunes Go's garbage collector to this program, where nobody has
// tuned it already with GOGC or GOMEMLIMIT.
//
// A sweep allocates some 30 KB a call, most of it in the AWS SDK, over facts of
// a few hundred bytes a target. Go's own pace, a collection for as much again
// as there is, spends a fourth of the processor time on a small heap, and a
// pace that suits a small heap wastes hundreds of megabytes on a large one.
package gc

import (
	"os"
	"runtime/debug"
	"runtime/metrics"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// room is what is allocated between two collections of a small heap.
	room = 32 << 20
	// A heap of any size grows by no less and no more than this, in percent.
	least, most = 75, 400
	// ofLimit leaves room in the container for what is not Go's heap.
	ofLimit = 0.9
)

// Limit sets a soft limit from the cgroup: close to it Go collects more often
// instead of being killed.
func Limit() {
	// Without a cgroup, or without a limit in it, there is none to keep.
	_, _ = memlimit.SetGoMemLimitWithOpts(memlimit.WithProvider(memlimit.FromCgroup), memlimit.WithRatio(ofLimit))
}

// Pace fits the pace of collections to what is held now. It is for the end of
// each sweep, and before the first.
func Pace() {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	debug.SetGCPercent(percent(live[0].Value.Uint64()))
}

// percent is the pace for a heap of so many bytes.
func percent(live uint64) int {
	if live == 0 {
		return most // nothing was collected yet
	}
	return int(min(max(room*100/live, least), most))
}
