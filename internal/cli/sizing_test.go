package cli

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// sizing is what docs/operating.md tells of an organization whose delegated
// administrator holds an analyzer for external access in each of 17 Regions, and
// one for unused access, none with more than a page of findings.
const (
	sizedRegions   = 17
	sizedAnalyzers = sizedRegions + 1
	accountsPage   = 20 // of ListAccounts
)

// firstSweep is how many calls of each operation the first sweep makes.
func firstSweep(accounts int) map[string]int {
	return map[string]int{
		"ListAnalyzers":  accounts * sizedRegions,
		"ListRegions":    accounts,
		"AssumeRole":     accounts - 1,
		"ListAccounts":   (accounts + accountsPage - 1) / accountsPage,
		"GetAnalyzer":    1, // of unused and internal access
		"ListFindings":   sizedRegions,
		"ListFindingsV2": 1,

		"ListArchiveRules": sizedAnalyzers, "GetCallerIdentity": 1, "DescribeOrganization": 1, "ListDelegatedAdministrators": 1,
	}
}

// ofDay is how many calls of each operation are made in a day at most: what is
// kept for an hour is asked for 24 times.
func ofDay(c *config.Config, accounts int) map[string]int {
	sweeps, counts := int(24*time.Hour/time.Duration(c.Sweep.Interval)), int(24*time.Hour/time.Duration(c.Findings.Interval))
	calls := firstSweep(accounts)
	for operation := range calls {
		switch operation {
		case "ListAnalyzers", "GetCallerIdentity":
			calls[operation] *= sweeps
		case "ListFindings", "ListFindingsV2":
			calls[operation] *= counts
		default:
			calls[operation] *= 24
		}
	}
	return calls
}

func sum(calls map[string]int) (total int) {
	for _, n := range calls {
		total += n
	}
	return total
}

func sizedWorld(accounts int) *simaws.World {
	w := &simaws.World{Organization: &simaws.Organization{
		ID: "o-exampleorg1", ManagementID: labHub, TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
		DelegatedAdmins: map[string][]string{simaws.AccessAnalyzerPrincipal: {labHub}},
	}, PageSizes: map[string]int{"ListAccounts": accountsPage}}
	regions := simaws.Regions()
	for i := range accounts {
		id := labHub
		if i > 0 {
			id = fmt.Sprint(100000000000 + i)
		}
		w.Accounts = append(w.Accounts, &simaws.Account{
			ID: id, Name: "account-" + id, Regions: regions, Roles: []*simaws.Role{{Name: "exporter", Trusts: []string{labHub}}},
		})
	}
	for _, region := range simaws.DefaultRegions {
		w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: labHub, Region: region, Name: "external", Type: "ORGANIZATION", Status: "ACTIVE"})
	}
	w.Analyzers = append(w.Analyzers, &simaws.Analyzer{
		AccountID: labHub, Region: "us-east-1", Name: "unused", Type: "ORGANIZATION_UNUSED_ACCESS", Status: "ACTIVE", Unused: &simaws.UnusedAccess{Age: 90},
	})
	return w
}

// TestSizing holds the table of docs/operating.md against the formula, and the
// formula against the calls that are made and the series that come of it.
func TestSizing(t *testing.T) {
	text, err := os.ReadFile("docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^\| (\d[\d,]*) \| (\d[\d,]*) \| (\d[\d,]*) \| (\d[\d,]*) \| (\d[\d,]*) \|`)
	number := func(s string) int {
		n, err := strconv.Atoi(strings.ReplaceAll(s, ",", ""))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	c, err := config.Parse("test.yaml", []byte("{accounts: {discovery: organization}, assume_role: {name: exporter}}"))
	if err != nil {
		t.Fatal(err)
	}
	rows := row.FindAllStringSubmatch(string(text), -1)
	if len(rows) != 4 {
		t.Fatalf("%d rows in the table", len(rows))
	}
	series := map[int]int{}
	for _, accounts := range []int{1, 10, 100} {
		server, snapshot := sweepOnce(t, sizedWorld(accounts), c)
		made, want := server.CallCounts(), firstSweep(accounts)
		maps.DeleteFunc(want, func(_ string, n int) bool { return n == 0 })
		if !maps.Equal(made, want) {
			t.Errorf("%d accounts: calls %v, want %v", accounts, made, want)
		}
		var exposition bytes.Buffer
		if err := collector.WriteText(&exposition, snapshot); err != nil {
			t.Fatal(err)
		}
		series[accounts] = len(regexp.MustCompile(`(?m)^[a-z]`).FindAllString(exposition.String(), -1))
	}
	perAccount := (series[100] - series[10]) / 90
	if perAccount != 3*sizedRegions+1 {
		t.Errorf("%d series for each account", perAccount)
	}
	series[1000] = series[100] + 900*perAccount
	for _, r := range rows {
		accounts := number(r[1])
		each := accounts*sizedRegions + 1
		for i, want := range []int{accounts * sizedRegions, each, sum(ofDay(c, accounts)), series[accounts]} {
			if got := number(r[i+2]); got != want {
				t.Errorf("%d accounts, column %d: %d, it is %d", accounts, i+2, got, want)
			}
		}
	}
}

// TestCallsOfADay lets a day pass. Of what changes rarely there is one call an
// hour for each account or analyzer, however many sweeps there are.
func TestCallsOfADay(t *testing.T) {
	const accounts = 3
	settings := "{accounts: {discovery: organization}, assume_role: {name: exporter}}"
	c, err := config.Parse("test.yaml", []byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	inLab(t, settings, false, func() *simaws.World { return sizedWorld(accounts) }, func(l *lab) {
		// The 25th hour begins with calls of its own.
		l.until(24*time.Hour-time.Minute, nil)
		if made, want := l.aws.CallCounts(), ofDay(c, accounts); !maps.Equal(made, want) {
			t.Errorf("calls of a day: %v, want %v", made, want)
		}
	})
}
