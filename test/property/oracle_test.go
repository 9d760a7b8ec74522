package property

import (
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// requirement is a kind of access in a target, which the policy may require to
// be covered.
type requirement struct {
	account, region string
	access          inventory.Access
}

// target is an account in a Region.
type target struct{ account, region string }

// oracle reads the world directly. Its coverage follows from the contract (Words,
// Configuration, Coverage) and from the AWS documentation of analyzers. The
// configuration is its only input from the program.
type oracle struct {
	config *config.Config
	world  world
	// faults of the sweep limit which series may be absent.
	faults []fault
	now    time.Time
}

// inScope are the accounts that the configuration includes.
func (o oracle) inScope() []*simaws.Account {
	var inScope []*simaws.Account
	for _, a := range o.world.accounts() {
		in, out := o.config.Accounts.Include, o.config.Accounts.Exclude
		filtered := len(in) > 0 && !slices.Contains(in, a.ID) || slices.Contains(out, a.ID)
		if !filtered && (o.discovered(a) || o.static(a.ID) != nil) {
			inScope = append(inScope, a)
		}
	}
	return inScope
}

// discovered reports whether discovery includes the account.
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

// regionInScope reports whether the filters include the Region.
func (o oracle) regionInScope(region string) bool {
	in := o.config.Regions.Include
	return (len(in) == 0 || slices.Contains(in, region)) && !slices.Contains(o.config.Regions.Exclude, region)
}

// expected are all requirements, with the exemptions that apply to each.
func (o oracle) expected() map[requirement][]config.Exemption {
	expected := map[requirement][]config.Exemption{}
	for _, a := range o.inScope() {
		for access, rule := range accesses(o.config) {
			if !rule.Required {
				continue
			}
			regions := []string{inventory.Global}
			if access != inventory.Unused {
				regions = slices.DeleteFunc(enabledRegions(a), func(r string) bool { return !o.regionInScope(r) })
			}
			for _, r := range regions {
				p := requirement{a.ID, r, access}
				expected[p] = o.exemptions(p)
			}
		}
	}
	return expected
}

func (o oracle) exemptions(p requirement) []config.Exemption {
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

// accepts reports whether analyzers of a scope count for a kind of access.
func (o oracle) accepts(access inventory.Access, scope string) bool {
	return slices.Contains(accesses(o.config)[access].Scopes, scope)
}

// covering are the ACTIVE analyzers that meet a requirement.
func (o oracle) covering(p requirement) []*simaws.Analyzer { return o.coveringOf(o.world, p) }

// coveringOf are the ACTIVE analyzers of another time that would meet a requirement.
func (o oracle) coveringOf(w world, p requirement) []*simaws.Analyzer {
	part, account := o.world.of(p.account)
	if account == nil {
		return nil
	}
	var covering []*simaws.Analyzer
	for _, of := range w.parts() {
		for _, a := range of.Analyzers {
			if a.Status == "ACTIVE" && o.covers(a, part, account, p) {
				covering = append(covering, a)
			}
		}
	}
	return covering
}

// undefined are the ACTIVE analyzers that may meet a requirement: what the
// simulator returns about them is not in the API model, or AWS does not define it.
func (o oracle) undefined(p requirement) []*simaws.Analyzer {
	part, account := o.world.of(p.account)
	if account == nil {
		return nil
	}
	var undefined []*simaws.Analyzer
	for _, a := range part.Analyzers {
		if a.Status == "ACTIVE" && !o.covers(a, part, account, p) && o.mayCover(a, part, account, p) {
			undefined = append(undefined, a)
		}
	}
	return undefined
}

func (o oracle) mayCover(a *simaws.Analyzer, part *simaws.World, account *simaws.Account, p requirement) bool {
	if p.access != inventory.Unused && a.Region != p.region {
		return false
	}
	own := a.AccountID == p.account && o.accepts(p.access, "account")
	administrators := administrators(part)
	if named := o.config.Accounts.OrganizationAdmins; len(named) > 0 {
		administrators = named
	}
	_, owner := o.world.of(a.AccountID)
	shared := !account.Standalone && owner != nil && !owner.Standalone && slices.Contains(administrators, a.AccountID) && o.accepts(p.access, "organization")
	switch a.Type {
	case "UNHEARD_OF":
		return own || shared
	case "ACCOUNT_UNHEARD_OF_ACCESS":
		return own
	case "ORGANIZATION_UNHEARD_OF_ACCESS":
		return shared
	case "ACCOUNT_INTERNAL_ACCESS":
		return p.access == inventory.Internal && own && a.RawConfiguration != nil
	case "ORGANIZATION_INTERNAL_ACCESS":
		return p.access == inventory.Internal && shared && a.RawConfiguration != nil
	case "ORGANIZATION_UNUSED_ACCESS":
		return p.access == inventory.Unused && shared && (a.RawConfiguration != nil || !excludesWhole(a, p.account))
	}
	return false
}

// excludesWhole reports whether a criterion without tags excludes the account.
func excludesWhole(a *simaws.Analyzer, account string) bool {
	return slices.ContainsFunc(a.Unused.Exclusions, func(e simaws.Exclusion) bool {
		return len(e.ResourceTags) == 0 && slices.Contains(e.AccountIDs, account)
	})
}

// holders are the targets of the analyzers that meet the requirement, or may.
func (o oracle) holders(p requirement) map[target]bool {
	holders := map[target]bool{}
	for _, a := range append(o.covering(p), o.undefined(p)...) {
		holders[target{a.AccountID, a.Region}] = true
	}
	return holders
}

// covers reports whether an analyzer meets the requirement when it is ACTIVE.
func (o oracle) covers(a *simaws.Analyzer, part *simaws.World, account *simaws.Account, p requirement) bool {
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
		// Only its type matters for the account that owns it.
		return a.Unused != nil && (a.AccountID == p.account || a.RawConfiguration == nil && !excludes(a, p.account))
	case inventory.Internal:
		return a.Internal != nil && a.RawConfiguration == nil && a.Region == p.region &&
			slices.ContainsFunc(a.Internal.Inclusions, func(in simaws.Inclusion) bool { return includes(in, p) })
	}
	return a.Unused == nil && a.Internal == nil && a.Region == p.region
}

func excludes(a *simaws.Analyzer, account string) bool {
	return slices.ContainsFunc(a.Unused.Exclusions, func(e simaws.Exclusion) bool { return slices.Contains(e.AccountIDs, account) })
}

// includes reports whether a criterion includes a resource in the account and
// the Region. Every account is taken to have resources of every type.
func includes(in simaws.Inclusion, p requirement) bool {
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
	if bucket, ok := strings.CutPrefix(arn, "arn:aws:s3:::bucket-"); ok {
		account, region, _ = strings.Cut(bucket, "-")
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

// The rest decides which series must not be absent.

// determinable reports whether coverage must be published for a requirement:
// either an analyzer that can be read covers it, or every analyzer that might
// cover it can be read.
func (o oracle) determinable(p requirement) bool {
	a := o.account(p.account)
	if !o.listed() || !o.regionsKnown(a) {
		return false
	}
	for _, c := range o.covering(p) {
		if o.resolvable(c, p) && o.visible(c, a, p) {
			return true
		}
	}
	if len(o.undefined(p)) > 0 {
		return false
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
	return o.administratorsKnown(part) && o.administratorsReadable(part, p) && o.holderOrganizationsKnown()
}

// listed reports whether the accounts and their organization can be listed.
func (o oracle) listed() bool {
	if mayHit(o.faults, "sts", "GetCallerIdentity", hub, "") || mayHit(o.faults, "organizations", "", "", "") {
		return false
	}
	return o.config.Accounts.Discovery != config.DiscoveryOrganization || o.hubMayList() && o.hubMay("organizations:ListAccounts")
}

// hubMayList reports whether AWS allows the hub to list accounts and
// administrators: it allows the management account and delegated administrators
// of any service.
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

// may reports whether the exporter can call an operation in an account: its role
// there is configured, can be assumed and allows the action, and no fault hits.
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

// regionsKnown reports whether the account's Regions can be listed with its role.
func (o oracle) regionsKnown(a *simaws.Account) bool { return o.may(a, "account", "ListRegions", "") }

// readable reports whether every analyzer of an account that might meet the
// requirement can be read, with the details that coverage depends on.
func (o oracle) readable(a *simaws.Account, p requirement) bool {
	regions := []string{p.region}
	if p.access == inventory.Unused {
		regions = enabledRegions(a)
	}
	if !o.regionsKnown(a) {
		return false
	}
	for _, r := range regions {
		if !slices.Contains(enabledRegions(a), r) {
			continue // it cannot have analyzers
		}
		if !o.regionInScope(r) || !o.may(a, "access-analyzer", "ListAnalyzers", r) {
			return false
		}
		if p.access != inventory.External && !o.may(a, "access-analyzer", "GetAnalyzer", r) {
			return false
		}
	}
	part, _ := o.world.of(a.ID)
	for _, analyzer := range part.Analyzers {
		if p.access == inventory.Internal && analyzer.AccountID == a.ID && analyzer.Region == p.region && !o.resolvable(analyzer, p) {
			return false
		}
	}
	return true
}

// visible reports whether one analyzer can be read, and its organization is known
// to be that of the account.
func (o oracle) visible(c *simaws.Analyzer, a *simaws.Account, p requirement) bool {
	holder := o.account(c.AccountID)
	if !o.regionInScope(c.Region) || !o.may(holder, "access-analyzer", "ListAnalyzers", c.Region) || !o.regionsKnown(holder) {
		return false
	}
	if p.access != inventory.External && !o.may(holder, "access-analyzer", "GetAnalyzer", c.Region) {
		return false
	}
	if !isOrganization(c) {
		return true
	}
	part, _ := o.world.of(a.ID)
	// accounts.organization_admins does not specify the organization of an
	// account: as long as its membership is unknown, it may belong to another.
	return o.read(holder) && o.membershipKnown(a) && o.membershipKnown(holder) && o.administratorsKnown(part)
}

// resolvable reports whether the accounts and Regions that an analyzer includes
// follow from its criteria. The ARN of a bucket has neither.
func (o oracle) resolvable(a *simaws.Analyzer, p requirement) bool {
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

// read reports whether the exporter reads an account at all.
func (o oracle) read(a *simaws.Account) bool {
	return (o.discovered(a) || o.static(a.ID) != nil) && !slices.Contains(o.config.Accounts.Exclude, a.ID)
}

// membershipKnown reports whether the organization of an account can be read,
// from the account or from other members. Every member returns the management
// account, the hub also the delegated administrators.
func (o oracle) membershipKnown(a *simaws.Account) bool {
	part, _ := o.world.of(a.ID)
	org := part.Organization
	switch {
	case o.membershipReadable(a):
		return true
	case org == nil || a.Standalone:
		return false
	case org.ManagementID == a.ID:
		return slices.ContainsFunc(part.Accounts, func(m *simaws.Account) bool { return !m.Standalone && o.read(m) && o.membershipReadable(m) })
	}
	return part == o.world.home && slices.Contains(administrators(part), a.ID) && o.delegationKnown()
}

// membershipReadable reports whether an account was listed, or its organization
// can be described with its role.
func (o oracle) membershipReadable(a *simaws.Account) bool {
	if a.ID == hub {
		return o.hubMay("organizations:DescribeOrganization")
	}
	return o.discovered(a) && o.config.Accounts.Discovery == config.DiscoveryOrganization && o.hubMay("organizations:DescribeOrganization") ||
		o.may(a, "organizations", "DescribeOrganization", "")
}

// delegationKnown reports whether the hub can list the delegated administrators
// of its organization.
func (o oracle) delegationKnown() bool {
	return o.hubMayList() && o.hubMay("organizations:ListDelegatedAdministrators")
}

// administratorsKnown reports whether the accounts that may hold organization
// analyzers are configured or can be listed. Only the hub's own organization can
// be queried.
func (o oracle) administratorsKnown(part *simaws.World) bool {
	return len(o.config.Accounts.OrganizationAdmins) > 0 || part == o.world.home && o.delegationKnown()
}

func (o oracle) administratorsReadable(part *simaws.World, p requirement) bool {
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

// holderOrganizationsKnown reports whether the organization of every holder of an
// organization analyzer is known. One that is not might be any.
func (o oracle) holderOrganizationsKnown() bool {
	for _, a := range o.world.analyzers() {
		if holder := o.account(a.AccountID); isOrganization(a) && o.read(holder) && !o.membershipKnown(holder) {
			return false
		}
	}
	return true
}

// countable reports whether the findings of an analyzer must have been counted.
func (o oracle) countable(a *simaws.Analyzer) bool {
	account := o.account(a.AccountID)
	inaccessible := isOrganization(a) && a.Status == "DISABLED"
	return !inaccessible && o.listed() && slices.Contains(o.inScope(), account) && o.regionsKnown(account) && o.regionInScope(a.Region) &&
		o.may(account, "access-analyzer", "ListAnalyzers", a.Region) && o.may(account, "access-analyzer", listFindings(a), a.Region)
}

// maySkip reports whether the configuration permits not to read an account in a
// Region: organization analyzers of other accounts meet all its requirements.
func (o oracle) maySkip(id, region string) bool {
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
		p := requirement{id, region, access}
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
