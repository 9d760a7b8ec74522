package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

const (
	stormAccounts = 20
	stormRegions  = 6
	stormTargets  = stormAccounts * stormRegions
	stormBegins   = 150 * time.Second
	stormEnds     = stormBegins + 10*time.Minute
	stormConfig   = "{accounts: {discovery: organization}, assume_role: {name: exporter}, sweep: {interval: 1m, timeout: 50s}, findings: {enabled: false}, " +
		"regions: {include: [us-east-1, us-east-2, us-west-2, eu-west-1, eu-central-1, ap-south-1]}}"
)

func stormWorld() *simaws.World {
	w := &simaws.World{Organization: &simaws.Organization{
		ID: "o-exampleorg1", ManagementID: labHub, TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
	}}
	for i := range stormAccounts {
		id := labHub
		if i > 0 {
			id = fmt.Sprint(300000000000 + i)
		}
		w.Accounts = append(w.Accounts, &simaws.Account{ID: id, Name: "account", Regions: simaws.Regions(), Roles: labRoles()})
	}
	return w
}

// ready counts the targets that could be read at the last attempt.
func (e exposed) ready() (n int) {
	for _, success := range e.success {
		n += int(success)
	}
	return n
}

// TestStorm throttles everything for ten minutes, over ten sweeps.
func TestStorm(t *testing.T) {
	inLab(t, stormConfig, false, stormWorld, func(l *lab) {
		l.until(stormBegins, nil)
		if n := l.scrape().ready(); n != stormTargets {
			t.Fatalf("%d of %d targets before the storm", n, stormTargets)
		}
		before := len(l.aws.Calls(simaws.CallFilter{}))
		calm := l.fault(simaws.Fault{Kind: simaws.Throttled})
		l.until(stormEnds, func(e exposed) {
			if len(e.coverage) != stormTargets {
				t.Errorf("%d of %d places stand on what was known", len(e.coverage), stormTargets)
			}
		})
		calls := l.aws.Calls(simaws.CallFilter{})[before:]
		if l.scrape().ready() != 0 {
			t.Error("something could be read in the storm")
		}
		calm()
		l.until(stormEnds+2*time.Minute, nil)
		if n := l.scrape().ready(); n != stormTargets {
			t.Errorf("two sweeps after the storm %d of %d targets are back", n, stormTargets)
		}
		perTarget, perSecond := map[string]int{}, map[int64]int{}
		for _, c := range calls {
			perTarget[c.Subject+"/"+c.Region+"/"+c.Operation]++
			perSecond[c.Time.Unix()]++
		}
		for target, n := range perTarget {
			// Three attempts at first, then one in each sweep until it succeeds.
			if n > 12 && strings.HasSuffix(target, "/ListAnalyzers") {
				t.Errorf("%d requests for %s in ten sweeps", n, target)
			}
		}
		busiest := 0
		for _, n := range perSecond {
			busiest = max(busiest, n)
		}
		if most := 13 * stormTargets; len(calls) > most {
			t.Errorf("%d requests in ten sweeps of %d targets, want %d at most", len(calls), stormTargets, most)
		}
		if busiest > stormTargets+stormAccounts+5 {
			t.Errorf("%d requests in one second: retries come together", busiest)
		}
		calmCalls := 10 * stormTargets
		t.Logf("%d requests in the storm, at most %d in a second; ten sweeps in calm are %d", len(calls), busiest, calmCalls)
	})
}

// TestStormElsewhere throttles three accounts of four. The others have their
// own troubles, which their retries must go on to mend.
func TestStormElsewhere(t *testing.T) {
	inLab(t, stormConfig, false, stormWorld, func(l *lab) {
		throttled := fmt.Sprint(30000000000, "[5-9]|", 30000000001, "?")
		calm := l.fault(
			simaws.Fault{Kind: simaws.ServiceError, Service: "access-analyzer", Account: labHub + "|" + fmt.Sprint(30000000000, "[1-4]"), Probability: .1},
			simaws.Fault{Kind: simaws.Throttled, Service: "access-analyzer", Account: throttled},
		)
		const healthy = 5 * stormRegions
		failed, looks := 0, 0
		for minute := range 12 {
			l.until(time.Duration(minute)*time.Minute+55*time.Second, nil)
			failed, looks = failed+healthy-l.scrape().ready(), looks+healthy
		}
		// One in a thousand fails three times in a row; one in ten fails once.
		if failed > looks/50 {
			t.Errorf("healthy targets failed %d times of %d", failed, looks)
		}
		t.Logf("healthy targets failed %d times of %d", failed, looks)
		calm()
		l.until(15*time.Minute, nil)
		if n := l.scrape().ready(); n != stormTargets {
			t.Errorf("%d of %d targets are back", n, stormTargets)
		}
	})
}
