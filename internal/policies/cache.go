package policies

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"
	"unique"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// hash identifies a document together with what it is validated as, and a check.
type hash [sha256.Size]byte

// hashOf returns the hash of a policy. Managed and inline policies are validated
// alike.
func hashOf(p Policy) hash {
	t := p.Type
	if identity(t) {
		t = inventory.Managed
	}
	return sha256.Sum256([]byte(string(t) + "\x00" + p.Document))
}

// hash returns the hash of the definition of a check, whatever its name.
func (c Check) hash() hash {
	return sha256.Sum256([]byte(strings.Join(append([]string{c.Reference}, c.Actions...), "\x00")))
}

// issue is what issues of different documents have in common.
type issue struct{ findingType, code, link string }

// counted is an issue of a document and how often it has it.
type counted struct {
	issue unique.Handle[issue]
	count int
}

// result is what is known about one document. The lock of the state guards it.
type result struct {
	// validatedAt is when the validation began; zero before the first.
	validatedAt time.Time
	issues      []counted
	// rejected is of the last validation; nil unless AWS rejected it.
	rejected *rejection
	// checks has the results of checks by the hash of their definitions.
	checks map[hash]checked
	// policies is the number of policies with this document. idle counts the evictions
	// since it became 0.
	policies, idle int
	// busy is closed when the validation or check in progress ends; nil without one.
	busy chan struct{}
}

// rejection is the failure of a call that AWS rejected because of the document. For some
// time, another one would be rejected too.
type rejection struct {
	at      time.Time
	failure inventory.Failure
}

// checked is the result of a check. It has not passed if it was rejected.
type checked struct {
	passed   bool
	rejected *rejection
}

// recent returns whether there is a rejection that is not older than life.
func (r *rejection) recent(life time.Duration, now time.Time) bool {
	return r != nil && clock.Elapsed(r.at, now) < life
}

// share returns where in its interval a document is due, from 0 to 1, so that not all
// are due at the same time.
func (h hash) share() float64 {
	return float64(binary.BigEndian.Uint32(h[:4])) / (1 << 32)
}

// usable returns whether there is a validation that is not too old.
func (r *result) usable(o *Options, now time.Time) bool {
	return !r.validatedAt.IsZero() && clock.Elapsed(r.validatedAt, now) < o.FullInterval+o.StaleAfter
}

// due returns whether a document has to be validated in this read of its account: the
// next one might be too late. Documents that were validated together are due one
// after the other, in the last quarter of the interval. One that another account has
// just validated is never due.
func (r *result) due(h hash, o *Options, now time.Time) bool {
	if r.validatedAt.IsZero() {
		return true
	}
	last := o.FullInterval*3/4 + time.Duration(h.share()*float64(o.FullInterval/4))
	return clock.Elapsed(r.validatedAt, now) >= max(last-o.Interval, o.early())
}

// acquire returns the result of a document, for one more policy.
func (s *state) acquire(h hash) *result {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.results[h]
	if r == nil {
		r = &result{}
		s.results[h] = r
	}
	r.policies++
	r.idle = 0
	return r
}

// release gives up the results of policies. It is called with the lock held.
func (s *state) release(policies []policy) {
	for _, p := range policies {
		p.result.policies--
	}
}

// evict deletes the results of documents that no policy has had since the eviction
// before. A read of an account that failed has acquired and released them.
func (s *state) evict(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if clock.Elapsed(s.evictedAt, now) < time.Hour {
		return
	}
	s.evictedAt = now
	for h, r := range s.results {
		if r.policies > 0 {
			continue
		}
		if r.idle++; r.idle > 1 {
			delete(s.results, h)
		}
	}
}

// lock waits until no other account has a call for the document in progress. It
// returns false when the context ends.
func (s *state) lock(ctx context.Context, r *result) bool {
	for {
		s.mu.Lock()
		busy := r.busy
		if busy == nil {
			r.busy = make(chan struct{})
			s.mu.Unlock()
			return true
		}
		s.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return false
		}
	}
}

func (s *state) unlock(r *result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(r.busy)
	r.busy = nil
}

// countedOf converts the issues of a validation.
func countedOf(issues []inventory.PolicyIssue) []counted {
	all := make([]counted, 0, len(issues))
	for _, i := range issues {
		all = append(all, counted{unique.Make(issue{i.FindingType, i.Code, i.Link}), i.Count})
	}
	return all
}
