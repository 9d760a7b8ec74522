// Package world is the state of a simulated AWS organization: accounts,
// Regions, roles, analyzers, findings and queues, with the faults and the
// script that are set for it. It does no I/O; a [Store] guards a World and runs
// its script.
package world

import (
	"slices"
	"strings"
	"time"
)

// The service principals of trusted access and delegated administrators.
const (
	AccessAnalyzerPrincipal    = "access-analyzer.amazonaws.com"
	AccountManagementPrincipal = "account.amazonaws.com"
)

// The services, by their names in the scope of a signature.
const (
	AccessAnalyzer    = "access-analyzer"
	AccountManagement = "account"
	Organizations     = "organizations"
	SecurityToken     = "sts"
	SimpleQueue       = "sqs"
	IdentityAccess    = "iam"
)

// Services lists every simulated service.
var Services = []string{AccessAnalyzer, AccountManagement, Organizations, SecurityToken, SimpleQueue, IdentityAccess}

// World is a simulated AWS. It is plain data: build it as a literal and pass it
// to a [Store]; from then on read it in [Store.View] and change it in
// [Store.Update] only.
type World struct {
	// Organization is nil if no account is in an organization.
	Organization *Organization
	Accounts     []*Account
	Analyzers    []*Analyzer
	// Queues receive an event for each change of an analyzer or a finding.
	Queues []*Queue
	// Caller is the IAM user whose credentials clients get.
	Caller Caller
	// Faults are the injected faults. The first one that matches a call
	// applies; the delays of kind Latency add up.
	Faults []*Fault
	// Script lists the scheduled changes.
	Script []*Event
	// Latency is added to every response, plus a random time up to Jitter.
	Latency, Jitter time.Duration
	// ClockSkew is how far the clock of AWS is ahead of the clients' clocks.
	ClockSkew time.Duration
	// PageSizes overrides [DefaultPageSizes], by operation. A request can ask
	// for less, but not for more.
	PageSizes map[string]int
	Quirks    Quirks

	// started is when a Store got the world: the start of the script and of the
	// faults' windows.
	started time.Time
}

// Quirks select behavior that the AWS documentation leaves open, or that is
// documented but rarely observed. The zero value is what is commonly observed.
type Quirks struct {
	// MembersSeeOrganizationAnalyzers adds the organization analyzers to
	// ListAnalyzers of every account of the organization.
	MembersSeeOrganizationAnalyzers bool
	// NoAccountStatus omits the field Status of accounts in Organizations, as
	// announced for September 2026; State stays.
	NoAccountStatus bool
	// NoAccountState omits the newer field State instead.
	NoAccountState bool
	// EmptyPages begins every list with an empty page that has a next token.
	EmptyPages bool
	// IgnoreSort lists findings in the order of their IDs, whatever order is
	// requested.
	IgnoreSort bool
	// RejectSort rejects any sort with a ValidationException.
	RejectSort bool
	// ColdStatistics omits counts and lastUpdatedAt from the first
	// GetFindingsStatistics of an analyzer.
	ColdStatistics bool
	// StatisticsLag is for how long GetFindingsStatistics returns cached counts,
	// with the time at which they were made.
	StatisticsLag time.Duration
	// RateLimits enforces the request rates that AWS documents for
	// Organizations, Account Management and STS.
	RateLimits bool
}

// Organization is an AWS organization. Its accounts are those of World.Accounts
// that are not Standalone.
type Organization struct {
	// ID is o- and 10 to 32 lower-case letters or digits.
	ID string
	// ManagementID is the ID of the management account.
	ManagementID string
	// TrustedServices are the service principals with trusted access.
	TrustedServices []string
	// DelegatedAdmins maps a service principal to account IDs.
	DelegatedAdmins map[string][]string
	// OUNames are the names of organizational units by ID. The default is the last
	// part of the ID.
	OUNames map[string]string
	// Policies are the service control and resource control policies, beside
	// those of AWS.
	Policies  []*OrganizationPolicy
	CreatedAt time.Time
}

// Caller is the IAM user whose long-term credentials clients get.
type Caller struct {
	// AccountID defaults to the delegated administrator of Access Analyzer, else
	// to the management account, else to the first account.
	AccountID string
	// Name of the IAM user; the default is "exporter".
	Name string
	// Actions are as in Role.
	Actions []string
	// SessionTags is how much its transitive session tags take of the space that
	// they share with a session policy, as a percentage.
	SessionTags int
}

// DefaultPageSizes are the most items on a page, by operation: the documented
// limits, and for Access Analyzer, which documents none, a size that its API
// accepts.
var DefaultPageSizes = map[string]int{
	"GetAccountAuthorizationDetails": 1000,
	"ListPolicies":                   20,
	"ValidatePolicy":                 100,
	"ListAccounts":                   20,
	"ListDelegatedAdministrators":    20,
	"ListTagsForResource":            50,
	"ListRegions":                    50,
	"ListAnalyzers":                  1000,
	"ListArchiveRules":               1000,
	"ListFindings":                   1000,
	"ListFindingsV2":                 1000,
}

// PageSize is the most items on a page of an operation.
func (w *World) PageSize(operation string) int {
	if size, ok := w.PageSizes[operation]; ok {
		return size
	}
	return DefaultPageSizes[operation]
}

// Elapsed is the time since a Store got the world.
func (w *World) Elapsed(now time.Time) time.Duration { return now.Sub(w.started) }

// Account returns the account with an ID, or nil.
func (w *World) Account(id string) *Account {
	for _, a := range w.Accounts {
		if a.ID == id {
			return a
		}
	}
	return nil
}

// Analyzer returns the analyzer with an ARN, or nil.
func (w *World) Analyzer(arn string) *Analyzer {
	for _, a := range w.Analyzers {
		if a.ARN() == arn {
			return a
		}
	}
	return nil
}

// Queue returns the queue with a URL, or nil. Only the path counts, which is
// the account and the name, because clients use the host of the simulator.
func (w *World) Queue(url string) *Queue {
	for _, q := range w.Queues {
		if strings.HasSuffix(url, "/"+q.AccountID+"/"+q.Name) {
			return q
		}
	}
	return nil
}

// OUName returns the name of an organizational unit; empty if the organization does
// not have it.
func (w *World) OUName(id string) string {
	if w.Organization == nil || !IsOU(id) {
		return ""
	}
	if name, ok := w.Organization.OUNames[id]; ok {
		return name
	}
	for _, a := range w.Accounts {
		if !a.Standalone && slices.Contains(a.OUs, id) {
			return id[strings.LastIndex(id, "-")+1:]
		}
	}
	return ""
}

// IsManagement reports whether an account is the management account.
func (w *World) IsManagement(id string) bool {
	return w.Organization != nil && w.Organization.ManagementID == id
}

// IsDelegatedAdmin reports whether an account is a delegated administrator of a
// service; an empty principal is any service.
func (w *World) IsDelegatedAdmin(id, principal string) bool {
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

// ResolvedCaller is w.Caller with its defaults filled in.
func (w *World) ResolvedCaller() Caller {
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
