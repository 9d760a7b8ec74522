package services_test

import (
	"context"
	"fmt"
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
