package docs_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// The organization of the sizing table in docs/operating.md: an external access
// analyzer in each of 17 Regions and one unused access analyzer, none with more
// than a page of findings.
const (
	sizedRegions   = 17
	sizedAnalyzers = sizedRegions + 1
	accountsPage   = 20 // of ListAccounts
)

// firstSweep returns the number of calls of each operation in the first sweep.
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

// ofDay returns the number of calls of each operation in a day at most. What is
// cached for an hour is read 24 times.
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

func organization(accounts int) *simaws.World {
	w := lab.NewOrganization(lab.Hub, lab.Hub, lab.Members(accounts-1)...)
	w.PageSizes = map[string]int{"ListAccounts": accountsPage}
	for _, region := range simaws.DefaultRegions {
		w.Analyzers = append(w.Analyzers, lab.Analyzer(lab.Hub, region, "ORGANIZATION"))
	}
	unused := lab.Analyzer(lab.Hub, "us-east-1", "ORGANIZATION_UNUSED_ACCESS")
	unused.Unused = &simaws.UnusedAccess{Age: 90}
	w.Analyzers = append(w.Analyzers, unused)
	return w
}

const settings = "{accounts: {discovery: organization}, assume_role: {name: exporter}}"

// TestSizing compares the table of docs/operating.md with the formula, and the
// formula with the calls and series of sweeps.
func TestSizing(t *testing.T) {
	c := lab.ParseConfig(t, settings)
	series := map[int]int{}
	for _, accounts := range []int{1, 10, 100} {
		server, snapshot := lab.Sweep(t, organization(accounts), c)
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
	rows := sizingTable(t)
	if len(rows) != 4 {
		t.Fatalf("%d rows in the table", len(rows))
	}
	for _, row := range rows {
		accounts := row[0]
		targets := accounts * sizedRegions
		if want := []int{accounts, targets, targets + 1, sum(ofDay(c, accounts)), series[accounts]}; !slices.Equal(row, want) {
			t.Errorf("docs/operating.md has the row %v, want %v", row, want)
		}
	}
}

// sizingTable returns the numbers of the table in docs/operating.md.
func sizingTable(t *testing.T) (rows [][]int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(lab.Root, "docs", "operating.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`(?m)^` + strings.Repeat(`\| (\d[\d,]*) `, 5) + `\|`)
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		var numbers []int
		for _, cell := range m[1:] {
			n, err := strconv.Atoi(strings.ReplaceAll(cell, ",", ""))
			if err != nil {
				t.Fatal(err)
			}
			numbers = append(numbers, n)
		}
		rows = append(rows, numbers)
	}
	return rows
}

// TestCallsOfADay advances the clock by a day. What changes rarely is read once
// an hour for each account or analyzer, however many sweeps there are.
func TestCallsOfADay(t *testing.T) {
	const accounts = 3
	setup := lab.Setup{Config: settings, World: func() *simaws.World { return organization(accounts) }}
	want := ofDay(lab.ParseConfig(t, settings), accounts)
	lab.Run(t, setup, func(l *lab.Lab) {
		// The 25th hour begins with calls of its own.
		l.Until(24*time.Hour-time.Minute, nil)
		if made := l.AWS.CallCounts(); !maps.Equal(made, want) {
			t.Errorf("calls of a day: %v, want %v", made, want)
		}
	})
}
