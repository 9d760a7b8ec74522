package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/collector"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/app"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/awsapi"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/iampolicy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

const (
	managementID, hubID, memberID, strangerID = "111111111111", "222222222222", "333333333333", "444444444444"
	// everything is a configuration that makes every kind of call.
	everything = `{regions: {include: [eu-west-1, eu-west-2]}, events: {queue_url: "https://sqs.eu-west-1.amazonaws.com/` + hubID + `/events"}, accounts: {discovery: organization, static: [{id: "` + strangerID + `", role_arn: "arn:aws:iam::` + strangerID + `:role/guest"}]},
		assume_role: {name: exporter, external_id: a-secret-of-both}}`
)

// policyWorld has analyzers of every kind in one Region of every account, and
// none elsewhere, where it matters who else may have one. What its principals
// may do is what the policies say.
func policyWorld(hub string, p iampolicy.Policies) *simaws.World {
	w := &simaws.World{
		Queues: []*simaws.Queue{{AccountID: hubID, Region: "eu-west-1", Name: "events"}},
		Organization: &simaws.Organization{
			ID: "o-exampleorg1", ManagementID: managementID,
			DelegatedAdmins: map[string][]string{simaws.AccessAnalyzerPrincipal: {hubID}},
			TrustedServices: []string{simaws.AccessAnalyzerPrincipal, simaws.AccountManagementPrincipal},
		},
		Caller: simaws.Caller{AccountID: hub, Actions: actionsOf(p.Hub)},
		// So many that AWS' own totals are asked for.
		PageSizes: map[string]int{"ListFindings": 1, "ListFindingsV2": 1},
	}
	for _, id := range []string{managementID, hubID, memberID, strangerID} {
		account := &simaws.Account{ID: id, Name: id, Regions: simaws.Regions(), Standalone: id == strangerID}
		for _, role := range []string{"exporter", "guest"} {
			account.Roles = append(account.Roles, &simaws.Role{Name: role, Trusts: []string{hubID}, Actions: actionsOf(p.Member)})
		}
		w.Accounts = append(w.Accounts, account)
		for _, kind := range []string{"ACCOUNT", "ACCOUNT_UNUSED_ACCESS", "ACCOUNT_INTERNAL_ACCESS"} {
			a := &simaws.Analyzer{
				AccountID: id, Region: "eu-west-1", Name: strings.ToLower(kind), Type: kind, Status: "ACTIVE",
				Unused:   &simaws.UnusedAccess{Age: 90},
				Internal: &simaws.InternalAccess{Inclusions: []simaws.Inclusion{{ResourceTypes: []string{"AWS::S3::Bucket"}}}},
			}
			for range 5 {
				a.AddFinding(simaws.Finding{Owner: id, ResourceType: "AWS::S3::Bucket"}, time.Now().Add(-time.Hour))
			}
			w.Analyzers = append(w.Analyzers, a)
		}
	}
	return w
}

// actionsOf are the actions of a policy; of none, no action at all.
func actionsOf(d *iampolicy.Document) []string {
	actions := []string{}
	if d != nil {
		for _, s := range d.Statement {
			actions = append(actions, s.Action...)
		}
	}
	return actions
}

// sweepOnce runs the exporter over a world.
func sweepOnce(t *testing.T, w *simaws.World, c *config.Config) (*simaws.Server, *inventory.Snapshot) {
	t.Helper()
	server := simulate(t, w)
	exporter, logger := collector.New(), slog.New(slog.DiscardHandler)
	pipeline, err := app.New(t.Context(), c, app.Options{Exporter: exporter, Shard: app.Unsharded, Logger: logger}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pipeline.Close)
	snapshot := pipeline.Sweep(t.Context())
	if c.Events.QueueURL != "" {
		client, err := awsapi.New(t.Context(), awsapi.Options{Concurrency: 1, LongestPause: time.Minute, Observe: exporter.ObserveRequest, Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(client.Close)
		queue := client.Queue(c.Events.QueueURL)
		_, received := queue.Receive(t.Context(), 0, time.Minute)
		for _, f := range []*inventory.Failure{received, queue.Hide(t.Context(), []string{"x"}, time.Minute), queue.Delete(t.Context(), []string{"x"})} {
			if f != nil {
				snapshot.Failures = append(snapshot.Failures, *f)
			}
		}
	}
	return server, snapshot
}

// actionOf is the action that authorises an operation: the same for both
// versions, and for one as for many.
func actionOf(operation string) string {
	return strings.TrimSuffix(strings.TrimSuffix(operation, "V2"), "Batch")
}

// authorised are the actions that authorise the calls which the hub made, or
// which all others made. GetCallerIdentity needs none, and both versions of an
// operation the same.
func authorised(server *simaws.Server, hub string, others bool) []string {
	actions := map[string]bool{}
	for _, call := range server.Calls(simaws.CallFilter{}) {
		if (call.AccountID != hub) == others && call.Operation != "GetCallerIdentity" {
			actions[call.Service+":"+actionOf(call.Operation)] = true
		}
	}
	return slices.Sorted(maps.Keys(actions))
}

// denied are the operations that permissions were missing for.
func denied(snapshot *inventory.Snapshot) []string {
	var operations []string
	for _, f := range snapshot.Failures {
		if f.Reason == inventory.AccessDenied || f.Reason == inventory.AssumeRoleDenied {
			operations = append(operations, f.Operation)
		}
	}
	slices.Sort(operations)
	return slices.Compact(operations)
}

// TestIAMPolicyIsEnoughAndNoMore lets the exporter do what the policies allow:
// that is enough, it does all of it, and without any one action something
// cannot be read, and says so.
func TestIAMPolicyIsEnoughAndNoMore(t *testing.T) {
	for _, test := range []struct{ name, hub, config string }{
		{"everything", hubID, everything},
		{"without findings", hubID, `{regions: {include: [eu-west-1, eu-west-2]}, accounts: {discovery: organization}, assume_role: {name: exporter}, findings: {enabled: false}}`},
		{"one account", hubID, `{regions: {include: [eu-west-1, eu-west-2]}}`},
		{"one account for itself", hubID, `{regions: {include: [eu-west-1, eu-west-2]}, coverage: {external: {scopes: [account]}}}`},
		{"accounts by name", hubID, `{regions: {include: [eu-west-1, eu-west-2]}, accounts: {static: [{id: "` + memberID + `"}, {id: "` + strangerID + `"}]}, assume_role: {name: exporter}}`},
		// The Regions of members are listed by the management account.
		{"members not entered", managementID, `{regions: {include: [eu-west-1, eu-west-2]}, accounts: {discovery: organization}, coverage: {external: {scopes: [organization]}}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, err := config.Parse("test.yaml", []byte(test.config))
			if err != nil {
				t.Fatal(err)
			}
			p := iampolicy.For(iamPolicyCommand{Partition: "aws"}.options(c))
			server, snapshot := sweepOnce(t, policyWorld(test.hub, p), c)
			if operations := denied(snapshot); !snapshot.Ready || len(operations) > 0 {
				t.Errorf("not enough for %v", operations)
			}
			for others, document := range map[bool]*iampolicy.Document{false: p.Hub, true: p.Member} {
				allowed, made := actionsOf(document), authorised(server, test.hub, others)
				if slices.Sort(allowed); !slices.Equal(allowed, made) {
					t.Errorf("allowed %v, made %v", allowed, made)
				}
			}
			withoutOne(p, func(missing string, less iampolicy.Policies) {
				_, snapshot := sweepOnce(t, policyWorld(test.hub, less), c)
				if operations := denied(snapshot); !slices.ContainsFunc(operations, func(operation string) bool {
					return strings.HasSuffix(missing, ":"+actionOf(operation))
				}) {
					t.Errorf("without %s only %v are denied", missing, operations)
				}
			})
		})
	}
}

// withoutOne calls do for each action, with policies that lack it.
func withoutOne(p iampolicy.Policies, do func(missing string, less iampolicy.Policies)) {
	for _, document := range []*iampolicy.Document{p.Hub, p.Member} {
		if document == nil {
			continue
		}
		for i, statement := range document.Statement {
			for _, action := range statement.Action {
				without := &iampolicy.Document{Statement: slices.Clone(document.Statement)}
				without.Statement[i].Action = slices.DeleteFunc(slices.Clone(statement.Action), func(a string) bool { return a == action })
				less := p
				if document == p.Hub {
					less.Hub = without
				} else {
					less.Member = without
				}
				do(action, less)
			}
		}
	}
}

// TestIAMPolicyKnowsEveryOperation finds operations that no test makes.
func TestIAMPolicyKnowsEveryOperation(t *testing.T) {
	c, err := config.Parse("test.yaml", []byte(everything))
	if err != nil {
		t.Fatal(err)
	}
	p := iampolicy.For(iamPolicyCommand{Partition: "aws"}.options(c))
	known := append(actionsOf(p.Hub), actionsOf(p.Member)...)
	known = append(known, "sts:GetCallerIdentity", "account:GetRegionOptStatus") // needs none; in place of a refused ListRegions
	sources, err := filepath.Glob("internal/awsapi/*.go")
	if err != nil {
		t.Fatal(err)
	}
	input := regexp.MustCompile(`&([a-z]+)\.([A-Z]\w+)Input\b`)
	found := 0
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range input.FindAllStringSubmatch(string(text), -1) {
			found++
			service := strings.Replace(m[1], "accessanalyzer", "access-analyzer", 1)
			if action := service + ":" + actionOf(m[2]); !slices.Contains(known, action) {
				t.Errorf("%s calls %s, which no policy allows", source, action)
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d calls found in %v", found, sources)
	}
}

func TestIAMPolicyCommand(t *testing.T) {
	file := configFile(t, everything)
	for _, test := range []struct {
		name string
		args []string
		want string // of testdata/iam-policy
		note string // part of what is said beside it
	}{
		{"defaults", nil, "defaults.json", ""},
		{"everything", []string{"--config.file=" + file}, "everything.json", "--hub-principal"},
		{
			"complete trust policy", []string{
				"trust", "--config.file=" + file, "--session-tags",
				"--hub-principal=arn:aws:iam::" + hubID + ":role/exporter", "--organization-id=o-exampleorg1",
			}, "trust.json", "",
		},
		{
			"another partition", []string{
				"hub", "--partition=aws-us-gov", "--config.file=" + configFile(t, "accounts: {discovery: organization}\nassume_role: {name: audit/exporter}"),
			}, "hub-us-gov.json", "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, note bytes.Buffer
			if code := Run(t.Context(), append([]string{"iam-policy"}, test.args...), &out, &note); code != 0 {
				t.Fatalf("exit code %d: %s", code, &note)
			}
			if !json.Valid(out.Bytes()) {
				t.Error("not JSON")
			}
			if (test.note == "") != (note.Len() == 0) || !strings.Contains(note.String(), test.note) {
				t.Errorf("it notes %q", note.String())
			}
			golden(t, filepath.Join("testdata", "iam-policy", test.want), out.Bytes())
		})
	}
}

func TestIAMPolicyRefuses(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"member"}, 1, "assume_role.name"},
		{[]string{"trust"}, 1, "assume_role.name"},
		{[]string{"guest"}, 80, "guest"},
		{[]string{"--hub-principal=arn:aws:sts::" + hubID + ":assumed-role/exporter/x"}, 80, "is a session; name its role"},
		{[]string{"--hub-principal=arn:aws-cn:iam::" + hubID + ":role/exporter"}, 80, "add --partition=aws-cn"},
		{[]string{"--hub-principal=*"}, 80, "not the ARN of a role or user"},
		{[]string{"--organization-id=123"}, 80, "o-exampleorg1"},
		{[]string{"--partition=*"}, 80, "aws-us-gov"},
		{[]string{"--config.file=" + configFile(t, "a: b")}, 1, ":1: a: "},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			var note bytes.Buffer
			if code := Run(t.Context(), append([]string{"iam-policy"}, test.args...), io.Discard, &note); code != test.code || !strings.Contains(note.String(), test.says) {
				t.Errorf("exit code %d, want %d, with %q in:\n%s", code, test.code, test.says, &note)
			}
		})
	}
}
