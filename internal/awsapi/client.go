// Package awsapi is the only package that imports the AWS SDK. It reads Access
// Analyzer, Organizations, STS, Account Management and SQS, and returns types of
// package inventory, or an *inventory.Failure with the account, Region, operation
// and reason.
//
// Every attempt of an API call passes through one middleware below the SDK's
// retry middleware. It bounds the calls in flight and reports each attempt, so
// that no call site counts.
package awsapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/auth"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/time/rate"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/clock"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/partition"
)

const (
	// attemptTimeout bounds one HTTP exchange. The SDK has no read timeout of
	// its own: without one an unresponsive peer would block a worker forever.
	attemptTimeout = 10 * time.Second
	// dialTimeout is shorter, so that the error says that there was no connection.
	// It is enough for a second DNS server after one that does not answer in 5 s.
	dialTimeout = 7 * time.Second
	// callTimeout bounds a call with all its attempts and backoffs.
	callTimeout = 25 * time.Second
	// maxBackoff is the longest delay between two attempts of one call.
	maxBackoff = 5 * time.Second
	// maxResponse is in bytes: more than any page that AWS sends (a thousand
	// findings are about 1 MB), and little enough to hold in memory.
	maxResponse = 16 << 20
	// maxHeader is in bytes, for each connection. The headers of AWS have 1 kB.
	maxHeader = 1 << 20
	// accountRate is what AWS grants to Account Management, per second and per
	// account: https://docs.aws.amazon.com/accounts/latest/reference/quotas.html
	accountRate = 5
	// regionShare is the part of the concurrency that lists of Regions may use: each
	// account has one, and if they hang they must leave the rest to sweeps.
	regionShare = 4
	// labelRate is that of calls for labels of accounts, per second. AWS grants similar
	// calls of Organizations five a second and more, to all callers together.
	// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
	labelRate = 5
	// emptyHash is the SHA-256 of a request without a body.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Options of a Client.
type Options struct {
	// Concurrency is how many calls may be in flight, IdleConns how many idle
	// connections are kept; 0: one for each call to each host.
	Concurrency, IdleConns int
	// ExternalID and SessionName go into every AssumeRole.
	ExternalID, SessionName string
	// SessionPolicy restricts the sessions of assumed roles; empty: none.
	SessionPolicy string
	// Regions are those of regions.include; empty: all.
	Regions []string
	// LongestPause bounds the time after which a role that could not be assumed
	// is tried again. It must be less than the interval of each kind of read, or a fixed
	// role would miss one.
	LongestPause time.Duration
	// Observe is called after every attempt. code is the error code that AWS
	// returned, or OK.
	Observe func(service, operation, code string, d time.Duration)
	// Dial opens connections; nil uses the network.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Version of the program, for the User-Agent.
	Version string
	// Logger receives the log of the SDK at debug level.
	Logger *slog.Logger
}

// Client calls AWS APIs. It is safe for concurrent use. Its methods return a nil
// *inventory.Failure on success.
type Client struct {
	cfg         aws.Config
	opts        Options
	http        *httpClient
	slots       chan struct{}
	regionSlots chan struct{} // a part of these, for calls of Account Management
	credentials credentialCache
	retries     retries
	sts         *sts.Client
	account     accountManagement
	accountRate *rate.Limiter
	labelRate   *rate.Limiter
	// unanswered is the Unix time of the last call of Account Management that
	// got no answer in a partition without opt-in Regions.
	unanswered    atomic.Int64
	organizations organizationsService
	policies      policyService
	// regionAssumed is whether the environment and the shared configuration name
	// no Region.
	regionAssumed bool

	// open is canceled by close, and with it requests that outlived their caller.
	open  context.Context
	close context.CancelFunc

	mu       sync.Mutex
	regional map[string]*analyzerService
}

// New makes a client on the SDK's default credential chain: environment,
// shared configuration and SSO, web identity, EKS Pod Identity and other
// container credentials, IMDS. It makes no requests. It returns an error if the
// environment or the shared configuration is invalid.
func New(ctx context.Context, opts Options) (*Client, error) {
	c := &Client{
		opts: opts, slots: make(chan struct{}, opts.Concurrency), regionSlots: make(chan struct{}, max(1, opts.Concurrency/regionShare)),
		regional: map[string]*analyzerService{},
		retries:  retries{exhausted: map[inventory.Target]bool{}},
	}
	transport := awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			// Calls go to some 34 hosts. Any of them may take the whole
			// concurrency at one moment; with the defaults (100 idle
			// connections, 10 for a host) most would be closed and dialled
			// again in every sweep.
			t.MaxIdleConns = opts.IdleConns
			t.MaxIdleConnsPerHost = opts.Concurrency
			t.MaxResponseHeaderBytes = maxHeader
			t.Proxy = exceptRedirects(exceptMetadata(http.ProxyFromEnvironment))
			if opts.Dial != nil {
				t.DialContext = opts.Dial
			}
		})
	log := logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
		opts.Logger.Debug(fmt.Sprintf(format, v...), "source", "AWS SDK")
	})
	late := &lateSTS{}
	c.http = &httpClient{closed: new(atomic.Bool)}
	endpoint := &httpClient{closed: c.http.closed, direct: true}
	if err := checkFiles(); err != nil {
		return nil, err
	}
	if err := checkProfile(ctx); err != nil { // reads some of these files
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(transport), config.WithLogger(log),
		config.WithWebIdentityRoleCredentialOptions(late.webIdentity), config.WithAssumeRoleCredentialOptions(late.assumeRole),
		// The SDK's own client for this would use the proxy.
		config.WithEndpointCredentialOptions(func(o *endpointcreds.Options) { o.HTTPClient = endpoint }))
	if err != nil {
		return nil, explained(err)
	}
	if err := checkConfig(&cfg); err != nil {
		return nil, err
	}
	// The SDK needs a client that it can build on while it loads the
	// configuration (for AWS_CA_BUNDLE), and would afterwards clone a pool for
	// each service client from such a one.
	if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		transport = b
	}
	c.http.transport = transport.GetTransport()
	endpoint.transport = c.http.transport
	cfg.HTTPClient = c.http
	if c.regionAssumed = cfg.Region == ""; c.regionAssumed {
		cfg.Region = partition.DefaultRegion
	}
	if cfg.BaseEndpoint != nil && usesLogin(cfg.Credentials) && firstSet("AWS_ENDPOINT_URL_SSO", "AWS_ENDPOINT_URL_SIGNIN") == "" {
		opts.Logger.Warn("AWS_ENDPOINT_URL does not apply to the login of the profile; set AWS_ENDPOINT_URL_SSO and AWS_ENDPOINT_URL_SSO_OIDC for that")
	}
	cfg.Retryer = c.retries.newRetryer
	cfg.APIOptions = append(cfg.APIOptions,
		awsmiddleware.AddUserAgentKeyValue("access-analyzer-exporter", opts.Version), c.addMeter)
	c.cfg = cfg
	c.sts = sts.NewFromConfig(cfg, func(o *sts.Options) { o.Region = homeRegion(cfg.Region) })
	late.client = c.sts
	c.account = newAccountManagement(cfg)
	c.accountRate = rate.NewLimiter(accountRate, accountRate)
	c.labelRate = rate.NewLimiter(labelRate, labelRate)
	c.organizations = newOrganizations(cfg)
	c.policies = newPolicyService(cfg)
	c.credentials.init(c)
	c.open, c.close = context.WithCancel(context.WithoutCancel(ctx))
	return c, nil
}

// Close cancels background requests and closes the connections.
func (c *Client) Close() {
	c.close()
	c.http.closed.Store(true)
	c.http.transport.CloseIdleConnections()
}

// analyzer returns the operations in a Region.
func (c *Client) analyzer(region string) *analyzerService {
	c.mu.Lock()
	defer c.mu.Unlock()
	service, ok := c.regional[region]
	if !ok {
		service = newAnalyzerService(cacheResolution(accessanalyzer.NewFromConfig(c.cfg, func(o *accessanalyzer.Options) {
			o.Region = region
			o.APIOptions = append(o.APIOptions, removeUnused)
		})))
		c.regional[region] = service
	}
	return service
}

// cacheResolution returns a client that resolves the endpoint of its Region, and
// the auth schemes of ListAnalyzers, once. The results are the same for every
// call, and the endpoint rules need so much stack that Go grows that of each
// worker for them and shrinks it at the next garbage collection.
// docs/design/aws-sdk-overhead.md has what it saves.
func cacheResolution(c *accessanalyzer.Client) *accessanalyzer.Client {
	o := c.Options()
	o.EndpointResolverV2 = &cachedEndpoint{EndpointResolverV2: o.EndpointResolverV2}
	o.AuthSchemeResolver = &cachedAuthSchemes{AuthSchemeResolver: o.AuthSchemeResolver}
	return accessanalyzer.New(o)
}

type cachedEndpoint struct {
	accessanalyzer.EndpointResolverV2
	endpoint atomic.Pointer[smithyendpoints.Endpoint]
}

// ResolveEndpoint implements accessanalyzer.EndpointResolverV2.
func (r *cachedEndpoint) ResolveEndpoint(ctx context.Context, p accessanalyzer.EndpointParameters) (smithyendpoints.Endpoint, error) {
	if cached := r.endpoint.Load(); cached != nil {
		return *cached, nil
	}
	endpoint, err := r.EndpointResolverV2.ResolveEndpoint(ctx, p)
	if err == nil {
		r.endpoint.Store(&endpoint)
	}
	return endpoint, err
}

// cachedAuthSchemes caches those of ListAnalyzers, which the SDK only reads.
type cachedAuthSchemes struct {
	accessanalyzer.AuthSchemeResolver
	schemes atomic.Pointer[[]*auth.Option]
}

// ResolveAuthSchemes implements accessanalyzer.AuthSchemeResolver.
func (r *cachedAuthSchemes) ResolveAuthSchemes(ctx context.Context, p *accessanalyzer.AuthResolverParameters) ([]*auth.Option, error) {
	if p.Operation != "ListAnalyzers" {
		return r.AuthSchemeResolver.ResolveAuthSchemes(ctx, p)
	}
	if cached := r.schemes.Load(); cached != nil {
		return *cached, nil
	}
	schemes, err := r.AuthSchemeResolver.ResolveAuthSchemes(ctx, p)
	if err == nil {
		r.schemes.Store(&schemes)
	}
	return schemes, err
}

// callState is what the middlewares share with the call that they run in.
type callState struct {
	target inventory.Target
	// slots bounds the calls in flight.
	slots chan struct{}
	// requestID is that of the last attempt. An error that is found in a decoded
	// response does not carry it.
	requestID string
}

type callStateKey struct{}

// detach gives a request that may outlive the call a state of its own.
func detach(ctx context.Context) context.Context {
	state := &callState{}
	if current, ok := ctx.Value(callStateKey{}).(*callState); ok {
		state.target, state.slots = current.target, current.slots
	}
	return context.WithValue(ctx, callStateKey{}, state)
}

// call runs f with the credentials of an account and a deadline. The
// credentials are fetched before, and handed on as they are: fetched within
// the call, a throttled AssumeRole would be retried by the retries of the call,
// nine times in all.
func (c *Client) call(ctx context.Context, a *inventory.Account, region, operation string,
	f func(context.Context, aws.CredentialsProvider) error,
) *inventory.Failure {
	target := inventory.Target{AccountID: a.ID, Region: region}
	current := &callState{target: target, slots: c.slots}
	if onlyPolicies(ctx) {
		// Neither the calls nor the retries of sweeps wait for those of policies.
		current.target.Region, current.slots = "policies "+region, c.policies.slots
		target = current.target
	}
	if operation == "ListRegions" || operation == "GetRegionOptStatus" {
		select { // before the time of the call begins
		case c.regionSlots <- struct{}{}:
			defer func() { <-c.regionSlots }()
		case <-ctx.Done():
			return c.failure(a.ID, region, operation, ctx.Err())
		}
	}
	began := clock.Now()
	limited, cancel := context.WithTimeout(context.WithValue(ctx, callStateKey{}, current), callTimeout)
	defer cancel()
	creds, failure := c.credentials.retrieve(limited, a, region)
	if failure == nil {
		if err := f(limited, creds); err != nil {
			failure = c.failure(a.ID, region, operation, err)
			refineSession(failure, a)
			failure.RequestID = cmp.Or(failure.RequestID, current.requestID)
		}
		once := operation == "ListAnalyzers" && failure != nil && failure.Reason == inventory.Throttled
		if ctx.Err() == nil && !once { // a call that the sweep canceled is no sign of trouble
			c.retries.ended(target, failure)
		}
	}
	if failure != nil && failure.Reason == inventory.Credentials {
		c.credentials.invalidate(a)
	}
	if failure == nil {
		failure = c.suspended(began, a.ID, region, operation)
	}
	return failure
}

// suspended returns the failure of a call or a list during which the machine was
// suspended, or nil: what was read would be taken to be hours younger than it is.
func (c *Client) suspended(began time.Time, accountID, region, operation string) *inventory.Failure {
	now := clock.Now()
	d := clock.Elapsed(began, now) - now.Sub(began)
	if d < callTimeout {
		return nil
	}
	return c.failure(accountID, region, operation, fmt.Errorf("the machine was suspended, or its clock was set, by %s: %w", d.Round(time.Second), context.DeadlineExceeded))
}

// addMeter inserts the meter directly after the retry middleware, which calls it
// for every attempt.
func (c *Client) addMeter(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("AttemptMeter", c.meter), "Retry", middleware.After)
}

func (c *Client) meter(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (
	out middleware.FinalizeOutput, metadata middleware.Metadata, err error,
) {
	// A long poll would occupy a slot for 20 s.
	if awsmiddleware.GetServiceID(ctx) != sqs.ServiceID {
		slots := c.slots
		if current, ok := ctx.Value(callStateKey{}).(*callState); ok && current.slots != nil {
			slots = current.slots
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			return out, metadata, ctx.Err()
		}
	}
	if r, ok := in.Request.(*smithyhttp.Request); ok && r.GetStream() == nil {
		ctx = v4.SetPayloadHash(ctx, emptyHash) // or it is computed for every call
	}
	start := time.Now()
	out, metadata, err = next.HandleFinalize(ctx, in)
	if current, ok := ctx.Value(callStateKey{}).(*callState); ok {
		current.requestID, _ = awsmiddleware.GetRequestIDMetadata(metadata)
	}
	c.opts.Observe(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), code(err), time.Since(start))
	return out, metadata, err
}

// removeUnused removes the middlewares of an Access Analyzer call that have no
// effect here: interceptors and logs that are not configured, and support for
// AWS Lambda. The SDK builds the stack again for every call. An SDK that renames
// one of them fails every call, and so the tests of the upgrade.
// docs/design/aws-sdk-overhead.md has what it saves.
func removeUnused(stack *middleware.Stack) error {
	_, err1 := stack.Serialize.Remove("ResolveEndpoint")
	_, err2 := stack.Build.Remove("ClientRequestID")
	_, err3 := stack.Build.Remove("RecursionDetection")
	_, err4 := stack.Finalize.Remove("InterceptBeforeRetryLoop")
	_, err5 := stack.Finalize.Remove("InterceptAttempt")
	_, err6 := stack.Finalize.Remove("disableHTTPS")
	_, err7 := stack.Finalize.Remove("setLegacyContextSigningOptions")
	_, err8 := stack.Deserialize.Remove("RequestResponseLogger")
	_, err9 := stack.Deserialize.Remove("AddRawResponseToMetadata")
	return errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9)
}

// httpClient limits the duration of each exchange and the size of its response,
// and records the time of the last response. It uses http.Transport directly:
// http.Client copies each request and its headers to support redirects and
// cookies, and AWS sends neither.
type httpClient struct {
	transport *http.Transport
	// patience is added to the timeout of an exchange, for long polls.
	patience time.Duration
	// answered is the Unix time of the last response from any host. If other hosts
	// respond, a name that does not resolve is not a network failure.
	answered atomic.Int64
	// closed is set once connections must not be kept for the next exchange.
	closed *atomic.Bool
	// direct is whether requests in plain HTTP never use a proxy, which would
	// read their authorization token.
	direct bool
}

func (h *httpClient) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), attemptTimeout+h.patience)
	if h.direct {
		ctx = withoutProxy(ctx)
	}
	r = r.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		// The SDK's bodies implement io.WriterTo, which returns io.EOF after
		// they are closed. If the server responds early, net/http treats that
		// as a broken connection while the response is read.
		r.Body = struct{ io.ReadCloser }{r.Body}
	}
	resp, err := h.transport.RoundTrip(r)
	if h.closed.Load() {
		// An exchange that was about to begin makes the pool keep connections
		// again, those included that were still being dialled.
		h.transport.CloseIdleConnections()
	}
	if err != nil {
		cancel()
		return nil, unsent(h.transport, r, err)
	}
	h.answered.Store(time.Now().Unix())
	resp.Body = &boundedBody{ReadCloser: resp.Body, host: r.URL.Host, left: maxResponse, keep: headOf(resp), done: cancel}
	return resp, nil
}

// boundedBody fails, where io.LimitReader would end: half a list must not be
// taken for the whole.
type boundedBody struct {
	io.ReadCloser
	host string
	left int
	// head is the start of the body, up to keep bytes of it.
	head []byte
	keep int
	done context.CancelFunc
}

// headOf returns how much of the start of a body to keep: nothing of the results
// that AWS sends.
func headOf(r *http.Response) int {
	if r.StatusCode < http.StatusMultipleChoices && !strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
		return 0
	}
	return headSize
}

var errTooLarge = errors.New("the response is larger than 16 MiB")

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if more := min(n, b.keep-len(b.head)); more > 0 {
		b.head = append(b.head, p[:more]...)
	}
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	if err != nil && err != io.EOF {
		err = &cutError{b.host, err}
	}
	return n, err
}

// cutError is the error of a connection that ended in the middle of a body. As
// such it differs from a body that ends too early, which has an error of its parser.
type cutError struct {
	host string
	err  error
}

func (e *cutError) Error() string { return e.host + ": the response was cut: " + e.err.Error() }
func (e *cutError) Unwrap() error { return e.err }

// ConnectionError makes the SDK try the call again.
func (e *cutError) ConnectionError() bool {
	return !timedOut(e.err) && !errors.Is(e.err, context.Canceled)
}

// Close also ends the deadline.
func (b *boundedBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
