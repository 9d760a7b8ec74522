package services

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// EventBridge delivers an event to the queues of a world for each change.
type EventBridge struct {
	world     *world.World
	delivered map[string]*analyzerState // by ARN
}

// analyzerState is the state of an analyzer in the last events.
type analyzerState struct {
	analyzer world.Analyzer
	findings map[string]world.Finding // by ID
}

// stateOf copies the state of all analyzers; nil without a queue, because
// comparisons take time.
func stateOf(w *world.World) map[string]*analyzerState {
	if len(w.Queues) == 0 {
		return nil
	}
	states := make(map[string]*analyzerState, len(w.Analyzers))
	for _, a := range w.Analyzers {
		state := &analyzerState{analyzer: *a, findings: make(map[string]world.Finding, len(a.Findings))}
		state.analyzer.Findings = nil
		for _, f := range a.Findings {
			state.findings[f.ID] = f
		}
		states[a.ARN()] = state
	}
	return states
}

// Deliver sends events for the changes since the last call, as AWS does: Access
// Analyzer reports findings that are new, changed or deleted, CloudTrail reports
// analyzers that an API call created, updated or deleted. AWS reports neither a
// status that it changes itself, nor, for a day, the findings of a deleted
// analyzer. The first call for a world only stores its state.
func (e *EventBridge) Deliver(w *world.World, now time.Time) {
	if e.world != w {
		e.world, e.delivered = w, stateOf(w)
		return
	}
	if len(w.Queues) == 0 {
		return
	}
	before := e.delivered
	e.delivered = stateOf(w)
	var events []string
	for _, a := range w.Analyzers {
		arn := a.ARN()
		was, is := before[arn], e.delivered[arn]
		switch {
		case was == nil:
			events = append(events, callEvent(a, "Create", now))
			was = &analyzerState{}
		case !was.analyzer.CreatedAt.Equal(a.CreatedAt):
			events = append(events, callEvent(a, "Delete", now), callEvent(a, "Create", now))
			was = &analyzerState{}
		case !reflect.DeepEqual(was.analyzer.Unused, a.Unused) || !reflect.DeepEqual(was.analyzer.Internal, a.Internal):
			events = append(events, callEvent(a, "Update", now))
		}
		events = append(events, findingEvents(a, was, is, now)...)
	}
	for arn, was := range before {
		if e.delivered[arn] == nil {
			events = append(events, callEvent(&was.analyzer, "Delete", now))
		}
	}
	for _, q := range w.Queues {
		if q.SNS {
			q.Send(now, notifications(events, now)...)
		} else {
			q.Send(now, events...)
		}
	}
}

// findingEvents returns an event for each finding that differs.
func findingEvents(a *world.Analyzer, was, is *analyzerState, now time.Time) []string {
	var events []string
	for i := range a.Findings {
		f := &a.Findings[i]
		old, exists := was.findings[f.ID]
		if !exists || old.Status != f.Status || !old.UpdatedAt.Equal(f.UpdatedAt) {
			events = append(events, findingEvent(a, f, old.Status, false, now))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(was.findings)) {
		if _, exists := is.findings[id]; !exists {
			f := was.findings[id]
			events = append(events, findingEvent(a, &f, f.Status, true, now))
		}
	}
	return events
}

// envelope is the envelope of EventBridge. Its time has no fractions.
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
func envelope(a *world.Analyzer, detailType string, resources []string, detail map[string]any, now time.Time) string {
	return string(wire.EncodeJSON(map[string]any{
		"version": "0", "id": world.NewUUID(), "detail-type": detailType, "source": "aws.access-analyzer",
		"account": a.AccountID, "region": a.Region, "time": now.UTC().Format(time.RFC3339),
		"resources": resources, "detail": detail,
	}))
}

// findingEvent has the fields of the examples in the IAM User Guide, which
// depend on the kind of analyzer.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-eventbridge.html
func findingEvent(a *world.Analyzer, f *world.Finding, previous string, deleted bool, now time.Time) string {
	detail := map[string]any{
		"version": "1.0", "status": f.Status, "resourceType": f.ResourceType, "resource": f.Resource, "accountId": f.Owner,
		"createdAt": wire.Timestamp(f.CreatedAt), "updatedAt": wire.Timestamp(f.UpdatedAt), "analyzedAt": wire.Timestamp(f.AnalyzedAt), "isDeleted": deleted,
	}
	detailType := "Access Analyzer Finding"
	switch a.AccessType() {
	case world.ExternalAccessType:
		detail["id"], detail["region"] = f.ID, a.Region
		if f.Error == "" {
			detail["isPublic"] = f.Public
		}
	case world.UnusedAccessType:
		detailType = "Unused Access Finding for IAM entities"
		detail["findingId"], detail["findingType"], detail["previousStatus"] = f.ID, f.Type, previous
	case world.InternalAccessType:
		detailType = "Internal Access Finding"
		detail["id"], detail["findingType"], detail["accessType"] = f.ID, f.Type, "INTRA_ORG"
	}
	if f.Error != "" {
		detail["error"] = f.Error
	}
	if access := f.Access; access != nil {
		detail["principal"], detail["action"], detail["condition"] = access.Principal, access.Action, access.Condition
	}
	return envelope(a, detailType, []string{a.ARN()}, detail, now)
}

// callEvent is the CloudTrail event of a call about the analyzer.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/logging-using-cloudtrail.html
func callEvent(a *world.Analyzer, verb string, now time.Time) string {
	name := verb + "Analyzer"
	if a.ManagedBy != "" && verb != "Update" {
		name = verb + "ServiceLinkedAnalyzer"
	}
	return envelope(a, "AWS API Call via CloudTrail", []string{}, map[string]any{
		"eventVersion": "1.11", "eventTime": now.UTC().Format(time.RFC3339), "eventSource": "access-analyzer.amazonaws.com",
		"eventName": name, "awsRegion": a.Region, "recipientAccountId": a.AccountID, "readOnly": false,
		"requestParameters": map[string]any{"analyzerName": a.Name, "type": a.Type},
	}, now)
}

// notifications wraps events in the envelope of SNS without raw message
// delivery.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func notifications(events []string, now time.Time) []string {
	var bodies []string
	for _, event := range events {
		bodies = append(bodies, strings.TrimSpace(string(wire.EncodeJSON(map[string]any{
			"Type": "Notification", "MessageId": world.NewUUID(), "TopicArn": "arn:aws:sns:us-east-1:111111111111:access-analyzer",
			"Message": event, "Timestamp": now.UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "1",
		}))))
	}
	return bodies
}
