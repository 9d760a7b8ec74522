package simaws

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxClockSkew is how far a request's date may be from the server's clock.
const maxClockSkew = 5 * time.Minute

// identity is who calls.
type identity struct {
	accountID, accessKeyID string
	// arn and userID are what GetCallerIdentity answers.
	arn, userID string
	// actions the identity's policies allow; nil is all.
	actions []string
	// session tells that a role was assumed, so that another one is chained.
	session bool
}

// scope is the credential scope of a signature.
type scope struct{ date, region, service string }

// session is what AssumeRole handed out.
type session struct {
	accountID, roleName, roleID, name, secret, token string
	expires                                          time.Time
}

// sessions are kept until they have been expired for a while: until then a
// call with one is told that it is expired, after that that it is unknown.
type sessions struct {
	mu sync.RWMutex
	m  map[string]*session
	// pruneAt is the size at which the next insertion looks for old ones.
	pruneAt int
}

func (s *sessions) get(accessKeyID string) *session {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.m[accessKeyID]
}

// open makes up credentials for an assumed role.
func (s *sessions) open(accountID string, role *Role, name string, now time.Time, d time.Duration) (accessKeyID string, _ *session) {
	opened := &session{
		accountID: accountID, roleName: role.Name, roleID: role.id(accountID), name: name,
		secret: randomText(30), token: randomText(180), expires: now.Add(d).UTC().Truncate(time.Second),
	}
	var b [10]byte
	rand.Read(b[:])
	accessKeyID = "ASIA" + base32.StdEncoding.EncodeToString(b[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m, s.pruneAt = map[string]*session{}, 1024
	}
	if len(s.m) >= s.pruneAt {
		for id, old := range s.m {
			if now.Sub(old.expires) > time.Hour {
				delete(s.m, id)
			}
		}
		s.pruneAt = max(1024, 2*len(s.m))
	}
	s.m[accessKeyID] = opened
	return accessKeyID, opened
}

func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// Long-term access keys say which account they belong to, so that nothing has
// to be kept for them.
const accessKeyPrefix = "AKIASIMU"

func accessKey(accountID string) (id, secret string) {
	id = accessKeyPrefix + accountID
	sum := sha256.Sum256([]byte("simulated secret of " + id))
	return id, base64.StdEncoding.EncodeToString(sum[:])[:40]
}

// authenticate verifies the signature of a request to svc. The server's world
// must be locked for reading.
func (s *Server) authenticate(r *http.Request, body []byte, svc *service, now time.Time) (identity, scope, *apiError) {
	var who identity
	sig, err := parseAuthorization(r, svc)
	if err != nil {
		return who, sig.scope, err
	}
	secret, token, err := s.identify(&who, sig.accessKeyID, svc, now)
	if err != nil {
		return who, sig.scope, err
	}
	if sig.service != svc.name {
		return who, sig.scope, svc.errorf(badSignature, "Credential should be scoped to correct service: '%s'. ", svc.name)
	}
	if r.Header.Get("X-Amz-Security-Token") != token {
		return who, sig.scope, svc.unknownToken()
	}
	if err := checkDate(sig, svc, s.world.ClockSkew); err != nil {
		return who, sig.scope, err
	}
	key := s.keys.get(keyID{sig.accessKeyID, sig.scope}, secret)
	var want [sha256.Size]byte
	got, hexErr := hex.DecodeString(sig.signature)
	mac := hmac.New(sha256.New, key[:])
	mac.Write(stringToSign(r, body, sig))
	if hexErr != nil || !hmac.Equal(got, mac.Sum(want[:0])) {
		return who, sig.scope, svc.errorf(badSignature, "The request signature we calculated does not match the signature you provided. "+
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	return who, sig.scope, nil
}

// identify fills who and returns the secrets that the access key goes with.
func (s *Server) identify(who *identity, accessKeyID string, svc *service, now time.Time) (secret, token string, _ *apiError) {
	who.accessKeyID = accessKeyID
	if id, ok := strings.CutPrefix(accessKeyID, accessKeyPrefix); ok {
		account := s.index.accounts[id]
		if account == nil || !account.works() {
			return "", "", svc.unknownToken()
		}
		c := s.world.caller()
		who.accountID, who.userID = id, "AIDASIMU"+id
		who.arn = "arn:aws:iam::" + id + ":user/" + c.Name
		if c.AccountID == id {
			who.actions = c.Actions
		}
		_, secret = accessKey(id)
		return secret, "", nil
	}
	sess := s.sessions.get(accessKeyID)
	if sess == nil {
		return "", "", svc.unknownToken()
	}
	account := s.index.accounts[sess.accountID]
	who.accountID, who.session = sess.accountID, true
	who.arn = "arn:aws:sts::" + sess.accountID + ":assumed-role/" + sess.roleName + "/" + sess.name
	who.userID = sess.roleID + ":" + sess.name
	if account == nil || !account.works() {
		return "", "", svc.unknownToken()
	}
	role := account.role(sess.roleName)
	if role == nil || role.id(sess.accountID) != sess.roleID {
		return "", "", svc.unknownToken()
	}
	if !now.Add(s.world.ClockSkew).Before(sess.expires) {
		return "", "", svc.errorf(expiredToken, "The security token included in the request is expired")
	}
	who.actions = role.Actions
	return sess.secret, sess.token, nil
}

// id is the unique ID of a role: AROA and 17 more characters.
func (r *Role) id(accountID string) string {
	if r.ID != "" {
		return r.ID
	}
	sum := sha256.Sum256([]byte(accountID + "/" + r.Name))
	return "AROA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// signature is what the Authorization header says, and the date of the
// request.
type signature struct {
	scope
	accessKeyID, signature, amzDate string
	headers                         []string
}

// parseAuthorization takes the Authorization header apart.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func parseAuthorization(r *http.Request, svc *service) (signature, *apiError) {
	var sig signature
	header := r.Header.Get("Authorization")
	if header == "" {
		return sig, svc.errorf(missingToken, "Missing Authentication Token")
	}
	rest, ok := strings.CutPrefix(header, "AWS4-HMAC-SHA256")
	if !ok {
		return sig, svc.errorf(incompleteSignature, "Unsupported AWS 'algorithm': '%s'.", header)
	}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			p := strings.Split(value, "/")
			if len(p) != 5 || p[4] != "aws4_request" {
				return sig, svc.errorf(incompleteSignature, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", value)
			}
			sig.accessKeyID, sig.scope = p[0], scope{p[1], p[2], p[3]}
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
		return sig, svc.errorf(incompleteSignature, "Authorization header requires %s.", missing)
	}
	if missing := unsigned(r, sig.headers); missing != "" {
		return sig, svc.errorf(badSignature, "'%s' must be a 'SignedHeader' in the AWS Authorization.", missing)
	}
	return sig, nil
}

// unsigned names a header that AWS wants signed and that is not; empty when
// there is none.
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

// checkDate compares with time.Now and not with the world's clock: signers
// cannot be told another one.
func checkDate(sig signature, svc *service, ahead time.Duration) *apiError {
	const layout = "20060102T150405Z"
	t, err := time.Parse(layout, sig.amzDate)
	if err != nil {
		return svc.errorf(incompleteSignature, "Date must be in ISO-8601 'basic format'. Got '%s'.", sig.amzDate)
	}
	if day := t.Format("20060102"); day != sig.date {
		return svc.errorf(badSignature, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.", sig.date, day, sig.amzDate)
	}
	now := time.Now().Add(ahead).UTC()
	switch skew := now.Sub(t); {
	case skew > maxClockSkew:
		return svc.errorf(badSignature, "Signature expired: %s is now earlier than %s (%s - 5 min.)", sig.amzDate, now.Add(-maxClockSkew).Format(layout), now.Format(layout))
	case skew < -maxClockSkew:
		return svc.errorf(badSignature, "Signature not yet current: %s is still later than %s (%s + 5 min.)", sig.amzDate, now.Add(maxClockSkew).Format(layout), now.Format(layout))
	}
	return nil
}

func stringToSign(r *http.Request, body []byte, sig signature) []byte {
	request := sha256.Sum256(canonicalRequest(r, body, sig.headers))
	b := make([]byte, 0, 192)
	b = append(b, "AWS4-HMAC-SHA256\n"...)
	b = append(b, sig.amzDate...)
	b = append(b, '\n')
	b = append(b, sig.date...)
	b = append(b, '/')
	b = append(b, sig.region...)
	b = append(b, '/')
	b = append(b, sig.service...)
	b = append(b, "/aws4_request\n"...)
	return hex.AppendEncode(b, request[:])
}

func canonicalRequest(r *http.Request, body []byte, headers []string) []byte {
	var b bytes.Buffer
	b.Grow(1024)
	b.WriteString(r.Method)
	b.WriteByte('\n')
	// Every service but S3 signs the path encoded twice.
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

// canonicalHeader writes a header's values with runs of spaces folded.
func canonicalHeader(b *bytes.Buffer, r *http.Request, name string) {
	switch name {
	case "host":
		b.WriteString(r.Host)
		return
	case "content-length": // net/http takes it out of the header
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

// escape percent-encodes everything but RFC 3986's unreserved characters, and
// slashes where they may stand.
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

// keyID names a signing key.
type keyID struct {
	accessKeyID string
	scope
}

// signingKeys caches derived keys: four HMACs are saved for a call whose
// account, day, Region and service were seen before.
type signingKeys struct {
	mu sync.RWMutex
	m  map[keyID][sha256.Size]byte
	// day is the last one that a key was made for. Those of former days are of
	// no more use.
	day string
}

// maxSigningKeys bounds the cache; a full one is emptied, as old days and
// sessions fill it for good otherwise.
const maxSigningKeys = 1 << 16

func (k *signingKeys) get(id keyID, secret string) [sha256.Size]byte {
	k.mu.RLock()
	key, ok := k.m[id]
	k.mu.RUnlock()
	if ok {
		return key
	}
	derived := []byte("AWS4" + secret)
	for _, part := range []string{id.date, id.region, id.service, "aws4_request"} {
		mac := hmac.New(sha256.New, derived)
		mac.Write([]byte(part))
		derived = mac.Sum(nil)
	}
	copy(key[:], derived)
	k.mu.Lock()
	if id.date > k.day {
		clear(k.m)
		k.day = strings.Clone(id.date) // and not the whole header with it
	}
	defer k.mu.Unlock()
	if k.m == nil || len(k.m) >= maxSigningKeys {
		k.m = map[keyID][sha256.Size]byte{}
	}
	k.m[id] = key
	return key
}
