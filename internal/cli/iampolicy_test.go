package cli_test

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
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/awsapi"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/config"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/iampolicy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// everything is a configuration that makes every kind of call.
const everything = `{regions: {include: [eu-west-1, eu-west-2]}, events: {queue_url: "https://sqs.eu-west-1.amazonaws.com/` + lab.Hub + `/events"}, accounts: {discovery: organization, labels: {ou: true, tags: [team]}, static: [{id: "` + lab.Beta + `", role_arn: "arn:aws:iam::` + lab.Beta + `:role/guest"}]},
		assume_role: {name: exporter, external_id: a-secret-of-both},
		policies: {enabled: true, checks: [{name: a, access_not_granted: ["iam:CreateUser"]}, {name: b, no_new_access: boundary.json}], checks_per_day: 1000}}`

// written returns the path of a configuration, with the policy that everything refers
// to beside it.
func written(t *testing.T, text string) string {
	t.Helper()
	file := lab.WriteFile(t, text)
	if err := os.WriteFile(filepath.Join(filepath.Dir(file), "boundary.json"), []byte(anyPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// loaded returns a configuration.
func loaded(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Load(written(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const anyPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`

// permitted returns an organization, and an account outside of it, whose
// principals have the permissions of the policies. There are analyzers of every
// type in one Region of every account and none in the other, so that every
// account that could own one is read.
func permitted(caller string, p iampolicy.Policies) *simaws.World {
	w := lab.NewOrganization(lab.Management, lab.Hub, lab.Alpha, lab.Beta)
	w.Queues = []*simaws.Queue{{AccountID: lab.Hub, Region: "eu-west-1", Name: "events"}}
	w.Organization.TrustedServices = append(w.Organization.TrustedServices, simaws.AccountManagementPrincipal)
	w.Caller = simaws.Caller{AccountID: caller, Actions: actionsOf(p.Hub)}
	// So many pages that the totals are read, too.
	w.PageSizes = map[string]int{"ListFindings": 1, "ListFindingsV2": 1}
	w.Account(lab.Beta).Standalone = true
	w.Organization.Policies = []*simaws.OrganizationPolicy{{ID: "p-00000001", Name: "scp", Type: simaws.ServiceControlPolicy, Document: anyPolicy}}
	w.Account(lab.Alpha).OUs = []string{"r-exam", "ou-exam-workload"}
	for _, account := range w.Accounts {
		// Of different content, so that each is validated.
		account.Policies = []*simaws.ManagedPolicy{{Name: "own", Versions: []string{strings.Replace(anyPolicy, "*", "arn:aws:s3:::"+account.ID, 1)}}}
		account.Roles = append(account.Roles, &simaws.Role{Name: "guest", Trusts: []string{lab.Hub}})
		for _, role := range account.Roles {
			role.Actions = actionsOf(p.Member)
			role.Trust = strings.Replace(anyPolicy, "s3:GetObject", "sts:AssumeRole", 1) + strings.Repeat(" ", len(w.Analyzers)+1)
		}
		for _, kind := range []string{"ACCOUNT", "ACCOUNT_UNUSED_ACCESS", "ACCOUNT_INTERNAL_ACCESS"} {
			a := lab.Analyzer(account.ID, "eu-west-1", kind)
			a.Unused = &simaws.UnusedAccess{Age: 90}
			a.Internal = &simaws.InternalAccess{Inclusions: []simaws.Inclusion{{ResourceTypes: []string{"AWS::S3::Bucket"}}}}
			for range 5 {
				a.AddFinding(simaws.Finding{Owner: account.ID, ResourceType: "AWS::S3::Bucket"}, time.Now().Add(-time.Hour))
			}
			w.Analyzers = append(w.Analyzers, a)
		}
	}
	return w
}

// actionsOf returns the actions that a policy allows.
func actionsOf(d *iampolicy.Document) []string {
	actions := []string{}
	if d != nil {
		for _, s := range d.Statement {
			actions = append(actions, s.Action...)
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// sweepAndReceive sweeps once and makes every call for the queue that is
// configured.
func sweepAndReceive(t *testing.T, w *simaws.World, c *config.Config) (*simaws.Server, *inventory.Snapshot) {
	t.Helper()
	server, snapshot := lab.Sweep(t, w, c)
	if c.Events.QueueURL == "" {
		return server, snapshot
	}
	client, err := awsapi.New(t.Context(), awsapi.Options{
		Concurrency: 1, LongestPause: time.Minute, Observe: collector.New().ObserveRequest, Logger: slog.New(slog.DiscardHandler),
	})
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
	return server, snapshot
}

// printed returns the policies that iam-policy prints for a configuration.
func printed(t *testing.T, text string) (p iampolicy.Policies) {
	t.Helper()
	var out, note bytes.Buffer
	if code := cli.Run(t.Context(), []string{"iam-policy", "--config.file=" + written(t, text)}, &out, &note); code != 0 {
		t.Fatalf("exit code %d: %s", code, &note)
	}
	if err := json.Unmarshal(out.Bytes(), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// actionOf returns the IAM action of an operation. Both versions of an operation
// and its batch form share one.
func actionOf(operation string) string {
	return strings.TrimSuffix(strings.TrimSuffix(operation, "V2"), "Batch")
}

// authorized returns the actions that the calls of the hub need, or those of all
// others. GetCallerIdentity needs none.
func authorized(server *simaws.Server, hub string, others bool) []string {
	actions := map[string]bool{}
	for _, call := range server.Calls(simaws.CallFilter{}) {
		if (call.AccountID != hub) == others && call.Operation != "GetCallerIdentity" {
			actions[call.Service+":"+actionOf(call.Operation)] = true
		}
	}
	return slices.Sorted(maps.Keys(actions))
}

// denied returns the operations that failed for lack of permissions.
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

// TestIAMPolicyIsEnoughAndNoMore sweeps with the permissions of the policies. They
// suffice, all are used, and without any single action an operation is denied.
func TestIAMPolicyIsEnoughAndNoMore(t *testing.T) {
	for _, test := range []struct{ name, hub, config string }{
		{"everything", lab.Hub, everything},
		{"without findings", lab.Hub, `{regions: {include: [eu-west-1, eu-west-2]}, accounts: {discovery: organization}, assume_role: {name: exporter}, findings: {enabled: false}}`},
		{"service control policies", lab.Hub, `{regions: {include: [eu-west-1]}, accounts: {discovery: organization}, assume_role: {name: exporter}, policies: {enabled: true, types: [service_control]}}`},
		{"trust policies", lab.Hub, `{regions: {include: [eu-west-1]}, accounts: {discovery: organization}, assume_role: {name: exporter}, policies: {enabled: true, types: [trust]}}`},
		{"names of OUs", lab.Hub, `{regions: {include: [eu-west-1]}, accounts: {discovery: organization, labels: {ou: true}}, assume_role: {name: exporter}}`},
		{"tags of accounts", lab.Hub, `{regions: {include: [eu-west-1]}, accounts: {discovery: organization, labels: {tags: [team]}}, assume_role: {name: exporter}}`},
		{"one account", lab.Hub, `{regions: {include: [eu-west-1, eu-west-2]}}`},
		{"one account for itself", lab.Hub, `{regions: {include: [eu-west-1, eu-west-2]}, coverage: {external: {scopes: [account]}}}`},
		{"accounts by name", lab.Hub, `{regions: {include: [eu-west-1, eu-west-2]}, accounts: {static: [{id: "` + lab.Alpha + `"}, {id: "` + lab.Beta + `"}]}, assume_role: {name: exporter}}`},
		// The Regions of members are listed by the management account.
		{"members without a role", lab.Management, `{regions: {include: [eu-west-1, eu-west-2]}, accounts: {discovery: organization}, coverage: {external: {scopes: [organization]}}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, p := loaded(t, test.config), printed(t, test.config)
			server, snapshot := sweepAndReceive(t, permitted(test.hub, p), c)
			if operations := denied(snapshot); !snapshot.Ready || len(operations) > 0 {
				t.Errorf("not enough for %v", operations)
			}
			for others, document := range map[bool]*iampolicy.Document{false: p.Hub, true: p.Member} {
				allowed, made := actionsOf(document), authorized(server, test.hub, others)
				if !slices.Equal(allowed, made) {
					t.Errorf("allowed %v, made %v", allowed, made)
				}
			}
			withoutOne(p, func(missing string, less iampolicy.Policies) {
				_, snapshot := sweepAndReceive(t, permitted(test.hub, less), c)
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
		for _, action := range actionsOf(document) {
			without := &iampolicy.Document{Statement: slices.Clone(document.Statement)}
			for i, statement := range without.Statement {
				without.Statement[i].Action = slices.DeleteFunc(slices.Clone(statement.Action), func(a string) bool { return a == action })
			}
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

// TestIAMPolicyHasEveryOperation finds operations in the source, also those that
// no test makes.
func TestIAMPolicyHasEveryOperation(t *testing.T) {
	p := printed(t, everything)
	known := append(actionsOf(p.Hub), actionsOf(p.Member)...)
	known = append(known, "sts:GetCallerIdentity", "account:GetRegionOptStatus") // needs none; fallback for ListRegions
	sources, err := filepath.Glob("../awsapi/*.go")
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
	file := written(t, everything)
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
				"--hub-principal=arn:aws:iam::" + lab.Hub + ":role/exporter", "--organization-id=o-exampleorg1",
			}, "trust.json", "",
		},
		{
			"another partition", []string{
				"hub", "--partition=aws-us-gov", "--organization-id=o-exampleorg1", "--config.file=" + lab.WriteFile(t, "accounts: {discovery: organization}\nassume_role: {name: audit/exporter}"),
			}, "hub-us-gov.json", "",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, note bytes.Buffer
			if code := cli.Run(t.Context(), append([]string{"iam-policy"}, test.args...), &out, &note); code != 0 {
				t.Fatalf("exit code %d: %s", code, &note)
			}
			if !json.Valid(out.Bytes()) {
				t.Error("not JSON")
			}
			if (test.note == "") != (note.Len() == 0) || !strings.Contains(note.String(), test.note) {
				t.Errorf("it notes %q", note.String())
			}
			lab.Golden(t, filepath.Join("testdata", "iam-policy", test.want), out.Bytes())
		})
	}
}

func TestIAMPolicyErrors(t *testing.T) {
	for _, test := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"member"}, 1, "assume_role.name"},
		{[]string{"trust"}, 1, "assume_role.name"},
		{[]string{"guest"}, 80, "guest"},
		{[]string{"--hub-principal=arn:aws:sts::" + lab.Hub + ":assumed-role/exporter/x"}, 80, "is a session; name its role"},
		{[]string{"--hub-principal=arn:aws-cn:iam::" + lab.Hub + ":role/exporter"}, 80, "add --partition=aws-cn"},
		{[]string{"--hub-principal=*"}, 80, "not the ARN of a role or user"},
		{[]string{"--organization-id=123"}, 80, "o-exampleorg1"},
		{[]string{"--partition=*"}, 80, "aws-us-gov"},
		{[]string{"--config.file=" + lab.WriteFile(t, "a: b")}, 1, ":1: a: "},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			var note bytes.Buffer
			if code := cli.Run(t.Context(), append([]string{"iam-policy"}, test.args...), io.Discard, &note); code != test.code || !strings.Contains(note.String(), test.says) {
				t.Errorf("exit code %d, want %d, with %q in:\n%s", code, test.code, test.says, &note)
			}
		})
	}
}

// Roles are assumed with a session policy: with session tags that leave no space
// for it, the first attempt fails, and all targets are read without it.
func TestRolesAreAssumedWithSessionPolicy(t *testing.T) {
	w := permitted(lab.Hub, printed(t, everything))
	w.Caller.SessionTags = 95
	server, snapshot := lab.Sweep(t, w, loaded(t, everything))
	if operations := denied(snapshot); !snapshot.Ready || len(operations) > 0 {
		t.Errorf("denied: %v", operations)
	}
	if len(server.Calls(simaws.CallFilter{Operation: "AssumeRole", Code: "PackedPolicyTooLarge"})) == 0 {
		t.Error("no role is assumed with a session policy")
	}
}

// AWS limits a session policy to 2,048 characters, and its packed size with the
// session tags of EKS Pod Identity.
func TestSessionPolicyIsShort(t *testing.T) {
	for most, o := range map[int]iampolicy.Options{500: {}, 700: {AccountPolicies: true, AccessNotGranted: true, NoNewAccess: true}} {
		if p := iampolicy.SessionPolicy(o); len(p) > most {
			t.Errorf("%d characters: %s", len(p), p)
		}
	}
}
