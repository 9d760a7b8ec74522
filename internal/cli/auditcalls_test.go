package cli_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// wideAccount is an account with 34 Regions and an external access analyzer in 30 of
// them.
func wideAccount() (w *simaws.World, targets, analyzers int) {
	w = lab.Standalone()
	w.Accounts[0].Regions = simaws.Regions("af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4",
		"ap-southeast-5", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1", "me-central-1",
		"me-south-1", "mx-central-1", "ap-southeast-6")
	for _, r := range w.Accounts[0].Regions {
		if r.Status == "DISABLED" {
			continue
		}
		if targets++; analyzers < 30 {
			analyzers++
			w.Analyzers = append(w.Analyzers, lab.Analyzer(lab.Management, r.Name, "ACCOUNT"))
		}
	}
	return w, targets, analyzers
}

// TestAuditCalls counts the calls of an audit. Each page of findings beyond the first
// is one more.
func TestAuditCalls(t *testing.T) {
	wide, targets, analyzers := wideAccount()
	large, _, _ := wideAccount()
	for i := range 4500 {
		large.Analyzers[0].AddFinding(simaws.Finding{
			ID: fmt.Sprintf("5f3c8a52-0000-4000-8000-%012d", i), Type: "ExternalAccess", Owner: lab.Management,
			Resource: fmt.Sprintf("arn:aws:s3:::bucket-%d", i), ResourceType: "AWS::S3::Bucket",
		}, time.Now())
	}
	for _, test := range []struct {
		name, output string
		world        *simaws.World
		most         int
	}{
		{"external access analyzers", "table", wide, targets + analyzers + 5},
		{"a large analyzer", "json", large, targets + analyzers + 5 + 4},
		{"everything that /metrics shows", "metrics", wide, targets + 2*analyzers + 5},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := lab.Simulate(t, test.world)
			var out, note bytes.Buffer
			if code := cli.Run(t.Context(), []string{"audit", "--quiet", "--output=" + test.output}, &out, &note); code != exitFound {
				t.Fatalf("exit code %d: %s", code, &note)
			}
			calls := map[string]int{}
			all := server.Calls(simaws.CallFilter{})
			for _, c := range all {
				calls[c.Operation]++
			}
			t.Logf("%d targets, %d analyzers: %d calls, at most %d: %v", targets, analyzers, len(all), test.most, calls)
			if len(all) > test.most {
				t.Errorf("%d calls, at most %d: %v", len(all), test.most, calls)
			}
			if test.output == "metrics" && !strings.Contains(out.String(), "aws_access_analyzer_archive_rules{") {
				t.Error("archive rules are not counted")
			}
		})
	}
}

// The configuration of an analyzer is read only where a verdict depends on it.
func TestAuditReadsConfigurationsForVerdicts(t *testing.T) {
	for _, test := range []struct {
		name, config string
		want         int
	}{
		{"unused and internal access are not required", "{}", 0},
		{"unused access is required", "{coverage: {unused: {required: true}}}", 0},
		{"internal access is required", "{coverage: {internal: {required: true}}}", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := lab.Standalone()
			for _, kind := range []string{"ACCOUNT", "ACCOUNT_UNUSED_ACCESS", "ACCOUNT_INTERNAL_ACCESS"} {
				w.Analyzers = append(w.Analyzers, lab.Analyzer(lab.Management, "us-east-1", kind))
			}
			server := lab.Simulate(t, w)
			var out, note bytes.Buffer
			cli.Run(t.Context(), []string{"audit", "--quiet", "--config.file=" + lab.WriteFile(t, test.config)}, &out, &note)
			if got := server.CallCount(simaws.CallFilter{Operation: "GetAnalyzer"}); got != test.want || out.Len() == 0 {
				t.Errorf("%d calls of GetAnalyzer, want %d: %s", got, test.want, &note)
			}
		})
	}
}
