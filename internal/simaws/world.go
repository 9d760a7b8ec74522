package simaws

import (
	"slices"
	"strings"
	"time"
)

// The principals by which AWS services are trusted in an organization.
const (
	AccessAnalyzerPrincipal    = "access-analyzer.amazonaws.com"
	AccountManagementPrincipal = "account.amazonaws.com"
)

// World is the AWS that a [Server] simulates. It is plain data: build it as a
// literal, hand it to a server, and from then on read it in [Server.View] and
// change it in [Server.Update] only.
type World struct {
	// Organization is nil when the accounts stand alone.
	Organization *Organization
	Accounts     []*Account
	Analyzers    []*Analyzer
	// Queues are told of what changes.
	Queues []*Queue
	// Caller is whose credentials [Server.Env] hands out.
	Caller Caller
	// Faults are what goes wrong. The first that matches a call decides it;
	// those of kind Latency add up.
	Faults []*Fault
	// Script is what changes by itself.
	Script []*Event
	// Latency is added to every answer, and up to Jitter more at random.
	Latency, Jitter time.Duration
	// ClockSkew is how far AWS' clock is ahead of the clients': what a client
	// sees whose own clock has been set back.
	ClockSkew time.Duration
	// PageSizes is the most items that a page of an operation (ListAnalyzers,
	// ListAccounts, …) has, whatever maxResults asks for; those
	// that are not in it have AWS' documented limit, or a thousand.
	PageSizes map[string]int
	Quirks    Quirks

	// started is when a server got the world: the script and the faults'
	// windows count from there.
	started time.Time
	// told is what the queues know of.
	told map[string]*analyzerState
}

// Quirks are answers to what AWS' documentation leaves open, and to what it
// promises but rarely shows. The zero value is what is commonly observed.
type Quirks struct {
	// MembersSeeOrganizationAnalyzers makes ListAnalyzers of every account of
	// the organization show its organization analyzers too.
	MembersSeeOrganizationAnalyzers bool
	// NoAccountStatus leaves the field Status out of Organizations' accounts,
	// as announced for September 2026; State stays.
	NoAccountStatus bool
	// NoAccountState leaves the newer field State out instead.
	NoAccountState bool
	// EmptyPages puts an empty page that has a next token in front of every
	// list.
	EmptyPages bool
	// IgnoreSort lists findings in the order of their IDs whatever sort asks
	// for.
	IgnoreSort bool
	// RefuseSort answers any sort with a ValidationException.
	RefuseSort bool
	// ColdStatistics answers the first GetFindingsStatistics of an analyzer
	// with neither counts nor lastUpdatedAt.
	ColdStatistics bool
	// StatisticsLag is for how long GetFindingsStatistics repeats what it
	// found, with the time when it did.
	StatisticsLag time.Duration
	// RateLimits enforces the request rates that AWS documents for
	// Organizations, Account Management and STS.
	RateLimits bool
}

// Organization is an AWS organization. All its accounts are in World.Accounts
// (those with Standalone set are not in it).
type Organization struct {
	// ID is o- and 10 to 32 lower-case letters or digits.
	ID string
	// ManagementID is the management account's ID.
	ManagementID string
	// TrustedServices are the service principals with trusted access.
	TrustedServices []string
	// DelegatedAdmins maps a service principal to account IDs.
	DelegatedAdmins map[string][]string
	// CreatedAt dates what the API wants dated about the organization.
	CreatedAt time.Time
}

// Account is one AWS account.
type Account struct {
	// ID has twelve digits.
	ID, Name, Email string
	// State is PENDING_ACTIVATION, ACTIVE, SUSPENDED, PENDING_CLOSURE or
	// CLOSED; empty is ACTIVE.
	State string
	// OUs are the IDs of the organizational units from the root down to the
	// account, e.g. r-exam, ou-exam-workload. Empty is the root r-exam itself.
	OUs []string
	// JoinedAt is when the account joined the organization; the management
	// account and those that were created in it have Invited unset.
	JoinedAt time.Time
	Invited  bool
	// Standalone accounts are in no organization.
	Standalone bool
	// Regions is what account:ListRegions answers, see [Regions]. It is read
	// only: accounts may share one slice.
	Regions []Region
	// Roles can be assumed.
	Roles []*Role
}

// Region is an AWS Region as one account sees it.
type Region struct {
	Name string
	// Status is ENABLED, ENABLING, DISABLING, DISABLED or ENABLED_BY_DEFAULT.
	Status string
}

// Role is an IAM role that can be assumed.
type Role struct {
	Name string
	// ID is the role's unique ID; empty is one made up from account and name.
	// A role that is deleted and created again has another one, and knows
	// nothing of the sessions of the former.
	ID string
	// Trusts are the account IDs or principal ARNs that the trust policy
	// allows; "*" is everybody.
	Trusts []string
	// ExternalID, when it is not empty, is demanded of who assumes the role.
	ExternalID string
	// Actions are the IAM actions that its policies allow, with "*" as a
	// wildcard; nil allows everything.
	Actions []string
	// MaxSession is the longest session that may be asked for; zero is AWS'
	// default of an hour.
	MaxSession time.Duration
}

// Caller is the IAM user whose long-term credentials [Server.Env] hands out.
type Caller struct {
	// AccountID is empty for a sensible choice: the delegated administrator
	// of Access Analyzer, else the management account, else the first account.
	AccountID string
	// Name of the IAM user; empty is "exporter".
	Name string
	// Actions are as in Role.
	Actions []string
}

// Analyzer is one analyzer of Access Analyzer.
type Analyzer struct {
	// AccountID and Region are where it was created.
	AccountID, Region, Name string
	// Type is AWS' spelling: ACCOUNT, ORGANIZATION, ACCOUNT_UNUSED_ACCESS …
	Type string
	// Status is ACTIVE, CREATING, DISABLED or FAILED; StatusReason is the code
	// that goes with it, if any.
	Status, StatusReason string
	// ManagedBy is the service principal of a service-linked analyzer.
	ManagedBy string
	CreatedAt time.Time
	// LastResourceAnalyzed is an ARN; both it and the time may be empty.
	LastResourceAnalyzed   string
	LastResourceAnalyzedAt time.Time
	Tags                   map[string]string
	// Unused is the configuration of an analyzer of unused access, Internal
	// that of one of internal access; the other stays nil.
	Unused       *UnusedAccess
	Internal     *InternalAccess
	ArchiveRules []*ArchiveRule
	Findings     []Finding
}

// UnusedAccess configures an analyzer of unused access.
type UnusedAccess struct {
	// Age is the tracking period in days.
	Age int
	// Exclusions are criteria for what produces no findings.
	Exclusions []Exclusion
}

// Exclusion is one criterion. AccountIDs and ResourceTags are alternatives in
// practice; AWS takes both.
type Exclusion struct {
	AccountIDs   []string            `json:"accountIds,omitempty"`
	ResourceTags []map[string]string `json:"resourceTags,omitempty"`
}

// InternalAccess configures an analyzer of internal access.
type InternalAccess struct {
	// Inclusions are criteria for what is analysed; without any nothing is.
	Inclusions []Inclusion
}

// Inclusion is one criterion; within one, all lists that are given must match.
type Inclusion struct {
	AccountIDs    []string `json:"accountIds,omitempty"`
	ResourceTypes []string `json:"resourceTypes,omitempty"`
	ResourceARNs  []string `json:"resourceArns,omitempty"`
}

// ArchiveRule archives new findings that match its filter.
type ArchiveRule struct {
	Name                 string
	Filter               map[string]Criterion
	CreatedAt, UpdatedAt time.Time
}

// Finding is one finding of an analyzer.
type Finding struct {
	// ID is a UUID, unique within the analyzer.
	ID string
	// Type is AWS' spelling: ExternalAccess, UnusedIAMRole …
	Type string
	// Status is ACTIVE, ARCHIVED or RESOLVED.
	Status string
	// Resource is an ARN, Owner the account that has it.
	Resource, ResourceType, Owner string
	// Public belongs to external access alone, and not to error findings.
	Public bool
	// Error says why the resource could not be analysed: ACCESS_DENIED,
	// INTERNAL_ERROR … Empty when it could.
	Error string
	// Access is who may do what; nil for unused access and error findings.
	// Findings may share one.
	Access                           *Access
	CreatedAt, UpdatedAt, AnalyzedAt time.Time
}

// Access is the part of a finding that tells who may do what under which
// condition.
type Access struct {
	// Principal has the key AWS or Federated.
	Principal map[string]string
	Action    []string
	// Condition is what the policy demands, by condition key.
	Condition map[string]string
	// ResourceControlPolicyRestriction is AWS' enumeration; empty is
	// NOT_APPLICABLE.
	ResourceControlPolicyRestriction string
}

// ARN is the analyzer's ARN.
func (a *Analyzer) ARN() string {
	return "arn:aws:access-analyzer:" + a.Region + ":" + a.AccountID + ":analyzer/" + a.Name
}

// organization tells whether the zone of trust is the organization.
func (a *Analyzer) organization() bool { return strings.HasPrefix(a.Type, "ORGANIZATION") }

// findingsInaccessible is the fate of an organization analyzer whose account
// is no delegated administrator any more, or whose organization is gone.
func (a *Analyzer) findingsInaccessible() bool {
	return a.Status == "DISABLED" && a.organization()
}

// access is the letter by which AWS' table of filter keys tells analyzers
// apart: E(xternal), I(nternal), U(nused).
func (a *Analyzer) access() byte {
	switch {
	case strings.HasSuffix(a.Type, "_UNUSED_ACCESS"):
		return 'U'
	case strings.HasSuffix(a.Type, "_INTERNAL_ACCESS"):
		return 'I'
	}
	return 'E'
}

// state is the account's state, ACTIVE when none is given.
func (a *Account) state() string {
	if a.State == "" {
		return "ACTIVE"
	}
	return a.State
}

// works tells whether the account's identities can call AWS at all.
func (a *Account) works() bool {
	return a.state() == "ACTIVE" || a.state() == "PENDING_CLOSURE"
}

// regionStatus is empty for a Region that the account does not know.
func (a *Account) regionStatus(name string) string {
	for _, r := range a.Regions {
		if r.Name == name {
			return r.Status
		}
	}
	return ""
}

// enabled tells whether the account can be called in the Region. A Region that
// is being disabled still answers, one that is being enabled does not yet.
func (a *Account) enabled(region string) bool {
	switch a.regionStatus(region) {
	case "ENABLED", "ENABLED_BY_DEFAULT", "DISABLING":
		return true
	}
	return false
}

func (a *Account) role(name string) *Role {
	for _, r := range a.Roles {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// path is the account's path in the organization as Organizations spells it:
// o-…/r-…/ou-…/123456789012/.
func (a *Account) path(org *Organization) string {
	ous := a.OUs
	if len(ous) == 0 {
		ous = []string{"r-exam"}
	}
	return org.ID + "/" + strings.Join(ous, "/") + "/" + a.ID + "/"
}

// DefaultRegions are those that every account has enabled from the start.
// https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
var DefaultRegions = []string{
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
	"ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
	"us-east-1", "us-east-2", "us-west-1", "us-west-2",
}

// OptInRegions are those that an account has to enable.
var OptInRegions = []string{
	"af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
	"ap-southeast-6", "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1",
	"me-central-1", "me-south-1", "me-west-1", "mx-central-1", "sa-west-1",
}

// Regions is every Region of the partition aws, sorted, with those given
// opted in.
func Regions(optedIn ...string) []Region {
	var rs []Region
	for _, name := range DefaultRegions {
		rs = append(rs, Region{name, "ENABLED_BY_DEFAULT"})
	}
	for _, name := range OptInRegions {
		status := "DISABLED"
		if slices.Contains(optedIn, name) {
			status = "ENABLED"
		}
		rs = append(rs, Region{name, status})
	}
	slices.SortFunc(rs, func(a, b Region) int { return strings.Compare(a.Name, b.Name) })
	return rs
}

// Account finds an account by its ID; nil when there is none.
func (w *World) Account(id string) *Account {
	for _, a := range w.Accounts {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// Analyzer finds an analyzer by its ARN; nil when there is none.
func (w *World) Analyzer(arn string) *Analyzer {
	for _, a := range w.Analyzers {
		if a.ARN() == arn {
			return a
		}
	}
	return nil
}

// AddFinding lets an analyzer find something: what is missing in the finding
// (ID, Status, times) is filled in, and an archive rule that matches archives
// it at once.
func (a *Analyzer) AddFinding(f Finding, now time.Time) {
	if f.ID == "" {
		f.ID = uuid()
	}
	if f.Status == "" {
		f.Status = "ACTIVE"
	}
	if f.CreatedAt.IsZero() {
		f.CreatedAt = now
	}
	if f.UpdatedAt.IsZero() {
		f.UpdatedAt = f.CreatedAt
	}
	if f.AnalyzedAt.IsZero() {
		f.AnalyzedAt = now
	}
	for _, rule := range a.ArchiveRules {
		if f.Status == "ACTIVE" && matchesAll(&f, rule.Filter) {
			f.Status = "ARCHIVED"
		}
	}
	a.Findings = append(a.Findings, f)
	a.LastResourceAnalyzed, a.LastResourceAnalyzedAt = f.Resource, now
}

// isManagement and isDelegatedAdmin tell an account's standing. A principal of
// "" stands for any service.
func (w *World) isManagement(id string) bool {
	return w.Organization != nil && w.Organization.ManagementID == id
}

func (w *World) isDelegatedAdmin(id, principal string) bool {
	if w.Organization == nil {
		return false
	}
	for service, ids := range w.Organization.DelegatedAdmins {
		if (principal == "" || principal == service) && slices.Contains(ids, id) {
			return true
		}
	}
	return false
}

// caller resolves the defaults of w.Caller.
func (w *World) caller() Caller {
	c := w.Caller
	if c.Name == "" {
		c.Name = "exporter"
	}
	if c.AccountID != "" {
		return c
	}
	if o := w.Organization; o != nil {
		c.AccountID = o.ManagementID
		if admins := o.DelegatedAdmins[AccessAnalyzerPrincipal]; len(admins) > 0 {
			c.AccountID = admins[0]
		}
	} else if len(w.Accounts) > 0 {
		c.AccountID = w.Accounts[0].ID
	}
	return c
}

// place is an account in a Region.
type place struct{ accountID, region string }

// index finds things in a World. It is made anew whenever the world may have
// changed; the orders of findings in it are made when they are first asked for.
type index struct {
	accounts  map[string]*Account
	analyzers map[place][]*Analyzer
	// organization holds the organization analyzers of a Region.
	organization map[string][]*Analyzer
	orders       orders
}

func newIndex(w *World) *index {
	x := &index{
		accounts:     make(map[string]*Account, len(w.Accounts)),
		analyzers:    make(map[place][]*Analyzer, len(w.Analyzers)),
		organization: map[string][]*Analyzer{},
	}
	for _, a := range w.Accounts {
		x.accounts[a.ID] = a
	}
	for _, a := range w.Analyzers {
		p := place{a.AccountID, a.Region}
		x.analyzers[p] = append(x.analyzers[p], a)
		if a.organization() {
			x.organization[a.Region] = append(x.organization[a.Region], a)
		}
	}
	return x
}

// analyzer finds one by name; nil when there is none.
func (x *index) analyzer(p place, name string) *Analyzer {
	for _, a := range x.analyzers[p] {
		if a.Name == name {
			return a
		}
	}
	return nil
}
