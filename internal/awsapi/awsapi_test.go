package awsapi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	"github.com/aws/smithy-go/middleware"
	"go.uber.org/goleak"
	"golang.org/x/time/rate"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/findings"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/iampolicy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/partition"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

func TestMain(m *testing.M) {
	if os.Getenv(endpointOfChild) != "" {
		os.Exit(m.Run()) // the SDK's client of IMDS keeps its connections
	}
	goleak.VerifyTestMain(m)
}

const (
	management = "111111111111"
	hub        = "222222222222"
	member     = "333333333333"
	outsider   = "444444444444"
	region     = "eu-west-1"
	optedIn    = "eu-south-1"
	roleName   = "exporter"
)

func world() *simaws.World {
	roles := []*simaws.Role{{Name: roleName, Trusts: []string{hub}, ExternalID: "marked-external-id"}}
	return &simaws.World{
		Organization: &simaws.Organization{
			ID: "o-exampleorg1", ManagementID: management, TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
			DelegatedAdmins: map[string][]string{simaws.AccessAnalyzerPrincipal: {hub}},
		},
		Accounts: []*simaws.Account{
			{ID: management, Name: "management", Regions: simaws.Regions(), Roles: roles},
			{ID: hub, Name: "security", Regions: simaws.Regions(optedIn)},
			{ID: member, Name: "workload", Regions: simaws.Regions(), Roles: roles},
			{ID: "555555555555", Name: "leaving", State: "PENDING_CLOSURE", Regions: simaws.Regions(), Roles: roles},
			{ID: "666666666666", Name: "suspended", State: "SUSPENDED", Regions: simaws.Regions(), Roles: roles},
			{ID: "777777777777", Name: "closed", State: "CLOSED", Regions: simaws.Regions(), Roles: roles},
			{ID: "777777777778", Name: "restricted", State: "RESTRICTED", Regions: simaws.Regions(), Roles: roles},
			{ID: outsider, Name: "outsider", Standalone: true, Regions: simaws.Regions(), Roles: roles},
		},
	}
}

// observed counts attempts by operation and code.
type observed struct {
	mu sync.Mutex
	n  map[string]int
}

func (o *observed) observe(service, operation, code string, d time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.n[service+" "+operation+" "+code]++
}

func (o *observed) count(key string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.n[key]
}

func start(t *testing.T, w *simaws.World) (*Client, *simaws.Server, *observed) {
	t.Helper()
	server := simaws.New(w, simaws.Options{})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	for k, v := range server.Env() {
		t.Setenv(k, v)
	}
	o := &observed{n: map[string]int{}}
	c, err := New(context.Background(), Options{
		Concurrency: 8, ExternalID: "marked-external-id", SessionName: "test", SessionPolicy: iampolicy.SessionPolicy(iampolicy.Options{}),
		LongestPause: time.Minute, Logger: slog.New(slog.DiscardHandler), Observe: o.observe, Version: "test",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, server, o
}

func accountOf(id string) *inventory.Account {
	a := &inventory.Account{ID: id, Queried: true}
	if id != hub {
		a.RoleARN = "arn:aws:iam::" + id + ":role/" + roleName
	}
	return a
}

func TestOrganization(t *testing.T) {
	c, server, _ := start(t, world())
	ctx := context.Background()
	id, partition, f := c.Caller(ctx)
	if f != nil || id != hub || partition != "aws" {
		t.Fatalf("caller %s in %s: %v", id, partition, f)
	}
	for _, quirks := range []simaws.Quirks{{}, {NoAccountState: true}, {NoAccountStatus: true, EmptyPages: true}} {
		server.Update(func(w *simaws.World) { w.Quirks = quirks })
		accounts, f := c.Accounts(ctx, accountOf(hub))
		var ids []string
		for _, a := range accounts {
			if (a.ScopeFailure != nil) != (a.Name == "restricted") {
				t.Errorf("%s: %v", a.Name, a.ScopeFailure)
			}
			ids = append(ids, a.ID+" "+a.Name)
		}
		slices.Sort(ids)
		want := []string{management + " management", hub + " security", member + " workload", "555555555555 leaving"}
		if !quirks.NoAccountState { // Status has fewer values
			want = append(want, "777777777778 restricted")
		}
		if f != nil || !slices.Equal(ids, want) {
			t.Errorf("%+v: accounts %v (%v), want %v", quirks, ids, f, want)
		}
	}
	org, manager, f := c.Organization(ctx, accountOf(hub))
	if f != nil || org != "o-exampleorg1" || manager != management {
		t.Errorf("organization %s of %s: %v", org, manager, f)
	}
	if org, _, f := c.Organization(ctx, accountOf(outsider)); f != nil || org != "" {
		t.Errorf("the outsider is in %q: %v", org, f)
	}
	if admins, f := c.DelegatedAdmins(ctx, accountOf(hub)); f != nil || !slices.Equal(admins, []string{hub}) {
		t.Errorf("delegated administrators %v: %v", admins, f)
	}
	if _, f := c.Accounts(ctx, accountOf(member)); f == nil || f.Reason != inventory.AccessDenied || f.Operation != "ListAccounts" {
		t.Errorf("a member may not list accounts: %v", f)
	}
}

func TestRegions(t *testing.T) {
	c, server, _ := start(t, world())
	ctx := context.Background()
	all := len(partition.DefaultRegions(partition.Commercial))
	if regions, f := c.Regions(ctx, accountOf(hub), "aws"); f != nil || len(regions) != all+1 || !slices.Contains(regions, optedIn) {
		t.Errorf("own Regions %v: %v", regions, f)
	}
	if regions, f := c.Regions(ctx, accountOf(member), "aws"); f != nil || len(regions) != all {
		t.Errorf("a member's Regions %v: %v", regions, f)
	}
	denied := server.AddFault(&simaws.Fault{Kind: simaws.AccessDenied, Operation: "ListRegions"})
	defer denied()
	if regions, f := c.Regions(ctx, accountOf(hub), "aws"); f == nil || f.Operation != "ListRegions" || len(regions) != all+1 {
		t.Errorf("with GetRegionOptStatus alone: %v: %v", regions, f)
	}
	c.opts.Regions = []string{"eu-west-1", optedIn, "af-south-1"}
	before := server.CallCount(simaws.CallFilter{Operation: "GetRegionOptStatus"})
	if regions, f := c.Regions(ctx, accountOf(hub), "aws"); f != nil || !slices.Equal(regions, []string{"eu-west-1", optedIn}) {
		t.Errorf("with GetRegionOptStatus alone and regions.include: %v: %v", regions, f)
	}
	if n := server.CallCount(simaws.CallFilter{Operation: "GetRegionOptStatus"}) - before; n != 3 {
		t.Errorf("%d calls of GetRegionOptStatus for 3 Regions in scope", n)
	}
	defer server.AddFault(&simaws.Fault{Kind: simaws.AccessDenied, Operation: "GetRegionOptStatus"})()
	if _, f := c.Regions(ctx, accountOf(member), "aws"); f == nil || f.Operation != "ListRegions" || f.Reason != inventory.AccessDenied || f.AccountID != member {
		t.Errorf("without either: %v", f)
	}
}

// With SecurityAudit and a short sweep.timeout, the list fails because of the
// deadline. A permission would not help.
func TestRegionsOneByOneReportWhatFailed(t *testing.T) {
	c, server, _ := start(t, world())
	defer server.AddFault(&simaws.Fault{Kind: simaws.AccessDenied, Operation: "ListRegions"})()
	t.Run("timeout", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		c.accountRate = rate.NewLimiter(rate.Every(24*time.Hour), 1) // one call now, the next one tomorrow
		if _, f := c.MemberRegions(ctx, accountOf(hub), member, "aws"); f == nil || f.Operation != "ListRegions" || f.Reason != inventory.Timeout {
			t.Errorf("%+v", f)
		}
	})
	t.Run("throttled", func(t *testing.T) {
		defer server.AddFault(&simaws.Fault{Kind: simaws.Throttled, Operation: "GetRegionOptStatus"})()
		if _, f := c.Regions(t.Context(), accountOf(hub), "aws"); f == nil || f.Operation != "ListRegions" || f.Reason != inventory.Throttled {
			t.Errorf("%+v", f)
		}
	})
}

// Account Management need not exist in partitions without opt-in Regions, and
// every account has the same Regions there.
func TestRegionsOfOtherPartitions(t *testing.T) {
	for name, fails := range map[string]func(*testing.T, *simaws.Server){
		"denied": func(t *testing.T, s *simaws.Server) {
			t.Cleanup(s.AddFault(&simaws.Fault{Kind: simaws.AccessDenied, Service: "account"}))
		},
		"rejected": func(t *testing.T, s *simaws.Server) {
			t.Cleanup(s.AddFault(&simaws.Fault{Kind: simaws.Rejected, Service: "account"}))
		},
		"unreachable": func(t *testing.T, _ *simaws.Server) { t.Setenv("AWS_ENDPOINT_URL_ACCOUNT", "http://127.0.0.1:1") },
		"no such host": func(t *testing.T, _ *simaws.Server) {
			t.Setenv("AWS_ENDPOINT_URL_ACCOUNT", "http://account.us-gov-west-1.invalid")
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, server, _ := start(t, world())
			noRetries(t)
			fails(t, server)
			c := another(t)
			defer c.Close()
			for _, of := range []string{"aws-us-gov", "aws-cn"} {
				regions, f := c.Regions(t.Context(), accountOf(hub), of)
				if f != nil || !slices.Equal(regions, partition.DefaultRegions(of)) {
					t.Errorf("%s: Regions %v, %v", of, regions, f)
				}
				if regions, f := c.MemberRegions(t.Context(), accountOf(hub), member, of); f != nil || len(regions) != 2 {
					t.Errorf("%s: Regions of a member %v, %v", of, regions, f)
				}
			}
			for _, of := range []string{"aws", "aws-new"} {
				if regions, f := c.Regions(t.Context(), accountOf(hub), of); f == nil {
					t.Errorf("%s: Regions %v", of, regions)
				}
			}
			server.AddFault(&simaws.Fault{Kind: simaws.AssumeRoleDenied, Account: member})
			if regions, f := c.Regions(t.Context(), accountOf(member), "aws-cn"); f == nil && name != "unreachable" && name != "no such host" {
				t.Errorf("without a role: Regions %v", regions)
			}
		})
	}
}

func TestAnalyzers(t *testing.T) {
	w := world()
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	w.Analyzers = []*simaws.Analyzer{
		{AccountID: member, Region: region, Name: "external", Type: "ACCOUNT", Status: "ACTIVE", CreatedAt: created, LastResourceAnalyzedAt: created.Add(time.Hour)},
		{
			AccountID: member, Region: region, Name: "unused", Type: "ACCOUNT_UNUSED_ACCESS", Status: "FAILED", StatusReason: "SERVICE_LINKED_ROLE_CREATION_FAILED",
			Unused: &simaws.UnusedAccess{Age: 90}, ArchiveRules: []*simaws.ArchiveRule{{Name: "a"}, {Name: "b"}, {Name: "c"}},
		},
		{AccountID: member, Region: region, Name: "linked", Type: "ACCOUNT_UNUSED_ACCESS", Status: "ACTIVE", ManagedBy: "securityhubv2.amazonaws.com", Unused: &simaws.UnusedAccess{Age: 90}},
		{
			AccountID: member, Region: region, Name: "internal", Type: "ACCOUNT_INTERNAL_ACCESS", Status: "ACTIVE",
			Internal: &simaws.InternalAccess{Inclusions: []simaws.Inclusion{{ResourceTypes: []string{"AWS::S3::Bucket"}, ResourceARNs: []string{"arn:aws:s3:::b"}}}},
		},
		{AccountID: hub, Region: region, Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE"},
		{
			AccountID: hub, Region: region, Name: "organization-unused", Type: "ORGANIZATION_UNUSED_ACCESS", Status: "ACTIVE",
			Unused: &simaws.UnusedAccess{Age: 30, Exclusions: []simaws.Exclusion{{AccountIDs: []string{member, management}}}},
		},
	}
	w.PageSizes = map[string]int{"ListAnalyzers": 1, "ListFindings": 1, "ListFindingsV2": 1, "ListArchiveRules": 1}
	c, server, _ := start(t, w)
	ctx := context.Background()
	if list, f := c.Analyzers(ctx, accountOf(member), "us-east-1"); f != nil || len(list) != 0 {
		t.Errorf("where there are none: %v, %v", list, f)
	}
	for _, shown := range []bool{false, true} {
		server.Update(func(w *simaws.World) {
			w.Quirks = simaws.Quirks{MembersSeeOrganizationAnalyzers: shown, EmptyPages: true}
		})
		list, f := c.Analyzers(ctx, accountOf(member), region)
		if want := map[bool]int{false: 4, true: 6}[shown]; f != nil || len(list) != want {
			t.Fatalf("organization analyzers shown %v: %d analyzers, want %d: %v", shown, len(list), want, f)
		}
		for _, a := range list {
			if owner := map[bool]string{true: hub, false: member}[strings.HasPrefix(a.Name, "organization")]; a.AccountID != owner || a.Region != region {
				t.Errorf("%s belongs to %s in %s", a.Name, a.AccountID, a.Region)
			}
		}
	}
	list, _ := c.Analyzers(ctx, accountOf(member), region)
	byName := map[string]*inventory.Analyzer{}
	for _, a := range list {
		byName[a.Name] = a
	}
	if a := byName["external"]; !a.CreatedAt.Equal(created) || !a.LastResourceAnalyzedAt.Equal(created.Add(time.Hour)) || a.Configuration == nil || a.ArchiveRules != -1 {
		t.Errorf("external: %+v", a)
	}
	if a := byName["unused"]; a.Status != "FAILED" || a.StatusReason != "SERVICE_LINKED_ROLE_CREATION_FAILED" || a.Configuration != nil || !a.LastResourceAnalyzedAt.IsZero() {
		t.Errorf("unused: %+v", a)
	}
	if a := byName["linked"]; a.ManagedBy != "securityhubv2.amazonaws.com" {
		t.Errorf("linked: %+v", a)
	}
	if n, f := c.ArchiveRules(ctx, accountOf(member), byName["unused"]); f != nil || n != 3 {
		t.Errorf("%d archive rules: %v", n, f)
	}
	if cfg, f := c.Configuration(ctx, accountOf(member), byName["unused"]); f != nil || cfg.UnusedAccessAge != 90*24*time.Hour {
		t.Errorf("unused configuration %+v: %v", cfg, f)
	}
	cfg, f := c.Configuration(ctx, accountOf(member), byName["internal"])
	if f != nil || len(cfg.Inclusions) != 1 || cfg.Inclusions[0].ResourceTypes[0] != "AWS::S3::Bucket" || cfg.Inclusions[0].ResourceARNs[0] != "arn:aws:s3:::b" {
		t.Errorf("internal configuration %+v: %v", cfg, f)
	}
	cfg, f = c.Configuration(ctx, accountOf(hub), &inventory.Analyzer{Name: "organization-unused", Region: region, Type: "ORGANIZATION_UNUSED_ACCESS"})
	if f != nil || !slices.Equal(cfg.ExcludedAccounts, []string{member, management}) {
		t.Errorf("organization configuration %+v: %v", cfg, f)
	}
	gone := &inventory.Analyzer{ARN: "arn:aws:access-analyzer:" + region + ":" + member + ":analyzer/gone", Name: "gone", Region: region, Type: "ACCOUNT_UNUSED_ACCESS"}
	if cfg, f := c.Configuration(ctx, accountOf(member), gone); cfg != nil || f != nil {
		t.Errorf("configuration of an analyzer that is gone: %v, %v", cfg, f)
	}
	if exists, f := c.Findings(ctx, accountOf(member), gone, []string{"ACTIVE"}, func(findings.Page) bool { return true }); exists || f != nil {
		t.Errorf("findings of an analyzer that is gone: %v, %v", exists, f)
	}
}

// A configuration that this version does not support must not be taken for one
// that excludes or includes nothing.
func TestUnsupportedConfiguration(t *testing.T) {
	tests := []struct {
		name, kind, raw, want string
	}{
		{"internal: empty", "ACCOUNT_INTERNAL_ACCESS", `{}`, "no configuration of internal access"},
		{"internal: none", "ACCOUNT_INTERNAL_ACCESS", `null`, "no configuration of internal access"},
		{"internal: another member", "ACCOUNT_INTERNAL_ACCESS", `{"futureAccess":{}}`, `"futureAccess"`},
		{"internal: no rule", "ACCOUNT_INTERNAL_ACCESS", `{"internalAccess":{}}`, ""},
		{"internal: another member of the rule", "ACCOUNT_INTERNAL_ACCESS", `{"internalAccess":{"analysisRule":{"inclusions":[{"accountIds":["111111111111"]}],"exceptions":[{}]}}}`, `"exceptions"`},
		{"internal: another member of a criterion", "ACCOUNT_INTERNAL_ACCESS", `{"internalAccess":{"analysisRule":{"inclusions":[{"resourceTypes":["AWS::S3::Bucket"],"units":["ou-1"]}]}}}`, `"units"`},
		{"internal: a member without a value", "ACCOUNT_INTERNAL_ACCESS", `{"internalAccess":{"analysisRule":{"inclusions":[{"resourceTypes":["AWS::S3::Bucket"],"units":null}]}}}`, ""},
		{"unused: empty", "ORGANIZATION_UNUSED_ACCESS", `{}`, "no configuration of unused access"},
		{"unused: none", "ORGANIZATION_UNUSED_ACCESS", `null`, "no configuration of unused access"},
		{"unused: another member", "ORGANIZATION_UNUSED_ACCESS", `{"unusedAccess":{"unusedAccessAge":90,"scope":"ROLES"}}`, `"scope"`},
		{"unused: another member of a criterion", "ORGANIZATION_UNUSED_ACCESS", `{"unusedAccess":{"unusedAccessAge":90,"analysisRule":{"exclusions":[{"units":["ou-1"]}]}}}`, `"units"`},
		{"unused: an empty criterion", "ORGANIZATION_UNUSED_ACCESS", `{"unusedAccess":{"unusedAccessAge":90,"analysisRule":{"exclusions":[{}]}}}`, "neither accounts nor tags"},
		{"unused: only tags", "ORGANIZATION_UNUSED_ACCESS", `{"unusedAccess":{"unusedAccessAge":90,"analysisRule":{"exclusions":[{"resourceTags":[{"team":"a"}]}]}}}`, ""},
	}
	w := world()
	a := &simaws.Analyzer{AccountID: hub, Region: region, Name: "a", Status: "ACTIVE"}
	w.Analyzers = []*simaws.Analyzer{a}
	c, server, _ := start(t, w)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server.Update(func(w *simaws.World) {
				w.Analyzers[0].Type, w.Analyzers[0].RawConfiguration = test.kind, json.RawMessage(test.raw)
			})
			got, f := c.Configuration(t.Context(), accountOf(hub), &inventory.Analyzer{Name: "a", Region: region, Type: test.kind})
			switch {
			case f != nil:
				t.Fatal(f)
			case test.want == "" && got.Unsupported != "", !strings.Contains(got.Unsupported, test.want):
				t.Errorf("unsupported %q, want %q", got.Unsupported, test.want)
			}
		})
	}
}

// AWS does not document whether both parts of a criterion must match.
func TestExclusionsWithAccountsAndTags(t *testing.T) {
	w := world()
	w.Analyzers = []*simaws.Analyzer{{
		AccountID: hub, Region: region, Name: "a", Type: "ORGANIZATION_UNUSED_ACCESS", Status: "ACTIVE",
		Unused: &simaws.UnusedAccess{Age: 90, Exclusions: []simaws.Exclusion{
			{AccountIDs: []string{management}}, {AccountIDs: []string{member}, ResourceTags: []map[string]string{{"team": "a"}}},
		}},
	}}
	c, _, _ := start(t, w)
	got, f := c.Configuration(t.Context(), accountOf(hub), &inventory.Analyzer{Name: "a", Region: region, Type: "ORGANIZATION_UNUSED_ACCESS"})
	if f != nil || !slices.Equal(got.ExcludedAccounts, []string{management}) || !slices.Equal(got.UndefinedExclusions, []string{member}) || got.Unsupported != "" {
		t.Errorf("%+v, %v", got, f)
	}
}

func TestFindings(t *testing.T) {
	w := world()
	old := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	external := &simaws.Analyzer{AccountID: hub, Region: region, Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE"}
	unused := &simaws.Analyzer{AccountID: hub, Region: region, Name: "unused", Type: "ORGANIZATION_UNUSED_ACCESS", Status: "ACTIVE", Unused: &simaws.UnusedAccess{Age: 90}}
	for i := range 7 {
		external.AddFinding(simaws.Finding{Type: "ExternalAccess", Resource: fmt.Sprint("arn:aws:s3:::b", i), ResourceType: "AWS::S3::Bucket", Owner: member, Public: i < 2, CreatedAt: old.Add(time.Duration(i) * time.Hour), UpdatedAt: old}, old)
		unused.AddFinding(simaws.Finding{Type: "UnusedIAMRole", Resource: fmt.Sprint("arn:aws:iam::333333333333:role/r", i), ResourceType: "AWS::IAM::Role", Owner: member, Status: []string{"ACTIVE", "ARCHIVED", "RESOLVED"}[i%3]}, old)
	}
	external.AddFinding(simaws.Finding{Type: "ExternalAccess", Resource: "arn:aws:kms:eu-west-1:111111111111:key/k", ResourceType: "AWS::KMS::Key", Owner: management, Error: "ACCESS_DENIED"}, old)
	w.Analyzers = []*simaws.Analyzer{external, unused}
	w.PageSizes = map[string]int{"ListAnalyzers": 3, "ListFindings": 3, "ListFindingsV2": 3, "ListArchiveRules": 3}
	c, server, _ := start(t, w)
	ctx := context.Background()
	analyzer := func(a *simaws.Analyzer) *inventory.Analyzer {
		return &inventory.Analyzer{ARN: a.ARN(), Name: a.Name, AccountID: a.AccountID, Region: a.Region, Type: a.Type}
	}
	list := func(a *simaws.Analyzer, statuses ...string) (found []inventory.Finding, _ *inventory.Failure) {
		before := time.Now()
		exists, f := c.Findings(ctx, accountOf(hub), analyzer(a), statuses, func(page findings.Page) bool {
			if age := before.Sub(page.AskedAt); age < 0 || age > 3*time.Second {
				t.Errorf("asked %v before it was", age)
			}
			found = append(found, page.Findings...)
			return true
		})
		if !exists {
			t.Error("it is gone")
		}
		return found, f
	}
	count := func(found []inventory.Finding) map[inventory.FindingKey]int {
		n := map[inventory.FindingKey]int{}
		for _, f := range found {
			n[f.FindingKey]++
		}
		return n
	}
	found, f := list(external, "ACTIVE")
	want := map[inventory.FindingKey]int{
		{AccountID: member, Type: "ExternalAccess", Status: "ACTIVE", ResourceType: "AWS::S3::Bucket", Public: "true"}:  2,
		{AccountID: member, Type: "ExternalAccess", Status: "ACTIVE", ResourceType: "AWS::S3::Bucket", Public: "false"}: 5,
		{AccountID: management, Type: "ExternalAccess", Status: "ACTIVE", ResourceType: "AWS::KMS::Key"}:                1,
	}
	externalCounts := want
	if f != nil || !maps.Equal(count(found), want) {
		t.Errorf("external\n%v\nwant\n%v: %v", count(found), want, f)
	}
	for _, one := range found {
		if key := one.ResourceType == "AWS::KMS::Key"; (one.Error == "ACCESS_DENIED") != key || len(one.ID) != 36 || one.CreatedAt.Before(old) || !one.UpdatedAt.Equal(old) {
			t.Errorf("finding %+v", one)
		}
	}
	found, f = list(unused, "ACTIVE", "ARCHIVED")
	want = map[inventory.FindingKey]int{
		{AccountID: member, Type: "UnusedIAMRole", Status: "ACTIVE", ResourceType: "AWS::IAM::Role"}:   3,
		{AccountID: member, Type: "UnusedIAMRole", Status: "ARCHIVED", ResourceType: "AWS::IAM::Role"}: 2,
	}
	if f != nil || !maps.Equal(count(found), want) {
		t.Errorf("unused %v (%v), want %v", count(found), f, want)
	}
	for _, a := range w.Analyzers {
		if found, f = list(a); f != nil || !slices.IsSortedFunc(found, func(a, b inventory.Finding) int { return b.UpdatedAt.Compare(a.UpdatedAt) }) {
			t.Errorf("not the latest first: %v, %v", found, f)
		}
	}
	// No page is requested after more returns false.
	server.ResetCalls()
	if _, f := c.Findings(ctx, accountOf(hub), analyzer(unused), nil, func(findings.Page) bool { return false }); f != nil || len(server.Calls(simaws.CallFilter{})) != 1 {
		t.Errorf("%d calls for a page: %v", len(server.Calls(simaws.CallFilter{})), f)
	}
	server.Update(func(w *simaws.World) { w.Quirks.RejectSort = true })
	if _, f := list(unused); f == nil || f.Reason != inventory.Other {
		t.Errorf("rejected sort order: %v", f)
	}
	// Without the first version of the list, the second one has the same findings.
	remove := server.AddFault(&simaws.Fault{Kind: simaws.Rejected, Operation: "ListFindings"})
	again, f := list(external, "ACTIVE")
	if f != nil || !maps.Equal(count(again), externalCounts) {
		t.Errorf("by ListFindingsV2 %v (%v), want %v", count(again), f, externalCounts)
	}
	remove()
	// Half a list is no list.
	defer server.AddFault(&simaws.Fault{Kind: simaws.RepeatingToken, Operation: "ListFindings"})()
	if _, f := list(external, "ACTIVE"); f == nil || f.Reason != inventory.MalformedResponse {
		t.Errorf("with a token that repeats: %v", f)
	}
}

// A target's list that comes slowly, page after page, is given up within a
// minute; one of an organization is read to its end.
func TestSlowPages(t *testing.T) {
	c, _, _ := start(t, world())
	for name, test := range map[string]struct {
		most   bounds
		took   time.Duration
		reason inventory.Reason
	}{
		"of a target":        {analyzerBounds, 40 * time.Second, inventory.Timeout},
		"of an organization": {accountBounds, 200 * time.Second, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, read := time.Now(), 0
				f := c.pages(t.Context(), accountOf(hub), region, "ListAnalyzers", test.most, func(context.Context, aws.CredentialsProvider, *string) (int, *string, error) {
					time.Sleep(20 * time.Second)
					if read++; read == 10 {
						return 1, nil, nil
					}
					return 1, aws.String(fmt.Sprint("page ", read)), nil
				})
				var reason inventory.Reason
				if f != nil {
					reason = f.Reason
				}
				if took := time.Since(began); reason != test.reason || took != test.took {
					t.Errorf("%v after %s", f, took)
				}
			})
		})
	}
}

func TestFindingTotals(t *testing.T) {
	w := world()
	for _, kind := range []string{"ORGANIZATION", "ORGANIZATION_UNUSED_ACCESS", "ORGANIZATION_INTERNAL_ACCESS"} {
		a := &simaws.Analyzer{AccountID: hub, Region: region, Name: kind, Type: kind, Status: "ACTIVE"}
		for i, status := range []string{"ACTIVE", "ACTIVE", "ACTIVE", "ARCHIVED", "ARCHIVED", "RESOLVED"} {
			a.AddFinding(simaws.Finding{Status: status, ResourceType: "AWS::S3::Bucket", Owner: member, Public: i == 0, Error: []string{"", "INTERNAL_ERROR"}[min(i, 2)/2]}, time.Now())
		}
		w.Analyzers = append(w.Analyzers, a)
	}
	w.Quirks = simaws.Quirks{ColdStatistics: true, StatisticsLag: time.Hour}
	c, server, _ := start(t, w)
	want := map[string]int{"ACTIVE": 3, "ARCHIVED": 2, "RESOLVED": 1}
	for _, a := range w.Analyzers {
		analyzer := &inventory.Analyzer{ARN: a.ARN(), Name: a.Name, AccountID: a.AccountID, Region: a.Region, Type: a.Type}
		ask := func() findings.Totals {
			totals, f := c.FindingTotals(context.Background(), accountOf(hub), analyzer)
			if f != nil {
				t.Errorf("%s: %v", a.Type, f)
			}
			return totals
		}
		if cold := ask(); cold.ByStatus != nil {
			t.Errorf("%s: totals before AWS has counted: %v", a.Type, cold)
		}
		if warm := ask(); !maps.Equal(warm.ByStatus, want) || warm.AsOf.Before(warm.AskedAt) {
			t.Errorf("%s: %v, want %v", a.Type, warm, want)
		}
		if kept := ask(); !maps.Equal(kept.ByStatus, want) || kept.AsOf.After(time.Now()) {
			t.Errorf("%s, again: %v", a.Type, kept)
		}
		remove := server.AddFault(&simaws.Fault{Kind: simaws.EmptyResponse, Operation: "GetFindingsStatistics"})
		if none := ask(); none.ByStatus != nil {
			t.Errorf("%s: totals in an empty answer: %v", a.Type, none)
		}
		remove()
	}
}

// AWS does not document whether its ACTIVE total includes findings with analysis
// errors.
func TestTotalsHaveErrors(t *testing.T) {
	n := func(i int32) *int32 { return &i }
	parts := map[string]types.ResourceTypeDetails{
		"AWS::S3::Bucket": {TotalActivePublic: n(1), TotalActiveCrossAccount: n(2), TotalActiveErrors: n(4)},
		"AWS::KMS::Key":   {TotalActiveCrossAccount: n(8)},
	}
	for total, want := range map[int32]map[string]int{
		15: {"ACTIVE": 15, "ARCHIVED": 5, "RESOLVED": 6},
		11: {"ACTIVE": 15, "ARCHIVED": 5, "RESOLVED": 6},
		12: nil,
	} {
		got := totalsOf(&types.FindingsStatisticsMemberExternalAccessFindingsStatistics{Value: types.ExternalAccessFindingsStatistics{
			TotalActiveFindings: n(total), TotalArchivedFindings: n(5), TotalResolvedFindings: n(6), ResourceTypeStatistics: parts,
		}})
		if !maps.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("total %d: %v, want %v", total, got, want)
		}
	}
	for _, unknown := range []types.FindingsStatistics{
		nil, &types.UnknownUnionMember{Tag: "quantum"}, &types.FindingsStatisticsMemberUnusedAccessFindingsStatistics{},
		&types.FindingsStatisticsMemberExternalAccessFindingsStatistics{Value: types.ExternalAccessFindingsStatistics{TotalActiveFindings: n(1)}},
	} {
		if got := totalsOf(unknown); got != nil {
			t.Errorf("%T: %v", unknown, got)
		}
	}
}

// TestReasons goes through every way in which a call can fail.
func TestReasons(t *testing.T) {
	// No response, or that of a proxy.
	withoutID := []simaws.FaultKind{
		simaws.ConnectionReset, simaws.Timeout, simaws.ThrottledUnparsable, simaws.ServiceErrorUnparsable,
	}
	for _, test := range []struct {
		kind   simaws.FaultKind
		region string
		want   inventory.Reason
	}{
		{simaws.AccessDenied, region, inventory.AccessDenied},
		{simaws.SCPDenied, region, inventory.SCPDenied},
		{simaws.InvalidCredentials, region, inventory.Credentials},
		{simaws.InvalidCredentials, optedIn, inventory.RegionDisabled},
		{simaws.ExpiredToken, region, inventory.Credentials},
		{simaws.RegionDisabled, optedIn, inventory.RegionDisabled},
		{simaws.Throttled, region, inventory.Throttled},
		{simaws.ThrottledUnparsable, region, inventory.Throttled},
		{simaws.ConnectionReset, region, inventory.Network},
		{simaws.ServiceError, region, inventory.ServiceError},
		{simaws.ServiceErrorUnparsable, region, inventory.ServiceError},
		{simaws.MalformedResponse, region, inventory.MalformedResponse},
		{simaws.WrongTypes, region, inventory.MalformedResponse},
		{simaws.EmptyResponse, region, inventory.MalformedResponse},
		{simaws.RepeatingToken, region, inventory.MalformedResponse},
		{simaws.HugeBody, region, inventory.MalformedResponse},
		{simaws.Timeout, region, inventory.Timeout},
		{simaws.SlowBody, region, inventory.Timeout},
	} {
		t.Run(string(test.kind)+" in "+test.region, func(t *testing.T) {
			w := world()
			w.PageSizes = map[string]int{"ListAnalyzers": 1, "ListFindings": 1, "ListFindingsV2": 1, "ListArchiveRules": 1}
			for _, name := range []string{"a", "b"} {
				w.Analyzers = append(w.Analyzers, &simaws.Analyzer{AccountID: hub, Region: test.region, Name: name, Type: "ACCOUNT", Status: "ACTIVE"})
			}
			c, server, o := start(t, w)
			fault := &simaws.Fault{Kind: test.kind, Service: "access-analyzer", Size: 50 << 20, Delay: 100 * time.Millisecond}
			remove := server.AddFault(fault)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if test.want != inventory.Timeout {
				ctx = context.Background()
			}
			list, f := c.Analyzers(ctx, accountOf(hub), test.region)
			if f == nil || f.Reason != test.want || list != nil {
				t.Fatalf("got %v and %v, want %s", list, f, test.want)
			}
			if f.AccountID != hub || f.Region != test.region || f.Operation != "ListAnalyzers" || strings.ContainsAny(f.Message, "\n\r") {
				t.Errorf("failure %+v", f)
			}
			if (f.RequestID == "") != slices.Contains(withoutID, test.kind) {
				t.Errorf("request ID %q", f.RequestID)
			}
			if test.want == inventory.Throttled {
				_, _ = c.ArchiveRules(ctx, accountOf(hub), &inventory.Analyzer{AccountID: hub, Region: test.region, Name: "a"})
				for operation, want := range map[string]int{"ListAnalyzers": 1, "ListArchiveRules": 3} {
					if n := len(server.Calls(simaws.CallFilter{Operation: operation})); n != want {
						t.Errorf("%d attempts of a throttled %s, want %d: %v", n, operation, want, o.n)
					}
				}
			}
			remove()
			if list, f := c.Analyzers(context.Background(), accountOf(hub), test.region); f != nil || len(list) != 2 {
				t.Errorf("after recovery %v, %v", list, f)
			}
		})
	}
}

// An SDK without one of the middlewares must not go unnoticed.
func TestRemovingMissingMiddlewaresFails(t *testing.T) {
	err := removeUnused(middleware.NewStack("ListAnalyzers", func() any { return nil }))
	if err == nil || !strings.Contains(err.Error(), "disableHTTPS") || !strings.Contains(err.Error(), "ResolveEndpoint") {
		t.Errorf("error %v, want one that names each middleware", err)
	}
}

func TestUnknownValuesSurvive(t *testing.T) {
	w := world()
	w.Analyzers = []*simaws.Analyzer{{AccountID: hub, Region: region, Name: "a", Type: "ACCOUNT_QUANTUM_ACCESS", Status: "PAUSED", StatusReason: "MOON_PHASE"}}
	c, _, _ := start(t, w)
	list, f := c.Analyzers(context.Background(), accountOf(hub), region)
	if f != nil || len(list) != 1 || list[0].Type != "ACCOUNT_QUANTUM_ACCESS" || list[0].Status != "PAUSED" || list[0].StatusReason != "MOON_PHASE" {
		t.Errorf("%+v: %v", list, f)
	}
}

func TestRoles(t *testing.T) {
	c, server, o := start(t, world())
	ctx := context.Background()
	remove := server.AddFault(&simaws.Fault{Kind: simaws.AssumeRoleDenied, Account: member})
	for _, r := range []string{region, "us-east-1", "us-west-2"} {
		_, f := c.Analyzers(ctx, accountOf(member), r)
		if f == nil || f.Reason != inventory.AssumeRoleDenied || f.Operation != "AssumeRole" || f.Region != r || f.AccountID != member {
			t.Errorf("in %s: %v", r, f)
		}
	}
	if n := o.count("STS AssumeRole AccessDenied"); n != 1 {
		t.Errorf("%d AssumeRole for three Regions of a denied role, want 1", n)
	}
	// Other accounts are not delayed, and one role serves all Regions.
	for _, r := range []string{region, "us-east-1"} {
		if _, f := c.Analyzers(ctx, accountOf(management), r); f != nil {
			t.Error(f)
		}
	}
	if n := o.count("STS AssumeRole OK"); n != 1 {
		t.Errorf("%d AssumeRole for two Regions, want 1", n)
	}
	remove()
	c.credentials.role(accountOf(member).RoleARN).retryAt = time.Time{} // the pause is over
	if _, f := c.Analyzers(ctx, accountOf(member), region); f != nil {
		t.Errorf("after recovery: %v", f)
	}
}

func TestThrottledRoleIsNotRetriedTwice(t *testing.T) {
	c, server, _ := start(t, world())
	defer server.AddFault(&simaws.Fault{Kind: simaws.Throttled, Operation: "AssumeRole"})()
	_, f := c.Analyzers(context.Background(), accountOf(member), region)
	if f == nil || f.Reason != inventory.Throttled || f.Operation != "AssumeRole" {
		t.Errorf("failure %v", f)
	}
	if n := len(server.Calls(simaws.CallFilter{Operation: "AssumeRole"})); n != 3 {
		t.Errorf("%d attempts, want 3: retries of the call must not multiply those of the role", n)
	}
}

func TestWithoutCredentials(t *testing.T) {
	_, _, _ = start(t, world())
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		t.Setenv(name, "")
	}
	c := another(t)
	defer c.Close()
	_, _, f := c.Caller(context.Background())
	if f == nil || f.Reason != inventory.Credentials || f.Detail != inventory.NoCredentials {
		t.Errorf("%+v is not for the lack of credentials", f)
	}
}

func TestEndpointThatDoesNotExist(t *testing.T) {
	c, server, _ := start(t, world())
	ctx := context.Background()
	if _, _, f := c.Caller(ctx); f != nil {
		t.Fatal(f)
	}
	_ = server
	t.Setenv("AWS_ENDPOINT_URL_ACCESSANALYZER", "http://no-such-host.invalid")
	broken, err := New(ctx, Options{Concurrency: 1, LongestPause: time.Minute, Logger: slog.New(slog.DiscardHandler), Observe: (&observed{n: map[string]int{}}).observe})
	if err != nil {
		t.Fatal(err)
	}
	defer broken.Close()
	if _, f := broken.Analyzers(ctx, accountOf(hub), region); f == nil || f.Reason != inventory.Network {
		t.Errorf("with no name resolving: %v, want network", f)
	}
	if _, _, f := broken.Caller(ctx); f != nil {
		t.Fatal(f)
	}
	if _, f := broken.Analyzers(ctx, accountOf(hub), region); f == nil || f.Reason != inventory.RegionUnsupported {
		t.Errorf("with other names resolving: %v, want region_unsupported", f)
	}
}

// another makes a client beside that of the test.
func another(t *testing.T) *Client {
	t.Helper()
	c, err := New(context.Background(), Options{Concurrency: 1, LongestPause: time.Minute, Logger: slog.New(slog.DiscardHandler), Observe: (&observed{n: map[string]int{}}).observe})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A reload creates another client: the connections of the previous one would stay
// open.
func TestCloseDropsTheConnections(t *testing.T) {
	_, _, _ = start(t, world())
	before := goleak.IgnoreCurrent()
	c := another(t)
	if _, _, f := c.Caller(context.Background()); f != nil {
		t.Fatal(f)
	}
	c.Close()
	goleak.VerifyNone(t, before)
}

// An exchange can begin while the client is closed.
func TestCloseDropsTheConnectionsOfALateExchange(t *testing.T) {
	_, _, _ = start(t, world())
	before := goleak.IgnoreCurrent()
	c := another(t)
	c.Close()
	if _, _, f := c.Caller(context.Background()); f != nil {
		t.Fatal(f)
	}
	goleak.VerifyNone(t, before)
}

// AssumeRole continues after the sweep of its caller is canceled, because other
// callers share it. Close cancels it.
func TestCloseCancelsAssumeRole(t *testing.T) {
	_, server, _ := start(t, world())
	before := goleak.IgnoreCurrent()
	c := another(t)
	defer server.AddFault(&simaws.Fault{Kind: simaws.Latency, Operation: "AssumeRole", Delay: 5 * time.Second})()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, f := c.Analyzers(ctx, accountOf(member), region); f == nil {
		t.Fatal("no failure")
	}
	c.Close()
	// The response is still delayed.
	goleak.VerifyNone(t, before)
}
