package simaws

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/fault"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/iam"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/services"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

// maxRequestBody is more than any request to these services needs, in bytes.
const maxRequestBody = 1 << 20

// Options of a Server.
type Options struct {
	// Listener of Start; nil is a free port of 127.0.0.1.
	Listener net.Listener
	// Region in Env; empty is us-east-1.
	Region string
	// Now is the clock of the script, the faults' windows, sessions and
	// timestamps; nil is time.Now.
	Now func() time.Time
	// MaxHang limits how long a fault of kind Timeout keeps a call open; zero is
	// a minute.
	MaxHang time.Duration
	// CallLog is the number of calls that are kept; zero is 65,536, and negative
	// is none. Calls are counted in any case.
	CallLog int
	// Seed of faults with a probability and of random latency.
	Seed uint64
}

// Server serves a World by the wire protocols of AWS. It is an http.Handler,
// safe for concurrent use.
type Server struct {
	*callLog
	opts     Options
	store    *world.Store
	sessions iam.Sessions
	services *services.Services
	verifier wire.Verifier
	faults   *fault.Injector
	limits   fault.RateLimits

	listener net.Listener
	http     *http.Server
	// ctx is done when the server is closed, which ends hanging calls.
	ctx    context.Context
	cancel context.CancelFunc
	// running are the listener and its connections.
	running sync.WaitGroup
}

// New returns a server of w. Start makes it listen; as a handler, it needs
// neither Start nor Close.
func New(w *World, opts Options) *Server {
	if opts.Region == "" {
		opts.Region = "us-east-1"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.MaxHang == 0 {
		opts.MaxHang = time.Minute
	}
	if opts.CallLog == 0 {
		opts.CallLog = 1 << 16
	}
	s := &Server{callLog: newCallLog(opts.CallLog), opts: opts, faults: fault.NewInjector(opts.Seed, opts.MaxHang)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.services = services.New(&s.sessions)
	var events services.EventBridge
	s.store = world.NewStore(w, opts.Now, events.Deliver)
	return s
}

// Start listens and serves until Close.
func (s *Server) Start() error {
	l := s.opts.Listener
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return err
		}
	}
	s.listener = l
	s.http = &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return s.ctx },
		ConnState:   s.trackConnection,
		// Faults break connections.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	s.running.Go(func() { _ = s.http.Serve(l) }) // returns only after Close
	return nil
}

// trackConnection counts connections, because http.Server.Close does not wait
// for them.
func (s *Server) trackConnection(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.running.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.running.Done()
	}
}

// Close ends all calls and waits for them.
func (s *Server) Close() error {
	s.cancel()
	var err error
	if s.http != nil {
		err = s.http.Close()
	}
	s.running.Wait()
	return err
}

// URL is the endpoint of all services, without a trailing slash.
func (s *Server) URL() string {
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// Env returns the environment variables by which an AWS SDK uses this server
// only, with the credentials of the world's caller. Those with an empty value
// must be empty or unset; the AWS CLI requires that AWS_PROFILE is unset, see
// Environ.
func (s *Server) Env() map[string]string {
	var caller Caller
	s.store.Read(func(x *world.Index) { caller = x.World.ResolvedCaller() })
	id, secret := iam.AccessKey(caller.AccountID)
	return map[string]string{
		"AWS_ENDPOINT_URL":                       s.URL(),
		"AWS_ACCESS_KEY_ID":                      id,
		"AWS_SECRET_ACCESS_KEY":                  secret,
		"AWS_SESSION_TOKEN":                      "",
		"AWS_REGION":                             s.opts.Region,
		"AWS_DEFAULT_REGION":                     s.opts.Region,
		"AWS_CONFIG_FILE":                        os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE":            os.DevNull,
		"AWS_EC2_METADATA_DISABLED":              "true",
		"AWS_PROFILE":                            "",
		"AWS_DEFAULT_PROFILE":                    "",
		"AWS_ROLE_ARN":                           "",
		"AWS_WEB_IDENTITY_TOKEN_FILE":            "",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI":     "",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "",
		"AWS_CA_BUNDLE":                          "",
		"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS":    "",
		"AWS_USE_FIPS_ENDPOINT":                  "",
		"AWS_USE_DUALSTACK_ENDPOINT":             "",
	}
}

// Environ is the environment of this process for exec.Cmd, in which Env replaces
// all variables of AWS.
func (s *Server) Environ() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
	for name, value := range s.Env() {
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	slices.Sort(env)
	return env
}

// Credentials returns the long-term credentials of an IAM user in an account.
// The user may do everything, except in the caller's account.
func (s *Server) Credentials(accountID string) (accessKeyID, secret string) {
	return iam.AccessKey(accountID)
}

// SetWorld replaces the world, whose script starts now. Sessions and the call
// log stay.
func (s *Server) SetWorld(w *World) { s.store.Set(w) }

// View calls read with the current world, which must not be kept.
func (s *Server) View(read func(*World)) {
	s.store.View(func(x *world.Index) { read(x.World) })
}

// Update calls change, which may change everything. No call observes a part of
// the change.
func (s *Server) Update(change func(*World)) { s.store.Update(change) }

// AddFault adds a fault before all others and returns a function that removes
// it.
func (s *Server) AddFault(f *Fault) (remove func()) { return s.store.AddFault(f) }

// Send sends messages to every queue of the world.
func (s *Server) Send(bodies ...string) {
	s.store.Read(func(x *world.Index) {
		for _, q := range x.World.Queues {
			q.Send(s.opts.Now(), bodies...)
		}
	})
}

// Depth is the number of messages of the queue with a name; zero if there is
// none.
func (s *Server) Depth(name string) (d Depth) {
	s.View(func(w *World) {
		for _, q := range w.Queues {
			if q.Name == name {
				d = q.Depth(s.opts.Now())
				return
			}
		}
	})
	return d
}

// ServeHTTP responds to one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	s.store.Advance()
	q := &wire.Request{Now: s.opts.Now(), Body: body}
	s.services.Route(r, q)
	injection, authErr := s.authenticate(r, q)
	if q.ClockSkew != 0 {
		w.Header().Set("Date", time.Now().Add(q.ClockSkew).UTC().Format(http.TimeFormat))
	}
	call := Call{
		Time: q.Now, Service: q.Service.Name, Operation: q.Operation.Name, AccountID: q.Caller.AccountID, Subject: q.Subject,
		Region: q.Region, AccessKeyID: q.Caller.AccessKeyID,
	}
	injection.Wait(r.Context())
	response := injection.Response(q)
	if response == nil && q.Operation.Wait != nil && authErr == nil {
		q.Operation.Wait(r.Context(), s.store, q)
	}
	if r.Context().Err() != nil {
		s.callLog.add(call)
		panic(http.ErrAbortHandler) // returning would send a response
	}
	if response == nil {
		response = s.perform(q, authErr)
		injection.Alter(response)
	}
	call.Status, call.Code = response.Status, response.Code
	s.callLog.add(call)
	injection.Send(r.Context(), w, response)
}

// authenticate sets the caller, the Region and the subject of the call, and
// selects its faults. A call with an invalid signature has none.
func (s *Server) authenticate(r *http.Request, q *wire.Request) (injection fault.Injection, err *wire.Error) {
	s.store.Read(func(x *world.Index) {
		q.Index, q.ClockSkew = x, x.World.ClockSkew
		var scope wire.Scope
		scope, err = s.verifier.Verify(r, q.Body, q.Service, q.ClockSkew, func(accessKeyID string) (secret, token string, _ *wire.Error) {
			var err error
			q.Caller, secret, token, err = s.sessions.Resolve(x, accessKeyID, q.Now.Add(q.ClockSkew))
			switch {
			case errors.Is(err, iam.ErrExpired):
				return "", "", q.Service.ExpiredToken()
			case err != nil:
				return "", "", q.Service.InvalidToken()
			}
			return secret, token, nil
		})
		q.Region, q.Subject = scope.Region, q.Caller.AccountID
		if err != nil {
			return
		}
		if q.Operation.Subject != nil {
			if id := q.Operation.Subject(q); id != "" {
				q.Subject = id
			}
		}
		injection = s.faults.Select(q)
	})
	return injection, err
}

// perform runs the operation, unless the caller is not authenticated or not
// authorized. Results refer to the world, which stays locked until they are
// encoded.
func (s *Server) perform(q *wire.Request, err *wire.Error) (response *wire.Response) {
	s.store.Read(func(x *world.Index) {
		var out any
		// Time has passed if the call was delayed.
		q.Index, q.Now = x, s.opts.Now()
		if err == nil {
			err = s.authorize(q)
		}
		if err == nil {
			out, err = q.Operation.Handle(q)
		}
		response = q.Encode(out, err)
	})
	return response
}

// authorize checks the request rate, the Region, also that of the signature, and the
// identity's policies.
func (s *Server) authorize(q *wire.Request) *wire.Error {
	if q.World.Quirks.RateLimits && !s.limits.Allow(q) {
		return &q.Service.Throttled
	}
	account := q.Account(q.Caller.AccountID)
	if account == nil || q.Service.Regional && !account.Enabled(q.Region) {
		return q.Service.InvalidToken()
	}
	if region := q.Service.SigningRegion; region != nil && q.Region != region(account) {
		return q.Service.Errorf(wire.BadSignature, "Credential should be scoped to a valid region. ")
	}
	if q.Operation.Action != "" && !q.Caller.Allows(q.Operation.Action) {
		if q.Caller.DeniedBySession(q.Operation.Action) {
			return q.DeniedBySession()
		}
		return q.DeniedByIdentity()
	}
	return nil
}
