package world

import (
	"path"
	"strings"
	"sync/atomic"
	"time"
)

// FaultKind is the effect of a fault.
type FaultKind string

// The kinds of fault.
const (
	// AccessDenied: no identity-based policy allows the action.
	AccessDenied FaultKind = "access_denied"
	// SCPDenied: a service control policy denies the action.
	SCPDenied FaultKind = "scp_denied"
	// AssumeRoleDenied: STS denies AssumeRole without a reason. Other operations
	// are not affected; Account is the owner of the role.
	AssumeRoleDenied FaultKind = "assume_role_denied"
	// InvalidCredentials: the security token is invalid.
	InvalidCredentials FaultKind = "credentials"
	// ExpiredToken: the security token is expired.
	ExpiredToken FaultKind = "expired_token"
	// RegionDisabled: the Region is not enabled in the account.
	RegionDisabled FaultKind = "region_disabled"
	// Rejected: the service rejects the valid request as invalid.
	Rejected FaultKind = "rejected"
	// Throttled: the throttling error of the service.
	Throttled FaultKind = "throttled"
	// ThrottledUnparsable: status 429 and an HTML page.
	ThrottledUnparsable FaultKind = "throttled_unparsable"
	// Timeout: no response until the client gives up.
	Timeout FaultKind = "timeout"
	// Latency: the response is delayed by Delay.
	Latency FaultKind = "latency"
	// ConnectionReset: the connection is reset instead of a response.
	ConnectionReset FaultKind = "connection_reset"
	// ServiceError: the internal error of the service, status 500.
	ServiceError FaultKind = "service_error"
	// ServiceErrorUnparsable: status 502 and an HTML page.
	ServiceErrorUnparsable FaultKind = "service_error_unparsable"
	// MalformedResponse: status 200 and half of the body, with a correct
	// Content-Length.
	MalformedResponse FaultKind = "malformed_response"
	// WrongTypes: status 200 and members whose types differ from the API model.
	WrongTypes FaultKind = "wrong_types"
	// EmptyResponse: status 200 and an object without members.
	EmptyResponse FaultKind = "empty_response"
	// HugeBody: a correct response, padded to Size bytes.
	HugeBody FaultKind = "huge_body"
	// SlowBody: a correct response, one byte every Delay.
	SlowBody FaultKind = "slow_body"
	// RepeatingToken: lists return their first page and the same next token
	// without end.
	RepeatingToken FaultKind = "repeating_token"
	// UnknownEnum: enumerations have values that are not in the API model; Field
	// limits it to one of them (status, type, findingType, State …).
	UnknownEnum FaultKind = "unknown_enum"
)

// FaultKinds lists every kind.
var FaultKinds = []FaultKind{
	AccessDenied, SCPDenied, AssumeRoleDenied, InvalidCredentials, ExpiredToken, RegionDisabled, Rejected, Throttled, ThrottledUnparsable,
	Timeout, Latency, ConnectionReset, ServiceError, ServiceErrorUnparsable, MalformedResponse, WrongTypes, EmptyResponse,
	HugeBody, SlowBody, RepeatingToken, UnknownEnum,
}

// Fault makes calls fail. It must not be changed once a Store has it.
type Fault struct {
	Kind FaultKind
	// Service, Account, Region and Operation select the calls, see [Match].
	// Service is one of [Services], Account the subject of the call, Region that
	// of the signature: for global services, the Region of the client's
	// configuration.
	Service, Account, Region, Operation string
	// Times limits it to the first matching calls; 0 is all.
	Times int
	// Probability in (0, 1) is the share of matching calls that fail; 0 is all.
	Probability float64
	// From and Until limit it to a window since a Store got the world; an Until
	// of 0 is no end.
	From, Until time.Duration
	// Delay and Size are for the kinds that mention them; zero is a default.
	Delay time.Duration
	Size  int64
	// Field is for UnknownEnum.
	Field string

	fired atomic.Int64
}

// Selects reports whether the fault is for a call at a time since the start.
func (f *Fault) Selects(service, operation, subject, region string, elapsed time.Duration) bool {
	if f.Kind == AssumeRoleDenied && operation != "AssumeRole" {
		return false
	}
	return Match(f.Operation, operation) && Match(f.Service, service) && Match(f.Account, subject) && Match(f.Region, region) &&
		elapsed >= f.From && (f.Until == 0 || elapsed < f.Until)
}

// Fire reports whether the fault applies to a selected call, and counts it.
// random returns a number in [0, 1).
func (f *Fault) Fire(random func() float64) bool {
	if f.Probability > 0 && random() >= f.Probability {
		return false
	}
	return f.Times == 0 || f.fired.Add(1) <= int64(f.Times)
}

// Match reports whether s matches one of the globs, which are separated by "|".
// An empty pattern matches everything.
func Match(patterns, s string) bool {
	if patterns == "" || patterns == "*" || patterns == s {
		return true
	}
	if !strings.ContainsAny(patterns, "*?[|") {
		return false
	}
	for p := range strings.SplitSeq(patterns, "|") {
		if ok, err := path.Match(p, s); ok && err == nil {
			return true
		}
	}
	return false
}
