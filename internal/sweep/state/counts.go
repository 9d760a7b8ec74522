package state

import (
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// count caches the findings of one analyzer.
type count struct {
	Entry[*inventory.Findings]
	startedAt time.Time
	// partial is a failure that did not prevent the count.
	partial *inventory.Failure
	// index is nil while a count uses it.
	index *findings.State
}

func (c *count) failures() []inventory.Failure {
	var failures []inventory.Failure
	for _, f := range []*inventory.Failure{c.failure(), c.partial} {
		if f != nil {
			failures = append(failures, *f)
		}
	}
	return failures
}

// TakeIndex returns the findings index of an analyzer for the exclusive use of
// one count, which returns it with SetCount or ReturnIndex. It is empty for a
// second count at the same time.
func (s *State) TakeIndex(arn string) *findings.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counts[arn]
	if c == nil || c.index == nil {
		return &findings.State{}
	}
	index := c.index
	c.index = nil
	return index
}

// ReturnIndex returns an index without a count.
func (s *State) ReturnIndex(arn string, index *findings.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.returnIndex(arn, index)
}

func (s *State) returnIndex(arn string, index *findings.State) {
	c := s.counts[arn]
	if c == nil {
		s.IndexBudget.Drop(index)
		return
	}
	s.IndexBudget.Drop(c.index)
	c.index = index
}

// Count is the outcome of counting the findings of an analyzer.
type Count struct {
	StartedAt time.Time
	// Findings is nil, without a Failure, when the analyzer has been deleted.
	Findings *inventory.Findings
	Failure  *inventory.Failure
	// Partial is a failure that did not prevent the count.
	Partial *inventory.Failure
	Index   *findings.State
}

// SetCount records the outcome of a count.
func (s *State) SetCount(arn string, o Count) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.counts[arn]
	if !ok {
		c = &count{}
		s.counts[arn] = c
	}
	c.startedAt, c.partial = o.StartedAt, o.Partial
	if o.Failure == nil && o.Findings == nil {
		c.Entry = Entry[*inventory.Findings]{} // until a coverage sweep drops the analyzer
	} else {
		c.Set(o.Findings, o.Failure)
	}
	s.returnIndex(arn, o.Index)
}

func (s *State) dropCount(arn string) {
	if c, ok := s.counts[arn]; ok {
		s.IndexBudget.Drop(c.index)
		delete(s.counts, arn)
	}
}
