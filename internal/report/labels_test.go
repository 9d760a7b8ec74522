package report

import (
	"fmt"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// labeled has accounts of two teams, one without a team, and one whose labels are
// not known.
func labeled() *inventory.Snapshot {
	s := &inventory.Snapshot{Labels: inventory.LabelKeys{OU: true, Keys: []string{"team"}, Names: []string{"label_team"}}}
	analyzer := &inventory.Analyzer{Name: "a", AccountID: "1", Region: "eu-west-1", Type: "ORGANIZATION", Status: inventory.Active}
	found := inventory.NewFindings()
	for i, a := range []struct {
		team, path, name string
		state            inventory.State
	}{
		{"shop", "o-1/r-1/ou-1/", "Prod", inventory.Covered},
		{"payments", "o-1/r-1/ou-2/", "Prod", inventory.Uncovered},
		{"shop", "o-1/r-1/", "Root", inventory.Unknown},
		{"", "o-1/r-1/ou-1/", "Prod", inventory.Exempt},
		{"?", "", "", inventory.Uncovered},
	} {
		id := fmt.Sprint(i + 1)
		account := &inventory.Account{ID: id, Labels: &inventory.AccountLabels{OUPath: a.path, OUName: a.name, Values: []string{a.team}}}
		if a.team == "?" {
			account.Labels = nil
		}
		s.Accounts = append(s.Accounts, account)
		s.Verdicts = append(s.Verdicts, inventory.Verdict{AccountID: id, Region: "eu-west-1", Access: inventory.External, State: a.state})
		found.Counts[inventory.FindingKey{AccountID: id, Type: ExternalAccess, Status: inventory.Active, ResourceType: "AWS::S3::Bucket", Public: "true"}] = i
		found.Counts[inventory.FindingKey{AccountID: id, Type: ExternalAccess, Status: inventory.Active, ResourceType: "AWS::S3::Bucket", Public: "false"}] = 10
	}
	found.Counts[inventory.FindingKey{AccountID: "9", Type: ExternalAccess, Status: inventory.Active, ResourceType: "AWS::S3::Bucket", Public: "true"}] = 1
	s.Analyzers = []*inventory.Analyzer{analyzer}
	s.Findings = []inventory.AnalyzerFindings{{Analyzer: analyzer, Findings: found}}
	// Account 1 has analyzers of its own: one that reports some of the same buckets, and
	// one for access that the organization has no analyzer for.
	for kind, key := range map[string]inventory.FindingKey{
		"ACCOUNT":               {AccountID: "1", Type: ExternalAccess, Status: inventory.Active, ResourceType: "AWS::S3::Bucket", Public: "false"},
		"ACCOUNT_UNUSED_ACCESS": {AccountID: "1", Type: "UnusedIAMRole", Status: inventory.Active, ResourceType: "AWS::IAM::Role"},
	} {
		own := inventory.AnalyzerFindings{
			Analyzer: &inventory.Analyzer{Name: kind, AccountID: "1", Region: "eu-west-1", Type: kind, Status: inventory.Active},
			Findings: inventory.NewFindings(),
		}
		own.Findings.Counts[key] = 4
		s.Analyzers, s.Findings = append(s.Analyzers, own.Analyzer), append(s.Findings, own)
	}
	return s
}

func labeledGroups(s *Summary) []LabelGroups { return s.ByLabel(s.Findings()) }

func TestByLabel(t *testing.T) {
	var got []string
	for _, by := range labeledGroups(Of(labeled())) {
		for _, g := range by.Groups {
			active, public := g.Active()
			sum := g.Sum()
			got = append(got, fmt.Sprintf("%s %q %q unknown=%v accounts=%d covered=%d uncovered=%d unknown=%d exempt=%d active=%d public=%d", by.Label, g.Value, g.Name, g.Unknown,
				g.Accounts, sum[inventory.Covered], sum[inventory.Uncovered], sum[inventory.Unknown], sum[inventory.Exempt], active, public))
		}
	}
	want := []string{
		`ou_path "o-1/r-1/ou-2/" "Prod" unknown=false accounts=1 covered=0 uncovered=1 unknown=0 exempt=0 active=11 public=1`,
		`ou_path "o-1/r-1/" "Root" unknown=false accounts=1 covered=0 uncovered=0 unknown=1 exempt=0 active=12 public=2`,
		`ou_path "o-1/r-1/ou-1/" "Prod" unknown=false accounts=2 covered=1 uncovered=0 unknown=0 exempt=1 active=27 public=3`,
		`ou_path "" "" unknown=true accounts=1 covered=0 uncovered=1 unknown=0 exempt=0 active=15 public=5`,
		`label_team "payments" "" unknown=false accounts=1 covered=0 uncovered=1 unknown=0 exempt=0 active=11 public=1`,
		`label_team "shop" "" unknown=false accounts=2 covered=1 uncovered=0 unknown=1 exempt=0 active=26 public=2`,
		`label_team "" "" unknown=false accounts=1 covered=0 uncovered=0 unknown=0 exempt=1 active=13 public=3`,
		`label_team "" "" unknown=true accounts=1 covered=0 uncovered=1 unknown=0 exempt=0 active=15 public=5`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if groups := labeledGroups(Of(&inventory.Snapshot{})); len(groups) > 0 {
		t.Errorf("without labels: %+v", groups)
	}
}

// The groups of each label add up to the totals.
func TestGroupsAddUp(t *testing.T) {
	s := Of(labeled())
	for _, by := range labeledGroups(s) {
		states, active := Tally{}, 0
		for _, g := range by.Groups {
			for state, n := range g.Sum() {
				states[state] += n
			}
			a, _ := g.Active()
			active += a
		}
		for _, total := range s.Tallies() {
			for state, n := range total.Tally {
				if states[state] != n {
					t.Errorf("%s: %d are %s, want %d", by.Label, states[state], state, n)
				}
			}
		}
		total := 0
		for _, l := range s.Findings().Resources {
			total += l.Active
		}
		if active != total {
			t.Errorf("%s: %d active findings, want %d", by.Label, active, total)
		}
	}
}

// A failure to read labels says what is missing, and how to grant the permission.
func TestNoticeOfLabels(t *testing.T) {
	s := labeled()
	s.Failures = []inventory.Failure{{AccountID: "1", Region: inventory.Global, Operation: "ListTagsForResource", Reason: inventory.AccessDenied}}
	list, _ := Of(s).Notices(10)
	n := list[len(list)-1]
	if n.Kind != Unread || !strings.HasPrefix(n.Advice, "Labels of accounts may be missing, by which alerts are routed. Grant ") || n.Command != "access-analyzer-exporter iam-policy" {
		t.Errorf("%+v", n)
	}
}
