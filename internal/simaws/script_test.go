package simaws_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

// The script runs by the clock of the server.
func TestScript(t *testing.T) {
	w, err := simaws.ParseScenario([]byte(`
organization: {id: o-exampleorg1, management: main, delegated_admins: {access-analyzer.amazonaws.com: [main]}}
accounts:
  - {id: "111111111111", name: main}
  - {id: "333333333333", name: other, opt_in: [eu-south-1]}
analyzers:
  - account: main
    name: a
    type: ORGANIZATION
    regions: [eu-west-1]
    findings: [{account: other, count: 2, age: 2d, resource: "arn:aws:s3:::old-{n}"}]
script:
  - {after: 1m, every: 10m, set_status: {analyzer: main/a, status: FAILED, status_reason: SERVICE_LINKED_ROLE_CREATION_FAILED}}
  - {after: 2m, every: 10m, set_status: {analyzer: main/a, status: ACTIVE}}
  - {after: 3m, every: 1m, times: 2, add_findings: {analyzer: "*/a", findings: [{account: other, resource: "arn:aws:s3:::new-{round}"}]}}
  - {after: 5m, change_findings: {analyzer: main/a, where: {resource: {contains: [old]}}, limit: 1, to: RESOLVED}}
  - {after: 6m, change_findings: {analyzer: main/a, where: {resource: {contains: [old]}}, to: REMOVED}}
  - {after: 7m, add_archive_rule: {analyzer: main/a, name: new-1, filter: {resource: {contains: [new-1]}}, apply: true}}
  - {after: 7m, add_findings: {analyzer: main/a, findings: [{account: other, resource: "arn:aws:s3:::also-new-1"}]}}
  - {after: 8m, add_analyzers: {account: main, name: b, type: ACCOUNT, regions: [eu-west-1]}}
  - {after: 9m, delete_analyzers: {analyzer: main/b}}
  - {after: 13m, add_fault: {kind: access_denied, account: main, for: 1m}}
  - {after: 20m, set_region: {account: other, region: eu-south-1, status: DISABLED}}
  - {after: 21m, set_account: {account: other, state: CLOSED}}
`), sdktest.Epoch)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Second)
	setAt := now
	s := sdktest.Start(t, w, simaws.Options{Now: func() time.Time { return now }})
	c := sdktest.As(s, sdktest.Management)
	state := func() string {
		out, err := c.Analyzer.ListAnalyzers(context.Background(), nil)
		if err != nil {
			code, _ := sdktest.Outcome(err)
			return code
		}
		var all []string
		for _, a := range out.Analyzers {
			text := *a.Name + " " + string(a.Status)
			if a.StatusReason != nil {
				text += " " + string(a.StatusReason.Code)
			}
			findings, err := c.Analyzer.ListFindingsV2(context.Background(), &accessanalyzer.ListFindingsV2Input{
				AnalyzerArn: a.Arn, Sort: &types.SortCriteria{AttributeName: aws.String("resource")},
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings.Findings {
				text += " " + strings.TrimPrefix(*f.Resource, "arn:aws:s3:::") + "=" + string(f.Status)
			}
			all = append(all, text)
		}
		return strings.Join(all, ", ")
	}
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{0, "a ACTIVE old-1=ACTIVE old-2=ACTIVE"},
		{59 * time.Second, "a ACTIVE old-1=ACTIVE old-2=ACTIVE"},
		{time.Minute, "a FAILED SERVICE_LINKED_ROLE_CREATION_FAILED old-1=ACTIVE old-2=ACTIVE"},
		{2 * time.Minute, "a ACTIVE old-1=ACTIVE old-2=ACTIVE"},
		{4 * time.Minute, "a ACTIVE new-1=ACTIVE new-2=ACTIVE old-1=ACTIVE old-2=ACTIVE"},
		{5 * time.Minute, "a ACTIVE new-1=ACTIVE new-2=ACTIVE old-1=RESOLVED old-2=ACTIVE"},
		{6 * time.Minute, "a ACTIVE new-1=ACTIVE new-2=ACTIVE"},
		{7 * time.Minute, "a ACTIVE also-new-1=ARCHIVED new-1=ARCHIVED new-2=ACTIVE"},
		{8 * time.Minute, "a ACTIVE also-new-1=ARCHIVED new-1=ARCHIVED new-2=ACTIVE, b ACTIVE"},
		{9 * time.Minute, "a ACTIVE also-new-1=ARCHIVED new-1=ARCHIVED new-2=ACTIVE"},
		{11 * time.Minute, "a FAILED SERVICE_LINKED_ROLE_CREATION_FAILED also-new-1=ARCHIVED new-1=ARCHIVED new-2=ACTIVE"},
		{13 * time.Minute, "AccessDeniedException"},
		{14 * time.Minute, "a ACTIVE also-new-1=ARCHIVED new-1=ARCHIVED new-2=ACTIVE"},
	} {
		now = setAt.Add(step.after)
		if got := state(); got != step.want {
			t.Errorf("after %s:\ngot  %s\nwant %s", step.after, got, step.want)
		}
	}
	s.View(func(w *simaws.World) {
		if f := w.Analyzers[0].Findings[0]; !f.CreatedAt.Equal(setAt.Add(3*time.Minute)) || !f.UpdatedAt.Equal(setAt.Add(7*time.Minute)) {
			t.Errorf("new-1 was created %s and updated %s after the start", f.CreatedAt.Sub(setAt), f.UpdatedAt.Sub(setAt))
		}
	})
	// Events run although there were no calls for a long time.
	now = setAt.Add(24 * time.Hour)
	sdktest.WantOutcome(t, sdktest.ListAnalyzers(sdktest.As(s, sdktest.Workload)), "UnrecognizedClientException", 403)
	s.View(func(w *simaws.World) {
		if a := w.Account(sdktest.Workload); a.State != "CLOSED" {
			t.Errorf("the account is %s", a.State)
		}
		for _, r := range w.Account(sdktest.Workload).Regions {
			if r.Name == "eu-south-1" && r.Status != "DISABLED" {
				t.Errorf("the Region is %s", r.Status)
			}
		}
	})
	// The script starts again with SetWorld.
	s.SetWorld(w)
	s.Update(func(w *simaws.World) { w.Account(sdktest.Workload).State = "ACTIVE" })
	now = now.Add(20 * time.Minute)
	sdktest.WantOutcome(t, sdktest.ListAnalyzers(sdktest.As(s, sdktest.Workload)), "OK", 200)
	now = now.Add(time.Minute)
	sdktest.WantOutcome(t, sdktest.ListAnalyzers(sdktest.As(s, sdktest.Workload)), "UnrecognizedClientException", 403)
}
