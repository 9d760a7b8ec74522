package incidents_test

import (
	"math/rand/v2"
	"testing"

	dto "github.com/prometheus/client_model/go"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// TestOrganizationWithFaults compares coverage with the truth for an
// organization of 40 accounts in 17 Regions with 30 faults.
func TestOrganizationWithFaults(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	w := lab.NewOrganization(lab.Management, lab.Hub, lab.Members(38)...)
	truth := addAnalyzers(w, random)
	addFaults(w, random)
	server := lab.Simulate(t, w)
	p := lab.Launch(t, "--config.file="+lab.WriteFile(t, "accounts: {discovery: organization}\nassume_role: {name: exporter}\nfindings: {enabled: false}\n"))
	p.AwaitReady(t)
	unknown := compare(t, p.Families(t), truth)
	if unknown == 0 {
		t.Error("no target is unknown: the faults have no effect")
	}
	if lists := server.CallCount(simaws.CallFilter{Operation: "ListAnalyzers", Code: "OK"}); lists > len(truth) {
		t.Errorf("%d successful ListAnalyzers for %d targets", lists, len(truth))
	}
	t.Logf("%d of %d targets unknown", unknown, len(truth))
}

// addAnalyzers gives some Regions an organization analyzer and some targets one
// of their own, and returns what is covered.
func addAnalyzers(w *simaws.World, random *rand.Rand) lab.Truth {
	truth := lab.Truth{}
	for _, region := range simaws.DefaultRegions {
		status := []string{"ACTIVE", "ACTIVE", "DISABLED", ""}[random.IntN(4)]
		if status != "" {
			a := lab.Analyzer(lab.Hub, region, "ORGANIZATION")
			a.Status = status
			w.Analyzers = append(w.Analyzers, a)
		}
		for _, account := range w.Accounts {
			covered := status == "ACTIVE"
			if random.IntN(3) == 0 {
				w.Analyzers = append(w.Analyzers, lab.Analyzer(account.ID, region, "ACCOUNT"))
				covered = true
			}
			truth[lab.Target(account.ID, region)] = map[bool]float64{true: 1}[covered]
		}
	}
	return truth
}

func addFaults(w *simaws.World, random *rand.Rand) {
	kinds := []simaws.FaultKind{
		simaws.AccessDenied, simaws.SCPDenied, simaws.InvalidCredentials, simaws.ExpiredToken, simaws.Throttled,
		simaws.ConnectionReset, simaws.ServiceError, simaws.MalformedResponse, simaws.EmptyResponse, simaws.AssumeRoleDenied,
	}
	for i := range 30 {
		f := &simaws.Fault{Kind: kinds[i%len(kinds)], Service: "access-analyzer", Account: w.Accounts[random.IntN(len(w.Accounts))].ID}
		switch {
		case f.Kind == simaws.AssumeRoleDenied:
			f.Service = "sts"
		case i%5 > 0:
			f.Region = simaws.DefaultRegions[random.IntN(len(simaws.DefaultRegions))]
		}
		w.Faults = append(w.Faults, f)
	}
}

// compare checks that coverage is the truth or absent with a scrape_error, and
// returns how often it is absent.
func compare(t *testing.T, families map[string]*dto.MetricFamily, truth lab.Truth) (unknown int) {
	t.Helper()
	coverage := lab.Series(families["aws_access_analyzer_coverage"], "account_id", "region")
	success := lab.Series(families["aws_access_analyzer_scrape_success"], "account_id", "region")
	failing := lab.Series(families["aws_access_analyzer_scrape_error"], "account_id", "region")
	for target, want := range truth {
		got, ok := coverage[target]
		_, hasError := failing[target]
		switch {
		case ok && got != want:
			t.Errorf("coverage of %s is %v, the truth is %v", target, got, want)
		case !ok && (!hasError || success[target] != 0):
			t.Errorf("coverage of %s is absent without a scrape_error", target)
		case !ok:
			unknown++
		}
	}
	if len(coverage)+unknown != len(truth) {
		t.Errorf("%d series and %d absent, of %d", len(coverage), unknown, len(truth))
	}
	return unknown
}
