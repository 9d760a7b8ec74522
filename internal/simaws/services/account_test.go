package services_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/account/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

// regionsOf lists the Regions of all pages.
func regionsOf(t *testing.T, c sdktest.Clients, in *account.ListRegionsInput) []string {
	t.Helper()
	var names []string
	for p := account.NewListRegionsPaginator(c.Account, in); p.HasMorePages(); {
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
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	c := sdktest.As(s, sdktest.Security)
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
	if member := regionsOf(t, c, &account.ListRegionsInput{AccountId: aws.String(sdktest.Workload), RegionOptStatusContains: usable}); len(member) != 17 {
		t.Errorf("workload has %v", member)
	}
	if calls := s.Calls(simaws.CallFilter{Operation: "ListRegions", Subject: sdktest.Workload}); len(calls) != 1 || calls[0].AccountID != sdktest.Security {
		t.Errorf("calls about workload: %v", calls)
	}
}

func TestGetRegionOptStatus(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	out, err := sdktest.As(s, sdktest.Management).Account.GetRegionOptStatus(context.Background(), &account.GetRegionOptStatusInput{
		AccountId: aws.String(sdktest.Security), RegionName: aws.String("eu-south-1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.RegionName != "eu-south-1" || out.RegionOptStatus != types.RegionOptStatusEnabled {
		t.Errorf("got %s %s", *out.RegionName, out.RegionOptStatus)
	}
}

func TestAccountErrors(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	list := func(caller string, in account.ListRegionsInput) error {
		_, err := sdktest.As(s, caller).Account.ListRegions(context.Background(), &in)
		return err
	}
	get := func(region string) error {
		_, err := sdktest.As(s, sdktest.Workload).Account.GetRegionOptStatus(context.Background(), &account.GetRegionOptStatusInput{RegionName: &region})
		return err
	}
	for _, c := range []struct {
		name   string
		err    error
		code   string
		status int
	}{
		{"a member names another", list(sdktest.Workload, account.ListRegionsInput{AccountId: aws.String(sdktest.Sandbox)}), "AccessDeniedException", 403},
		{"management names itself", list(sdktest.Management, account.ListRegionsInput{AccountId: aws.String(sdktest.Management)}), "AccessDeniedException", 403},
		{"the administrator names itself", list(sdktest.Security, account.ListRegionsInput{AccountId: aws.String(sdktest.Security)}), "AccessDeniedException", 403},
		{"the administrator names management", list(sdktest.Security, account.ListRegionsInput{AccountId: aws.String(sdktest.Management)}), "AccessDeniedException", 403},
		{"an account outside of the organization", list(sdktest.Security, account.ListRegionsInput{AccountId: aws.String(sdktest.Standalone)}), "AccessDeniedException", 403},
		{"no organization", list(sdktest.Standalone, account.ListRegionsInput{AccountId: aws.String(sdktest.Workload)}), "AccessDeniedException", 403},
		{"too large a page", list(sdktest.Security, account.ListRegionsInput{MaxResults: aws.Int32(51)}), "ValidationException", 400},
		{"no such status", list(sdktest.Security, account.ListRegionsInput{RegionOptStatusContains: []types.RegionOptStatus{"ON"}}), "ValidationException", 400},
		{"an invalid token", list(sdktest.Security, account.ListRegionsInput{NextToken: aws.String("!")}), "ValidationException", 400},
		{"no such Region", get("xx-north-1"), "ValidationException", 400},
	} {
		t.Run(c.name, func(t *testing.T) { sdktest.WantOutcome(t, c.err, c.code, c.status) })
	}
	s.Update(func(w *simaws.World) { w.Organization.TrustedServices = nil })
	err := list(sdktest.Management, account.ListRegionsInput{AccountId: aws.String(sdktest.Workload)})
	sdktest.WantOutcome(t, err, "AccessDeniedException", 403)
	if !strings.Contains(err.Error(), "must first enable trusted access") {
		t.Errorf("without trusted access: %v", err)
	}
}
