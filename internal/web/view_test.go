package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/report"
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

// Of a thousand causes the page lists the largest, and the number of the others.
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
	v := newView(snap, remedy.Setting{}, console.Links{})
	if len(v.notices) != noticeLimit || v.unlisted != 999-noticeLimit {
		t.Errorf("%d listed, %d not", len(v.notices), v.unlisted)
	}
	if v.notices[0].Targets != 9 {
		t.Errorf("the first has %d targets", v.notices[0].Targets)
	}
	wantAll(t, get(t, Handler(options(snap)), "/"), "17 more problems", "And 974 smaller ones")
}

// The links of problems must lead to the targets that they count.
func TestAttentionLinksToItsTargets(t *testing.T) {
	v := newView(webtest.Organization(time.Now()), remedy.Setting{}, console.Links{})
	for _, notice := range v.notices {
		if notice.Kind == report.Unread {
			continue
		}
		link := v.onMap(notice).query(1)
		f, err := parseFilter(strings.TrimPrefix(link, "?"), v.regions)
		if err != nil {
			t.Fatalf("%s: %v", notice.Headline, err)
		}
		n := 0
		for _, r := range v.rows(f) {
			for _, d := range r.Verdicts {
				if f.wantsAccess(d.Access) && f.wantsRegion(d.Region) && f.wantsState(d.State) {
					n++
				}
			}
		}
		if n < notice.Targets {
			t.Errorf("%s: %d targets, but its link %s shows %d", notice.Headline, notice.Targets, link, n)
		}
	}
}
