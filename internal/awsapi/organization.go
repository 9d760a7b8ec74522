package awsapi

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unique"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/account"
	accounttypes "github.com/aws/aws-sdk-go-v2/service/account/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"golang.org/x/time/rate"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/partition"
)

// servicePrincipal is that of Access Analyzer.
const servicePrincipal = "access-analyzer.amazonaws.com"

// notInUse is the code for an account that is in no organization.
const notInUse = "AWSOrganizationsNotInUseException"

// Caller asks STS whose credentials the exporter starts with, and in which
// partition of AWS.
func (c *Client) Caller(ctx context.Context) (accountID, partitionName string, failure *inventory.Failure) {
	failure = c.call(ctx, &inventory.Account{}, "", "GetCallerIdentity", func(ctx context.Context, creds aws.CredentialsProvider) error {
		out, err := c.sts.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}, func(o *sts.Options) { o.Credentials = creds })
		if err != nil {
			return err
		}
		parsed, err := arn.Parse(aws.ToString(out.Arn))
		if err != nil || parsed.Partition == "" || aws.ToString(out.Account) == "" {
			return malformed("%q, %q are not an account and an ARN of it", aws.ToString(out.Account), aws.ToString(out.Arn))
		}
		accountID, partitionName = aws.ToString(out.Account), parsed.Partition
		return nil
	})
	return accountID, partitionName, failure
}

// Organization asks which organization the account is in: its ID and its
// management account. Both are empty when it is in none.
func (c *Client) Organization(ctx context.Context, a *inventory.Account) (id, management string, failure *inventory.Failure) {
	failure = c.call(ctx, a, inventory.Global, "DescribeOrganization", func(ctx context.Context, creds aws.CredentialsProvider) error {
		out, err := c.organizations.describeOrganization(ctx, &organizations.DescribeOrganizationInput{}, func(o *organizations.Options) { o.Credentials = creds })
		if errorCode(err) == notInUse {
			return nil
		}
		if err != nil {
			return err
		}
		if out.Organization == nil || aws.ToString(out.Organization.Id) == "" || aws.ToString(out.Organization.MasterAccountId) == "" {
			return malformed("the answer does not name the organization and its management account")
		}
		id, management = aws.ToString(out.Organization.Id), aws.ToString(out.Organization.MasterAccountId)
		return nil
	})
	return id, management, failure
}

// Accounts lists the accounts of the hub's organization that are in use:
// ACTIVE ones, and those in PENDING_CLOSURE, which still work. Each names the
// organization that it is in, for the hub may leave one and join another.
func (c *Client) Accounts(ctx context.Context, hub *inventory.Account) ([]inventory.Account, *inventory.Failure) {
	var accounts []inventory.Account
	f := c.pages(ctx, hub, inventory.Global, "ListAccounts", accountBounds, func(ctx context.Context, creds aws.CredentialsProvider, token *string) (int, *string, error) {
		out, err := c.organizations.listAccounts(ctx, &organizations.ListAccountsInput{NextToken: token}, func(o *organizations.Options) { o.Credentials = creds })
		if err != nil {
			return 0, nil, err
		}
		if out.Accounts == nil {
			return 0, nil, errNoList
		}
		for _, a := range out.Accounts {
			if aws.ToString(a.Id) == "" {
				return 0, nil, errNameless
			}
			use, f := inUse(a)
			if !use {
				continue
			}
			accounts = append(accounts, inventory.Account{
				ID: aws.ToString(a.Id), Name: aws.ToString(a.Name), Organization: &inventory.Organization{ID: organizationOf(a)},
				OUPath: ouPath(a), ScopeFailure: f,
			})
		}
		return len(out.Accounts), out.NextToken, nil
	})
	if f != nil {
		return nil, f
	}
	return accounts, nil
}

// organizationOf reads it from the account's ARN,
// arn:aws:organizations::<management account>:account/<organization>/<account>.
func organizationOf(a orgtypes.Account) string {
	parsed, err := arn.Parse(aws.ToString(a.Arn))
	if parts := strings.Split(parsed.Resource, "/"); err == nil && len(parts) == 3 {
		return parts[1]
	}
	return ""
}

// inUse reads State, and Status where there is none: AWS retires the latter. An
// account in an unknown state may be in use, with the reason why that is unknown.
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_account_state.html
func inUse(a orgtypes.Account) (bool, *inventory.Failure) {
	state := string(a.State)
	if state == "" {
		state = string(a.Status)
	}
	switch state {
	case "ACTIVE", "PENDING_CLOSURE":
		return true, nil
	case "PENDING_ACTIVATION", "SUSPENDED", "CLOSED":
		return false, nil
	}
	return true, &inventory.Failure{
		AccountID: aws.ToString(a.Id), Region: inventory.Global, Operation: "ListAccounts", Reason: inventory.Other, Detail: inventory.AccountState,
		Message: fmt.Sprintf("AWS returned the account state %q, which this version does not know", state),
	}
}

// DelegatedAdmins lists the accounts, other than the management account, that
// administer Access Analyzer for the hub's organization.
func (c *Client) DelegatedAdmins(ctx context.Context, hub *inventory.Account) ([]string, *inventory.Failure) {
	var ids []string
	f := c.pages(ctx, hub, inventory.Global, "ListDelegatedAdministrators", adminBounds, func(ctx context.Context, creds aws.CredentialsProvider, token *string) (int, *string, error) {
		out, err := c.organizations.listDelegatedAdministrators(ctx, &organizations.ListDelegatedAdministratorsInput{
			ServicePrincipal: aws.String(servicePrincipal), NextToken: token,
		}, func(o *organizations.Options) { o.Credentials = creds })
		if err != nil {
			return 0, nil, err
		}
		if out.DelegatedAdministrators == nil {
			return 0, nil, errNoList
		}
		for _, a := range out.DelegatedAdministrators {
			if aws.ToString(a.Id) == "" {
				return 0, nil, errNameless
			}
			ids = append(ids, aws.ToString(a.Id))
		}
		return len(out.DelegatedAdministrators), out.NextToken, nil
	})
	return ids, f
}

// Regions lists the Regions that are enabled for an account, with the
// account's own credentials.
func (c *Client) Regions(ctx context.Context, a *inventory.Account, name string) ([]string, *inventory.Failure) {
	// A limiter of its own: AWS counts these calls by account.
	return c.regions(ctx, a, nil, name, rate.NewLimiter(accountRate, accountRate))
}

// MemberRegions lists the Regions that are enabled for a member of the
// organization, with the credentials of the hub.
func (c *Client) MemberRegions(ctx context.Context, hub *inventory.Account, member, name string) ([]string, *inventory.Failure) {
	regions, f := c.regions(ctx, hub, aws.String(member), name, c.accountRate)
	if f != nil {
		f = of(f, member, f.Region)
	}
	return regions, f
}

// unansweredPause is how long Account Management is not called again in a
// partition without opt-in Regions where it did not answer: each call would take
// its whole timeout, once for each account.
const unansweredPause = 10 * time.Minute

// regions lists the enabled Regions. In partitions without opt-in Regions every
// account has the same ones, so that the built-in list is used instead of one that
// cannot be read: Account Management need not exist there.
func (c *Client) regions(ctx context.Context, a *inventory.Account, member *string, name string, limit *rate.Limiter) ([]string, *inventory.Failure) {
	builtIn := partition.DefaultRegions(name)
	if name == partition.Commercial || len(builtIn) == 0 {
		return c.requestRegions(ctx, a, member, name, limit)
	}
	if time.Now().Before(time.Unix(c.unanswered.Load(), 0).Add(unansweredPause)) {
		return builtIn, nil
	}
	regions, f := c.requestRegions(ctx, a, member, name, limit)
	switch {
	case f == nil:
		return regions, nil
	case f.Operation != "ListRegions":
		return nil, f // the role of the account, say
	case f.Reason == inventory.Network || f.Reason == inventory.Timeout && ctx.Err() == nil:
		c.unanswered.Store(time.Now().Unix())
	}
	return builtIn, nil
}

// requestRegions lists the enabled Regions. If access to the list is denied, it
// queries each Region in scope, because the managed policy SecurityAudit allows only
// that. If all Regions are, it returns the failure with those of its list: there
// may be others.
func (c *Client) requestRegions(ctx context.Context, a *inventory.Account, member *string, name string, limit *rate.Limiter) ([]string, *inventory.Failure) {
	regions, f := c.listRegions(ctx, a, member, limit)
	if f == nil || !denied(f) || f.Operation != "ListRegions" {
		return regions, f
	}
	known := partition.Regions(name)
	if len(c.opts.Regions) > 0 {
		known = c.opts.Regions
	}
	one, failure := c.regionsOneByOne(ctx, a, member, known, limit)
	switch {
	case failure != nil && !denied(failure):
		// Both permissions are right, or may be. What is missing is the list.
		failure.Operation = f.Operation
		return nil, failure
	case failure != nil || len(known) == 0:
		return nil, f // the permission to add is that for the list
	}
	if len(c.opts.Regions) > 0 {
		return one, nil // no other Region is in scope
	}
	f.Message += "; the Regions in its built-in list were queried one by one, and there may be others"
	return one, f
}

// denied reports whether a permission is missing.
func denied(f *inventory.Failure) bool {
	return f.Reason == inventory.AccessDenied || f.Reason == inventory.SCPDenied
}

func (c *Client) listRegions(ctx context.Context, a *inventory.Account, member *string, limit *rate.Limiter) ([]string, *inventory.Failure) {
	// The pause for the rate is not part of the call's time. All Regions fit
	// on one page.
	if err := await(ctx, limit); err != nil {
		return nil, c.failure(a.ID, inventory.Global, "ListRegions", err)
	}
	var regions []string
	f := c.pages(ctx, a, inventory.Global, "ListRegions", regionBounds, func(ctx context.Context, creds aws.CredentialsProvider, token *string) (int, *string, error) {
		out, err := c.account.listRegions(ctx, &account.ListRegionsInput{AccountId: member, MaxResults: aws.Int32(50), NextToken: token},
			func(o *account.Options) { o.Credentials = creds })
		if err != nil {
			return 0, nil, err
		}
		for _, r := range out.Regions {
			if aws.ToString(r.RegionName) == "" {
				return 0, nil, errNameless
			}
			if enabled(r.RegionOptStatus) {
				// Every account has much the same ones.
				regions = append(regions, unique.Make(aws.ToString(r.RegionName)).Value())
			}
		}
		return len(out.Regions), out.NextToken, nil
	})
	switch {
	case f != nil:
		return nil, f
	case len(regions) == 0:
		return nil, c.failure(a.ID, inventory.Global, "ListRegions", malformed("no Region is enabled"))
	}
	return regions, nil
}

// await waits for the limiter. It returns a timeout immediately if the wait would
// exceed the deadline.
func await(ctx context.Context, limit *rate.Limiter) error {
	err := limit.Wait(ctx)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("the rate limit of AWS allows no call within sweep.timeout: %w", context.DeadlineExceeded)
	}
	return err
}

func (c *Client) regionsOneByOne(ctx context.Context, a *inventory.Account, member *string, all []string, limit *rate.Limiter) ([]string, *inventory.Failure) {
	var regions []string
	for _, region := range all {
		if err := await(ctx, limit); err != nil {
			return nil, c.failure(a.ID, inventory.Global, "GetRegionOptStatus", err)
		}
		f := c.call(ctx, a, inventory.Global, "GetRegionOptStatus", func(ctx context.Context, creds aws.CredentialsProvider) error {
			out, err := c.account.getRegionOptStatus(ctx, &account.GetRegionOptStatusInput{AccountId: member, RegionName: aws.String(region)},
				func(o *account.Options) { o.Credentials = creds })
			if err == nil && enabled(out.RegionOptStatus) {
				regions = append(regions, region)
			}
			return err
		})
		if f != nil {
			return nil, f
		}
	}
	return regions, nil
}

func enabled(s accounttypes.RegionOptStatus) bool {
	return s == accounttypes.RegionOptStatusEnabled || s == accounttypes.RegionOptStatusEnabledByDefault
}
