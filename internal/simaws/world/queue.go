package world

import (
	"sync"
	"time"
)

// Queue is a standard queue of SQS, to which an EventBridge rule in every
// account and Region delivers the events of Access Analyzer.
type Queue struct {
	// AccountID is the owner, which is the only account with access.
	AccountID, Region, Name string
	// VisibilityTimeout is the default of the queue; zero is the AWS default of
	// 30 s.
	VisibilityTimeout time.Duration
	// Retention is how long a message is kept; zero is the AWS default of four
	// days.
	Retention time.Duration
	// MaxReceives is the maxReceiveCount of the redrive policy; 0 is none.
	MaxReceives int
	// SNS wraps events in the envelope of an SNS topic.
	SNS bool

	mu          sync.Mutex
	messages    []*Message
	deadLetters int
	// arrived is closed by the next message.
	arrived chan struct{}
}

// Message is a message of a queue.
type Message struct {
	ID, Body, Receipt string
	SentAt            time.Time
	Receives          int

	visibleAt time.Time
}

// Depth is the number of messages of a queue.
type Depth struct {
	// Visible messages can be received; Hidden ones were received and are
	// neither deleted nor visible again.
	Visible, Hidden int
	// Dead messages were moved to the dead-letter queue.
	Dead int
}

// ARN is the ARN of the queue.
func (q *Queue) ARN() string {
	return "arn:aws:sqs:" + q.Region + ":" + q.AccountID + ":" + q.Name
}

// URL is the URL of the queue at AWS. A client with the simulator's endpoint
// uses only the path.
func (q *Queue) URL() string {
	return "https://sqs." + q.Region + ".amazonaws.com/" + q.AccountID + "/" + q.Name
}

// DefaultVisibility is the visibility timeout of requests without one.
func (q *Queue) DefaultVisibility() time.Duration {
	if q.VisibilityTimeout == 0 {
		return 30 * time.Second
	}
	return q.VisibilityTimeout
}

// Send adds messages.
func (q *Queue) Send(now time.Time, bodies ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, body := range bodies {
		q.messages = append(q.messages, &Message{ID: NewUUID(), Body: body, SentAt: now, visibleAt: now})
	}
	if q.arrived != nil {
		close(q.arrived)
		q.arrived = nil
	}
}

// Await reports whether a message can be received now. If not, arrived is
// closed when a message is sent, and appears is when a hidden message becomes
// visible (zero if there is none).
func (q *Queue) Await(now time.Time) (ready bool, arrived <-chan struct{}, appears time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		if !m.visibleAt.After(now) {
			return true, nil, time.Time{}
		}
		if appears.IsZero() || m.visibleAt.Before(appears) {
			appears = m.visibleAt
		}
	}
	if q.arrived == nil {
		q.arrived = make(chan struct{})
	}
	return false, q.arrived, appears
}

// Receive hides up to limit messages and returns copies of them.
func (q *Queue) Receive(now time.Time, limit int, visibility time.Duration) []Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(now)
	var received []Message
	for _, m := range q.messages {
		if len(received) == limit {
			break
		}
		if m.visibleAt.After(now) {
			continue
		}
		m.Receives++
		m.Receipt, m.visibleAt = NewUUID(), now.Add(visibility)
		received = append(received, *m)
	}
	return received
}

// expire drops messages that are too old or were received too often.
func (q *Queue) expire(now time.Time) {
	retention := q.Retention
	if retention == 0 {
		retention = 4 * 24 * time.Hour
	}
	kept := q.messages[:0]
	for _, m := range q.messages {
		switch {
		case now.Sub(m.SentAt) > retention:
		case q.MaxReceives > 0 && m.Receives >= q.MaxReceives && !m.visibleAt.After(now):
			q.deadLetters++
		default:
			kept = append(kept, m)
		}
	}
	clear(q.messages[len(kept):])
	q.messages = kept
}

// Delete removes the message with a receipt handle. The handle is invalid after
// the message is received again: AWS guarantees nothing for old handles.
func (q *Queue) Delete(receipt string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, m := range q.messages {
		if m.Receipt == receipt {
			q.messages = append(q.messages[:i], q.messages[i+1:]...)
			return
		}
	}
}

// ChangeVisibility sets when the message with a receipt handle becomes visible.
// exists is false if there is no such message, hidden if it is not in flight.
func (q *Queue) ChangeVisibility(now time.Time, receipt string, d time.Duration) (exists, hidden bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		if m.Receipt != receipt {
			continue
		}
		if !m.visibleAt.After(now) {
			return true, false
		}
		m.visibleAt = now.Add(d)
		return true, true
	}
	return false, false
}

// Depth is the number of messages of the queue.
func (q *Queue) Depth(now time.Time) Depth {
	q.mu.Lock()
	defer q.mu.Unlock()
	d := Depth{Dead: q.deadLetters}
	for _, m := range q.messages {
		if m.visibleAt.After(now) {
			d.Hidden++
		} else {
			d.Visible++
		}
	}
	return d
}
