package simaws_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

func TestListAccounts(t *testing.T) {
	s := start(t, newWorld(), simaws.Options{})
	out, err := as(s, security).organizations.ListAccounts(context.Background(), &organizations.ListAccountsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Accounts) != 4 {
		t.Fatalf("%d accounts, want the organization's 4", len(out.Accounts))
	}
	a := out.Accounts[2]
	got := fmt.Sprintln(*a.Id, *a.Arn, *a.Email, *a.Name, a.State, a.Status, a.Paths, a.JoinedMethod, a.JoinedTimestamp.UTC())
	want := fmt.Sprintln(workload, "arn:aws:organizations::111111111111:account/o-exampleorg1/333333333333", "aws+333333333333@example.com", "workload",
		"ACTIVE", "ACTIVE", []string{"o-exampleorg1/r-exam/ou-exam-workload/333333333333/"}, "CREATED", epoch)
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
	if a := out.Accounts[3]; a.State != types.AccountStateClosed || a.Status != types.AccountStatusSuspended {
		t.Errorf("a closed account has state %s and status %s", a.State, a.Status)
	}
}

func TestAccountsWithoutOneOfTheFields(t *testing.T) {
	w := newWorld()
	s := start(t, w, simaws.Options{})
	list := func() types.Account {
		out, err := as(s, security).organizations.ListAccounts(context.Background(), &organizations.ListAccountsInput{})
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
	w := newWorld()
	w.Organization.DelegatedAdmins["sso.amazonaws.com"] = []string{workload}
	w.PageSizes = map[string]int{"ListAccounts": 3, "ListDelegatedAdministrators": 1}
	for _, empty := range []bool{false, true} {
		w.Quirks.EmptyPages = empty
		s := start(t, w, simaws.Options{})
		// Delegated administrators of any service may list.
		c := as(s, workload).organizations
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
			{accounts, []string{management, security, workload, sandbox}},
			{admins, []string{security + " ACTIVE 2026"}},
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
	s := start(t, newWorld(), simaws.Options{})
	// Every member may call it.
	out, err := as(s, workload).organizations.DescribeOrganization(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	o := out.Organization
	if *o.Id != "o-exampleorg1" || *o.MasterAccountId != management || o.FeatureSet != "ALL" ||
		*o.Arn != "arn:aws:organizations::111111111111:organization/o-exampleorg1" {
		t.Errorf("got %s, %s, %s, %s", *o.Id, *o.MasterAccountId, o.FeatureSet, *o.Arn)
	}
}

func TestOrganizationErrors(t *testing.T) {
	s := start(t, newWorld(), simaws.Options{})
	ctx := context.Background()
	list := func(account string, in *organizations.ListAccountsInput) error {
		_, err := as(s, account).organizations.ListAccounts(ctx, in)
		return err
	}
	describe := func(account string) error {
		_, err := as(s, account).organizations.DescribeOrganization(ctx, nil)
		return err
	}
	for _, c := range []struct {
		name string
		err  error
		code string
	}{
		{"a member may not list", list(workload, nil), "AccessDeniedException"},
		{"no organization to list", list(alone, nil), "AWSOrganizationsNotInUseException"},
		{"no organization to describe", describe(alone), "AWSOrganizationsNotInUseException"},
		{"too large a page", list(management, &organizations.ListAccountsInput{MaxResults: aws.Int32(21)}), "InvalidInputException"},
		{"the token of another list", list(management, &organizations.ListAccountsInput{NextToken: aws.String("bm8")}), "InvalidInputException"},
		{"a closed account", list(sandbox, nil), "UnrecognizedClientException"},
	} {
		t.Run(c.name, func(t *testing.T) { wantOutcome(t, c.err, c.code, 400) })
	}
}
