package simaws_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/account/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// regionsOf lists the Regions of all pages.
func regionsOf(t *testing.T, c clients, in *account.ListRegionsInput) []string {
	t.Helper()
	var names []string
	for p := account.NewListRegionsPaginator(c.account, in); p.HasMorePages(); {
		page, err := p.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Regions {
			names = append(names, *r.RegionName+" "+string(r.RegionOptStatus))
		}
	}
	return names
}

func TestListRegions(t *testing.T) {
	s := start(t, newWorld(), simaws.Options{})
	c := as(s, security)
	all := regionsOf(t, c, &account.ListRegionsInput{MaxResults: aws.Int32(10)})
	if len(all) != 36 || all[0] != "af-south-1 DISABLED" {
		t.Errorf("%d Regions, the first is %s", len(all), all[0])
	}
	if n := s.CallCount(simaws.CallFilter{Operation: "ListRegions"}); n != 4 {
		t.Errorf("%d calls for 36 Regions in tens", n)
	}
	usable := []types.RegionOptStatus{types.RegionOptStatusEnabled, types.RegionOptStatusEnabledByDefault}
	own := regionsOf(t, c, &account.ListRegionsInput{RegionOptStatusContains: usable})
	if len(own) != 18 || !strings.Contains(strings.Join(own, ","), "eu-south-1 ENABLED") {
		t.Errorf("security has %v", own)
	}
	if member := regionsOf(t, c, &account.ListRegionsInput{AccountId: aws.String(workload), RegionOptStatusContains: usable}); len(member) != 17 {
		t.Errorf("workload has %v", member)
	}
	if calls := s.Calls(simaws.CallFilter{Operation: "ListRegions", Subject: workload}); len(calls) != 1 || calls[0].AccountID != security {
		t.Errorf("calls about workload: %v", calls)
	}
}

func TestGetRegionOptStatus(t *testing.T) {
	s := start(t, newWorld(), simaws.Options{})
	out, err := as(s, management).account.GetRegionOptStatus(context.Background(), &account.GetRegionOptStatusInput{
		AccountId: aws.String(security), RegionName: aws.String("eu-south-1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.RegionName != "eu-south-1" || out.RegionOptStatus != types.RegionOptStatusEnabled {
		t.Errorf("got %s %s", *out.RegionName, out.RegionOptStatus)
	}
}

func TestAccountErrors(t *testing.T) {
	s := start(t, newWorld(), simaws.Options{})
	list := func(caller string, in account.ListRegionsInput) error {
		_, err := as(s, caller).account.ListRegions(context.Background(), &in)
		return err
	}
	get := func(region string) error {
		_, err := as(s, workload).account.GetRegionOptStatus(context.Background(), &account.GetRegionOptStatusInput{RegionName: &region})
		return err
	}
	for _, c := range []struct {
		name   string
		err    error
		code   string
		status int
	}{
		{"a member names another", list(workload, account.ListRegionsInput{AccountId: aws.String(sandbox)}), "AccessDeniedException", 403},
		{"management names itself", list(management, account.ListRegionsInput{AccountId: aws.String(management)}), "AccessDeniedException", 403},
		{"the administrator names itself", list(security, account.ListRegionsInput{AccountId: aws.String(security)}), "AccessDeniedException", 403},
		{"the administrator names management", list(security, account.ListRegionsInput{AccountId: aws.String(management)}), "AccessDeniedException", 403},
		{"an account outside of the organization", list(security, account.ListRegionsInput{AccountId: aws.String(alone)}), "AccessDeniedException", 403},
		{"no organization", list(alone, account.ListRegionsInput{AccountId: aws.String(workload)}), "AccessDeniedException", 403},
		{"too large a page", list(security, account.ListRegionsInput{MaxResults: aws.Int32(51)}), "ValidationException", 400},
		{"no such status", list(security, account.ListRegionsInput{RegionOptStatusContains: []types.RegionOptStatus{"ON"}}), "ValidationException", 400},
		{"an invalid token", list(security, account.ListRegionsInput{NextToken: aws.String("!")}), "ValidationException", 400},
		{"no such Region", get("xx-north-1"), "ValidationException", 400},
	} {
		t.Run(c.name, func(t *testing.T) { wantOutcome(t, c.err, c.code, c.status) })
	}
	s.Update(func(w *simaws.World) { w.Organization.TrustedServices = nil })
	err := list(management, account.ListRegionsInput{AccountId: aws.String(workload)})
	wantOutcome(t, err, "AccessDeniedException", 403)
	if !strings.Contains(err.Error(), "must first enable trusted access") {
		t.Errorf("without trusted access: %v", err)
	}
}
