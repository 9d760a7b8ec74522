// Package coverage judges, for every account, Region and kind of access,
// whether an ACTIVE analyzer covers it. It is pure: facts and a policy go in,
// verdicts come out. It has no clock and does no I/O.
//
// A verdict is Covered or Uncovered only where the facts prove it. Everything
// that was not looked at, and everything that AWS leaves open, is a doubt, and
// one doubt is enough to turn "none covers" into Unknown; no number of doubts
// outweighs one analyzer that is known to cover.
package coverage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Rule says what is expected of one kind of access.
type Rule struct {
	// Required places are judged; others have no verdict.
	Required bool
	// Scopes are the analyzer scopes that count.
	Scopes []inventory.Scope
}

func (r Rule) accepts(s inventory.Scope) bool { return slices.Contains(r.Scopes, s) }

// Policy is what the configuration expects.
type Policy struct {
	Rules      map[inventory.Access]Rule
	Exemptions []inventory.Exemption
}

// Input are what is known at one moment.
type Input struct {
	Fleet *inventory.Fleet
	// Analyzers that were seen, each once.
	Analyzers []*inventory.Analyzer
	// Unread has the targets whose analyzers are not known, with the reason.
	// A target of an entered account that is not in it was read.
	Unread map[inventory.Target]*inventory.Failure
	// ListedIn has, by ARN, the accounts whose lists show an analyzer of an
	// account of which it is not known in what organization it is.
	ListedIn map[string][]string
	// Skipped are targets that were not read because they were Skippable.
	Skipped map[inventory.Target]bool
}

// Evaluate returns one verdict for each account in scope, enabled Region and
// required access (Region Global for unused access), in the order of the
// fleet's accounts and their Regions.
func Evaluate(f Input, p Policy, now time.Time) []inventory.Verdict {
	j := newJudge(f, p, now)
	verdicts := make([]inventory.Verdict, 0, places(f.Fleet, p))
	for _, account := range f.Fleet.Accounts {
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
				verdicts = append(verdicts, j.judge(account, region, access, rule))
			}
		}
	}
	return verdicts
}

// places is at least how many verdicts there will be.
func places(fleet *inventory.Fleet, p Policy) int {
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

type judge struct {
	facts      Input
	exemptions []inventory.Exemption
	accounts   map[string]*inventory.Account
	byTarget   map[inventory.Target][]*inventory.Analyzer
	// organization has the ACTIVE organization analyzers: few, wherever they
	// were seen.
	organization []*inventory.Analyzer
	// skipped are the spots in which something was not read.
	skipped map[spot]bool
}

func newJudge(f Input, p Policy, now time.Time) *judge {
	j := &judge{
		facts:    f,
		accounts: make(map[string]*inventory.Account, len(f.Fleet.Accounts)),
		byTarget: make(map[inventory.Target][]*inventory.Analyzer, len(f.Analyzers)),
		skipped:  map[spot]bool{},
	}
	for _, e := range p.Exemptions {
		if e.Until.IsZero() || now.Before(e.Until) {
			j.exemptions = append(j.exemptions, e)
		}
	}
	for _, a := range f.Fleet.Accounts {
		j.accounts[a.ID] = a
	}
	for _, a := range f.Analyzers {
		t := inventory.Target{AccountID: a.AccountID, Region: a.Region}
		j.byTarget[t] = append(j.byTarget[t], a)
		if a.Scope() == inventory.OrganizationScope && a.Status == inventory.Active {
			j.organization = append(j.organization, a)
		}
	}
	for t := range f.Skipped {
		if a := j.accounts[t.AccountID]; a != nil && a.Organization != nil {
			for _, s := range spotsIn(a, t.Region) {
				j.skipped[s] = true
			}
		}
	}
	return j
}

// evidence gathers what speaks for one place. Only the first of each kind is
// kept: one is enough to decide, and one is what people are told.
type evidence struct {
	covers *inventory.Analyzer
	doubt  *inventory.Failure
	// idle would cover if it were ACTIVE, or if it did not leave the account out.
	idle *inventory.Analyzer
}

func (e *evidence) doubted(f *inventory.Failure) {
	if e.doubt == nil {
		e.doubt = f
	}
}

func (j *judge) judge(account *inventory.Account, region string, access inventory.Access, rule Rule) inventory.Verdict {
	v := inventory.Verdict{AccountID: account.ID, Region: region, Access: access}
	if e := exempted(j.exemptions, v); e != nil {
		v.State, v.Exemption = inventory.Exempt, e
		return v
	}
	var e evidence
	if rule.accepts(inventory.AccountScope) {
		j.weighOwn(&e, account, region, access)
	}
	if e.covers == nil && rule.accepts(inventory.OrganizationScope) {
		j.weighOrganization(&e, account, region, access)
	}
	switch {
	case e.covers != nil:
		v.State, v.Analyzer = inventory.Covered, e.covers
	case e.doubt != nil:
		v.State, v.Failure = inventory.Unknown, e.doubt
	default:
		v.State, v.Analyzer = inventory.Uncovered, e.idle
	}
	return v
}

func exempted(exemptions []inventory.Exemption, v inventory.Verdict) *inventory.Exemption {
	matches := func(pattern, value string) bool { return pattern == "*" || pattern == value }
	for i, e := range exemptions {
		if matches(e.Account, v.AccountID) && matches(e.Region, v.Region) && matches(e.Access, string(v.Access)) {
			return &exemptions[i]
		}
	}
	return nil
}

// weighOwn weighs the account's own analyzers.
func (j *judge) weighOwn(e *evidence, account *inventory.Account, region string, access inventory.Access) {
	if !account.Queried {
		e.doubted(&inventory.Failure{
			AccountID: account.ID, Region: region, Operation: listAnalyzers, Reason: inventory.Other,
			Message: "the account is not entered: set assume_role.name, or accept organization analyzers alone",
		})
		return
	}
	j.weighHolder(e, account, account, region, access, inventory.AccountScope)
}

// weighOrganization weighs the analyzers of the accounts that may hold
// organization analyzers.
func (j *judge) weighOrganization(e *evidence, account *inventory.Account, region string, access inventory.Access) {
	org := account.Organization
	if org == nil {
		return
	}
	if org.Failure != nil {
		e.doubted(org.Failure)
	}
	for _, id := range org.Admins {
		holder, ok := j.accounts[id]
		if !ok || !holder.Queried {
			e.doubted(unseen(id, region, "the account may hold organization analyzers and is not read by this exporter; "+
				"name the accounts that hold them in accounts.organization_admins"))
			continue
		}
		switch {
		case holder == account:
			j.weighHolder(e, account, holder, region, access, inventory.OrganizationScope)
		case holder.Organization == nil:
			// An account in no organization cannot hold its analyzers.
		case holder.Organization.ID == "" || org.ID == "":
			j.weighForeign(e, holder, region, access)
		case holder.Organization.ID == org.ID:
			j.weighHolder(e, account, holder, region, access, inventory.OrganizationScope)
		}
		if e.covers != nil {
			return
		}
	}
	j.weighStrangers(e, org, region, access)
	if j.skipped[spot{org.ID, region}] {
		e.doubted(unseen(account.ID, region, "members of the organization were not read in this Region while its analyzers covered everything "+
			"(assume_role.enter: uncovered); the next sweep reads them"))
	}
}

// weighHolder weighs what one account holds, and what cannot be seen there.
func (j *judge) weighHolder(e *evidence, account, holder *inventory.Account, region string, access inventory.Access, scope inventory.Scope) {
	for _, r := range j.places(e, holder, region) {
		for _, a := range j.byTarget[inventory.Target{AccountID: holder.ID, Region: r}] {
			if a.Access() == access && a.Scope() == scope {
				weigh(e, a, account, r)
			}
		}
	}
}

// weighForeign is for a holder of which it is not known whether it is in the
// same organization: what it holds can be no more than a doubt.
func (j *judge) weighForeign(e *evidence, holder *inventory.Account, region string, access inventory.Access) {
	for _, r := range j.places(e, holder, region) {
		for _, a := range j.byTarget[inventory.Target{AccountID: holder.ID, Region: r}] {
			if a.Access() == access && a.Scope() == inventory.OrganizationScope && a.Status == inventory.Active {
				e.doubted(unseen(holder.ID, r, "whether analyzer "+a.Name+" is of the account's own organization is not known"))
			}
		}
	}
}

// weighStrangers is for an ACTIVE organization analyzer in an account that is
// not known to be allowed one. AWS disables those of former administrators, so
// it more likely belongs to one that was registered a moment ago: it cannot be
// counted, and neither can it be denied.
func (j *judge) weighStrangers(e *evidence, org *inventory.Organization, region string, access inventory.Access) {
	for _, a := range j.organization {
		if a.Access() != access || (region != inventory.Global && a.Region != region) || slices.Contains(org.Admins, a.AccountID) {
			continue
		}
		if holder := j.accounts[a.AccountID]; j.elsewhere(holder, org) || slices.ContainsFunc(j.facts.ListedIn[a.ARN], func(id string) bool {
			return j.elsewhere(j.accounts[id], org) // AWS would show it within its organization alone
		}) {
			continue
		}
		e.doubted(unseen(a.AccountID, a.Region, a.Type+" analyzer "+a.Name+
			" is ACTIVE in an account that is not known to administer Access Analyzer"))
	}
}

// elsewhere tells whether an account is known not to be in an organization.
func (j *judge) elsewhere(a *inventory.Account, org *inventory.Organization) bool {
	return a != nil && (a.Organization == nil || (org.ID != "" && a.Organization.ID != "" && a.Organization.ID != org.ID))
}

// places lists the Regions of the holder in which an analyzer for the given
// Region (or for Global: any) may be, and doubts those that were not read.
func (j *judge) places(e *evidence, holder *inventory.Account, region string) []string {
	regions := holder.Regions
	if region != inventory.Global {
		if holder.RegionsKnown && !slices.Contains(holder.Regions, region) && !slices.Contains(holder.ExcludedRegions, region) {
			return nil // a Region that is not enabled holds nothing
		}
		regions = []string{region}
	} else {
		if !holder.RegionsKnown {
			e.doubted(unlisted(holder))
		}
		for _, r := range holder.ExcludedRegions {
			e.doubted(unseen(holder.ID, r, "the Region is enabled but not in scope (regions.include, regions.exclude), "+
				"and an analyzer of unused access may be in any Region"))
		}
	}
	for _, r := range regions {
		if f := j.facts.Unread[inventory.Target{AccountID: holder.ID, Region: r}]; f != nil {
			e.doubted(f)
		} else if !slices.Contains(holder.Regions, r) {
			e.doubted(unseen(holder.ID, r, "the Region is not read in this account"))
		}
	}
	return regions
}

const listAnalyzers = "ListAnalyzers"

func unseen(accountID, region, message string) *inventory.Failure {
	return &inventory.Failure{
		AccountID: accountID, Region: region, Operation: listAnalyzers, Reason: inventory.Other, Message: message,
	}
}

func unlisted(account *inventory.Account) *inventory.Failure {
	if account.Failure != nil {
		return account.Failure
	}
	return &inventory.Failure{
		AccountID: account.ID, Region: inventory.Global, Operation: "ListRegions", Reason: inventory.Other,
		Message: "the account's enabled Regions are not known",
	}
}

// weigh weighs one analyzer of the right access and scope for an account.
func weigh(e *evidence, a *inventory.Analyzer, account *inventory.Account, region string) {
	if a.Status != inventory.Active {
		e.idle = a
		return
	}
	yes, doubt := reaches(a, account.ID, region)
	switch {
	case yes && e.covers == nil:
		e.covers = a
	case doubt != "":
		f := a.Unread
		if f == nil {
			f = &inventory.Failure{AccountID: a.AccountID, Region: a.Region, Operation: "GetAnalyzer", Reason: inventory.Other, Message: doubt}
		}
		e.doubted(f)
	case !yes && e.idle == nil:
		e.idle = a
	}
}

// reaches tells whether an ACTIVE analyzer looks at the account, in the Region
// it is in; doubt says why that cannot be told.
func reaches(a *inventory.Analyzer, accountID, region string) (yes bool, doubt string) {
	ofOrganization := a.Scope() == inventory.OrganizationScope
	switch a.Access() {
	case inventory.External:
		return true, ""
	case inventory.Unused:
		if !ofOrganization || a.AccountID == accountID {
			return true, "" // an analyzer cannot exclude the account that owns it
		}
		if a.Configuration == nil {
			return false, "the exclusions of analyzer " + a.Name + " are not known"
		}
		return !slices.Contains(a.Configuration.ExcludedAccounts, accountID), ""
	case inventory.Internal:
		if a.Configuration == nil {
			return false, "the inclusions of analyzer " + a.Name + " are not known"
		}
		for _, in := range a.Configuration.Inclusions {
			included, why := includes(in, accountID, region, ofOrganization)
			if included {
				return true, ""
			}
			if why != "" {
				doubt = fmt.Sprintf("analyzer %s: %s", a.Name, why)
			}
		}
		return false, doubt
	}
	return false, "analyzers of type " + a.Type + " are not known to this exporter"
}

// includes tells whether one criterion of an internal access analyzer takes in
// something that is in the account.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_InternalAccessAnalysisRuleCriteria.html
func includes(in inventory.Inclusion, accountID, region string, ofOrganization bool) (yes bool, doubt string) {
	if len(in.AccountIDs)+len(in.ResourceARNs)+len(in.ResourceTypes) == 0 {
		return false, ""
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
			doubt = "inclusion " + resource + " is not an ARN"
			continue
		}
		inRegion, owner := p[3], p[4]
		switch {
		case inRegion != "" && inRegion != region, owner != "" && owner != accountID, !ofTypes(p[2], p[5], in.ResourceTypes):
		case owner == accountID, !ofOrganization, len(in.AccountIDs) == 1:
			return true, ""
		default:
			// An S3 bucket's ARN names no account.
			doubt = "the account that owns " + resource + " is not in its ARN"
		}
	}
	return false, doubt
}

// ofTypes tells whether a resource of a service (dynamodb, table/orders) is of
// one of the types (AWS::DynamoDB::Table); no types are all types.
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
