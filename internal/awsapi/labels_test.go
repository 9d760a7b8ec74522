package awsapi

import (
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

func TestLabels(t *testing.T) {
	w := world()
	w.Account(member).OUs = []string{"r-exam", "ou-exam-workload", "ou-exam-workload1"}
	w.Account(member).Tags = map[string]string{"team": "shop", "note": "\"{{\n" + strings.Repeat("é", 300), "bare": ""}
	w.PageSizes = map[string]int{"ListTagsForResource": 2}
	w.Organization.OUNames = map[string]string{"ou-exam-workload1": "Production"}
	c, server, _ := start(t, w)
	accounts, f := c.Accounts(t.Context(), accountOf(hub))
	if f != nil {
		t.Fatal(f)
	}
	paths := map[string]string{}
	for _, a := range accounts {
		paths[a.ID] = a.OUPath
	}
	if paths[hub] != "o-exampleorg1/r-exam/" || paths[member] != "o-exampleorg1/r-exam/ou-exam-workload/ou-exam-workload1/" {
		t.Errorf("paths %q", paths)
	}
	for id, want := range map[string]string{"ou-exam-workload1": "Production", "ou-exam-workload": "workload"} {
		if name, f := c.OUName(t.Context(), accountOf(hub), id); f != nil || name != want {
			t.Errorf("%s is %q: %v", id, name, f)
		}
	}
	tags, f := c.Tags(t.Context(), accountOf(hub), member)
	want := map[string]string{"team": "shop", "note": "\"{{\n" + strings.Repeat("é", 252), "bare": ""}
	if f != nil || !maps.Equal(tags, want) {
		t.Errorf("tags %q: %v", tags, f)
	}
	server.AddFault(&simaws.Fault{Kind: simaws.AccessDenied, Operation: "ListTagsForResource|DescribeOrganizationalUnit"})
	if tags, f := c.Tags(t.Context(), accountOf(hub), member); tags != nil || f == nil || f.Reason != inventory.AccessDenied || f.Operation != "ListTagsForResource" || f.AccountID != hub {
		t.Errorf("denied: %q, %v", tags, f)
	}
	if name, f := c.OUName(t.Context(), accountOf(hub), "ou-exam-workload"); name != "" || f == nil || f.Reason != inventory.AccessDenied || f.Operation != "DescribeOrganizationalUnit" {
		t.Errorf("denied: %q, %v", name, f)
	}
}

// A path that this version does not support is none.
func TestOUPath(t *testing.T) {
	for path, want := range map[string]string{
		"o-1/r-1/ou-1/ou-2/123/": "o-1/r-1/ou-1/ou-2/", "o-1/r-1/ou-1/123": "o-1/r-1/ou-1/", "o-1/r-1/123/": "o-1/r-1/", "o-1/r-1/": "o-1/r-1/",
		"o-1/r-1/ou-1/456/": "", "o-1/123/": "", "123/": "", "/": "", "": "", "r-1/ou-1/123/": "", "o-1/ou-1/r-1/123/": "", "o-1/r-1/ou-\xff" + strings.Repeat("x", 300) + "/123/": "",
	} {
		a := orgtypes.Account{Id: aws.String("123"), Paths: []string{path}}
		if got := ouPath(a); got != want {
			t.Errorf("%q becomes %q, want %q", path, got, want)
		}
		if a.Paths = append(a.Paths, path); ouPath(a) != "" {
			t.Errorf("one of two paths %q is used", path)
		}
	}
	if got := ouPath(orgtypes.Account{Id: aws.String("123")}); got != "" {
		t.Errorf("without a path: %q", got)
	}
}
