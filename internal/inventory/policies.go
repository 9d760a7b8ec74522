package inventory

import "time"

// PolicyType is a type of policies to validate.
type PolicyType string

// The types of policies, with their values in the label `policy_type` and in the
// configuration.
const (
	// Managed are customer managed policies, Inline those of users, groups and roles,
	// and Trust the trust policies of roles.
	Managed PolicyType = "managed"
	Inline  PolicyType = "inline"
	Trust   PolicyType = "trust"
	// ServiceControl and ResourceControl are policies of an organization; they are
	// exported for its management account.
	ServiceControl  PolicyType = "service_control"
	ResourceControl PolicyType = "resource_control"
)

// PolicyTypes lists every type of policies.
var PolicyTypes = []PolicyType{Managed, Inline, Trust, ServiceControl, ResourceControl}

// PolicyFindingTypes are the types of finding that AWS documents for the validation of
// a policy, the most severe first. Others are exported unchanged.
// https://docs.aws.amazon.com/access-analyzer/latest/APIReference/API_ValidatePolicyFinding.html
var PolicyFindingTypes = []string{"ERROR", "SECURITY_WARNING", "WARNING", "SUGGESTION"}

// PolicyIssue is an issue of a policy, as often as the validation found it.
type PolicyIssue struct {
	// FindingType and Code have the spelling of AWS.
	FindingType, Code string
	// Link is the address of the documentation; empty if AWS returned no https URL.
	Link  string
	Count int
}

// CheckResult is the result of a check of a policy.
type CheckResult string

// The results of checks, with their values in the label `result`.
const (
	CheckPassed CheckResult = "pass"
	CheckFailed CheckResult = "fail"
	// Unchecked: there was no call yet, or none that succeeded.
	Unchecked CheckResult = "unchecked"
)

// CheckResults lists every result of a check.
var CheckResults = []CheckResult{CheckPassed, CheckFailed, Unchecked}

// PolicyCount is what is known about the policies of one type in an account.
type PolicyCount struct {
	Policies int
	// Findings counts findings by type, with zeros for the documented types; nil unless
	// every policy is validated.
	Findings map[string]int
	// Unvalidated counts the policies without a result that is not too old, by reason,
	// without zeros.
	Unvalidated map[Reason]int
}

// AccountPolicies are the policies of an account. What could not be read is absent.
type AccountPolicies struct {
	AccountID string
	Types     map[PolicyType]PolicyCount
	// Checks counts policies by the name of the check and result.
	Checks map[string]map[CheckResult]int
	// LastSuccess is when everything of the account was last read and validated; zero if
	// it never was.
	LastSuccess time.Time
}

// PolicyFindings is a policy with findings.
type PolicyFindings struct {
	AccountID string
	Type      PolicyType
	// Name identifies the policy within its account and type.
	Name string
	// Issues are sorted by severity and number. More is the number of findings that are
	// not among them.
	Issues []PolicyIssue
	More   int
}

// Policies are the results of the validation of policies.
type Policies struct {
	// Accounts with results, sorted by ID.
	Accounts []AccountPolicies
	// Pending is the number of accounts that there was no attempt to read yet.
	Pending int
	// Unread is the number of accounts of which a list of policies could not be read, and
	// the last known one is too old.
	Unread int
	// Missing is the number of accounts, pending and unread, by type of their policies.
	Missing map[PolicyType]int
	// Worst are the policies with most findings, the most severe first. Unlisted is the
	// number of others with an ERROR or a SECURITY_WARNING.
	Worst    []PolicyFindings
	Unlisted int
	// Failures are those of the last attempts: one for each account, operation and
	// reason.
	Failures []Failure
	// Checks are the names of the checks in the configuration.
	Checks []string
	// Documents is the number of documents whose results are in memory.
	Documents int
}

// CheckCallPrice is the price of a call for a check, in US dollars.
// https://aws.amazon.com/iam/access-analyzer/pricing/
const CheckCallPrice = 0.002
