package incidents_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// calls counts the calls of each operation since the start.
func calls(l *lab.Lab, operations ...string) map[string]int {
	n := map[string]int{}
	for _, operation := range operations {
		n[operation] = l.AWS.CallCount(simaws.CallFilter{Operation: operation})
	}
	return n
}

// flap reloads a number of times, every five seconds.
func flap(l *lab.Lab, times int, text func(i int) string) {
	l.T.Helper()
	for i := range times {
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if err := l.Reload(text(i)); err != nil {
			l.T.Fatal(err)
		}
	}
}

// setup is the organization with its ordinary configuration.
var setup = lab.Setup{Config: lab.Config, World: lab.Organization}

// with returns the configuration with one setting replaced.
func with(old, replacement string) string { return strings.Replace(lab.Config, old, replacement, 1) }

func TestReloadOfAnUnchangedConfiguration(t *testing.T) {
	undisturbed := map[string]int{}
	operations := []string{"GetCallerIdentity", "ListAccounts", "ListRegions", "AssumeRole", "ListAnalyzers"}
	lab.Run(t, setup, func(l *lab.Lab) {
		l.Until(65*time.Minute, nil)
		undisturbed = calls(l, operations...)
	})
	lab.Run(t, setup, func(l *lab.Lab) {
		l.Until(5*time.Minute, nil)
		flap(l, 12*60, func(i int) string { return fmt.Sprint(lab.Config, " # ", i) })
		if got := calls(l, operations...); fmt.Sprint(got) != fmt.Sprint(undisturbed) {
			t.Errorf("calls with reloads %v, without %v", got, undisturbed)
		}
	})
}

// Sessions of roles, and the schedule, survive a reload that does not touch them.
func TestReloadOfAnUnrelatedSetting(t *testing.T) {
	lab.Run(t, setup, func(l *lab.Lab) {
		l.Until(5*time.Minute, nil)
		before := calls(l, "AssumeRole", "ListAnalyzers")
		for i := range 3 {
			if err := l.Reload(with("stale_after: 30m", fmt.Sprintf("stale_after: 4%dm", i))); err != nil {
				t.Fatal(err)
			}
			l.Until(time.Duration(6+i)*time.Minute, nil)
		}
		if got := calls(l, "AssumeRole", "ListAnalyzers"); fmt.Sprint(got) != fmt.Sprint(before) {
			t.Errorf("calls after three reloads %v, before %v", got, before)
		}
	})
}

// Two controllers that fight over the configuration: sweeps complete all the
// same, and when no call is answered any more, coverage becomes unknown.
func TestConfigurationThatKeepsChanging(t *testing.T) {
	lab.Run(t, setup, func(l *lab.Lab) {
		l.Until(5*time.Minute, nil)
		truth := l.Truth()
		roles := func(i int) string {
			return with("eu-south-1]", "eu-south-1, "+[]string{"af-south-1", "ap-east-1"}[i%2]+"]")
		}
		flap(l, 12*30, roles)
		if s := l.Scrape(); !s.Complete(truth) {
			t.Errorf("after half an hour of reloads unknown: %v, %v\n%s", s.Unknown(truth), s.Errors, l.Log)
		}
		l.Fault(simaws.Fault{Kind: simaws.Timeout, Service: "access-analyzer"})
		flap(l, 12*60, roles)
		if s := l.Scrape(); len(s.Coverage) > 0 {
			t.Errorf("an hour after the last answer coverage is %v", s.Coverage)
		}
	})
}

// A Region that is disabled while the list of Regions fails is not covered for
// ever by an organization analyzer.
func TestRegionDisabledWhileItsListFails(t *testing.T) {
	s := setup
	s.Config = with("discovery: organization", "discovery: organization, refresh: 10m")
	lab.Run(t, s, func(l *lab.Lab) {
		l.Until(5*time.Minute, nil)
		target := lab.Target(lab.Alpha, "eu-south-1")
		if _, known := l.Scrape().Coverage[target]; !known {
			t.Fatal("the Region is unknown from the start")
		}
		l.Fault(simaws.Fault{Kind: simaws.AccessDenied, Service: "account"})
		l.UpdateAccount(lab.Alpha, func(a *simaws.Account) {
			a.Regions = slices.DeleteFunc(a.Regions, func(r simaws.Region) bool { return r.Name == "eu-south-1" })
		})
		l.Until(46*time.Minute, nil)
		state := l.Scrape()
		if value, known := state.Coverage[target]; known {
			t.Errorf("coverage of a Region that may be disabled is %v", value)
		}
		if value, ok := state.Success[target]; !ok || value != 0 {
			t.Errorf("scrape_success is %v, %v", value, ok)
		}
		if _, known := state.Coverage[lab.Target(lab.Alpha, "eu-west-1")]; !known {
			t.Error("the coverage of a Region that cannot be disabled is unknown")
		}
		failures := lab.Series(state.Families["access_analyzer_exporter_discovery_failures"], "operation", "reason")
		if failures["ListRegions/access_denied"] != 4 {
			t.Errorf("discovery_failures %v", failures)
		}
	})
}

// An account that is closed while the accounts cannot be listed is not covered
// for ever by an organization analyzer.
func TestAccountClosedWhileTheListFails(t *testing.T) {
	s := setup
	s.Config = with("discovery: organization", "discovery: organization, refresh: 10m")
	lab.Run(t, s, func(l *lab.Lab) {
		l.Until(5*time.Minute, nil)
		before := l.Scrape()
		restore := l.Fault(simaws.Fault{Kind: simaws.AccessDenied, Service: "organizations"})
		l.UpdateAccount(lab.Alpha, func(a *simaws.Account) { a.State = "CLOSED" })
		l.Until(51*time.Minute, nil)
		state := l.Scrape()
		if len(before.Coverage) != 12 || len(state.Coverage) > 0 {
			t.Errorf("coverage of accounts that may be closed: %v, before %v", state.Coverage, before.Coverage)
		}
		for target := range before.Coverage {
			if value, ok := state.Success[target]; !ok || value != 0 {
				t.Errorf("scrape_success of %s is %v, %v", target, value, ok)
			}
		}
		roles := lab.Series(state.Families["aws_access_analyzer_account_info"], "role")
		if len(roles) != 1 || roles[""] == 0 {
			t.Errorf("roles that were not read: %v", roles)
		}
		restore()
		l.Until(70*time.Minute, nil)
		expectComplete(l, "after the list is read again", l.Truth())
	})
}

// TestFindingsBecomeStaleOnTime denies the count that is due: the findings end
// stale_after it, also long before the next coverage sweep.
func TestFindingsBecomeStaleOnTime(t *testing.T) {
	for _, test := range []struct{ staleAfter, interval time.Duration }{
		{10 * time.Minute, time.Hour},
		{time.Minute, 30 * time.Minute},
		{time.Hour, 30 * time.Minute},
	} {
		t.Run(fmt.Sprint(test.staleAfter, test.interval), func(t *testing.T) {
			config := fmt.Sprintf("{accounts: {discovery: organization}, assume_role: {name: exporter}, regions: {include: [us-east-1, eu-west-1, eu-south-1]}, "+
				"stale_after: %s, findings: {interval: %s}}", test.staleAfter, test.interval)
			lab.Run(t, lab.Setup{Config: config, World: lab.Organization}, func(l *lab.Lab) {
				l.Until(5*time.Minute, nil)
				l.Fault(simaws.Fault{Kind: simaws.AccessDenied, Operation: "ListFindings*"})
				end := test.interval + test.staleAfter
				l.Until(end-30*time.Second, nil)
				if n := len(l.Scrape().Findings); n == 0 {
					t.Error("no findings before stale_after")
				}
				l.Until(end+30*time.Second, nil)
				if findings := l.Scrape().Findings; len(findings) > 0 {
					t.Errorf("findings after stale_after: %v", findings)
				}
			})
		})
	}
}
