package simaws

import (
	"cmp"
	"context"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxRequestBody is more than any request to these services needs.
const maxRequestBody = 1 << 20

// Options of a Server.
type Options struct {
	// Listener that Start serves on; nil is a free port of 127.0.0.1.
	Listener net.Listener
	// Region that Env names; empty is us-east-1.
	Region string
	// Now is the clock that the script, the faults' windows, sessions and
	// timestamps go by; nil is time.Now.
	Now func() time.Time
	// MaxHang is how long a timeout fault holds on to a call whose client
	// does not go away; zero is a minute.
	MaxHang time.Duration
	// CallLog is how many calls are kept; zero is 65,536, and none are when
	// it is negative. Counts by service, operation and code go on regardless.
	CallLog int
	// Seed of what happens with a probability or takes a random time.
	Seed uint64
}

// Server is a World behind AWS' wire protocols. It is an http.Handler, safe
// for concurrent use.
type Server struct {
	opts     Options
	calls    callLog
	sessions sessions
	keys     signingKeys
	limits   rateLimits

	mu    sync.RWMutex
	world *World
	index *index
	// nextEvent is when the script goes on, in Unix nanoseconds.
	nextEvent  atomic.Int64
	statistics statisticsCache

	randomMu sync.Mutex
	random   *rand.Rand

	listener net.Listener
	http     *http.Server
	// closed ends calls that hang on purpose.
	closed    chan struct{}
	closeOnce sync.Once
	// running are the listener and the connections that it accepted.
	running sync.WaitGroup
}

// New makes a server that answers from world. It listens once it is started;
// used as a handler, it needs neither Start nor Close.
func New(world *World, opts Options) *Server {
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
	s := &Server{opts: opts, closed: make(chan struct{}), random: rand.New(rand.NewPCG(opts.Seed, 0))}
	s.calls.init(opts.CallLog)
	s.SetWorld(world)
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
		// Broken connections are what the faults are for.
		ErrorLog:  log.New(io.Discard, "", 0),
		ConnState: s.track,
	}
	s.running.Go(func() { _ = s.http.Serve(l) }) // ends by Close alone
	return nil
}

// track counts connections: http.Server.Close does not wait for them.
func (s *Server) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		s.running.Add(1)
	case http.StateClosed, http.StateHijacked:
		s.running.Done()
	}
}

// Close ends every call and returns when nothing of the server runs any more.
func (s *Server) Close() error {
	s.closeOnce.Do(func() { close(s.closed) })
	var err error
	if s.http != nil {
		err = s.http.Close()
	}
	s.running.Wait()
	return err
}

// URL of the endpoint of all services, without a slash at the end.
func (s *Server) URL() string {
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// Env is what makes an AWS SDK talk to this server as the world's caller, and
// to nothing else. Variables that are empty here must be empty or unset; the
// AWS CLI is particular about AWS_PROFILE, see Environ.
func (s *Server) Env() map[string]string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	id, secret := accessKey(s.world.caller().AccountID)
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

// Environ is this process' environment with Env in it, for exec.Cmd: variables
// of AWS that Env does not set are left out.
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

// Credentials are long-term credentials of an IAM user in an account, who may
// do everything unless the account is the caller's.
func (s *Server) Credentials(accountID string) (accessKeyID, secret string) {
	return accessKey(accountID)
}

// SetWorld replaces the world; its script begins now. Sessions and the call
// log stay.
func (s *Server) SetWorld(w *World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world = w
	w.started = s.opts.Now()
	w.told = w.state()
	s.statistics.clear()
	for _, e := range w.Script {
		e.begin(w.started)
	}
	s.changed()
}

// View lets read read the world as it is now. What it reads must not leave it.
func (s *Server) View(read func(*World)) {
	s.advance()
	s.mu.RLock()
	defer s.mu.RUnlock()
	read(s.world)
}

// Update lets change change anything in the world. No call sees it halfway.
func (s *Server) Update(change func(*World)) {
	s.advance()
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.world)
	s.changed()
}

// AddFault adds a fault in front of all others and returns what takes it away
// again.
func (s *Server) AddFault(f *Fault) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.Faults = append([]*Fault{f}, s.world.Faults...)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.world.Faults = slices.DeleteFunc(slices.Clone(s.world.Faults), func(x *Fault) bool { return x == f })
	}
}

// changed follows up a change of the world.
func (s *Server) changed() {
	s.world.tell(s.opts.Now())
	s.index = newIndex(s.world)
	for _, e := range s.world.Script {
		if !e.begun {
			e.begin(s.opts.Now())
		}
	}
	s.nextEvent.Store(next(s.world.Script))
}

// advance lets everything in the script happen that is due.
func (s *Server) advance() {
	now := s.opts.Now()
	if now.UnixNano() < s.nextEvent.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.UnixNano() < s.nextEvent.Load() {
		return
	}
	play(s.world, now)
	s.changed()
}

// request is a call as the operations see it. The world is locked for reading
// while they do.
type request struct {
	server *Server
	world  *World
	index  *index
	now    time.Time
	ahead  time.Duration // World.ClockSkew
	who    identity
	region string
	// subject is the account that the call is about: the one that owns the
	// role of an AssumeRole, the one that ListRegions names, else the caller's.
	subject string
	op      *operation
	svc     *service
	path    []string // of rest-json, without the leading slash
	query   url.Values
	body    []byte
	// repeatToken makes lists never end.
	repeatToken bool
}

// operation is one operation of a service.
type operation struct {
	name string
	// action is the IAM action that authorises it; empty is none.
	action string
	// resource is the ARN that the action is on; nil is "*".
	resource func(q *request) string
	// subject is nil when the call is about the caller's own account.
	subject func(q *request) string
	// wait is nil unless the answer waits for something to happen; it reports
	// false when nobody waits for it any more. The world is not locked.
	wait func(ctx context.Context, s *Server, q *request) bool
	// handle answers with a value that the service's protocol can encode.
	handle func(q *request) (any, *apiError)
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	s.advance()
	q := &request{server: s, now: s.opts.Now(), body: body}
	call := Call{Time: q.now}
	q.svc, q.op = route(r, q)
	call.Service, call.Operation = q.svc.name, q.op.name

	faults, refusal := s.admit(r, q, &call)
	if q.ahead != 0 {
		w.Header().Set("Date", time.Now().Add(q.ahead).UTC().Format(http.TimeFormat))
	}
	if !s.delay(r.Context(), faults) {
		s.calls.add(call)
		panic(http.ErrAbortHandler) // returning would be an answer
	}
	a, failed := faults.answer(q)
	if !failed {
		if q.op.wait != nil && refusal == nil && !q.op.wait(r.Context(), s, q) {
			s.calls.add(call)
			panic(http.ErrAbortHandler)
		}
		a = s.perform(q, refusal)
		faults.alter(a)
	}
	call.Status, call.Code = a.status, a.code
	s.calls.add(call)
	faults.send(s, w, r, a)
}

// admit finds out who calls, and what is to go wrong with the call.
func (s *Server) admit(r *http.Request, q *request, call *Call) (matched, *apiError) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	q.world, q.index, q.ahead = s.world, s.index, s.world.ClockSkew
	who, scope, err := s.authenticate(r, q.body, q.svc, q.now)
	q.who, q.region, q.subject = who, scope.region, who.accountID
	call.AccessKeyID, call.AccountID, call.Subject, call.Region = who.accessKeyID, who.accountID, who.accountID, scope.region
	if err != nil {
		return matched{}, err
	}
	if q.op.subject != nil {
		if id := q.op.subject(q); id != "" {
			q.subject = id
		}
	}
	call.Subject = q.subject
	return s.match(q), nil
}

// perform does what was asked for, unless there is a refusal already.
func (s *Server) perform(q *request, refusal *apiError) *answer {
	s.mu.RLock()
	defer s.mu.RUnlock()
	// The world may have changed while the call was delayed.
	q.world, q.index = s.world, s.index
	var out any
	if refusal == nil {
		refusal = s.authorize(q)
	}
	if refusal == nil {
		out, refusal = q.op.handle(q)
	}
	return q.svc.render(q.op.name, out, refusal)
}

// authorize checks the Region and the identity's policies.
func (s *Server) authorize(q *request) *apiError {
	if q.world.Quirks.RateLimits && !s.limits.allow(q) {
		return &q.svc.throttled
	}
	// The other services are global, or have endpoints that also serve
	// accounts without the Region.
	account := q.index.accounts[q.who.accountID]
	if account == nil || q.svc == accessAnalyzer && !account.enabled(q.region) {
		return q.svc.unknownToken()
	}
	if q.op.action != "" && !allows(q.who.actions, q.op.action) {
		return q.deniedByIdentity()
	}
	return nil
}

func (q *request) deniedByIdentity() *apiError {
	return q.denied("because no identity-based policy allows the " + q.action() + " action")
}

// action is the IAM action of the call.
func (q *request) action() string { return cmp.Or(q.op.action, q.svc.name+":"+q.op.name) }

// denied is worded as AWS documents:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
func (q *request) denied(because string) *apiError {
	resource := "*"
	if q.op.resource != nil {
		resource = q.op.resource(q)
	}
	return q.svc.errorf(accessDenied, "User: %s is not authorized to perform: %s on resource: %s %s", q.who.arn, q.action(), resource, because)
}

// allows tells whether an action is among those that a policy lists.
func allows(actions []string, action string) bool {
	return actions == nil || slices.ContainsFunc(actions, func(pattern string) bool {
		return globMatch(strings.ToLower(pattern), strings.ToLower(action))
	})
}

// delay lets the world's latency and that of faults pass. It reports false
// when the client or the server has gone in the meantime.
func (s *Server) delay(ctx context.Context, m matched) bool {
	d := m.latency
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-s.closed:
	}
	return false
}

// route finds the service and the operation that a request is for by its
// shape, as the host name would at AWS.
func route(r *http.Request, q *request) (*service, *operation) {
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		if name, ok := strings.CutPrefix(target, "AmazonSQS."); ok {
			return simpleQueueService, known(sqsOperations, name)
		}
		name, _ := strings.CutPrefix(target, "AWSOrganizationsV20161128.")
		return organizations, known(organizationsOperations, name)
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		form, err := url.ParseQuery(string(q.body))
		if err != nil {
			form = url.Values{}
		}
		q.query = form
		return securityTokenService, known(stsOperations, form.Get("Action"))
	}
	q.path = strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/")
	q.query = r.URL.Query()
	if len(q.path) == 1 && r.Method == http.MethodPost {
		switch q.path[0] {
		case "listRegions":
			return accountManagement, known(accountOperations, "ListRegions")
		case "getRegionOptStatus":
			return accountManagement, known(accountOperations, "GetRegionOptStatus")
		}
	}
	return accessAnalyzer, known(accessAnalyzerOperations, accessAnalyzerRoute(r.Method, q.path))
}

// known finds an operation, or makes one that answers as AWS does to what it
// does not know.
func known(operations map[string]*operation, name string) *operation {
	if op := operations[name]; op != nil {
		return op
	}
	return &operation{name: name, handle: func(q *request) (any, *apiError) {
		if q.svc.protocol == queryXML {
			return nil, q.svc.errorf(unknownOperation, "Could not find operation %s for version %s", name, q.query.Get("Version"))
		}
		return nil, q.svc.errorf(unknownOperation, "The operation is not known: %s", name)
	}}
}

// table makes operations findable by name.
func table(operations ...*operation) map[string]*operation {
	m := make(map[string]*operation, len(operations))
	for _, op := range operations {
		m[op.name] = op
	}
	return m
}
