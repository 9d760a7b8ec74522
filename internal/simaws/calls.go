package simaws

import (
	"sync"
	"time"
)

// Call is one request that the server answered, or left without an answer.
type Call struct {
	Time               time.Time
	Service, Operation string
	// AccountID is the caller's; Subject the account that the call is about:
	// the one whose role is assumed or whose Regions are listed, else the
	// caller's.
	AccountID, Subject string
	// Region is the one in the scope of the signature.
	Region      string
	AccessKeyID string
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	// Code is AWS' error code, or OK.
	Code string
}

// CallFilter selects calls. Empty fields select all; the others are globs as
// in Fault.
type CallFilter struct {
	Service, Operation, AccountID, Subject, Region, Code string
}

func (f CallFilter) matches(c *Call) bool {
	return globMatch(f.Service, c.Service) && globMatch(f.Operation, c.Operation) && globMatch(f.Code, c.Code) &&
		globMatch(f.AccountID, c.AccountID) && globMatch(f.Subject, c.Subject) && globMatch(f.Region, c.Region)
}

// callLog keeps the last calls and counts all of them.
type callLog struct {
	mu     sync.Mutex
	kept   []Call // a ring once it is full
	oldest int
	size   int
	counts map[countKey]int
}

type countKey struct{ service, operation, code string }

func (l *callLog) init(size int) {
	l.size, l.counts = size, map[countKey]int{}
}

func (l *callLog) add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[countKey{c.Service, c.Operation, c.Code}]++
	switch {
	case l.size <= 0:
	case len(l.kept) < l.size:
		l.kept = append(l.kept, c)
	default:
		l.kept[l.oldest] = c
		l.oldest = (l.oldest + 1) % l.size
	}
}

// Calls are the selected calls that are still kept, oldest first.
func (s *Server) Calls(f CallFilter) []Call {
	l := &s.calls
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Call
	for i := range l.kept {
		if c := &l.kept[(l.oldest+i)%len(l.kept)]; f.matches(c) {
			out = append(out, *c)
		}
	}
	return out
}

// CallCount is how many calls the filter selects: exact for filters on
// service, operation and code, else among those that are still kept.
func (s *Server) CallCount(f CallFilter) int {
	if f.AccountID != "" || f.Subject != "" || f.Region != "" {
		return len(s.Calls(f))
	}
	l := &s.calls
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for k, count := range l.counts {
		if f.matches(&Call{Service: k.service, Operation: k.operation, Code: k.code}) {
			n += count
		}
	}
	return n
}

// CallCounts is how many calls there were of each operation.
func (s *Server) CallCounts() map[string]int {
	l := &s.calls
	l.mu.Lock()
	defer l.mu.Unlock()
	n := map[string]int{}
	for k, count := range l.counts {
		n[k.operation] += count
	}
	return n
}

// ResetCalls forgets all calls.
func (s *Server) ResetCalls() {
	l := &s.calls
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept, l.oldest, l.counts = nil, 0, map[countKey]int{}
}
