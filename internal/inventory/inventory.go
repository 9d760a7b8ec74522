// Package inventory holds the nouns that every other package speaks of:
// accounts, analyzers, findings, failures, verdicts and the Snapshot that a
// sweep publishes. It imports the standard library alone and does nothing.
//
// A published value is never changed again: whoever learns more builds a new
// one. Readers therefore need no lock.
package inventory

import (
	"fmt"
	"strings"
	"time"
)

// Access is what an analyzer looks for.
type Access string

// The kinds of access, as they stand in the label `access` and in the
// configuration.
const (
	External Access = "external"
	Unused   Access = "unused"
	Internal Access = "internal"
)

// Accesses lists every kind of access, in the order in which people read them.
var Accesses = []Access{External, Unused, Internal}

// Scope is whose resources an analyzer looks at: its zone of trust.
type Scope string

// The scopes, as they stand in the label `scope` and in the configuration.
const (
	AccountScope      Scope = "account"
	OrganizationScope Scope = "organization"
)

// Global stands in place of a Region for facts that belong to an account as a
// whole: IAM is global, and so is coverage of unused access.
const Global = "global"

// Active is the only analyzer status that covers, and the finding status of
// what nobody has archived or resolved.
const Active = "ACTIVE"

// AnalyzerStatuses are the statuses that AWS documents for an analyzer; others
// are passed on as AWS spells them.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_AnalyzerSummary.html
var AnalyzerStatuses = []string{Active, "CREATING", "DISABLED", "FAILED"}

// Role is the part that an account plays in its organization.
type Role string

// The roles, as they stand in the label `role`.
const (
	Management     Role = "management"
	DelegatedAdmin Role = "delegated_admin"
	Member         Role = "member"
	Standalone     Role = "standalone"
)

// Organization is what is known of the AWS organization that an account is in.
type Organization struct {
	// ID is AWS' own (o-…); empty when it could not be established in which
	// organization, if any, the account is.
	ID string
	// Admins are the accounts that may hold organization analyzers.
	Admins []string
	// Failure says why Admins may be incomplete; nil when it is complete.
	Failure *Failure
}

// Account is one AWS account of the fleet.
type Account struct {
	ID, Name string
	Role     Role
	// Organization is nil when the account is known to be in none.
	Organization *Organization
	// Queried is whether the exporter calls Access Analyzer in this account, with
	// the credentials of the hub or of RoleARN. Only organization analyzers can
	// cover an account that is not queried.
	Queried bool
	// RoleARN is the role to assume in the account; empty for the hub account.
	RoleARN string
	// OutOfScope marks an account that is queried only because its organization
	// analyzers may cover accounts in scope. The coverage policy does not apply
	// to it, and nothing about it is exported.
	OutOfScope bool
	// Regions are the enabled Regions that are in scope, sorted.
	Regions []string
	// ExcludedRegions are the enabled Regions that the configuration excludes.
	// Their analyzers are unknown.
	ExcludedRegions []string
	// Failure is why the last attempt to list the enabled Regions failed; Regions
	// then holds the last known list, the configured Regions, or those that are
	// enabled in every account.
	Failure *Failure
	// RegionsKnown is false until AWS has returned the list of enabled Regions.
	RegionsKnown bool
}

// Fleet is what there is to watch: accounts, sorted by ID, and their Regions.
type Fleet struct {
	// Partition of AWS that the caller's ARN names: aws, aws-cn, aws-us-gov …
	Partition string
	Accounts  []*Account
	// Failures are those of the discovery as a whole; what concerns a single
	// account is in the account.
	Failures []Failure
}

// Target is one account in one Region.
type Target struct {
	AccountID, Region string
}

// Analyzer is what AWS tells of one analyzer. It belongs to the account and
// the Region in its ARN, whoever's list showed it.
type Analyzer struct {
	ARN, Name, AccountID, Region string
	// Type, Status, StatusReason and ManagedBy are spelt as AWS spells them;
	// the last two are empty when AWS gives none.
	Type, Status, StatusReason, ManagedBy string
	CreatedAt                             time.Time
	// LastResourceAnalyzedAt is zero when AWS gives none.
	LastResourceAnalyzedAt time.Time
	// Configuration is nil when it is not known; Unread then says why.
	// External access analyzers have an empty one.
	Configuration *Configuration
	Unread        *Failure
	// ArchiveRules is how many rules there are; -1 when it is not known.
	ArchiveRules int
}

// Configuration is the part of an analyzer that only GetAnalyzer returns.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_AnalyzerConfiguration.html
type Configuration struct {
	// UnusedAccessAge is the tracking period; zero unless the analyzer looks
	// for unused access.
	UnusedAccessAge time.Duration
	// ExcludedAccounts produce no unused access findings.
	ExcludedAccounts []string
	// Inclusions are what an internal access analyzer looks at; it looks at
	// nothing without one.
	Inclusions []Inclusion
}

// Inclusion is one criterion of an internal access analyzer. Within one, every
// list that is not empty must match; of several, one is enough.
type Inclusion struct {
	AccountIDs, ResourceARNs, ResourceTypes []string
}

// Access tells what the analyzer looks for; empty for a type that this program
// does not know.
func (a *Analyzer) Access() Access {
	switch a.Type {
	case "ACCOUNT", "ORGANIZATION":
		return External
	case "ACCOUNT_UNUSED_ACCESS", "ORGANIZATION_UNUSED_ACCESS":
		return Unused
	case "ACCOUNT_INTERNAL_ACCESS", "ORGANIZATION_INTERNAL_ACCESS":
		return Internal
	}
	return ""
}

// Scope tells whose resources the analyzer looks at; empty for a type that
// this program does not know.
func (a *Analyzer) Scope() Scope {
	switch {
	case a.Access() == "":
		return ""
	case strings.HasPrefix(a.Type, "ORGANIZATION"):
		return OrganizationScope
	}
	return AccountScope
}

// FindingTypes lists the finding types that the analyzer can produce, in AWS'
// spelling.
func (a *Analyzer) FindingTypes() []string {
	switch a.Access() {
	case External:
		return []string{"ExternalAccess"}
	case Unused:
		return []string{"UnusedIAMRole", "UnusedIAMUserAccessKey", "UnusedIAMUserPassword", "UnusedPermission"}
	case Internal:
		return []string{"InternalAccess"}
	}
	return nil
}

// Finding is one finding of an analyzer, as far as it is counted.
type Finding struct {
	FindingKey
	ID string
	// Error is what AWS says went wrong when it analysed the resource; empty
	// when nothing did.
	Error string
	// UpdatedAt is when anything about the finding last changed.
	CreatedAt, UpdatedAt time.Time
}

// FindingStatuses are the statuses that AWS documents for a finding.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_FindingSummaryV2.html
var FindingStatuses = []string{Active, "ARCHIVED", "RESOLVED"}

// FindingKey is what findings are counted by.
type FindingKey struct {
	// AccountID owns the resource.
	AccountID, Type, Status, ResourceType string
	// Public is "true" or "false" for external access; empty where AWS does
	// not say.
	Public string
}

// FindingErrorKey is what findings that AWS could not analyse are counted by.
type FindingErrorKey struct {
	AccountID, Type, Error string
}

// OldestKey is what the age of findings is told by.
type OldestKey struct {
	AccountID, Type string
}

// Findings are the findings of one analyzer, counted.
type Findings struct {
	// Counts holds what was seen, and nothing else: no zeros.
	Counts map[FindingKey]int
	// Errors counts ACTIVE findings whose resource AWS could not analyse.
	Errors map[FindingErrorKey]int
	// OldestActive is the earliest creation time of an ACTIVE finding.
	OldestActive map[OldestKey]time.Time
	// CountedAt is when the count was completed.
	CountedAt time.Time
}

// Reason is why something could not be read. The set is closed: it is a label.
type Reason string

// The reasons.
const (
	AccessDenied      Reason = "access_denied"
	SCPDenied         Reason = "scp_denied"
	AssumeRoleDenied  Reason = "assume_role_denied"
	Credentials       Reason = "credentials"
	RegionDisabled    Reason = "region_disabled"
	RegionUnsupported Reason = "region_unsupported"
	Throttled         Reason = "throttled"
	Timeout           Reason = "timeout"
	Network           Reason = "network"
	ServiceError      Reason = "service_error"
	MalformedResponse Reason = "malformed_response"
	Other             Reason = "other"
)

// Reasons lists every reason.
var Reasons = []Reason{
	AccessDenied, SCPDenied, AssumeRoleDenied, Credentials, RegionDisabled, RegionUnsupported,
	Throttled, Timeout, Network, ServiceError, MalformedResponse, Other,
}

// Failure is one thing that could not be read. It is an error, and it is data:
// it is exported, shown and compared.
type Failure struct {
	// AccountID is empty when not even the caller's account is known.
	AccountID string
	// Region is Global for what concerns the account as a whole.
	Region string
	// Operation is the AWS operation that failed, in AWS' spelling.
	Operation string
	Reason    Reason
	// Message is for people; it may hold what AWS said and never becomes a
	// label.
	Message string
	// RequestID is the ID that AWS gave to the failed request, for AWS Support;
	// empty when there was no response.
	RequestID string
}

// Error names account, Region, operation and reason before the message.
func (f *Failure) Error() string {
	var b strings.Builder
	if f.AccountID != "" {
		fmt.Fprintf(&b, "account %s, ", f.AccountID)
	}
	if f.Region != "" {
		fmt.Fprintf(&b, "Region %s, ", f.Region)
	}
	fmt.Fprintf(&b, "%s: %s", f.Operation, f.Reason)
	if f.Message != "" {
		fmt.Fprintf(&b, " (%s)", f.Message)
	}
	return b.String()
}

// TargetState is how reading a target went.
type TargetState struct {
	Target
	// Success tells whether everything that the coverage of this target rests
	// on could be read at the last attempt.
	Success bool
	// LastSuccess is when the target itself was last read; zero when it never
	// was.
	LastSuccess time.Time
}

// Exemption takes a place out of the expected set.
type Exemption struct {
	// Account, Region and Access are an account ID, a Region (or Global) and
	// an access, or "*" for all.
	Account, Region, Access string
	Reason                  string
	// Until is when it ends; zero when it does not.
	Until time.Time
}

// State is what is known of the coverage of one account, Region and access.
type State string

// The states.
const (
	Covered   State = "covered"
	Uncovered State = "uncovered"
	Unknown   State = "unknown"
	Exempt    State = "exempt"
)

// Verdict is the judgement on one account, Region and access.
type Verdict struct {
	AccountID string
	// Region is Global for unused access.
	Region string
	Access Access
	State  State
	// Analyzer is the one that covers or, when Uncovered, one that would if it
	// were ACTIVE; nil when there is none.
	Analyzer *Analyzer
	// Failure is why the truth is Unknown, nil otherwise.
	Failure *Failure
	// Exemption is set when the state is Exempt, nil otherwise.
	Exemption *Exemption
}

// Why says in words what the verdict rests on.
func (v Verdict) Why() string {
	a := v.Analyzer
	switch {
	case v.State == Exempt && v.Exemption != nil:
		why := "exempt: " + v.Exemption.Reason
		if !v.Exemption.Until.IsZero() {
			why += " (until " + v.Exemption.Until.UTC().Format(time.DateOnly) + ")"
		}
		return why
	case v.State == Unknown && v.Failure != nil:
		return v.Failure.Error()
	case v.State == Covered && a != nil:
		return fmt.Sprintf("%s analyzer %s in %s, Region %s, is ACTIVE", a.Type, a.Name, a.AccountID, a.Region)
	case a != nil && a.Status != Active:
		why := fmt.Sprintf("%s analyzer %s in %s, Region %s, is %s", a.Type, a.Name, a.AccountID, a.Region, a.Status)
		if a.StatusReason != "" {
			why += ": " + a.StatusReason
		}
		return why
	case a != nil:
		return fmt.Sprintf("%s analyzer %s in %s, Region %s, is ACTIVE but leaves this account out", a.Type, a.Name, a.AccountID, a.Region)
	}
	return "there is no " + string(v.Access) + " access analyzer that the policy accepts"
}

// SweepKind tells the two kinds of sweep apart.
type SweepKind string

// The kinds of sweep, as they stand in the label `kind`.
const (
	CoverageSweep SweepKind = "coverage"
	FindingsSweep SweepKind = "findings"
)

// SweepKinds lists the kinds of sweep.
var SweepKinds = []SweepKind{CoverageSweep, FindingsSweep}

// Sweep is how the last sweep of a kind went.
type Sweep struct {
	Duration    time.Duration
	CompletedAt time.Time
	// Skipped counts the targets that it did not read, as they are covered
	// whatever they have; always 0 for findings.
	Skipped int
}

// AnalyzerFindings are the findings of an analyzer, or the lack of them.
type AnalyzerFindings struct {
	Analyzer *Analyzer
	Findings *Findings
}

// Snapshot is everything that is known at one moment. Slices are sorted by
// account, Region and name.
type Snapshot struct {
	// PublishedAt is when the snapshot was made.
	PublishedAt time.Time
	// Ready is true once a sweep over all targets has been completed.
	Ready bool
	// DiscoverySuccess tells whether accounts and Regions could be listed.
	DiscoverySuccess bool
	// Accounts in scope.
	Accounts []*Account
	// Targets in scope, and one with Region Global for each account of which
	// something as a whole is judged or could not be read.
	Targets []TargetState
	// TargetCount is the number of targets in scope: account × Region.
	TargetCount int
	Analyzers   []*Analyzer
	// Findings of those analyzers that have been counted.
	Findings []AnalyzerFindings
	// FindingStatuses are the statuses that are counted.
	FindingStatuses []string
	// FindingsIndexEntries is how many findings are indexed, so
	// that not all of them have to be listed again.
	FindingsIndexEntries int
	Verdicts             []Verdict
	// Failures are those of the last attempts, one for each account, Region,
	// operation and reason.
	Failures []Failure
	Sweeps   map[SweepKind]Sweep
}

// RefreshKey identifies what one refresh reads: the findings of one analyzer or,
// without an analyzer, the analyzers of one target.
type RefreshKey struct {
	Target
	// AnalyzerARN is the ARN of an analyzer that the target owns, or empty.
	AnalyzerARN string
}
