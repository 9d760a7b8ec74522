// Package fault makes calls fail: it applies the faults of a world to calls and
// to their responses, and enforces request rates.
package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

const (
	defaultHugeBody = 64 << 20
	defaultSlowByte = 100 * time.Millisecond
)

// Injector selects the faults of calls.
type Injector struct {
	maxHang time.Duration

	// faults decides about faults and latency, messages about the spelling of
	// errors: one must not change the other.
	faults, messages source
}

// source is a random number generator that is safe for concurrent use.
type source struct {
	mu     sync.Mutex
	random *rand.Rand
}

// NewInjector returns an Injector whose faults of kind Timeout last until the
// client gives up, but no longer than maxHang. The seed is that of random
// latency and of faults with a probability.
func NewInjector(seed uint64, maxHang time.Duration) *Injector {
	return &Injector{
		maxHang: maxHang,
		faults:  source{random: rand.New(rand.NewPCG(seed, 0))}, messages: source{random: rand.New(rand.NewPCG(seed, 1))},
	}
}

// Injection is what is injected into one call.
type Injection struct {
	latency time.Duration
	fault   *world.Fault // nil if there is none
	maxHang time.Duration
}

// Select returns the injection of a call, and counts its faults.
func (in *Injector) Select(q *wire.Request) Injection {
	i := Injection{latency: q.World.Latency, maxHang: in.maxHang}
	if q.World.Jitter > 0 {
		i.latency += time.Duration(in.faults.float64() * float64(q.World.Jitter))
	}
	elapsed := q.World.Elapsed(q.Now)
	for _, f := range q.World.Faults {
		if i.fault != nil && f.Kind != world.Latency ||
			!f.Selects(q.Service.Name, q.Operation.Name, q.Subject, q.Region, elapsed) || !f.Fire(in.faults.float64) {
			continue
		}
		if f.Kind == world.Latency {
			i.latency += f.Delay
		} else {
			i.fault = f
		}
	}
	q.RepeatToken = i.kind() == world.RepeatingToken
	q.CapitalMessage = in.messages.float64() < 0.5
	return i
}

// float64 is a random number in [0, 1).
func (s *source) float64() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.Float64()
}

func (i *Injection) kind() world.FaultKind {
	if i.fault == nil {
		return ""
	}
	return i.fault.Kind
}

// Wait waits for the injected latency, unless ctx is done.
func (i *Injection) Wait(ctx context.Context) {
	if i.latency <= 0 {
		return
	}
	t := time.NewTimer(i.latency)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// Response is the injected response; nil if the operation runs.
func (i *Injection) Response(q *wire.Request) *wire.Response {
	switch i.kind() {
	case world.Timeout, world.ConnectionReset:
		return &wire.Response{}
	case world.ThrottledUnparsable:
		return htmlPage(http.StatusTooManyRequests)
	case world.ServiceErrorUnparsable:
		return htmlPage(http.StatusBadGateway)
	}
	if err := i.err(q); err != nil {
		return q.Encode(nil, err)
	}
	return nil
}

// err is the injected API error, or nil.
func (i *Injection) err(q *wire.Request) *wire.Error {
	switch i.kind() {
	case world.AccessDenied:
		return q.DeniedByIdentity()
	case world.SCPDenied:
		return q.Denied("with an explicit deny in a service control policy")
	case world.AssumeRoleDenied:
		return q.Denied("")
	case world.RegionDisabled:
		if regionDisabled := q.Operation.RegionDisabled; regionDisabled != nil {
			return regionDisabled(q)
		}
		return q.Service.InvalidToken()
	case world.InvalidCredentials:
		return q.Service.InvalidToken()
	case world.ExpiredToken:
		return q.Service.ExpiredToken()
	case world.Rejected:
		return q.Service.Errorf(wire.InvalidInput, "The request is not valid.")
	case world.Throttled:
		return &q.Service.Throttled
	case world.ServiceError:
		return &q.Service.Internal
	}
	return nil
}

// htmlPage is the response of a proxy in front of the service.
func htmlPage(status int) *wire.Response {
	text := http.StatusText(status)
	return &wire.Response{
		Status: status,
		Header: http.Header{"Content-Type": {"text/html"}},
		Body: fmt.Appendf(nil, "<html>\r\n<head><title>%d %s</title></head>\r\n<body>\r\n<center><h1>%d %s</h1></center>\r\n</body>\r\n</html>\r\n",
			status, text, status, text),
	}
}

// Alter changes the body of a successful response.
func (i *Injection) Alter(r *wire.Response) {
	if r.Status != http.StatusOK {
		return
	}
	switch i.kind() {
	case world.MalformedResponse:
		r.Body = r.Body[:len(r.Body)/2]
	case world.EmptyResponse:
		r.Body = []byte("{}")
	case world.WrongTypes:
		r.Body = wrongTypes(r.Body)
	case world.UnknownEnum:
		r.Body = unknownEnum(r.Body, i.fault.Field)
	default:
		return
	}
	r.Code = ""
}

// wrongTypes replaces every member of the outermost object by a value of
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
	return wire.EncodeJSON(members)
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

// Send sends the response. Some faults delay it or break the connection instead.
func (i *Injection) Send(ctx context.Context, w http.ResponseWriter, r *wire.Response) {
	switch i.kind() {
	case world.Timeout:
		i.hang(ctx)
	case world.ConnectionReset:
		reset(w)
		return
	}
	maps.Copy(w.Header(), r.Header)
	switch i.kind() {
	case world.HugeBody:
		w.WriteHeader(r.Status)
		i.sendHuge(w, r.Body)
	case world.SlowBody:
		w.WriteHeader(r.Status)
		i.sendSlowly(ctx, w, r.Body)
	default:
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(r.Body))}
		w.WriteHeader(r.Status)
		_, _ = w.Write(r.Body) // the client may be gone
	}
}

// hang waits until the client gives up, and aborts the connection if it does
// not.
func (i *Injection) hang(ctx context.Context) {
	t := time.NewTimer(i.maxHang)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
	panic(http.ErrAbortHandler)
}

// reset makes the kernel send RST instead of FIN.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the closest without access to the connection
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// sendHuge adds white space before the last byte, which JSON and XML allow.
func (i *Injection) sendHuge(w http.ResponseWriter, body []byte) {
	size := i.fault.Size
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

func (i *Injection) sendSlowly(ctx context.Context, w http.ResponseWriter, body []byte) {
	pause := i.fault.Delay
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
		case <-ctx.Done():
			panic(http.ErrAbortHandler)
		}
	}
}
