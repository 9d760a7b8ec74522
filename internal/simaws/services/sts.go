package services

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/iam"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

var securityToken = &wire.Service{
	Name: world.SecurityToken, Protocol: wire.QueryXML, Namespace: "https://sts.amazonaws.com/doc/2011-06-15/",
	Throttled: wire.Error{Code: "Throttling", Status: http.StatusBadRequest, Message: "Rate exceeded"},
	Internal: wire.Error{
		Code: "InternalFailure", Status: http.StatusInternalServerError,
		Message: "The request processing has failed because of an unknown error, exception or failure.",
	},
}

// stsOperations are the operations for access to other accounts.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
func stsOperations(sessions *iam.Sessions) wire.Operations {
	assumeRole := func(q *wire.Request) (any, *wire.Error) { return assumeRole(q, sessions) }
	return wire.NewOperations(
		&wire.Operation{Name: "AssumeRole", Action: "sts:AssumeRole", Resource: roleResource, Subject: roleAccount, RegionDisabled: regionDisabled, Handle: assumeRole},
		// No policy can deny this one.
		&wire.Operation{Name: "GetCallerIdentity", Handle: getCallerIdentity},
	)
}

func roleResource(q *wire.Request) string { return q.Query.Get("RoleArn") }

func roleAccount(q *wire.Request) string {
	account, _, _ := splitRoleARN(q.Query.Get("RoleArn"))
	return account
}

// splitRoleARN splits arn:aws:iam::123456789012:role/path/name.
func splitRoleARN(arn string) (account, name string, ok bool) {
	p := strings.SplitN(arn, ":", 6)
	if len(p) != 6 || p[0] != "arn" || p[2] != "iam" || !strings.HasPrefix(p[5], "role/") {
		return "", "", false
	}
	return p[4], p[5][strings.LastIndexByte(p[5], '/')+1:], true
}

type assumeRoleResult struct {
	XMLName         xml.Name       `xml:"AssumeRoleResult"`
	AssumedRoleUser assumedUser    `xml:"AssumedRoleUser"`
	Credentials     stsCredentials `xml:"Credentials"`
}

type assumedUser struct {
	AssumedRoleID string `xml:"AssumedRoleId"`
	ARN           string `xml:"Arn"`
}

type stsCredentials struct {
	AccessKeyID     string `xml:"AccessKeyId"`
	SecretAccessKey string `xml:"SecretAccessKey"`
	SessionToken    string `xml:"SessionToken"`
	Expiration      string `xml:"Expiration"`
}

type callerIdentityResult struct {
	XMLName xml.Name `xml:"GetCallerIdentityResult"`
	ARN     string   `xml:"Arn"`
	UserID  string   `xml:"UserId"`
	Account string   `xml:"Account"`
}

func getCallerIdentity(q *wire.Request) (any, *wire.Error) {
	return callerIdentityResult{ARN: q.Caller.ARN, UserID: q.Caller.UserID, Account: q.Caller.AccountID}, nil
}

func assumeRole(q *wire.Request, sessions *iam.Sessions) (any, *wire.Error) {
	arn, name := q.Query.Get("RoleArn"), q.Query.Get("RoleSessionName")
	accountID, roleName, ok := splitRoleARN(arn)
	if !ok {
		return nil, q.Service.Errorf(wire.InvalidInput, "%s is invalid", arn)
	}
	if !validSessionName(name) {
		return nil, q.Service.Errorf(wire.InvalidInput, "1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: "+
			"Member must satisfy regular expression pattern: [\\w+=,.@-]*", name)
	}
	account := q.Account(accountID)
	role := trustedRole(q, account, roleName)
	if role == nil {
		return nil, q.Denied("")
	}
	if account.RegionStatus(q.Region) != "" && !account.Enabled(q.Region) {
		return nil, regionDisabled(q)
	}
	actions, err := sessionPolicy(q)
	if err != nil {
		return nil, err
	}
	duration, err := sessionDuration(q, role)
	if err != nil {
		return nil, err
	}
	id, session := sessions.Assume(accountID, role, name, actions, q.Now.Add(q.ClockSkew), duration)
	return assumeRoleResult{
		AssumedRoleUser: assumedUser{session.UserID(), session.ARN()},
		Credentials:     stsCredentials{id, session.Secret, session.Token, session.Expires.Format(time.RFC3339)},
	}, nil
}

// maxPolicy is how long a session policy can be, in characters.
const maxPolicy = 2048

// sessionPolicy returns the actions that the session policy allows; nil if there
// is none. AWS does not document how it packs policies and tags: here, a policy of
// the full length takes all of the space.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
func sessionPolicy(q *wire.Request) ([]string, *wire.Error) {
	policy := q.Query.Get("Policy")
	if len(policy) > maxPolicy {
		return nil, q.Service.Errorf(wire.InvalidInput, "1 validation error detected: Value at 'policy' failed to satisfy constraint: Member must have length less than or equal to %d", maxPolicy)
	}
	if packed := q.Caller.SessionTags + 100*len(policy)/maxPolicy; packed > 100 {
		return nil, &wire.Error{Code: "PackedPolicyTooLarge", Status: http.StatusBadRequest, Message: fmt.Sprintf("Packed policy consumes %d%% of allotted space, please use smaller policy.", packed)}
	}
	if !q.Query.Has("Policy") {
		return nil, nil
	}
	actions, err := iam.SessionActions(policy)
	if err != nil {
		return nil, &wire.Error{Code: "MalformedPolicyDocument", Status: http.StatusBadRequest, Message: err.Error()}
	}
	return actions, nil
}

func validSessionName(s string) bool {
	return len(s) >= 2 && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_+=,.@-", r))
	}) < 0
}

// trustedRole returns the role if the caller may assume it, else nil: the error
// of AWS does not contain the reason.
func trustedRole(q *wire.Request, account *world.Account, name string) *world.Role {
	if account == nil || !account.CanCall() {
		return nil
	}
	role := account.Role(name)
	if role == nil || role.ExternalID != "" && role.ExternalID != q.Query.Get("ExternalId") || !q.Caller.TrustedBy(role) {
		return nil
	}
	return role
}

func regionDisabled(q *wire.Request) *wire.Error {
	return &wire.Error{
		Code: "RegionDisabledException", Status: http.StatusForbidden,
		Message: "STS is not activated in this region for account:" + q.Subject + ". Your account administrator can activate STS in this region using the IAM Console.",
	}
}

// sessionDuration parses and validates DurationSeconds. Role chaining is limited
// to an hour, whatever the role allows.
func sessionDuration(q *wire.Request, role *world.Role) (time.Duration, *wire.Error) {
	text := q.Query.Get("DurationSeconds")
	if text == "" {
		return time.Hour, nil
	}
	seconds, err := strconv.Atoi(text)
	d := time.Duration(seconds) * time.Second
	longest := role.MaxSession
	if longest == 0 {
		longest = time.Hour
	}
	switch {
	case err != nil || d < 15*time.Minute || d > 12*time.Hour:
		return 0, q.Service.Errorf(wire.InvalidInput, "1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200", text)
	case q.Caller.Session && d > time.Hour:
		return 0, q.Service.Errorf(wire.InvalidInput, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case d > longest:
		return 0, q.Service.Errorf(wire.InvalidInput, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return d, nil
}
