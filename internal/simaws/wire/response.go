package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/xml"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// Response is an HTTP response.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	// Code is the AWS error code, or OK.
	Code string
}

// Encode encodes the result of an operation, or its error, in the service's
// protocol.
func (q *Request) Encode(out any, err *Error) *Response {
	s, message := q.Service, "message"
	if q.CapitalMessage {
		message = "Message"
	}
	a := &Response{Status: http.StatusOK, Header: http.Header{}, Code: "OK"}
	requestID := world.NewUUID()
	a.Header["X-Amzn-Requestid"] = []string{requestID}
	if err != nil {
		a.Status, a.Code = err.Status, err.Code
		if err.RetryAfter > 0 {
			a.Header["Retry-After"] = []string{strconv.Itoa(err.RetryAfter)}
		}
	}
	switch s.Protocol {
	case RESTJSON:
		a.Header["Content-Type"] = []string{"application/json"}
		if err != nil {
			a.Header["X-Amzn-Errortype"] = []string{err.Code}
			out = err.members(message, "")
		}
		a.Body = EncodeJSON(out)
	case JSON11:
		a.Header["Content-Type"] = []string{"application/x-amz-json-1.1"}
		if err != nil {
			out = err.members(message, err.Code)
		}
		a.Body = EncodeJSON(out)
	case JSON10:
		a.Header["Content-Type"] = []string{"application/x-amz-json-1.0"}
		if err != nil {
			// SDKs take the error code of the former query protocol from here.
			sender := ";Sender"
			if err.Status >= http.StatusInternalServerError {
				sender = ";Receiver"
			}
			a.Header["X-Amzn-Query-Error"] = []string{err.Code + sender}
			out = err.members(message, "com.amazonaws."+s.Name+"#"+cmp.Or(err.Shape, err.Code))
		}
		a.Body = EncodeJSON(out)
	case QueryXML:
		a.Header["Content-Type"] = []string{"text/xml"}
		if err != nil {
			a.Body = encodeXML(s.xmlError(err, requestID))
		} else {
			a.Body = encodeXML(xmlResponse{
				XMLName: xml.Name{Local: q.Operation.Name + "Response"}, Namespace: s.Namespace,
				Result: out, Metadata: xmlMetadata{requestID},
			})
		}
	}
	return a
}

// members are the members of the error in JSON: its message under the given
// name, its type unless that is empty, and its fields.
func (e *Error) members(message, errorType string) map[string]any {
	m := map[string]any{message: e.Message}
	maps.Copy(m, e.Fields)
	if errorType != "" {
		m["__type"] = errorType
	}
	return m
}

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

func (s *Service) xmlError(e *Error, requestID string) xmlError {
	x := xmlError{Namespace: s.Namespace, Type: "Sender", Code: e.Code, Message: e.Message, RequestID: requestID}
	if e.Status >= http.StatusInternalServerError {
		x.Type = "Receiver"
	}
	return x
}

// EncodeJSON encodes v as AWS does, without escaping <, > and &. It panics if v
// cannot be encoded.
func EncodeJSON(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err)
	}
	return b.Bytes()[:b.Len()-1]
}

func encodeXML(v any) []byte {
	b, err := xml.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err)
	}
	return b
}

// Epoch is a time as JSON 1.1 encodes it: a number of seconds since 1970.
type Epoch time.Time

// MarshalJSON keeps milliseconds, as Organizations does.
func (e Epoch) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(e).UnixMilli())/1000, 'f', -1, 64), nil
}

// QueryTime is a time as QueryXML encodes it, in seconds. A time that is not set is
// the beginning of 2020, before everything that the simulator has.
func QueryTime(t time.Time) string {
	if t.IsZero() {
		t = time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC)
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// Timestamp is a time as REST-JSON encodes it (ISO 8601); nil, and therefore
// omitted, if it is zero.
func Timestamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
