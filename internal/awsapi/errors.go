package awsapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/partition"
)

// reasons maps error codes, not Go types: the type of an error differs between
// versions of the SDK and between operations.
// https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html
var reasons = map[string]inventory.Reason{
	"AccessDenied":          inventory.AccessDenied,
	"AccessDeniedException": inventory.AccessDenied,
	"UnauthorizedOperation": inventory.AccessDenied,
	// Of a key that encrypts the queue.
	"KMS.AccessDeniedException": inventory.AccessDenied,

	"AuthFailure":                         inventory.Credentials,
	"ExpiredToken":                        inventory.Credentials,
	"ExpiredTokenException":               inventory.Credentials,
	"IncompleteSignature":                 inventory.Credentials,
	"InvalidAccessKeyId":                  inventory.Credentials,
	"InvalidClientTokenId":                inventory.Credentials,
	"InvalidSignatureException":           inventory.Credentials,
	"InvalidToken":                        inventory.Credentials,
	"MissingAuthenticationToken":          inventory.Credentials,
	"RequestExpired":                      inventory.Credentials,
	"RequestTimeTooSkewed":                inventory.Credentials,
	"SignatureDoesNotMatch":               inventory.Credentials,
	"UnrecognizedClientException":         inventory.Credentials,
	"MissingAuthenticationTokenException": inventory.Credentials,

	"OptInRequired":                 inventory.RegionDisabled,
	"RegionDisabledException":       inventory.RegionDisabled,
	"SubscriptionRequiredException": inventory.RegionDisabled,

	"BandwidthLimitExceeded":                 inventory.Throttled,
	"LimitExceededException":                 inventory.Throttled,
	"PriorRequestNotComplete":                inventory.Throttled,
	"ProvisionedThroughputExceededException": inventory.Throttled,
	"RequestLimitExceeded":                   inventory.Throttled,
	"RequestThrottled":                       inventory.Throttled,
	"RequestThrottledException":              inventory.Throttled,
	"SlowDown":                               inventory.Throttled,
	"Throttling":                             inventory.Throttled,
	"ThrottledException":                     inventory.Throttled,
	"ThrottlingException":                    inventory.Throttled,
	"TooManyRequestsException":               inventory.Throttled,

	"RequestTimeout":          inventory.Timeout,
	"RequestTimeoutException": inventory.Timeout,

	"InternalError":               inventory.ServiceError,
	"InternalFailure":             inventory.ServiceError,
	"InternalServerException":     inventory.ServiceError,
	"ServiceException":            inventory.ServiceError,
	"ServiceUnavailable":          inventory.ServiceError,
	"ServiceUnavailableException": inventory.ServiceError,
}

// resolvedLately is how long a response from any host counts as proof that DNS
// works.
const resolvedLately = 5 * time.Minute

// failure converts the error of a call. operation is used if the error does not
// name one.
func (c *Client) failure(accountID, region, operation string, err error) *inventory.Failure {
	f := &inventory.Failure{AccountID: accountID, Region: region, Operation: operation, Message: message(err)}
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		f.RequestID = response.ServiceRequestID()
	}
	service := ""
	// The innermost operation is the one that failed: the error of an AssumeRole
	// is wrapped in that of the call that needed it.
	for e := err; ; {
		var op *smithy.OperationError
		if !errors.As(e, &op) {
			break
		}
		service, f.Operation, e = op.ServiceID, op.OperationName, op.Err
	}
	f.Reason = c.reason(service, region, err)
	return f
}

// credentialFailure is the failure to get credentials for an account.
func (c *Client) credentialFailure(a *inventory.Account, region string, err error) *inventory.Failure {
	operation := "AssumeRole"
	if a.RoleARN == "" {
		operation = "GetCredentials"
	}
	f := c.failure(a.ID, region, operation, err)
	switch {
	case a.RoleARN != "" && f.Reason == inventory.AccessDenied:
		f.Reason = inventory.AssumeRoleDenied
	case f.Reason == inventory.Other && errorCode(err) == "":
		f.Reason = inventory.Credentials
	}
	if a.RoleARN == "" {
		f.Message = "no usable credentials; set AWS_PROFILE, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, " +
			"or give this machine or pod a role: " + f.Message
	}
	return f
}

func (c *Client) reason(service, region string, err error) inventory.Reason {
	code, status := errorCode(err), httpStatus(err)
	if reason, ok := reasons[code]; ok {
		return refine(reason, service, code, region, err)
	}
	var undecodable *smithy.DeserializationError
	switch {
	case status == http.StatusTooManyRequests:
		return inventory.Throttled
	case status >= http.StatusInternalServerError:
		return inventory.ServiceError
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return inventory.AccessDenied
	case timedOut(err):
		return inventory.Timeout // even in the middle of a body
	case errors.Is(err, errTooLarge), errors.As(err, &undecodable), status == http.StatusOK:
		return inventory.MalformedResponse
	case status == 0:
		return c.connectionReason(service, err)
	}
	return inventory.Other
}

// refine distinguishes reasons for which AWS returns the same code.
func refine(reason inventory.Reason, service, code, region string, err error) inventory.Reason {
	switch {
	// Best effort: not every service says which policy denied.
	// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
	case reason == inventory.AccessDenied && strings.Contains(err.Error(), "service control policy"):
		return inventory.SCPDenied
	// A Region that is not enabled does not know the account's credentials.
	// The Regions that cannot be disabled do, so there it is the credentials.
	case service == accessAnalyzer && (code == "UnrecognizedClientException" || code == "InvalidClientTokenId") && partition.IsOptIn(region):
		return inventory.RegionDisabled
	}
	return reason
}

// connectionReason classifies errors without a response.
func (c *Client) connectionReason(service string, err error) inventory.Reason {
	var (
		dns  *net.DNSError
		send *smithyhttp.RequestSendError
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound && service == accessAnalyzer && c.answeredLately():
		// Other names resolve, so this endpoint does not exist: a Region
		// without Access Analyzer.
		return inventory.RegionUnsupported
	case timedOut(err):
		return inventory.Timeout
	case errors.As(err, &dns), errors.As(err, &send):
		return inventory.Network
	}
	return inventory.Other
}

func timedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || (errors.As(err, &timeout) && timeout.Timeout())
}

func (c *Client) answeredLately() bool {
	return time.Since(time.Unix(c.http.answered.Load(), 0)) < resolvedLately
}

// errorCode is the error code that AWS returned; empty when there is none. The
// SDK uses UnknownError for a response that it cannot parse.
func errorCode(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() == "UnknownError" {
		return ""
	}
	return api.ErrorCode()
}

func httpStatus(err error) int {
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		return response.HTTPStatusCode()
	}
	return 0
}

var codeForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9.]{0,63}$`)

// code names the outcome of one attempt, for the label of that name.
func code(err error) string {
	if err == nil {
		return "OK"
	}
	if c := errorCode(err); codeForm.MatchString(c) {
		return c
	}
	status := httpStatus(err)
	switch {
	case timedOut(err):
		return "Timeout"
	case status >= http.StatusBadRequest:
		if text := http.StatusText(status); text != "" {
			return strings.ReplaceAll(text, " ", "")
		}
		return fmt.Sprint("HTTP", status)
	case status >= 200:
		return "MalformedResponse"
	}
	return "ConnectionError"
}

// varying is what differs from one error message to the next though the cause
// is the same: request and authorization IDs, links that hold them.
var varying = regexp.MustCompile(`(?i)https?://\S+|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(authorization|request) ?id:? *\S+`)

const longestMessage = 300

// message is the text of an error on one line, without IDs that differ between
// repetitions of the same error.
func message(err error) string {
	text := err.Error()
	var api smithy.APIError
	if errors.As(err, &api) && api.ErrorMessage() != "" {
		text = api.ErrorCode() + ": " + api.ErrorMessage()
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(varying.ReplaceAllString(text, "…"), "�"))
	if runes := []rune(text); len(runes) > longestMessage {
		text = string(runes[:longestMessage]) + "…"
	}
	return text
}
