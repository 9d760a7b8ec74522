// Package events consumes EventBridge events about Access Analyzer from an SQS
// queue and triggers rate-limited refreshes of the targets and analyzers that
// they name.
//
// An event only selects what to refresh; the state always comes from the API. A
// forged, lost, repeated or late event costs a call and never falsifies a metric.
package events

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// The supported values of detail-type, as AWS spells them.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-eventbridge.html
const (
	externalFinding = "Access Analyzer Finding"
	unusedFinding   = "Unused Access Finding for IAM entities"
	internalFinding = "Internal Access Finding"
	apiCall         = "AWS API Call via CloudTrail"
	// otherType is the label of all others: the sender chooses the name.
	otherType = "other"
)

// DetailTypes are the values of the label of that name.
var DetailTypes = []string{externalFinding, unusedFinding, internalFinding, apiCall, otherType}

// Why an event is ignored, as a label.
const (
	unknownDetailType = "unknown_detail_type"
	// unknownCall is a CloudTrail event of a call that changes no analyzer.
	unknownCall = "unknown_call"
	// failedCall is a CloudTrail event of a call that failed.
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

// Calls are the API calls that change the analyzers of their account and Region.
var Calls = []string{"CreateAnalyzer", "UpdateAnalyzer", "DeleteAnalyzer", "CreateServiceLinkedAnalyzer", "DeleteServiceLinkedAnalyzer"}

// event is the part of an event that decides what to refresh.
type event struct {
	detailType string
	key        inventory.RefreshKey
	// at is when AWS sent it; zero when the event has no time.
	at time.Time
	// ignored is the reason for not refreshing; empty when there is none.
	ignored string
}

// envelope is the part of EventBridge's event structure that is used.
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

// notification is the envelope of an SNS topic without raw message delivery.
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
type notification struct {
	Type    string
	Message string
}

// parse decodes the body of a message; ok is false when it is not an event as
// AWS documents it.
//
// The detail of a finding is ignored: its fields differ between the three kinds
// of finding. The owner of the resource in it may be any member account; the
// account and Region of the envelope are those of the analyzer.
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
	e.key.Target = inventory.Target{AccountID: from.Account, Region: from.Region}
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
			e.key.AnalyzerARN = arn
			return e, true
		}
	}
	return e, false
}

// isAnalyzer reports whether an ARN is that of an analyzer in an account and
// Region.
func isAnalyzer(arn, account, region string) bool {
	parts := strings.SplitN(arn, ":", 6)
	return len(parts) == 6 && parts[0] == "arn" && parts[2] == "access-analyzer" && account != "" && region != "" &&
		parts[3] == region && parts[4] == account && strings.HasPrefix(parts[5], "analyzer/") && len(parts[5]) > len("analyzer/")
}
