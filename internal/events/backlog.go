package events

import (
	"slices"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	// floor is the least time from one refresh of a place to the next.
	floor = 2 * time.Second
	// rest is for how many times its own duration something is left alone: how
	// ever many events come, an analyzer with many findings is counted, and a
	// large Snapshot is made, a fifth of the time at most.
	rest = 4
	// gather is for how long a refresh is put off while the queue brings more
	// and more: what is still to come is then one refresh with it.
	gather = 2 * time.Second
	// Refreshes begin at refreshRate a second once a burst of refreshBurst is
	// used up, whatever events ask for.
	refreshRate, refreshBurst = 10, 100
)

// held is a message that is hidden from others until it is deleted.
type held struct {
	receipt, detailType string
	until               time.Time // when it appears again
}

// want is a place to be refreshed and the messages that ask for it.
type want struct {
	since    time.Time
	messages []held
}

// backlog is what is to be refreshed: each place once, however many messages
// name it. It knows no clock but the one that it is told.
type backlog struct {
	wants map[inventory.RefreshKey]*want
	// running are the places that are being refreshed, and what they answer.
	running map[inventory.RefreshKey][]held
	// notBefore is when a place may be refreshed again.
	notBefore map[inventory.RefreshKey]time.Time
	// held is how many messages there are.
	held int
	// draining tells that the queue has more for the asking.
	draining bool

	tokens   float64
	tokensAt time.Time
}

func newBacklog() *backlog {
	return &backlog{
		wants: map[inventory.RefreshKey]*want{}, running: map[inventory.RefreshKey][]held{}, notBefore: map[inventory.RefreshKey]time.Time{},
		tokens: refreshBurst,
	}
}

func (b *backlog) add(p inventory.RefreshKey, m held, now time.Time) {
	w := b.wants[p]
	if w == nil {
		w = &want{since: now}
		b.wants[p] = w
	}
	w.messages = append(w.messages, m)
	b.held++
}

// start takes up to free places that are due, the longest wanted first, and
// tells when the next one is; zero when none waits for a time.
func (b *backlog) start(now time.Time, free int) (started []inventory.RefreshKey, next time.Time) {
	b.refill(now)
	type waiting struct {
		place inventory.RefreshKey
		since time.Time
	}
	var due []waiting
	for p, w := range b.wants {
		if _, busy := b.running[p]; busy {
			continue // what it reads may be from before these events
		}
		at := b.notBefore[p]
		if b.draining && w.since.Add(gather).After(at) {
			at = w.since.Add(gather)
		}
		switch {
		case !at.After(now):
			due = append(due, waiting{p, w.since})
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	allowed := min(free, int(b.tokens))
	if len(due) > allowed && allowed < free { // it is the rate that holds some back
		next = now.Add(time.Second / refreshRate)
	}
	if allowed == 0 {
		return nil, next
	}
	slices.SortFunc(due, func(x, y waiting) int { return x.since.Compare(y.since) })
	for _, d := range due[:min(len(due), allowed)] {
		b.running[d.place] = b.wants[d.place].messages
		delete(b.wants, d.place)
		b.tokens--
		started = append(started, d.place)
	}
	return started, next
}

func (b *backlog) refill(now time.Time) {
	if !b.tokensAt.IsZero() {
		b.tokens = min(refreshBurst, b.tokens+now.Sub(b.tokensAt).Seconds()*refreshRate)
	}
	b.tokensAt = now
	for p, at := range b.notBefore {
		if !at.After(now) {
			delete(b.notBefore, p)
		}
	}
}

// finish ends the refresh of a place and returns the messages that it answers.
func (b *backlog) finish(p inventory.RefreshKey, began, ended time.Time) []held {
	messages := b.running[p]
	delete(b.running, p)
	b.held -= len(messages)
	at := began.Add(floor)
	if rested := ended.Add(rest * ended.Sub(began)); rested.After(at) {
		at = rested
	}
	b.notBefore[p] = at
	return messages
}

// fading returns the receipts of messages that will appear again before by,
// and takes them for hidden until then.
func (b *backlog) fading(by, until time.Time) []string {
	var receipts []string
	extend := func(messages []held) {
		for i := range messages {
			if messages[i].until.Before(by) {
				receipts = append(receipts, messages[i].receipt)
				messages[i].until = until
			}
		}
	}
	for _, w := range b.wants {
		extend(w.messages)
	}
	for _, messages := range b.running {
		extend(messages)
	}
	return receipts
}
