package events

import (
	"maps"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	// minInterval is the shortest time between the starts of two refreshes of
	// one key.
	minInterval = 2 * time.Second
	// cooldownFactor times the duration of a refresh, or of a publication, is
	// the pause after it. However many events arrive, counting an analyzer with
	// many findings takes at most a fifth of the time.
	cooldownFactor = 4
	// drainDelay postpones a refresh while the queue is being drained, so that
	// messages still to come share it.
	drainDelay = 2 * time.Second
	// refreshRate (per second) and refreshBurst limit refreshes, whatever the
	// events ask for.
	refreshRate, refreshBurst = 10, 100
)

// heldMessage is a message that stays invisible in the queue until it is
// deleted or its refresh fails.
type heldMessage struct {
	receipt, detailType string
	visibleAt           time.Time
}

// pendingRefresh is a refresh that has not started, with the messages that
// asked for it.
type pendingRefresh struct {
	since    time.Time
	messages []heldMessage
}

// backlog holds the refreshes to run: each key once, however many messages name
// it. It is not safe for concurrent use and takes the time from its caller.
type backlog struct {
	pending map[inventory.RefreshKey]*pendingRefresh
	// running has the messages that each refresh under way answers.
	running map[inventory.RefreshKey][]heldMessage
	// notBefore is when a key may be refreshed again.
	notBefore map[inventory.RefreshKey]time.Time
	// held is the number of messages in pending and running.
	held int
	// draining is set while the queue returns full batches.
	draining bool
	limiter  *rate.Limiter
}

func newBacklog() *backlog {
	return &backlog{
		pending:   map[inventory.RefreshKey]*pendingRefresh{},
		running:   map[inventory.RefreshKey][]heldMessage{},
		notBefore: map[inventory.RefreshKey]time.Time{},
		limiter:   rate.NewLimiter(refreshRate, refreshBurst),
	}
}

func (b *backlog) add(key inventory.RefreshKey, m heldMessage, now time.Time) {
	p := b.pending[key]
	if p == nil {
		p = &pendingRefresh{since: now}
		b.pending[key] = p
	}
	p.messages = append(p.messages, m)
	b.held++
}

// start moves up to limit due keys from pending to running, the longest pending
// first. next is when to call it again; zero when only a new message or the end
// of a refresh can make a key due.
func (b *backlog) start(now time.Time, limit int) (started []inventory.RefreshKey, next time.Time) {
	due, next := b.due(now)
	allowed := min(limit, int(b.limiter.TokensAt(now)))
	if len(due) > allowed && allowed < limit { // the rate holds some back
		next = now.Add(time.Second / refreshRate)
	}
	started = due[:min(len(due), allowed)]
	b.limiter.AllowN(now, len(started))
	for _, key := range started {
		b.running[key] = b.pending[key].messages
		delete(b.pending, key)
	}
	return started, next
}

// due returns the keys that may be refreshed now, the longest pending first,
// and when the next one may be.
func (b *backlog) due(now time.Time) (due []inventory.RefreshKey, next time.Time) {
	maps.DeleteFunc(b.notBefore, func(_ inventory.RefreshKey, at time.Time) bool { return !at.After(now) })
	for key, p := range b.pending {
		if _, running := b.running[key]; running {
			continue // it may have read a state from before these events
		}
		at := b.notBefore[key]
		if delayed := p.since.Add(drainDelay); b.draining && delayed.After(at) {
			at = delayed
		}
		switch {
		case !at.After(now):
			due = append(due, key)
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	slices.SortFunc(due, func(x, y inventory.RefreshKey) int { return b.pending[x].since.Compare(b.pending[y].since) })
	return due, next
}

// finish ends the refresh of a key and returns the messages that it answers.
func (b *backlog) finish(key inventory.RefreshKey, began, ended time.Time) []heldMessage {
	messages := b.running[key]
	delete(b.running, key)
	b.held -= len(messages)
	at := began.Add(minInterval)
	if cooled := ended.Add(cooldownFactor * ended.Sub(began)); cooled.After(at) {
		at = cooled
	}
	b.notBefore[key] = at
	return messages
}

// extendVisibility returns the receipts of messages that become visible before
// by, and records that they stay invisible until the given time.
func (b *backlog) extendVisibility(by, until time.Time) []string {
	var receipts []string
	extend := func(messages []heldMessage) {
		for i := range messages {
			if messages[i].visibleAt.Before(by) {
				receipts = append(receipts, messages[i].receipt)
				messages[i].visibleAt = until
			}
		}
	}
	for _, p := range b.pending {
		extend(p.messages)
	}
	for _, messages := range b.running {
		extend(messages)
	}
	return receipts
}
