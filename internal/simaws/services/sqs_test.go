package services_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

// queueWorld has a queue and one analyzer with a finding.
func queueWorld(change func(*simaws.Queue)) *simaws.World {
	w := sdktest.NewWorld()
	q := &simaws.Queue{AccountID: sdktest.Security, Region: "eu-west-1", Name: "events"}
	if change != nil {
		change(q)
	}
	w.Queues = []*simaws.Queue{q}
	a := &simaws.Analyzer{AccountID: sdktest.Security, Region: "eu-west-2", Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE", CreatedAt: sdktest.Epoch}
	a.AddFinding(simaws.Finding{ID: "f-1", Type: "ExternalAccess", ResourceType: "AWS::S3::Bucket", Resource: "arn:aws:s3:::a", Owner: sdktest.Workload}, sdktest.Epoch)
	w.Analyzers = []*simaws.Analyzer{a}
	return w
}

// consumer reads the queue of queueWorld through the SDK.
type consumer struct {
	t   *testing.T
	sqs *sqs.Client
	url string
}

func newConsumer(t *testing.T, s *simaws.Server, clients sdktest.Clients) consumer {
	c := consumer{t: t, sqs: sqs.NewFromConfig(clients.Config)}
	s.View(func(w *simaws.World) { c.url = w.Queues[0].URL() })
	return c
}

func (c consumer) receive(wait int32, hide int32) ([]types.Message, error) {
	out, err := c.sqs.ReceiveMessage(c.t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: &c.url, MaxNumberOfMessages: 10, WaitTimeSeconds: wait, VisibilityTimeout: hide,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{"ApproximateReceiveCount"},
	})
	if err != nil {
		return nil, err
	}
	return out.Messages, nil
}

func (c consumer) mustReceive(wait int32, hide int32) []types.Message {
	c.t.Helper()
	messages, err := c.receive(wait, hide)
	if err != nil {
		c.t.Fatal(err)
	}
	return messages
}

func (c consumer) delete(receipt *string) error {
	_, err := c.sqs.DeleteMessageBatch(c.t.Context(), &sqs.DeleteMessageBatchInput{
		QueueUrl: &c.url, Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("1"), ReceiptHandle: receipt}},
	})
	return err
}

// event has the fields of an event that tests check.
type event struct {
	DetailType string `json:"detail-type"`
	Account    string
	Region     string
	Resources  []string
	Detail     map[string]any
}

func events(t *testing.T, messages []types.Message) []event {
	t.Helper()
	var all []event
	for _, m := range messages {
		var e event
		if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

func TestEventsOfChanges(t *testing.T) {
	s := sdktest.Start(t, queueWorld(nil), simaws.Options{})
	c := newConsumer(t, s, sdktest.As(s, sdktest.Security))
	for _, test := range []struct {
		name   string
		change func(*simaws.World)
		want   []string
	}{
		{"nothing", func(*simaws.World) {}, nil},
		{"a new finding", func(w *simaws.World) {
			w.Analyzers[0].AddFinding(simaws.Finding{ID: "f-2", Type: "ExternalAccess", Owner: sdktest.Workload, Public: true}, sdktest.Epoch)
		}, []string{"Access Analyzer Finding f-2 ACTIVE deleted=false"}},
		{"a status", func(w *simaws.World) { w.Analyzers[0].Findings[0].Status = "ARCHIVED" }, []string{"Access Analyzer Finding f-1 ARCHIVED deleted=false"}},
		{"a deleted finding", func(w *simaws.World) { w.Analyzers[0].Findings = w.Analyzers[0].Findings[1:] }, []string{"Access Analyzer Finding f-1 ARCHIVED deleted=true"}},
		{"an analyzer status", func(w *simaws.World) { w.Analyzers[0].Status = "DISABLED" }, nil},
		{"new analyzers", func(w *simaws.World) {
			w.Analyzers = append(w.Analyzers,
				&simaws.Analyzer{AccountID: sdktest.Workload, Region: "us-east-1", Name: "unused", Type: "ACCOUNT_UNUSED_ACCESS", Unused: &simaws.UnusedAccess{Age: 90}},
				&simaws.Analyzer{AccountID: sdktest.Workload, Region: "us-east-1", Name: "_linked", Type: "ACCOUNT_UNUSED_ACCESS", ManagedBy: "securityhubv2.amazonaws.com"},
				&simaws.Analyzer{AccountID: sdktest.Workload, Region: "us-east-1", Name: "internal", Type: "ACCOUNT_INTERNAL_ACCESS", Internal: &simaws.InternalAccess{}},
			)
		}, []string{"CreateAnalyzer unused", "CreateServiceLinkedAnalyzer _linked", "CreateAnalyzer internal"}},
		{"a configuration", func(w *simaws.World) { w.Analyzers[1].Unused = &simaws.UnusedAccess{Age: 30} }, []string{"UpdateAnalyzer unused"}},
		{"findings of other kinds", func(w *simaws.World) {
			w.Analyzers[1].AddFinding(simaws.Finding{ID: "u", Type: "UnusedIAMRole", Owner: sdktest.Workload}, sdktest.Epoch)
			w.Analyzers[3].AddFinding(simaws.Finding{ID: "i", Type: "InternalAccess", Owner: sdktest.Workload}, sdktest.Epoch)
		}, []string{"Unused Access Finding for IAM entities u ACTIVE deleted=false", "Internal Access Finding i ACTIVE deleted=false"}},
		{"deleted analyzers", func(w *simaws.World) { w.Analyzers = w.Analyzers[:2] }, []string{"DeleteAnalyzer internal", "DeleteServiceLinkedAnalyzer _linked"}},
	} {
		s.Update(test.change)
		messages := c.mustReceive(0, 60)
		var got []string
		for _, e := range events(t, messages) {
			if e.DetailType == "AWS API Call via CloudTrail" {
				got = append(got, fmt.Sprint(e.Detail["eventName"], " ", e.Detail["requestParameters"].(map[string]any)["analyzerName"]))
				continue
			}
			id := e.Detail["id"]
			if id == nil {
				id = e.Detail["findingId"]
			}
			got = append(got, fmt.Sprintf("%s %v %v deleted=%v", e.DetailType, id, e.Detail["status"], e.Detail["isDeleted"]))
			if e.Detail["accountId"] != sdktest.Workload || len(e.Resources) != 1 {
				t.Errorf("%s: owner %v, resources %v", test.name, e.Detail["accountId"], e.Resources)
			}
		}
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		for _, m := range messages {
			if err := c.delete(m.ReceiptHandle); err != nil {
				t.Error(err)
			}
		}
	}
	if d := s.Depth("events"); d != (simaws.Depth{}) {
		t.Errorf("left: %+v", d)
	}
}

// Advances the clock of the world instead of waiting.
func TestVisibilityAndDeadLetters(t *testing.T) {
	now := sdktest.Epoch
	s := sdktest.Start(t, queueWorld(func(q *simaws.Queue) { q.MaxReceives, q.Retention = 3, time.Hour }), simaws.Options{Now: func() time.Time { return now }})
	c := newConsumer(t, s, sdktest.As(s, sdktest.Security))
	s.Send("one", "two")
	first := c.mustReceive(0, 60)
	if len(first) != 2 || first[0].Attributes["ApproximateReceiveCount"] != "1" {
		t.Fatalf("%+v", first)
	}
	if again := c.mustReceive(0, 60); len(again) != 0 {
		t.Errorf("hidden messages were received: %v", again)
	}
	hide, err := c.sqs.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{
		QueueUrl: &c.url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: aws.String("a"), ReceiptHandle: first[0].ReceiptHandle, VisibilityTimeout: 600},
			{Id: aws.String("b"), ReceiptHandle: aws.String("unknown"), VisibilityTimeout: 600},
		},
	})
	if err != nil || len(hide.Successful) != 1 || len(hide.Failed) != 1 {
		t.Errorf("%+v, %v", hide, err)
	}
	now = now.Add(time.Minute)
	second := c.mustReceive(0, 60)
	if len(second) != 1 || aws.ToString(second[0].Body) != "two" || second[0].Attributes["ApproximateReceiveCount"] != "2" {
		t.Fatalf("%+v", second)
	}
	now = now.Add(time.Minute)
	c.mustReceive(0, 60)
	now = now.Add(time.Minute)
	if fourth := c.mustReceive(0, 60); len(fourth) != 0 {
		t.Errorf("received more often than allowed: %v", fourth)
	}
	if d := s.Depth("events"); d != (simaws.Depth{Hidden: 1, Dead: 1}) {
		t.Errorf("%+v", d)
	}
	now = now.Add(time.Hour)
	if late := c.mustReceive(0, 60); len(late) != 0 {
		t.Errorf("kept too long: %v", late)
	}
}

func TestLongPoll(t *testing.T) {
	sdktest.Bubble(t, queueWorld(nil), simaws.Options{}, func(t *testing.T, s *simaws.Server, c sdktest.Clients) {
		consumer := newConsumer(t, s, c)
		start := time.Now()
		go func() {
			time.Sleep(5 * time.Second)
			s.Send("hello")
		}()
		if messages := consumer.mustReceive(20, 60); len(messages) != 1 || time.Since(start) != 5*time.Second {
			t.Errorf("got %v after %s, want the message after 5s", messages, time.Since(start))
		}
		start = time.Now()
		if messages := consumer.mustReceive(20, 60); len(messages) != 0 || time.Since(start) != 20*time.Second {
			t.Errorf("got %v after %s, want nothing after 20s", messages, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := consumer.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &consumer.url, WaitTimeSeconds: 20}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a canceled call", err)
		}
	})
}

func TestQueueErrors(t *testing.T) {
	w := queueWorld(nil)
	w.Caller = simaws.Caller{AccountID: sdktest.Security, Actions: []string{"sqs:DeleteMessage"}}
	s := sdktest.Start(t, w, simaws.Options{})
	c := newConsumer(t, s, sdktest.As(s, sdktest.Security))
	missing, other := c, newConsumer(t, s, sdktest.As(s, sdktest.Workload))
	missing.url += "-not"
	for _, test := range []struct {
		name, want string
		do         func() error
	}{
		{"an action that is not allowed", "AccessDenied", func() error { _, err := c.receive(20, 60); return err }},
		{"another account", "AccessDenied", func() error { _, err := other.receive(20, 60); return err }},
		{"a missing queue", "AWS.SimpleQueueService.NonExistentQueue", func() error {
			return missing.delete(aws.String("x"))
		}},
		{"throttling", "RequestThrottled", func() error {
			defer s.AddFault(&simaws.Fault{Kind: simaws.Throttled, Service: "sqs"})()
			_, err := c.receive(0, 60)
			return err
		}},
	} {
		var api smithy.APIError
		if err := test.do(); !errors.As(err, &api) || api.ErrorCode() != test.want {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}

// TestBatchErrors compares errors with the model of the API, whose HTTP status and
// code in the former query protocol the SDK has.
func TestBatchErrors(t *testing.T) {
	now := sdktest.Epoch
	s := sdktest.Start(t, queueWorld(nil), simaws.Options{Now: func() time.Time { return now }})
	c := newConsumer(t, s, sdktest.As(s, sdktest.Security))
	s.Send("one")
	receipt := aws.ToString(c.mustReceive(0, 60)[0].ReceiptHandle)
	now = now.Add(2 * time.Minute) // it is visible again
	const unknown = "5f3c8a52-0000-4000-8000-000000000001"
	entries := func(n int, id func(int) string, receipt string) []types.ChangeMessageVisibilityBatchRequestEntry {
		list := []types.ChangeMessageVisibilityBatchRequestEntry{}
		for i := range n {
			list = append(list, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(id(i)), ReceiptHandle: &receipt, VisibilityTimeout: 60})
		}
		return list
	}
	numbered := strconv.Itoa
	for _, test := range []struct {
		entries []types.ChangeMessageVisibilityBatchRequestEntry
		// code is that of the batch, with its status, or of its only entry.
		code   string
		status int
		failed string
	}{
		{entries(0, numbered, unknown), "AWS.SimpleQueueService.EmptyBatchRequest", 400, ""},
		{entries(11, numbered, unknown), "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", 400, ""},
		{entries(2, func(int) string { return "same" }, unknown), "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400, ""},
		{entries(1, func(int) string { return "not an ID" }, unknown), "AWS.SimpleQueueService.InvalidBatchEntryId", 400, ""},
		{entries(1, numbered, "no handle"), "OK", 200, "ReceiptHandleIsInvalid"},
		{entries(1, numbered, unknown), "OK", 200, "InvalidParameterValue"},
		{entries(1, numbered, receipt), "OK", 200, "AWS.SimpleQueueService.MessageNotInflight"},
	} {
		out, err := c.sqs.ChangeMessageVisibilityBatch(t.Context(), &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &c.url, Entries: test.entries})
		code, status := sdktest.Outcome(err)
		if code != test.code || status != test.status {
			t.Errorf("%s %d (%v), want %s %d", code, status, err, test.code, test.status)
		}
		if test.failed != "" && (out == nil || len(out.Failed) != 1 || aws.ToString(out.Failed[0].Code) != test.failed) {
			t.Errorf("%+v, want %s", out, test.failed)
		}
	}
	defer s.AddFault(&simaws.Fault{Kind: simaws.Throttled, Service: "sqs"})()
	_, err := c.receive(0, 60)
	if code, status := sdktest.Outcome(err); code != "RequestThrottled" || status != 403 {
		t.Errorf("throttled: %s %d", code, status)
	}
}

func TestQueueWrapsForSNS(t *testing.T) {
	s := sdktest.Start(t, queueWorld(func(q *simaws.Queue) { q.SNS = true }), simaws.Options{})
	c := newConsumer(t, s, sdktest.As(s, sdktest.Security))
	s.Update(func(w *simaws.World) { w.Analyzers[0].Findings[0].Status = "RESOLVED" })
	messages := c.mustReceive(1, 60)
	if len(messages) != 1 {
		t.Fatalf("%d messages", len(messages))
	}
	var envelope struct{ Type, Message string }
	if err := json.Unmarshal([]byte(*messages[0].Body), &envelope); err != nil || envelope.Type != "Notification" {
		t.Fatalf("%+v %v", envelope, err)
	}
	if e := events(t, []types.Message{{Body: &envelope.Message}}); e[0].DetailType != "Access Analyzer Finding" {
		t.Errorf("%+v", e)
	}
}
