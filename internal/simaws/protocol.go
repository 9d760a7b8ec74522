package simaws

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// protocol is how a service puts requests and answers on the wire.
type protocol int

const (
	restJSON protocol = iota // Access Analyzer, Account Management
	json11                   // Organizations
	queryXML                 // STS
	json10                   // SQS
)

// service is one AWS API.
type service struct {
	// name is the service in the scope of a signature, which is also the
	// prefix of its IAM actions.
	name     string
	protocol protocol
	// throttled and internal are what the service answers when it is asked
	// too often and when it fails.
	throttled, internal apiError
}

var (
	accessAnalyzer = &service{
		name: "access-analyzer", protocol: restJSON,
		throttled: apiError{Code: "ThrottlingException", Status: http.StatusTooManyRequests, Message: "Rate exceeded", RetryAfter: 1},
		internal:  apiError{Code: "InternalServerException", Status: http.StatusInternalServerError, Message: "Internal server error", RetryAfter: 1},
	}
	accountManagement = &service{
		name: "account", protocol: restJSON,
		throttled: apiError{Code: "TooManyRequestsException", Status: http.StatusTooManyRequests, Message: "Too Many Requests"},
		internal:  apiError{Code: "InternalServerException", Status: http.StatusInternalServerError, Message: "Internal server error"},
	}
	organizations = &service{
		name: "organizations", protocol: json11,
		throttled: apiError{
			Code: "TooManyRequestsException", Status: http.StatusBadRequest,
			Message: "AWS Organizations can't complete your request because another request is already in progress. Try again later.",
			Fields:  map[string]any{"Type": "TOO_MANY_REQUESTS"},
		},
		internal: apiError{Code: "ServiceException", Status: http.StatusInternalServerError, Message: "AWS Organizations can't complete your request because of an internal service error. Try again later."},
	}
	securityTokenService = &service{
		name: "sts", protocol: queryXML,
		throttled: apiError{Code: "Throttling", Status: http.StatusBadRequest, Message: "Rate exceeded"},
		internal:  apiError{Code: "InternalFailure", Status: http.StatusInternalServerError, Message: "The request processing has failed because of an unknown error, exception or failure."},
	}
	simpleQueueService = &service{
		name: "sqs", protocol: json10,
		throttled: apiError{Code: "RequestThrottled", Status: http.StatusBadRequest, Message: "Request is throttled."},
		internal:  apiError{Code: "InternalFailure", Status: http.StatusInternalServerError, Message: "The request processing has failed because of an unknown error, exception or failure."},
	}
)

// apiError is an error as an AWS API answers it.
type apiError struct {
	Code string
	// Shape is the error's name in the model of SQS, where that differs from
	// the code.
	Shape   string
	Status  int
	Message string
	// RetryAfter in seconds goes into the header of that name, from which the
	// SDKs fill retryAfterSeconds. Zero is none.
	RetryAfter int
	// Fields are the members that the error has beside its message.
	Fields map[string]any
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

// problem is an error that all services have and each protocol spells its own
// way: https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
// and its siblings.
type problem int

const (
	missingToken problem = iota
	incompleteSignature
	badSignature
	invalidToken
	expiredToken
	accessDenied
	unknownOperation
	invalidInput
)

var problems = map[problem][4]struct {
	code   string
	status int
}{
	missingToken:        {{"MissingAuthenticationTokenException", 403}, {"MissingAuthenticationTokenException", 400}, {"MissingAuthenticationToken", 403}, {"MissingAuthenticationToken", 403}},
	incompleteSignature: {{"IncompleteSignatureException", 403}, {"IncompleteSignatureException", 400}, {"IncompleteSignature", 400}, {"IncompleteSignature", 400}},
	badSignature:        {{"InvalidSignatureException", 403}, {"InvalidSignatureException", 400}, {"SignatureDoesNotMatch", 403}, {"SignatureDoesNotMatch", 403}},
	invalidToken:        {{"UnrecognizedClientException", 403}, {"UnrecognizedClientException", 400}, {"InvalidClientTokenId", 403}, {"InvalidClientTokenId", 403}},
	expiredToken:        {{"ExpiredTokenException", 403}, {"ExpiredTokenException", 400}, {"ExpiredToken", 403}, {"ExpiredToken", 403}},
	accessDenied:        {{"AccessDeniedException", 403}, {"AccessDeniedException", 400}, {"AccessDenied", 403}, {"AccessDenied", 403}},
	unknownOperation:    {{"UnknownOperationException", 404}, {"UnknownOperationException", 400}, {"InvalidAction", 400}, {"InvalidAction", 400}},
	invalidInput:        {{"ValidationException", 400}, {"InvalidInputException", 400}, {"ValidationError", 400}, {"InvalidParameterValue", 400}},
}

func (s *service) errorf(p problem, format string, args ...any) *apiError {
	spelling := problems[p][s.protocol]
	return &apiError{Code: spelling.code, Status: spelling.status, Message: fmt.Sprintf(format, args...)}
}

// unknownToken is also what a Region answers that the account has not enabled.
func (s *service) unknownToken() *apiError {
	return s.errorf(invalidToken, "The security token included in the request is invalid.")
}

// answer is a whole HTTP response, not yet on the wire.
type answer struct {
	status int
	header http.Header
	body   []byte
	// code is the AWS error code, or OK.
	code string
}

// render puts the outcome of an operation into the service's protocol.
func (s *service) render(operation string, out any, err *apiError) *answer {
	a := &answer{status: http.StatusOK, header: http.Header{}, code: "OK"}
	id := uuid()
	a.header["X-Amzn-Requestid"] = []string{id}
	if err != nil {
		a.status, a.code = err.Status, err.Code
		if err.RetryAfter > 0 {
			a.header["Retry-After"] = []string{strconv.Itoa(err.RetryAfter)}
		}
	}
	switch s.protocol {
	case restJSON:
		a.header["Content-Type"] = []string{"application/json"}
		if err != nil {
			a.header["X-Amzn-Errortype"] = []string{err.Code}
			out = err.members("message", nil)
		}
		a.body = encodeJSON(out)
	case json11:
		a.header["Content-Type"] = []string{"application/x-amz-json-1.1"}
		if err != nil {
			out = err.members("Message", map[string]any{"__type": err.Code})
		}
		a.body = encodeJSON(out)
	case json10:
		a.header["Content-Type"] = []string{"application/x-amz-json-1.0"}
		if err != nil {
			// Clients that were written for the older protocol know the code.
			fault := ";Sender"
			if err.Status >= http.StatusInternalServerError {
				fault = ";Receiver"
			}
			a.header["X-Amzn-Query-Error"] = []string{err.Code + fault}
			out = err.members("message", map[string]any{"__type": "com.amazonaws.sqs#" + cmp.Or(err.Shape, err.Code)})
		}
		a.body = encodeJSON(out)
	case queryXML:
		a.header["Content-Type"] = []string{"text/xml"}
		if err != nil {
			a.body = encodeXML(newXMLError(err, id))
		} else {
			a.body = encodeXML(xmlResponse{
				XMLName: xml.Name{Local: operation + "Response"}, Namespace: stsNamespace,
				Result: out, Metadata: xmlMetadata{id},
			})
		}
	}
	return a
}

func (e *apiError) members(message string, more map[string]any) map[string]any {
	m := map[string]any{message: e.Message}
	maps.Copy(m, e.Fields)
	maps.Copy(m, more)
	return m
}

const stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

type xmlResponse struct {
	XMLName   xml.Name
	Namespace string `xml:"xmlns,attr"`
	Result    any
	Metadata  xmlMetadata `xml:"ResponseMetadata"`
}

type xmlMetadata struct {
	RequestID string `xml:"RequestId"`
}

type xmlError struct {
	XMLName   xml.Name `xml:"ErrorResponse"`
	Namespace string   `xml:"xmlns,attr"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

func newXMLError(e *apiError, requestID string) xmlError {
	x := xmlError{Namespace: stsNamespace, Type: "Sender", Code: e.Code, Message: e.Message, RequestID: requestID}
	if e.Status >= 500 {
		x.Type = "Receiver"
	}
	return x
}

func encodeJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	// AWS does not escape <, > and & in JSON.
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // the wire types hold nothing that cannot be encoded
	}
	return b.Bytes()[:b.Len()-1]
}

func encodeXML(v any) []byte {
	b, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // as above
	}
	return b
}

// epoch is a time as JSON 1.1 has it: seconds since 1970, as a number.
type epoch time.Time

// MarshalJSON keeps milliseconds, as Organizations does.
func (e epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(e).UnixMilli())/1000, 'f', -1, 64), nil
}

// timestamp is a time as rest-json has it (ISO 8601); nil, and therefore left
// out, when it is zero.
func timestamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// uuid is a random one (version 4). It names requests and findings; nothing
// rests on its being hard to guess.
func uuid() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], rand.Uint64())
	binary.BigEndian.PutUint64(b[8:], rand.Uint64())
	return formatUUID(b)
}

func formatUUID(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	var s [36]byte
	hex.Encode(s[:8], b[:4])
	hex.Encode(s[9:13], b[4:6])
	hex.Encode(s[14:18], b[6:8])
	hex.Encode(s[19:23], b[8:10])
	hex.Encode(s[24:], b[10:])
	s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
	return string(s[:])
}
