package sweep

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// tooShort is the cause with which the context of a sweep ends at its timeout. It
// compares the timeout with the time that all targets take, once for the sweep, so
// that every target that was not read has the same message.
type tooShort struct {
	progress    *progress
	timeout     time.Duration
	concurrency int

	once    sync.Once
	message string
}

// Error has the numbers.
func (t *tooShort) Error() string {
	t.once.Do(func() {
		done, total := t.progress.done.Load(), t.progress.total.Load()
		if done == 0 {
			t.message = fmt.Sprintf("none of %d targets was read within sweep.timeout (%s) with a sweep.concurrency of %d", total, t.timeout, t.concurrency)
			return
		}
		each := t.timeout * time.Duration(min(int64(t.concurrency), total)) / time.Duration(done)
		all := time.Duration(float64(t.timeout) * float64(total) / float64(done))
		t.message = fmt.Sprintf("%d targets × %s ÷ %d (sweep.concurrency) = %s, and sweep.timeout is %s; %d were read",
			total, each.Round(10*time.Millisecond), t.concurrency, all.Round(time.Second), t.timeout, done)
	})
	return t.message
}

// outOfTime returns the failure of a target that was not read, or not completely,
// when the sweep ended; nil if it has not ended.
func outOfTime(ctx context.Context, j job) *inventory.Failure {
	if ctx.Err() == nil {
		return nil
	}
	message := "the sweep ended before this target was read"
	if cause, ok := errors.AsType[*tooShort](context.Cause(ctx)); ok {
		message = cause.Error()
	}
	return &inventory.Failure{
		AccountID: j.account.ID, Region: j.region, Operation: "ListAnalyzers",
		Reason: inventory.Timeout, Detail: inventory.SweepTimeout, Message: message,
	}
}
