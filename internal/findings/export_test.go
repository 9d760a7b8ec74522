package findings

import "time"

// MaxEntries is the size limit of the index over all analyzers.
const MaxEntries = maxEntries

// Reserve and Release change the number of findings that other analyzers use.
func (b *Budget) Reserve(n int) { b.reserve(n) }
func (b *Budget) Release(n int) { b.release(n) }

// SetPause replaces the pause between two attempts.
func (c *Counter) SetPause(d time.Duration) { c.pause = d }

// SetFullInterval replaces the interval of full counts.
func (c *Counter) SetFullInterval(d time.Duration) { c.opts.FullInterval = d }

// Entries returns the number of findings in the index; -1 without an index.
func (s *State) Entries() int {
	if s.index == nil {
		return -1
	}
	return len(s.index.entries)
}

// ExactAsOf returns the time by the AWS clock of the last totals that agreed.
func (s *State) ExactAsOf() time.Time { return s.exactAsOf }

// AgeFullCount moves the last full count into the past.
func (s *State) AgeFullCount(d time.Duration) { s.fullAt = s.fullAt.Add(-d) }

// ResumeIncremental ends the period in which every count is a full one.
func (s *State) ResumeIncremental() { s.fullUntil = time.Now() }

// Named returns the number of public findings with a name.
func (s *State) Named() (n int) {
	for _, o := range s.index.named.owners {
		n += cap(o.global) + cap(o.local)
	}
	return n
}
