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
					return failure([]int{0, 77, 2}[account], region, []string{"ListAnalyzers", "ListAnalyzers", "GetAnalyzer"}[account], inventory.Other)
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
