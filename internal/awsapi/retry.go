package awsapi

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// retries allows a call its retries unless the last one for the same account
// and Region was in vain: as long as nothing has changed there, one attempt a
// call is what a service in trouble can do without least. It stands in for the
// SDK's bucket of tokens, which all accounts of a Region would share: those
// that are throttled would take the retries of the healthy ones.
type retries struct {
	mu     sync.Mutex
	inVain map[inventory.Target]bool
}

var errInVain = errors.New("not tried again: the last call for this account and Region was retried in vain")

// GetToken implements retry.RateLimiter.
func (r *retries) GetToken(ctx context.Context, _ uint) (release func() error, err error) {
	var target inventory.Target
	if current, ok := ctx.Value(callStateKey{}).(*callState); ok {
		target = current.target
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inVain[target] {
		return nil, errInVain
	}
	return func() error { return nil }, nil
}

// AddTokens implements retry.RateLimiter.
func (*retries) AddTokens(uint) error { return nil }

// ended takes note of how a call ended; failure is nil when it went well.
func (r *retries) ended(target inventory.Target, failure *inventory.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if failure == nil {
		delete(r.inVain, target)
		return
	}
	switch failure.Reason {
	case inventory.Throttled, inventory.ServiceError, inventory.Timeout, inventory.Network:
		r.inVain[target] = true
	}
}

// newRetryer makes the retryer of all clients.
func (r *retries) newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxBackoff = maxBackoff
		o.RateLimiter = r
		// A throttle whose body does not parse has no error code to know it by.
		o.Retryables = append(o.Retryables, retry.RetryableHTTPStatusCode{
			Codes: map[int]struct{}{http.StatusTooManyRequests: {}},
		})
	})
}
