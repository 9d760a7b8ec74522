package simaws

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// The operations of SQS that a consumer needs.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
var sqsOperations = table(
	&operation{name: "ReceiveMessage", action: "sqs:ReceiveMessage", resource: queueARN, wait: awaitMessages, handle: receiveMessage},
	&operation{name: "DeleteMessage", action: "sqs:DeleteMessage", resource: queueARN, handle: deleteMessage},
	&operation{name: "DeleteMessageBatch", action: "sqs:DeleteMessage", resource: queueARN, handle: deleteMessages},
	&operation{name: "ChangeMessageVisibility", action: "sqs:ChangeMessageVisibility", resource: queueARN, handle: changeVisibility},
	&operation{name: "ChangeMessageVisibilityBatch", action: "sqs:ChangeMessageVisibility", resource: queueARN, handle: changeVisibilities},
	&operation{name: "GetQueueAttributes", action: "sqs:GetQueueAttributes", resource: queueARN, handle: getQueueAttributes},
)

const (
	// maxBatch is how many messages one request may be about.
	maxBatch = 10
	// maxWait and maxHide are the longest that AWS takes, in seconds.
	maxWait, maxHide = 20, 12 * 60 * 60
)

// entry is a message in a request.
type entry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout *int
}

// queueInput is what the operations take, all in one.
type queueInput struct {
	entry
	QueueURL                    string `json:"QueueUrl"`
	MaxNumberOfMessages         *int
	WaitTimeSeconds             int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	Entries                     []entry
}

func queueARN(q *request) string {
	var in queueInput
	if q.decodeJSON(&in) != nil {
		return "*"
	}
	if queue := q.world.queueAt(in.QueueURL); queue != nil {
		return queue.arn()
	}
	return "*"
}

// queue reads the input and finds the queue that it names.
func (q *request) queue() (*Queue, queueInput, *apiError) {
	var in queueInput
	if err := q.decodeJSON(&in); err != nil {
		return nil, in, err
	}
	queue := q.world.queueAt(in.QueueURL)
	switch {
	case queue == nil || queue.Region != q.region:
		return nil, in, &apiError{
			Shape: "QueueDoesNotExist", Code: "AWS.SimpleQueueService.NonExistentQueue", Status: http.StatusBadRequest,
			Message: "The specified queue does not exist.",
		}
	case queue.AccountID != q.who.accountID:
		return nil, in, q.denied("because no resource-based policy allows the " + q.action() + " action")
	}
	return queue, in, nil
}

func invalidParameter(name string, value, low, high int) *apiError {
	return &apiError{
		Code: "InvalidParameterValue", Status: http.StatusBadRequest,
		Message: "Value " + strconv.Itoa(value) + " for parameter " + name + " is invalid. Reason: Must be >= " +
			strconv.Itoa(low) + " and <= " + strconv.Itoa(high) + ", if provided.",
	}
}

// bounds checks what a ReceiveMessage asks for and fills in what it does not.
func (in *queueInput) bounds(queue *Queue) (limit int, hide time.Duration, _ *apiError) {
	limit, hide = 1, queue.hiddenFor()
	if in.MaxNumberOfMessages != nil {
		limit = *in.MaxNumberOfMessages
	}
	if limit < 1 || limit > maxBatch {
		return 0, 0, invalidParameter("MaxNumberOfMessages", limit, 1, maxBatch)
	}
	if in.WaitTimeSeconds < 0 || in.WaitTimeSeconds > maxWait {
		return 0, 0, invalidParameter("WaitTimeSeconds", in.WaitTimeSeconds, 0, maxWait)
	}
	if in.VisibilityTimeout != nil {
		if *in.VisibilityTimeout < 0 || *in.VisibilityTimeout > maxHide {
			return 0, 0, invalidParameter("VisibilityTimeout", *in.VisibilityTimeout, 0, maxHide)
		}
		hide = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	return limit, hide, nil
}

// awaitMessages is the long poll: it ends when there is something to receive,
// or nothing to wait for. It reports false when nobody waits any more. The
// world goes on in the meantime, and is locked only while it is looked at.
func awaitMessages(ctx context.Context, s *Server, q *request) bool {
	var in queueInput
	if q.decodeJSON(&in) != nil {
		return true
	}
	end := s.opts.Now().Add(time.Duration(in.WaitTimeSeconds) * time.Second)
	for {
		s.advance()
		ready, arrived, wake := s.lookInto(q, end)
		if ready || !s.opts.Now().Before(end) {
			return true
		}
		// No longer than a moment at once: the world's clock may be set.
		t := time.NewTimer(min(time.Until(time.Now().Add(wake.Sub(s.opts.Now()))), time.Second))
		select {
		case <-t.C:
		case <-arrived:
		case <-ctx.Done():
		case <-s.closed:
		}
		t.Stop()
		if ctx.Err() != nil || s.isClosed() {
			return false
		}
	}
}

// lookInto tells whether there is something to answer with now, and when to
// look again.
func (s *Server) lookInto(q *request, end time.Time) (ready bool, arrived <-chan struct{}, wake time.Time) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	q.world, q.index = s.world, s.index
	queue, _, err := q.queue()
	if err != nil || !allows(q.who.actions, q.op.action) {
		return true, nil, end
	}
	ready, arrived, appears := queue.await(s.opts.Now())
	wake = end
	for _, t := range []time.Time{appears, time.Unix(0, s.nextEvent.Load())} {
		if !t.IsZero() && t.Before(wake) {
			wake = t
		}
	}
	return ready, arrived, wake
}

func (s *Server) isClosed() bool {
	select {
	case <-s.closed:
		return true
	default:
		return false
	}
}

type receivedMessage struct {
	MessageID     string            `json:"MessageId"`
	ReceiptHandle string            `json:"ReceiptHandle"`
	MD5OfBody     string            `json:"MD5OfBody"`
	Body          string            `json:"Body"`
	Attributes    map[string]string `json:"Attributes,omitempty"`
}

func receiveMessage(q *request) (any, *apiError) {
	queue, in, err := q.queue()
	if err != nil {
		return nil, err
	}
	limit, hide, err := in.bounds(queue)
	if err != nil {
		return nil, err
	}
	wanted := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	var out struct {
		Messages []receivedMessage `json:"Messages,omitempty"`
	}
	for _, m := range queue.receive(q.server.opts.Now(), limit, hide) {
		sum := md5.Sum([]byte(m.body)) // what the protocol has; it protects against accidents
		one := receivedMessage{MessageID: m.id, ReceiptHandle: m.receipt, MD5OfBody: hex.EncodeToString(sum[:]), Body: m.body}
		for name, value := range map[string]string{
			"ApproximateReceiveCount": strconv.Itoa(m.receives),
			"SentTimestamp":           strconv.FormatInt(m.sentAt.UnixMilli(), 10),
		} {
			if slices.Contains(wanted, name) || slices.Contains(wanted, "All") {
				if one.Attributes == nil {
					one.Attributes = map[string]string{}
				}
				one.Attributes[name] = value
			}
		}
		out.Messages = append(out.Messages, one)
	}
	return out, nil
}

func deleteMessage(q *request) (any, *apiError) {
	queue, in, err := q.queue()
	if err != nil {
		return nil, err
	}
	queue.delete(in.ReceiptHandle)
	return struct{}{}, nil
}

func changeVisibility(q *request) (any, *apiError) {
	queue, in, err := q.queue()
	if err != nil {
		return nil, err
	}
	if problem := q.changeVisibility(queue, in.entry); problem != nil {
		return nil, problem
	}
	return struct{}{}, nil
}

func (q *request) changeVisibility(queue *Queue, e entry) *apiError {
	if e.VisibilityTimeout == nil || *e.VisibilityTimeout < 0 || *e.VisibilityTimeout > maxHide {
		return invalidParameter("VisibilityTimeout", -1, 0, maxHide)
	}
	if !queue.hide(q.server.opts.Now(), e.ReceiptHandle, time.Duration(*e.VisibilityTimeout)*time.Second) {
		return &apiError{Code: "MessageNotInflight", Status: http.StatusBadRequest, Message: "The specified message isn't in flight."}
	}
	return nil
}

// batchOutput tells of each entry how it went.
type batchOutput struct {
	Successful []batchSuccess
	Failed     []batchFailure
}

type batchSuccess struct {
	ID string `json:"Id"`
}

type batchFailure struct {
	ID          string `json:"Id"`
	SenderFault bool
	Code        string
	Message     string
}

// batch does something with each entry of a request.
func batch(q *request, do func(*Queue, entry) *apiError) (any, *apiError) {
	queue, in, err := q.queue()
	if err != nil {
		return nil, err
	}
	if n := len(in.Entries); n == 0 || n > maxBatch {
		code, message := "AWS.SimpleQueueService.EmptyBatchRequest", "There should be at least one entry in the request."
		if n > 0 {
			code, message = "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10. You have sent "+strconv.Itoa(n)+"."
		}
		return nil, &apiError{Code: code, Status: http.StatusBadRequest, Message: message}
	}
	out := batchOutput{Successful: []batchSuccess{}, Failed: []batchFailure{}}
	for _, e := range in.Entries {
		if problem := do(queue, e); problem != nil {
			out.Failed = append(out.Failed, batchFailure{ID: e.ID, SenderFault: true, Code: problem.Code, Message: problem.Message})
		} else {
			out.Successful = append(out.Successful, batchSuccess{e.ID})
		}
	}
	return out, nil
}

func deleteMessages(q *request) (any, *apiError) {
	return batch(q, func(queue *Queue, e entry) *apiError {
		queue.delete(e.ReceiptHandle)
		return nil
	})
}

func changeVisibilities(q *request) (any, *apiError) {
	return batch(q, q.changeVisibility)
}

func getQueueAttributes(q *request) (any, *apiError) {
	queue, in, err := q.queue()
	if err != nil {
		return nil, err
	}
	depth := queue.depth(q.server.opts.Now())
	all := map[string]string{
		"QueueArn":                              queue.arn(),
		"ApproximateNumberOfMessages":           strconv.Itoa(depth.Visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(depth.Hidden),
		"VisibilityTimeout":                     strconv.Itoa(int(queue.hiddenFor().Seconds())),
	}
	attributes := map[string]string{}
	for name, value := range all {
		if slices.Contains(in.AttributeNames, name) || slices.Contains(in.AttributeNames, "All") {
			attributes[name] = value
		}
	}
	return map[string]any{"Attributes": attributes}, nil
}
