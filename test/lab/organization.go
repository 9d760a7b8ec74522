package lab

import (
	"fmt"
	"slices"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// The accounts of [Organization]. The exporter has the credentials of Hub,
// which is the delegated administrator for Access Analyzer.
const (
	Management = "111111111111"
	Hub        = "222222222222"
	Alpha      = "333333333333"
	Beta       = "444444444444"
)

// Config is the configuration that reads all of [Organization].
const Config = "{accounts: {discovery: organization}, assume_role: {name: exporter}, regions: {include: [us-east-1, eu-west-1, eu-south-1]}, stale_after: 30m}"

var (
	// Accounts are those of [Organization].
	Accounts = []string{Management, Hub, Alpha, Beta}
	// Regions are those in the scope of [Config]. eu-south-1 is an opt-in Region.
	Regions = []string{"us-east-1", "eu-west-1", "eu-south-1"}
)

// Organization returns an organization whose analyzer covers us-east-1. In the
// two other Regions some accounts have analyzers of their own, and that of
// Alpha in eu-west-1 has two findings.
func Organization() *simaws.World {
	w := NewOrganization(Management, Hub, Alpha, Beta)
	for i, name := range []string{"management", "security", "alpha", "beta"} {
		w.Accounts[i].Name, w.Accounts[i].Regions = name, simaws.Regions("eu-south-1")
	}
	disabled := Analyzer(Alpha, "eu-south-1", "ACCOUNT")
	disabled.Status = "DISABLED"
	own := Analyzer(Alpha, "eu-west-1", "ACCOUNT")
	w.Analyzers = []*simaws.Analyzer{
		Analyzer(Hub, "us-east-1", "ORGANIZATION"),
		Analyzer(Hub, "eu-west-1", "ACCOUNT"), own, disabled,
		Analyzer(Beta, "eu-south-1", "ACCOUNT"), Analyzer(Management, "eu-south-1", "ACCOUNT"),
	}
	for _, resource := range []string{"arn:aws:s3:::one", "arn:aws:s3:::two"} {
		own.AddFinding(simaws.Finding{Type: "ExternalAccess", Resource: resource, ResourceType: "AWS::S3::Bucket", Owner: Alpha}, time.Now())
	}
	return w
}

// NewOrganization returns an organization without analyzers. The hub is the
// delegated administrator for Access Analyzer, unless it is the management
// account. Every account has the default Regions and a role "exporter" that
// trusts the hub.
func NewOrganization(management, hub string, members ...string) *simaws.World {
	w := &simaws.World{
		Organization: &simaws.Organization{
			ID: "o-exampleorg1", ManagementID: management, TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
			DelegatedAdmins: map[string][]string{},
		},
		Caller: simaws.Caller{AccountID: hub},
	}
	if hub != management {
		w.Organization.DelegatedAdmins[simaws.AccessAnalyzerPrincipal] = []string{hub}
	}
	for _, id := range slices.Compact(slices.Concat([]string{management, hub}, members)) {
		w.Accounts = append(w.Accounts, &simaws.Account{ID: id, Name: "account-" + id, Regions: simaws.Regions(), Roles: Roles(hub)})
	}
	return w
}

// Members returns n account IDs, beginning with 100000000000.
func Members(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint(100000000000 + i)
	}
	return ids
}

// Roles returns the roles of an account: one that the exporter can assume with
// the credentials of the hub.
func Roles(hub string) []*simaws.Role {
	return []*simaws.Role{{Name: "exporter", Trusts: []string{hub}}}
}

// Standalone returns one account outside any organization, in the default
// Regions and without analyzers.
func Standalone() *simaws.World {
	return &simaws.World{Accounts: []*simaws.Account{{ID: Management, Standalone: true, Regions: simaws.Regions()}}}
}

// Analyzer returns an ACTIVE analyzer of a type of AWS, such as ACCOUNT or
// ORGANIZATION, named after its type.
func Analyzer(accountID, region, kind string) *simaws.Analyzer {
	return &simaws.Analyzer{AccountID: accountID, Region: region, Name: analyzerNames[kind], Type: kind, Status: "ACTIVE"}
}

var analyzerNames = map[string]string{
	"ACCOUNT": "account", "ACCOUNT_UNUSED_ACCESS": "account-unused", "ACCOUNT_INTERNAL_ACCESS": "account-internal",
	"ORGANIZATION": "organization", "ORGANIZATION_UNUSED_ACCESS": "organization-unused", "ORGANIZATION_INTERNAL_ACCESS": "organization-internal",
}

// Target identifies an account in a Region as the tests write it.
func Target(accountID, region string) string { return accountID + "/" + region }

// Targets returns the targets of accounts in Regions, sorted.
func Targets(accountIDs []string, regions ...string) (targets []string) {
	for _, a := range accountIDs {
		for _, r := range regions {
			targets = append(targets, Target(a, r))
		}
	}
	slices.Sort(targets)
	return targets
}
