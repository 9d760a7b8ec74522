package policies

import (
	"hash/fnv"
	"slices"
	"sync"
	"time"
	"unique"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// state is what a Watcher has read. It is carried over to the next Watcher.
type state struct {
	mu        sync.Mutex
	results   map[hash]*result
	evictedAt time.Time
	sources   map[sourceKey]*source
	// fleet is the one that the sources are of.
	fleet *inventory.Fleet
	// wake is closed, and replaced, when a source may have become due.
	wake   chan struct{}
	budget *budget
	// changed is whether there is something to publish.
	changed bool
}

func newState() *state {
	return &state{
		results: map[hash]*result{}, sources: map[sourceKey]*source{}, wake: make(chan struct{}),
		budget: newBudget(clock.Now()),
	}
}

// sourceKey is what one read is about: the policies in IAM of an account, with an
// empty type, or those of a type of an organization, with its management account.
type sourceKey struct {
	accountID string
	of        inventory.PolicyType
}

// policy is one policy. Its document is gone.
type policy struct {
	result *result
	name   unique.Handle[string]
	of     inventory.PolicyType
	// reason is why the last attempt to validate it failed; empty if it succeeded.
	reason inventory.Reason
}

// source is what is known about the policies that one read returns.
type source struct {
	// reader is the account with whose credentials to read; region is where to validate.
	reader *inventory.Account
	region string

	policies []policy
	// types are those that policies has all of.
	types []inventory.PolicyType
	// readAt is when the last read that succeeded began, triedAt the last attempt.
	// completeAt is the last readAt at which everything was also validated.
	readAt, triedAt, completeAt time.Time
	dueAt                       time.Time
	// retries counts consecutive attempts that have to be repeated. spread is whether
	// one did not, since which reads have their time in the interval.
	retries int
	spread  bool
	// unchecked is whether policies have to be checked as soon as the budget has calls.
	unchecked bool
	running   bool
	failures  []inventory.Failure
}

// usable returns whether the list of policies is not too old.
func (s *source) usable(o *Options, now time.Time) bool {
	return !s.readAt.IsZero() && clock.Elapsed(s.readAt, now) < o.Interval+o.StaleAfter
}

// missing returns the types of the options that no usable list has.
func (s *source) missing(of inventory.PolicyType, o *Options, now time.Time) []inventory.PolicyType {
	if !s.usable(o, now) {
		return o.typesOf(of)
	}
	return slices.DeleteFunc(slices.Clone(o.typesOf(of)), func(t inventory.PolicyType) bool { return slices.Contains(s.types, t) })
}

// schedule sets when the source is due after an attempt, which has to be repeated soon
// if retry is set. Reads are spread over the interval by account: the time after the
// first is shorter. Later ones are a little early, so that a result is replaced before
// it is too old.
func (s *source) schedule(k sourceKey, o *Options, retry bool) {
	switch {
	case retry:
		s.dueAt = s.triedAt.Add(min(firstRetry<<min(s.retries, 16), o.Interval/4))
		s.retries++
		return
	case !s.spread:
		s.dueAt = s.readAt.Add(o.Interval/2 + time.Duration(k.share()*float64(o.Interval/2)))
	default:
		s.dueAt = s.readAt.Add(o.Interval - o.early())
	}
	s.retries, s.spread = 0, true
}

// early is how much earlier than an interval an account is read again.
func (o *Options) early() time.Duration { return min(o.Interval/20, time.Hour) }

// share is from 0 to 1.
func (k sourceKey) share() float64 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(k.accountID + "/" + string(k.of)))
	return float64(h.Sum32()) / (1 << 32)
}

// setFleet replaces the sources by those of a fleet. What was read of the accounts that
// remain is kept.
func (s *state) setFleet(f *inventory.Fleet, o *Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fleet = f
	if len(f.Accounts) == 0 {
		return // they are not known
	}
	wanted := map[sourceKey]*source{}
	want := func(k sourceKey, reader *inventory.Account, region string) {
		src := s.sources[k]
		if src == nil {
			src = &source{}
		}
		if src.reader != nil && src.reader.RoleARN != reader.RoleARN && len(src.failures) > 0 {
			src.dueAt = time.Time{}
		}
		src.reader, src.region = reader, region
		wanted[k] = src
	}
	for _, a := range f.Accounts {
		if a.OutOfScope {
			continue
		}
		if a.Queried && len(o.accountTypes()) > 0 {
			want(sourceKey{accountID: a.ID}, a, validationRegion(f.Partition, a.Regions))
		}
		if a.ID != f.HubManagement || f.Hub == nil {
			continue
		}
		for _, t := range o.organizationTypes() {
			want(sourceKey{a.ID, t}, f.Hub, validationRegion(f.Partition, regionsOf(f, f.Hub.ID)))
		}
	}
	for k, src := range s.sources {
		if wanted[k] == nil {
			s.release(src.policies)
			src.policies = nil
		}
	}
	s.sources = wanted
	s.notify()
}

func regionsOf(f *inventory.Fleet, id string) []string {
	i := slices.IndexFunc(f.Accounts, func(a *inventory.Account) bool { return a.ID == id })
	if i < 0 {
		return nil
	}
	return f.Accounts[i].Regions
}

// notify wakes the workers. It is called with the lock held.
func (s *state) notify() {
	close(s.wake)
	s.wake = make(chan struct{})
}

// accountTypes are the types that are read in each account, organizationTypes those
// that are read once.
func (o *Options) accountTypes() []inventory.PolicyType {
	return slices.DeleteFunc(slices.Clone(o.Types), ofOrganization)
}

func (o *Options) organizationTypes() []inventory.PolicyType {
	return slices.DeleteFunc(slices.Clone(o.Types), func(t inventory.PolicyType) bool { return !ofOrganization(t) })
}

// typesOf are the types that a read is about.
func (o *Options) typesOf(source inventory.PolicyType) []inventory.PolicyType {
	if source == "" {
		return o.accountTypes()
	}
	return []inventory.PolicyType{source}
}

func ofOrganization(t inventory.PolicyType) bool {
	return t == inventory.ServiceControl || t == inventory.ResourceControl
}

// next returns a source that is due and marks it as running. Without one, it returns
// when the next is due and a channel that is closed when that may have changed.
func (s *state) next(now time.Time, o *Options) (sourceKey, *source, time.Time, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var (
		best    *source
		bestKey sourceKey
		until   = now.Add(o.Interval)
		calls   = now.Add(s.budget.wait(now))
	)
	for k, src := range s.sources {
		at := src.dueAt
		if src.unchecked {
			at = clock.Earlier(at, calls, now)
		}
		switch {
		case src.running:
		case !clock.Reached(at, now):
			if at.Before(until) {
				until = at
			}
		case best == nil, src.triedAt.Before(best.triedAt):
			best, bestKey = src, k
		}
	}
	if best != nil {
		best.running = true
	}
	return bestKey, best, until, s.wake
}

// idle returns whether no source is due or being read.
func (s *state) idle(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, src := range s.sources {
		if src.running || clock.Reached(src.dueAt, now) {
			return false
		}
	}
	return true
}
