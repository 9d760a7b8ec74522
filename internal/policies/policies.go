// Package policies validates the policies of the accounts with ValidatePolicy of
// Access Analyzer, and checks them with checks of the configuration.
//
// A [Watcher] reads the policies of each account at intervals, in a loop of its own:
// sweeps do not wait for it. Documents are validated by content, so that a document
// that is the same as one that was validated costs no call, in any account. Documents
// are secrets: the Watcher keeps their hashes alone, for the time after it has
// validated them.
package policies

import (
	"context"
	"log/slog"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// Policy is a policy and its document, in JSON.
type Policy struct {
	Type inventory.PolicyType
	// Name identifies the policy within its account and type.
	Name, Document string
	// Failure is why the document cannot be read; nil if it can.
	Failure *inventory.Failure
}

// Check is a check of managed and inline policies, which AWS bills by call.
type Check struct {
	Name string
	// Actions are those that no policy may allow. Without any, Reference is a policy
	// that allows all that policies may allow.
	Actions   []string
	Reference string
}

// Operation returns the operation of Access Analyzer that makes the check.
func (c Check) Operation() string {
	if len(c.Actions) > 0 {
		return "CheckAccessNotGranted"
	}
	return "CheckNoNewAccess"
}

// Reader reads and validates policies. No failure has a document, or a part of one.
type Reader interface {
	// AccountPolicies passes the policies of an account, those of the types, to add,
	// one page after the other. It stops without a failure when add returns false.
	AccountPolicies(ctx context.Context, a *inventory.Account, types []inventory.PolicyType, add func([]Policy) bool) *inventory.Failure
	// OrganizationPolicies does so for the organization of the hub account.
	OrganizationPolicies(ctx context.Context, hub *inventory.Account, t inventory.PolicyType, add func([]Policy) bool) *inventory.Failure
	// ValidatePolicy returns the issues of a policy by finding type and code.
	ValidatePolicy(ctx context.Context, a *inventory.Account, region string, p Policy) ([]inventory.PolicyIssue, *inventory.Failure)
	// CheckPolicy returns whether a managed or inline policy passes a check.
	CheckPolicy(ctx context.Context, a *inventory.Account, region string, p Policy, c Check) (bool, *inventory.Failure)
}

// Fleet has the accounts.
type Fleet interface {
	// Fleet returns them as far as they are known now.
	Fleet() *inventory.Fleet
	// Changed returns a channel that is closed at the next change of them.
	Changed() <-chan struct{}
}

// Options of a Watcher.
type Options struct {
	// Types are those to validate.
	Types []inventory.PolicyType
	// Interval is the time from one read of an account to the next, and FullInterval
	// that from one validation of a document to the next.
	Interval, FullInterval time.Duration
	// StaleAfter is how long a result is used after the read, or the validation, that
	// was due.
	StaleAfter time.Duration
	Checks     []Check
	// ChecksPerDay is the maximum number of calls for checks in any 24 hours, over
	// restarts of the process too.
	ChecksPerDay int
	// Publish is called when results have changed, never concurrently.
	Publish func()
	// OnCheck is called for every call for a check; nil: nothing is called.
	OnCheck func(name string)
	Logger  *slog.Logger
}

const (
	// workers bounds the accounts that are read at the same time. Each has one call in
	// flight.
	workers = 4
	// maxWorst is the number of policies that are listed by name, and maxIssues that of
	// issues of each.
	maxWorst, maxIssues = 100, 10
	// publishInterval is the shortest time between two publications while accounts are
	// read: each is one of the whole fleet.
	publishInterval = 30 * time.Second
	// scopeInterval is the shortest time between two reads of the fleet.
	scopeInterval = 10 * time.Second
	// firstRetry follows the first of consecutive failures of an account. It doubles
	// with each, up to a quarter of the interval.
	firstRetry = time.Minute
	// fewFailures is the number of consecutive failures to validate after which the
	// rest of an account waits for the next attempt. Documents that AWS rejects do not
	// count.
	fewFailures = 10
)

// identity returns whether a type is one of identity-based policies.
func identity(t inventory.PolicyType) bool { return t == inventory.Managed || t == inventory.Inline }
