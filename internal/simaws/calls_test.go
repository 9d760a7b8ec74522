package simaws_test

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

func TestCallLog(t *testing.T) {
	s := start(t, newWorld(), simaws.Options{CallLog: 4})
	ctx := context.Background()
	c := as(s, security)
	member := c.assumed(workload)
	for range 3 {
		_, err := member.analyzer.ListAnalyzers(ctx, nil)
		wantOutcome(t, err, "OK", 200)
	}
	_, err := c.in("us-east-1").analyzer.GetAnalyzer(ctx, &accessanalyzer.GetAnalyzerInput{AnalyzerName: aws.String("none")})
	wantOutcome(t, err, "ResourceNotFoundException", 404)

	if got, want := s.CallCounts(), map[string]int{"AssumeRole": 1, "ListAnalyzers": 3, "GetAnalyzer": 1}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, test := range []struct {
		filter simaws.CallFilter
		want   int
	}{
		{simaws.CallFilter{}, 5}, // counted though only four are kept
		{simaws.CallFilter{Service: "access-analyzer"}, 4},
		{simaws.CallFilter{Operation: "Get*|List*"}, 4},
		{simaws.CallFilter{Code: "OK"}, 4},
		{simaws.CallFilter{AccountID: workload}, 3},
		{simaws.CallFilter{Region: "us-*"}, 1},
		{simaws.CallFilter{Operation: "AssumeRole", Subject: workload}, 0}, // no longer kept
	} {
		if got := s.CallCount(test.filter); got != test.want {
			t.Errorf("%+v: %d calls, want %d", test.filter, got, test.want)
		}
	}
	calls := s.Calls(simaws.CallFilter{})
	if len(calls) != 4 {
		t.Fatalf("%d calls are kept", len(calls))
	}
	last := calls[3]
	if last.Service != "access-analyzer" || last.Operation != "GetAnalyzer" || last.AccountID != security || last.Region != "us-east-1" ||
		last.Status != 404 || last.Code != "ResourceNotFoundException" || !strings.HasPrefix(last.AccessKeyID, "AKIA") || last.Time.IsZero() {
		t.Errorf("the last call is %+v", last)
	}
	s.ResetCalls()
	if n := s.CallCount(simaws.CallFilter{}); n != 0 || s.Calls(simaws.CallFilter{}) != nil {
		t.Errorf("%d calls after a reset", n)
	}
}

func TestCountsWithoutCalls(t *testing.T) {
	s := start(t, newWorld(), simaws.Options{CallLog: -1})
	_, err := as(s, security).analyzer.ListAnalyzers(context.Background(), nil)
	wantOutcome(t, err, "OK", 200)
	if s.CallCount(simaws.CallFilter{Operation: "ListAnalyzers"}) != 1 || s.Calls(simaws.CallFilter{}) != nil {
		t.Error("calls are kept, or not counted")
	}
}

// Concurrent calls, updates, faults and views, for the race detector. No reader may
// observe a part of an update.
func TestConcurrency(t *testing.T) {
	w := worldWithFindings()
	s := start(t, w, simaws.Options{})
	c := as(s, security)
	ctx := context.Background()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				out, err := c.analyzer.ListFindingsV2(ctx, &accessanalyzer.ListFindingsV2Input{AnalyzerArn: aws.String(externalARN)})
				if err != nil {
					t.Error(err)
					return
				}
				if n := len(out.Findings); n != 6 && n != 5 {
					t.Errorf("%d findings", n)
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			var taken simaws.Finding
			s.Update(func(w *simaws.World) {
				a := w.Analyzer(externalARN)
				taken, a.Findings = a.Findings[0], a.Findings[1:]
			})
			s.AddFault(&simaws.Fault{Kind: simaws.AccessDenied, Operation: "GetAnalyzer"})()
			s.Update(func(w *simaws.World) {
				a := w.Analyzer(externalARN)
				a.Findings = append([]simaws.Finding{taken}, a.Findings...)
			})
			s.View(func(w *simaws.World) {
				if len(w.Analyzer(externalARN).Findings) != 6 {
					t.Error("a part of an update was observed")
				}
			})
		}
	})
	wg.Wait()
}
