package property

import (
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// place is where coverage is expected.
type place struct {
	account, region string
	access          inventory.Access
}

// target is an account in a Region.
type target struct{ account, region string }

// oracle sees the world itself. What it says about coverage follows from the
// contract (Words, Configuration, Coverage) and from what AWS documents of
// analyzers; of the program it knows the configuration alone.
type oracle struct {
	config *config.Config
	world  world
	// faults are those of the sweep: what has to be known in spite of them.
	faults []fault
	now    time.Time
}

// watched are the accounts of which anything is expected.
func (o oracle) watched() []*simaws.Account {
	var watched []*simaws.Account
	for _, a := range o.world.accounts() {
		in, out := o.config.Accounts.Include, o.config.Accounts.Exclude
		filtered := len(in) > 0 && !slices.Contains(in, a.ID) || slices.Contains(out, a.ID)
		if !filtered && (o.discovered(a) || o.static(a.ID) != nil) {
			watched = append(watched, a)
		}
	}
	return watched
}

// discovered tells whether the account is one that discovery would find.
func (o oracle) discovered(a *simaws.Account) bool {
	if o.config.Accounts.Discovery != config.DiscoveryOrganization {
		return a.ID == hub
	}
	part, _ := o.world.of(a.ID)
	return part == o.world.home && !a.Standalone && inUse(a) && !o.account(hub).Standalone
}

func (o oracle) static(id string) *config.StaticAccount {
	for i, s := range o.config.Accounts.Static {
		if s.ID == id {
			return &o.config.Accounts.Static[i]
		}
	}
	return nil
}

func (o oracle) account(id string) *simaws.Account {
	_, a := o.world.of(id)
	return a
}

// regionWatched tells whether the filters leave the Region in.
func (o oracle) regionWatched(region string) bool {
	in := o.config.Regions.Include
	return (len(in) == 0 || slices.Contains(in, region)) && !slices.Contains(o.config.Regions.Exclude, region)
}

// expected are all places, with the exemptions that apply to each.
func (o oracle) expected() map[place][]config.Exemption {
	expected := map[place][]config.Exemption{}
	for _, a := range o.watched() {
		for access, rule := range accesses(o.config) {
			if !rule.Required {
				continue
			}
			regions := []string{inventory.Global}
			if access != inventory.Unused {
				regions = slices.DeleteFunc(enabledRegions(a), func(r string) bool { return !o.regionWatched(r) })
			}
			for _, r := range regions {
				p := place{a.ID, r, access}
				expected[p] = o.exemptions(p)
			}
		}
	}
	return expected
}

func (o oracle) exemptions(p place) []config.Exemption {
	var apply []config.Exemption
	matches := func(pattern, value string) bool { return pattern == "*" || pattern == value }
	for _, e := range o.config.Coverage.Exemptions {
		over := !e.Until.IsZero() && o.now.After(e.Until)
		if !over && matches(e.Account, p.account) && matches(e.Region, p.region) && matches(e.Access, string(p.access)) {
			apply = append(apply, e)
		}
	}
	return apply
}

// accepts tells whether analyzers of a scope count for a kind of access.
func (o oracle) accepts(access inventory.Access, scope string) bool {
	return slices.Contains(accesses(o.config)[access].Scopes, scope)
}

// covering are the ACTIVE analyzers that cover a place.
func (o oracle) covering(p place) []*simaws.Analyzer {
	part, account := o.world.of(p.account)
	if account == nil {
		return nil
	}
	var covering []*simaws.Analyzer
	for _, a := range part.Analyzers {
		if a.Status == "ACTIVE" && o.looksAt(a, part, account, p) {
			covering = append(covering, a)
		}
	}
	return covering
}

// holders are the targets in which an analyzer covers the place.
func (o oracle) holders(p place) map[target]bool {
	holders := map[target]bool{}
	for _, a := range o.covering(p) {
		holders[target{a.AccountID, a.Region}] = true
	}
	return holders
}

// looksAt tells whether an analyzer, were it ACTIVE, covers the place.
func (o oracle) looksAt(a *simaws.Analyzer, part *simaws.World, account *simaws.Account, p place) bool {
	switch a.Type {
	case "ACCOUNT", "ACCOUNT_UNUSED_ACCESS", "ACCOUNT_INTERNAL_ACCESS":
		if a.AccountID != p.account || !o.accepts(p.access, "account") {
			return false
		}
	case "ORGANIZATION", "ORGANIZATION_UNUSED_ACCESS", "ORGANIZATION_INTERNAL_ACCESS":
		if account.Standalone || !slices.Contains(administrators(part), a.AccountID) || !o.accepts(p.access, "organization") {
			return false
		}
	default:
		return false
	}
	switch p.access {
	case inventory.Unused:
		return a.Unused != nil && !excludes(a, p.account)
	case inventory.Internal:
		return a.Internal != nil && a.Region == p.region &&
			slices.ContainsFunc(a.Internal.Inclusions, func(in simaws.Inclusion) bool { return includes(in, p) })
	}
	return a.Unused == nil && a.Internal == nil && a.Region == p.region
}

func excludes(a *simaws.Analyzer, account string) bool {
	return slices.ContainsFunc(a.Unused.Exclusions, func(e simaws.Exclusion) bool { return slices.Contains(e.AccountIDs, account) })
}

// includes tells whether a criterion includes something that is in the account
// and the Region. Of what is named by type alone, every account has some.
func includes(in simaws.Inclusion, p place) bool {
	if len(in.AccountIDs) > 0 && !slices.Contains(in.AccountIDs, p.account) {
		return false
	}
	return len(in.ResourceARNs) == 0 || slices.ContainsFunc(in.ResourceARNs, func(arn string) bool {
		kind, account, region := resource(arn)
		return account == p.account && region == p.region && (len(in.ResourceTypes) == 0 || slices.Contains(in.ResourceTypes, kind))
	})
}

// resource reads an ARN of drawing.resource.
func resource(arn string) (kind, account, region string) {
	if place, ok := strings.CutPrefix(arn, "arn:aws:s3:::bucket-"); ok {
		account, region, _ = strings.Cut(place, "-")
		return "AWS::S3::Bucket", account, region
	}
	p := strings.SplitN(arn, ":", 6)
	switch service, name := p[2], p[5]; {
	case service == "s3express":
		kind = "AWS::S3Express::DirectoryBucket"
	case service == "rds" && strings.HasPrefix(name, "cluster-snapshot:"):
		kind = "AWS::RDS::DBClusterSnapshot"
	case service == "rds":
		kind = "AWS::RDS::DBSnapshot"
	case strings.Contains(name, "/stream/"):
		kind = "AWS::DynamoDB::Stream"
	default:
		kind = "AWS::DynamoDB::Table"
	}
	return kind, p[4], p[3]
}

// The rest is about what can be known: when a series must not be absent.

// knowable tells whether the exporter has no excuse not to know the coverage
// of a place. Either something that can be read covers it, and then nothing
// else matters, or everything that might cover it can be read.
func (o oracle) knowable(p place) bool {
	a := o.account(p.account)
	if !o.listed() || !o.regionsKnown(a) {
		return false
	}
	for _, c := range o.covering(p) {
		if o.legible(c, p) && o.visible(c, a, p) {
			return true
		}
	}
	if o.accepts(p.access, "account") && !o.readable(a, p) {
		return false
	}
	if !o.accepts(p.access, "organization") {
		return true
	}
	if !o.membershipKnown(a) {
		return false
	}
	part, _ := o.world.of(a.ID)
	if a.Standalone {
		return true
	}
	return o.administratorsKnown(part) && o.administratorsReadable(part, p) && o.strangersKnown()
}

// listed tells whether the accounts can be listed, and the organization that
// they are in.
func (o oracle) listed() bool {
	if mayHit(o.faults, "sts", "GetCallerIdentity", hub, "") || mayHit(o.faults, "organizations", "", "", "") {
		return false
	}
	return o.config.Accounts.Discovery != config.DiscoveryOrganization || o.hubMayList() && o.hubMay("organizations:ListAccounts")
}

// hubMayList tells whether AWS lets the hub list accounts and administrators:
// it lets the management account and delegated administrators of any service.
func (o oracle) hubMayList() bool {
	org := o.world.home.Organization
	if org == nil || o.account(hub).Standalone || !o.hubMay("organizations:DescribeOrganization") {
		return false
	}
	delegated := false
	for _, ids := range org.DelegatedAdmins {
		delegated = delegated || slices.Contains(ids, hub)
	}
	return delegated || org.ManagementID == hub
}

func (o oracle) hubMay(action string) bool { return allows(o.world.home.Caller.Actions, action) }

func allows(actions []string, action string) bool {
	return actions == nil || slices.Contains(actions, action)
}

// may tells whether the exporter can do something in an account: whether it
// enters it, can, is allowed to, and nothing goes wrong.
func (o oracle) may(a *simaws.Account, service, operation, region string) bool {
	action := service + ":" + operation
	if operation == "ListFindingsV2" {
		action = "access-analyzer:ListFindings"
	}
	if mayHit(o.faults, service, operation, a.ID, region) {
		return false
	}
	static := o.static(a.ID)
	if a.ID == hub && (static == nil || static.RoleARN == "") {
		return o.hubMay(action)
	}
	if o.config.AssumeRole.Name == "" && (static == nil || static.RoleARN == "") {
		return false
	}
	if !inUse(a) || len(a.Roles) == 0 || mayHit(o.faults, "sts", "AssumeRole", a.ID, "") || !o.hubMay("sts:AssumeRole") {
		return false
	}
	r := a.Roles[0]
	return slices.Contains(r.Trusts, hub) && (r.ExternalID == "" || r.ExternalID == o.config.AssumeRole.ExternalID) && allows(r.Actions, action)
}

// regionsKnown tells whether the account's Regions can be listed from within.
func (o oracle) regionsKnown(a *simaws.Account) bool { return o.may(a, "account", "ListRegions", "") }

// readable tells whether all analyzers of an account can be read that might
// cover the place, with as much of them as matters.
func (o oracle) readable(a *simaws.Account, p place) bool {
	regions := []string{p.region}
	if p.access == inventory.Unused {
		regions = enabledRegions(a)
	}
	if !o.regionsKnown(a) {
		return false
	}
	for _, r := range regions {
		if !slices.Contains(enabledRegions(a), r) {
			continue // nothing can be there
		}
		if !o.regionWatched(r) || !o.may(a, "access-analyzer", "ListAnalyzers", r) {
			return false
		}
		if p.access != inventory.External && !o.may(a, "access-analyzer", "GetAnalyzer", r) {
			return false
		}
	}
	part, _ := o.world.of(a.ID)
	for _, analyzer := range part.Analyzers {
		if p.access == inventory.Internal && analyzer.AccountID == a.ID && analyzer.Region == p.region && !o.legible(analyzer, p) {
			return false
		}
	}
	return true
}

// visible tells whether one analyzer can be read, and is known to be for the
// account.
func (o oracle) visible(c *simaws.Analyzer, a *simaws.Account, p place) bool {
	holder := o.account(c.AccountID)
	if !o.regionWatched(c.Region) || !o.may(holder, "access-analyzer", "ListAnalyzers", c.Region) || !o.regionsKnown(holder) {
		return false
	}
	if p.access != inventory.External && !o.may(holder, "access-analyzer", "GetAnalyzer", c.Region) {
		return false
	}
	if !isOrganization(c) {
		return true
	}
	part, _ := o.world.of(a.ID)
	// A holder that nobody ties to the account's organization may as well be of
	// another: that it is named in accounts.organization_admins does not say of
	// which it is an administrator.
	return o.read(holder) && o.membershipKnown(a) && o.membershipKnown(holder) && o.administratorsKnown(part)
}

// legible tells whether an analyzer says in plain words what it includes: of a
// bucket, the ARN tells neither account nor Region.
func (o oracle) legible(a *simaws.Analyzer, p place) bool {
	if p.access != inventory.Internal || a.Internal == nil || !isOrganization(a) || a.Status != "ACTIVE" {
		return true
	}
	for _, in := range a.Internal.Inclusions {
		for _, arn := range in.ResourceARNs {
			if strings.HasPrefix(arn, "arn:aws:s3:::") {
				return false
			}
		}
	}
	return true
}

// read tells whether the exporter looks into an account at all.
func (o oracle) read(a *simaws.Account) bool {
	return (o.discovered(a) || o.static(a.ID) != nil) && !slices.Contains(o.config.Accounts.Exclude, a.ID)
}

// membershipKnown tells whether it can be known in which organization an
// account is: it tells, or others do who are in it. All of them name the
// management account, the hub also the delegated administrators.
func (o oracle) membershipKnown(a *simaws.Account) bool {
	part, _ := o.world.of(a.ID)
	org := part.Organization
	switch {
	case o.membershipTold(a):
		return true
	case org == nil || a.Standalone:
		return false
	case org.ManagementID == a.ID:
		return slices.ContainsFunc(part.Accounts, func(m *simaws.Account) bool { return !m.Standalone && o.read(m) && o.membershipTold(m) })
	}
	return part == o.world.home && slices.Contains(administrators(part), a.ID) && o.delegationKnown()
}

// membershipTold tells whether an account was listed, or can be asked for its
// organization.
func (o oracle) membershipTold(a *simaws.Account) bool {
	if a.ID == hub {
		return o.hubMay("organizations:DescribeOrganization")
	}
	return o.discovered(a) && o.config.Accounts.Discovery == config.DiscoveryOrganization && o.hubMay("organizations:DescribeOrganization") ||
		o.may(a, "organizations", "DescribeOrganization", "")
}

// delegationKnown tells whether the hub can list the delegated administrators
// of its organization.
func (o oracle) delegationKnown() bool {
	return o.hubMayList() && o.hubMay("organizations:ListDelegatedAdministrators")
}

// administratorsKnown tells whether it can be known who may hold organization
// analyzers. No organization but the hub's own can be asked.
func (o oracle) administratorsKnown(part *simaws.World) bool {
	return len(o.config.Accounts.OrganizationAdmins) > 0 || part == o.world.home && o.delegationKnown()
}

func (o oracle) administratorsReadable(part *simaws.World, p place) bool {
	admins := o.config.Accounts.OrganizationAdmins
	if len(admins) == 0 {
		admins = administrators(part)
	}
	for _, id := range admins {
		if a := o.account(id); a == nil || !o.read(a) || !o.readable(a, p) {
			return false
		}
	}
	return true
}

// strangersKnown tells whether it is known of every account that holds an
// organization analyzer in which organization it is: it might be this one.
func (o oracle) strangersKnown() bool {
	for _, a := range o.world.analyzers() {
		if holder := o.account(a.AccountID); isOrganization(a) && o.read(holder) && !o.membershipKnown(holder) {
			return false
		}
	}
	return true
}

// countable tells whether there is no excuse not to have counted the findings
// of an analyzer.
func (o oracle) countable(a *simaws.Analyzer) bool {
	account := o.account(a.AccountID)
	inaccessible := isOrganization(a) && a.Status == "DISABLED"
	return !inaccessible && o.listed() && slices.Contains(o.watched(), account) && o.regionsKnown(account) && o.regionWatched(a.Region) &&
		o.may(account, "access-analyzer", "ListAnalyzers", a.Region) && o.may(account, "access-analyzer", listFindings(a), a.Region)
}

// mayLeaveOut tells whether the configuration permits not to look into an
// account in a Region: analyzers of its organization, held by others, cover it
// for everything that is expected of it.
func (o oracle) mayLeaveOut(id, region string) bool {
	part, account := o.world.of(id)
	if o.config.AssumeRole.Enter != config.EnterUncovered || account == nil || account.Standalone {
		return false
	}
	if slices.Contains(administrators(part), id) && len(o.config.Accounts.OrganizationAdmins) == 0 {
		return false
	}
	expected := 0
	for access, rule := range accesses(o.config) {
		if !rule.Required {
			continue
		}
		expected++
		p := place{id, region, access}
		if access == inventory.Unused {
			p.region = inventory.Global
		}
		if !slices.ContainsFunc(o.covering(p), func(a *simaws.Analyzer) bool { return a.AccountID != id }) {
			return false
		}
	}
	return expected > 0
}

// counts are the findings of an analyzer as they are to be published.
func (o oracle) counts(a *simaws.Analyzer) map[finding]float64 {
	c := o.config.Findings
	counts := map[finding]float64{}
	for _, kind := range findingTypes(a) {
		for _, status := range c.Statuses {
			counts[finding{a.AccountID, kind, status, "", ""}] = 0
		}
	}
	for _, f := range a.Findings {
		if !slices.Contains(c.Statuses, f.Status) {
			continue
		}
		key := finding{f.Owner, f.Type, f.Status, f.ResourceType, ""}
		if !c.ResourceType {
			key.resource = ""
		}
		if f.Type == "ExternalAccess" && f.Error == "" {
			key.public = map[bool]string{true: "true", false: "false"}[f.Public]
		}
		counts[key]++
	}
	return counts
}

func findingTypes(a *simaws.Analyzer) []string {
	switch a.Type {
	case "ACCOUNT", "ORGANIZATION":
		return []string{"ExternalAccess"}
	case "ACCOUNT_UNUSED_ACCESS", "ORGANIZATION_UNUSED_ACCESS":
		return []string{"UnusedIAMRole", "UnusedIAMUserAccessKey", "UnusedIAMUserPassword", "UnusedPermission"}
	case "ACCOUNT_INTERNAL_ACCESS", "ORGANIZATION_INTERNAL_ACCESS":
		return []string{"InternalAccess"}
	}
	return nil
}
