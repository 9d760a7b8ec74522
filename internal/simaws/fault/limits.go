package fault

import (
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/wire"
)

// documentedRates are requests per second and burst, per calling account.
//
// Those of DescribeOrganizationalUnit and ListTagsForResource are taken to be as for
// other operations on one resource of an organization.
//
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
// https://docs.aws.amazon.com/accounts/latest/reference/quotas.html
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
var documentedRates = map[string]struct{ rate, burst float64 }{
	"ListAccounts":                {8, 12},
	"ListDelegatedAdministrators": {5, 8},
	"DescribeOrganization":        {1, 2},
	"DescribeOrganizationalUnit":  {5, 8},
	"ListTagsForResource":         {5, 8},
	"ListRegions":                 {5, 5},
	"GetRegionOptStatus":          {5, 5},
	"AssumeRole":                  {600, 600},
	"GetCallerIdentity":           {600, 600},
}

// RateLimits are the documented request rates: a token bucket for each account
// and operation.
type RateLimits struct {
	mu sync.Mutex
	m  map[[2]string]*bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// Allow reports whether the call is within the rate of its operation.
func (l *RateLimits) Allow(q *wire.Request) bool {
	limit, ok := documentedRates[q.Operation.Name]
	if !ok {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	key := [2]string{q.Caller.AccountID, q.Operation.Name}
	b := l.m[key]
	if b == nil {
		if l.m == nil {
			l.m = map[[2]string]*bucket{}
		}
		b = &bucket{tokens: limit.burst, at: q.Now}
		l.m[key] = b
	}
	b.tokens = min(limit.burst, b.tokens+q.Now.Sub(b.at).Seconds()*limit.rate)
	b.at = q.Now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
