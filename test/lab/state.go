package lab

import (
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// State is one scrape.
type State struct {
	// Coverage and Success are the values of coverage and scrape_success by
	// target.
	Coverage, Success map[string]float64
	// Errors are the reasons of scrape_error by target.
	Errors map[string][]string
	// Findings are the numbers of findings by target of the analyzer.
	Findings map[string]float64
	Families map[string]*dto.MetricFamily
}

// Scrape reads the metrics that are exposed now.
func (l *Lab) Scrape() State {
	l.T.Helper()
	w := httptest.NewRecorder()
	l.Exporter.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	families := parse(l.T, w.Body)
	s := State{
		Coverage: Series(families["aws_access_analyzer_coverage"], "account_id", "region"),
		Success:  Series(families["aws_access_analyzer_scrape_success"], "account_id", "region"),
		Errors:   map[string][]string{}, Findings: map[string]float64{}, Families: families,
	}
	for key := range Series(families["aws_access_analyzer_scrape_error"], "account_id", "region", "operation", "reason") {
		p := strings.Split(key, "/")
		target := Target(p[0], p[1])
		s.Errors[target] = append(s.Errors[target], p[3])
	}
	for key, n := range Series(families["aws_access_analyzer_findings"], "analyzer_account_id", "region", "status", "resource_type", "public") {
		p := strings.Split(key, "/")
		s.Findings[Target(p[0], p[1])] += n
	}
	return s
}

// Truth is whether each target is covered (1) or not (0), from the world itself.
type Truth map[string]float64

// Truth is the coverage by external access analyzers in [Regions] as of now.
func (l *Lab) Truth() Truth {
	truth := Truth{}
	l.AWS.View(func(w *simaws.World) {
		for _, a := range w.Accounts {
			if !slices.Contains([]string{"", "ACTIVE", "PENDING_CLOSURE"}, a.State) {
				continue
			}
			for _, r := range a.Regions {
				if slices.Contains(Regions, r.Name) && strings.HasPrefix(r.Status, "ENABLED") {
					truth[Target(a.ID, r.Name)] = covered(w, a, r.Name)
				}
			}
		}
	})
	return truth
}

func covered(w *simaws.World, a *simaws.Account, region string) float64 {
	administrators := append([]string{w.Organization.ManagementID}, w.Organization.DelegatedAdmins[simaws.AccessAnalyzerPrincipal]...)
	for _, analyzer := range w.Analyzers {
		account := analyzer.Type == "ACCOUNT" && analyzer.AccountID == a.ID
		organization := analyzer.Type == "ORGANIZATION" && slices.Contains(administrators, analyzer.AccountID) && !a.Standalone
		if analyzer.Status == "ACTIVE" && analyzer.Region == region && (account || organization) {
			return 1
		}
	}
	return 0
}

// Check reports every coverage series that differs from the truth.
func (s State) Check(t *testing.T, truth Truth) {
	t.Helper()
	for target, got := range s.Coverage {
		if want, ok := truth[target]; !ok || got != want {
			t.Errorf("coverage of %s is %v, the truth is %v (in scope: %v)", target, got, want, ok)
		}
	}
}

// Unknown returns the targets without a coverage series, sorted.
func (s State) Unknown(truth Truth) []string {
	var targets []string
	for _, target := range slices.Sorted(maps.Keys(truth)) {
		if _, ok := s.Coverage[target]; !ok {
			targets = append(targets, target)
		}
	}
	return targets
}

// Complete reports whether coverage equals the truth and nothing fails.
func (s State) Complete(truth Truth) bool {
	return maps.Equal(s.Coverage, truth) && len(s.Errors) == 0 && !slices.Contains(slices.Collect(maps.Values(s.Success)), 0)
}

// Readable counts the targets that the last sweep could read.
func (s State) Readable() (n int) {
	for _, success := range s.Success {
		n += int(success)
	}
	return n
}
