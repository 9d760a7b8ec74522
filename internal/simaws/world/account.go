package world

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Account is an AWS account.
type Account struct {
	// ID has twelve digits.
	ID, Name, Email string
	// State is one of [AccountStates]; empty is ACTIVE.
	State string
	// OUs are the IDs of the root and of the organizational units down to the
	// account, e.g. r-exam, ou-exam-workload. Empty is the root r-exam.
	OUs []string
	// Tags are those in Organizations.
	Tags map[string]string
	// JoinedAt is when the account joined the organization: as an invited
	// account if Invited is set, else because it was created there.
	JoinedAt time.Time
	Invited  bool
	// Standalone accounts are in no organization.
	Standalone bool
	// Regions is the response to account:ListRegions, see [Regions]. It is
	// read-only: accounts may share one slice.
	Regions []Region
	// Roles, Users, Groups and Policies are those of IAM; the roles are also
	// those that can be assumed.
	Roles    []*Role
	Users    []*User
	Groups   []*Group
	Policies []*ManagedPolicy
}

// AccountStates lists the values of Account.State.
var AccountStates = []string{"PENDING_ACTIVATION", "ACTIVE", "SUSPENDED", "PENDING_CLOSURE", "CLOSED"}

// Role is an IAM role.
type Role struct {
	Name string
	// ID is the unique ID of the role; the default is derived from account and
	// name. A role that is deleted and re-created has another one, and sessions
	// of the first are invalid.
	ID string
	// Trusts are the account IDs or principal ARNs in the trust policy; "*" is
	// any principal.
	Trusts []string
	// ExternalID, if set, is required to assume the role.
	ExternalID string
	// Actions are the IAM actions that its policies allow, with "*" as a
	// wildcard; nil allows everything.
	Actions []string
	// MaxSession is the maximum session duration; zero is the AWS default of an
	// hour.
	MaxSession time.Duration
	// Path is that of IAM; empty is "/". Roles below /aws-service-role/ are
	// service-linked roles.
	Path string
	// Trust is the document of the trust policy, which has no effect on
	// AssumeRole; the default is one that allows Trusts.
	Trust string
	// Inline and Attached are policies that have no effect on calls: inline
	// policies, and the ARNs of managed policies.
	Inline   []Policy
	Attached []string
}

// CurrentState is the state of the account, with its default.
func (a *Account) CurrentState() string {
	if a.State == "" {
		return "ACTIVE"
	}
	return a.State
}

// CanCall reports whether AWS accepts calls by the identities of the account.
func (a *Account) CanCall() bool {
	return a.CurrentState() == "ACTIVE" || a.CurrentState() == "PENDING_CLOSURE"
}

// RegionStatus is the opt-in status of a Region; empty if the account does not
// have the Region.
func (a *Account) RegionStatus(name string) string {
	for _, r := range a.Regions {
		if r.Name == name {
			return r.Status
		}
	}
	return ""
}

// Enabled reports whether the Region accepts calls by the account. A Region
// that is being disabled still does, one that is being enabled does not yet.
func (a *Account) Enabled(region string) bool {
	switch a.RegionStatus(region) {
	case "ENABLED", "ENABLED_BY_DEFAULT", "DISABLING":
		return true
	}
	return false
}

// Role returns the role with a name, or nil.
func (a *Account) Role(name string) *Role {
	for _, r := range a.Roles {
		if r.Name == name {
			return r
		}
	}
	return nil
}

// The IDs of a root and of an organizational unit.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_OrganizationalUnit.html
var (
	rootID = regexp.MustCompile(`^r-[0-9a-z]{4,32}$`)
	ouID   = regexp.MustCompile(`^ou-([0-9a-z]{4,32})-[0-9a-z]{8,32}$`)
)

// IsOU reports whether an ID is that of an organizational unit.
func IsOU(id string) bool { return ouID.MatchString(id) }

// CheckOUs returns why Account.OUs is invalid, or nil.
func CheckOUs(ous []string) error {
	for i, id := range ous {
		switch ou := ouID.FindStringSubmatch(id); {
		case i == 0 && !rootID.MatchString(id):
			return fmt.Errorf("%q is not the ID of a root, such as r-exam", id)
		case i > 0 && ou == nil:
			return fmt.Errorf("%q is not the ID of an organizational unit, such as ou-exam-workload", id)
		case i > 0 && "r-"+ou[1] != ous[0]:
			return fmt.Errorf("the organizational unit %s is not below the root %s", id, ous[0])
		}
	}
	return nil
}

// Path is the path of the account in Organizations:
// o-…/r-…/ou-…/123456789012/.
func (a *Account) Path(org *Organization) string {
	ous := a.OUs
	if len(ous) == 0 {
		ous = []string{"r-exam"}
	}
	return org.ID + "/" + strings.Join(ous, "/") + "/" + a.ID + "/"
}
