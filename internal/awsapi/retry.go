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

// retries is the retry quota. A call has no retries if those of the previous call
// for the same account and Region were exhausted, so that an overloaded service
// gets one attempt a call. The quota of the SDK is one token bucket for all
// accounts of a Region: throttled accounts would use up the retries of others.
type retries struct {
	mu        sync.Mutex
	exhausted map[inventory.Target]bool
}

var errRetriesExhausted = errors.New("retries exhausted by the previous call for this account and Region")

// GetToken implements retry.RateLimiter.
func (r *retries) GetToken(ctx context.Context, _ uint) (release func() error, err error) {
	var target inventory.Target
	if current, ok := ctx.Value(callStateKey{}).(*callState); ok {
		target = current.target
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.exhausted[target] {
		return nil, errRetriesExhausted
	}
	return func() error { return nil }, nil
}

// AddTokens implements retry.RateLimiter.
func (*retries) AddTokens(uint) error { return nil }

// ended records the result of a call that was retried; failure is nil on success.
func (r *retries) ended(target inventory.Target, failure *inventory.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if failure == nil {
		delete(r.exhausted, target)
		return
	}
	switch failure.Reason {
	case inventory.Throttled, inventory.ServiceError, inventory.Timeout, inventory.Network:
		r.exhausted[target] = true
	}
}

// newRetryer returns the retryer of a client.
func (r *retries) newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxBackoff = maxBackoff
		o.RateLimiter = r
		// A 429 whose body does not parse has no error code.
		o.Retryables = append(o.Retryables, retry.RetryableHTTPStatusCode{
			Codes: map[int]struct{}{http.StatusTooManyRequests: {}},
		})
	})
}

// throttledLater is the retryer of ListAnalyzers. Its caller repeats throttled calls
// after those of all other targets: the pauses of many calls would occupy the workers
// of a sweep, and leave no time for targets that AWS does not throttle.
type throttledLater struct{ aws.RetryerV2 }

// IsErrorRetryable implements aws.Retryer.
func (r throttledLater) IsErrorRetryable(err error) bool {
	return !throttled(err) && r.RetryerV2.IsErrorRetryable(err)
}

func throttled(err error) bool {
	a := answerTo(err)
	return reasons[a.code] == inventory.Throttled || a.status == http.StatusTooManyRequests
}
