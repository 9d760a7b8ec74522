package policies_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

const shardConfig = `{sweep: {interval: 1h, timeout: 1m}, findings: {enabled: false}, regions: {include: [eu-west-1]},
coverage: {external: {required: false}}, accounts: {discovery: organization}, assume_role: {name: exporter},
policies: {enabled: true, checks: [{name: pass-role, access_not_granted: ["iam:PassRole"]}], checks_per_day: 1000000}}`

// shardWorld has policies of every type, and faults in two accounts. The one that may
// not validate has documents of its own: others would be validated by its shard.
func shardWorld() *simaws.World {
	w := fleetWorld(12, 5)
	for i, a := range w.Accounts {
		a.Users = append(a.Users, &simaws.User{Name: "u", Inline: []simaws.Policy{{Name: "i", Document: ownedDocument(a.ID, i)}}})
		a.Roles = append(a.Roles, &simaws.Role{Name: "r"})
	}
	for i, kind := range []string{simaws.ServiceControlPolicy, simaws.ServiceControlPolicy, simaws.ResourceControlPolicy} {
		w.Organization.Policies = append(w.Organization.Policies, &simaws.OrganizationPolicy{
			ID: fmt.Sprint("p-0000000", i), Name: fmt.Sprint("o", i), Type: kind, Document: ownedDocument("organization", i),
		})
	}
	for i, p := range w.Accounts[5].Policies {
		p.Versions = []string{ownedDocument("own", i)}
	}
	w.Faults = []*simaws.Fault{
		{Kind: simaws.AccessDenied, Operation: "ValidatePolicy", Account: w.Accounts[5].ID},
		{Kind: simaws.AccessDenied, Operation: "GetAccountAuthorizationDetails", Account: w.Accounts[7].ID},
	}
	return w
}

// shardRun is what one shard exports about policies, the accounts of which it reads
// those of IAM, and its number of reads of AWS Organizations.
type shardRun struct {
	series       []string
	accounts     map[string]int
	organization int
}

func runShard(t *testing.T, shard app.Shard) (run shardRun) {
	run.accounts = map[string]int{}
	lab.Run(t, lab.Setup{Config: shardConfig, World: shardWorld, Shard: shard}, func(l *lab.Lab) {
		l.Until(55*time.Second, nil) // before an account that failed is read again
		var text strings.Builder
		if err := collector.WriteText(&text, l.Exporter.Snapshot()); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(text.String()) {
			if !strings.HasPrefix(line, "aws_access_analyzer_polic") || strings.HasPrefix(line, "aws_access_analyzer_policy_check_call_price_usd ") {
				continue // the price is the same in every shard
			}
			if strings.Contains(line, "_timestamp_seconds") {
				line = line[:strings.LastIndexByte(line, ' ')]
			}
			run.series = append(run.series, strings.TrimSpace(line))
		}
		for _, c := range l.AWS.Calls(simaws.CallFilter{Operation: "GetAccountAuthorizationDetails"}) {
			run.accounts[c.AccountID] = 1 // or more, for checks
		}
		run.organization = calls(l, "ListPolicies") + calls(l, "DescribePolicy")
	})
	return run
}

// Each account is read by one shard, and the organization by one: the series of all
// shards are those without shards, each once.
func TestShards(t *testing.T) {
	whole := runShard(t, app.Unsharded)
	slices.Sort(whole.series)
	for _, part := range []string{`policies{account_id="` + lab.Management + `",policy_type="service_control"} 2`, "policy_findings{", "policies_unvalidated{", `policy_check_policies{account_id="` + lab.Management + `",check="pass-role",result="fail"} 6`} {
		if !slices.ContainsFunc(whole.series, func(s string) bool { return strings.HasPrefix(s, "aws_access_analyzer_"+part) }) {
			t.Fatalf("without shards, there is no aws_access_analyzer_%s:\n%s", part, strings.Join(whole.series, "\n"))
		}
	}
	for total := 2; total <= 4; total++ {
		union, organizations := shardRun{accounts: map[string]int{}}, 0
		for index := range total {
			part := runShard(t, app.Shard{Index: index, Total: total})
			union.series = append(union.series, part.series...)
			for id, n := range part.accounts {
				union.accounts[id] += n
			}
			union.organization += part.organization
			if part.organization > 0 {
				organizations++
			}
		}
		slices.Sort(union.series)
		if !slices.Equal(union.series, whole.series) {
			t.Errorf("%d shards: missing:\n%s\ntoo many:\n%s", total, without(whole.series, union.series), without(union.series, whole.series))
		}
		if !maps.Equal(union.accounts, whole.accounts) || union.organization != whole.organization || organizations != 1 {
			t.Errorf("%d shards: reads by account %v, %d of the organization by %d shards; without shards %v and %d",
				total, union.accounts, union.organization, organizations, whole.accounts, whole.organization)
		}
	}
}

// without returns the lines of a that b does not have as often.
func without(a, b []string) string {
	left := map[string]int{}
	for _, s := range b {
		left[s]++
	}
	var rest []string
	for _, s := range a {
		if left[s]--; left[s] < 0 {
			rest = append(rest, s)
		}
	}
	return strings.Join(rest, "\n")
}

// A shard without a share of the calls for checks would never check anything.
func TestShardsHaveAShareOfChecks(t *testing.T) {
	lab.Simulate(t, lab.NewOrganization(lab.Management, lab.Hub))
	config := lab.ParseConfig(t, strings.Replace(shardConfig, "1000000", "2", 1))
	for total, want := range map[int]string{1: "", 2: "", 3: "policies.checks_per_day: 2 is less than the number of shards, so that some would check nothing; write at least 3"} {
		p, err := app.New(t.Context(), config, app.Options{Exporter: collector.New(), Shard: app.Shard{Total: total}}, nil)
		if got := fmt.Sprint(err); err == nil {
			p.Close()
			if want != "" {
				t.Errorf("%d shards are accepted", total)
			}
		} else if got != want {
			t.Errorf("%d shards: %s", total, got)
		}
	}
}
