package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"access-analyzer-exporter/internal/inventory"
	"access-analyzer-exporter/internal/web/webtest"
)

// small is a snapshot of one organization's accounts in one or more Regions, in
// which a test says what is judged.
func small(accounts int, judge func(account int, region string) inventory.Verdict, regions ...string) *inventory.Snapshot {
	snap := &inventory.Snapshot{Ready: true, DiscoverySuccess: true}
	org := &inventory.Organization{ID: "o-1"}
	for i := range accounts {
		a := &inventory.Account{ID: webtest.ID(i), Role: inventory.Member, Organization: org, Entered: true, RegionsKnown: true, Regions: regions}
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

func TestAttentionGroupsByCause(t *testing.T) {
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
		// each is "kind places headline", the most important first
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
			[]string{"uncovered 6 Nobody is known to look for external access in eu-west-1, us-east-1"},
		},
		{
			"one account without analyzers",
			small(1, func(int, string) inventory.Verdict { return uncovered }, "eu-west-1", "us-east-1"),
			[]string{"uncovered 2 210000000001 has no analyzer for external access in eu-west-1, us-east-1"},
		},
		{
			"the policy does not accept the organization's analyzer",
			func() *inventory.Snapshot {
				s := small(3, func(int, string) inventory.Verdict { return uncovered }, "eu-west-1")
				s.Analyzers = []*inventory.Analyzer{active}
				return s
			}(),
			[]string{"uncovered 3 3 accounts have no analyzer for external access in eu-west-1"},
		},
		{
			"new accounts lack the same Regions",
			small(9, func(account int, region string) inventory.Verdict {
				if account < 3 {
					return uncovered
				}
				return covered
			}, "eu-west-1", "eu-west-2", "us-east-1"),
			[]string{"uncovered 9 3 accounts have no analyzer for external access in eu-west-1, eu-west-2, us-east-1"},
		},
		{
			"unused access, nowhere",
			small(3, func(int, string) inventory.Verdict {
				return inventory.Verdict{State: inventory.Uncovered, Access: inventory.Unused}
			}, inventory.Global),
			[]string{"uncovered 3 Nobody is known to look for unused access in any Region"},
		},
		{
			"the administrator cannot be read: one cause, many places",
			small(5, func(int, string) inventory.Verdict {
				return failure(0, "eu-west-1", "ListAnalyzers", inventory.SCPDenied)
			}, "eu-west-1"),
			[]string{"unknown 5 ListAnalyzers: scp_denied, a service control policy forbids the call"},
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
				"uncovered 1 210000000003 has no analyzer for external access in eu-west-1",
				"unknown 2 ListAnalyzers: throttled, AWS turned the call away because of its rate",
				"unknown 1 AssumeRole: assume_role_denied, the role in the account could not be assumed",
			},
		},
		{
			"what was never asked is told from what failed",
			func() *inventory.Snapshot {
				s := small(3, func(account int, region string) inventory.Verdict {
					return failure([]int{0, 77, 2}[account], region, []string{"ListAnalyzers", "ListAnalyzers", "GetAnalyzer"}[account], inventory.Other)
				}, "eu-west-1")
				s.Accounts[0].Entered = false
				return s
			}(),
			[]string{
				"unknown 1 GetAnalyzer: other, what the analyzer includes and excludes is not known, or its configuration does not tell",
				"unknown 1 ListAnalyzers: other, the account is not entered",
				"unknown 1 ListAnalyzers: other, the account may hold organization analyzers and is not read by this exporter",
			},
		},
		{
			"what left coverage known comes last, and what a verdict told comes once",
			func() *inventory.Snapshot {
				s := small(2, func(account int, region string) inventory.Verdict {
					return failure(0, region, "ListAnalyzers", inventory.Timeout)
				}, "eu-west-1")
				for i := range 2 {
					s.Failures = append(s.Failures,
						inventory.Failure{AccountID: webtest.ID(i), Region: "eu-west-1", Operation: "ListAnalyzers", Reason: inventory.Timeout, Message: "told"},
						inventory.Failure{AccountID: webtest.ID(i), Region: "eu-west-1", Operation: "ListFindingsV2", Reason: inventory.AccessDenied})
				}
				return s
			}(),
			[]string{
				"unknown 2 ListAnalyzers: timeout, no answer came in time",
				"unread 0 ListFindingsV2: access_denied, the exporter's role lacks the permission",
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, a := range newView(test.snap).attention {
				got = append(got, fmt.Sprintf("%s %d %s", a.kind, a.places, a.headline))
			}
			if strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

// A thousand causes are a thousand lines nobody reads: the largest are told, and
// the number of the others.
func TestAttentionIsBounded(t *testing.T) {
	regions := make([]string, 12)
	for i := range regions {
		regions[i] = fmt.Sprintf("r-%02d", i)
	}
	// Each account lacks a set of Regions of its own.
	snap := small(1000, func(account int, region string) inventory.Verdict {
		var n int
		_, _ = fmt.Sscanf(region, "r-%d", &n)
		if account>>n&1 == 1 {
			return inventory.Verdict{State: inventory.Uncovered}
		}
		return inventory.Verdict{State: inventory.Covered, Analyzer: &inventory.Analyzer{Status: inventory.Active}}
	}, regions...)
	v := newView(snap)
	if len(v.attention) != attentionLimit || v.unlisted != 999-attentionLimit {
		t.Errorf("%d told, %d not", len(v.attention), v.unlisted)
	}
	if v.attention[0].places != 9 {
		t.Errorf("the first is about %d places", v.attention[0].places)
	}
	wantAll(t, get(t, Handler(options(snap)), "/"), "17 more things need attention", "And 974 more, smaller ones")
}

// The links of what needs attention must lead to the places it counts.
func TestAttentionLinksToItsPlaces(t *testing.T) {
	v := newView(webtest.Organization(time.Now()))
	for _, a := range v.attention {
		if a.kind == unread {
			continue
		}
		f, err := parseFilter(strings.TrimPrefix(a.filter.query(1), "?"), v.regions)
		if err != nil {
			t.Fatalf("%s: %v", a.headline, err)
		}
		n := 0
		for _, r := range v.rows(f) {
			for _, d := range r.verdicts {
				if f.wantsAccess(d.Access) && f.wantsRegion(d.Region) && f.wantsState(d.State) {
					n++
				}
			}
		}
		if n < a.places {
			t.Errorf("%s: %d places, but its link %s shows %d", a.headline, a.places, a.filter.query(1), n)
		}
	}
}

func TestNumbersAsPeopleWriteThem(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1\u202f000", 1234567: "1\u202f234\u202f567"} {
		if got := count(n); got != want {
			t.Errorf("%d is written %q", n, got)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 54 * time.Millisecond: "54 ms", 1500 * time.Millisecond: "1.5 s", 90 * time.Second: "90 s", 5 * time.Minute: "5 min",
		3 * time.Hour: "3 h", 50 * time.Hour: "2 days",
	} {
		if got := about(d); got != want {
			t.Errorf("%s is written %q", d, got)
		}
	}
	if got := percent(99_999, 100_000); got != "99.9 %" {
		t.Errorf("one place in 100 000 is missing, and it says %s", got)
	}
	if got := percent(0, 0); got != "–" {
		t.Errorf("of nothing: %s", got)
	}
}
