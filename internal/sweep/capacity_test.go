package sweep

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// distant is an AWS of which each list takes a while.
type distant struct {
	*aws
	latency time.Duration
}

func (d distant) Analyzers(ctx context.Context, account *inventory.Account, region string) ([]*inventory.Analyzer, *inventory.Failure) {
	select {
	case <-time.After(d.latency):
		return d.aws.Analyzers(ctx, account, region)
	case <-ctx.Done():
		return nil, &inventory.Failure{AccountID: account.ID, Region: region, Operation: "ListAnalyzers", Reason: inventory.Timeout, Message: "deadline exceeded"}
	}
}

// A timeout that is too short for the targets is one line with the numbers, in the
// first sweep that shows it.
func TestTimeoutThatIsTooShort(t *testing.T) {
	for _, test := range []struct {
		latency time.Duration
		want    string
	}{
		{time.Second, ""},
		{4 * time.Second, "400 targets × 4.29s ÷ 16 (sweep.concurrency) = 1m47s, and sweep.timeout is 30s; 112 were read"},
		{time.Minute, "none of 400 targets was read within sweep.timeout (30s) with a sweep.concurrency of 16"},
	} {
		t.Run(test.latency.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, w := newAWS(), newWatcher()
				for i := range 400 - len(a.accounts) {
					one := a.accounts[0]
					one.ID = fmt.Sprint(100000000000 + i)
					a.accounts = append(a.accounts, one)
				}
				w.opts.Timeout, w.opts.Concurrency, w.opts.Findings = 30*time.Second, 16, false
				New(a, distant{a, test.latency}, w.opts, nil).Once(t.Context())
				log := w.logged()
				lines := strings.Count(log, "level=WARN")
				if (test.want == "") != (lines == 0) || lines > 1 || !strings.Contains(log, test.want) {
					t.Errorf("the log is\n%swant one warning with %q", log, test.want)
				}
				if test.want != "" && !strings.Contains(log, `fix="Raise sweep.timeout or sweep.concurrency`) {
					t.Errorf("the log has no fix:\n%s", log)
				}
			})
		})
	}
}
