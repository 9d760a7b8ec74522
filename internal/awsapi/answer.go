package awsapi

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// headSize is how much of the body of an error is kept, in bytes. Messages of
// AWS are shorter.
const headSize = 4 << 10

// answer is the response to a call that failed.
type answer struct {
	// status is 0 if there was no response.
	status int
	// code is the error code that AWS returned; empty if there is none.
	code string
	// text is the error message of AWS, or the text of another response.
	text string
	// redirect is the host to which the response redirects, or empty.
	redirect  string
	requestID string
}

// answerTo reads the response from the error of a call. The SDK alone does not
// suffice: some of its versions drop the text of an error whose member is
// Message rather than message, and AWS sends either.
func answerTo(err error) answer {
	a := answer{code: errorCode(err)}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		a.text = api.ErrorMessage()
	}
	if redirect, ok := errors.AsType[*redirectError](err); ok {
		a.status, a.redirect = redirect.status, redirect.host
		return a
	}
	response, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok || response.Response == nil {
		return a
	}
	a.status, a.requestID = response.HTTPStatusCode(), response.ServiceRequestID()
	a.redirect = redirectHost(response.Response.Response)
	if body, ok := response.Response.Body.(*boundedBody); ok && (a.text == "" || a.code == "") {
		if text := messageIn(body.head); text != "" {
			a.text = text
		}
	}
	return a
}

// foreign reports whether the response is not from AWS: that has an error code or
// a request ID.
func (a answer) foreign() bool { return a.status != 0 && a.code == "" && a.requestID == "" }

// denied reports whether a response with a code that is not listed lacks a
// permission. AWS has the same status for other errors, such as OverLimit of SQS.
func (a answer) denied() bool {
	return (a.status == http.StatusForbidden || a.status == http.StatusUnauthorized) && (a.code == "" || denial.MatchString(a.code))
}

var denial = regexp.MustCompile(`(?i)denied|forbidden|authoriz`)

func redirectHost(r *http.Response) string {
	if r == nil || r.StatusCode < 300 || r.StatusCode > 399 {
		return ""
	}
	to, err := url.Parse(r.Header.Get("Location"))
	if err != nil {
		return ""
	}
	return to.Host
}

// messageIn finds the message in the body of an error, which may be cut.
// encoding/json matches the name in either case.
func messageIn(head []byte) string {
	var inJSON struct{ Message string }
	if json.Unmarshal(head, &inJSON) == nil {
		return inJSON.Message
	}
	var inXML struct {
		Message string `xml:"Error>Message"`
	}
	if xml.Unmarshal(head, &inXML) == nil && inXML.Message != "" {
		return inXML.Message
	}
	return strings.Join(strings.Fields(markup.ReplaceAllString(string(head), " ")), " ")
}

// markup is what a page has besides its text.
var markup = regexp.MustCompile(`(?is)<(script|style)\b.*?</(script|style)>|<[^>]*>`)
