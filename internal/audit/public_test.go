package audit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// public is an account with as many public buckets, and a public role.
func public(buckets int) *inventory.Snapshot {
	s := single()
	analyzer := s.Analyzers[0]
	found := inventory.NewFindings()
	found.Counts[inventory.FindingKey{AccountID: analyzer.AccountID, Type: "ExternalAccess", Status: "ACTIVE", ResourceType: "AWS::S3::Bucket", Public: "true"}] = buckets
	s.Findings = []inventory.AnalyzerFindings{{Analyzer: analyzer, Findings: found}}
	s.FindingStatuses = []string{"ACTIVE"}
	add := func(region, kind, arn string, days int) {
		s.PublicResources = append(s.PublicResources, inventory.PublicResource{Region: region, Analyzer: analyzer, PublicFinding: inventory.PublicFinding{
			AccountID: analyzer.AccountID, ResourceType: kind, Resource: arn, CreatedAt: now.AddDate(0, 0, -days),
		}})
	}
	add(inventory.Global, "AWS::IAM::Role", "arn:aws:iam::123456789012:role/\x1b[31mci", 400)
	for i := range buckets {
		add("eu-west-1", "AWS::S3::Bucket", fmt.Sprintf("arn:aws:s3:::bucket-%d", i), 300-i)
	}
	return s
}

func TestReportNamesPublicResources(t *testing.T) {
	text := reportOf(t, public(2), 80, false)
	want := `
Public resources
arn:aws:s3:::bucket-1
    123456789012, eu-west-1, AWS::S3::Bucket, for 299 days
arn:aws:s3:::bucket-0
    123456789012, eu-west-1, AWS::S3::Bucket, for 300 days
arn:aws:iam::123456789012:role/�[31mci
    123456789012, global, AWS::IAM::Role, for 400 days
`
	if !strings.HasSuffix(text, want) {
		t.Errorf("the report ends otherwise:\n%s", text)
	}
	s := public(40)
	s.PublicUnlisted = map[inventory.Target]int{{AccountID: "123456789012", Region: "eu-west-1"}: 3}
	if text = reportOf(t, s, 80, false); !strings.HasSuffix(text, "\n… and 19 more; --output=json has up to findings.public_resources of each account\n") {
		t.Errorf("the report does not end with the number of the others:\n%s", text)
	}
}

func TestSARIFNamesPublicResources(t *testing.T) {
	text := sarifOf(t, public(7))
	want := "7 active findings of analyzers of the account with public access. Public resources: arn:aws:s3:::bucket-6, arn:aws:s3:::bucket-5, " +
		"arn:aws:s3:::bucket-4, arn:aws:s3:::bucket-3, arn:aws:s3:::bucket-2, …\""
	if !strings.Contains(text, want) {
		t.Errorf("no result with %s in\n%s", want, text)
	}
}
