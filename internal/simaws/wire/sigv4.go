package wire

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxSignatureAge is how far the date of a request may be from AWS time.
const maxSignatureAge = 5 * time.Minute

// Scope is the credential scope of a signature.
type Scope struct{ Date, Region, Service string }

// Verifier verifies signatures (Signature Version 4).
type Verifier struct{ keys signingKeys }

// Verify verifies the signature of a request to a service. secrets returns the
// secret key and the session token of an access key. skew is how far the clock
// of AWS is ahead. The scope is also set after an error, if the signature has
// one.
func (v *Verifier) Verify(r *http.Request, body []byte, service *Service, skew time.Duration, secrets func(accessKeyID string) (secret, token string, _ *Error)) (Scope, *Error) {
	sig, err := parseAuthorization(r, service)
	if err != nil {
		return sig.Scope, err
	}
	secret, token, err := secrets(sig.accessKeyID)
	if err != nil {
		return sig.Scope, err
	}
	if sig.Service != service.Name {
		return sig.Scope, service.Errorf(BadSignature, "Credential should be scoped to correct service: '%s'. ", service.Name)
	}
	if r.Header.Get("X-Amz-Security-Token") != token {
		return sig.Scope, service.InvalidToken()
	}
	if err := checkDate(sig, service, skew); err != nil {
		return sig.Scope, err
	}
	key := v.keys.get(keyID{sig.accessKeyID, sig.Scope}, secret)
	var want [sha256.Size]byte
	got, hexErr := hex.DecodeString(sig.signature)
	mac := hmac.New(sha256.New, key[:])
	mac.Write(stringToSign(r, body, sig))
	if hexErr != nil || !hmac.Equal(got, mac.Sum(want[:0])) {
		return sig.Scope, service.Errorf(BadSignature, "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return sig.Scope, nil
}

// signature holds the fields of the Authorization header and the date of the
// request.
type signature struct {
	Scope
	accessKeyID, signature, amzDate string
	headers                         []string
}

// parseAuthorization parses the Authorization header.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func parseAuthorization(r *http.Request, service *Service) (signature, *Error) {
	var sig signature
	header := r.Header.Get("Authorization")
	if header == "" {
		return sig, service.Errorf(MissingToken, "Missing Authentication Token")
	}
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256")
	if !ok {
		return sig, service.Errorf(IncompleteSignature, "Unsupported AWS 'algorithm': '%s'.", header)
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			p := strings.Split(value, "/")
			if len(p) != 5 || p[4] != "aws4_request" {
				return sig, service.Errorf(IncompleteSignature, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", value)
			}
			sig.accessKeyID, sig.Scope = p[0], Scope{p[1], p[2], p[3]}
		case "SignedHeaders":
			sig.headers = strings.Split(value, ";")
		case "Signature":
			sig.signature = value
		}
	}
	sig.amzDate = r.Header.Get("X-Amz-Date")
	missing := ""
	switch {
	case sig.accessKeyID == "":
		missing = "'Credential' parameter"
	case sig.signature == "":
		missing = "'Signature' parameter"
	case len(sig.headers) == 0:
		missing = "'SignedHeaders' parameter"
	case sig.amzDate == "":
		missing = "existence of either a 'X-Amz-Date' or a 'Date' header"
	}
	if missing != "" {
		return sig, service.Errorf(IncompleteSignature, "Authorization header requires %s.", missing)
	}
	if missing := unsigned(r, sig.headers); missing != "" {
		return sig, service.Errorf(BadSignature, "'%s' must be a 'SignedHeader' in the AWS Authorization.", missing)
	}
	return sig, nil
}

// SignedService is the service in the credential scope of a signature; empty if
// there is none.
func SignedService(r *http.Request) string {
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	credential, _, _ = strings.Cut(credential, ",")
	if scope := strings.Split(credential, "/"); len(scope) == 5 {
		return scope[3]
	}
	return ""
}

// unsigned returns a header that must be signed and is not, or an empty string.
func unsigned(r *http.Request, signed []string) string {
	if !slices.Contains(signed, "host") {
		return "Host"
	}
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Amz-") && !slices.Contains(signed, strings.ToLower(name)) {
			return name
		}
	}
	return ""
}

// checkDate compares with time.Now and not with the world's clock, because
// signers use time.Now.
func checkDate(sig signature, service *Service, skew time.Duration) *Error {
	const layout = "20060102T150405Z"
	t, err := time.Parse(layout, sig.amzDate)
	if err != nil {
		return service.Errorf(IncompleteSignature, "Date must be in ISO-8601 'basic format'. Got '%s'.", sig.amzDate)
	}
	if day := t.Format("20060102"); day != sig.Date {
		return service.Errorf(BadSignature, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", sig.Date, day, sig.amzDate)
	}
	now := time.Now().Add(skew).UTC()
	switch age := now.Sub(t); {
	case age > maxSignatureAge:
		return service.Errorf(BadSignature, "Signature expired: %s is now earlier than %s (%s - 5 min.)", sig.amzDate, now.Add(-maxSignatureAge).Format(layout), now.Format(layout))
	case age < -maxSignatureAge:
		return service.Errorf(BadSignature, "Signature not yet current: %s is still later than %s (%s + 5 min.)", sig.amzDate, now.Add(maxSignatureAge).Format(layout), now.Format(layout))
	}
	return nil
}

func stringToSign(r *http.Request, body []byte, sig signature) []byte {
	request := sha256.Sum256(canonicalRequest(r, body, sig.headers))
	b := make([]byte, 0, 192)
	b = append(b, "AWS4-HMAC-SHA256\n"...)
	b = append(b, sig.amzDate...)
	b = append(b, '\n')
	b = append(b, sig.Date...)
	b = append(b, '/')
	b = append(b, sig.Region...)
	b = append(b, '/')
	b = append(b, sig.Service...)
	b = append(b, "/aws4_request\n"...)
	return hex.AppendEncode(b, request[:])
}

func canonicalRequest(r *http.Request, body []byte, headers []string) []byte {
	var b bytes.Buffer
	b.Grow(1024)
	b.WriteString(r.Method)
	b.WriteByte('\n')
	// All services except S3 sign the path encoded twice.
	escape(&b, r.URL.EscapedPath(), true)
	b.WriteByte('\n')
	canonicalQuery(&b, r.URL.RawQuery)
	b.WriteByte('\n')
	for _, name := range headers {
		b.WriteString(name)
		b.WriteByte(':')
		canonicalHeader(&b, r, name)
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	b.WriteString(strings.Join(headers, ";"))
	b.WriteByte('\n')
	payload := sha256.Sum256(body)
	b.Write(hex.AppendEncode(b.AvailableBuffer(), payload[:]))
	return b.Bytes()
}

// canonicalHeader writes the values of a header with runs of spaces folded.
func canonicalHeader(b *bytes.Buffer, r *http.Request, name string) {
	switch name {
	case "host":
		b.WriteString(r.Host)
		return
	case "content-length": // net/http removes it from the header
		b.WriteString(strconv.FormatInt(r.ContentLength, 10))
		return
	}
	for i, v := range r.Header[http.CanonicalHeaderKey(name)] {
		if i > 0 {
			b.WriteByte(',')
		}
		v = strings.TrimSpace(v)
		if strings.Contains(v, "  ") {
			v = strings.Join(strings.Fields(v), " ")
		}
		b.WriteString(v)
	}
}

func canonicalQuery(b *bytes.Buffer, raw string) {
	if raw == "" {
		return
	}
	var pairs []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, value, _ := strings.Cut(pair, "=")
		var p bytes.Buffer
		for i, s := range []string{name, value} {
			if i > 0 {
				p.WriteByte('=')
			}
			if decoded, err := url.QueryUnescape(s); err == nil {
				s = decoded
			}
			escape(&p, s, false)
		}
		pairs = append(pairs, p.String())
	}
	slices.Sort(pairs)
	b.WriteString(strings.Join(pairs, "&"))
}

// escape percent-encodes all except the unreserved characters of RFC 3986, and
// slashes if they are allowed.
func escape(b *bytes.Buffer, s string, slash bool) {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '~' || slash && c == '/' {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
}

// keyID identifies a signing key.
type keyID struct {
	accessKeyID string
	Scope
}

// signingKeys caches derived keys, which saves four HMACs a call.
type signingKeys struct {
	mu sync.RWMutex
	m  map[keyID][sha256.Size]byte
	// day is the latest date of a key; keys of earlier days are dropped.
	day string
}

// maxSigningKeys bounds the cache. A full one is emptied, because keys of expired
// sessions are not removed.
const maxSigningKeys = 1 << 16

func (k *signingKeys) get(id keyID, secret string) [sha256.Size]byte {
	k.mu.RLock()
	key, ok := k.m[id]
	k.mu.RUnlock()
	if ok {
		return key
	}
	derived := []byte("AWS4" + secret)
	for _, part := range []string{id.Date, id.Region, id.Service, "aws4_request"} {
		mac := hmac.New(sha256.New, derived)
		mac.Write([]byte(part))
		derived = mac.Sum(nil)
	}
	copy(key[:], derived)
	k.mu.Lock()
	if id.Date > k.day {
		clear(k.m)
		k.day = strings.Clone(id.Date) // does not retain the whole header
	}
	defer k.mu.Unlock()
	if k.m == nil || len(k.m) >= maxSigningKeys {
		k.m = map[keyID][sha256.Size]byte{}
	}
	k.m[id] = key
	return key
}
