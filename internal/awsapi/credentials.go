package awsapi

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"

	"access-analyzer-exporter/internal/inventory"
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

// credentialCache has the credentials of every role, and remembers for a while
// those that could not be had: an account whose role is missing would
// otherwise cost an AssumeRole for each of its Regions, in every sweep.
type credentialCache struct {
	client *Client
	mu     sync.Mutex
	roles  map[string]*role
}

// role is one set of credentials: of a role, or the hub's own.
type role struct {
	provider aws.CredentialsProvider
	mu       sync.Mutex
	failure  *inventory.Failure
	failures int
	retryAt  time.Time
	// renewedAt is when credentials were last dropped because AWS refused them.
	renewedAt time.Time
}

func (cc *credentialCache) init(c *Client) {
	cc.client, cc.roles = c, map[string]*role{}
}

// role returns what stands for a role ARN; for "" the hub's own credentials.
func (cc *credentialCache) role(arn string) *role {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	r, ok := cc.roles[arn]
	if !ok {
		r = &role{provider: cc.client.cfg.Credentials}
		if arn != "" {
			r.provider = cc.assume(arn)
		}
		cc.roles[arn] = r
	}
	return r
}

func (cc *credentialCache) assume(arn string) aws.CredentialsProvider {
	// The provider is made when it is needed: there may be ten thousand roles,
	// and what is kept of each is gone through for garbage again and again.
	retrieve := aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
		// The cache lets a call go on when whoever asked first has given up,
		// for others may wait for it. After a reload nobody does, and its
		// connection would be kept.
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(cc.client.open, cancel)()
		return stscreds.NewAssumeRoleProvider(cc.client.sts, arn, func(o *stscreds.AssumeRoleOptions) {
			o.Duration = roleSession
			o.RoleSessionName = cc.client.opts.SessionName
			if cc.client.opts.ExternalID != "" {
				o.ExternalID = aws.String(cc.client.opts.ExternalID)
			}
		}).Retrieve(ctx)
	})
	return aws.NewCredentialsCache(retrieve, func(o *aws.CredentialsCacheOptions) {
		o.ExpiryWindow = expiryWindow
		// Roles first assumed in one sweep would all expire in another.
		o.ExpiryWindowJitterFrac = 0.5
	})
}

// retrieve returns the credentials of an account, fixed: handed to a call they
// cannot cause another one.
func (cc *credentialCache) retrieve(ctx context.Context, a *inventory.Account, region string) (aws.CredentialsProvider, *inventory.Failure) {
	r := cc.role(a.RoleARN)
	if f := r.remembered(); f != nil {
		return nil, of(f, a.ID, region)
	}
	creds, err := r.provider.Retrieve(ctx)
	if err != nil {
		f := cc.client.credentialFailure(a, region, err)
		if ctx.Err() == nil {
			r.failed(f, cc.client.opts.LongestPause)
		}
		return nil, f
	}
	r.succeeded()
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil }), nil
}

// refused drops credentials that AWS does not accept though they have not
// expired: those of a role that was deleted and created again, or of whom
// another clock says so. They would otherwise be used for up to an hour.
// Credentials that are fresh are kept: new ones would be refused as well.
func (cc *credentialCache) refused(a *inventory.Account) {
	r := cc.role(a.RoleARN)
	cached, ok := r.provider.(*aws.CredentialsCache)
	r.mu.Lock()
	defer r.mu.Unlock()
	if ok && time.Since(r.renewedAt) >= cc.client.opts.LongestPause {
		cached.Invalidate()
		r.renewedAt = time.Now()
	}
}

// of tells the same failure of another account and Region: one role serves all
// Regions of its account.
func of(f *inventory.Failure, accountID, region string) *inventory.Failure {
	same := *f
	same.AccountID, same.Region = accountID, region
	return &same
}

func (r *role) remembered() *inventory.Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	if time.Now().Before(r.retryAt) {
		return r.failure
	}
	return nil
}

func (r *role) failed(f *inventory.Failure, longest time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if now.Before(r.retryAt) {
		return // told by a call that ran beside this one
	}
	pause := min(firstPause<<min(r.failures, 16), longest)
	r.failure, r.retryAt, r.failures = f, now.Add(pause), r.failures+1
}

func (r *role) succeeded() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failure, r.retryAt, r.failures = nil, time.Time{}, 0
}
