package events

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	security, workload = "111122223333", "444455556666"
	analyzerARN        = "arn:aws:access-analyzer:eu-west-1:" + security + ":analyzer/organization"
)

var analyzerKey = inventory.RefreshKey{Target: inventory.Target{AccountID: security, Region: "eu-west-1"}, AnalyzerARN: analyzerARN}

// body is an event as EventBridge puts it on the wire.
func body(detailType string, resources []string, detail string) string {
	list, _ := json.Marshal(resources)
	return `{"version":"0","id":"22222222-dcba-4444-dcba-333333333333","detail-type":"` + detailType + `","source":"aws.access-analyzer","account":"` +
		security + `","time":"2026-01-02T03:04:05Z","region":"eu-west-1","resources":` + string(list) + `,"detail":` + detail + `}`
}

func finding(detailType string, detail string) string {
	return body(detailType, []string{analyzerARN}, detail)
}

func call(detail string) string { return body(apiCall, nil, detail) }

func wrap(message string) string {
	b, _ := json.Marshal(map[string]string{"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:" + security + ":findings", "Message": message})
	return string(b)
}

const (
	externalDetail = `{"version":"1.0","id":"11","status":"ACTIVE","resourceType":"AWS::S3::Bucket","resource":"arn:aws:s3:::b","createdAt":"2026-01-02T03:04:05.123456789Z","accountId":"` + workload + `","region":"eu-west-1","principal":{"AWS":"*"},"action":["s3:GetObject"],"condition":{},"isDeleted":false,"isPublic":true}`
	unusedDetail   = `{"findingId":"22","status":"ACTIVE","findingType":"UnusedPermission","previousStatus":"","accountId":"` + workload + `","isDeleted":true,"numberOfUnusedActions":12}`
	internalDetail = `{"id":"33","status":"RESOLVED","findingType":"InternalAccess","accountId":"` + workload + `","accessType":"INTRA_ORG","error":"PRINCIPAL_LIMIT_EXCEEDED"}`
)

var parseTests = []struct {
	name, body string
	want       event // without the time
	ok         bool
}{
	{"external", finding(externalFinding, externalDetail), event{detailType: externalFinding, key: analyzerKey}, true},
	{"unused, deleted", finding(unusedFinding, unusedDetail), event{detailType: unusedFinding, key: analyzerKey}, true},
	{"internal, with an error", finding(internalFinding, internalDetail), event{detailType: internalFinding, key: analyzerKey}, true},
	{"through SNS", wrap(finding(externalFinding, externalDetail)), event{detailType: externalFinding, key: analyzerKey}, true},
	{"an analyzer is created", call(`{"eventSource":"access-analyzer.amazonaws.com","eventName":"CreateAnalyzer"}`), event{detailType: apiCall, key: inventory.RefreshKey{Target: analyzerKey.Target}}, true},
	{"a service-linked one is deleted", call(`{"eventSource":"access-analyzer.amazonaws.com","eventName":"DeleteServiceLinkedAnalyzer"}`), event{detailType: apiCall, key: inventory.RefreshKey{Target: analyzerKey.Target}}, true},
	{"a failed call", call(`{"eventSource":"access-analyzer.amazonaws.com","eventName":"CreateAnalyzer","errorCode":"AccessDenied"}`), event{detailType: apiCall, key: inventory.RefreshKey{Target: analyzerKey.Target}, ignored: failedCall}, true},
	{"a call that changes nothing", call(`{"eventSource":"access-analyzer.amazonaws.com","eventName":"ListAnalyzers"}`), event{detailType: apiCall, key: inventory.RefreshKey{Target: analyzerKey.Target}, ignored: unknownCall}, true},
	{"a call of another service", call(`{"eventSource":"iam.amazonaws.com","eventName":"CreateAnalyzer"}`), event{detailType: apiCall, key: inventory.RefreshKey{Target: analyzerKey.Target}, ignored: unknownCall}, true},
	{"a preview", finding("Access Preview State Change", `{}`), event{detailType: otherType, ignored: unknownDetailType}, true},
	{"an unknown type", finding("x", `{}`), event{detailType: otherType, ignored: unknownDetailType}, true},
	{"a type that is called other", finding("other", `{}`), event{detailType: otherType, ignored: unknownDetailType}, true},
	{"no JSON", `hello`, event{detailType: otherType}, false},
	{"nothing", ``, event{detailType: otherType}, false},
	{"null", `null`, event{detailType: otherType}, false},
	{"half of an event", finding(externalFinding, externalDetail)[:100], event{detailType: otherType}, false},
	{"no analyzer", body(externalFinding, nil, externalDetail), event{detailType: externalFinding, key: inventory.RefreshKey{Target: analyzerKey.Target}}, false},
	{"an analyzer of another account", body(externalFinding, []string{strings.ReplaceAll(analyzerARN, security, workload)}, externalDetail), event{detailType: externalFinding, key: inventory.RefreshKey{Target: analyzerKey.Target}}, false},
	{"an analyzer without a name", body(externalFinding, []string{"arn:aws:access-analyzer:eu-west-1:" + security + ":analyzer/"}, externalDetail), event{detailType: externalFinding, key: inventory.RefreshKey{Target: analyzerKey.Target}}, false},
	{"the analyzer is not the first resource", body(externalFinding, []string{"arn:aws:s3:::b", analyzerARN}, externalDetail), event{detailType: externalFinding, key: analyzerKey}, true},
	{"wrapped twice", wrap(wrap(finding(externalFinding, externalDetail))), event{detailType: otherType}, false},
	{"a topic that greets", `{"Type":"SubscriptionConfirmation","Message":"You have chosen to subscribe"}`, event{detailType: otherType}, false},
}

func TestParse(t *testing.T) {
	for _, test := range parseTests {
		got, ok := parse(test.body)
		at := got.at
		got.at = time.Time{}
		if got != test.want || ok != test.ok {
			t.Errorf("%s: %+v, %v; want %+v, %v", test.name, got, ok, test.want, test.ok)
		}
		if ok && !at.Equal(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) {
			t.Errorf("%s: sent at %v", test.name, at)
		}
	}
	late := strings.Replace(finding(externalFinding, externalDetail), "2026-01-02T03:04:05Z", "yesterday", 1)
	if e, ok := parse(late); !ok || !e.at.IsZero() {
		t.Errorf("an event without a usable time: %+v, %v", e, ok)
	}
}

// For any input, the labels are of their sets and a refresh names one target, or
// one analyzer in it.
func FuzzParse(f *testing.F) {
	for _, test := range parseTests {
		f.Add(test.body)
	}
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, ok := parse(text)
		if !slices.Contains(DetailTypes, e.detailType) || e.ignored != "" && !slices.Contains(IgnoredReasons, e.ignored) {
			t.Errorf("a label is not in its set: %+v", e)
		}
		var n notification
		if utf8.ValidString(text) && (json.Unmarshal([]byte(text), &n) != nil || n.Type != "Notification") {
			if through, okay := parse(wrap(text)); through != e || okay != ok {
				t.Errorf("%+v, %v, but through SNS %+v, %v", e, ok, through, okay)
			}
		}
		if !ok || e.ignored != "" {
			return
		}
		if e.key.AccountID == "" || e.key.Region == "" {
			t.Errorf("a refresh of nothing: %+v", e)
		}
		if a := e.key.AnalyzerARN; (a == "") != (e.detailType == apiCall) || a != "" && !isAnalyzer(a, e.key.AccountID, e.key.Region) {
			t.Errorf("an analyzer of another target: %+v", e)
		}
	})
}
