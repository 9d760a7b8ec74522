package sweep

import (
	"sync/atomic"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Progress is the progress of the latest sweep of one kind.
type Progress struct {
	Kind    inventory.SweepKind
	Running bool
	// StartedAt is when the running sweep began; zero when none is running.
	StartedAt time.Time
	// Done, Failed and Total are numbers of targets or, in a findings sweep, of
	// analyzers. Done includes Failed.
	Done, Failed, Total int
	// Throttled is how many targets are read again because AWS throttled them, and
	// Until the latest time at which that ends.
	Throttled int
	Until     time.Time
}

// Rate returns how many targets or analyzers are done per second and how long
// the remaining ones take at that rate. ok is false while there is no rate.
func (p Progress) Rate(now time.Time) (perSecond float64, left time.Duration, ok bool) {
	elapsed := now.Sub(p.StartedAt).Seconds()
	if !p.Running || p.Done == 0 || elapsed <= 0 {
		return 0, 0, false
	}
	perSecond = float64(p.Done) / elapsed
	return perSecond, time.Duration(float64(p.Total-p.Done) / perSecond * float64(time.Second)), true
}

// Progress returns the progress of each kind of sweep.
func (s *Sweeper) Progress() []Progress {
	var all []Progress
	for _, kind := range inventory.SweepKinds {
		all = append(all, s.progress[kind].read(kind))
	}
	return all
}

// progress is a Progress that the workers of a sweep update concurrently.
type progress struct {
	started             atomic.Int64 // Unix nanoseconds; 0: not running
	done, failed, total atomic.Int64
	throttled, until    atomic.Int64 // Unix nanoseconds
}

func (p *progress) start(total int) {
	p.done.Store(0)
	p.failed.Store(0)
	p.throttled.Store(0)
	p.total.Store(int64(total))
	p.started.Store(time.Now().UnixNano())
}

func (p *progress) stop() { p.started.Store(0) }

// again sets how many targets are read again.
func (p *progress) again(throttled int, until time.Time) {
	p.until.Store(until.UnixNano())
	p.throttled.Store(int64(throttled))
}

func (p *progress) step(failed bool) {
	if failed {
		p.failed.Add(1)
	}
	p.done.Add(1)
}

func (p *progress) read(kind inventory.SweepKind) Progress {
	r := Progress{Kind: kind, Done: int(p.done.Load()), Failed: int(p.failed.Load()), Total: int(p.total.Load())}
	if r.Throttled = int(p.throttled.Load()); r.Throttled > 0 {
		r.Until = time.Unix(0, p.until.Load())
	}
	if started := p.started.Load(); started != 0 {
		r.Running, r.StartedAt = true, time.Unix(0, started)
	}
	return r
}
