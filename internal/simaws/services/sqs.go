package services

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

var simpleQueue = &wire.Service{
	Name: world.SimpleQueue, Protocol: wire.JSON10,
	Throttled: wire.Error{Code: "RequestThrottled", Status: http.StatusForbidden, Message: "Request is throttled."},
	Internal: wire.Error{
		Code: "InternalFailure", Status: http.StatusInternalServerError,
		Message: "The request processing has failed because of an unknown error, exception or failure.",
	},
}

// sqsOperations are the operations for a consumer.
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html
var sqsOperations = wire.NewOperations(
	&wire.Operation{Name: "ReceiveMessage", Action: "sqs:ReceiveMessage", Resource: queueARN, Wait: awaitMessages, Handle: receiveMessage},
	&wire.Operation{Name: "DeleteMessageBatch", Action: "sqs:DeleteMessage", Resource: queueARN, Handle: deleteMessages},
	&wire.Operation{Name: "ChangeMessageVisibilityBatch", Action: "sqs:ChangeMessageVisibility", Resource: queueARN, Handle: changeVisibilities},
)

const (
	// maxBatch is the maximum number of messages of a request.
	maxBatch = 10
	// maxWait and maxVisibility are limits of AWS in seconds.
	maxWait, maxVisibility = 20, 12 * 60 * 60
	// maxPoll bounds a single wait of a long poll, because the clock of the world
	// may be set.
	maxPoll = time.Second
)

// batchEntry is a message in a request.
type batchEntry struct {
	ID                string `json:"Id"`
	ReceiptHandle     string
	VisibilityTimeout *int
}

// queueInput has the fields of the input of all operations.
type queueInput struct {
	QueueURL                    string `json:"QueueUrl"`
	MaxNumberOfMessages         *int
	WaitTimeSeconds             int
	VisibilityTimeout           *int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	Entries                     []batchEntry
}

func queueARN(q *wire.Request) string {
	var in queueInput
	if q.DecodeJSON(&in) != nil {
		return "*"
	}
	if queue := q.World.Queue(in.QueueURL); queue != nil {
		return queue.ARN()
	}
	return "*"
}

// parseQueueInput parses the input and returns the queue that it names.
func parseQueueInput(q *wire.Request) (*world.Queue, queueInput, *wire.Error) {
	var in queueInput
	if err := q.DecodeJSON(&in); err != nil {
		return nil, in, err
	}
	queue := q.World.Queue(in.QueueURL)
	switch {
	case queue == nil || queue.Region != q.Region:
		return nil, in, modeled("QueueDoesNotExist", "NonExistentQueue", "The specified queue does not exist.")
	case queue.AccountID != q.Caller.AccountID:
		return nil, in, q.DeniedByResource()
	}
	return queue, in, nil
}

// modeled is an error of the API model, whose code in the former query protocol
// differs from its shape.
func modeled(shape, code, message string) *wire.Error {
	return &wire.Error{Shape: shape, Code: "AWS.SimpleQueueService." + code, Status: http.StatusBadRequest, Message: message}
}

func invalidParameter(name string, value, low, high int) *wire.Error {
	return &wire.Error{
		Code: "InvalidParameterValue", Status: http.StatusBadRequest,
		Message: "Value " + strconv.Itoa(value) + " for parameter " + name + " is invalid. Reason: Must be >= " +
			strconv.Itoa(low) + " and <= " + strconv.Itoa(high) + ", if provided.",
	}
}

// receiveLimits validates the input of ReceiveMessage and fills in the
// defaults.
func (in *queueInput) receiveLimits(queue *world.Queue) (limit int, visibility time.Duration, _ *wire.Error) {
	limit, visibility = 1, queue.DefaultVisibility()
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
		if *in.VisibilityTimeout < 0 || *in.VisibilityTimeout > maxVisibility {
			return 0, 0, invalidParameter("VisibilityTimeout", *in.VisibilityTimeout, 0, maxVisibility)
		}
		visibility = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	return limit, visibility, nil
}

// awaitMessages is the long poll. The world is locked only to look into the
// queue.
func awaitMessages(ctx context.Context, store *world.Store, q *wire.Request) {
	var in queueInput
	if q.DecodeJSON(&in) != nil {
		return
	}
	end := store.Now().Add(time.Duration(in.WaitTimeSeconds) * time.Second)
	for {
		ready, arrived, wake := pollQueue(store, q, end)
		if ready || !store.Now().Before(end) {
			return
		}
		t := time.NewTimer(min(wake.Sub(store.Now()), maxPoll))
		select {
		case <-t.C:
		case <-arrived:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// pollQueue reports whether the response is available now, and if not, when to
// poll again at the latest.
func pollQueue(store *world.Store, q *wire.Request, end time.Time) (ready bool, arrived <-chan struct{}, wake time.Time) {
	store.View(func(x *world.Index) {
		q.Index = x
		queue, _, err := parseQueueInput(q)
		if err != nil || !q.Caller.Allows(q.Operation.Action) {
			ready = true
			return
		}
		var appears time.Time
		ready, arrived, appears = queue.Await(store.Now())
		wake = end
		for _, t := range []time.Time{appears, store.NextEvent()} {
			if !t.IsZero() && t.Before(wake) {
				wake = t
			}
		}
	})
	return ready, arrived, wake
}

type receivedMessage struct {
	MessageID     string            `json:"MessageId"`
	ReceiptHandle string            `json:"ReceiptHandle"`
	MD5OfBody     string            `json:"MD5OfBody"`
	Body          string            `json:"Body"`
	Attributes    map[string]string `json:"Attributes,omitempty"`
}

func receiveMessage(q *wire.Request) (any, *wire.Error) {
	queue, in, err := parseQueueInput(q)
	if err != nil {
		return nil, err
	}
	limit, visibility, err := in.receiveLimits(queue)
	if err != nil {
		return nil, err
	}
	requested := slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)
	var out struct {
		Messages []receivedMessage `json:"Messages,omitempty"`
	}
	for _, m := range queue.Receive(q.Now, limit, visibility) {
		sum := md5.Sum([]byte(m.Body)) // a checksum of the protocol, not for security
		received := receivedMessage{MessageID: m.ID, ReceiptHandle: m.Receipt, MD5OfBody: hex.EncodeToString(sum[:]), Body: m.Body}
		for name, value := range map[string]string{
			"ApproximateReceiveCount": strconv.Itoa(m.Receives),
			"SentTimestamp":           strconv.FormatInt(m.SentAt.UnixMilli(), 10),
		} {
			if slices.Contains(requested, name) || slices.Contains(requested, "All") {
				if received.Attributes == nil {
					received.Attributes = map[string]string{}
				}
				received.Attributes[name] = value
			}
		}
		out.Messages = append(out.Messages, received)
	}
	return out, nil
}

// batchOutput has the outcome of each entry.
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

// batch calls do for each entry of a request.
func batch(q *wire.Request, do func(*world.Queue, batchEntry) *wire.Error) (any, *wire.Error) {
	queue, in, err := parseQueueInput(q)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(in.Entries); err != nil {
		return nil, err
	}
	out := batchOutput{Successful: []batchSuccess{}, Failed: []batchFailure{}}
	for _, e := range in.Entries {
		err := checkReceipt(e.ReceiptHandle)
		if err == nil {
			err = do(queue, e)
		}
		if err != nil {
			out.Failed = append(out.Failed, batchFailure{ID: e.ID, SenderFault: true, Code: err.Code, Message: err.Message})
		} else {
			out.Successful = append(out.Successful, batchSuccess{e.ID})
		}
	}
	return out, nil
}

var entryID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

// checkBatch returns the error of a batch as a whole.
func checkBatch(entries []batchEntry) *wire.Error {
	switch n := len(entries); {
	case n == 0:
		return modeled("EmptyBatchRequest", "EmptyBatchRequest", "There should be at least one entry in the request.")
	case n > maxBatch:
		return modeled("TooManyEntriesInBatchRequest", "TooManyEntriesInBatchRequest",
			"Maximum number of entries per request are 10. You have sent "+strconv.Itoa(n)+".")
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if !entryID.MatchString(e.ID) {
			return modeled("InvalidBatchEntryId", "InvalidBatchEntryId",
				"A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[e.ID] {
			return modeled("BatchEntryIdsNotDistinct", "BatchEntryIdsNotDistinct", "Id "+e.ID+" repeated.")
		}
		seen[e.ID] = true
	}
	return nil
}

// checkReceipt returns the error of a receipt handle that no queue returns.
func checkReceipt(handle string) *wire.Error {
	if world.IsUUID(handle) {
		return nil
	}
	return &wire.Error{Code: "ReceiptHandleIsInvalid", Status: http.StatusNotFound, Message: `The input receipt handle "` + handle + `" is not a valid receipt handle.`}
}

func deleteMessages(q *wire.Request) (any, *wire.Error) {
	return batch(q, func(queue *world.Queue, e batchEntry) *wire.Error {
		queue.Delete(e.ReceiptHandle)
		return nil
	})
}

func changeVisibilities(q *wire.Request) (any, *wire.Error) {
	return batch(q, func(queue *world.Queue, e batchEntry) *wire.Error {
		if e.VisibilityTimeout == nil || *e.VisibilityTimeout < 0 || *e.VisibilityTimeout > maxVisibility {
			return invalidParameter("VisibilityTimeout", -1, 0, maxVisibility)
		}
		exists, hidden := queue.ChangeVisibility(q.Now, e.ReceiptHandle, time.Duration(*e.VisibilityTimeout)*time.Second)
		switch {
		case !exists:
			return q.Service.Errorf(wire.InvalidInput, "Value %s for parameter ReceiptHandle is invalid. "+
				"Reason: Message does not exist or is not available for visibility timeout change.", e.ReceiptHandle)
		case !hidden:
			return modeled("MessageNotInflight", "MessageNotInflight", "The specified message isn't in flight.")
		}
		return nil
	})
}
