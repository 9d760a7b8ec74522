package simaws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind string

// The kinds of fault.
const (
	// AccessDenied: no identity-based policy allows the action.
	AccessDenied FaultKind = "access_denied"
	// SCPDenied: a service control policy denies the action.
	SCPDenied FaultKind = "scp_denied"
	// AssumeRoleDenied: STS refuses AssumeRole without saying why. Other
	// operations are not affected; Account is the one that owns the role.
	AssumeRoleDenied FaultKind = "assume_role_denied"
	// InvalidCredentials: the security token is not known.
	InvalidCredentials FaultKind = "credentials"
	// ExpiredToken: the security token is expired.
	ExpiredToken FaultKind = "expired_token"
	// RegionDisabled: as if the account had not enabled the Region.
	RegionDisabled FaultKind = "region_disabled"
	// Refused: the service takes the request for invalid, which it is not.
	Refused FaultKind = "refused"
	// Throttled: the service's own throttling error.
	Throttled FaultKind = "throttled"
	// ThrottledUnparsable: status 429 and a page of HTML.
	ThrottledUnparsable FaultKind = "throttled_unparsable"
	// Timeout: no answer for as long as the client waits (Options.MaxHang).
	Timeout FaultKind = "timeout"
	// Latency: the answer comes Delay later.
	Latency FaultKind = "latency"
	// ConnectionReset: the connection is reset instead of an answer.
	ConnectionReset FaultKind = "connection_reset"
	// ServiceError: the service's own internal error, status 500.
	ServiceError FaultKind = "service_error"
	// ServiceErrorUnparsable: status 502 and a page of HTML.
	ServiceErrorUnparsable FaultKind = "service_error_unparsable"
	// MalformedResponse: status 200 and half of the body, which looks whole
	// to HTTP.
	MalformedResponse FaultKind = "malformed_response"
	// WrongTypes: status 200 and members whose types are not those of the
	// API's model.
	WrongTypes FaultKind = "wrong_types"
	// EmptyResponse: status 200 and an object without members.
	EmptyResponse FaultKind = "empty_response"
	// HugeBody: a correct answer, blown up to Size bytes.
	HugeBody FaultKind = "huge_body"
	// SlowBody: a correct answer, a byte every Delay.
	SlowBody FaultKind = "slow_body"
	// RepeatingToken: lists that give their first page and the same next
	// token for ever.
	RepeatingToken FaultKind = "repeating_token"
	// UnknownEnum: enumerations with values that no model knows; Field limits
	// it to one of them (status, type, findingType, State …).
	UnknownEnum FaultKind = "unknown_enum"
)

// FaultKinds lists every kind.
var FaultKinds = []FaultKind{
	AccessDenied, SCPDenied, AssumeRoleDenied, InvalidCredentials, ExpiredToken, RegionDisabled, Refused, Throttled, ThrottledUnparsable,
	Timeout, Latency, ConnectionReset, ServiceError, ServiceErrorUnparsable, MalformedResponse, WrongTypes, EmptyResponse,
	HugeBody, SlowBody, RepeatingToken, UnknownEnum,
}

const (
	defaultHugeBody = 64 << 20
	defaultSlowByte = 100 * time.Millisecond
)

// Fault lets calls go wrong. It must not be changed once a server has it.
type Fault struct {
	Kind FaultKind
	// Service, Account, Region and Operation say which calls: globs, several
	// of them separated by "|"; empty is all. Service is the name in
	// signatures (access-analyzer, organizations, sts, account, sqs), Account the
	// call's subject, Region the one in the signature's scope: for the global
	// services that is whatever Region the client is set to.
	Service, Account, Region, Operation string
	// Times limits it to the first matching calls; 0 is all.
	Times int
	// Probability in (0, 1) lets only some of the matching calls go wrong;
	// 0 is all.
	Probability float64
	// From and Until limit it to a window, counted from when the world was
	// set; an Until of 0 is no end.
	From, Until time.Duration
	// Delay and Size are for the kinds that mention them; zero is a sensible
	// default.
	Delay time.Duration
	Size  int64
	// Field is for UnknownEnum.
	Field string

	fired atomic.Int64
}

// matched is what goes wrong with one call.
type matched struct {
	latency time.Duration
	fault   *Fault // nil when nothing does
}

// globMatch tells whether s matches one of the patterns; an empty pattern
// matches everything.
func globMatch(patterns, s string) bool {
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

// match finds what goes wrong with a call.
func (s *Server) match(q *request) matched {
	m := matched{latency: q.world.Latency}
	if q.world.Jitter > 0 {
		m.latency += time.Duration(s.chance() * float64(q.world.Jitter))
	}
	since := q.now.Sub(q.world.started)
	for _, f := range q.world.Faults {
		if m.fault != nil && f.Kind != Latency || !f.concerns(q, since) || !s.fires(f) {
			continue
		}
		if f.Kind == Latency {
			m.latency += f.Delay
		} else {
			m.fault = f
		}
	}
	q.repeatToken = m.fault != nil && m.fault.Kind == RepeatingToken
	return m
}

func (f *Fault) concerns(q *request, since time.Duration) bool {
	if f.Kind == AssumeRoleDenied && q.op.name != "AssumeRole" {
		return false
	}
	return globMatch(f.Operation, q.op.name) && globMatch(f.Service, q.svc.name) && globMatch(f.Account, q.subject) &&
		globMatch(f.Region, q.region) && since >= f.From && (f.Until == 0 || since < f.Until)
}

// fires draws lots and counts.
func (s *Server) fires(f *Fault) bool {
	if f.Probability > 0 && s.chance() >= f.Probability {
		return false
	}
	return f.Times == 0 || f.fired.Add(1) <= int64(f.Times)
}

// chance is a random number in [0, 1).
func (s *Server) chance() float64 {
	s.randomMu.Lock()
	defer s.randomMu.Unlock()
	return s.random.Float64()
}

// answer is what the call is answered instead of what was asked for; ok is
// false when it is to be carried out.
func (m matched) answer(q *request) (_ *answer, ok bool) {
	if m.fault == nil {
		return nil, false
	}
	switch m.fault.Kind {
	case Timeout, ConnectionReset:
		return &answer{}, true
	case ThrottledUnparsable:
		return unparsable(http.StatusTooManyRequests), true
	case ServiceErrorUnparsable:
		return unparsable(http.StatusBadGateway), true
	}
	if err := m.fault.refusal(q); err != nil {
		return q.svc.render(q.op.name, nil, err), true
	}
	return nil, false
}

// refusal is the API error of a fault that is one, else nil.
func (f *Fault) refusal(q *request) *apiError {
	switch f.Kind {
	case AccessDenied:
		return q.deniedByIdentity()
	case SCPDenied:
		return q.denied("with an explicit deny in a service control policy")
	case AssumeRoleDenied:
		return assumeRoleDenied(q)
	case RegionDisabled:
		if q.op.name == "AssumeRole" {
			return regionDisabled(q)
		}
		return q.svc.unknownToken()
	case InvalidCredentials:
		return q.svc.unknownToken()
	case ExpiredToken:
		return q.svc.errorf(expiredToken, "The security token included in the request is expired")
	case Refused:
		return q.svc.errorf(invalidInput, "The request is not valid.")
	case Throttled:
		return &q.svc.throttled
	case ServiceError:
		return &q.svc.internal
	}
	return nil
}

// unparsable is an answer of something in front of the service.
func unparsable(status int) *answer {
	text := http.StatusText(status)
	return &answer{
		status: status,
		header: http.Header{"Content-Type": {"text/html"}},
		body: fmt.Appendf(nil, "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%d %s</h1></center>\r\n</body>\r\n</html>\r\n",
			status, text, status, text),
	}
}

// alter spoils the body of an answer that went well.
func (m matched) alter(a *answer) {
	if m.fault == nil || a.status != http.StatusOK {
		return
	}
	switch m.fault.Kind {
	case MalformedResponse:
		a.body = a.body[:len(a.body)/2]
	case EmptyResponse:
		a.body = []byte("{}")
	case WrongTypes:
		a.body = wrongTypes(a.body)
	case UnknownEnum:
		a.body = unknownEnum(a.body, m.fault.Field)
	default:
		return
	}
	a.code = ""
}

// wrongTypes replaces every member of the outermost object by something of
// another type.
func wrongTypes(body []byte) []byte {
	var members map[string]any
	if json.Unmarshal(body, &members) != nil { // XML
		return []byte("<unexpected><unexpected/></unexpected>")
	}
	for name, value := range members {
		switch value.(type) {
		case []any, map[string]any:
			members[name] = "unexpected"
		default:
			members[name] = []any{value}
		}
	}
	return encodeJSON(members)
}

var enumMember = regexp.MustCompile(`"(type|status|code|findingType|resourceType|State|Status|JoinedMethod|RegionOptStatus)":"[A-Za-z0-9_:]+"`)

func unknownEnum(body []byte, field string) []byte {
	return enumMember.ReplaceAllFunc(body, func(member []byte) []byte {
		name, _, _ := bytes.Cut(member, []byte(":"))
		if field != "" && string(name) != `"`+field+`"` {
			return member
		}
		return append(bytes.Clone(name), `:"UNHEARD_OF"`...)
	})
}

// send puts an answer on the wire, or does not.
func (m matched) send(s *Server, w http.ResponseWriter, r *http.Request, a *answer) {
	var kind FaultKind
	if m.fault != nil {
		kind = m.fault.Kind
	}
	switch kind {
	case Timeout:
		s.hang(r)
		return
	case ConnectionReset:
		reset(w)
		return
	}
	maps.Copy(w.Header(), a.header)
	switch kind {
	case HugeBody:
		w.WriteHeader(a.status)
		m.fault.sendHuge(w, a.body)
	case SlowBody:
		w.WriteHeader(a.status)
		m.fault.sendSlowly(s, w, r, a.body)
	default:
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(a.body))}
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body) // the client may have gone
	}
}

// hang waits for the client to go away, and breaks the connection if it will
// not.
func (s *Server) hang(r *http.Request) {
	t := time.NewTimer(s.opts.MaxHang)
	defer t.Stop()
	select {
	case <-r.Context().Done():
	case <-s.closed:
	case <-t.C:
	}
	panic(http.ErrAbortHandler)
}

// reset makes the kernel send RST instead of FIN.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // what can be had without a connection
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// sendHuge puts white space in front of the last byte: JSON and XML stay what
// they are.
func (f *Fault) sendHuge(w http.ResponseWriter, body []byte) {
	size := f.Size
	if size == 0 {
		size = defaultHugeBody
	}
	last := len(body) - 1
	if _, err := w.Write(body[:last]); err != nil {
		return
	}
	padding := bytes.Repeat([]byte(" "), 64<<10)
	for left := size - int64(len(body)); left > 0; left -= int64(len(padding)) {
		if _, err := w.Write(padding[:min(left, int64(len(padding)))]); err != nil {
			return
		}
	}
	_, _ = w.Write(body[last:])
}

func (f *Fault) sendSlowly(s *Server, w http.ResponseWriter, r *http.Request, body []byte) {
	pause := f.Delay
	if pause == 0 {
		pause = defaultSlowByte
	}
	flush := http.NewResponseController(w).Flush
	t := time.NewTicker(pause)
	defer t.Stop()
	for i := range body {
		if _, err := w.Write(body[i : i+1]); err != nil || flush() != nil {
			return
		}
		select {
		case <-t.C:
		case <-r.Context().Done():
			return
		case <-s.closed:
			panic(http.ErrAbortHandler)
		}
	}
}
