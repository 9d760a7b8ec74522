// Package coverage evaluates, for each account, Region and kind of access,
// whether an ACTIVE analyzer covers it. It has no clock and does no I/O.
//
// A verdict is Covered or Uncovered only if the input proves it. One ACTIVE
// analyzer that reaches the account proves Covered, whatever else is unknown.
// Without one, anything that could not be read makes the verdict Unknown.
package coverage

import (
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Rule is the policy for one kind of access.
type Rule struct {
	// Required is whether targets must be covered. Otherwise they have no verdict.
	Required bool
	// Scopes are the scopes of analyzer that can cover a target.
	Scopes []inventory.Scope
}

func (r Rule) accepts(s inventory.Scope) bool { return slices.Contains(r.Scopes, s) }

// Policy is the coverage policy of the configuration.
type Policy struct {
	Rules      map[inventory.Access]Rule
	Exemptions []inventory.Exemption
}

// Input is the state of a fleet at one moment.
type Input struct {
	Fleet *inventory.Fleet
	// Analyzers has each analyzer once.
	Analyzers []*inventory.Analyzer
	// Unread has the targets whose list of analyzers is unknown, with the reason.
	// All other targets of queried accounts have been read.
	Unread map[inventory.Target]*inventory.Failure
	// ListedIn has, by ARN, the accounts whose lists contain an analyzer, for
	// analyzers of accounts whose organization is unknown.
	ListedIn map[string][]string
	// Skipped are targets that were not read because they were Skippable.
	Skipped map[inventory.Target]bool
}

// Evaluate returns one verdict for each account in scope, enabled Region and
// required access (Region Global for unused access), in the order of the
// fleet's accounts and their Regions.
func Evaluate(in Input, p Policy, now time.Time) []inventory.Verdict {
	e := newEvaluator(in, p, now)
	verdicts := make([]inventory.Verdict, 0, countVerdicts(in.Fleet, p))
	for _, account := range in.Fleet.Accounts {
		if account.OutOfScope {
			continue
		}
		for _, access := range inventory.Accesses {
			rule := p.Rules[access]
			if !rule.Required {
				continue
			}
			regions := account.Regions
			if access == inventory.Unused {
				regions = []string{inventory.Global}
			}
			for _, region := range regions {
				verdicts = append(verdicts, e.verdict(account, region, access, rule))
			}
		}
	}
	return verdicts
}

// countVerdicts returns the number of verdicts, or more.
func countVerdicts(fleet *inventory.Fleet, p Policy) int {
	perAccount, perTarget := 0, 0
	for access, rule := range p.Rules {
		switch {
		case !rule.Required:
		case access == inventory.Unused:
			perAccount++
		default:
			perTarget++
		}
	}
	n := 0
	for _, a := range fleet.Accounts {
		n += perAccount + perTarget*len(a.Regions)
	}
	return n
}

// evaluator indexes the input.
type evaluator struct {
	input      Input
	exemptions []inventory.Exemption // those that have not ended
	accounts   map[string]*inventory.Account
	byTarget   map[inventory.Target][]*inventory.Analyzer
	// organization has the ACTIVE organization analyzers, which are few.
	organization []*inventory.Analyzer
	// skipped has the Regions in which a member was not read.
	skipped map[orgRegion]bool
}

func newEvaluator(in Input, p Policy, now time.Time) *evaluator {
	e := &evaluator{
		input:    in,
		accounts: make(map[string]*inventory.Account, len(in.Fleet.Accounts)),
		byTarget: make(map[inventory.Target][]*inventory.Analyzer, len(in.Analyzers)),
		skipped:  map[orgRegion]bool{},
	}
	for _, x := range p.Exemptions {
		if x.Until.IsZero() || now.Before(x.Until) {
			e.exemptions = append(e.exemptions, x)
		}
	}
	for _, a := range in.Fleet.Accounts {
		e.accounts[a.ID] = a
	}
	for _, a := range in.Analyzers {
		t := inventory.Target{AccountID: a.AccountID, Region: a.Region}
		e.byTarget[t] = append(e.byTarget[t], a)
		if strings.HasPrefix(a.Type, "ORGANIZATION") && a.Status == inventory.Active {
			e.organization = append(e.organization, a)
		}
	}
	for t := range in.Skipped {
		if a := e.accounts[t.AccountID]; a != nil && a.Organization != nil {
			for _, r := range orgRegionsOf(a, t.Region) {
				e.skipped[r] = true
			}
		}
	}
	return e
}

func (e *evaluator) verdict(account *inventory.Account, region string, access inventory.Access, rule Rule) inventory.Verdict {
	v := inventory.Verdict{AccountID: account.ID, Region: region, Access: access}
	if x := exempted(e.exemptions, v); x != nil {
		v.State, v.Exemption = inventory.Exempt, x
		return v
	}
	if f := doubt(account, region); f != nil {
		v.State, v.Failure = inventory.Unknown, f
		return v
	}
	q := &query{evaluator: e, account: account, region: region, access: access}
	if rule.accepts(inventory.AccountScope) {
		q.checkAccount()
	}
	if q.covering == nil && rule.accepts(inventory.OrganizationScope) {
		q.checkOrganization(account.Organization)
	}
	switch {
	case q.covering != nil:
		v.State, v.Analyzer = inventory.Covered, q.covering
	case q.unknown != nil:
		v.State, v.Failure = inventory.Unknown, q.unknown
	default:
		v.State, v.Analyzer = inventory.Uncovered, q.inactive
	}
	return v
}

// doubt returns why it is not known whether the account is still in use or the
// Region still enabled, or nil.
func doubt(a *inventory.Account, region string) *inventory.Failure {
	switch {
	case a.ScopeFailure != nil:
		return a.ScopeFailure
	case slices.Contains(a.UncertainRegions, region):
		return regionsUnknown(a)
	}
	return nil
}

func exempted(exemptions []inventory.Exemption, v inventory.Verdict) *inventory.Exemption {
	matches := func(pattern, value string) bool { return pattern == "*" || pattern == value }
	for i, x := range exemptions {
		if matches(x.Account, v.AccountID) && matches(x.Region, v.Region) && matches(x.Access, string(v.Access)) {
			return &exemptions[i]
		}
	}
	return nil
}

// query is the evaluation of one account, Region and access. Of each outcome it
// keeps the first, which the verdict names.
type query struct {
	*evaluator
	account *inventory.Account
	region  string
	access  inventory.Access

	// covering is an ACTIVE analyzer that reaches the account.
	covering *inventory.Analyzer
	// unknown is why an analyzer that is not known might cover the account.
	unknown *inventory.Failure
	// inactive is an analyzer that is not ACTIVE or excludes the account.
	inactive *inventory.Analyzer
}

func (q *query) markUnknown(f *inventory.Failure) {
	if q.unknown == nil {
		q.unknown = f
	}
}

// checkAccount checks the analyzers of the account itself.
func (q *query) checkAccount() {
	if !q.account.Queried {
		q.markUnknown(unread(q.account.ID, q.region, inventory.NotQueried,
			"the exporter has no role in this account: set assume_role.name, or accept only organization analyzers"))
		return
	}
	q.checkOwner(q.account, inventory.AccountScope)
}

// checkOrganization checks the accounts that may own organization analyzers; org is nil for
// an account in no organization.
func (q *query) checkOrganization(org *inventory.Organization) {
	if org == nil {
		q.checkUnregisteredOwners(nil)
		return
	}
	if org.Failure != nil {
		q.markUnknown(org.Failure)
	}
	for _, id := range org.Admins {
		owner, ok := q.accounts[id]
		if !ok || !owner.Queried {
			why := inventory.AdminNotQueried
			if !ok {
				why = inventory.OutOfScope
			}
			q.markUnknown(unread(id, q.region, why, "the account may hold organization analyzers and is not read by this exporter; "+
				"name the accounts that hold them in accounts.organization_admins"))
			continue
		}
		switch {
		case owner == q.account:
			q.checkOwner(owner, inventory.OrganizationScope)
		case owner.Organization == nil:
			// It cannot own organization analyzers.
		case owner.Organization.ID == "" || org.ID == "":
			q.checkOwnerOfUnknownOrganization(owner)
		case owner.Organization.ID == org.ID:
			q.checkOwner(owner, inventory.OrganizationScope)
		}
		if q.covering != nil {
			return
		}
	}
	q.checkUnregisteredOwners(org)
	if q.skipped[orgRegion{org.ID, q.region}] {
		q.markUnknown(unread(q.account.ID, q.region, inventory.Skipped, "members of the organization were not read in this Region while its analyzers covered everything "+
			"(assume_role.enter: uncovered); the next sweep reads them"))
	}
}

// checkOwner checks the analyzers of a scope in one account, and marks what could
// not be read there.
func (q *query) checkOwner(owner *inventory.Account, scope inventory.Scope) {
	for _, r := range q.regionsOf(owner) {
		for _, a := range q.byTarget[inventory.Target{AccountID: owner.ID, Region: r}] {
			if q.mayCover(a, scope) {
				q.checkAnalyzer(a, r)
			}
		}
	}
}

// checkOwnerOfUnknownOrganization is for an owner that may be in another
// organization: its analyzers make the verdict unknown at most.
func (q *query) checkOwnerOfUnknownOrganization(owner *inventory.Account) {
	for _, r := range q.regionsOf(owner) {
		for _, a := range q.byTarget[inventory.Target{AccountID: owner.ID, Region: r}] {
			if q.mayCover(a, inventory.OrganizationScope) && a.Status == inventory.Active {
				q.markUnknown(unread(owner.ID, r, inventory.NotAttributable, "whether analyzer "+a.Name+" is of the account's own organization is not known"))
			}
		}
	}
}

// checkUnregisteredOwners is for ACTIVE organization analyzers in accounts that
// are not known as administrators. AWS disables the analyzers of deregistered
// administrators, so the owner has probably been registered since the last
// discovery, or deregistered since the analyzer was listed.
func (q *query) checkUnregisteredOwners(org *inventory.Organization) {
	for _, a := range q.organization {
		if !q.mayCover(a, inventory.OrganizationScope) || (q.region != inventory.Global && a.Region != q.region) {
			continue
		}
		if org != nil && slices.Contains(org.Admins, a.AccountID) || a.AccountID != q.account.ID && !q.mayBeIn(org, a) {
			continue
		}
		q.markUnknown(unread(a.AccountID, a.Region, inventory.NotAttributable, a.Type+" analyzer "+a.Name+
			" is ACTIVE in an account that is not known to administer Access Analyzer"))
	}
}

// mayBeIn returns whether an organization analyzer may be of an organization. AWS lists
// it only within its organization.
func (q *query) mayBeIn(org *inventory.Organization, a *inventory.Analyzer) bool {
	elsewhere := func(id string) bool { return inOtherOrganization(q.accounts[id], org) }
	return org != nil && !elsewhere(a.AccountID) && !slices.ContainsFunc(q.input.ListedIn[a.ARN], elsewhere)
}

// inOtherOrganization returns whether an account is known not to be in org.
func inOtherOrganization(a *inventory.Account, org *inventory.Organization) bool {
	return a != nil && (a.Organization == nil || (org.ID != "" && a.Organization.ID != "" && a.Organization.ID != org.ID))
}

// regionsOf returns the Regions in which the owner can have an analyzer for the
// query, and marks those that were not read. An unused access analyzer covers the
// account from any Region.
func (q *query) regionsOf(owner *inventory.Account) []string {
	regions := owner.Regions
	if q.region != inventory.Global {
		if owner.RegionsKnown && !slices.Contains(owner.Regions, q.region) && !slices.Contains(owner.ExcludedRegions, q.region) {
			return nil // not enabled
		}
		regions = []string{q.region}
	} else {
		if !owner.RegionsKnown {
			q.markUnknown(regionsUnknown(owner))
		}
		for _, r := range owner.ExcludedRegions {
			q.markUnknown(unread(owner.ID, r, inventory.RegionOutOfScope, "the Region is enabled but not in scope (regions.include, regions.exclude), "+
				"and an unused access analyzer may be in any Region"))
		}
	}
	for _, r := range regions {
		f := q.input.Unread[inventory.Target{AccountID: owner.ID, Region: r}]
		switch {
		case f != nil:
			q.markUnknown(f)
		case slices.Contains(owner.Regions, r):
		case !owner.RegionsKnown:
			q.markUnknown(regionsUnknown(owner))
		default:
			q.markUnknown(unread(owner.ID, r, inventory.RegionOutOfScope, "the Region is not read in this account"))
		}
	}
	return regions
}

func unread(accountID, region string, why inventory.Detail, message string) *inventory.Failure {
	return &inventory.Failure{
		AccountID: accountID, Region: region, Operation: "ListAnalyzers", Reason: inventory.Other, Detail: why, Message: message,
	}
}

func regionsUnknown(a *inventory.Account) *inventory.Failure {
	if a.Failure != nil {
		return a.Failure
	}
	return &inventory.Failure{
		AccountID: a.ID, Region: inventory.Global, Operation: "ListRegions", Reason: inventory.Other,
		Message: "the account's enabled Regions are not known",
	}
}

// mayCover returns whether an analyzer is of the access and of a scope. One of an
// unsupported type may be of any access. The documented types begin with their
// scope, so such a type excludes the other one.
func (q *query) mayCover(a *inventory.Analyzer, scope inventory.Scope) bool {
	if a.Access() != "" {
		return a.Access() == q.access && a.Scope() == scope
	}
	other := "ACCOUNT"
	if scope == inventory.AccountScope {
		other = "ORGANIZATION"
	}
	return a.Status == inventory.Active && !strings.HasPrefix(a.Type, other)
}

// checkAnalyzer checks one analyzer that mayCover the account.
func (q *query) checkAnalyzer(a *inventory.Analyzer, region string) {
	if a.Status != inventory.Active {
		q.inactive = a
		return
	}
	yes, unknown := reaches(a, q.account.ID, region)
	switch {
	case unknown != nil:
		q.markUnknown(unknown)
	case yes && q.covering == nil:
		q.covering = a
	case !yes && q.inactive == nil:
		q.inactive = a
	}
}

// reaches returns whether the account is in the zone of trust that an ACTIVE
// analyzer covers, and not excluded. unknown is why that cannot be determined.
func reaches(a *inventory.Analyzer, accountID, region string) (yes bool, unknown *inventory.Failure) {
	ofOrganization := a.Scope() == inventory.OrganizationScope
	switch c := a.Configuration; {
	case a.Access() == "":
		return false, unsupported(a, "ListAnalyzers", "this version does not support analyzers of type "+a.Type)
	case a.Access() == inventory.External, a.Access() == inventory.Unused && (!ofOrganization || a.AccountID == accountID):
		return true, nil // an analyzer cannot exclude the account that owns it
	case c == nil && a.Unread != nil:
		return false, a.Unread
	case c == nil:
		return false, undetermined(a, "the inclusions and exclusions are not known")
	case c.Unsupported != "":
		return false, unsupported(a, "GetAnalyzer", c.Unsupported)
	case a.Access() == inventory.Unused && slices.Contains(c.ExcludedAccounts, accountID):
		return false, nil
	case a.Access() == inventory.Unused && slices.Contains(c.UndefinedExclusions, accountID):
		return false, undetermined(a, "an exclusion has the account and tags, and AWS does not define whether both must match")
	case a.Access() == inventory.Unused:
		return true, nil
	}
	for _, in := range a.Configuration.Inclusions {
		included, why := includes(in, accountID, region, ofOrganization)
		if included {
			return true, nil
		}
		if why != "" {
			unknown = undetermined(a, why)
		}
	}
	return false, unknown
}

// undetermined is for an analyzer whose configuration does not determine what it
// covers.
func undetermined(a *inventory.Analyzer, why string) *inventory.Failure {
	return &inventory.Failure{
		AccountID: a.AccountID, Region: a.Region, Operation: "GetAnalyzer", Reason: inventory.Other, Detail: inventory.Undefined,
		Message: "analyzer " + a.Name + ": " + why,
	}
}

// unsupported is for an analyzer that this version does not support.
func unsupported(a *inventory.Analyzer, operation, why string) *inventory.Failure {
	f := undetermined(a, why)
	f.Operation, f.Unsupported = operation, true
	return f
}

// includes returns whether one criterion of an internal access analyzer includes
// resources of the account.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_InternalAccessAnalysisRuleCriteria.html
func includes(in inventory.Inclusion, accountID, region string, ofOrganization bool) (yes bool, unknown string) {
	if len(in.AccountIDs)+len(in.ResourceARNs)+len(in.ResourceTypes) == 0 {
		return false, "an inclusion is empty"
	}
	if ofOrganization && len(in.AccountIDs) > 0 && !slices.Contains(in.AccountIDs, accountID) {
		return false, ""
	}
	if len(in.ResourceARNs) == 0 {
		return true, ""
	}
	for _, resource := range in.ResourceARNs {
		// arn:partition:service:region:account:resource
		p := strings.SplitN(resource, ":", 6)
		if len(p) < 6 {
			unknown = "inclusion " + resource + " is not an ARN"
			continue
		}
		inRegion, owner := p[3], p[4]
		switch {
		case inRegion != "" && inRegion != region, owner != "" && owner != accountID, !ofTypes(p[2], p[5], in.ResourceTypes):
		case owner == accountID, !ofOrganization, len(in.AccountIDs) == 1:
			return true, ""
		default:
			// An S3 bucket's ARN names no account.
			unknown = "the account that owns " + resource + " is not in its ARN"
		}
	}
	return false, unknown
}

// ofTypes returns whether a resource of a service (dynamodb, table/orders) has one
// of the types (AWS::DynamoDB::Table). An empty list includes all types.
func ofTypes(service, resource string, types []string) bool {
	return len(types) == 0 || slices.ContainsFunc(types, func(t string) bool {
		p := strings.Split(t, "::")
		if len(p) != 3 || !strings.EqualFold(p[1], service) {
			return false
		}
		switch p[2] {
		case "DBClusterSnapshot":
			return strings.HasPrefix(resource, "cluster-snapshot:")
		case "DBSnapshot":
			return strings.HasPrefix(resource, "snapshot:")
		case "Stream":
			return strings.Contains(resource, "/stream/")
		case "Table":
			return !strings.Contains(resource, "/stream/")
		}
		return true
	})
}
