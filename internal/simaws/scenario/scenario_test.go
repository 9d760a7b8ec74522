package scenario

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/world"
)

const (
	security = "222222222222"
	workload = "333333333333"
)

var epoch = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func parse(t testing.TB, text string) *world.World {
	t.Helper()
	w, err := Parse([]byte(text), epoch)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func example(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("scenario.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestExampleScenario(t *testing.T) {
	w := parse(t, example(t))
	if n := len(w.Accounts); n != 3 {
		t.Errorf("%d accounts", n)
	}
	if a := w.Account(workload); a.Name != "workload" || len(a.Roles) != 3 || a.Roles[1].Trusts[0] != security || !a.JoinedAt.Equal(epoch.Add(-300*24*time.Hour)) {
		t.Errorf("account %+v", a)
	}
	if a := w.Analyzer("arn:aws:access-analyzer:sa-east-1:222222222222:analyzer/organization"); a.Status != "DISABLED" || a.StatusReason != "AWS_SERVICE_ACCESS_DISABLED" {
		t.Errorf("analyzer %+v", a)
	}
	a := w.Analyzer("arn:aws:access-analyzer:eu-west-1:222222222222:analyzer/organization")
	if a.Status != "ACTIVE" || len(a.Findings) != 6 || len(a.ArchiveRules) != 1 || !a.LastResourceAnalyzedAt.Equal(epoch.Add(-12*time.Minute)) {
		t.Errorf("analyzer %+v", a)
	}
	first, last := a.Findings[0], a.Findings[4]
	if first.Resource != "arn:aws:s3:::workload-333333333333-eu-west-1-1" || !first.Public || first.Owner != workload ||
		!first.CreatedAt.Equal(epoch.Add(-30*24*time.Hour)) || !last.CreatedAt.Equal(epoch.Add(-6*24*time.Hour)) {
		t.Errorf("findings %+v to %+v", first, last)
	}
	if f := a.Findings[5]; f.Error != "ACCESS_DENIED" || f.Access != nil {
		t.Errorf("error finding %+v", f)
	}
	if a := w.Analyzer("arn:aws:access-analyzer:eu-west-2:222222222222:analyzer/organization"); len(a.Findings) != 0 {
		t.Errorf("findings of eu-west-1 in eu-west-2: %+v", a.Findings)
	}
	batch := w.Account(workload).Role("batch")
	if batch.Path != "/batch/" || !strings.Contains(batch.TrustPolicy(), `"lambda.amazonaws.com"`) || !strings.HasPrefix(batch.Inline[0].Document, `{"Statement": {`) ||
		!slices.Equal(batch.Attached, []string{"arn:aws:iam::333333333333:policy/team/read", "arn:aws:iam::aws:policy/job-function/ViewOnlyAccess"}) {
		t.Errorf("role %+v", batch)
	}
	if p := w.Account(workload).Policies[0]; p.ARN(workload) != "arn:aws:iam::333333333333:policy/team/read" || !strings.Contains(p.Versions[0], `"arn:aws:s3:::333333333333-data/*"`) {
		t.Errorf("policy %+v", p)
	}
	if u, g := w.Account(workload).Users[0], w.Account(workload).Groups[0]; u.Name != "ci" || u.Groups[0] != "builders" || len(u.Inline) != 1 || len(g.Attached) != 1 {
		t.Errorf("user %+v, group %+v", u, g)
	}
	if p := w.Organization.Policy("p-leave0001"); p == nil || p.Type != world.ServiceControlPolicy || p.Name != "leave" {
		t.Errorf("policy of the organization %+v", p)
	}
	if f := w.Faults[0]; f.Kind != world.Throttled || f.Account != workload || f.Region != "us-*|eu-west-1" || f.Times != 3 || f.Until != time.Hour {
		t.Errorf("fault %+v", f)
	}
	if !reflect.DeepEqual(parse(t, example(t)).Analyzers, w.Analyzers) {
		t.Error("the same scenario parses differently")
	}
}

// The example is the documentation of the keys.
func TestExampleHasEveryKey(t *testing.T) {
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(example(t)), &node); err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	var walk func(*yaml.Node)
	walk = func(n *yaml.Node) {
		for i, child := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 {
				shown[child.Value] = true
			}
			walk(child)
		}
	}
	walk(&node)
	for _, key := range schemaKeys() {
		if !shown[key] {
			t.Errorf("scenario.yaml does not have %s", key)
		}
	}
	for _, kind := range world.FaultKinds {
		if !strings.Contains(example(t), string(kind)) {
			t.Errorf("scenario.yaml does not have fault %s", kind)
		}
	}
}

func TestErrors(t *testing.T) {
	const base = `organization: {id: o-exampleorg1, management: main}
accounts:
  - {id: "111111111111", name: main}
  - {id: "222222222222", name: other, opt_in: [eu-south-1]}
`
	analyzer := func(more string) string {
		return base + "analyzers:\n  - {account: main, name: a, type: ACCOUNT, regions: [eu-west-1]" + more + "}\n"
	}
	event := func(change string) string { return analyzer("") + "script:\n  - {after: 1m, " + change + "}\n" }
	for name, test := range map[string]struct{ text, want string }{
		"not YAML":                              {"a: [", "yaml: line 1"},
		"an unknown key":                        {base + "size: red\n", `line 5: there is no key "size" here`},
		"an unknown key further down":           {analyzer(", size: red"), `line 6: there is no key "size" here`},
		"a key twice":                           {base + "latency: 1s\nlatency: 2s\n", "line 6: mapping key \"latency\" already defined at line 5"},
		"a list for a value":                    {"latency: []\n", `line 1: "" is not a duration`},
		"a negative duration":                   {"latency: -1s\n", `line 1: "-1s" is not a duration like 20ms, 5m or 90d`},
		"a number for a duration":               {"latency: 20\n", `line 1: "20" is not a duration`},
		"a short account ID":                    {"accounts: [{id: 123, name: x}]\n", `line 1: account ID "123" does not have twelve digits`},
		"an account without a name":             {`accounts: [{id: "111111111111"}]`, `account 111111111111 needs a unique name`},
		"two accounts of one ID":                {base + `  - {id: "111111111111", name: x}`, "line 5: there are two accounts with ID 111111111111"},
		"two accounts of one name":              {base + `  - {id: "333333333333", name: other}`, `line 5: account 333333333333 needs a unique name, got "other"`},
		"an unknown state":                      {base + `  - {id: "333333333333", name: x, state: GONE}`, `line 5: account state "GONE" is not one of PENDING_ACTIVATION, ACTIVE`},
		"a short organizational unit":           {base + `  - {id: "333333333333", name: x, ous: [r-exam, ou-exam-sandbox]}`, `line 5: account 333333333333: "ou-exam-sandbox" is not the ID of an organizational unit`},
		"an organizational unit without a root": {base + `  - {id: "333333333333", name: x, ous: [ou-exam-workload]}`, `line 5: account 333333333333: "ou-exam-workload" is not the ID of a root`},
		"another root":                          {base + `  - {id: "333333333333", name: x, ous: [r-exam, ou-test-workload]}`, `line 5: account 333333333333: the organizational unit ou-test-workload is not below the root r-exam`},
		"opting in to a default":                {base + `  - {id: "333333333333", name: x, opt_in: [eu-west-1]}`, `line 5: "eu-west-1" is not an opt-in Region`},
		"an organization's ID":                  {strings.Replace(base, "o-exampleorg1", "o-X", 1), `line 1: organization ID "o-X" must be`},
		"no such management account":            {strings.Replace(base, "management: main", "management: mian", 1), `line 1: there is no account "mian"`},
		"no such caller":                        {base + "caller: {account: missing}\n", `line 5: there is no account "missing"`},
		"a trust policy with a missing account": {base + "role: {name: x, trusts: [missing]}\n", `line 5: there is no account "missing"`},
		"a role without a name":                 {base + "role: {trusts: [main]}\n", "a role needs a name"},
		"a glob that matches nothing":           {base + "analyzers: [{account: \"shop-*\", name: a, type: ACCOUNT}]\n", `line 5: no account name matches "shop-*"`},
		"no analyzer type":                      {base + "analyzers: [{account: main, name: a}]\n", `line 5: analyzer "a" needs a type`},
		"an unknown analyzer type":              {base + "analyzers: [{account: main, name: a, type: COUNTRY}]\n", `line 5: analyzer type "COUNTRY" is not one of ACCOUNT`},
		"an analyzer without an account":        {base + "analyzers: [{name: a, type: ACCOUNT}]\n", `line 5: analyzer "a" needs an account`},
		"an analyzer's name":                    {base + "analyzers: [{account: main, name: 1a, type: ACCOUNT}]\n", `line 5: analyzer name "1a"`},
		"a Region that is not enabled": {
			base + "analyzers: [{account: [other, main], name: a, type: ACCOUNT, regions: [eu-south-1]}]\n",
			`line 5: Region "eu-south-1" is not enabled in account main`,
		},
		"an exception without effect":     {analyzer(", except: [us-east-1]"), `line 6: Region "us-east-1" in except is not one of regions`},
		"two analyzers of one name":       {analyzer("") + "  - {account: \"111111111111\", name: a, type: ORGANIZATION}\n", "line 7: there are two analyzers arn:aws:access-analyzer:eu-west-1:111111111111:analyzer/a"},
		"an unknown status":               {analyzer(", status: ON"), `line 6: analyzer status "ON" is not one of ACTIVE, CREATING`},
		"an unknown status reason":        {analyzer(", status_reason: WHY"), `line 6: status reason "WHY" is not one of`},
		"unused access without age":       {strings.Replace(analyzer(""), "ACCOUNT", "ACCOUNT_UNUSED_ACCESS", 1), "line 6: unused_access is required for unused access analyzers"},
		"unused access of 400 days":       {strings.Replace(analyzer(", unused_access: {age: 400}"), "ACCOUNT", "ACCOUNT_UNUSED_ACCESS", 1), "line 6: unused_access.age of a must be 1 to 365 days, got 400"},
		"internal access of another type": {analyzer(", internal_access: {}"), "line 6: internal_access is invalid except for internal access analyzers"},
		"an internal resource type": {
			strings.Replace(analyzer(`, internal_access: {inclusions: [{resource_types: ["AWS::SQS::Queue"]}]}`), "ACCOUNT", "ACCOUNT_INTERNAL_ACCESS", 1),
			`line 6: resource type "AWS::SQS::Queue" is not one of`,
		},
		"an archive rule's key":                       {analyzer(", archive_rules: [{name: r, filter: {size: {eq: [x]}}}]"), "line 6: archive rule r: filter key size is not supported"},
		"an archive rule's name":                      {analyzer(", archive_rules: [{name: '', filter: {}}]"), `line 6: archive rule name ""`},
		"an unknown operator":                         {analyzer(", archive_rules: [{name: r, filter: {id: {is: [x]}}}]"), `line 6: there is no key "is" here`},
		"no findings":                                 {analyzer(", findings: [{count: 0}]"), `line 6: "0" is not a count of at least 1`},
		"too many findings":                           {analyzer(", findings: [{count: 3000000}]"), "line 6: a scenario can have at most 2000000 findings"},
		"findings of another kind":                    {analyzer(", findings: [{type: UnusedIAMRole}]"), `line 6: finding type of a ACCOUNT analyzer "UnusedIAMRole" is not one of ExternalAccess`},
		"findings of a missing account":               {analyzer(", findings: [{account: missing}]"), `line 6: there is no account "missing"`},
		"findings in another Region":                  {analyzer(", findings: [{regions: [us-east-1]}]"), `line 6: analyzer a is not in Region "us-east-1"`},
		"findings of an unknown resource":             {analyzer(", findings: [{resource_type: S3}]"), `line 6: resource type "S3" is unknown`},
		"findings of an unknown status":               {analyzer(", findings: [{status: OLD}]"), `line 6: finding status "OLD" is not one of ACTIVE, ARCHIVED, RESOLVED`},
		"a fault without a kind":                      {base + "faults: [{account: main}]\n", "a fault needs a kind"},
		"an unknown fault":                            {base + "faults: [{kind: broken}]\n", `line 5: fault kind "broken" is not one of access_denied`},
		"a fault of an unknown service":               {base + "faults: [{kind: timeout, service: s3}]\n", `line 5: service "s3" is not one of *, access-analyzer`},
		"a fault of a missing account":                {base + "faults: [{kind: timeout, account: missing}]\n", `line 5: there is no account "missing"`},
		"a probability over 1":                        {base + "faults: [{kind: timeout, probability: 2}]\n", "line 5: the probability of a fault must be between 0 and 1"},
		"pages of nothing":                            {"page_sizes: {ListAccounts: 0}\n", `line 1: "0" is not a count of at least 1`},
		"pages of an unknown list":                    {"page_sizes:\n  ListCats: 1\n", `line 2: page_sizes: there is no list operation "ListCats"`},
		"an event without a change":                   {base + "script:\n  - {after: 1m}\n", "line 6: an event of the script must have exactly one change, number 1 has 0"},
		"an event with two":                           {event("set_account: {account: main, state: CLOSED}, delete_analyzers: {analyzer: main/a}"), "line 8: an event of the script must have exactly one change, number 1 has 2"},
		"an event every millisecond":                  {event("every: 1ms, delete_analyzers: {analyzer: main/a}"), "line 8: every must be at least 1s"},
		"a change to no analyzer":                     {event("set_status: {analyzer: main/b, status: ACTIVE}"), `line 8: there is no analyzer "main/b" (account/name) in these Regions`},
		"a change in no Region":                       {event("set_status: {analyzer: main/a, regions: [us-east-1], status: ACTIVE}"), `line 8: there is no analyzer "main/a"`},
		"a change to no status":                       {event("set_status: {analyzer: main/a, status: ON}"), `line 8: analyzer status "ON"`},
		"adding no findings":                          {event("add_findings: {analyzer: main/a}"), "line 8: add_findings requires findings"},
		"adding impossible findings":                  {event("add_findings: {analyzer: main/a, findings: [{type: InternalAccess}]}"), `line 8: finding type of a ACCOUNT analyzer "InternalAccess"`},
		"changing findings to nothing":                {event("change_findings: {analyzer: main/a}"), "line 8: change_findings requires to"},
		"changing findings by a bad key":              {event("change_findings: {analyzer: main/a, to: ARCHIVED, where: {size: {eq: [x]}}}"), "line 8: change_findings: filter key size"},
		"adding a bad archive rule":                   {event("add_archive_rule: {analyzer: main/a, name: 1, filter: {}}"), `line 8: archive rule name "1"`},
		"adding a bad analyzer":                       {event("add_analyzers: {account: main, name: b, type: ACCOUNT, regions: [xx]}"), `line 8: Region "xx" is not enabled in account main`},
		"adding a bad fault":                          {event("add_fault: {kind: broken}"), `line 8: fault kind "broken"`},
		"closing a missing account":                   {event("set_account: {account: missing, state: CLOSED}"), `line 8: there is no account "missing"`},
		"setting a policy of a missing account":       {event("set_policy: {account: missing, name: a, document: b}"), `line 8: there is no account "missing"`},
		"a policy without account":                    {base + "policies: [{name: a, document: d}]\n", "line 5: a policy needs an account"},
		"a policy without a document":                 {base + "policies: [{account: main, name: a}]\n", "line 5: a policy needs a document"},
		"a policy without a name":                     {base + "documents: {d: {}}\npolicies: [{account: main, document: d}]\n", "line 6: a policy has a name and a document"},
		"a policy of two owners":                      {base + "policies: [{account: main, role: a, user: b}]\n", "line 5: a policy is one of a role, a user or a group"},
		"a policy with a missing document":            {base + "policies: [{account: main, name: a, document: b}]\n", `line 5: there is no document "b"`},
		"a document that is a list":                   {base + "documents: {d: []}\n", "line 5: a policy document is a mapping or text"},
		"a trust policy of a user":                    {base + "documents: {d: {}}\npolicies: [{account: main, user: a, trust: d}]\n", "line 6: only a role has a trust policy"},
		"an organization's policy of an unknown type": {base + "policies: [{type: TAG_POLICY, id: p-12345678, name: a, document: d}]\n", `line 5: policy type "TAG_POLICY" is not one of SERVICE_CONTROL_POLICY`},
		"an organization's policy without ID":         {base + "documents: {d: {}}\npolicies: [{type: SERVICE_CONTROL_POLICY, name: a, document: d}]\n", `line 6: policy ID "" must be p-`},
		"a policy of no organization":                 {"documents: {d: {}}\npolicies: [{type: SERVICE_CONTROL_POLICY, id: p-12345678, name: a, document: d}]\n", "line 2: there is no organization"},
		"a default Region's status":                   {event("set_region: {account: main, region: us-east-1, status: ENABLED}"), `line 8: "us-east-1" is not an opt-in Region`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(test.text), epoch)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "scenario.") {
				t.Errorf("the message contains a Go type: %v", err)
			}
		})
	}
}

func TestAllErrorsAreReported(t *testing.T) {
	_, err := Parse([]byte("accounts:\n  - {id: 1, name: x}\n  - {id: 2, name: y}\nfaults:\n  - {kind: broken}\n"), epoch)
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v, want a line for each of three errors", err)
	}
}

// schemaKeys returns all keys of the schema.
func schemaKeys() []string {
	var keys []string
	seen := map[reflect.Type]bool{}
	var collect func(reflect.Type)
	collect = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			collect(t.Elem())
		case reflect.Struct:
			if seen[t] {
				return
			}
			seen[t] = true
			for field := range t.Fields() {
				name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
				if name != "" {
					keys = append(keys, name)
				}
				collect(field.Type)
			}
		}
	}
	collect(reflect.TypeFor[scenarioFile]())
	return keys
}

// FuzzParse looks for input that makes the parser or the script panic.
func FuzzParse(f *testing.F) {
	example, err := os.ReadFile("scenario.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	f.Add(demo)
	for _, change := range []string{
		"set_status: {analyzer: main/a, status: FAILED, status_reason: SERVICE_LINKED_ROLE_CREATION_FAILED}",
		"every: 10s, times: 2, add_findings: {analyzer: \"*/a\", findings: [{account: other, resource: \"arn:aws:s3:::new-{round}\"}]}",
		"change_findings: {analyzer: main/a, where: {resource: {contains: [old]}}, limit: 1, to: RESOLVED}",
		"change_findings: {analyzer: main/a, where: {resource: {neq: [old]}}, to: REMOVED}",
		"add_archive_rule: {analyzer: main/a, name: n, filter: {resource: {exists: true}}, apply: true}",
		"add_analyzers: {account: main, name: b, type: ACCOUNT, except: [eu-west-1]}",
		"delete_analyzers: {analyzer: m*/a}",
		"every: 1s, add_fault: {kind: access_denied, account: main, for: 1m}",
		"set_region: {account: other, region: eu-south-1, status: DISABLED}",
		"set_account: {account: other, state: CLOSED}",
		"set_account: {account: missing, state: GONE}, delete_analyzers: {analyzer: main/b}",
		"add_fault: {kind: tired, service: iam, probability: 2}",
	} {
		f.Add([]byte(`organization: {id: o-exampleorg1, management: main, delegated_admins: {access-analyzer.amazonaws.com: [main]}}
accounts:
  - {id: "111111111111", name: main}
  - {id: "333333333333", name: other, opt_in: [eu-south-1]}
analyzers:
  - {account: main, name: a, type: ORGANIZATION, findings: [{account: other, count: 2, age: 2d, resource: "arn:aws:s3:::old-{n}"}]}
script:
  - {after: 1s, ` + change + `}
`))
	}
	for _, more := range []string{
		"ACCOUNT_UNUSED_ACCESS, unused_access: {age: 90, exclusions: [{accounts: [a], tags: [{k: v}]}]}, findings: [{type: UnusedIAMRole}]",
		"ACCOUNT_UNUSED_ACCESS, unused_access: {age: 400}",
		"ORGANIZATION_INTERNAL_ACCESS, internal_access: {inclusions: [{accounts: [a], resource_types: [\"AWS::S3::Bucket\", x], resources: [r]}]}",
		"ACCOUNT, archive_rules: [{name: r, filter: {isPublic: {eq: [\"true\"]}, size: {is: x}}}]",
		"ACCOUNT, regions: [default, eu-south-1], status: ON, status_reason: WHY, last_resource_analyzed: 1h, tags: {a: b}",
		"ACCOUNT, findings: [{count: 1000000, regions: [x], resource_type: S3, status: OLD, error: ACCESS_DENIED, public: true, principal: {AWS: x}}]",
	} {
		f.Add([]byte("accounts: [{id: \"111111111111\", name: a}]\nanalyzers: [{account: a, name: a, type: " + more + "}]\n"))
	}
	f.Add([]byte("accounts: [{id: 123, name: x, state: GONE}, {id: 123, name: x, roles: [{trusts: [missing]}]}]\ncaller: {account: missing}\npage_sizes: {ListCats: 1, ListAccounts: 0}\nqueues: [{account: x, region: y, name: \"\"}]\n"))
	f.Add([]byte("accounts: &a [*a]\n"))
	f.Add([]byte("accounts: [{id: \"\\e[2J\", name: \"\\e[2J\"}]\n"))
	f.Add([]byte("\"\\e[2J\"\n"))
	f.Add([]byte("latency: \"1d\\n\"\n"))
	maxFindings = 1000 // more than the demo has
	f.Fuzz(func(t *testing.T, data []byte) {
		now := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
		w, err := Parse(data, now)
		if err != nil {
			if message := err.Error(); w != nil || !strings.HasPrefix(message, "scenario:") || strings.ContainsFunc(message, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }) {
				t.Errorf("%v, %q", w, message)
			}
			return
		}
		s := world.NewStore(w, func() time.Time { return now }, func(*world.World, time.Time) {})
		now = now.Add(time.Minute)
		s.View(func(x *world.Index) {
			w := x.World
			for _, a := range w.Analyzers {
				if w.Account(a.AccountID) == nil {
					t.Errorf("analyzer %s has no account", a.ARN())
				}
			}
		})
	})
}
