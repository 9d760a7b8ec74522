package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// shardedWorld is an organization with everything that crosses accounts: an
// organization analyzer with findings in many of them, analyzers of members,
// members that cannot be entered, and a Region in which the administrator
// cannot be read.
func shardedWorld() *simaws.World {
	const management, admin = "100000000000", "100000000001"
	w := &simaws.World{
		Organization: &simaws.Organization{
			ID: "o-exampleorg1", ManagementID: management, TrustedServices: []string{simaws.AccessAnalyzerPrincipal},
			DelegatedAdmins: map[string][]string{simaws.AccessAnalyzerPrincipal: {admin}},
		},
		Caller: simaws.Caller{AccountID: admin},
	}
	organization := &simaws.Analyzer{AccountID: admin, Region: "eu-west-1", Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE"}
	w.Analyzers = append(
		w.Analyzers, organization,
		&simaws.Analyzer{AccountID: admin, Region: "us-east-1", Name: "organization", Type: "ORGANIZATION", Status: "ACTIVE"},
		&simaws.Analyzer{AccountID: admin, Region: "eu-west-1", Name: "unused", Type: "ORGANIZATION_UNUSED_ACCESS", Status: "ACTIVE", Unused: &simaws.UnusedAccess{Age: 90}},
	)
	for i := range 40 {
		id := fmt.Sprint(100000000000 + i)
		w.Accounts = append(w.Accounts, &simaws.Account{
			ID: id, Name: "account-" + id, Regions: simaws.Regions(), Roles: []*simaws.Role{{Name: "exporter", Trusts: []string{admin}}},
		})
		if i%3 == 0 {
			own := &simaws.Analyzer{AccountID: id, Region: "eu-central-1", Name: "account", Type: "ACCOUNT", Status: "ACTIVE"}
			own.Findings = []simaws.Finding{finding(id, "AWS::KMS::Key", "ARCHIVED", false)}
			w.Analyzers = append(w.Analyzers, own)
		}
		if i%4 == 0 {
			organization.Findings = append(organization.Findings, finding(id, "AWS::S3::Bucket", "ACTIVE", i%8 == 0))
		}
	}
	w.Faults = []*simaws.Fault{
		{Kind: simaws.AssumeRoleDenied, Service: "sts", Account: "100000000009"},
		{Kind: simaws.AccessDenied, Service: "access-analyzer", Account: "100000000020", Region: "eu-central-1"},
		{Kind: simaws.AccessDenied, Service: "access-analyzer", Account: admin, Region: "us-west-2"},
	}
	return w
}

func finding(owner, resourceType, status string, public bool) simaws.Finding {
	created := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	return simaws.Finding{
		ID: owner, Type: "ExternalAccess", Status: status, Resource: "arn:aws:any:::" + owner, ResourceType: resourceType, Owner: owner,
		Public: public, CreatedAt: created, UpdatedAt: created, AnalyzedAt: created,
	}
}

// facts are the series about AWS that a program serves once it has swept, with
// their values, or without one where it is the moment of reading.
func facts(t *testing.T, p *program) []string {
	t.Helper()
	p.await(t, "both sweeps", func() bool {
		return len(series(p.families(t)["access_analyzer_exporter_sweep_last_completed_timestamp_seconds"], "kind")) == 2
	})
	var lines []string
	_, text := p.get(t, "/metrics")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "aws_") {
			continue
		}
		if strings.Contains(line, "_last_success_timestamp_seconds") {
			line = line[:strings.LastIndexByte(line, ' ')]
		}
		lines = append(lines, line)
	}
	return lines
}

// What all shards say together is what one exporter alone would say: each
// series once, with the same value.
func TestShardsTogetherAreTheWhole(t *testing.T) {
	server := simulate(t, shardedWorld())
	counts := func() int { return server.CallCount(simaws.CallFilter{Operation: "ListFindingsV2", Code: "OK"}) }
	args := []string{"--config.file=" + configFile(t, `
accounts: {discovery: organization}
assume_role: {name: exporter}
regions: {include: [eu-west-1, eu-central-1, us-east-1, us-west-2]}
coverage: {unused: {required: true}}
`)}
	alone := launch(t, args...)
	whole := facts(t, alone)
	alone.stop()
	once := counts()
	slices.Sort(whole)
	for _, family := range []string{"coverage{", "findings{", "scrape_error{", "status{", "account_info{"} {
		if !slices.ContainsFunc(whole, func(s string) bool { return strings.HasPrefix(s, "aws_access_analyzer_"+family) }) {
			t.Fatalf("the whole has no aws_access_analyzer_%s…}: there is nothing to compare", family)
		}
	}
	for total := 1; total <= 7; total++ {
		t.Run(fmt.Sprint(total), func(t *testing.T) {
			before := counts()
			var union []string
			owners := map[string]bool{}
			for index := range total {
				p := launch(t, append(args, fmt.Sprint("--shard.index=exporter-", index), fmt.Sprint("--shard.total=", total))...)
				part := facts(t, p)
				union = append(union, part...)
				for account := range series(p.families(t)["aws_access_analyzer_account_info"], "account_id") {
					owners[account] = true
				}
				own := p.families(t)
				if i, n := series(own["access_analyzer_exporter_shard_ordinal"])[""], series(own["access_analyzer_exporter_total_shards"])[""]; i != float64(index) || n != float64(total) {
					t.Errorf("shard %d of %d says that it is %v of %v", index, total, i, n)
				}
				if code := p.stop(); code != 0 {
					t.Errorf("exit code %d\n%s", code, p.stderr)
				}
			}
			slices.Sort(union)
			if missing, extra := difference(whole, union), difference(union, whole); len(missing)+len(extra) > 0 {
				t.Errorf("%d of %d series missing:\n%s\n%d too many:\n%s", len(missing), len(whole),
					strings.Join(missing, "\n"), len(extra), strings.Join(extra, "\n"))
			}
			if n := counts() - before; n != once {
				t.Errorf("findings were listed with %d calls, alone with %d", n, once)
			}
			if len(owners) != 40 {
				t.Errorf("%d accounts are watched, want 40: %v", len(owners), slices.Sorted(maps.Keys(owners)))
			}
		})
	}
}

// difference is a without b; both are sorted, and what is there twice counts
// twice.
func difference(a, b []string) []string {
	var rest []string
	for _, s := range a {
		for len(b) > 0 && b[0] < s {
			b = b[1:]
		}
		if len(b) > 0 && b[0] == s {
			b = b[1:]
			continue
		}
		rest = append(rest, s)
	}
	return rest
}

func TestShardFlags(t *testing.T) {
	for _, test := range []struct{ index, total, want string }{
		{"2", "2", "the index must be from 0 to the total less one"},
		{"-1", "2", "the index must be from 0 to the total less one"},
		{"exporter-7", "7", "--shard.index=7 of --shard.total=7"},
		{"0", "0", "--shard.total=0"},
		{"", "3", `"" is neither a number nor a name that ends in one, such as exporter-2`},
		{"exporter-5d8f-x2x", "3", `"exporter-5d8f-x2x" is neither a number nor a name`},
		{"exporter-", "3", `"exporter-" is neither a number nor a name`},
		{"1.0", "3", `"1.0" is neither`},
		{"0", "three", "shard.total"},
	} {
		t.Run(test.index+" of "+test.total, func(t *testing.T) {
			t.Setenv("ACCESS_ANALYZER_EXPORTER_SHARD_INDEX", test.index)
			t.Setenv("ACCESS_ANALYZER_EXPORTER_SHARD_TOTAL", test.total)
			var out buffer
			code := Run(t.Context(), nil, &out, &out)
			if code == 0 || !strings.Contains(out.String(), test.want) {
				t.Errorf("exit code %d, want %q in:\n%s", code, test.want, out.String())
			}
			if strings.Contains(out.String(), "Listening") || strings.Count(out.String(), "\n") != 1 {
				t.Errorf("more than one message:\n%s", out.String())
			}
		})
	}
}
