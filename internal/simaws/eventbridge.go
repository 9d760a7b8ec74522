package simaws

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// analyzerState is what the queues were last told of an analyzer.
type analyzerState struct {
	analyzer Analyzer
	findings map[string]Finding // by ID
}

// state is what there is to tell of; nil without a queue, as comparing takes
// time.
func (w *World) state() map[string]*analyzerState {
	if len(w.Queues) == 0 {
		return nil
	}
	state := make(map[string]*analyzerState, len(w.Analyzers))
	for _, a := range w.Analyzers {
		one := &analyzerState{analyzer: *a, findings: make(map[string]Finding, len(a.Findings))}
		one.analyzer.Findings = nil
		for _, f := range a.Findings {
			one.findings[f.ID] = f
		}
		state[a.ARN()] = one
	}
	return state
}

// tell sends an event for whatever changed since the last time, as AWS does:
// Access Analyzer tells of findings that are new, changed or gone, CloudTrail
// of analyzers that somebody created, updated or deleted. Of a status that AWS
// itself changes nobody tells, nor of the findings of a deleted analyzer before
// a day has passed.
func (w *World) tell(now time.Time) {
	if len(w.Queues) == 0 {
		return
	}
	before := w.told
	w.told = w.state()
	var events []string
	for _, a := range w.Analyzers {
		arn := a.ARN()
		was, is := before[arn], w.told[arn]
		switch {
		case was == nil:
			events = append(events, a.callEvent("Create", now))
			was = &analyzerState{}
		case !was.analyzer.CreatedAt.Equal(a.CreatedAt):
			events = append(events, a.callEvent("Delete", now), a.callEvent("Create", now))
			was = &analyzerState{}
		case !reflect.DeepEqual(was.analyzer.Unused, a.Unused) || !reflect.DeepEqual(was.analyzer.Internal, a.Internal):
			events = append(events, a.callEvent("Update", now))
		}
		events = append(events, a.findingEvents(was, is, now)...)
	}
	for arn, was := range before {
		if w.told[arn] == nil {
			events = append(events, was.analyzer.callEvent("Delete", now))
		}
	}
	for _, q := range w.Queues {
		if q.SNS {
			q.send(now, wrapped(events, now)...)
		} else {
			q.send(now, events...)
		}
	}
}

// findingEvents tells of the findings that differ, in the order of the list.
func (a *Analyzer) findingEvents(was, is *analyzerState, now time.Time) []string {
	var events []string
	for i := range a.Findings {
		f := &a.Findings[i]
		old, known := was.findings[f.ID]
		if !known || old.Status != f.Status || !old.UpdatedAt.Equal(f.UpdatedAt) {
			events = append(events, a.findingEvent(f, old.Status, false, now))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(was.findings)) {
		if _, there := is.findings[id]; !there {
			f := was.findings[id]
			events = append(events, a.findingEvent(&f, f.Status, true, now))
		}
	}
	return events
}

// envelope is what EventBridge puts around every event. Its time has no
// fractions.
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
func (a *Analyzer) envelope(detailType string, resources []string, detail map[string]any, now time.Time) string {
	return string(encodeJSON(map[string]any{
		"version": "0", "id": uuid(), "detail-type": detailType, "source": "aws.access-analyzer",
		"account": a.AccountID, "region": a.Region, "time": now.UTC().Format(time.RFC3339),
		"resources": resources, "detail": detail,
	}))
}

// findingEvent has the fields of the examples in the IAM User Guide, which
// differ from one kind of analyzer to the next.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-eventbridge.html
func (a *Analyzer) findingEvent(f *Finding, previous string, deleted bool, now time.Time) string {
	detail := map[string]any{
		"version": "1.0", "status": f.Status, "resourceType": f.ResourceType, "resource": f.Resource, "accountId": f.Owner,
		"createdAt": timestamp(f.CreatedAt), "updatedAt": timestamp(f.UpdatedAt), "analyzedAt": timestamp(f.AnalyzedAt), "isDeleted": deleted,
	}
	detailType := "Access Analyzer Finding"
	switch a.access() {
	case 'E':
		detail["id"], detail["region"] = f.ID, a.Region
		if f.Error == "" {
			detail["isPublic"] = f.Public
		}
	case 'U':
		detailType = "Unused Access Finding for IAM entities"
		detail["findingId"], detail["findingType"], detail["previousStatus"] = f.ID, f.Type, previous
	case 'I':
		detailType = "Internal Access Finding"
		detail["id"], detail["findingType"], detail["accessType"] = f.ID, f.Type, "INTRA_ORG"
	}
	if f.Error != "" {
		detail["error"] = f.Error
	}
	if access := f.Access; access != nil {
		detail["principal"], detail["action"], detail["condition"] = access.Principal, access.Action, access.Condition
	}
	return a.envelope(detailType, []string{a.ARN()}, detail, now)
}

// callEvent is what CloudTrail makes of a call about the analyzer.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/logging-using-cloudtrail.html
func (a *Analyzer) callEvent(verb string, now time.Time) string {
	name := verb + "Analyzer"
	if a.ManagedBy != "" && verb != "Update" {
		name = verb + "ServiceLinkedAnalyzer"
	}
	return a.envelope("AWS API Call via CloudTrail", []string{}, map[string]any{
		"eventVersion": "1.11", "eventTime": now.UTC().Format(time.RFC3339), "eventSource": "access-analyzer.amazonaws.com",
		"eventName": name, "awsRegion": a.Region, "recipientAccountId": a.AccountID, "readOnly": false,
		"requestParameters": map[string]any{"analyzerName": a.Name, "type": a.Type},
	}, now)
}

// wrapped puts events into the envelopes in which SNS delivers them, unless it
// is told to deliver them raw.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
func wrapped(events []string, now time.Time) []string {
	var bodies []string
	for _, event := range events {
		bodies = append(bodies, strings.TrimSpace(string(encodeJSON(map[string]any{
			"Type": "Notification", "MessageId": uuid(), "TopicArn": "arn:aws:sns:us-east-1:111111111111:access-analyzer",
			"Message": event, "Timestamp": now.UTC().Format("2006-01-02T15:04:05.000Z"), "SignatureVersion": "1",
		}))))
	}
	return bodies
}
