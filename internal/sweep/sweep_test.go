package sweep

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/coverage"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	admin  = "222222222222"
	member = "111111111111"
	region = "eu-west-1"
)

// aws is a fake AWS: lists by target, failures by operation.
type aws struct {
	mu       sync.Mutex
	accounts []inventory.Account
	fleets   []inventory.Failure
	lists    map[inventory.Target][]inventory.Analyzer
	fails    map[string]inventory.Reason // by "operation account"
	calls    map[string]int
	hangs    map[string]bool // by account
	// findings is the number on each page, pages the number of pages less one, and
	// slow how long each list of them takes.
	findings, pages int
	slow            time.Duration
	excluded        []string // from unused access
}

func newAWS() *aws {
	org := &inventory.Organization{ID: "o-1", Admins: []string{admin}}
	account := func(id string) inventory.Account {
		return inventory.Account{ID: id, Organization: org, Queried: true, Regions: []string{region}, RegionsKnown: true}
	}
	return &aws{
		accounts: []inventory.Account{account(member), account(admin)},
		lists:    map[inventory.Target][]inventory.Analyzer{},
		fails:    map[string]inventory.Reason{}, calls: map[string]int{}, hangs: map[string]bool{},
	}
}

func (a *aws) add(accountID, kind, status string) {
	t := inventory.Target{AccountID: accountID, Region: region}
	a.lists[t] = append(a.lists[t], inventory.Analyzer{
		ARN:  fmt.Sprintf("arn:aws:access-analyzer:%s:%s:analyzer/%s", region, accountID, kind),
		Name: kind, AccountID: accountID, Region: region, Type: kind, Status: status, ArchiveRules: -1,
	})
}

func (a *aws) answer(operation, accountID string) *inventory.Failure {
	a.calls[operation]++
	if reason, ok := a.fails[operation+" "+accountID]; ok {
		return &inventory.Failure{AccountID: accountID, Region: region, Operation: operation, Reason: reason, Message: "no"}
	}
	return nil
}

func (a *aws) Changed() <-chan struct{} { return nil }

func (a *aws) Verify(context.Context) {}

func (a *aws) Fleet() *inventory.Fleet {
	a.mu.Lock()
	defer a.mu.Unlock()
	f := &inventory.Fleet{Partition: "aws", Failures: a.fleets}
	for _, account := range a.accounts {
		f.Accounts = append(f.Accounts, &account)
	}
	return f
}

func (a *aws) Analyzers(ctx context.Context, account *inventory.Account, region string) ([]*inventory.Analyzer, *inventory.Failure) {
	a.mu.Lock()
	hang := a.hangs[account.ID]
	a.mu.Unlock()
	if hang {
		<-ctx.Done()
		return nil, &inventory.Failure{AccountID: account.ID, Region: region, Operation: "ListAnalyzers", Reason: inventory.Timeout}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.answer("ListAnalyzers", account.ID); f != nil {
		return nil, f
	}
	var list []*inventory.Analyzer
	for _, one := range a.lists[inventory.Target{AccountID: account.ID, Region: region}] {
		if one.Access() == inventory.External {
			one.Configuration = &inventory.Configuration{}
		}
		list = append(list, &one)
	}
	return list, nil
}

func (a *aws) Configuration(_ context.Context, account *inventory.Account, _ *inventory.Analyzer) (*inventory.Configuration, *inventory.Failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &inventory.Configuration{ExcludedAccounts: a.excluded}, a.answer("GetAnalyzer", account.ID)
}

func (a *aws) ArchiveRules(_ context.Context, account *inventory.Account, _ *inventory.Analyzer) (int, *inventory.Failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return 2, a.answer("ListArchiveRules", account.ID)
}

func (a *aws) Findings(_ context.Context, account *inventory.Account, _ *inventory.Analyzer, _ []string, more func(findings.Page) bool) (bool, *inventory.Failure) {
	a.mu.Lock()
	slow := a.slow
	a.mu.Unlock()
	time.Sleep(slow)
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.answer("ListFindings", account.ID); f != nil {
		return true, f
	}
	for p := range a.pages + 1 {
		var page findings.Page
		for i := range a.findings {
			page.Findings = append(page.Findings, inventory.Finding{
				FindingKey: inventory.FindingKey{AccountID: account.ID, Type: "ExternalAccess", Status: "ACTIVE"}, ID: fmt.Sprint(p, i),
			})
		}
		if !more(page) {
			break
		}
	}
	return true, nil
}

func (a *aws) FindingTotals(_ context.Context, account *inventory.Account, _ *inventory.Analyzer) (findings.Totals, *inventory.Failure) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return findings.Totals{}, a.answer("GetFindingsStatistics", account.ID)
}

func (a *aws) count(operation string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[operation]
}

func (a *aws) do(change func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change()
}

// watcher records the log and the latest publications of a sweeper.
type watcher struct {
	mu   sync.Mutex
	last *inventory.Snapshot
	// before is the snapshot published before the last one.
	before *inventory.Snapshot
	log    bytes.Buffer
	opts   Options
}

// Write takes the log.
func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func (w *watcher) logged() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.String()
}

func newWatcher() *watcher {
	w := &watcher{}
	both := []inventory.Scope{inventory.AccountScope, inventory.OrganizationScope}
	w.opts = Options{
		Interval: 15 * time.Minute, Timeout: 5 * time.Minute, Concurrency: 4,
		Findings: true, FindingsInterval: 30 * time.Minute, FindingStatuses: []string{"ACTIVE"},
		Policy:     coverage.Policy{Rules: map[inventory.Access]coverage.Rule{inventory.External: {Required: true, Scopes: both}}},
		StaleAfter: time.Hour,
		Publish: func(s *inventory.Snapshot) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.before, w.last = w.last, s
		},
		Logger: slog.New(slog.NewTextHandler(w, nil)),
	}
	return w
}

func (w *watcher) snapshot() *inventory.Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// run runs a sweeper in a synctest bubble, and check while it runs.
func run(t *testing.T, a *aws, w *watcher, check func(*Sweeper)) {
	t.Helper()
	synctest.Test(t, func(*testing.T) { runHere(a, w, check) })
}

// runHere is run for a caller that is in a bubble already.
func runHere(a *aws, w *watcher, check func(*Sweeper)) {
	ctx, cancel := context.WithCancel(context.Background())
	s := New(a, a, w.opts, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	synctest.Wait()
	check(s)
	cancel()
	<-done
}

func (w *watcher) after(d time.Duration) *inventory.Snapshot {
	time.Sleep(d)
	synctest.Wait()
	return w.snapshot()
}

func states(s *inventory.Snapshot) string {
	var out []string
	for _, v := range s.Verdicts {
		out = append(out, v.AccountID[:1]+":"+string(v.State))
	}
	return strings.Join(out, " ")
}

func successes(s *inventory.Snapshot) string {
	var out []string
	for _, t := range s.Targets {
		out = append(out, fmt.Sprintf("%s:%v", t.AccountID[:1], t.Success))
	}
	return strings.Join(out, " ")
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %s, want %s", what, got, want)
	}
}

func TestFirstPublicationAndFindings(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	a.findings = 3
	run(t, a, w, func(*Sweeper) {
		s := w.snapshot()
		if !s.Ready || !s.DiscoverySuccess || s.TargetCount != 2 {
			t.Errorf("ready %v, discovered %v, %d targets", s.Ready, s.DiscoverySuccess, s.TargetCount)
		}
		expect(t, "coverage", states(s), "1:covered 2:uncovered")
		if len(s.Findings) != 1 || s.Analyzers[0].ArchiveRules != 2 {
			t.Errorf("findings %v, archive rules %d", s.Findings, s.Analyzers[0].ArchiveRules)
		}
		a.do(func() { a.findings = 4 })
		s = w.after(31 * time.Minute)
		for _, n := range s.Findings[0].Findings.Counts {
			if n != 4 {
				t.Errorf("%d findings after an interval, want 4", n)
			}
		}
	})
}

func TestFailedTargetIsExportedUntilStale(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	run(t, a, w, func(*Sweeper) {
		a.do(func() { a.fails["ListAnalyzers "+member] = inventory.ServiceError })
		s := w.after(15 * time.Minute) // the second sweep, which fails
		expect(t, "coverage before stale_after", states(s), "1:covered 2:uncovered")
		expect(t, "success before stale_after", successes(s), "1:false 2:true")
		if len(s.Failures) != 1 || s.Failures[0].Reason != inventory.ServiceError {
			t.Errorf("failures %v", s.Failures)
		}
		s = w.after(59 * time.Minute)
		expect(t, "coverage just before", states(s), "1:covered 2:uncovered")
		// No sweep falls on this minute: the publication is for the expiry.
		s = w.after(time.Minute)
		expect(t, "coverage after stale_after", states(s), "1:unknown 2:uncovered")
		if len(s.Analyzers) != 0 || len(s.Findings) != 0 {
			t.Errorf("%d analyzers and %d counts of a stale target", len(s.Analyzers), len(s.Findings))
		}
		a.do(func() { delete(a.fails, "ListAnalyzers "+member) })
		s = w.after(15 * time.Minute)
		expect(t, "coverage after recovery", states(s), "1:covered 2:uncovered")
		expect(t, "success after recovery", successes(s), "1:true 2:true")
	})
}

func TestUnreadAdministratorMakesOthersUnknown(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.fails["ListAnalyzers "+admin] = inventory.SCPDenied
	run(t, a, w, func(*Sweeper) {
		s := w.snapshot()
		expect(t, "coverage", states(s), "1:unknown 2:unknown")
		expect(t, "success", successes(s), "1:false 2:false")
		// The member's own call succeeded; the failure is attributed to it, with
		// the administrator in the message.
		if f := s.Failures[0]; f.AccountID != member || f.Reason != inventory.SCPDenied || !strings.Contains(f.Message, admin) {
			t.Errorf("failure %v", f)
		}
	})
}

func TestAnalyzerInSeveralLists(t *testing.T) {
	for _, shown := range []bool{false, true} {
		t.Run(fmt.Sprintf("members list organization analyzers: %v", shown), func(t *testing.T) {
			a, w := newAWS(), newWatcher()
			a.add(admin, "ORGANIZATION", "ACTIVE")
			if shown {
				own := inventory.Target{AccountID: admin, Region: region}
				a.lists[inventory.Target{AccountID: member, Region: region}] = a.lists[own]
			}
			run(t, a, w, func(*Sweeper) {
				s := w.snapshot()
				expect(t, "coverage", states(s), "1:covered 2:covered")
				if len(s.Analyzers) != 1 || s.Analyzers[0].AccountID != admin || len(s.Findings) != 1 || a.count("ListFindings") != 1 {
					t.Errorf("analyzers %v, %d counts, %d calls", s.Analyzers, len(s.Findings), a.count("ListFindings"))
				}
				// The owner's list decides what became of it.
				a.do(func() { a.lists[inventory.Target{AccountID: admin, Region: region}][0].Status = "DISABLED" })
				if !shown {
					expect(t, "coverage when disabled", states(w.after(15*time.Minute)), "1:uncovered 2:uncovered")
				}
			})
		})
	}
}

// The list of an account in another organization may contain analyzers of that
// organization, which do not affect the coverage of this one.
func TestAnalyzersOfAnotherOrganizationDoNotMatter(t *testing.T) {
	a, w := newAWS(), newWatcher()
	const acquired, outsider = "333333333333", "999999999999"
	a.accounts = append(a.accounts, inventory.Account{
		ID: acquired, Organization: &inventory.Organization{ID: "o-2", Admins: []string{outsider}}, Queried: true,
		Regions: []string{region}, RegionsKnown: true,
	})
	a.add(outsider, "ORGANIZATION", "ACTIVE")
	a.lists[inventory.Target{AccountID: acquired, Region: region}] = a.lists[inventory.Target{AccountID: outsider, Region: region}]
	run(t, a, w, func(*Sweeper) {
		expect(t, "coverage", states(w.snapshot()), "1:uncovered 2:uncovered 3:unknown")
	})
}

func TestFindingsFailByThemselves(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	a.fails["ListFindings "+member] = inventory.AccessDenied
	run(t, a, w, func(*Sweeper) {
		s := w.snapshot()
		expect(t, "coverage", states(s), "1:covered 2:uncovered")
		expect(t, "success", successes(s), "1:true 2:true")
		if len(s.Findings) != 0 || len(s.Failures) != 1 || s.Failures[0].Operation != "ListFindings" {
			t.Errorf("findings %v, failures %v", s.Findings, s.Failures)
		}
		a.do(func() { delete(a.fails, "ListFindings "+member) })
		// With the next coverage sweep, not half an hour later.
		if s = w.after(15 * time.Minute); len(s.Findings) != 1 || len(s.Failures) != 0 {
			t.Errorf("after recovery: findings %v, failures %v", s.Findings, s.Failures)
		}
	})
}

func TestDetailsAreReadHourlyAndOnChange(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(admin, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE")
	w.opts.Findings = false
	run(t, a, w, func(*Sweeper) {
		if w.after(40 * time.Minute); a.count("GetAnalyzer") != 1 {
			t.Errorf("%d GetAnalyzer in three sweeps, want 1", a.count("GetAnalyzer"))
		}
		a.do(func() { a.lists[inventory.Target{AccountID: admin, Region: region}][0].Status = "DISABLED" })
		if w.after(15 * time.Minute); a.count("GetAnalyzer") != 2 {
			t.Errorf("%d GetAnalyzer after a change, want 2", a.count("GetAnalyzer"))
		}
		if w.after(time.Hour); a.count("GetAnalyzer") != 3 || a.count("ListArchiveRules") != 3 {
			t.Errorf("%d GetAnalyzer an hour later, want 3", a.count("GetAnalyzer"))
		}
	})
}

// The details of an analyzer become stale when their time is over, not with the
// sweep after it.
func TestStaleDetailsBetweenSweeps(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(admin, "ORGANIZATION_UNUSED_ACCESS", "ACTIVE")
	w.opts.Interval, w.opts.Findings = 4*time.Hour, false
	w.opts.Policy.Rules = map[inventory.Access]coverage.Rule{
		inventory.Unused: {Required: true, Scopes: []inventory.Scope{inventory.OrganizationScope}},
	}
	run(t, a, w, func(*Sweeper) {
		a.do(func() {
			a.fails["GetAnalyzer "+admin], a.fails["ListArchiveRules "+admin] = inventory.AccessDenied, inventory.AccessDenied
		})
		s := w.after(4*time.Hour + 59*time.Minute) // the second sweep fails at 4 hours
		expect(t, "coverage before stale_after", states(s), "1:covered 2:covered")
		if n := s.Analyzers[0].ArchiveRules; n != 2 {
			t.Errorf("%d archive rules before stale_after, want 2", n)
		}
		s = w.after(time.Minute)
		expect(t, "coverage after stale_after", states(s), "1:unknown 2:covered") // the owner cannot be excluded
		if n := s.Analyzers[0].ArchiveRules; n != -1 {
			t.Errorf("%d archive rules after stale_after, want -1", n)
		}
	})
}

// A count may end after a coverage sweep has dropped its analyzer.
func TestIndexOfAnalyzerDeletedWhileCounted(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	a.findings, a.pages, a.slow = 100, 9, 20*time.Minute
	w.opts.FindingsFullInterval = 24 * time.Hour
	run(t, a, w, func(*Sweeper) {
		a.do(func() { clear(a.lists) })
		if s := w.after(29 * time.Minute); len(s.Analyzers) != 0 {
			t.Fatalf("%d analyzers after the sweep at 15 minutes", len(s.Analyzers))
		}
		if s := w.after(6 * time.Hour); s.FindingsIndexEntries != 0 {
			t.Errorf("%d findings of a deleted analyzer are in the index", s.FindingsIndexEntries)
		}
	})
}

func TestTargetThatHangs(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	a.hangs[admin] = true
	run(t, a, w, func(*Sweeper) {
		s := w.after(w.opts.Timeout)
		expect(t, "success", successes(s), "1:true 2:false")
		expect(t, "coverage", states(s), "1:covered 2:unknown")
	})
}

func TestStartWithoutCredentials(t *testing.T) {
	a, w := newAWS(), newWatcher()
	accounts := a.accounts
	a.accounts = nil
	a.fleets = []inventory.Failure{{Operation: "GetCallerIdentity", Reason: inventory.Credentials, Message: "no credentials"}}
	run(t, a, w, func(*Sweeper) {
		s := w.snapshot()
		if s.Ready || s.DiscoverySuccess || len(s.Failures) != 1 || s.Failures[0].Reason != inventory.Credentials {
			t.Errorf("ready %v, discovered %v, failures %v", s.Ready, s.DiscoverySuccess, s.Failures)
		}
		s = w.after(time.Minute)
		if lines := strings.Count(w.logged(), "GetCallerIdentity"); lines != 1 || s.Ready {
			t.Errorf("%d log lines in a minute, want 1:\n%s", lines, w.logged())
		}
		a.do(func() { a.accounts, a.fleets = accounts, nil })
		if s = w.after(longestRetry); !s.Ready || !s.DiscoverySuccess || len(s.Failures) != 0 {
			t.Errorf("not recovered: ready %v, failures %v", s.Ready, s.Failures)
		}
	})
}

func TestDiscoveryFailureKeepsState(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	run(t, a, w, func(*Sweeper) {
		a.do(func() { a.fleets = []inventory.Failure{{Operation: "ListAccounts", Reason: inventory.Throttled}} })
		s := w.after(15 * time.Minute)
		if !s.Ready || s.DiscoverySuccess {
			t.Errorf("ready %v, discovered %v", s.Ready, s.DiscoverySuccess)
		}
		expect(t, "coverage", states(s), "1:covered 2:uncovered")
	})
}

func TestNoTargets(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*aws)
		want   string
	}{
		{"targets", func(*aws) {}, ""},
		{"no Region of one account", func(a *aws) { a.accounts[0].Regions = nil }, ""},
		{"no Region", func(a *aws) { a.accounts[0].Regions, a.accounts[1].Regions = nil, nil }, "regions.include"},
		{"no account", func(a *aws) { a.accounts = nil }, "accounts.exclude"},
		{"only an administrator out of scope", func(a *aws) { a.accounts = a.accounts[1:]; a.accounts[0].OutOfScope = true }, "accounts.exclude"},
		{"no Region, and administrators are not known", func(a *aws) {
			a.accounts[0].Regions, a.accounts[1].Regions = nil, nil
			a.fleets = []inventory.Failure{{Operation: "ListDelegatedAdministrators", Reason: inventory.AccessDenied}}
		}, "regions.include"},
		{"accounts are not known", func(a *aws) {
			a.accounts, a.fleets = nil, []inventory.Failure{{Operation: "ListAccounts", Reason: inventory.Throttled}}
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			a, w := newAWS(), newWatcher()
			w.opts.Filters = inventory.Filters{Accounts: "accounts.exclude", Regions: "regions.include"}
			test.change(a)
			run(t, a, w, func(*Sweeper) {
				expect(t, "key", w.snapshot().NoTargets, test.want)
				w.after(time.Hour)
				line := `msg="No target is in scope; nothing is monitored" excluded_by=` + test.want
				if n := strings.Count(w.logged(), line); n != min(1, len(test.want)) {
					t.Errorf("%d lines %q:\n%s", n, line, w.logged())
				}
			})
		})
	}
}

func TestRemovedAccountDisappears(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	run(t, a, w, func(*Sweeper) {
		a.do(func() { a.accounts = a.accounts[1:] })
		s := w.after(15 * time.Minute)
		expect(t, "coverage", states(s), "2:uncovered")
		if len(s.Analyzers)+len(s.Findings) != 0 || s.TargetCount != 1 {
			t.Errorf("left: %d analyzers, %d counts, %d targets", len(s.Analyzers), len(s.Findings), s.TargetCount)
		}
	})
}

func TestExemptionEndsBetweenSweeps(t *testing.T) {
	a, w := newAWS(), newWatcher()
	synctest.Test(t, func(t *testing.T) {
		w.opts.Policy.Exemptions = []inventory.Exemption{
			{Account: member, Region: "*", Access: "*", Reason: "migration", Until: time.Now().Add(5 * time.Minute)},
		}
		runHere(a, w, func(*Sweeper) {
			expect(t, "before", states(w.after(4*time.Minute)), "1:exempt 2:uncovered")
			expect(t, "after", states(w.after(61*time.Second)), "1:uncovered 2:uncovered")
		})
	})
}

func TestReloadKeepsState(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	run(t, a, w, func(first *Sweeper) {
		a.do(func() { a.fails["ListAnalyzers "+member] = inventory.Network })
		second := New(a, a, w.opts, first)
		expect(t, "coverage", states(second.Once(context.Background())), "1:covered 2:uncovered")
	})
}

// After a sweep is interrupted, Once starts no other.
func TestOnceEndsWithTheContext(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.add(member, "ACCOUNT", "ACTIVE")
	w.opts.FindingsInterval = time.Nanosecond
	first := New(a, a, w.opts, nil)
	first.Once(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	counted := a.count("ListFindings")
	if New(a, a, w.opts, first).Once(ctx); counted != 1 || a.count("ListFindings") != counted {
		t.Errorf("%d calls, then %d", counted, a.count("ListFindings"))
	}
}

func TestProgress(t *testing.T) {
	a, w := newAWS(), newWatcher()
	a.hangs[admin] = true
	run(t, a, w, func(s *Sweeper) {
		p := s.Progress()[0]
		if !p.Running || p.Done != 1 || p.Total != 2 || p.Failed != 0 {
			t.Errorf("while one target hangs: %+v", p)
		}
		w.after(w.opts.Timeout)
		if p = s.Progress()[0]; p.Running || p.Done != 2 || p.Failed != 1 {
			t.Errorf("afterwards: %+v", p)
		}
	})
}

func TestOneLineForManyFailures(t *testing.T) {
	a, w := newAWS(), newWatcher()
	for i := range 50 {
		id := fmt.Sprintf("3%011d", i)
		a.accounts = append(a.accounts, inventory.Account{ID: id, Queried: true, Regions: []string{region}, RegionsKnown: true})
		a.fails["ListAnalyzers "+id] = inventory.SCPDenied
	}
	run(t, a, w, func(*Sweeper) {
		w.after(time.Hour)
		lines := strings.Count(w.logged(), "scp_denied")
		if lines != 1 || !strings.Contains(w.logged(), "targets=50") || !strings.Contains(w.logged(), "and 47 more") {
			t.Errorf("%d lines:\n%s", lines, w.logged())
		}
		a.do(func() { clear(a.fails) })
		if w.after(15 * time.Minute); !strings.Contains(w.logged(), "recovered=50 failing=0") {
			t.Errorf("the recovery is not logged:\n%s", w.logged())
		}
	})
}
