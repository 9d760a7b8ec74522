package awsapi

import (
	"cmp"
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
	"NotAuthorized":         inventory.AccessDenied,
	"UnauthorizedOperation": inventory.AccessDenied,
	// Of a key that encrypts the queue, in the query protocol and in JSON.
	"KMS.AccessDeniedException": inventory.AccessDenied,
	"KmsAccessDenied":           inventory.AccessDenied,

	"AuthFailure":                         inventory.Credentials,
	"ExpiredToken":                        inventory.Credentials,
	"ExpiredTokenException":               inventory.Credentials,
	"IDPCommunicationError":               inventory.Credentials,
	"IDPRejectedClaim":                    inventory.Credentials,
	"IncompleteSignature":                 inventory.Credentials,
	"IncompleteSignatureException":        inventory.Credentials,
	"InvalidAccessKeyId":                  inventory.Credentials,
	"InvalidClientTokenId":                inventory.Credentials,
	"InvalidIdentityToken":                inventory.Credentials,
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
	"KMS.ThrottlingException":                inventory.Throttled,
	"KmsThrottled":                           inventory.Throttled,
	"LimitExceededException":                 inventory.Throttled,
	"PriorRequestNotComplete":                inventory.Throttled,
	"ProvisionedThroughputExceededException": inventory.Throttled,
	"RequestLimitExceeded":                   inventory.Throttled,
	"RequestThrottled":                       inventory.Throttled,
	"RequestThrottledException":              inventory.Throttled,
	"SlowDown":                               inventory.Throttled,
	"SlowDownException":                      inventory.Throttled,
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
	a := answerTo(err)
	f := &inventory.Failure{AccountID: accountID, Region: region, Message: message(err, a), RequestID: a.requestID}
	service, failed := innermost(err)
	f.Operation = cmp.Or(failed, operation)
	f.Reason = c.reason(service, region, a, err)
	c.refine(f, service, a, err)
	return f
}

// innermost returns the service and the operation that failed: the error of an
// AssumeRole is wrapped in that of the call that needed it.
func innermost(err error) (service, operation string) {
	var op *smithy.OperationError
	for errors.As(err, &op) {
		service, operation, err = op.ServiceID, op.OperationName, op.Err
	}
	return service, operation
}

func (c *Client) reason(service, region string, a answer, err error) inventory.Reason {
	if reason, ok := reasons[a.code]; ok {
		// A Region that is not enabled does not know the account's credentials.
		// The Regions that cannot be disabled do, so there it is the credentials.
		optIn := service == accessAnalyzer && partition.IsOptIn(region)
		switch {
		case optIn && unknownCredentials(a.code):
			return inventory.RegionDisabled
		case !optIn && notSubscribed(a.code):
			return inventory.AccessDenied
		}
		return reason
	}
	var undecodable *smithy.DeserializationError
	switch {
	case a.status == http.StatusTooManyRequests:
		return inventory.Throttled
	case a.status >= http.StatusInternalServerError && a.status != http.StatusNetworkAuthenticationRequired:
		return inventory.ServiceError
	case timedOut(err):
		return inventory.Timeout // even in the middle of a body
	case errors.Is(err, context.Canceled):
		return inventory.Other // whichever of the SDK's steps it interrupts
	case wasCut(err):
		return inventory.Network
	case a.foreign(), errors.Is(err, errTooLarge), errors.As(err, &undecodable), a.status == http.StatusOK:
		return inventory.MalformedResponse
	case a.denied():
		return inventory.AccessDenied
	case a.status == 0:
		return c.connectionReason(service, err)
	}
	return inventory.Other
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
	case errors.As(err, &dns), errors.As(err, &send):
		return inventory.Network
	}
	return inventory.Other
}

func wasCut(err error) bool {
	cut, ok := errors.AsType[*cutError](err)
	return ok && cut.ConnectionError()
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
	case errors.Is(err, context.Canceled):
		return "Canceled" // whichever of the SDK's steps it interrupts
	case wasCut(err):
		return "ConnectionError"
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
// is the same: request and authorization IDs, and the paths of links, which hold
// them.
var (
	varying = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|(authorization|request) ?id:? *[^\s,:]+`)
	link    = regexp.MustCompile(`(?i)(https?://)(?:[^\s/@"]*@)?([^\s/?#"]+)[^\s"]*`)
)

// longestMessage is in characters: a denial has three ARNs, of which that of the
// policy is the last.
const longestMessage = 600

// message is the text of an error on one line, without IDs that differ between
// repetitions of the same error.
func message(err error, a answer) string {
	text := err.Error()
	send, unsent := errors.AsType[*sendError](err)
	cut, _ := errors.AsType[*cutError](err)
	switch {
	case errors.Is(err, context.Canceled):
		text = "canceled"
	case unsent && a.redirect == "":
		text = send.Error()
	case wasCut(err):
		text = cut.Error()
	case a.code != "" && a.text != "":
		text = a.code + ": " + a.text
	case a.redirect != "":
		text = (&redirectError{a.status, a.redirect}).Error()
	case a.foreign():
		text = fmt.Sprintf("HTTP %d without an AWS error code: %s", a.status, a.text)
	}
	text = strings.TrimSuffix(text, ": ")
	text = varying.ReplaceAllString(link.ReplaceAllString(text, "$1$2/…"), "…")
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "�"))
	if runes := []rune(text); len(runes) > longestMessage {
		text = string(runes[:longestMessage]) + "…"
	}
	return text
}
