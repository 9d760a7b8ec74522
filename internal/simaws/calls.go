package simaws

import (
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// Call is a request to the server.
type Call struct {
	Time               time.Time
	Service, Operation string
	// AccountID is the caller's account; Subject is the account that the call is
	// about: the owner of the role that is assumed, the account whose Regions are
	// requested, else the caller's.
	AccountID, Subject string
	// Region is that of the signature.
	Region      string
	AccessKeyID string
	// Status is the HTTP status; 0 if there was no response.
	Status int
	// Code is the AWS error code, or OK.
	Code string
}

// CallFilter selects calls. Its fields are globs as in Fault; empty fields select
// all calls.
type CallFilter struct {
	Service, Operation, AccountID, Subject, Region, Code string
}

func (f CallFilter) matches(c *Call) bool {
	return world.Match(f.Service, c.Service) && world.Match(f.Operation, c.Operation) && world.Match(f.Code, c.Code) &&
		world.Match(f.AccountID, c.AccountID) && world.Match(f.Subject, c.Subject) && world.Match(f.Region, c.Region)
}

// callLog keeps the last calls and counts all calls.
type callLog struct {
	mu     sync.Mutex
	kept   []Call // a ring buffer once it is full
	oldest int
	size   int // the length of kept, at most
	counts map[countKey]int
}

type countKey struct{ service, operation, code string }

func newCallLog(size int) *callLog {
	return &callLog{size: size, counts: map[countKey]int{}}
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

// Calls returns the selected calls that are still kept, oldest first.
func (l *callLog) Calls(f CallFilter) []Call {
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

// CallCount is the number of selected calls: of all calls if the filter is only on
// service, operation and code, else of those that are still kept.
func (l *callLog) CallCount(f CallFilter) int {
	if f.AccountID != "" || f.Subject != "" || f.Region != "" {
		return len(l.Calls(f))
	}
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

// CallCounts is the number of calls of each operation.
func (l *callLog) CallCounts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := map[string]int{}
	for k, count := range l.counts {
		n[k.operation] += count
	}
	return n
}

// ResetCalls removes all calls and resets the counts.
func (l *callLog) ResetCalls() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kept, l.oldest, l.counts = nil, 0, map[countKey]int{}
}
