package simaws

import (
	"strings"
	"sync"
	"time"
)

// Queue is a standard queue of SQS into which EventBridge puts what happens in
// Access Analyzer, in every account and Region, as if each had a rule that
// brings it here.
type Queue struct {
	// AccountID owns the queue, and nobody else may use it.
	AccountID, Region, Name string
	// VisibilityTimeout is for how long a message that was received is hidden
	// when the request does not say; zero is AWS' default of 30 s.
	VisibilityTimeout time.Duration
	// Retention is for how long a message is kept; zero is AWS' default of
	// four days.
	Retention time.Duration
	// MaxReceives is after how many a message becomes a dead letter; 0 is never.
	MaxReceives int
	// SNS wraps events in the envelope of a topic that brings them.
	SNS bool

	mu          sync.Mutex
	messages    []*message
	deadLetters []string
	// arrived is closed by the next message.
	arrived chan struct{}
}

// message is one that is kept until it is deleted.
type message struct {
	id, body, receipt string
	sentAt, visibleAt time.Time
	receives          int
}

// URL is the queue's URL as AWS shows it. A client that is pointed at a server
// asks that one, whatever the host.
func (q *Queue) URL() string {
	return "https://sqs." + q.Region + ".amazonaws.com/" + q.AccountID + "/" + q.Name
}

func (q *Queue) arn() string {
	return "arn:aws:sqs:" + q.Region + ":" + q.AccountID + ":" + q.Name
}

// send puts bodies into the queue.
func (q *Queue) send(now time.Time, bodies ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, body := range bodies {
		q.messages = append(q.messages, &message{id: uuid(), body: body, sentAt: now, visibleAt: now})
	}
	if q.arrived != nil {
		close(q.arrived)
		q.arrived = nil
	}
}

// await tells whether a message can be received now, and if not, what is
// closed when one arrives and when one that is hidden appears again; zero if
// none is.
func (q *Queue) await(now time.Time) (ready bool, arrived <-chan struct{}, appears time.Time) {
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

// receive hides up to limit messages for a while and returns copies of them.
func (q *Queue) receive(now time.Time, limit int, hide time.Duration) []message {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(now)
	var received []message
	for _, m := range q.messages {
		if len(received) == limit {
			break
		}
		if m.visibleAt.After(now) {
			continue
		}
		m.receives++
		m.receipt, m.visibleAt = uuid(), now.Add(hide)
		received = append(received, *m)
	}
	return received
}

// expire drops what is too old, and what was received too often.
func (q *Queue) expire(now time.Time) {
	retention := q.Retention
	if retention == 0 {
		retention = 4 * 24 * time.Hour
	}
	kept := q.messages[:0]
	for _, m := range q.messages {
		switch {
		case now.Sub(m.sentAt) > retention:
		case q.MaxReceives > 0 && m.receives >= q.MaxReceives && !m.visibleAt.After(now):
			q.deadLetters = append(q.deadLetters, m.body)
		default:
			kept = append(kept, m)
		}
	}
	clear(q.messages[len(kept):])
	q.messages = kept
}

// delete removes the message that was received with a receipt. One that was
// received again since stays: AWS promises nothing for an old receipt.
func (q *Queue) delete(receipt string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, m := range q.messages {
		if m.receipt == receipt {
			q.messages = append(q.messages[:i], q.messages[i+1:]...)
			return
		}
	}
}

// hide sets when the message that was received with a receipt appears again;
// it reports false when it is not in flight.
func (q *Queue) hide(now time.Time, receipt string, d time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, m := range q.messages {
		if m.receipt == receipt && m.visibleAt.After(now) {
			m.visibleAt = now.Add(d)
			return true
		}
	}
	return false
}

func (q *Queue) hiddenFor() time.Duration {
	if q.VisibilityTimeout == 0 {
		return 30 * time.Second
	}
	return q.VisibilityTimeout
}

// Depth is how many messages of a queue can be received, how many are hidden,
// and how many have become dead letters.
type Depth struct{ Visible, Hidden, Dead int }

func (q *Queue) depth(now time.Time) Depth {
	q.mu.Lock()
	defer q.mu.Unlock()
	d := Depth{Dead: len(q.deadLetters)}
	for _, m := range q.messages {
		if m.visibleAt.After(now) {
			d.Hidden++
		} else {
			d.Visible++
		}
	}
	return d
}

// Depth of a queue of the world; zero when there is none of this name.
func (s *Server) Depth(name string) Depth {
	s.advance()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, q := range s.world.Queues {
		if q.Name == name {
			return q.depth(s.opts.Now())
		}
	}
	return Depth{}
}

// Send puts bodies into every queue of the world, as anybody could who may.
func (s *Server) Send(bodies ...string) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, q := range s.world.Queues {
		q.send(s.opts.Now(), bodies...)
	}
}

// queueAt finds a queue by its URL: the path is its account and its name,
// whatever the host.
func (w *World) queueAt(url string) *Queue {
	for _, q := range w.Queues {
		if strings.HasSuffix(url, "/"+q.AccountID+"/"+q.Name) {
			return q
		}
	}
	return nil
}
