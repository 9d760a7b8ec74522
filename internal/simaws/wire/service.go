// Package wire implements the protocols of the AWS APIs: signatures, requests,
// responses, errors and paging. It is independent of the services that use it.
package wire

import (
	"fmt"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// Protocol is how a service encodes requests and responses.
type Protocol int

// The protocols.
const (
	RESTJSON Protocol = iota
	JSON11
	QueryXML
	JSON10
)

// Service is an AWS API.
type Service struct {
	// Name is the service in the scope of a signature, which is also the prefix
	// of its IAM actions.
	Name     string
	Protocol Protocol
	// Namespace is that of the responses, for QueryXML.
	Namespace string
	// Regional services reject calls by accounts that have not enabled the
	// Region. The others are global, or have endpoints that also serve accounts
	// without the Region.
	Regional bool
	// SigningRegion is the Region in the scope of signatures by an account; nil
	// is any.
	SigningRegion func(*world.Account) string
	// Throttled, Internal and InvalidPageToken are the errors for too many
	// requests, for an internal failure, and for an invalid next token.
	Throttled, Internal, InvalidPageToken Error
}

// Error is an error response of an AWS API.
type Error struct {
	Code string
	// Shape is the error's name in the model of SQS, if it differs from Code.
	Shape   string
	Status  int
	Message string
	// RetryAfter is the value of that header in seconds, from which the SDKs
	// fill retryAfterSeconds. Zero is none.
	RetryAfter int
	// Fields are further members of the error.
	Fields map[string]any
}

// ErrorKind is an error that all services have, with a code and a status that
// depend on the protocol.
// https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
type ErrorKind int

// The kinds of error.
const (
	MissingToken ErrorKind = iota
	IncompleteSignature
	BadSignature
	InvalidToken
	ExpiredToken
	AccessDenied
	UnknownOperation
	InvalidInput
)

// errorCodes has the code and the status for each protocol.
var errorCodes = map[ErrorKind][4]struct {
	code   string
	status int
}{
	MissingToken:        {{"MissingAuthenticationTokenException", 403}, {"MissingAuthenticationTokenException", 400}, {"MissingAuthenticationToken", 403}, {"MissingAuthenticationToken", 403}},
	IncompleteSignature: {{"IncompleteSignatureException", 403}, {"IncompleteSignatureException", 400}, {"IncompleteSignature", 400}, {"IncompleteSignature", 400}},
	BadSignature:        {{"InvalidSignatureException", 403}, {"InvalidSignatureException", 400}, {"SignatureDoesNotMatch", 403}, {"SignatureDoesNotMatch", 403}},
	InvalidToken:        {{"UnrecognizedClientException", 403}, {"UnrecognizedClientException", 400}, {"InvalidClientTokenId", 403}, {"InvalidClientTokenId", 403}},
	ExpiredToken:        {{"ExpiredTokenException", 403}, {"ExpiredTokenException", 400}, {"ExpiredToken", 403}, {"ExpiredToken", 403}},
	AccessDenied:        {{"AccessDeniedException", 403}, {"AccessDeniedException", 400}, {"AccessDenied", 403}, {"AccessDenied", 403}},
	UnknownOperation:    {{"UnknownOperationException", 404}, {"UnknownOperationException", 400}, {"InvalidAction", 400}, {"InvalidAction", 400}},
	InvalidInput:        {{"ValidationException", 400}, {"InvalidInputException", 400}, {"ValidationError", 400}, {"InvalidParameterValue", 400}},
}

// Errorf returns an error with the code and the status of the service's
// protocol.
func (s *Service) Errorf(kind ErrorKind, format string, args ...any) *Error {
	e := errorCodes[kind][s.Protocol]
	return &Error{Code: e.code, Status: e.status, Message: fmt.Sprintf(format, args...)}
}

// InvalidToken is the error for unknown credentials, and for Regions that the
// account has not enabled.
func (s *Service) InvalidToken() *Error {
	return s.Errorf(InvalidToken, "The security token included in the request is invalid.")
}

// ExpiredToken is the error for credentials that have expired.
func (s *Service) ExpiredToken() *Error {
	return s.Errorf(ExpiredToken, "The security token included in the request is expired")
}
