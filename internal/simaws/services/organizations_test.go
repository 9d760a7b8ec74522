package services_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

func TestListAccounts(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	out, err := sdktest.As(s, sdktest.Security).Organizations.ListAccounts(context.Background(), &organizations.ListAccountsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Accounts) != 4 {
		t.Fatalf("%d accounts, want the organization's 4", len(out.Accounts))
	}
	a := out.Accounts[2]
	got := fmt.Sprintln(*a.Id, *a.Arn, *a.Email, *a.Name, a.State, a.Status, a.Paths, a.JoinedMethod, a.JoinedTimestamp.UTC())
	want := fmt.Sprintln(sdktest.Workload, "arn:aws:organizations::111111111111:account/o-exampleorg1/333333333333", "aws+333333333333@example.com", "workload",
		"ACTIVE", "ACTIVE", []string{"o-exampleorg1/r-exam/ou-exam-workload/333333333333/"}, "CREATED", sdktest.Epoch)
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if a := out.Accounts[3]; a.State != types.AccountStateClosed || a.Status != types.AccountStatusSuspended {
		t.Errorf("a closed account has state %s and status %s", a.State, a.Status)
	}
}

func TestAccountsWithoutOneOfTheFields(t *testing.T) {
	w := sdktest.NewWorld()
	s := sdktest.Start(t, w, simaws.Options{})
	list := func() types.Account {
		out, err := sdktest.As(s, sdktest.Security).Organizations.ListAccounts(context.Background(), &organizations.ListAccountsInput{})
		if err != nil {
			t.Fatal(err)
		}
		return out.Accounts[0]
	}
	s.Update(func(w *simaws.World) { w.Quirks.NoAccountStatus = true })
	if a := list(); a.Status != "" || a.State != "ACTIVE" {
		t.Errorf("status %q, state %q", a.Status, a.State)
	}
	s.Update(func(w *simaws.World) { w.Quirks = simaws.Quirks{NoAccountState: true} })
	if a := list(); a.Status != "ACTIVE" || a.State != "" {
		t.Errorf("status %q, state %q", a.Status, a.State)
	}
}

func TestOrganizationLists(t *testing.T) {
	w := sdktest.NewWorld()
	w.Organization.DelegatedAdmins["sso.amazonaws.com"] = []string{sdktest.Workload}
	w.PageSizes = map[string]int{"ListAccounts": 3, "ListDelegatedAdministrators": 1}
	for _, empty := range []bool{false, true} {
		w.Quirks.EmptyPages = empty
		s := sdktest.Start(t, w, simaws.Options{})
		// Delegated administrators of any service may list.
		c := sdktest.As(s, sdktest.Workload).Organizations
		ctx := context.Background()
		var accounts, admins, all []string
		for p := organizations.NewListAccountsPaginator(c, &organizations.ListAccountsInput{}); p.HasMorePages(); {
			page, err := p.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range page.Accounts {
				accounts = append(accounts, *a.Id)
			}
		}
		for p := organizations.NewListDelegatedAdministratorsPaginator(c, &organizations.ListDelegatedAdministratorsInput{
			ServicePrincipal: aws.String(simaws.AccessAnalyzerPrincipal),
		}); p.HasMorePages(); {
			page, err := p.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range page.DelegatedAdministrators {
				admins = append(admins, *a.Id+" "+string(a.State)+" "+a.DelegationEnabledDate.UTC().Format("2006"))
			}
		}
		for p := organizations.NewListDelegatedAdministratorsPaginator(c, &organizations.ListDelegatedAdministratorsInput{}); p.HasMorePages(); {
			page, err := p.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range page.DelegatedAdministrators {
				all = append(all, *a.Name)
			}
		}
		for _, c := range []struct{ got, want []string }{
			{accounts, []string{sdktest.Management, sdktest.Security, sdktest.Workload, sdktest.Sandbox}},
			{admins, []string{sdktest.Security + " ACTIVE 2026"}},
			{all, []string{"security", "workload"}},
		} {
			if !slices.Equal(c.got, c.want) {
				t.Errorf("empty pages %t: got %v, want %v", empty, c.got, c.want)
			}
		}
		extra := 0
		if empty {
			extra = 1
		}
		if n := s.CallCount(simaws.CallFilter{Operation: "ListAccounts"}); n != 2+extra {
			t.Errorf("%d calls of ListAccounts, want %d", n, 2+extra)
		}
	}
}

func TestDescribeOrganization(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	// Every member may call it.
	out, err := sdktest.As(s, sdktest.Workload).Organizations.DescribeOrganization(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	o := out.Organization
	if *o.Id != "o-exampleorg1" || *o.MasterAccountId != sdktest.Management || o.FeatureSet != "ALL" ||
		*o.Arn != "arn:aws:organizations::111111111111:organization/o-exampleorg1" {
		t.Errorf("got %s, %s, %s, %s", *o.Id, *o.MasterAccountId, o.FeatureSet, *o.Arn)
	}
}

func TestOrganizationErrors(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	ctx := context.Background()
	list := func(account string, in *organizations.ListAccountsInput) error {
		_, err := sdktest.As(s, account).Organizations.ListAccounts(ctx, in)
		return err
	}
	describe := func(account string) error {
		_, err := sdktest.As(s, account).Organizations.DescribeOrganization(ctx, nil)
		return err
	}
	for _, c := range []struct {
		name string
		err  error
		code string
	}{
		{"a member may not list", list(sdktest.Workload, nil), "AccessDeniedException"},
		{"no organization to list", list(sdktest.Standalone, nil), "AWSOrganizationsNotInUseException"},
		{"no organization to describe", describe(sdktest.Standalone), "AWSOrganizationsNotInUseException"},
		{"too large a page", list(sdktest.Management, &organizations.ListAccountsInput{MaxResults: aws.Int32(21)}), "InvalidInputException"},
		{"the token of another list", list(sdktest.Management, &organizations.ListAccountsInput{NextToken: aws.String("bm8")}), "InvalidInputException"},
		{"a closed account", list(sdktest.Sandbox, nil), "UnrecognizedClientException"},
	} {
		t.Run(c.name, func(t *testing.T) { sdktest.WantOutcome(t, c.err, c.code, 400) })
	}
}

func TestAccountTags(t *testing.T) {
	w := sdktest.NewWorld()
	w.Accounts[2].Tags = map[string]string{"team": "shop", "environment": "production", "empty": "", "Team": "\"{{\n"}
	w.PageSizes = map[string]int{"ListTagsForResource": 3}
	s := sdktest.Start(t, w, simaws.Options{})
	ctx := context.Background()
	c := sdktest.As(s, sdktest.Security).Organizations
	got := map[string]string{}
	for p := organizations.NewListTagsForResourcePaginator(c, &organizations.ListTagsForResourceInput{ResourceId: aws.String(sdktest.Workload)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range page.Tags {
			got[*tag.Key] = *tag.Value
		}
	}
	if !maps.Equal(got, w.Accounts[2].Tags) {
		t.Errorf("tags %q", got)
	}
	if n := s.CallCount(simaws.CallFilter{Operation: "ListTagsForResource", Subject: sdktest.Workload}); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
	list := func(as, of string) error {
		_, err := sdktest.As(s, as).Organizations.ListTagsForResource(ctx, &organizations.ListTagsForResourceInput{ResourceId: aws.String(of)})
		return err
	}
	sdktest.WantOutcome(t, list(sdktest.Security, sdktest.Management), "OK", 200)
	sdktest.WantOutcome(t, list(sdktest.Security, sdktest.Standalone), "TargetNotFoundException", 400)
	sdktest.WantOutcome(t, list(sdktest.Workload, sdktest.Workload), "AccessDeniedException", 400)
	s.AddFault(&simaws.Fault{Kind: simaws.Throttled, Operation: "ListTagsForResource", Account: sdktest.Workload, Times: 1})
	sdktest.WantOutcome(t, list(sdktest.Security, sdktest.Management), "OK", 200)
	sdktest.WantOutcome(t, list(sdktest.Security, sdktest.Workload), "TooManyRequestsException", 400)
}

func TestOrganizationalUnits(t *testing.T) {
	w := sdktest.NewWorld()
	s := sdktest.Start(t, w, simaws.Options{})
	describe := func(as, id string) (*types.OrganizationalUnit, error) {
		out, err := sdktest.As(s, as).Organizations.DescribeOrganizationalUnit(context.Background(), &organizations.DescribeOrganizationalUnitInput{OrganizationalUnitId: aws.String(id)})
		if err != nil {
			return nil, err
		}
		return out.OrganizationalUnit, nil
	}
	unit, err := describe(sdktest.Security, "ou-exam-workload")
	if err != nil || *unit.Name != "workload" || *unit.Arn != "arn:aws:organizations::111111111111:ou/o-exampleorg1/ou-exam-workload" {
		t.Errorf("%+v, %v", unit, err)
	}
	s.Update(func(w *simaws.World) { w.Organization.OUNames = map[string]string{"ou-exam-workload": "Workloads"} })
	if unit, err := describe(sdktest.Security, "ou-exam-workload"); err != nil || *unit.Name != "Workloads" {
		t.Errorf("renamed: %+v, %v", unit, err)
	}
	_, err = describe(sdktest.Security, "ou-exam-missing00")
	sdktest.WantOutcome(t, err, "OrganizationalUnitNotFoundException", 400)
	_, err = describe(sdktest.Workload, "ou-exam-workload")
	sdktest.WantOutcome(t, err, "AccessDeniedException", 400)
}
