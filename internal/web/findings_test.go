package web

import (
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// oneAnalyzer has counted the findings of one key.
func oneAnalyzer(statuses []string, key inventory.FindingKey, n int) *inventory.Snapshot {
	a := &inventory.Analyzer{Name: "x", AccountID: "1", Region: "eu-west-1", Type: "ACCOUNT", Status: inventory.Active}
	f := inventory.NewFindings()
	key.AccountID, key.Type = a.AccountID, "ExternalAccess"
	f.Counts[key] = n
	return &inventory.Snapshot{
		Ready: true, FindingStatuses: statuses, Analyzers: []*inventory.Analyzer{a},
		Findings: []inventory.AnalyzerFindings{{Analyzer: a, Findings: f}},
	}
}

// What was not counted is not 0.
func TestFindingsThatAreNotCountedAreSaidSo(t *testing.T) {
	uncounted := oneAnalyzer(nil, inventory.FindingKey{}, 0)
	uncounted.Findings = nil
	wantAll(t, get(t, Handler(options(uncounted)), "/"), "No findings have been counted yet.")

	typeless := oneAnalyzer(nil, inventory.FindingKey{Status: "ACTIVE", Public: "false"}, 2)
	wantAll(t, get(t, Handler(options(typeless)), "/"), "Resource types are not recorded, so an IAM role counts once for each Region.")
}

func TestResolvedFindingsAreShownWhenTheyAreCounted(t *testing.T) {
	snap := oneAnalyzer([]string{"ACTIVE", "RESOLVED"}, inventory.FindingKey{Status: "RESOLVED", ResourceType: "AWS::S3::Bucket", Public: "false"}, 9)
	h := Handler(options(snap))
	wantAll(t, get(t, h, "/"), `<th scope="col">Resolved</th>`, `<th scope="row">ExternalAccess</th><td>0</td><td>0</td><td>0</td><td>9</td>`)
	wantAll(t, get(t, h, "/api/v1/coverage"), `"resolved":9`)
}
