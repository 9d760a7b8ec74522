package web

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

// withPublic adds as many public buckets of two accounts as given, and unlisted
// ones of the second.
func withPublic(snap *inventory.Snapshot, first, second, unlisted int) *inventory.Snapshot {
	analyzer := &inventory.Analyzer{Name: "organization", AccountID: webtest.ID(1), Region: "eu-west-1", Type: "ORGANIZATION"}
	add := func(owner string, n int) {
		for i := range n {
			snap.PublicResources = append(snap.PublicResources, inventory.PublicResource{
				Region: "eu-west-1", Analyzer: analyzer, PublicFinding: inventory.PublicFinding{
					ID: fmt.Sprintf("%s-%d", owner, i), AccountID: owner, ResourceType: "AWS::S3::Bucket", Resource: fmt.Sprintf("arn:aws:s3:::%s-%d", owner, i),
					CreatedAt: time.Date(2026, 11, 1, 0, i, 0, 0, time.UTC),
				},
			})
		}
	}
	add(webtest.ID(5), first)
	add(webtest.ID(8), second)
	if unlisted > 0 {
		snap.PublicUnlisted = map[inventory.Target]int{{AccountID: webtest.ID(8), Region: "eu-west-1"}: unlisted, {AccountID: webtest.ID(8), Region: "global"}: 1}
	}
	return snap
}

// The page names public resources, the newest first, and says how many it leaves
// out.
func TestPageNamesPublicResources(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := Handler(options(withPublic(webtest.Organization(time.Now()), 30, 40, 6)))
		page := get(t, h, "/")
		wantAll(t, page,
			`<a href="#public">13</a>`,
			`<th scope="row"><bdi>arn:aws:s3:::`+webtest.ID(8)+`-39</bdi></th><td>AWS::S3::Bucket</td><td><a href="?account=`+webtest.ID(8)+`#map"><bdi>`,
			`<td>eu-west-1</td><td><time datetime="2026-11-01T00:39:00Z">2026-11-01</time></td>`,
			"The newest first; 27 more.",
		)
		if n := strings.Count(page, "<td>AWS::S3::Bucket</td>"); n != publicLimit {
			t.Errorf("%d public resources are shown", n)
		}
		if page = get(t, Handler(options(webtest.Organization(time.Now()))), "/"); strings.Contains(page, "#public") || strings.Contains(page, "Public resources") {
			t.Error("public resources are shown, and there are none")
		}
	})
}

func TestHostileResourcesAreText(t *testing.T) {
	snap := withPublic(webtest.Organization(time.Now()), 0, 1, 0)
	snap.PublicResources[0].Resource = "arn:aws:iam::1:role/" + webtest.Script + "\u202e\x00\xff"
	snap.PublicResources[0].ResourceType = webtest.Script
	page := get(t, Handler(options(snap)), "/")
	if strings.Contains(page, webtest.Script) || strings.ContainsAny(page, "\u202e\x00") || !strings.Contains(page, "role/&lt;script&gt;") {
		t.Error("the name of a resource is not text")
	}
}

// The JSON has the listed public resources of the accounts on the page.
func TestJSONHasPublicResources(t *testing.T) {
	h := Handler(options(withPublic(webtest.Organization(time.Now()), 2, 60, 4)))
	text := get(t, h, "/api/v1/coverage?page_size=500")
	public, unlisted := map[string]int{}, map[string]int{}
	for _, a := range decode(t, text).Accounts {
		if a.PublicResources != nil {
			public[a.AccountID], unlisted[a.AccountID] = len(a.PublicResources), a.PublicUnlisted
		}
	}
	if want := map[string]int{webtest.ID(5): 2, webtest.ID(8): 60}; fmt.Sprint(public) != fmt.Sprint(want) || unlisted[webtest.ID(8)] != 5 {
		t.Errorf("public resources %v, unlisted %v", public, unlisted)
	}
	wantAll(t, text, `{"region":"eu-west-1","resource_type":"AWS::S3::Bucket","resource":"arn:aws:s3:::`+webtest.ID(5)+`-0","finding_id":"`+webtest.ID(5)+
		`-0","analyzer_account_id":"`+webtest.ID(1)+`","analyzer":"organization","created_at":"2026-11-01T00:00:00Z"}`)
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		t.Fatal(err)
	}
	s := readSchema(t)
	for _, fault := range s.check(s.root, value, "") {
		t.Error(fault)
	}
}
