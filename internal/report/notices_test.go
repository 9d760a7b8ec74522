package report

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

// small is a snapshot of one organization's accounts in one or more Regions, in
// which a test says what is judged.
func small(accounts int, judge func(account int, region string) inventory.Verdict, regions ...string) *inventory.Snapshot {
	snap := &inventory.Snapshot{Ready: true, DiscoverySuccess: true}
	org := &inventory.Organization{ID: "o-1"}
	for i := range accounts {
		a := &inventory.Account{ID: webtest.ID(i), Role: inventory.Member, Organization: org, Queried: true, RegionsKnown: true, Regions: regions}
		snap.Accounts = append(snap.Accounts, a)
		for _, r := range regions {
			d := judge(i, r)
			d.AccountID, d.Region = a.ID, r
			if d.Access == "" {
				d.Access = inventory.External
			}
			snap.Verdicts = append(snap.Verdicts, d)
		}
	}
	return snap
}

func TestNoticesGroupByCause(t *testing.T) {
	uncovered := inventory.Verdict{State: inventory.Uncovered}
	active := &inventory.Analyzer{AccountID: webtest.ID(0), Name: "org", Region: "eu-west-1", Type: "ORGANIZATION", Status: inventory.Active}
	covered := inventory.Verdict{State: inventory.Covered, Analyzer: active}
	failure := func(account int, region, operation string, reason inventory.Reason) inventory.Verdict {
		return inventory.Verdict{State: inventory.Unknown, Failure: &inventory.Failure{
			AccountID: webtest.ID(account), Region: region, Operation: operation, Reason: reason, Message: webtest.Secret,
		}}
	}
	for _, test := range []struct {
		name string
		snap *inventory.Snapshot
		// each is "kind targets headline", the most important first
		want []string
	}{
		{
			"all is well",
			small(3, func(int, string) inventory.Verdict { return covered }, "eu-west-1"),
			nil,
		},
		{
			"an organization without analyzers",
			small(3, func(int, string) inventory.Verdict { return uncovered }, "eu-west-1", "us-east-1"),
			[]string{"uncovered 6 No external access analyzer found in eu-west-1, us-east-1"},
		},
		{
			"one account without analyzers",
			small(1, func(int, string) inventory.Verdict { return uncovered }, "eu-west-1", "us-east-1"),
			[]string{"uncovered 2 210000000001 has no external access analyzer in eu-west-1, us-east-1"},
		},
		{
			"the policy does not accept the organization analyzer",
			func() *inventory.Snapshot {
				s := small(3, func(int, string) inventory.Verdict { return uncovered }, "eu-west-1")
				s.Analyzers = []*inventory.Analyzer{active}
				return s
			}(),
			[]string{"uncovered 3 3 accounts have no external access analyzer in eu-west-1"},
		},
		{
			"new accounts lack the same Regions",
			small(9, func(account int, region string) inventory.Verdict {
				if account < 3 {
					return uncovered
				}
				return covered
			}, "eu-west-1", "eu-west-2", "us-east-1"),
			[]string{"uncovered 9 3 accounts have no external access analyzer in eu-west-1, eu-west-2, us-east-1"},
		},
		{
			"unused access, nowhere",
			small(3, func(int, string) inventory.Verdict {
				return inventory.Verdict{State: inventory.Uncovered, Access: inventory.Unused}
			}, inventory.Global),
			[]string{"uncovered 3 No unused access analyzer found in any Region"},
		},
		{
			"the administrator cannot be read: one cause, many targets",
			small(5, func(int, string) inventory.Verdict {
				return failure(0, "eu-west-1", "ListAnalyzers", inventory.SCPDenied)
			}, "eu-west-1"),
			[]string{"unknown 5 ListAnalyzers: scp_denied, a service control policy (SCP) denies the request"},
		},
		{
			"uncovered before unknown, the larger before the smaller",
			small(6, func(account int, region string) inventory.Verdict {
				switch {
				case account == 0:
					return failure(0, region, "ListAnalyzers", inventory.Throttled)
				case account == 1 && region == "eu-west-1":
					return failure(1, region, "AssumeRole", inventory.AssumeRoleDenied)
				case account == 2 && region == "eu-west-1":
					return uncovered
				}
				return covered
			}, "eu-west-1", "us-east-1"),
			[]string{
				"uncovered 1 210000000003 has no external access analyzer in eu-west-1",
				"unknown 2 ListAnalyzers: throttled, AWS throttled the request, and all attempts failed",
				"unknown 1 AssumeRole: assume_role_denied, the role in the account could not be assumed",
			},
		},
		{
			"never read and failed targets differ",
			func() *inventory.Snapshot {
				s := small(3, func(account int, region string) inventory.Verdict {
					v := failure([]int{0, 77, 2}[account], region, []string{"ListAnalyzers", "ListAnalyzers", "GetAnalyzer"}[account], inventory.Other)
					v.Failure.Detail = []inventory.Detail{inventory.NotQueried, inventory.OutOfScope, inventory.Undefined}[account]
					return v
				}, "eu-west-1")
				s.Accounts[0].Queried = false
				return s
			}(),
			[]string{
				"unknown 1 GetAnalyzer: other, the analyzer's inclusions and exclusions are unknown, or its configuration does not define them",
				"unknown 1 ListAnalyzers: other, the account may own organization analyzers and is not in scope",
				"unknown 1 ListAnalyzers: other, the exporter does not assume a role in the account",
			},
		},
		{
			"an analyzer that this version does not support",
			small(1, func(account int, region string) inventory.Verdict {
				v := failure(0, region, "ListAnalyzers", inventory.Other)
				v.Failure.Unsupported = true
				return v
			}, "eu-west-1"),
			[]string{"unknown 1 ListAnalyzers: other, this version of the exporter does not support the type or the configuration of an analyzer that may cover the target"},
		},
		{
			"failures that do not affect coverage are last, failures of verdicts are listed once",
			func() *inventory.Snapshot {
				s := small(2, func(account int, region string) inventory.Verdict {
					return failure(0, region, "ListAnalyzers", inventory.Timeout)
				}, "eu-west-1")
				for i := range 2 {
					s.Failures = append(s.Failures,
						inventory.Failure{AccountID: webtest.ID(i), Region: "eu-west-1", Operation: "ListAnalyzers", Reason: inventory.Timeout, Message: "timeout"},
						inventory.Failure{AccountID: webtest.ID(i), Region: "eu-west-1", Operation: "ListFindingsV2", Reason: inventory.AccessDenied})
				}
				return s
			}(),
			[]string{
				"unknown 2 ListAnalyzers: timeout, AWS did not answer in time",
				"unread 0 ListFindingsV2: access_denied, the exporter's role lacks the permission",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			list, more := Of(test.snap).Notices(25)
			for _, n := range list {
				got = append(got, fmt.Sprintf("%s %d %s", n.Kind, n.Targets, n.Headline))
			}
			if more != 0 {
				t.Errorf("%d are not listed", more)
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// A cause names the targets that are unknown for it, counts the others apart, and says
// where requests failed if that is in other accounts.
func TestNoticesOfFailuresNameTheirTargets(t *testing.T) {
	regions := []string{"ap-south-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1", "us-east-1"}
	denied := func(account int, region string) inventory.Failure {
		return inventory.Failure{AccountID: webtest.ID(account), Region: region, Operation: "AssumeRole", Reason: inventory.AssumeRoleDenied}
	}
	of := func(failed int, unknown ...string) *inventory.Snapshot {
		s := small(2, func(account int, region string) inventory.Verdict {
			if account == 1 && slices.Contains(unknown, region) {
				f := denied(failed, region)
				return inventory.Verdict{State: inventory.Unknown, Failure: &f}
			}
			return inventory.Verdict{State: inventory.Covered, Analyzer: &inventory.Analyzer{Status: inventory.Active}}
		}, regions...)
		for _, r := range regions {
			s.Failures = append(s.Failures, denied(1, r))
		}
		return s
	}
	lists := func(s *inventory.Snapshot, region string) *inventory.Snapshot {
		s.Failures = append(s.Failures, inventory.Failure{AccountID: webtest.ID(0), Region: region, Operation: "ListRegions", Reason: inventory.AccessDenied})
		return s
	}
	covered := func() *inventory.Snapshot {
		s := of(1)
		s.Failures = nil
		return s
	}
	const account, admin = "210000000002", "210000000001"
	for _, test := range []struct {
		name  string
		snap  *inventory.Snapshot
		kind  inventory.State
		where string
		says  string
	}{
		{"unknown in two Regions, covered in four", of(1, "eu-west-1", "sa-east-1"), inventory.Unknown, account + "; eu-west-1, sa-east-1", "4 more targets could not be read for the same cause, but their coverage is known. "},
		{"unknown because of another account", of(0, "eu-west-1"), inventory.Unknown, account + "; eu-west-1; it failed in " + admin, "5 more targets"},
		{"unknown in every Region", of(1, regions...), inventory.Unknown, account + "; ap-south-1, eu-west-1, eu-west-2, eu-west-3 and 2 more", ""},
		{"coverage known", of(1), Unread, account + "; ap-south-1, eu-west-1, eu-west-2, eu-west-3 and 2 more", "Coverage is still known"},
		{"Regions not listed", lists(covered(), inventory.Global), Unlisted, admin, "may be missing, and with them targets"},
		{"accounts not listed", lists(covered(), ""), Unlisted, admin, "may be missing, and with them targets"},
	} {
		t.Run(test.name, func(t *testing.T) {
			list, _ := Of(test.snap).Notices(25)
			if len(list) != 1 {
				t.Fatalf("%d notices: %+v", len(list), list)
			}
			n := list[0]
			if n.Kind != test.kind || n.Where != test.where || !strings.Contains(n.Advice, test.says) {
				t.Errorf("%s: %q, %q", n.Kind, n.Where, n.Advice)
			}
			if n.Kind == Unlisted && strings.Contains(n.Advice, "still known") {
				t.Errorf("coverage is said to be known: %q", n.Advice)
			}
		})
	}
}

// What could not be read or listed is said once, in the same words everywhere.
func TestWhatIsMissing(t *testing.T) {
	of := func(change func(*inventory.Snapshot)) *Summary {
		s := small(2, func(int, string) inventory.Verdict { return inventory.Verdict{State: inventory.Covered} }, "eu-west-1")
		for _, a := range s.Accounts {
			s.Targets = append(s.Targets, inventory.TargetState{Target: inventory.Target{AccountID: a.ID, Region: inventory.Global}, Success: true},
				inventory.TargetState{Target: inventory.Target{AccountID: a.ID, Region: "eu-west-1"}, Success: true})
		}
		change(s)
		return Of(s)
	}
	for _, test := range []struct {
		name                     string
		change                   func(*inventory.Snapshot)
		unread, unlisted, totals string
	}{
		{"nothing", func(*inventory.Snapshot) {}, "", "", ""},
		{
			"a target whose last known facts are used",
			func(s *inventory.Snapshot) { s.Targets[1].Success = false },
			"1 target could not be read in full", "", "",
		},
		{
			"a target whose analyzers are not known",
			func(s *inventory.Snapshot) { s.Targets[1].Success, s.Targets[1].Unlisted = false, true },
			"1 target could not be read in full", "", "without 1 target that could not be read",
		},
		{
			"Regions of two accounts",
			func(s *inventory.Snapshot) {
				s.DiscoverySuccess = false
				for i, a := range s.Accounts {
					a.RegionsKnown, s.Targets[2*i].Success = false, false
				}
			},
			"", "the Regions of 2 accounts could not be listed, so that targets may be missing", "without Regions of 2 accounts that could not be listed",
		},
		{
			"administrators", func(s *inventory.Snapshot) { s.DiscoverySuccess = false },
			"", "accounts, Regions or administrators could not be listed, so that targets may be missing", "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := of(test.change)
			if s.Unread() != test.unread || s.Unlisted() != test.unlisted || s.Findings().Missing() != test.totals {
				t.Errorf("%q, %q, %q", s.Unread(), s.Unlisted(), s.Findings().Missing())
			}
		})
	}
}

// The targets of a notice are in the accounts and columns that it lists.
func TestNoticesListTheirAccountsAndRegions(t *testing.T) {
	snap := webtest.Organization(time.Now())
	list, _ := Of(snap).Notices(100)
	total := 0
	for _, n := range list {
		found := 0
		for _, d := range snap.Verdicts {
			if d.State == n.Kind && (n.Access == "" || d.Access == n.Access) && slices.Contains(n.Accounts, d.AccountID) && slices.Contains(n.Regions, d.Region) {
				found++
			}
		}
		if found < n.Targets {
			t.Errorf("%s: %d targets, but only %d in %v, %v", n.Headline, n.Targets, found, n.Accounts, n.Regions)
		}
		total += n.Targets
	}
	want := 0
	for _, d := range snap.Verdicts {
		if d.State == inventory.Uncovered || d.State == inventory.Unknown {
			want++
		}
	}
	if total != want {
		t.Errorf("%d targets in all notices, want %d", total, want)
	}
}

// Error messages of AWS are in the field Message alone, which the page leaves out.
func TestMessagesOfAWSAreApart(t *testing.T) {
	snap := webtest.Organization(time.Now())
	list, _ := Of(snap).Notices(100)
	found := false
	for _, n := range list {
		found = found || n.Message == webtest.Secret
		if n.Message = ""; strings.Contains(fmt.Sprint(n), webtest.Secret) {
			t.Errorf("%+v", n)
		}
	}
	if !found {
		t.Error("no notice has the message of AWS")
	}
	for _, d := range snap.Verdicts {
		if why := Of(snap).Explain(d); strings.Contains(why, webtest.Secret) {
			t.Error(why)
		}
	}
}

func TestNoticesAreBounded(t *testing.T) {
	snap := small(12, func(account int, region string) inventory.Verdict {
		if region <= fmt.Sprintf("r-%02d", account) {
			return inventory.Verdict{State: inventory.Uncovered}
		}
		return inventory.Verdict{State: inventory.Covered, Analyzer: &inventory.Analyzer{Status: inventory.Active}}
	}, "r-00", "r-01", "r-02", "r-03", "r-04", "r-05", "r-06", "r-07", "r-08", "r-09", "r-10", "r-11")
	list, more := Of(snap).Notices(5)
	all, none := Of(snap).Notices(100)
	if len(list) != 5 || more != len(all)-5 || none != 0 || list[0].Targets != all[0].Targets {
		t.Errorf("%d listed, %d not, of %d", len(list), more, len(all))
	}
}

func TestPaceHasNoTimeLeftAtTheEnd(t *testing.T) {
	for left, want := range map[time.Duration]string{
		0: "12/s", 999 * time.Millisecond: "12/s", time.Second: "12/s, about 1.0 s left", time.Minute: "12/s, about 60 s left",
	} {
		if got := Pace(12.3, left); got != want {
			t.Errorf("%s: %q, want %q", left, got, want)
		}
	}
}

func TestFormats(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := Count(n); got != want {
			t.Errorf("%d is formatted as %q", n, got)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 1500 * time.Millisecond: "1.5 s", 90 * time.Second: "90 s", 5 * time.Minute: "5 min",
		3 * time.Hour: "3 h", 50 * time.Hour: "2 days",
	} {
		if got := About(d); got != want {
			t.Errorf("%s is formatted as %q", d, got)
		}
	}
}
