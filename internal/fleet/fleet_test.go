package fleet

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock/clocktest"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	hub        = "111111111111"
	management = "222222222222"
	member     = "333333333333"
	outsider   = "444444444444"
	// foreign manages the organization that the outsider is in, if any.
	foreign = "999999999999"
)

// directory answers as an organization whose delegated administrator is the hub.
type directory struct {
	mu      sync.Mutex
	fails   map[string]inventory.Reason // by operation, or "operation account"
	calls   map[string]int
	regions []string
	// outside is the organization that the outsider is in, if any; gone is an
	// account that is no longer in that of the others.
	outside   string
	gone      string
	partition string
	caller    string
	// paths and tags are by account, and ous are the names of OUs by ID.
	paths map[string]string
	ous   map[string]string
	tags  map[string]map[string]string
}

func newDirectory() *directory {
	return &directory{
		fails: map[string]inventory.Reason{}, calls: map[string]int{}, regions: []string{"us-east-1", "eu-west-1"}, partition: "aws-cn", caller: hub,
	}
}

func (d *directory) answer(operation, id string) *inventory.Failure {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls[operation]++
	for _, key := range []string{operation, operation + " " + id} {
		if reason, ok := d.fails[key]; ok {
			return &inventory.Failure{AccountID: id, Region: inventory.Global, Operation: operation, Reason: reason}
		}
	}
	return nil
}

func (d *directory) Caller(context.Context) (string, string, *inventory.Failure) {
	if f := d.answer("GetCallerIdentity", ""); f != nil {
		return "", "", f
	}
	return d.caller, d.partition, nil
}

func (d *directory) Organization(_ context.Context, a *inventory.Account) (string, string, *inventory.Failure) {
	if f := d.answer("DescribeOrganization", a.ID); f != nil {
		return "", "", f
	}
	if a.ID == outsider || a.ID == foreign {
		return d.outside, map[bool]string{true: foreign}[d.outside != ""], nil
	}
	if a.ID == d.gone {
		return "", "", nil
	}
	return "o-1", management, nil
}

func (d *directory) Accounts(context.Context, *inventory.Account) ([]inventory.Account, *inventory.Failure) {
	if f := d.answer("ListAccounts", hub); f != nil {
		return nil, f
	}
	org := &inventory.Organization{ID: "o-1"}
	return []inventory.Account{
		{ID: member, Name: "member", Organization: org, OUPath: d.paths[member]},
		{ID: hub, Name: "hub", Organization: org, OUPath: d.paths[hub]},
		{ID: management, Name: "management", Organization: org, OUPath: d.paths[management]},
	}, nil
}

func (d *directory) OUName(_ context.Context, hub *inventory.Account, id string) (string, *inventory.Failure) {
	if f := d.answer("DescribeOrganizationalUnit", id); f != nil {
		f.AccountID = hub.ID
		return "", f
	}
	return d.ous[id], nil
}

func (d *directory) Tags(_ context.Context, hub *inventory.Account, id string) (map[string]string, *inventory.Failure) {
	if f := d.answer("ListTagsForResource", id); f != nil {
		f.AccountID = hub.ID
		return nil, f
	}
	return d.tags[id], nil
}

func (d *directory) DelegatedAdmins(context.Context, *inventory.Account) ([]string, *inventory.Failure) {
	if f := d.answer("ListDelegatedAdministrators", hub); f != nil {
		return nil, f
	}
	return []string{hub}, nil
}

func (d *directory) Regions(_ context.Context, a *inventory.Account, _ string) ([]string, *inventory.Failure) {
	if f := d.answer("ListRegions", a.ID); f != nil {
		return nil, f
	}
	return d.regions, nil
}

func (d *directory) MemberRegions(_ context.Context, _ *inventory.Account, id, _ string) ([]string, *inventory.Failure) {
	if f := d.answer("ListRegions for a member", id); f != nil {
		return nil, f
	}
	return d.regions, nil
}

// describe writes a fleet on a few lines.
func describe(f *inventory.Fleet) string {
	var out []string
	for _, failure := range f.Failures {
		out = append(out, "! "+failure.Operation+" "+string(failure.Reason))
	}
	for _, a := range f.Accounts {
		line := fmt.Sprintf("%s %s %s", a.ID[:3], a.Role, strings.Join(a.Regions, ","))
		switch o := a.Organization; {
		case o == nil:
			line += " alone"
		default:
			line += fmt.Sprintf(" in %q of %s", o.ID, strings.Join(o.Admins, ","))
			if o.Failure != nil {
				line += " ? " + o.Failure.Operation
			}
		}
		for flag, set := range map[string]bool{" witness": a.OutOfScope} {
			if set {
				line += flag
			}
		}
		if !a.Queried {
			line += " not assumed"
		} else if a.RoleARN != "" {
			line += " as " + a.RoleARN
		}
		if a.Failure != nil {
			line += fmt.Sprintf(" ! %s, known %v", a.Failure.Operation, a.RegionsKnown)
		}
		if a.ScopeFailure != nil {
			line += " expired"
		}
		if len(a.UncertainRegions) > 0 {
			line += " perhaps " + strings.Join(a.UncertainRegions, ",")
		}
		if len(a.ExcludedRegions) > 0 {
			line += " not " + strings.Join(a.ExcludedRegions, ",")
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestDiscover(t *testing.T) {
	organization := Options{Organization: true, OrganizationAnalyzers: true, Role: "audit/exporter", Refresh: time.Hour, StaleAfter: time.Hour, Interval: 15 * time.Minute, Concurrency: 2}
	with := func(o Options, change func(*Options)) Options {
		change(&o)
		return o
	}
	alone := Options{OrganizationAnalyzers: true, Refresh: time.Hour, StaleAfter: time.Hour, Interval: 15 * time.Minute, Concurrency: 2}
	const admins = "222222222222,111111111111"
	roleOf := func(id string) string { return " as arn:aws-cn:iam::" + id + ":role/audit/exporter" }
	tests := []struct {
		name  string
		opts  Options
		given func(*directory)
		want  string
	}{
		{"an organization", organization, func(*directory) {}, `111 delegated_admin eu-west-1,us-east-1 in "o-1" of ` + admins + `
222 management eu-west-1,us-east-1 in "o-1" of ` + admins + roleOf(management) + `
333 member eu-west-1,us-east-1 in "o-1" of ` + admins + roleOf(member)},
		{"the caller alone", alone, func(*directory) {}, `111 delegated_admin eu-west-1,us-east-1 in "o-1" of ` + admins},
		{
			"the caller alone, its own analyzers count", with(alone, func(o *Options) { o.OrganizationAnalyzers = false }), func(*directory) {},
			`111  eu-west-1,us-east-1 alone`,
		},
		{
			"the caller may not ask for its organization", alone, func(d *directory) { d.fails["DescribeOrganization"] = inventory.AccessDenied },
			"! DescribeOrganization access_denied\n" + `111  eu-west-1,us-east-1 in "" of  ? DescribeOrganization`,
		},
		{
			"… but the configuration names the administrators", with(alone, func(o *Options) { o.Admins = []string{hub} }), func(d *directory) { d.fails["DescribeOrganization"] = inventory.AccessDenied },
			`111  eu-west-1,us-east-1 in "" of 111111111111`,
		},
		{
			"the caller may not list administrators", alone, func(d *directory) { d.fails["ListDelegatedAdministrators"] = inventory.AccessDenied },
			"! ListDelegatedAdministrators access_denied\n" + `111  eu-west-1,us-east-1 in "o-1" of 222222222222 ? ListDelegatedAdministrators`,
		},
		{
			"an organization whose administrators cannot be listed", with(organization, func(o *Options) { o.Include = []string{member} }),
			func(d *directory) { d.fails["ListDelegatedAdministrators"] = inventory.Throttled },
			`! ListDelegatedAdministrators throttled
222 management eu-west-1,us-east-1 in "o-1" of 222222222222 ? ListDelegatedAdministrators witness` + roleOf(management) + `
333  eu-west-1,us-east-1 in "o-1" of 222222222222 ? ListDelegatedAdministrators` + roleOf(member),
		},
		{"accounts cannot be listed", organization, func(d *directory) { d.fails["ListAccounts"] = inventory.AccessDenied }, `! ListAccounts access_denied`},
		{"no credentials", organization, func(d *directory) { d.fails["GetCallerIdentity"] = inventory.Credentials }, `! GetCallerIdentity credentials`},
		{
			"members not assumed", with(organization, func(o *Options) { o.Role = "" }), func(*directory) {},
			`111 delegated_admin eu-west-1,us-east-1 in "o-1" of ` + admins + `
222 management cn-north-1,cn-northwest-1 in "o-1" of ` + admins + ` not assumed ! ListRegions, known false
333 member eu-west-1,us-east-1 in "o-1" of ` + admins + ` not assumed`,
		},
		{
			"excluded administrators are not read", with(organization, func(o *Options) { o.Exclude = []string{hub, management} }), func(*directory) {},
			`333 member eu-west-1,us-east-1 in "o-1" of ` + admins + roleOf(member),
		},
		{
			"administrators that are not included are witnesses", with(organization, func(o *Options) { o.Include = []string{member, hub} }), func(*directory) {},
			`111 delegated_admin eu-west-1,us-east-1 in "o-1" of ` + admins + `
222 management eu-west-1,us-east-1 in "o-1" of ` + admins + ` witness` + roleOf(management) + `
333 member eu-west-1,us-east-1 in "o-1" of ` + admins + roleOf(member),
		},
		{
			"Regions of a member whose role cannot be assumed are listed by the hub account", with(organization, func(o *Options) { o.Include, o.Admins = []string{member}, []string{hub} }),
			func(d *directory) { d.fails["ListRegions "+member] = inventory.AssumeRoleDenied },
			`111 delegated_admin eu-west-1,us-east-1 in "o-1" of 111111111111 witness
333 member eu-west-1,us-east-1 in "o-1" of 111111111111` + roleOf(member),
		},
		{
			"Regions cannot be listed at all", with(alone, func(o *Options) { o.OrganizationAnalyzers = false }), func(d *directory) { d.fails["ListRegions"] = inventory.AccessDenied },
			`111  cn-north-1,cn-northwest-1 alone ! ListRegions, known false`,
		},
		{
			"Regions cannot be listed but are configured", with(alone, func(o *Options) {
				o.OrganizationAnalyzers, o.IncludeRegions = false, []string{"cn-north-1", "opt-in-1"}
			}), func(d *directory) { d.fails["ListRegions"] = inventory.AccessDenied },
			`111  cn-north-1,opt-in-1 alone ! ListRegions, known false perhaps opt-in-1 not cn-northwest-1`,
		},
		{"Regions cannot be listed but are configured, in a partition of the future", with(alone, func(o *Options) {
			o.OrganizationAnalyzers, o.IncludeRegions = false, []string{"aws-new-1"}
		}), func(d *directory) {
			d.fails["ListRegions"] = inventory.AccessDenied
			d.partition = "aws-new"
		}, `111  aws-new-1 alone ! ListRegions, known false perhaps aws-new-1`},
		{
			"an administrator that may not ask for its organization", with(alone, func(o *Options) {
				o.Static = []Static{{ID: management, RoleARN: "arn:aws-cn:iam::222222222222:role/r"}}
			}), func(d *directory) { d.fails["DescribeOrganization "+management] = inventory.AccessDenied },
			`111 delegated_admin eu-west-1,us-east-1 in "o-1" of ` + admins + `
222 management eu-west-1,us-east-1 in "o-1" of ` + admins + ` as arn:aws-cn:iam::222222222222:role/r`,
		},
		{"Regions out of scope are known to be there", with(alone, func(o *Options) {
			o.OrganizationAnalyzers, o.ExcludeRegions = false, []string{"us-east-1"}
		}), func(*directory) {}, `111  eu-west-1 alone not us-east-1`},
		{"an account outside the organization", with(organization, func(o *Options) {
			o.Include, o.Static = []string{outsider}, []Static{{ID: outsider, Name: "acquired", RoleARN: "arn:aws-cn:iam::444444444444:role/r"}}
		}), func(*directory) {}, `444 standalone eu-west-1,us-east-1 alone as arn:aws-cn:iam::444444444444:role/r`},
		{
			"an account of another organization", with(organization, func(o *Options) {
				o.Include, o.Static = []string{outsider}, []Static{{ID: outsider}}
			}), func(d *directory) { d.outside = "o-2" },
			`444  eu-west-1,us-east-1 in "o-2" of 999999999999 ? ListDelegatedAdministrators` + roleOf(outsider),
		},
		{
			"a management account that may not ask for its organization, and a member that names it", with(organization, func(o *Options) {
				o.Include, o.Static = []string{outsider, foreign}, []Static{{ID: outsider}, {ID: foreign}}
				o.Admins = []string{hub, outsider, foreign}
			}), func(d *directory) {
				d.outside = "o-2"
				d.fails["DescribeOrganization "+foreign] = inventory.AccessDenied
			},
			`111 delegated_admin eu-west-1,us-east-1 in "o-1" of 111111111111,444444444444,999999999999 witness
444  eu-west-1,us-east-1 in "o-2" of 111111111111,444444444444,999999999999` + roleOf(outsider) + `
999 management eu-west-1,us-east-1 in "o-2" of 111111111111,444444444444,999999999999` + roleOf(foreign),
		},
		{
			"… and a member that may not ask either", with(organization, func(o *Options) {
				o.Include, o.Static = []string{outsider, foreign}, []Static{{ID: outsider}, {ID: foreign}}
			}), func(d *directory) {
				d.outside = "o-2"
				d.fails["DescribeOrganization "+foreign] = inventory.AccessDenied
				d.fails["DescribeOrganization "+outsider] = inventory.AccessDenied
			},
			"! DescribeOrganization access_denied\n! DescribeOrganization access_denied\n" + `444  eu-west-1,us-east-1 in "" of  ? DescribeOrganization` + roleOf(outsider) + `
999  eu-west-1,us-east-1 in "" of  ? DescribeOrganization` + roleOf(foreign),
		},
		{
			"an administrator of another organization that may not ask for it", with(organization, func(o *Options) {
				o.Include, o.Static = []string{outsider, foreign}, []Static{{ID: outsider}, {ID: foreign}}
				o.Admins = []string{outsider}
			}), func(d *directory) {
				d.outside = "o-2"
				d.fails["DescribeOrganization "+outsider] = inventory.AccessDenied
			},
			`444  eu-west-1,us-east-1 in "" of 444444444444` + roleOf(outsider) + `
999 management eu-west-1,us-east-1 in "o-2" of 444444444444` + roleOf(foreign),
		},
		{
			"an account without a role is not read with the credentials of another", with(organization, func(o *Options) {
				o.Role, o.Include, o.Static = "", []string{outsider}, []Static{{ID: outsider}}
			}), func(d *directory) { d.outside = "o-2" },
			`444  eu-west-1,us-east-1 in "" of  ? DescribeOrganization not assumed`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDirectory()
			test.given(d)
			if got := describe(New(d, test.opts, nil).Discover(context.Background())); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		discovery := New(d, Options{Organization: true, OrganizationAnalyzers: true, Role: "r", Refresh: time.Hour, StaleAfter: time.Hour, Interval: 15 * time.Minute, Concurrency: 2}, nil)
		all := describe(discovery.Discover(context.Background()))
		time.Sleep(30 * time.Minute)
		discovery.Discover(context.Background())
		if d.calls["ListAccounts"] != 1 || d.calls["ListRegions"] != 3 {
			t.Errorf("asked again within accounts.refresh: %v", d.calls)
		}
		// Everything fails: what is known stays, until it is too old.
		d.fails["ListAccounts"], d.fails["ListDelegatedAdministrators"] = inventory.Throttled, inventory.Throttled
		d.fails["ListRegions"], d.fails["ListRegions for a member"] = inventory.Throttled, inventory.Throttled
		time.Sleep(40 * time.Minute)
		fleet := discovery.Discover(context.Background())
		if len(fleet.Accounts) != 3 || len(fleet.Failures) != 2 || fleet.Accounts[0].Organization.Failure != nil {
			t.Errorf("after a failure:\n%s", describe(fleet))
		}
		for _, a := range fleet.Accounts {
			if len(a.Regions) != 2 || !a.RegionsKnown || a.Failure == nil {
				t.Errorf("Regions of %s: %v, known %v, %v", a.ID, a.Regions, a.RegionsKnown, a.Failure)
			}
		}
		expiry := fleet.ExpiresAt
		time.Sleep(time.Until(expiry) - time.Second)
		if got := describe(discovery.Fleet()); strings.Contains(got, "expired") || strings.Contains(got, "perhaps") || strings.Contains(got, "?") {
			t.Errorf("lists are too old before stale_after:\n%s", got)
		}
		// No attempt is needed for them to become too old.
		time.Sleep(2 * time.Second)
		fleet = discovery.Fleet()
		for _, a := range fleet.Accounts {
			if a.ScopeFailure == nil || a.Organization.Failure == nil || a.RegionsKnown || len(a.UncertainRegions) != 2 {
				t.Errorf("lists of two hours ago are used:\n%s", describe(fleet))
			}
		}
		clear(d.fails)
		if got := describe(discovery.Discover(context.Background())); got != all {
			t.Errorf("after recovery\n%s\nwant\n%s", got, all)
		}
	})
}

// Accounts with the same Regions hold one list of them: a list for each of ten
// thousand would cost time in each garbage collection.
func TestEqualRegionsAreHeldOnce(t *testing.T) {
	d := newDirectory()
	accounts := New(d, Options{Organization: true, OrganizationAnalyzers: true, Role: "r", ExcludeRegions: []string{"us-east-1"}, Concurrency: 2}, nil).
		Discover(context.Background()).Accounts
	for _, a := range accounts {
		if &a.Regions[0] != &accounts[0].Regions[0] || &a.ExcludedRegions[0] != &accounts[0].ExcludedRegions[0] {
			t.Errorf("account %s has lists of its own: %v and %v", a.ID, a.Regions, a.ExcludedRegions)
		}
	}
}

// A member may have left while accounts could not be listed. One that is also in the
// configuration is in scope, and is asked itself.
func TestMemberLeaves(t *testing.T) {
	const listed = `333 member eu-west-1,us-east-1 in "o-1" of 222222222222,111111111111 as arn:aws-cn:iam::333333333333:role/r`
	role := "arn:aws-cn:iam::333333333333:role/r"
	for name, test := range map[string]struct {
		static  []Static
		expired string
	}{
		"of the list":          {nil, listed + " expired"},
		"of the configuration": {[]Static{{ID: member, RoleARN: role}}, "333 standalone eu-west-1,us-east-1 alone as " + role},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDirectory()
				discovery := New(d, Options{Organization: true, OrganizationAnalyzers: true, Static: test.static, Role: "r", Refresh: time.Hour, StaleAfter: time.Hour, Interval: 15 * time.Minute, Concurrency: 2}, nil)
				discovery.Discover(context.Background())
				d.gone = member
				d.fails["ListAccounts"] = inventory.Throttled
				for _, want := range []string{listed, test.expired} {
					time.Sleep(time.Hour)
					if got := describe(discovery.Discover(context.Background())); !strings.HasSuffix(got, want) || strings.Count(got, `in "o-1"`) < 2 {
						t.Errorf("got\n%s\nwant at its end\n%s", got, want)
					}
				}
			})
		})
	}
}

// A hub that leaves its organization can list it no more; those that it left
// behind are still in it.
func TestHubLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		discovery := New(d, Options{Organization: true, OrganizationAnalyzers: true, Role: "r", Refresh: time.Hour, StaleAfter: time.Hour, Interval: 15 * time.Minute, Concurrency: 2}, nil)
		discovery.Discover(context.Background())
		d.gone = hub
		d.fails["ListAccounts"] = inventory.AccessDenied
		time.Sleep(time.Hour)
		want := `! ListAccounts access_denied
111 standalone eu-west-1,us-east-1 alone
222 management eu-west-1,us-east-1 in "o-1" of 222222222222 ? ListDelegatedAdministrators as arn:aws-cn:iam::222222222222:role/r
333  eu-west-1,us-east-1 in "o-1" of 222222222222 ? ListDelegatedAdministrators as arn:aws-cn:iam::333333333333:role/r`
		if got := describe(discovery.Discover(context.Background())); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// An account that left its organization while it could not be asked for it is
// no longer taken for a member when its answer is too old to stand in, though
// it is known who administers.
func TestMembershipGrowsOld(t *testing.T) {
	for _, asked := range []string{hub, outsider} {
		t.Run(asked, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDirectory()
				d.outside = "o-2"
				discovery := New(d, Options{
					OrganizationAnalyzers: true, Role: "r", Admins: []string{management}, Static: []Static{{ID: outsider}},
					Refresh: time.Hour, StaleAfter: time.Hour, Interval: 15 * time.Minute, Concurrency: 2,
				}, nil)
				var got []string
				for range 3 {
					for _, a := range discovery.Discover(context.Background()).Accounts {
						if a.ID == asked {
							got = append(got, a.Organization.ID)
						}
					}
					d.fails["DescribeOrganization "+asked] = inventory.AccessDenied
					time.Sleep(time.Hour)
				}
				if member := got[0]; member == "" || got[1] != member || got[2] != "" {
					t.Errorf("hour after hour in the organizations %q", got)
				}
			})
		})
	}
}

// A list from before a change of the options is used if it cannot be read
// again. All lists are due at once, but for those of Regions.
func TestOptionsChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		opts := Options{Organization: true, OrganizationAnalyzers: true, Role: "r", Refresh: time.Hour, StaleAfter: time.Hour, Interval: 15 * time.Minute, Concurrency: 2}
		first := New(d, opts, nil)
		all := describe(first.Discover(context.Background()))
		d.fails["GetCallerIdentity"] = inventory.Network
		time.Sleep(time.Minute)
		opts.Exclude = []string{management}
		second := New(d, opts, first)
		want := "! GetCallerIdentity network\n" + regexp.MustCompile("(?m)^222.*\n").ReplaceAllString(all, "")
		if got := describe(second.Discover(context.Background())); got != want {
			t.Errorf("when nothing can be asked\n%s\nwant\n%s", got, want)
		}
		clear(d.fails)
		clear(d.calls)
		time.Sleep(time.Minute)
		opts.Exclude = nil
		third := New(d, opts, second)
		if got := describe(third.Discover(context.Background())); got != all {
			t.Errorf("after recovery\n%s\nwant\n%s", got, all)
		}
		if d.calls["ListAccounts"] != 1 || d.calls["DescribeOrganization"] != 1 || d.calls["ListRegions"] != 1 {
			t.Errorf("not asked again at once: %v", d.calls)
		}
	})
}

// Lists of one account are not used for the credentials of another.
func TestCallerChanges(t *testing.T) {
	d := newDirectory()
	opts := Options{Organization: true, OrganizationAnalyzers: true, Role: "r", Refresh: time.Hour, StaleAfter: time.Hour, Interval: 15 * time.Minute, Concurrency: 2}
	discovery := New(d, opts, nil)
	discovery.Discover(context.Background())
	d.caller = outsider
	d.fails["ListAccounts"] = inventory.AccessDenied
	if got, want := describe(discovery.Discover(context.Background())), "! ListAccounts access_denied"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestShards(t *testing.T) {
	const accounts = 10000
	id := func(i int) string { return fmt.Sprintf("%012d", i*7919) }
	for total := 1; total <= 7; total++ {
		sizes, moved := make([]int, total), 0
		for i := range accounts {
			shard := Shard(id(i), total)
			sizes[shard]++
			if next := Shard(id(i), total+1); next != shard {
				if moved++; next != total {
					t.Fatalf("account %s moves from shard %d to %d, which was there before", id(i), shard, next)
				}
			}
		}
		if even := accounts / total; slices.Max(sizes) > even*11/10+1 || slices.Min(sizes) < even*9/10-1 {
			t.Errorf("%d shards are uneven: %v", total, sizes)
		}
		if most := accounts * 11 / 10 / (total + 1); moved > most {
			t.Errorf("from %d to %d shards %d accounts move, want at most %d", total, total+1, moved, most)
		}
	}
}

// Who fixes the credentials of an exporter that has just started waits a minute at
// most, whatever the interval.
func TestEssentialListsAreRetriedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDirectory()
		discovery := New(d, Options{Organization: true, Refresh: time.Hour, StaleAfter: time.Hour, Interval: 6 * time.Hour, Concurrency: 2}, nil)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); discovery.Run(ctx) }()
		for _, operation := range []string{"GetCallerIdentity", "ListAccounts"} {
			d.mu.Lock()
			d.fails = map[string]inventory.Reason{operation: inventory.AccessDenied}
			d.mu.Unlock()
			time.Sleep(time.Hour)
			if f := discovery.Fleet(); len(f.Accounts) > 0 || len(f.Failures) == 0 || f.Failures[0].Operation != operation {
				t.Errorf("with a failure of %s:\n%s", operation, describe(f))
			}
		}
		d.mu.Lock()
		clear(d.fails)
		d.mu.Unlock()
		time.Sleep(time.Minute)
		synctest.Wait()
		if f := discovery.Fleet(); len(f.Accounts) != 3 {
			t.Errorf("a minute after the fix:\n%s", describe(f))
		}
		cancel()
		<-ended
	})
}

// A list that was too old stays so when the clock is set back.
func TestListsAfterASuspension(t *testing.T) {
	wall := &clocktest.Wall{}
	defer clock.Simulate(wall.Now)()
	o := &Options{Refresh: time.Hour, StaleAfter: time.Hour}
	var l listing[int]
	for _, step := range []struct {
		name   string
		by     time.Duration
		read   bool
		usable bool
	}{
		{"read", 0, true, true},
		{"an hour later", time.Hour, false, true},
		{"suspended", time.Hour, false, false},
		{"set back", -2 * time.Hour, false, false},
		{"read again", 0, true, true},
	} {
		if wall.Step(step.by); step.read {
			l.set(1, nil)
		}
		if got := l.usable(o, clock.Now()); got != step.usable {
			t.Errorf("%s: usable is %v", step.name, got)
		}
	}
}
