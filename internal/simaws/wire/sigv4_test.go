package wire_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

// call is a request, each part of which can be changed.
type call struct {
	method, path, body string
	header             map[string]string
	service, region    string
	keyID, secret      string
	token              string
	at                 time.Time
	// tamper changes the signed request.
	tamper func(*http.Request)
}

// do signs and sends the request; it returns status, error code and Content-Type.
func (c call) do(t *testing.T, s *simaws.Server) (status int, code, contentType string) {
	t.Helper()
	r, err := http.NewRequest(c.method, s.URL()+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	sum := sha256.Sum256([]byte(c.body))
	creds := aws.Credentials{AccessKeyID: c.keyID, SecretAccessKey: c.secret, SessionToken: c.token}
	if err := v4.NewSigner().SignHTTP(context.Background(), creds, r, hex.EncodeToString(sum[:]), c.service, c.region, c.at); err != nil {
		t.Fatal(err)
	}
	if c.tamper != nil {
		c.tamper(r)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.Header.Get("X-Amzn-RequestId") == "" {
		t.Error("there is no request ID")
	}
	return response.StatusCode, errorCode(t, response, body), response.Header.Get("Content-Type")
}

// errorCode returns the code from the header or the body, by protocol.
func errorCode(t *testing.T, r *http.Response, body []byte) string {
	t.Helper()
	switch r.Header.Get("Content-Type") {
	case "application/json":
		return r.Header.Get("X-Amzn-ErrorType")
	case "application/x-amz-json-1.1":
		var e struct {
			Type string `json:"__type"`
		}
		if err := json.Unmarshal(body, &e); err != nil {
			t.Errorf("%v: %s", err, body)
		}
		return e.Type
	case "text/xml":
		var e struct {
			XMLName xml.Name
			Code    string `xml:"Error>Code"`
		}
		if err := xml.Unmarshal(body, &e); err != nil {
			t.Errorf("%v: %s", err, body)
		}
		return e.Code
	}
	return ""
}

// signed returns valid calls of three protocols.
func signed(s *simaws.Server) (analyzers, accounts, identity call) {
	id, secret := s.Credentials(sdktest.Security)
	good := call{method: "POST", region: "eu-west-1", keyID: id, secret: secret, at: time.Now(), path: "/"}
	analyzers, accounts, identity = good, good, good
	analyzers.method, analyzers.path, analyzers.service = "GET", "/analyzer?type=ACCOUNT&maxResults=5", "access-analyzer"
	accounts.service, accounts.body = "organizations", `{"MaxResults":2}`
	accounts.header = map[string]string{"X-Amz-Target": "AWSOrganizationsV20161128.ListAccounts", "Content-Type": "application/x-amz-json-1.1"}
	identity.service, identity.body = "sts", "Action=GetCallerIdentity&Version=2011-06-15"
	identity.header = map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
	return analyzers, accounts, identity
}

func TestSignatures(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	set := func(name, value string) func(*call) {
		return func(c *call) { c.tamper = func(r *http.Request) { r.Header.Set(name, value) } }
	}
	for _, test := range []struct {
		name   string
		tamper func(*call)
		// codes with a status: of rest-json, of JSON 1.1 and of XML
		rest, json, xml string
	}{
		{"valid", func(*call) {}, "200 ", "200 ", "200 "},
		{"in another Region", func(c *call) { c.region = "us-west-2" }, "200 ", "200 ", "200 "},
		{"not signed", func(c *call) { c.tamper = func(r *http.Request) { r.Header.Del("Authorization") } }, "403 MissingAuthenticationTokenException", "400 MissingAuthenticationTokenException", "403 MissingAuthenticationToken"},
		{"another scheme", set("Authorization", "Basic eDp5"), "403 IncompleteSignatureException", "400 IncompleteSignatureException", "400 IncompleteSignature"},
		{"an incomplete header", set("Authorization", "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request"), "403 IncompleteSignatureException", "400 IncompleteSignatureException", "400 IncompleteSignature"},
		{"another secret", func(c *call) { c.secret = "wrong" }, "403 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch"},
		{"an unknown key", func(c *call) { c.keyID = "AKIAUNKNOWNUNKNOWNXX" }, "403 UnrecognizedClientException", "400 UnrecognizedClientException", "403 InvalidClientTokenId"},
		{"an unknown session", func(c *call) { c.keyID, c.token = "ASIAUNKNOWNUNKNOWNXX", "token" }, "403 UnrecognizedClientException", "400 UnrecognizedClientException", "403 InvalidClientTokenId"},
		{"a token that does not belong to the key", func(c *call) { c.token = "token" }, "403 UnrecognizedClientException", "400 UnrecognizedClientException", "403 InvalidClientTokenId"},
		{"the scope of another service", func(c *call) { c.service = "s3" }, "403 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch"},
		{"ten minutes old", func(c *call) { c.at = c.at.Add(-10 * time.Minute) }, "403 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch"},
		{"ten minutes early", func(c *call) { c.at = c.at.Add(10 * time.Minute) }, "403 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch"},
		{"another date in the header", set("X-Amz-Date", "20200101T000000Z"), "403 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch"},
		{"another query", func(c *call) { c.tamper = func(r *http.Request) { r.URL.RawQuery = "maxResults=6" } }, "403 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch"},
		{"another body", func(c *call) {
			c.tamper = func(r *http.Request) {
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(c.body+" ")), int64(len(c.body)+1)
			}
		}, "403 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch"},
		{"a header that is not signed", set("X-Amz-Note", "x"), "403 InvalidSignatureException", "400 InvalidSignatureException", "403 SignatureDoesNotMatch"},
	} {
		t.Run(test.name, func(t *testing.T) {
			analyzers, accounts, identity := signed(s)
			for _, x := range []struct {
				c           call
				want        string
				contentType string
			}{
				{analyzers, test.rest, "application/json"},
				{accounts, test.json, "application/x-amz-json-1.1"},
				{identity, test.xml, "text/xml"},
			} {
				test.tamper(&x.c)
				status, code, contentType := x.c.do(t, s)
				if got := fmt.Sprintf("%d %s", status, code); got != x.want || contentType != x.contentType {
					t.Errorf("%s: got %s in %s, want %s in %s", x.c.service, got, contentType, x.want, x.contentType)
				}
			}
		})
	}
}

// Signers differ in how they escape these characters.
func TestSignaturesOfEscapedCharacters(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	analyzers, accounts, _ := signed(s)
	for _, path := range []string{
		"/analyzer?nextToken=a%2Bb%2F%3D%3D", "/analyzer?nextToken=%C3%A4%20x", "/analyzer/a%20b%C3%A4", "/analyzer/x~y_z.-", "/analyzer?type=", "/analyzer?maxResults=1&maxResults=2",
	} {
		analyzers.path = path
		if _, code, _ := analyzers.do(t, s); code == "InvalidSignatureException" {
			t.Errorf("%s: the signature is rejected", path)
		}
	}
	accounts.header["X-Amz-Note"] = "two  spaces   folded"
	if status, code, _ := accounts.do(t, s); status != 200 {
		t.Errorf("a header with spaces: %d %s", status, code)
	}
}

func TestUnknownOperations(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	analyzers, accounts, identity := signed(s)
	analyzers.method, analyzers.path = "PUT", "/analyzer"
	if status, code, _ := analyzers.do(t, s); status != 404 || code != "UnknownOperationException" {
		t.Errorf("Access Analyzer: %d %s", status, code)
	}
	accounts.header["X-Amz-Target"] = "AWSOrganizationsV20161128.CloseAccount"
	if status, code, _ := accounts.do(t, s); status != 400 || code != "UnknownOperationException" {
		t.Errorf("Organizations: %d %s", status, code)
	}
	identity.body = "Action=GetSessionToken&Version=2011-06-15"
	if status, code, _ := identity.do(t, s); status != 400 || code != "InvalidAction" {
		t.Errorf("STS: %d %s", status, code)
	}
	identity.body, identity.service = "Action=DescribeRegions&Version=2016-11-15", "ec2"
	if status, code, _ := identity.do(t, s); status != 400 || code != "InvalidAction" {
		t.Errorf("EC2: %d %s", status, code)
	}
	accounts.service, accounts.header["X-Amz-Target"] = "securityhub", "SecurityHubAPIService.GetFindings"
	if status, code, _ := accounts.do(t, s); status != 400 || code != "UnknownOperationException" {
		t.Errorf("Security Hub: %d %s", status, code)
	}
	var got []string
	for _, c := range s.Calls(simaws.CallFilter{}) {
		got = append(got, c.Service+" "+c.Operation)
	}
	want := []string{
		"access-analyzer PUT /analyzer", "organizations CloseAccount", "sts GetSessionToken", "ec2 DescribeRegions", "securityhub GetFindings",
	}
	if !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
	// A known operation that is signed for another service is rejected.
	analyzers.method, analyzers.path, analyzers.service = "GET", "/analyzer", "s3"
	if status, code, _ := analyzers.do(t, s); status != 403 || code != "InvalidSignatureException" {
		t.Errorf("signed for another service: %d %s", status, code)
	}
}

func TestBodiesThatAreNotJSON(t *testing.T) {
	s := sdktest.Start(t, sdktest.NewWorld(), simaws.Options{})
	analyzers, accounts, _ := signed(s)
	analyzers.method, analyzers.path, analyzers.body = "POST", "/findingv2", `{"analyzerArn":`
	if status, code, _ := analyzers.do(t, s); status != 400 || code != "ValidationException" {
		t.Errorf("Access Analyzer: %d %s", status, code)
	}
	accounts.body = `{"MaxResults":"many"}`
	if status, code, _ := accounts.do(t, s); status != 400 || code != "SerializationException" {
		t.Errorf("Organizations: %d %s", status, code)
	}
}
