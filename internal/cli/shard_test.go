package cli_test

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// sharded returns an organization with everything that involves two accounts:
// an organization analyzer with findings of many, account analyzers of members,
// members that cannot be read, and a Region in which the administrator cannot.
func sharded() *simaws.World {
	ids := lab.Members(40)
	w := lab.NewOrganization(ids[0], ids[1], ids[2:]...)
	organization := lab.Analyzer(ids[1], "eu-west-1", "ORGANIZATION")
	unused := lab.Analyzer(ids[1], "eu-west-1", "ORGANIZATION_UNUSED_ACCESS")
	unused.Unused = &simaws.UnusedAccess{Age: 90}
	w.Analyzers = append(w.Analyzers, organization, lab.Analyzer(ids[1], "us-east-1", "ORGANIZATION"), unused)
	for i, account := range w.Accounts {
		if i%3 == 0 {
			own := lab.Analyzer(account.ID, "eu-central-1", "ACCOUNT")
			own.Findings = []simaws.Finding{finding(account.ID, "AWS::KMS::Key", "ARCHIVED", false)}
			w.Analyzers = append(w.Analyzers, own)
		}
		if i%4 == 0 {
			organization.Findings = append(organization.Findings, finding(account.ID, "AWS::S3::Bucket", "ACTIVE", i%8 == 0))
		}
	}
	w.Faults = []*simaws.Fault{
		{Kind: simaws.AssumeRoleDenied, Service: "sts", Account: ids[9]},
		{Kind: simaws.AccessDenied, Service: "access-analyzer", Account: ids[20], Region: "eu-central-1"},
		{Kind: simaws.AccessDenied, Service: "access-analyzer", Account: ids[1], Region: "us-west-2"},
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

// awsSeries returns the series about AWS, with their values unless those are
// times of reading, once the program has swept.
func awsSeries(t *testing.T, p *lab.Program) []string {
	t.Helper()
	p.Await(t, "both sweeps", func() bool {
		return len(lab.Series(p.Families(t)["access_analyzer_exporter_sweep_last_completed_timestamp_seconds"], "kind")) == 2
	})
	var lines []string
	_, text := p.Get(t, "/metrics")
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

// summed adds up the totals, of which each shard has its part, and keeps one of the series that repeat the configuration.
func summed(lines []string) []string {
	targets, required, rest := map[string]float64{}, map[string]bool{}, []string(nil)
	for _, line := range lines {
		series, value, _ := strings.Cut(line, "} ")
		switch {
		case strings.HasPrefix(line, "aws_access_analyzer_coverage_targets{"), strings.HasPrefix(line, "aws_access_analyzer_resources_with_findings{"),
			strings.HasPrefix(line, "aws_access_analyzer_uncounted_analyzers{"):
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				panic(err)
			}
			targets[series] += n
		case strings.HasPrefix(line, "aws_access_analyzer_coverage_required{"):
			required[line] = true
		default:
			rest = append(rest, line)
		}
	}
	for series, n := range targets {
		rest = append(rest, fmt.Sprintf("%s} %v", series, n))
	}
	return slices.AppendSeq(rest, maps.Keys(required))
}

// TestShardsTogetherAreTheWhole compares the series of all shards with those of
// an unsharded exporter: each once, with the same value, for the same calls.
func TestShardsTogetherAreTheWhole(t *testing.T) {
	server := lab.Simulate(t, sharded())
	counts := func() int { return server.CallCount(simaws.CallFilter{Operation: "ListFindingsV2", Code: "OK"}) }
	config := "--config.file=" + lab.WriteFile(t, `
accounts: {discovery: organization}
assume_role: {name: exporter}
coverage: {unused: {required: true}}
`)
	unsharded := lab.Launch(t, config)
	whole := awsSeries(t, unsharded)
	unsharded.Stop()
	once := counts()
	slices.Sort(whole)
	for _, family := range []string{"coverage{", "findings{", "scrape_error{", "status{", "account_info{"} {
		if !slices.ContainsFunc(whole, func(s string) bool { return strings.HasPrefix(s, "aws_access_analyzer_"+family) }) {
			t.Fatalf("the unsharded exporter has no aws_access_analyzer_%s…}: there is nothing to compare", family)
		}
	}
	for total := 1; total <= 7; total++ {
		t.Run(fmt.Sprint(total), func(t *testing.T) {
			before := counts()
			var union []string
			for index := range total {
				union = append(union, shardSeries(t, config, index, total)...)
			}
			union = summed(union)
			slices.Sort(union)
			if missing, extra := difference(whole, union), difference(union, whole); len(missing)+len(extra) > 0 {
				t.Errorf("%d of %d series missing:\n%s\n%d too many:\n%s", len(missing), len(whole),
					strings.Join(missing, "\n"), len(extra), strings.Join(extra, "\n"))
			}
			if n := counts() - before; n != once {
				t.Errorf("findings were listed with %d calls, unsharded with %d", n, once)
			}
		})
	}
}

// shardSeries runs one shard and returns its series.
func shardSeries(t *testing.T, config string, index, total int) []string {
	t.Helper()
	p := lab.Launch(t, config, fmt.Sprint("--shard.index=exporter-", index), fmt.Sprint("--shard.total=", total))
	part := awsSeries(t, p)
	families := p.Families(t)
	if i, n := lab.Series(families["access_analyzer_exporter_shard_ordinal"])[""], lab.Series(families["access_analyzer_exporter_total_shards"])[""]; i != float64(index) || n != float64(total) {
		t.Errorf("shard %d of %d reports that it is %v of %v", index, total, i, n)
	}
	if code := p.Stop(); code != 0 {
		t.Errorf("exit code %d\n%s", code, p.Stderr)
	}
	return part
}

// difference returns a without b. Both are sorted; duplicates count.
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
		{"0", "1001", "--shard.total=1001: must be at most 1000"},
		{"0", "1000000000", "must be at most 1000"},
		{"", "3", "SHARD_INDEX is empty"},
		{"exporter", "3", `"exporter" is neither a number nor a name that ends in one, such as exporter-2`},
		{"exporter-5d8f-x2x", "3", `"exporter-5d8f-x2x" is neither a number nor a name`},
		{"exporter-", "3", `"exporter-" is neither a number nor a name`},
		{"1.0", "3", `"1.0" is neither`},
		{"0", "three", "shard.total"},
	} {
		t.Run(test.index+" of "+test.total, func(t *testing.T) {
			t.Setenv("ACCESS_ANALYZER_EXPORTER_SHARD_INDEX", test.index)
			t.Setenv("ACCESS_ANALYZER_EXPORTER_SHARD_TOTAL", test.total)
			var out lab.Buffer
			code := cli.Run(t.Context(), nil, &out, &out)
			if code == 0 || !strings.Contains(out.String(), test.want) {
				t.Errorf("exit code %d, want %q in:\n%s", code, test.want, out.String())
			}
			if strings.Contains(out.String(), "Listening") || strings.Count(out.String(), "\n") != 1 {
				t.Errorf("more than one message:\n%s", out.String())
			}
		})
	}
}
