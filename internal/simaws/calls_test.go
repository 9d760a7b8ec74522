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
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

func TestCallLog(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{CallLog: 4})
	ctx := context.Background()
	c := sdktest.As(s, sdktest.Security)
	member := c.Assumed(sdktest.Workload)
	for range 3 {
		_, err := member.Analyzer.ListAnalyzers(ctx, nil)
		sdktest.WantOutcome(t, err, "OK", 200)
	}
	_, err := c.In("us-east-1").Analyzer.GetAnalyzer(ctx, &accessanalyzer.GetAnalyzerInput{AnalyzerName: aws.String("none")})
	sdktest.WantOutcome(t, err, "ResourceNotFoundException", 404)

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
		{simaws.CallFilter{AccountID: sdktest.Workload}, 3},
		{simaws.CallFilter{Region: "us-*"}, 1},
		{simaws.CallFilter{Operation: "AssumeRole", Subject: sdktest.Workload}, 0}, // no longer kept
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
	if last.Service != "access-analyzer" || last.Operation != "GetAnalyzer" || last.AccountID != sdktest.Security || last.Region != "us-east-1" ||
		last.Status != 404 || last.Code != "ResourceNotFoundException" || !strings.HasPrefix(last.AccessKeyID, "AKIA") || last.Time.IsZero() {
		t.Errorf("the last call is %+v", last)
	}
	s.ResetCalls()
	if n := s.CallCount(simaws.CallFilter{}); n != 0 || s.Calls(simaws.CallFilter{}) != nil {
		t.Errorf("%d calls after a reset", n)
	}
}

func TestCountsWithoutCalls(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{CallLog: -1})
	_, err := sdktest.As(s, sdktest.Security).Analyzer.ListAnalyzers(context.Background(), nil)
	sdktest.WantOutcome(t, err, "OK", 200)
	if s.CallCount(simaws.CallFilter{Operation: "ListAnalyzers"}) != 1 || s.Calls(simaws.CallFilter{}) != nil {
		t.Error("calls are kept, or not counted")
	}
}

// Concurrent calls, updates, faults and views, for the race detector. No reader may
// observe a part of an update.
func TestConcurrency(t *testing.T) {
	w := sdktest.NewWorldWithFindings()
	s := sdktest.Start(t, w, simaws.Options{})
	c := sdktest.As(s, sdktest.Security)
	ctx := context.Background()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 20 {
				out, err := c.Analyzer.ListFindingsV2(ctx, &accessanalyzer.ListFindingsV2Input{AnalyzerArn: aws.String(sdktest.ExternalARN)})
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
				a := w.Analyzer(sdktest.ExternalARN)
				taken, a.Findings = a.Findings[0], a.Findings[1:]
			})
			s.AddFault(&simaws.Fault{Kind: simaws.AccessDenied, Operation: "GetAnalyzer"})()
			s.Update(func(w *simaws.World) {
				a := w.Analyzer(sdktest.ExternalARN)
				a.Findings = append([]simaws.Finding{taken}, a.Findings...)
			})
			s.View(func(w *simaws.World) {
				if len(w.Analyzer(sdktest.ExternalARN).Findings) != 6 {
					t.Error("a part of an update was observed")
				}
			})
		}
	})
	wg.Wait()
}
