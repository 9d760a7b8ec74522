package coverage

import (
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	admin  = "222222222222"
	member = "111111111111"
	third  = "333333333333"
	here   = "eu-west-1"
	there  = "us-east-1"
)

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// world is an organization with an administrator and a member. Both were read in
// both Regions and have no analyzer.
type world struct {
	admin, member *inventory.Account
	org           *inventory.Organization
	facts         Input
	policy        Policy
}

func newWorld(access inventory.Access) *world {
	org := &inventory.Organization{ID: "o-1", Admins: []string{admin}}
	account := func(id string) *inventory.Account {
		return &inventory.Account{ID: id, Organization: org, Queried: true, Regions: []string{here, there}, RegionsKnown: true}
	}
	w := &world{admin: account(admin), member: account(member), org: org}
	w.facts = Input{
		Fleet:  &inventory.Fleet{Accounts: []*inventory.Account{w.member, w.admin}},
		Unread: map[inventory.Target]*inventory.Failure{},
	}
	w.policy = Policy{Rules: map[inventory.Access]Rule{
		access: {Required: true, Scopes: []inventory.Scope{inventory.AccountScope, inventory.OrganizationScope}},
	}}
	return w
}

func (w *world) analyzer(accountID, region, kind, status string, c *inventory.Configuration) *inventory.Analyzer {
	a := &inventory.Analyzer{
		ARN: "arn:" + accountID + region + kind + status, Name: "a-" + strings.ToLower(kind), AccountID: accountID,
		Region: region, Type: kind, Status: status, Configuration: c,
	}
	w.facts.Analyzers = append(w.facts.Analyzers, a)
	return a
}

func (w *world) unread(accountID, region string) {
	w.facts.Unread[inventory.Target{AccountID: accountID, Region: region}] = &inventory.Failure{
		AccountID: accountID, Region: region, Operation: "ListAnalyzers", Reason: inventory.AccessDenied,
	}
}

func (w *world) verdict(t *testing.T, region string) inventory.Verdict {
	t.Helper()
	verdicts := Evaluate(w.facts, w.policy, now)
	for _, v := range verdicts {
		if v.AccountID == member && v.Region == region {
			return v
		}
	}
	t.Fatalf("no verdict on %s in %s", member, region)
	return inventory.Verdict{}
}

func including(in ...inventory.Inclusion) *inventory.Configuration {
	return &inventory.Configuration{Inclusions: in}
}

func TestEvaluate(t *testing.T) {
	external := &inventory.Configuration{}
	tests := []struct {
		name   string
		access inventory.Access
		given  func(*world)
		want   inventory.State
		why    string // part of the reason
	}{
		{"nothing anywhere", inventory.External, func(*world) {}, inventory.Uncovered, "there is no external access analyzer"},
		{
			"own analyzer", inventory.External, func(w *world) { w.analyzer(member, here, "ACCOUNT", "ACTIVE", external) },
			inventory.Covered, "ACCOUNT analyzer a-account in 111111111111",
		},
		{
			"own analyzer in another Region", inventory.External, func(w *world) { w.analyzer(member, there, "ACCOUNT", "ACTIVE", external) },
			inventory.Uncovered, "",
		},
		{"only ACTIVE covers", inventory.External, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION", "DISABLED", external).StatusReason = "DELEGATED_ADMINISTRATOR_DEREGISTERED"
		}, inventory.Uncovered, "ORGANIZATION analyzer a-organization in 222222222222, Region eu-west-1, is DISABLED: DELEGATED_ADMINISTRATOR_DEREGISTERED"},
		{"CREATING", inventory.External, func(w *world) { w.analyzer(member, here, "ACCOUNT", "CREATING", external) }, inventory.Uncovered, "is CREATING"},
		{"an undocumented status", inventory.External, func(w *world) { w.analyzer(member, here, "ACCOUNT", "PAUSED", external) }, inventory.Uncovered, "is PAUSED"},
		{"unused access analyzer does not cover external access", inventory.External, func(w *world) {
			w.analyzer(member, here, "ACCOUNT_UNUSED_ACCESS", "ACTIVE", external)
		}, inventory.Uncovered, ""},
		{"organization analyzer of the administrator", inventory.External, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION", "ACTIVE", external)
		}, inventory.Covered, "in 222222222222"},
		{"own list unread, organization analyzer decides", inventory.External, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION", "ACTIVE", external)
			w.unread(member, here)
		}, inventory.Covered, ""},
		{"covered, and perhaps closed", inventory.External, func(w *world) {
			w.analyzer(member, here, "ACCOUNT", "ACTIVE", external)
			w.member.ScopeFailure = &inventory.Failure{Operation: "ListAccounts", Reason: inventory.Throttled}
		}, inventory.Unknown, "ListAccounts: throttled"},
		{"covered, in a Region that may be disabled", inventory.External, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION", "ACTIVE", external)
			w.member.RegionsKnown, w.member.UncertainRegions = false, []string{here}
			w.member.Failure = &inventory.Failure{Operation: "ListRegions", Reason: inventory.Timeout}
		}, inventory.Unknown, "ListRegions: timeout"},
		{"covered, another Region may be disabled", inventory.External, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION", "ACTIVE", external)
			w.member.RegionsKnown, w.member.UncertainRegions = false, []string{there}
		}, inventory.Covered, ""},
		{"own list unread, nothing else", inventory.External, func(w *world) { w.unread(member, here) }, inventory.Unknown, "access_denied"},
		{"administrator unread", inventory.External, func(w *world) { w.unread(admin, here) }, inventory.Unknown, "account 222222222222"},
		{"administrator unread, own analyzer", inventory.External, func(w *world) {
			w.unread(admin, here)
			w.analyzer(member, here, "ACCOUNT", "ACTIVE", external)
		}, inventory.Covered, ""},
		{"administrator unread in another Region", inventory.External, func(w *world) { w.unread(admin, there) }, inventory.Uncovered, ""},
		{"administrator has not enabled the Region", inventory.External, func(w *world) { w.admin.Regions = []string{there} }, inventory.Uncovered, ""},
		{"administrator's Regions are not known", inventory.External, func(w *world) {
			w.admin.Regions, w.admin.RegionsKnown = nil, false
		}, inventory.Unknown, "ListRegions: other (the account's enabled Regions are not known)"},
		{"administrator unread but analyzer listed by others", inventory.External, func(w *world) {
			w.unread(admin, here)
			w.analyzer(admin, here, "ORGANIZATION", "ACTIVE", external)
		}, inventory.Covered, ""},
		{"administrator not queried", inventory.External, func(w *world) { w.admin.Queried = false }, inventory.Unknown, "organization_admins"},
		{"administrator not in the fleet", inventory.External, func(w *world) { w.org.Admins = []string{admin, third} }, inventory.Unknown, third},
		{"administrators not known", inventory.External, func(w *world) {
			w.org.Failure = &inventory.Failure{AccountID: admin, Region: inventory.Global, Operation: "ListDelegatedAdministrators", Reason: inventory.Throttled}
		}, inventory.Unknown, "ListDelegatedAdministrators: throttled"},
		{"administrators not known, one covers", inventory.External, func(w *world) {
			w.org.Failure = &inventory.Failure{Operation: "ListDelegatedAdministrators"}
			w.analyzer(admin, here, "ORGANIZATION", "ACTIVE", external)
		}, inventory.Covered, ""},
		{"in no organization", inventory.External, func(w *world) {
			w.member.Organization = nil
			w.unread(admin, here)
		}, inventory.Uncovered, ""},
		{"in another organization", inventory.External, func(w *world) {
			w.member.Organization = &inventory.Organization{ID: "o-2", Admins: []string{admin}}
			w.analyzer(admin, here, "ORGANIZATION", "ACTIVE", external)
		}, inventory.Uncovered, ""},
		{"in an organization not known", inventory.External, func(w *world) {
			w.member.Organization = &inventory.Organization{Admins: []string{admin}}
			w.analyzer(admin, here, "ORGANIZATION", "ACTIVE", external)
		}, inventory.Unknown, "is not known"},
		{"own organization analyzer, in an organization not known", inventory.External, func(w *world) {
			w.member.Organization = &inventory.Organization{Admins: []string{member}}
			w.analyzer(member, here, "ORGANIZATION", "ACTIVE", external)
		}, inventory.Covered, ""},
		{"organization analyzer in an account not known as administrator", inventory.External, func(w *world) {
			w.analyzer(third, here, "ORGANIZATION", "ACTIVE", external)
		}, inventory.Unknown, "not known to administer"},
		{"organization analyzer in an unknown account, listed in another organization", inventory.External, func(w *world) {
			w.facts.Fleet.Accounts = append(w.facts.Fleet.Accounts, &inventory.Account{ID: "444444444444", Organization: &inventory.Organization{ID: "o-2"}})
			w.facts.ListedIn = map[string][]string{w.analyzer(third, here, "ORGANIZATION", "ACTIVE", external).ARN: {"444444444444"}}
		}, inventory.Uncovered, ""},
		{"organization analyzer in an unknown account, listed in the organization", inventory.External, func(w *world) {
			w.facts.ListedIn = map[string][]string{w.analyzer(third, here, "ORGANIZATION", "ACTIVE", external).ARN: {member}}
		}, inventory.Unknown, "not known to administer"},
		{"own organization analyzer is ACTIVE, in no organization", inventory.External, func(w *world) {
			w.member.Organization = nil
			w.analyzer(member, here, "ORGANIZATION", "ACTIVE", external)
		}, inventory.Unknown, "not known to administer"},
		{"own organization analyzer is ACTIVE and listed in another organization", inventory.External, func(w *world) {
			w.member.Organization = &inventory.Organization{ID: "o-2", Admins: []string{third}}
			w.facts.Fleet.Accounts = append(w.facts.Fleet.Accounts, &inventory.Account{ID: third, Organization: w.member.Organization, Queried: true, Regions: []string{here}, RegionsKnown: true})
			w.facts.ListedIn = map[string][]string{w.analyzer(member, here, "ORGANIZATION", "ACTIVE", external).ARN: {admin, member}}
		}, inventory.Unknown, "not known to administer"},
		{"own organization analyzer is DISABLED, in no organization", inventory.External, func(w *world) {
			w.member.Organization = nil
			w.analyzer(member, here, "ORGANIZATION", "DISABLED", external)
		}, inventory.Uncovered, ""},
		{"own analyzer besides, in no organization", inventory.External, func(w *world) {
			w.member.Organization = nil
			w.analyzer(member, here, "ORGANIZATION", "ACTIVE", external)
			w.analyzer(member, here, "ACCOUNT", "ACTIVE", external)
		}, inventory.Covered, ""},
		{"organization analyzer of another account, in no organization", inventory.External, func(w *world) {
			w.member.Organization = nil
			w.analyzer(admin, here, "ORGANIZATION", "ACTIVE", external)
		}, inventory.Uncovered, ""},
		{"scope account only", inventory.External, func(w *world) {
			w.policy.Rules[inventory.External] = Rule{Required: true, Scopes: []inventory.Scope{inventory.AccountScope}}
			w.analyzer(admin, here, "ORGANIZATION", "ACTIVE", external)
			w.unread(admin, here)
		}, inventory.Uncovered, ""},
		{"scope organization only", inventory.External, func(w *world) {
			w.policy.Rules[inventory.External] = Rule{Required: true, Scopes: []inventory.Scope{inventory.OrganizationScope}}
			w.analyzer(member, here, "ACCOUNT", "ACTIVE", external)
			w.unread(member, here)
		}, inventory.Uncovered, ""},
		{"not queried", inventory.External, func(w *world) { w.member.Queried = false }, inventory.Unknown, "assume_role.name"},

		{"unused: any Region covers", inventory.Unused, func(w *world) { w.analyzer(member, there, "ACCOUNT_UNUSED_ACCESS", "ACTIVE", nil) }, inventory.Covered, ""},
		{"unused: no analyzer", inventory.Unused, func(*world) {}, inventory.Uncovered, ""},
		{"unused: one Region unread", inventory.Unused, func(w *world) { w.unread(member, there) }, inventory.Unknown, there},
		{"unused: one Region of the administrator unread", inventory.Unused, func(w *world) { w.unread(admin, there) }, inventory.Unknown, admin},
		{"unused: a Region out of scope", inventory.Unused, func(w *world) { w.member.ExcludedRegions = []string{"sa-east-1"} }, inventory.Unknown, "sa-east-1"},
		{"unused: Regions not known", inventory.Unused, func(w *world) { w.member.RegionsKnown = false }, inventory.Unknown, "enabled Regions are not known"},
		{"unused: organization", inventory.Unused, func(w *world) {
			w.analyzer(admin, there, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE", &inventory.Configuration{ExcludedAccounts: []string{third}})
		}, inventory.Covered, ""},
		{"unused: excluded", inventory.Unused, func(w *world) {
			w.analyzer(admin, there, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE", &inventory.Configuration{ExcludedAccounts: []string{member}})
		}, inventory.Uncovered, "leaves this account out"},
		{"unused: excluded by one, not by the other", inventory.Unused, func(w *world) {
			w.analyzer(admin, there, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE", &inventory.Configuration{ExcludedAccounts: []string{member}})
			w.analyzer(admin, here, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE", &inventory.Configuration{})
		}, inventory.Covered, ""},
		{"unused: exclusions not known", inventory.Unused, func(w *world) {
			w.analyzer(admin, there, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE", nil).Unread = &inventory.Failure{
				AccountID: admin, Region: there, Operation: "GetAnalyzer", Reason: inventory.Throttled,
			}
		}, inventory.Unknown, "GetAnalyzer: throttled"},

		{"unused: excluded by accounts and tags", inventory.Unused, func(w *world) {
			w.analyzer(admin, there, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE", &inventory.Configuration{UndefinedExclusions: []string{member}})
		}, inventory.Unknown, "AWS does not define"},
		{"unused: another account excluded by accounts and tags", inventory.Unused, func(w *world) {
			w.analyzer(admin, there, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE", &inventory.Configuration{UndefinedExclusions: []string{third}})
		}, inventory.Covered, ""},
		{"unused: excluded by accounts alone too", inventory.Unused, func(w *world) {
			w.analyzer(admin, there, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE", &inventory.Configuration{
				ExcludedAccounts: []string{member}, UndefinedExclusions: []string{member},
			})
		}, inventory.Uncovered, "leaves this account out"},
		{"unused: an unsupported member", inventory.Unused, func(w *world) {
			w.analyzer(admin, there, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE", &inventory.Configuration{Unsupported: "unsupported member"})
		}, inventory.Unknown, "unsupported member"},
		{"unused: an unsupported member of an account analyzer", inventory.Unused, func(w *world) {
			w.analyzer(member, there, "ACCOUNT_UNUSED_ACCESS", "ACTIVE", &inventory.Configuration{Unsupported: "unsupported member"})
		}, inventory.Covered, ""},
		{"an unsupported type", inventory.External, func(w *world) {
			w.analyzer(member, here, "ACCOUNT_FUTURE_ACCESS", "ACTIVE", nil)
		}, inventory.Unknown, "does not support analyzers of type ACCOUNT_FUTURE_ACCESS"},
		{"an unsupported type, for unused access in any Region", inventory.Unused, func(w *world) {
			w.analyzer(member, there, "ACCOUNT_FUTURE_ACCESS", "ACTIVE", nil)
		}, inventory.Unknown, "ACCOUNT_FUTURE_ACCESS"},
		{"an unsupported type in another Region", inventory.External, func(w *world) {
			w.analyzer(member, there, "ACCOUNT_FUTURE_ACCESS", "ACTIVE", nil)
		}, inventory.Uncovered, "there is no external access analyzer"},
		{"an unsupported type in another account", inventory.External, func(w *world) {
			w.analyzer(admin, here, "ACCOUNT_FUTURE_ACCESS", "ACTIVE", nil)
		}, inventory.Uncovered, ""},
		{"an unsupported type that is not ACTIVE", inventory.External, func(w *world) {
			w.analyzer(member, here, "ACCOUNT_FUTURE_ACCESS", "DISABLED", nil)
		}, inventory.Uncovered, "there is no external access analyzer"},
		{"an unsupported type of organization analyzer", inventory.External, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION_FUTURE_ACCESS", "ACTIVE", nil)
		}, inventory.Unknown, "ORGANIZATION_FUTURE_ACCESS"},
		{"an unsupported type of organization analyzer, only account analyzers accepted", inventory.External, func(w *world) {
			w.policy.Rules[inventory.External] = Rule{Required: true, Scopes: []inventory.Scope{inventory.AccountScope}}
			w.analyzer(admin, here, "ORGANIZATION_FUTURE_ACCESS", "ACTIVE", nil)
			w.analyzer(member, here, "ORGANIZATION_FUTURE_ACCESS", "ACTIVE", nil)
		}, inventory.Uncovered, ""},
		{"an unsupported type of unknown scope in the account of an administrator", inventory.External, func(w *world) {
			w.analyzer(admin, here, "FUTURE", "ACTIVE", nil)
		}, inventory.Unknown, "FUTURE"},
		{"an unsupported type of unknown scope in another account", inventory.External, func(w *world) {
			w.analyzer(third, here, "FUTURE", "ACTIVE", nil)
		}, inventory.Uncovered, ""},
		{"an unsupported type of organization analyzer in an account not known as administrator", inventory.External, func(w *world) {
			w.analyzer(third, here, "ORGANIZATION_FUTURE_ACCESS", "ACTIVE", nil)
		}, inventory.Unknown, "not known to administer"},
		{"an unsupported type, and one that covers", inventory.External, func(w *world) {
			w.analyzer(member, here, "ACCOUNT_FUTURE_ACCESS", "ACTIVE", nil)
			w.analyzer(admin, here, "ORGANIZATION", "ACTIVE", external)
		}, inventory.Covered, ""},

		{"internal: nothing included", inventory.Internal, func(w *world) { w.analyzer(member, here, "ACCOUNT_INTERNAL_ACCESS", "ACTIVE", including()) }, inventory.Uncovered, "leaves this account out"},
		{"internal: an empty criterion", inventory.Internal, func(w *world) {
			w.analyzer(member, here, "ACCOUNT_INTERNAL_ACCESS", "ACTIVE", including(inventory.Inclusion{}))
		}, inventory.Unknown, "an inclusion is empty"},
		{"internal: an unsupported member", inventory.Internal, func(w *world) {
			c := including(inventory.Inclusion{ResourceTypes: []string{"AWS::S3::Bucket"}})
			c.Unsupported = "unsupported member"
			w.analyzer(member, here, "ACCOUNT_INTERNAL_ACCESS", "ACTIVE", c)
		}, inventory.Unknown, "unsupported member"},
		{"internal: an unsupported member, and another analyzer", inventory.Internal, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION_INTERNAL_ACCESS", "ACTIVE", &inventory.Configuration{Unsupported: "unsupported member"})
			w.analyzer(member, here, "ACCOUNT_INTERNAL_ACCESS", "ACTIVE", including(inventory.Inclusion{ResourceTypes: []string{"AWS::S3::Bucket"}}))
		}, inventory.Covered, ""},
		{"internal: by type", inventory.Internal, func(w *world) {
			w.analyzer(member, here, "ACCOUNT_INTERNAL_ACCESS", "ACTIVE", including(inventory.Inclusion{ResourceTypes: []string{"AWS::S3::Bucket"}}))
		}, inventory.Covered, ""},
		{"internal: organization, another account", inventory.Internal, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION_INTERNAL_ACCESS", "ACTIVE", including(inventory.Inclusion{AccountIDs: []string{third}}))
		}, inventory.Uncovered, ""},
		{"internal: organization, this account", inventory.Internal, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION_INTERNAL_ACCESS", "ACTIVE", including(inventory.Inclusion{AccountIDs: []string{member}, ResourceTypes: []string{"AWS::S3::Bucket"}}))
		}, inventory.Covered, ""},
		{"internal: resource in the account", inventory.Internal, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION_INTERNAL_ACCESS", "ACTIVE", including(inventory.Inclusion{ResourceARNs: []string{"arn:aws:dynamodb:eu-west-1:111111111111:table/t"}}))
		}, inventory.Covered, ""},
		{"internal: resource in another Region", inventory.Internal, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION_INTERNAL_ACCESS", "ACTIVE", including(inventory.Inclusion{ResourceARNs: []string{"arn:aws:dynamodb:us-east-1:111111111111:table/t"}}))
		}, inventory.Uncovered, ""},
		{"internal: resource of another type than asked for", inventory.Internal, func(w *world) {
			w.analyzer(member, here, "ACCOUNT_INTERNAL_ACCESS", "ACTIVE", including(inventory.Inclusion{
				ResourceARNs: []string{"arn:aws:dynamodb:eu-west-1:111111111111:table/t"}, ResourceTypes: []string{"AWS::S3::Bucket"},
			}))
		}, inventory.Uncovered, ""},
		{"internal: resource of another type of the same service", inventory.Internal, func(w *world) {
			w.analyzer(member, here, "ACCOUNT_INTERNAL_ACCESS", "ACTIVE", including(
				inventory.Inclusion{
					ResourceARNs:  []string{"arn:aws:dynamodb:eu-west-1:111111111111:table/t", "arn:aws:rds:eu-west-1:111111111111:snapshot:s"},
					ResourceTypes: []string{"AWS::DynamoDB::Stream", "AWS::RDS::DBClusterSnapshot"},
				},
				inventory.Inclusion{
					ResourceARNs:  []string{"arn:aws:dynamodb:eu-west-1:111111111111:table/t/stream/1", "arn:aws:rds:eu-west-1:111111111111:cluster-snapshot:s"},
					ResourceTypes: []string{"AWS::DynamoDB::Table", "AWS::RDS::DBSnapshot"},
				}))
		}, inventory.Uncovered, ""},
		{"internal: resource of one of several types", inventory.Internal, func(w *world) {
			w.analyzer(member, here, "ACCOUNT_INTERNAL_ACCESS", "ACTIVE", including(inventory.Inclusion{
				ResourceARNs:  []string{"arn:aws:rds:eu-west-1:111111111111:cluster-snapshot:s"},
				ResourceTypes: []string{"AWS::RDS::DBSnapshot", "AWS::RDS::DBClusterSnapshot"},
			}))
		}, inventory.Covered, ""},
		{"internal: bucket whose owner is unknown", inventory.Internal, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION_INTERNAL_ACCESS", "ACTIVE", including(inventory.Inclusion{ResourceARNs: []string{"arn:aws:s3:::b"}}))
		}, inventory.Unknown, "arn:aws:s3:::b"},
		{"internal: bucket of the only account", inventory.Internal, func(w *world) {
			w.analyzer(admin, here, "ORGANIZATION_INTERNAL_ACCESS", "ACTIVE", including(inventory.Inclusion{AccountIDs: []string{member}, ResourceARNs: []string{"arn:aws:s3:::b"}}))
		}, inventory.Covered, ""},
		{"internal: own bucket", inventory.Internal, func(w *world) {
			w.analyzer(member, here, "ACCOUNT_INTERNAL_ACCESS", "ACTIVE", including(inventory.Inclusion{ResourceARNs: []string{"arn:aws:s3:::b"}}))
		}, inventory.Covered, ""},
		{"internal: configuration not read", inventory.Internal, func(w *world) {
			w.analyzer(member, here, "ACCOUNT_INTERNAL_ACCESS", "ACTIVE", nil)
		}, inventory.Unknown, "inclusions"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(test.access)
			test.given(w)
			region := here
			if test.access == inventory.Unused {
				region = inventory.Global
			}
			v := w.verdict(t, region)
			if v.State != test.want {
				t.Errorf("state %s, want %s: %s", v.State, test.want, v.Why())
			}
			if !strings.Contains(v.Why(), test.why) {
				t.Errorf("reason %q does not contain %q", v.Why(), test.why)
			}
		})
	}
}

func TestExemptions(t *testing.T) {
	tests := []struct {
		name      string
		exemption inventory.Exemption
		exempt    bool
	}{
		{"this target", inventory.Exemption{Account: member, Region: here, Access: "external", Reason: "sandbox"}, true},
		{"everything", inventory.Exemption{Account: "*", Region: "*", Access: "*", Reason: "migration"}, true},
		{"another account", inventory.Exemption{Account: admin, Region: "*", Access: "*", Reason: "x"}, false},
		{"another Region", inventory.Exemption{Account: member, Region: there, Access: "*", Reason: "x"}, false},
		{"another access", inventory.Exemption{Account: member, Region: "*", Access: "unused", Reason: "x"}, false},
		{"not over yet", inventory.Exemption{Account: "*", Region: "*", Access: "*", Reason: "x", Until: now.Add(time.Second)}, true},
		{"just over", inventory.Exemption{Account: "*", Region: "*", Access: "*", Reason: "x", Until: now}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(inventory.External)
			w.unread(member, here) // an exempt target may be unknown
			w.policy.Exemptions = []inventory.Exemption{test.exemption}
			v := w.verdict(t, here)
			if got := v.State == inventory.Exempt; got != test.exempt {
				t.Fatalf("exempt %v, want %v", got, test.exempt)
			}
			if test.exempt && !strings.Contains(v.Why(), test.exemption.Reason) {
				t.Errorf("%q does not contain the reason", v.Why())
			}
		})
	}
}

func TestExpectedSet(t *testing.T) {
	w := newWorld(inventory.External)
	w.policy.Rules[inventory.Unused] = w.policy.Rules[inventory.External]
	w.admin.OutOfScope = true
	var got []string
	verdicts := Evaluate(w.facts, w.policy, now)
	for _, v := range verdicts {
		got = append(got, v.AccountID+" "+v.Region+" "+string(v.Access))
	}
	want := []string{member + " " + here + " external", member + " " + there + " external", member + " global unused"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("verdicts\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
