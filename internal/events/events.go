// Package events turns the events that AWS sends about Access Analyzer into
// refreshes of what they name.
//
// An event only says where to look. What is true there is always read from the
// API, so that a forged, lost, repeated or late event costs a call and never
// makes a lie.
package events

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// The detail types that are understood, in AWS' spelling.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-eventbridge.html
const (
	externalFinding = "Access Analyzer Finding"
	unusedFinding   = "Unused Access Finding for IAM entities"
	internalFinding = "Internal Access Finding"
	apiCall         = "AWS API Call via CloudTrail"
	// otherType stands for all others: whoever may send chooses the name.
	otherType = "other"
)

// DetailTypes are the values of the label of that name.
var DetailTypes = []string{externalFinding, unusedFinding, internalFinding, apiCall, otherType}

// Why an event is ignored, as a label.
const (
	unknownDetailType = "unknown_detail_type"
	// unknownCall is CloudTrail's event of a call that changes no analyzer.
	unknownCall = "unknown_call"
	// failedCall is that of a call which AWS refused.
	failedCall = "failed_call"
	outOfScope = "out_of_scope"
)

// IgnoredReasons are the reasons for which events are ignored.
var IgnoredReasons = []string{unknownDetailType, unknownCall, failedCall, outOfScope}

// Why an event fails, as a label.
const (
	malformed     = "malformed"
	refreshFailed = "refresh_failed"
)

// FailedReasons are the reasons for which events fail.
var FailedReasons = []string{malformed, refreshFailed}

// Calls are the API calls after which the analyzers of their account and Region
// are others.
var Calls = []string{"CreateAnalyzer", "UpdateAnalyzer", "DeleteAnalyzer", "CreateServiceLinkedAnalyzer", "DeleteServiceLinkedAnalyzer"}

// event is what there is to know of an event.
type event struct {
	detailType string
	place      inventory.RefreshKey
	// at is when AWS sent it; zero when it does not say.
	at time.Time
	// ignored is why there is nothing to refresh; empty when there is.
	ignored string
}

// envelope is what EventBridge puts around every event, as far as it is used.
// https://docs.aws.amazon.com/eventbridge/latest/ref/overiew-event-structure.html
type envelope struct {
	DetailType string   `json:"detail-type"`
	Account    string   `json:"account"`
	Region     string   `json:"region"`
	Time       string   `json:"time"`
	Resources  []string `json:"resources"`
	Detail     struct {
		EventSource string `json:"eventSource"`
		EventName   string `json:"eventName"`
		ErrorCode   string `json:"errorCode"`
	} `json:"detail"`
}

// notification is the envelope in which a topic of SNS delivers, unless it is
// told to deliver raw.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
type notification struct {
	Type    string
	Message string
}

// parse reads the body of a message; ok is false when it is not an event of
// the form that AWS gives it.
//
// The detail of a finding is not looked at: its fields differ between the three
// kinds, and none of them is needed. The owner of the resource in it may be any
// member; the analyzer is in the account and the Region of the envelope.
func parse(body string) (e event, ok bool) {
	e.detailType = otherType
	var n notification
	if json.Unmarshal([]byte(body), &n) == nil && n.Type == "Notification" {
		body = n.Message
	}
	var from envelope
	if json.Unmarshal([]byte(body), &from) != nil || from.DetailType == "" {
		return e, false
	}
	e.at, _ = time.Parse(time.RFC3339Nano, from.Time)
	if !slices.Contains(DetailTypes[:4], from.DetailType) {
		e.ignored = unknownDetailType
		return e, true
	}
	e.detailType = from.DetailType
	e.place.Target = inventory.Target{AccountID: from.Account, Region: from.Region}
	if from.DetailType == apiCall {
		switch {
		case from.Detail.EventSource != "access-analyzer.amazonaws.com", !slices.Contains(Calls, from.Detail.EventName):
			e.ignored = unknownCall
		case from.Detail.ErrorCode != "":
			e.ignored = failedCall
		}
		return e, from.Account != "" && from.Region != ""
	}
	for _, arn := range from.Resources {
		if isAnalyzer(arn, from.Account, from.Region) {
			e.place.AnalyzerARN = arn
			return e, true
		}
	}
	return e, false
}

// isAnalyzer tells whether an ARN is that of an analyzer of an account and a
// Region.
func isAnalyzer(arn, account, region string) bool {
	parts := strings.SplitN(arn, ":", 6)
	return len(parts) == 6 && parts[0] == "arn" && parts[2] == "access-analyzer" && account != "" && region != "" &&
		parts[3] == region && parts[4] == account && strings.HasPrefix(parts[5], "analyzer/") && len(parts[5]) > len("analyzer/")
}
