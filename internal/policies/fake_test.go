package policies

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// fakeAWS has accounts with policies. It implements Fleet and Reader, and counts calls.
type fakeAWS struct {
	accounts []*inventory.Account
	policies map[string][]Policy
	// failures are those of lists by account, and delay is the time of a list.
	failures map[string]*inventory.Failure
	delay    map[string]time.Duration

	mu                 sync.Mutex
	lists, validations map[string]int
}

func (f *fakeAWS) count(calls map[string]int, key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls[key]++
}

func (f *fakeAWS) Fleet() *inventory.Fleet {
	return &inventory.Fleet{Accounts: f.accounts, Partition: "aws"}
}

func (f *fakeAWS) Changed() <-chan struct{} { return make(chan struct{}) }

func (f *fakeAWS) AccountPolicies(_ context.Context, a *inventory.Account, _ []inventory.PolicyType, add func([]Policy) bool) *inventory.Failure {
	f.count(f.lists, a.ID)
	if failure := f.failures[a.ID]; failure != nil {
		return failure
	}
	time.Sleep(f.delay[a.ID])
	add(f.policies[a.ID])
	return nil
}

func (f *fakeAWS) OrganizationPolicies(context.Context, *inventory.Account, inventory.PolicyType, func([]Policy) bool) *inventory.Failure {
	return nil
}

func (f *fakeAWS) ValidatePolicy(_ context.Context, _ *inventory.Account, _ string, p Policy) ([]inventory.PolicyIssue, *inventory.Failure) {
	f.count(f.validations, p.Document)
	return []inventory.PolicyIssue{{FindingType: "ERROR", Code: "A", Count: 1}}, nil
}

func (f *fakeAWS) CheckPolicy(context.Context, *inventory.Account, string, Policy, Check) (bool, *inventory.Failure) {
	return true, nil
}

// runOnce validates the policies of two accounts once.
func runOnce(t *testing.T, f *fakeAWS, check func(*Watcher)) {
	f.lists, f.validations = map[string]int{}, map[string]int{}
	for _, id := range []string{"111111111111", "222222222222"} {
		f.accounts = append(f.accounts, &inventory.Account{ID: id, Queried: true, Regions: []string{"us-east-1"}})
	}
	synctest.Test(t, func(t *testing.T) {
		w := New(f, f, Options{
			Types: []inventory.PolicyType{inventory.Managed, inventory.Inline, inventory.Trust}, Interval: 24 * time.Hour, FullInterval: 7 * 24 * time.Hour, StaleAfter: time.Hour,
			Checks: []Check{{Name: "c", Actions: []string{"iam:PassRole"}}}, ChecksPerDay: 100,
		})
		w.Once(t.Context())
		check(w)
	})
}

// Once reads an account that fails no second time, however long the others take.
func TestOnceReadsEveryAccountOnce(t *testing.T) {
	f := &fakeAWS{
		failures: map[string]*inventory.Failure{"111111111111": {AccountID: "111111111111", Operation: "GetAccountAuthorizationDetails", Reason: inventory.AccessDenied}},
		delay:    map[string]time.Duration{"222222222222": 10 * time.Minute},
		policies: map[string][]Policy{"222222222222": {{Type: inventory.Managed, Name: "a", Document: "{}"}}},
	}
	for i := range 5 { // more than there are workers, which then look again
		id := []string{"333333333333", "444444444444", "555555555555", "666666666666", "777777777777"}[i]
		f.accounts = append(f.accounts, &inventory.Account{ID: id, Queried: true})
		f.delay[id] = 2 * time.Minute
	}
	runOnce(t, f, func(w *Watcher) {
		for id, n := range f.lists {
			if n != 1 {
				t.Errorf("%s was read %d times", id, n)
			}
		}
		if _, done, failed, total := w.Progress(); done != 7 || failed != 1 || total != 7 {
			t.Errorf("%d of %d, %d failed", done, total, failed)
		}
	})
}

// A document that cannot be read is not validated, and has its reason. Those of other
// types, and their number, are exact.
func TestUnreadableDocument(t *testing.T) {
	broken := &inventory.Failure{AccountID: "111111111111", Operation: "GetAccountAuthorizationDetails", Reason: inventory.MalformedResponse}
	f := &fakeAWS{policies: map[string][]Policy{"111111111111": {
		{Type: inventory.Managed, Name: "a", Document: "{}"},
		{Type: inventory.Inline, Name: "user/a/b", Failure: broken},
		{Type: inventory.Inline, Name: "user/a/c", Document: `{"Id": "c"}`},
	}}}
	runOnce(t, f, func(w *Watcher) {
		report := w.Report(time.Now(), f.accounts)
		types := report.Accounts[0].Types
		if c := types[inventory.Managed]; c.Policies != 1 || c.Findings["ERROR"] != 1 {
			t.Errorf("managed: %+v", c)
		}
		if c := types[inventory.Inline]; c.Policies != 2 || c.Findings != nil || c.Unvalidated[inventory.MalformedResponse] != 1 || len(c.Unvalidated) != 1 {
			t.Errorf("inline: %+v", c)
		}
		if checks := report.Accounts[0].Checks["c"]; checks[inventory.CheckPassed] != 2 || checks[inventory.Unchecked] != 1 {
			t.Errorf("checks: %v", checks)
		}
		if len(report.Failures) != 1 || report.Failures[0].Reason != inventory.MalformedResponse || !report.Accounts[0].LastSuccess.IsZero() {
			t.Errorf("%v, last success %v", report.Failures, report.Accounts[0].LastSuccess)
		}
		if len(f.validations) != 2 || !report.Accounts[1].LastSuccess.Equal(time.Now()) {
			t.Errorf("validations %v", f.validations)
		}
	})
}
