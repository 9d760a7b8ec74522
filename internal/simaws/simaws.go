// Package simaws is a simulated AWS organization behind the wire protocols of
// AWS: Access Analyzer and Account Management (REST-JSON), Organizations
// (JSON 1.1), STS and IAM (query and XML) and SQS (JSON 1.0), on one HTTP
// listener. It
// verifies signatures and permissions, pages lists, and returns errors with the
// codes, shapes and statuses of AWS. Its queues receive the events that
// EventBridge would deliver. AWS SDKs and the AWS CLI find it by environment
// variables:
//
//	world := &simaws.World{
//		Organization: &simaws.Organization{
//			ID:              "o-exampleorg1",
//			ManagementID:    "111111111111",
//			TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
//			DelegatedAdmins: map[string][]string{simaws.AccessAnalyzerPrincipal: {"222222222222"}},
//		},
//		Accounts: []*simaws.Account{
//			{ID: "111111111111", Name: "management", Regions: simaws.Regions()},
//			{ID: "222222222222", Name: "security", Regions: simaws.Regions("eu-south-1")},
//			{ID: "333333333333", Name: "workload", Regions: simaws.Regions(), Roles: []*simaws.Role{
//				{Name: "exporter", Trusts: []string{"222222222222"}},
//			}},
//		},
//		Analyzers: []*simaws.Analyzer{
//			{AccountID: "222222222222", Region: "eu-west-1", Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE"},
//		},
//	}
//	server := simaws.New(world, simaws.Options{})
//	if err := server.Start(); err != nil { … }
//	defer server.Close()
//	for name, value := range server.Env() {
//		t.Setenv(name, value)
//	}
//
// A running server can be changed and observed:
//
//	server.Update(func(w *simaws.World) { w.Analyzers[0].Status = "DISABLED" })
//	remove := server.AddFault(&simaws.Fault{Kind: simaws.Throttled, Account: "333333333333", Times: 3})
//	calls := server.Calls(simaws.CallFilter{Operation: "ListAnalyzers"})
//
// A world can also be written in YAML ([ParseScenario]; scenario/scenario.yaml
// has every key). [Demo] is an example.
//
// This package is the API of the simulator; it serves HTTP and logs calls. Each
// of its sub-packages imports only those before it: world (the state), policy
// (checks of policy documents), iam (access keys and sessions), wire (protocols),
// services (operations) and fault (injected faults). scenario imports world only.
//
// Sources: the API references of the six services, "Signing AWS API requests"
// and "Troubleshoot access denied error messages" in the IAM User Guide.
// [Quirks] selects behavior that AWS does not document.
package simaws

import (
	"math/rand/v2"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/policy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/scenario"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// The state of a simulated AWS; the fields are documented in package world.

type (
	// World is a simulated AWS.
	World = world.World
	// Quirks select behavior that AWS does not document.
	Quirks = world.Quirks
	// Organization is an AWS organization.
	Organization = world.Organization
	// Account is an AWS account.
	Account = world.Account
	// Region is a Region in an account.
	Region = world.Region
	// Role is an IAM role.
	Role = world.Role
	// User is an IAM user.
	User = world.User
	// Group is an IAM group.
	Group = world.Group
	// Policy is an inline policy of a user, a group or a role.
	Policy = world.Policy
	// ManagedPolicy is a managed policy of IAM.
	ManagedPolicy = world.ManagedPolicy
	// OrganizationPolicy is a policy of an organization.
	OrganizationPolicy = world.OrganizationPolicy
	// PolicyDocument is the document of a policy that belongs to an account.
	PolicyDocument = world.PolicyDocument
	// PolicyMix is how many policies [AddPolicies] adds.
	PolicyMix = world.PolicyMix
	// PolicyFinding is a finding of [ValidatePolicy].
	PolicyFinding = policy.Finding
	// Caller is the IAM user whose credentials [Server.Env] returns.
	Caller = world.Caller
	// Analyzer is an analyzer of Access Analyzer.
	Analyzer = world.Analyzer
	// UnusedAccess configures an unused access analyzer.
	UnusedAccess = world.UnusedAccess
	// Exclusion is a criterion for what has no unused access findings.
	Exclusion = world.Exclusion
	// InternalAccess configures an internal access analyzer.
	InternalAccess = world.InternalAccess
	// Inclusion is a criterion for what an internal access analyzer analyzes.
	Inclusion = world.Inclusion
	// ArchiveRule archives new findings that match its filter.
	ArchiveRule = world.ArchiveRule
	// Finding is a finding of an analyzer.
	Finding = world.Finding
	// Access is the access that a finding reports.
	Access = world.Access
	// Criterion is the condition on one key of a filter.
	Criterion = world.Criterion
	// Queue is an SQS queue that receives the events of Access Analyzer.
	Queue = world.Queue
	// Depth is the number of messages of a queue.
	Depth = world.Depth
	// Event is a scheduled change of the world.
	Event = world.Event
	// Fault makes calls fail.
	Fault = world.Fault
	// FaultKind is the effect of a fault.
	FaultKind = world.FaultKind
)

// The service principals of trusted access and delegated administrators.
const (
	AccessAnalyzerPrincipal    = world.AccessAnalyzerPrincipal
	AccountManagementPrincipal = world.AccountManagementPrincipal
)

// The types of an organization's policies that are simulated.
const (
	ServiceControlPolicy  = world.ServiceControlPolicy
	ResourceControlPolicy = world.ResourceControlPolicy
)

// The kinds of fault, see package world.
const (
	AccessDenied           = world.AccessDenied
	SCPDenied              = world.SCPDenied
	AssumeRoleDenied       = world.AssumeRoleDenied
	InvalidCredentials     = world.InvalidCredentials
	ExpiredToken           = world.ExpiredToken
	RegionDisabled         = world.RegionDisabled
	Rejected               = world.Rejected
	Throttled              = world.Throttled
	ThrottledUnparsable    = world.ThrottledUnparsable
	Timeout                = world.Timeout
	Latency                = world.Latency
	ConnectionReset        = world.ConnectionReset
	ServiceError           = world.ServiceError
	ServiceErrorUnparsable = world.ServiceErrorUnparsable
	MalformedResponse      = world.MalformedResponse
	WrongTypes             = world.WrongTypes
	EmptyResponse          = world.EmptyResponse
	HugeBody               = world.HugeBody
	SlowBody               = world.SlowBody
	RepeatingToken         = world.RepeatingToken
	UnknownEnum            = world.UnknownEnum
)

// The Regions of the partition aws, and every kind of fault.
var (
	DefaultRegions = world.DefaultRegions
	FaultKinds     = world.FaultKinds
)

// Regions returns every Region of the partition aws, sorted, of which the given
// opt-in Regions are enabled.
func Regions(optedIn ...string) []Region { return world.Regions(optedIn...) }

// ParseScenario parses a world in YAML. Ages count back from now. The error
// lists all that is invalid, with line numbers.
func ParseScenario(data []byte, now time.Time) (*World, error) { return scenario.Parse(data, now) }

// Demo returns an organization of twelve accounts with coverage gaps, findings
// and faults of every kind, which changes over time.
func Demo() *World { return scenario.Demo() }

// ValidatePolicy returns the findings that the operation of the same name returns,
// over all pages.
func ValidatePolicy(document, policyType, resourceType string) []PolicyFinding {
	return policy.Validate(document, policyType, resourceType)
}

// PolicyGrants reports whether CheckAccessNotGranted fails for a policy. The error
// is for a policy that is not valid.
func PolicyGrants(document, policyType string, actions, resources []string) (bool, error) {
	reasons, err := policy.Grants(document, policyType, actions, resources)
	return len(reasons) > 0, err
}

// PolicyHasNewAccess reports whether CheckNoNewAccess fails for an updated policy.
// The error is for a policy that is not valid.
func PolicyHasNewAccess(updated, existing, policyType string) (bool, error) {
	reasons, err := policy.NewAccess(updated, existing, policyType)
	return len(reasons) > 0, err
}

// AddPolicies adds random policies of each kind to accounts.
func AddPolicies(r *rand.Rand, accounts []*Account, mix PolicyMix) {
	world.AddPolicies(r, accounts, mix)
}

// RandomDocument returns a policy document with random content, which is the same
// for the same number. A trust policy is one of a role.
func RandomDocument(n uint64, trust bool) string { return world.RandomDocument(n, trust) }
