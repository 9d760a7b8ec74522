package simaws

import (
	"encoding/xml"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The operations of STS that readers of other accounts need.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html
var stsOperations = table(
	&operation{name: "AssumeRole", action: "sts:AssumeRole", resource: roleResource, subject: roleAccount, handle: assumeRole},
	// No policy can deny this one.
	&operation{name: "GetCallerIdentity", handle: getCallerIdentity},
)

func roleResource(q *request) string { return q.query.Get("RoleArn") }

func roleAccount(q *request) string {
	account, _, _ := splitRoleARN(q.query.Get("RoleArn"))
	return account
}

// splitRoleARN takes arn:aws:iam::123456789012:role/path/name apart.
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

func getCallerIdentity(q *request) (any, *apiError) {
	return callerIdentityResult{ARN: q.who.arn, UserID: q.who.userID, Account: q.who.accountID}, nil
}

func assumeRole(q *request) (any, *apiError) {
	arn, name := q.query.Get("RoleArn"), q.query.Get("RoleSessionName")
	accountID, roleName, ok := splitRoleARN(arn)
	if !ok {
		return nil, q.svc.errorf(invalidInput, "%s is invalid", arn)
	}
	if !validSessionName(name) {
		return nil, q.svc.errorf(invalidInput, "1 validation error detected: Value '%s' at 'roleSessionName' failed to satisfy constraint: "+
			"Member must satisfy regular expression pattern: [\\w+=,.@-]*", name)
	}
	account := q.index.accounts[accountID]
	role := q.trustedRole(account, roleName)
	if role == nil {
		return nil, assumeRoleDenied(q)
	}
	if account.regionStatus(q.region) != "" && !account.enabled(q.region) {
		return nil, regionDisabled(q)
	}
	duration, err := sessionDuration(q, role)
	if err != nil {
		return nil, err
	}
	id, opened := q.server.sessions.open(accountID, role, name, q.now.Add(q.ahead), duration)
	return assumeRoleResult{
		AssumedRoleUser: assumedUser{opened.roleID + ":" + name, "arn:aws:sts::" + accountID + ":assumed-role/" + roleName + "/" + name},
		Credentials:     stsCredentials{id, opened.secret, opened.token, opened.expires.Format(time.RFC3339)},
	}, nil
}

func validSessionName(s string) bool {
	return len(s) >= 2 && len(s) <= 64 && strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_+=,.@-", r))
	}) < 0
}

// trustedRole is the role if the caller may assume it. AWS does not say what
// is wrong when it is nil, and neither do we.
func (q *request) trustedRole(account *Account, name string) *Role {
	if account == nil || !account.works() {
		return nil
	}
	role := account.role(name)
	if role == nil || role.ExternalID != "" && role.ExternalID != q.query.Get("ExternalId") {
		return nil
	}
	trusted := slices.ContainsFunc(role.Trusts, func(p string) bool {
		return p == "*" || p == q.who.accountID || p == "arn:aws:iam::"+q.who.accountID+":root" || p == q.who.principal()
	})
	if !trusted {
		return nil
	}
	return role
}

// principal is the ARN by which a trust policy names the caller: of a session
// that is the role.
func (w identity) principal() string {
	if !w.session {
		return w.arn
	}
	p := strings.Split(w.arn, "/")
	return "arn:aws:iam::" + w.accountID + ":role/" + p[1]
}

func assumeRoleDenied(q *request) *apiError {
	return q.svc.errorf(accessDenied, "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", q.who.arn, q.query.Get("RoleArn"))
}

func regionDisabled(q *request) *apiError {
	return &apiError{
		Code: "RegionDisabledException", Status: http.StatusForbidden,
		Message: "STS is not activated in this region for account:" + q.subject + ". Your account administrator can activate STS in this region using the IAM Console.",
	}
}

// sessionDuration reads and checks DurationSeconds. Chained roles get an hour
// at most, whatever the role allows.
func sessionDuration(q *request, role *Role) (time.Duration, *apiError) {
	text := q.query.Get("DurationSeconds")
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
		return 0, q.svc.errorf(invalidInput, "1 validation error detected: Value '%s' at 'durationSeconds' failed to satisfy constraint: Member must have value between 900 and 43200", text)
	case q.who.session && d > time.Hour:
		return 0, q.svc.errorf(invalidInput, "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case d > longest:
		return 0, q.svc.errorf(invalidInput, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	return d, nil
}
