package audit

import (
	"bytes"
	"encoding/csv"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"go.uber.org/goleak"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

//go:generate go test . -run ^TestGolden$ -update

var (
	update = flag.Bool("update", false, "rewrite the golden files")
	now    = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func reportOf(t *testing.T, s *inventory.Snapshot, width int, color bool) string {
	t.Helper()
	var out bytes.Buffer
	if err := WriteTable(&out, s, remedy.Setting{Audit: true, ConfigFile: "organization.yaml"}, width, color); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// single is one account outside of any organization, covered in full.
func single() *inventory.Snapshot {
	a := &inventory.Account{ID: "123456789012", Role: inventory.Standalone, Queried: true, RegionsKnown: true, Regions: []string{"eu-west-1", "us-east-1"}}
	s := &inventory.Snapshot{PublishedAt: now, Ready: true, DiscoverySuccess: true, Accounts: []*inventory.Account{a}, TargetCount: 2}
	for _, region := range a.Regions {
		analyzer := &inventory.Analyzer{AccountID: a.ID, Region: region, Name: "own", Type: "ACCOUNT", Status: inventory.Active}
		s.Analyzers = append(s.Analyzers, analyzer)
		s.Verdicts = append(s.Verdicts, inventory.Verdict{AccountID: a.ID, Region: region, Access: inventory.External, State: inventory.Covered, Analyzer: analyzer})
	}
	return s
}

func TestGolden(t *testing.T) {
	organization := webtest.Organization(now)
	for name, got := range map[string]string{
		"organization-80.txt":    reportOf(t, organization, 80, false),
		"organization-200.txt":   reportOf(t, organization, 200, false),
		"organization-color.txt": reportOf(t, organization, 120, true),
		"thousand-100.txt":       reportOf(t, webtest.Large(now, 1000), 100, false),
		"single-80.txt":          reportOf(t, single(), 80, false),
		"organization.csv":       csvOf(t, organization),
		"organization.junit.xml": junitOf(t, organization),
		"organization.sarif":     sarifOf(t, organization),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("differs from %s; go generate ./internal/audit rewrites it. It is now:\n%s", path, got)
			}
		})
	}
}

func csvOf(t *testing.T, s *inventory.Snapshot) string {
	t.Helper()
	var out bytes.Buffer
	if err := WriteCSV(&out, s); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// A command is for copying and stays in one piece; everything else fits.
func TestReportKeepsToTheWidth(t *testing.T) {
	for _, columns := range []int{80, 132, 200} {
		for _, s := range []*inventory.Snapshot{webtest.Organization(now), webtest.Hostile(now), webtest.Large(now, 1000)} {
			for line := range strings.Lines(reportOf(t, s, columns, false)) {
				if w := width(strings.TrimRight(line, "\n")); w > columns && !strings.HasPrefix(line, "      ") {
					t.Errorf("%d columns, not %d: %s", w, columns, line)
				}
			}
		}
	}
}

// hostile is an organization in which everything that AWS passes on tries to
// take over the terminal, or the spreadsheet.
func hostile() *inventory.Snapshot {
	const trick = "=2+2\x1b]0;owned\a\x1b[2J\x9b31m\r\n\x00\u202eevil\u200b"
	s := webtest.Hostile(now)
	for _, a := range s.Accounts {
		a.Name = trick
	}
	for _, a := range s.Analyzers {
		a.Name, a.Type, a.Status, a.StatusReason, a.ManagedBy = trick, a.Type+trick, trick, trick, trick
	}
	var verdicts []inventory.Verdict
	for _, v := range s.Verdicts {
		if f := v.Failure; f != nil {
			v.Failure = &inventory.Failure{AccountID: f.AccountID, Region: f.Region, Operation: trick, Reason: f.Reason, Message: trick}
		}
		if v.Exemption != nil {
			v.Exemption = &inventory.Exemption{Reason: trick}
		}
		verdicts = append(verdicts, v)
	}
	s.Verdicts = verdicts
	for _, f := range s.Findings {
		for k, n := range f.Findings.Counts {
			k.Type = trick
			f.Findings.Counts[k] = n
		}
	}
	return s
}

func TestNamesDoNotControlTheTerminal(t *testing.T) {
	own := regexp.MustCompile("\x1b\\[[0-9;]+m")
	for name, text := range map[string]string{
		"table":   reportOf(t, hostile(), 100, false),
		"colored": own.ReplaceAllString(reportOf(t, hostile(), 100, true), ""),
		"csv":     csvOf(t, hostile()),
		"junit":   junitOf(t, hostile()),
		"sarif":   sarifOf(t, hostile()),
	} {
		for _, r := range text {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				t.Errorf("%s: %q is written", name, r)
			}
		}
		if !strings.Contains(text, "evil") {
			t.Errorf("%s: the names are not there at all", name)
		}
	}
}

func TestNamesAreNoFormulas(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(csvOf(t, hostile()))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.IndexAny(cell, "=+-@") == 0 {
				t.Errorf("%q is a formula", cell)
			}
		}
	}
	if judged := len(hostile().Verdicts); len(rows) != 1+judged {
		t.Errorf("%d rows for %d verdicts", len(rows), judged)
	}
}

func TestFormulasAreQuoted(t *testing.T) {
	for name, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@SUM(A1)": "'@SUM(A1)",
		" =1+1": "' =1+1", "\t=1+1": "' =1+1", "\u00a0\u3000=1+1": "'  =1+1",
		"＝1+1": "'＝1+1", "＋1": "'＋1", "－1": "'－1", "＠A": "'＠A", " ＝1": "' ＝1",
		"a=1": "a=1", "dev-1": "dev-1", " ": " ", "": "",
	} {
		s := single()
		a := *s.Accounts[0]
		a.Name = name
		s.Accounts = []*inventory.Account{&a}
		rows, err := csv.NewReader(strings.NewReader(csvOf(t, s))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if got := rows[1][1]; got != want {
			t.Errorf("%q is written as %q, want %q", name, got, want)
		}
	}
}

func TestOutcome(t *testing.T) {
	without := func(change func(*inventory.Snapshot)) *inventory.Snapshot {
		s := single()
		s.FindingStatuses = []string{inventory.Active}
		change(s)
		return s
	}
	judged := func(state inventory.State) *inventory.Snapshot {
		return without(func(s *inventory.Snapshot) {
			verdicts := slices.Clone(s.Verdicts)
			verdicts[0].State = state
			s.Verdicts = verdicts
		})
	}
	one := Split{1, []string{"1 external access"}}
	const missing = "without 2 analyzers that could not be counted"
	public := inventory.NewFindings()
	for i, n := range []int{2, 3} {
		public.Counts[inventory.FindingKey{AccountID: "123456789012", Type: "ExternalAccess", Status: []string{"ACTIVE", "ARCHIVED"}[i], ResourceType: "AWS::S3::Bucket", Public: "true"}] = n
	}
	for _, test := range []struct {
		name     string
		snapshot *inventory.Snapshot
		want     Outcome
	}{
		{"covered, findings not counted yet", without(func(*inventory.Snapshot) {}), Outcome{Missing: missing}},
		{"covered, findings not to be counted", single(), Outcome{}},
		{"uncovered", judged(inventory.Uncovered), Outcome{Uncovered: one, Missing: missing}},
		{"unknown", judged(inventory.Unknown), Outcome{Unknown: one, Missing: missing}},
		{"exempt", judged(inventory.Exempt), Outcome{Missing: missing}},
		{"accounts not listed", without(func(s *inventory.Snapshot) { s.DiscoverySuccess = false }), Outcome{Unlisted: true, Missing: missing}},
		{"Regions not listed", without(func(s *inventory.Snapshot) { s.Accounts[0].RegionsKnown = false }), Outcome{Unlisted: true, Missing: missing + ", Regions of 1 account that could not be listed"}},
		{
			"public findings, archived ones apart", without(func(s *inventory.Snapshot) {
				s.Findings = []inventory.AnalyzerFindings{{Analyzer: s.Analyzers[0], Findings: public}}
			}), Outcome{Public: 2, Missing: "without 1 analyzer that could not be counted"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := OutcomeOf(test.snapshot); !reflect.DeepEqual(got, test.want) {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

func TestOutcomeHasTheNumbersOfTheReport(t *testing.T) {
	var s Split
	s.add(inventory.External, 1)
	if got := s.In(inventory.Uncovered); got != "1 target is uncovered" {
		t.Error(got)
	}
	s.add(inventory.Unused, 1200)
	if got := s.In(inventory.Uncovered); got != "1,201 targets are uncovered (1 external access, 1,200 unused access)" {
		t.Error(got)
	}
}

// Findings by label have the caveat of the totals, and are not 0 if none are counted.
func TestFindingsByLabelThatAreMissing(t *testing.T) {
	s := webtest.Organization(now)
	s.Targets[0].Unlisted = true
	if text := reportOf(t, s, 200, false); !strings.Contains(text, "By organizational unit\nFindings are lower bounds: without ") {
		t.Errorf("not said:\n%s", text)
	}
	s.Findings, s.FindingStatuses = nil, nil
	text := reportOf(t, s, 200, false)
	_, byTeam, _ := strings.Cut(text, "By team\n")
	if !regexp.MustCompile(`(?m)^shop +4 +88\.2% +8 +4 +– +–$`).MatchString(byTeam) || strings.Contains(text, "lower bounds") {
		t.Errorf("findings that are not counted:\n%s", text)
	}
}

// A Region in which an account may have a target, as its Regions are not known, is
// in no number of unknown targets, and looks different.
func TestRegionsThatAreNotListed(t *testing.T) {
	s := webtest.Organization(now)
	s.Accounts = slices.Clone(s.Accounts)
	a := *s.Accounts[2]
	a.RegionsKnown, s.Accounts[2] = false, &a
	s.Verdicts = slices.DeleteFunc(slices.Clone(s.Verdicts), func(v inventory.Verdict) bool { return v.AccountID == a.ID && v.Region != "eu-west-1" })
	text := reportOf(t, s, 200, false)
	if !strings.Contains(text, "! not listed") || !strings.Contains(text, "The Regions of 1 account could not be listed, so that targets may be missing") {
		t.Errorf("not said:\n%s", text)
	}
	_, matrix, _ := strings.Cut(text, "not listed\n\n")
	matrix, _, _ = strings.Cut(matrix, "\n\n")
	unknown := 0
	for _, v := range s.Verdicts {
		if v.State == inventory.Unknown {
			unknown++
		}
	}
	if shown := strings.Count(matrix, "?"); shown != unknown {
		t.Errorf("%d unknown targets in the matrix, %d in the verdicts:\n%s", shown, unknown, matrix)
	}
}

// Many accounts that look alike are one row; every account is in one.
func TestAccountsThatLookAlikeShareARow(t *testing.T) {
	text := reportOf(t, webtest.Large(now, 1000), 100, false)
	more := regexp.MustCompile(`(?m)^\S+ and (\d+) more +[✓✗?.-]`)
	rows := more.FindAllStringSubmatch(text, -1)
	if len(rows) == 0 {
		t.Fatalf("no rows are shared:\n%s", text)
	}
	sum := 0
	for _, m := range rows {
		var n int
		if _, err := fmt.Sscan(m[1], &n); err != nil {
			t.Fatal(err)
		}
		sum += n + 1
	}
	alone := len(regexp.MustCompile(`(?m)^account-\d+ +[✓✗?.-]`).FindAllString(text, -1))
	if sum+alone != 1000 {
		t.Errorf("%d accounts in shared rows and %d alone, not 1000", sum, alone)
	}
}
