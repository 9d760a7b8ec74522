// Package inventory declares the types that all packages share: accounts,
// analyzers, findings, failures, verdicts and the Snapshot that a sweep publishes.
// It imports only the standard library.
//
// Published values are immutable, so that readers need no lock.
package inventory

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Access is the kind of access that an analyzer analyzes.
type Access string

// The kinds of access, with their values in the label `access` and in the
// configuration.
const (
	External Access = "external"
	Unused   Access = "unused"
	Internal Access = "internal"
)

// Accesses lists every kind of access, in the order of output.
var Accesses = []Access{External, Unused, Internal}

// Scope is the zone of trust of an analyzer.
type Scope string

// The scopes, with their values in the label `scope` and in the configuration.
const (
	AccountScope      Scope = "account"
	OrganizationScope Scope = "organization"
)

// Global is the Region of what concerns an account as a whole, such as coverage of
// unused access, because IAM is global.
const Global = "global"

// Active is the only status in which an analyzer covers targets, and the status of
// a finding that is neither archived nor resolved.
const Active = "ACTIVE"

// AnalyzerStatuses are the statuses that AWS documents for an analyzer. Others are
// exported unchanged.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_AnalyzerSummary.html
var AnalyzerStatuses = []string{Active, "CREATING", "DISABLED", "FAILED"}

// Role is the role of an account in its organization.
type Role string

// The roles, with their values in the label `role`.
const (
	Management     Role = "management"
	DelegatedAdmin Role = "delegated_admin"
	Member         Role = "member"
	Standalone     Role = "standalone"
)

// Organization is the AWS organization of an account.
type Organization struct {
	// ID is the ID of the organization (o-…); empty if it is unknown whether the
	// account is in an organization, and in which.
	ID string
	// Admins are the IDs of the accounts that may own organization analyzers.
	Admins []string
	// Failure is why Admins may be incomplete, or nil.
	Failure *Failure
}

// Account is one AWS account of the fleet.
type Account struct {
	ID, Name string
	Role     Role
	// Organization is nil for an account in no organization.
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
	// Failure is why the last attempt to list the enabled Regions failed, or why the
	// list is incomplete or too old. Without a list, Regions holds the Regions that
	// no account can disable.
	Failure *Failure
	// RegionsKnown is whether AWS has returned the list of enabled Regions, and that
	// is complete and not too old.
	RegionsKnown bool
	// UncertainRegions are those of Regions that may be disabled by now: the list
	// that has them is too old.
	UncertainRegions []string
	// ScopeFailure is why it is not known whether the account is in use: the list that
	// has it is too old, or its state is unknown; nil if it is known.
	ScopeFailure *Failure
	// OUPath is the path of the organizational unit that has the account, as in
	// aws:PrincipalOrgPaths (o-…/r-…/ou-…/); empty if AWS returned none.
	OUPath string
	// Labels are nil while any of them is not known, and if there are none.
	Labels *AccountLabels
}

// AccountLabels describe whose an account is.
type AccountLabels struct {
	// OUPath and OUName are those of the organizational unit that has the account;
	// empty if they are not configured, and for accounts outside the organization.
	OUPath, OUName string
	// Values has a value for each of LabelKeys.Keys, in that order; empty where the
	// account does not have the tag.
	Values []string
}

// LabelKeys are the labels of accounts in the configuration.
type LabelKeys struct {
	// OU is whether accounts have the labels ou_path and ou_name.
	OU bool
	// Keys are those of tags, in the spelling of AWS; Names are the names of their
	// labels, such as label_team, in the same order.
	Keys, Names []string
}

// None returns whether accounts have no labels.
func (l LabelKeys) None() bool { return !l.OU && len(l.Keys) == 0 }

// Fields returns the labels of an account by name, in the order of LabelKeys; nil
// if they are not known.
func (l LabelKeys) Fields(a *Account) []Label {
	if a == nil || a.Labels == nil {
		return nil
	}
	var all []Label
	if l.OU {
		all = append(all, Label{"ou_path", a.Labels.OUPath}, Label{"ou_name", a.Labels.OUName})
	}
	for i, name := range l.Names {
		all = append(all, Label{name, a.Labels.Values[i]})
	}
	return all
}

// Label is the name of a label and its value.
type Label struct{ Name, Value string }

// Fleet is what to sweep: accounts, sorted by ID, and their Regions.
type Fleet struct {
	// Partition of AWS that the caller's ARN names: aws, aws-cn, aws-us-gov …
	Partition string
	// Hub is the hub account, nil while it is not known, and HubManagement the ID of
	// the management account of its organization; empty if it is not known, or if there
	// is none. Neither need be in scope.
	Hub           *Account
	HubManagement string
	Accounts      []*Account
	// Failures are those of the discovery as a whole; that of one account is in the
	// account.
	Failures []Failure
	// Pending is the number of lists that there was no attempt to read yet.
	Pending int
	// ExpiresAt is when the next list becomes too old to be used; zero for never.
	ExpiresAt time.Time
	// Labels are the labels of accounts, and LabelFailures why some of them could not
	// be read: one for each operation and reason.
	Labels        LabelKeys
	LabelFailures []Failure
}

// Target is one account in one Region.
type Target struct {
	AccountID, Region string
}

// Analyzer is one analyzer. AccountID and Region are those of its ARN, also if the
// list of another account contains it.
type Analyzer struct {
	ARN, Name, AccountID, Region string
	// Type, Status, StatusReason and ManagedBy are unchanged from AWS; the last two
	// may be empty.
	Type, Status, StatusReason, ManagedBy string
	CreatedAt                             time.Time
	// LastResourceAnalyzedAt is zero if AWS returns none.
	LastResourceAnalyzedAt time.Time
	// Configuration is nil if it is unknown, for the reason in Unread. That of an
	// external access analyzer is empty.
	Configuration *Configuration
	Unread        *Failure
	// ArchiveRules is the number of archive rules; -1 if it is unknown.
	ArchiveRules int
}

// Configuration is the part of an analyzer that only GetAnalyzer returns.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_AnalyzerConfiguration.html
type Configuration struct {
	// UnusedAccessAge is the tracking period of an unused access analyzer; otherwise
	// zero.
	UnusedAccessAge time.Duration
	// ExcludedAccounts produce no unused access findings. UndefinedExclusions are
	// accounts for which AWS does not define whether they do.
	ExcludedAccounts, UndefinedExclusions []string
	// Inclusions are the resources that an internal access analyzer analyzes; there
	// are none without an inclusion.
	Inclusions []Inclusion
	// Unsupported is why the rest does not determine what the analyzer covers, such
	// as a member that this version does not support; empty if it does.
	Unsupported string
}

// Inclusion is one criterion of an internal access analyzer. Within one, every
// list that is not empty must match; of several, one is enough.
type Inclusion struct {
	AccountIDs, ResourceARNs, ResourceTypes []string
}

// Access returns the kind of access that the analyzer analyzes; empty for an
// unsupported type.
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

// Scope returns the zone of trust of the analyzer; empty for an unsupported type.
func (a *Analyzer) Scope() Scope {
	switch {
	case a.Access() == "":
		return ""
	case strings.HasPrefix(a.Type, "ORGANIZATION"):
		return OrganizationScope
	}
	return AccountScope
}

// FindingTypes returns the types of finding that the analyzer can generate.
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
	// Error is the error that AWS returns for an analysis that failed, or empty.
	Error string
	// Resource is the ARN of the resource; empty if AWS returns none.
	Resource string
	// UpdatedAt is when anything about the finding last changed.
	CreatedAt, UpdatedAt time.Time
}

// FindingStatuses are the statuses that AWS documents for a finding.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_FindingSummaryV2.html
var FindingStatuses = []string{Active, "ARCHIVED", "RESOLVED"}

// FindingKey is by what findings are counted.
type FindingKey struct {
	// AccountID owns the resource.
	AccountID, Type, Status, ResourceType string
	// Public is "true" or "false" for external access; empty if AWS returns neither.
	Public string
}

// IsPublic returns whether the findings are ACTIVE and of public access.
func (k FindingKey) IsPublic() bool { return k.Status == Active && k.Public == "true" }

// Global returns whether analyzers in every Region report the resources, because
// they belong to IAM.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-resources.html
func (k FindingKey) Global() bool {
	return strings.HasPrefix(k.Type, "Unused") || strings.HasPrefix(k.ResourceType, iamPrefix)
}

const iamPrefix = "AWS::IAM::"

// FindingErrorKey is by what findings whose analysis failed are counted.
type FindingErrorKey struct {
	AccountID, Type, Error string
}

// OldestKey is for what the oldest finding is determined.
type OldestKey struct {
	AccountID, Type string
}

// Findings is a count of the findings of one analyzer.
type Findings struct {
	// Counts has no zeros.
	Counts map[FindingKey]int
	// Errors counts the ACTIVE findings whose analysis failed.
	Errors map[FindingErrorKey]int
	// OldestActive is the earliest creation time of an ACTIVE finding.
	OldestActive map[OldestKey]time.Time
	// Public are the ACTIVE public findings by name: all of global resources, and the
	// oldest of others, up to a bound for each owner.
	Public []PublicFinding
	// PublicUnnamed is the number of those that are not in Public, by owner. It has no
	// zeros.
	PublicUnnamed map[string]int
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

// Failure is a failed AWS operation. It is an error, and part of the Snapshot.
type Failure struct {
	// AccountID is empty if the account of the credentials is unknown.
	AccountID string
	// Region is Global for what concerns the account as a whole.
	Region string
	// Operation is the name of the AWS operation.
	Operation string
	Reason    Reason
	// Detail is empty if the reason alone determines the fix.
	Detail Detail
	// Message may contain the message that AWS returned. It is never a label.
	Message string
	// RequestID is the ID that AWS gave to the failed request, for AWS Support;
	// empty when there was no response.
	RequestID string
	// Unsupported is true if AWS answered, with something that this version of the
	// exporter does not support.
	Unsupported bool
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

// Distinct sorts failures and keeps one for each account, Region, operation and
// reason, which are the labels of the metric.
func Distinct(failures []Failure) []Failure {
	compare := func(a, b Failure) int {
		return cmp.Or(
			strings.Compare(a.AccountID, b.AccountID), strings.Compare(a.Region, b.Region),
			strings.Compare(a.Operation, b.Operation), strings.Compare(string(a.Reason), string(b.Reason)),
		)
	}
	slices.SortStableFunc(failures, compare)
	return slices.CompactFunc(failures, func(a, b Failure) bool { return compare(a, b) == 0 })
}

// Filters are the keys of the configuration that limit the scope, such as
// regions.include; empty where none does.
type Filters struct{ Accounts, Regions string }

// TargetState is the outcome of reading a target.
type TargetState struct {
	Target
	// Success is whether the last attempt read everything that determines the
	// coverage of this target.
	Success bool
	// LastSuccess is when the target itself was last read; zero when it never
	// was.
	LastSuccess time.Time
	// Unlisted is whether the analyzers of a target that is queried are not known: it
	// was not read yet, or what was read is too old.
	Unlisted bool
}

// Exemption exempts targets from the coverage policy.
type Exemption struct {
	// Account, Region and Access are an account ID, a Region (or Global) and
	// an access, or "*" for all.
	Account, Region, Access string
	Reason                  string
	// Until is when it ends; zero when it does not.
	Until time.Time
}

// State is the coverage of one account, Region and access.
type State string

// The states.
const (
	Covered   State = "covered"
	Uncovered State = "uncovered"
	Unknown   State = "unknown"
	Exempt    State = "exempt"
)

// States lists every state.
var States = []State{Covered, Uncovered, Unknown, Exempt}

// Verdict is the coverage of one account, Region and access, and its cause.
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

// Why describes the cause of the verdict.
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

// SweepKind is a kind of sweep.
type SweepKind string

// The kinds of sweep, with their values in the label `kind`.
const (
	CoverageSweep SweepKind = "coverage"
	FindingsSweep SweepKind = "findings"
)

// PolicySweep is the kind of progress that an audit reports for policies. It is no kind
// of sweep: the exporter reads each account on its own.
const PolicySweep SweepKind = "policies"

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

// PublicFinding is an ACTIVE finding of public access, with its resource.
type PublicFinding struct {
	// ID is that of the finding.
	ID string
	// AccountID owns the resource; ResourceType has the spelling of CloudFormation.
	// Resource is an ARN; empty if AWS returns none.
	AccountID, ResourceType, Resource string
	// CreatedAt is zero if AWS returns none.
	CreatedAt time.Time
}

// Global returns whether analyzers in every Region report the resource.
func (f *PublicFinding) Global() bool { return FindingKey{ResourceType: f.ResourceType}.Global() }

// Compare orders public findings by age, the oldest first.
func (f *PublicFinding) Compare(other *PublicFinding) int {
	return cmp.Or(f.CreatedAt.Compare(other.CreatedAt), strings.Compare(f.ID, other.ID))
}

// PublicResource is a resource that is public according to an ACTIVE finding of an
// analyzer. Region is Global for what analyzers in every Region report; the finding
// is then the oldest of theirs.
type PublicResource struct {
	PublicFinding
	Region   string
	Analyzer *Analyzer
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
	// DiscoverySuccess is whether all lists of accounts and Regions are complete and
	// not too old, and the last attempt to read each succeeded.
	DiscoverySuccess bool
	// DiscoveryFailures counts the lists of which that is not so.
	DiscoveryFailures map[DiscoveryFailure]int
	// Accounts in scope.
	Accounts []*Account
	// Labels are the labels of accounts.
	Labels LabelKeys
	// Targets in scope, and one with Region Global for each account of which
	// something as a whole is judged or could not be read.
	Targets []TargetState
	// TargetCount is the number of targets in scope: account × Region.
	TargetCount int
	// NoTargets is the key of the configuration that excludes every target; empty
	// if there are targets, if no key does, or if accounts or Regions are not known.
	NoTargets string
	Analyzers []*Analyzer
	// Findings of those analyzers that have been counted.
	Findings []AnalyzerFindings
	// PublicResources are the oldest of each owner, up to a bound, sorted by owner and
	// age. PublicUnlisted is the number of the others by owner and Region, without
	// zeros.
	PublicResources []PublicResource
	PublicUnlisted  map[Target]int
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
	// Policies are the results of the validation of policies; nil where it is disabled.
	Policies *Policies
}

// DiscoveryFailure is by what lists that failed are counted.
type DiscoveryFailure struct {
	Operation string
	Reason    Reason
}

// CoverageKey is by what targets are counted.
type CoverageKey struct {
	Access Access
	Region string
	State  State
}

// CoverageTargets returns the number of targets by access, Region and state.
// Each access and Region with a verdict has a count for every state, so that 0
// is not absent. Counts of shards can be added.
func (s *Snapshot) CoverageTargets() map[CoverageKey]int {
	targets := map[CoverageKey]int{}
	for _, v := range s.Verdicts {
		targets[CoverageKey{v.Access, v.Region, v.State}]++
	}
	for key := range maps.Clone(targets) {
		for _, state := range States {
			key.State = state
			targets[key] += 0
		}
	}
	return targets
}

// ResourceKey is by what resources with findings are counted.
type ResourceKey struct {
	FindingType, Status string
	// Public is as in FindingKey. Region is Global for what analyzers in every Region
	// report.
	Public, Region string
}

// ResourcesWithFindings returns the number of findings with each resource counted
// once. Several analyzers may report the same resources of an owner: the largest
// count is used. Without resource types, IAM roles count once in each Region.
//
// Every finding type that a counted analyzer can generate has a count for every
// status, so that 0 is not absent.
func (s *Snapshot) ResourcesWithFindings() map[ResourceKey]int {
	type group struct {
		FindingKey
		region string
	}
	most := map[group]int{}
	resources := map[ResourceKey]int{}
	for _, f := range s.Findings {
		if f.Analyzer == nil || f.Findings == nil {
			continue
		}
		for _, status := range s.FindingStatuses {
			for _, k := range f.Analyzer.findingKeys(status) {
				resources[ResourceKey{k.Type, k.Status, k.Public, f.Analyzer.regionOf(k)}] += 0
			}
		}
		for k, n := range f.Findings.Counts {
			g := group{k, f.Analyzer.regionOf(k)}
			most[g] = max(most[g], n)
		}
	}
	for g, n := range most {
		resources[ResourceKey{g.Type, g.Status, g.Public, g.region}] += n
	}
	return resources
}

// UncountedAnalyzers returns the number of analyzers whose findings are not known, by
// Region: 0 for a Region where those of all its analyzers are. It is nil if findings are
// not counted at all.
func (s *Snapshot) UncountedAnalyzers() map[string]int {
	if len(s.FindingStatuses) == 0 {
		return nil
	}
	uncounted := map[string]int{}
	for _, a := range s.Analyzers {
		if a.Access() != "" {
			uncounted[a.Region]++
		}
	}
	for _, f := range s.Findings {
		switch {
		case f.Analyzer.Access() == "":
			// It is not known what its findings are about, so no total includes them.
			uncounted[f.Analyzer.Region]++
		case f.Findings != nil:
			uncounted[f.Analyzer.Region]--
		}
	}
	return uncounted
}

// findingKeys returns the findings that the analyzer can generate, as far as
// ResourcesWithFindings distinguishes them.
func (a *Analyzer) findingKeys(status string) []FindingKey {
	var keys []FindingKey
	for _, t := range a.FindingTypes() {
		if a.Access() != External {
			keys = append(keys, FindingKey{Type: t, Status: status})
			continue
		}
		for _, public := range []string{"true", "false"} {
			keys = append(keys, FindingKey{Type: t, Status: status, Public: public}, FindingKey{Type: t, Status: status, Public: public, ResourceType: iamPrefix})
		}
	}
	return keys
}

func (a *Analyzer) regionOf(k FindingKey) string {
	if k.Global() {
		return Global
	}
	return a.Region
}

// RefreshKey identifies what one refresh reads: the findings of one analyzer or,
// without an analyzer, the analyzers of one target.
type RefreshKey struct {
	Target
	// AnalyzerARN is the ARN of an analyzer that the target owns, or empty.
	AnalyzerARN string
}
