package awsapi

import (
	"context"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"golang.org/x/sync/singleflight"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

const (
	// roleSession is the longest that AWS allows when one role assumes
	// another, and what every role allows at least.
	// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
	roleSession = time.Hour
	// expiryWindow renews credentials before they expire, so that none
	// expires under way.
	expiryWindow = 5 * time.Minute
	// firstPause follows the first failure to get credentials; each further
	// one doubles it.
	firstPause = 10 * time.Second
)

// credentialCache caches the credentials of every role, and failures to assume
// one: an account whose role is missing would otherwise cost an AssumeRole for
// each of its Regions in every sweep.
//
// It is one cache for all roles. A cache of the SDK for each of ten thousand
// roles takes 10 MB, which every garbage collection marks.
type credentialCache struct {
	client *Client
	// flights has the roles that are being assumed.
	flights singleflight.Group
	// unrestricted is set if the session tags leave no space for a session policy.
	unrestricted atomic.Bool

	mu    sync.Mutex
	roles map[string]*role
}

// role is one set of credentials: of a role, or the hub's own.
type role struct {
	mu sync.Mutex
	// fixed are the credentials of a role as they were last given; nil before
	// that, and for the hub's own, of which the SDK takes care.
	fixed   aws.CredentialsProvider
	expires time.Time

	failure  *inventory.Failure
	failures int
	retryAt  time.Time
	// renewedAt is when credentials were last dropped because AWS rejected them.
	renewedAt time.Time
}

func (cc *credentialCache) init(c *Client) {
	cc.client, cc.roles = c, map[string]*role{}
}

// TakeSessions takes over the sessions of roles from a client that is no longer
// used, if it assumed them in the same way. A role that it could not assume is
// assumed again at once.
func (c *Client) TakeSessions(from *Client) {
	if c.opts.ExternalID != from.opts.ExternalID || c.opts.SessionName != from.opts.SessionName || c.opts.SessionPolicy != from.opts.SessionPolicy {
		return
	}
	from.credentials.mu.Lock()
	roles := maps.Clone(from.credentials.roles)
	from.credentials.mu.Unlock()
	for _, r := range roles {
		r.mu.Lock()
		r.failure, r.retryAt, r.failures = nil, time.Time{}, 0
		r.mu.Unlock()
	}
	c.credentials.mu.Lock()
	defer c.credentials.mu.Unlock()
	c.credentials.roles = roles
}

// role returns the cache entry of a role ARN; that of "" is for the hub's own
// credentials.
func (cc *credentialCache) role(arn string) *role {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	r, ok := cc.roles[arn]
	if !ok {
		r = &role{}
		cc.roles[arn] = r
	}
	return r
}

// retrieve returns the credentials of an account, fixed: handed to a call they
// cannot cause another one.
func (cc *credentialCache) retrieve(ctx context.Context, a *inventory.Account, region string) (aws.CredentialsProvider, *inventory.Failure) {
	r := cc.role(a.RoleARN)
	cached, f := r.cached()
	if f != nil {
		return nil, of(f, a.ID, region)
	}
	if cached != nil {
		return cached, nil
	}
	creds, err := cc.ask(ctx, r, a.RoleARN)
	if err != nil {
		f := cc.client.credentialFailure(a, region, err)
		if ctx.Err() == nil {
			r.failed(f, cc.client.opts.LongestPause)
		}
		return nil, f
	}
	return creds, nil
}

// ask requests credentials that are not cached, once for all callers that need
// the same role.
func (cc *credentialCache) ask(ctx context.Context, r *role, arn string) (aws.CredentialsProvider, error) {
	ctx = detach(ctx)
	if arn == "" {
		own, err := cc.client.cfg.Credentials.Retrieve(ctx)
		if err == nil {
			err = checkKeys(own)
		}
		if err == nil {
			r.succeeded(nil, time.Time{})
		}
		return fixed(own), err
	}
	assumed := cc.flights.DoChan(arn, func() (any, error) {
		if cached, _ := r.cached(); cached != nil {
			return cached, nil // a concurrent flight has ended in the meantime
		}
		creds, err := cc.assume(ctx, arn)
		if err != nil {
			return nil, err
		}
		provider := fixed(creds)
		// Roles first assumed in one sweep would all expire in another.
		jitter := rand.N(expiryWindow / 2)
		r.succeeded(provider, creds.Expires.Add(jitter-expiryWindow))
		return provider, nil
	})
	select {
	case result := <-assumed:
		if result.Err != nil {
			return nil, result.Err
		}
		return result.Val.(aws.CredentialsProvider), nil
	case <-ctx.Done():
		return nil, &aws.RequestCanceledError{Err: ctx.Err()}
	}
}

// assume continues when its first caller gives up, because others may wait for
// it. Close cancels it, so that it does not keep a connection open.
func (cc *credentialCache) assume(ctx context.Context, arn string) (aws.Credentials, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(cc.client.open, cancel)()
	policy := cc.client.opts.SessionPolicy
	if policy == "" || cc.unrestricted.Load() {
		return cc.assumeWith(ctx, arn, "")
	}
	creds, err := cc.assumeWith(ctx, arn, policy)
	if !tooLarge(errorCode(err)) {
		return creds, err
	}
	// The session tags of EKS Pod Identity count towards the same limit. The role
	// alone must then restrict the session, as it has to with other exporters.
	if creds, err = cc.assumeWith(ctx, arn, ""); err == nil && !cc.unrestricted.Swap(true) {
		cc.client.opts.Logger.Warn("Session tags leave no space for a session policy",
			"effect", "sessions have all permissions of the member roles",
			"remedy", "disable the session tags of the EKS Pod Identity association")
	}
	return creds, err
}

func (cc *credentialCache) assumeWith(ctx context.Context, arn, policy string) (aws.Credentials, error) {
	return stscreds.NewAssumeRoleProvider(cc.client.sts, arn, func(o *stscreds.AssumeRoleOptions) {
		o.Duration = roleSession
		o.RoleSessionName = cc.client.opts.SessionName
		if cc.client.opts.ExternalID != "" {
			o.ExternalID = aws.String(cc.client.opts.ExternalID)
		}
		if policy != "" {
			o.Policy = aws.String(policy)
		}
	}).Retrieve(ctx)
}

// tooLarge reports whether the session policy and the session tags together
// exceed their limit.
func tooLarge(code string) bool {
	return code == "PackedPolicyTooLarge" || code == "PackedPolicyTooLargeException"
}

func fixed(creds aws.Credentials) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })
}

// invalidate drops credentials that AWS rejects before they expire, such as those
// of a role that was re-created. They would otherwise be used for up to an hour.
// Fresh credentials are kept: new ones would be rejected as well.
func (cc *credentialCache) invalidate(a *inventory.Account) {
	r := cc.role(a.RoleARN)
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Since(r.renewedAt) < cc.client.opts.LongestPause {
		return
	}
	r.renewedAt = time.Now()
	if own, ok := cc.client.cfg.Credentials.(*aws.CredentialsCache); ok && a.RoleARN == "" {
		own.Invalidate()
	}
	r.fixed = nil
}

// of returns a copy of a failure for another account and Region: one role serves
// all Regions of its account.
func of(f *inventory.Failure, accountID, region string) *inventory.Failure {
	same := *f
	same.AccountID, same.Region = accountID, region
	return &same
}

// cached returns cached credentials, or a cached failure, or neither.
func (r *role) cached() (aws.CredentialsProvider, *inventory.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	switch {
	case now.Before(r.retryAt):
		return nil, r.failure
	case now.Before(r.expires):
		return r.fixed, nil
	}
	return nil, nil
}

func (r *role) failed(f *inventory.Failure, longest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Before(r.retryAt) {
		return // a concurrent call has recorded it
	}
	pause := min(firstPause<<min(r.failures, 16), longest)
	r.failure, r.retryAt, r.failures = f, now.Add(pause), r.failures+1
}

func (r *role) succeeded(fixed aws.CredentialsProvider, expires time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fixed, r.expires = fixed, expires
	r.failure, r.retryAt, r.failures = nil, time.Time{}, 0
}
