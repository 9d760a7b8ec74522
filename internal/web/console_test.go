package web

import (
	"encoding/json"
	"html"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/console"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

const owner, member = "999900001111", "111122223333"

// linked is a member with an organization analyzer in one Region and none in
// another, and without an unused access analyzer.
func linked() *inventory.Snapshot {
	analyzer := &inventory.Analyzer{AccountID: owner, Region: "eu-west-1", Name: "main", Type: "ORGANIZATION", Status: inventory.Active}
	verdict := func(region string, access inventory.Access, a *inventory.Analyzer) inventory.Verdict {
		v := inventory.Verdict{AccountID: member, Region: region, Access: access, State: inventory.Uncovered, Analyzer: a}
		if a != nil {
			v.State = inventory.Covered
		}
		return v
	}
	return &inventory.Snapshot{
		Ready: true, TargetCount: 2, PublishedAt: time.Now(),
		Accounts: []*inventory.Account{{ID: member, Name: "shop", RegionsKnown: true, Regions: []string{"eu-central-1", "eu-west-1"}}},
		Verdicts: []inventory.Verdict{
			verdict("eu-central-1", inventory.External, nil), verdict("eu-west-1", inventory.External, analyzer), verdict(inventory.Global, inventory.Unused, nil),
		},
	}
}

func TestLinksIntoTheConsole(t *testing.T) {
	portal := console.Links{StartURL: "https://example.awsapps.com/start", Role: "SecurityAudit"}
	const page = "https://eu-west-1.console.aws.amazon.com/access-analyzer/home?region=eu-west-1#"
	for _, test := range []struct {
		name  string
		links func() console.Links
		want  [3][2]string // of each target, the analyzer and the findings
	}{
		{"direct", nil, [3][2]string{
			{strings.ReplaceAll(page, "eu-west-1", "eu-central-1") + "/analyzers", ""},
			{page + "/analyzer/main", page + "/findings?resourceOwnerAccount=" + member},
			{strings.ReplaceAll(page, "eu-west-1", "eu-central-1") + "/analyzers", ""},
		}},
		{"portal", func() console.Links { return portal }, [3][2]string{
			{portal.Analyzers(member, "eu-central-1"), ""},
			{
				"https://example.awsapps.com/start/#/console?account_id=" + owner + "&role_name=SecurityAudit&destination=https%3A%2F%2Feu-west-1.console.aws.amazon.com%2Faccess-analyzer%2Fhome%3Fregion%3Deu-west-1%23%2Fanalyzer%2Fmain",
				"https://example.awsapps.com/start/#/console?account_id=" + owner + "&role_name=SecurityAudit&destination=https%3A%2F%2Feu-west-1.console.aws.amazon.com%2Faccess-analyzer%2Fhome%3Fregion%3Deu-west-1%23%2Ffindings%3FresourceOwnerAccount%3D" + member,
			},
			{portal.Analyzers(member, "eu-central-1"), ""},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := options(linked())
			o.Console = test.links
			h := Handler(o)
			var answer struct{ Accounts []apiAccount }
			if err := json.Unmarshal([]byte(get(t, h, "/api/v1/coverage")), &answer); err != nil {
				t.Fatal(err)
			}
			shown := html.UnescapeString(get(t, h, "/?account="+member))
			for i, want := range test.want {
				got := answer.Accounts[0].Coverage[i]
				if got.ConsoleURL != want[0] || got.FindingsURL != want[1] {
					t.Errorf("%s: %s and %s, want %s and %s", got.Region, got.ConsoleURL, got.FindingsURL, want[0], want[1])
				}
				for _, link := range want {
					if link != "" && !strings.Contains(shown, `href="`+link+`"`) {
						t.Errorf("the page does not link to %s", link)
					}
				}
			}
		})
	}
}

// A map of many accounts would have thousands of links.
func TestPageOfManyAccountsHasNoLinksIntoTheConsole(t *testing.T) {
	if page := get(t, Handler(options(webtest.Large(time.Now(), 50))), "/"); strings.Contains(page, "console.aws.amazon.com") {
		t.Error("the page has links into the console")
	}
}
