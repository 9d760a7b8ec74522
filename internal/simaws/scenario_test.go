package simaws_test

import (
	"context"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"
	"go.yaml.in/yaml/v3"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

func parse(t testing.TB, text string) *simaws.World {
	t.Helper()
	w, err := simaws.ParseScenario([]byte(text), epoch)
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
	if a := w.Account(workload); a.Name != "workload" || len(a.Roles) != 2 || a.Roles[1].Trusts[0] != security || !a.JoinedAt.Equal(epoch.Add(-300*24*time.Hour)) {
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
		t.Errorf("findings of eu-west-1 are in eu-west-2: %+v", a.Findings)
	}
	if f := w.Faults[0]; f.Kind != simaws.Throttled || f.Account != workload || f.Region != "us-*|eu-west-1" || f.Times != 3 || f.Until != time.Hour {
		t.Errorf("fault %+v", f)
	}
	if !reflect.DeepEqual(parse(t, example(t)).Analyzers, w.Analyzers) {
		t.Error("read twice, a scenario is not the same")
	}
}

// The example is the documentation: what is not in it does not exist for
// anybody.
func TestExampleShowsEveryKey(t *testing.T) {
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
	for _, key := range simaws.ScenarioKeys() {
		if !shown[key] {
			t.Errorf("scenario.yaml does not show %s", key)
		}
	}
	for _, kind := range simaws.FaultKinds {
		if !strings.Contains(example(t), string(kind)) {
			t.Errorf("scenario.yaml does not show fault %s", kind)
		}
	}
}

func TestScenarioErrors(t *testing.T) {
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
		"not YAML":                    {"a: [", "yaml: line 1"},
		"an unknown key":              {base + "colour: red\n", `line 5: there is no key "colour" here`},
		"an unknown key further down": {analyzer(", colour: red"), `line 6: there is no key "colour" here`},
		"a key twice":                 {base + "latency: 1s\nlatency: 2s\n", "line 6: mapping key \"latency\" already defined at line 5"},
		"a list for a value":          {"latency: []\n", `line 1: "" is not a duration`},
		"a negative duration":         {"latency: -1s\n", `line 1: "-1s" is not a duration like 20ms, 5m or 90d`},
		"a number for a duration":     {"latency: 20\n", `line 1: "20" is not a duration`},
		"a short account ID":          {"accounts: [{id: 123, name: x}]\n", `line 1: account ID "123" does not have twelve digits`},
		"an account without a name":   {`accounts: [{id: "111111111111"}]`, `account 111111111111 needs a name of its own`},
		"two accounts of one ID":      {base + `  - {id: "111111111111", name: x}`, "line 5: there are two accounts with ID 111111111111"},
		"two accounts of one name":    {base + `  - {id: "333333333333", name: other}`, `line 5: account 333333333333 needs a name of its own, "other" is not`},
		"an unknown state":            {base + `  - {id: "333333333333", name: x, state: GONE}`, `line 5: account state "GONE" is none of PENDING_ACTIVATION, ACTIVE`},
		"opting in to a default":      {base + `  - {id: "333333333333", name: x, opt_in: [eu-west-1]}`, `line 5: "eu-west-1" is not a Region to opt in`},
		"an organization's ID":        {strings.Replace(base, "o-exampleorg1", "o-X", 1), `line 1: organization ID "o-X" is not`},
		"no such management account":  {strings.Replace(base, "management: main", "management: mian", 1), `line 1: there is no account "mian"`},
		"no such caller":              {base + "caller: {account: nobody}\n", `line 5: there is no account "nobody"`},
		"trust in nobody":             {base + "role: {name: x, trusts: [nobody]}\n", `line 5: there is no account "nobody"`},
		"a role without a name":       {base + "role: {trusts: [main]}\n", "a role needs a name"},
		"a glob that matches nothing": {base + "analyzers: [{account: \"shop-*\", name: a, type: ACCOUNT}]\n", `line 5: no account is named like "shop-*"`},
		"no analyzer type":            {base + "analyzers: [{account: main, name: a}]\n", `line 5: analyzer "a" needs a type`},
		"an unknown analyzer type":    {base + "analyzers: [{account: main, name: a, type: COUNTRY}]\n", `line 5: analyzer type "COUNTRY" is none of ACCOUNT`},
		"an analyzer of nobody":       {base + "analyzers: [{name: a, type: ACCOUNT}]\n", `line 5: analyzer "a" needs an account`},
		"an analyzer's name":          {base + "analyzers: [{account: main, name: 1a, type: ACCOUNT}]\n", `line 5: analyzer name "1a"`},
		"a Region that is not enabled": {
			base + "analyzers: [{account: [other, main], name: a, type: ACCOUNT, regions: [eu-south-1]}]\n",
			`line 5: Region "eu-south-1" is not enabled in account main`,
		},
		"leaving out what is not there": {analyzer(", except: [us-east-1]"), `line 6: Region "us-east-1" is not there to be left out`},
		"two analyzers of one name":     {analyzer("") + "  - {account: \"111111111111\", name: a, type: ORGANIZATION}\n", "line 7: there are two analyzers arn:aws:access-analyzer:eu-west-1:111111111111:analyzer/a"},
		"an unknown status":             {analyzer(", status: ON"), `line 6: analyzer status "ON" is none of ACTIVE, CREATING`},
		"an unknown status reason":      {analyzer(", status_reason: WHY"), `line 6: status reason "WHY" is none of`},
		"unused access without age":     {strings.Replace(analyzer(""), "ACCOUNT", "ACCOUNT_UNUSED_ACCESS", 1), "line 6: unused_access goes with analyzers of unused access"},
		"unused access of 400 days":     {strings.Replace(analyzer(", unused_access: {age: 400}"), "ACCOUNT", "ACCOUNT_UNUSED_ACCESS", 1), "line 6: unused_access.age of a is 400 and not 1 to 365 days"},
		"internal access elsewhere":     {analyzer(", internal_access: {}"), "line 6: internal_access goes with analyzers of internal access"},
		"an internal resource type": {
			strings.Replace(analyzer(`, internal_access: {inclusions: [{resource_types: ["AWS::SQS::Queue"]}]}`), "ACCOUNT", "ACCOUNT_INTERNAL_ACCESS", 1),
			`line 6: resource type "AWS::SQS::Queue" is none of`,
		},
		"an archive rule's key":           {analyzer(", archive_rules: [{name: r, filter: {colour: {eq: [x]}}}]"), "line 6: archive rule r: Filter key colour is not supported"},
		"an archive rule's name":          {analyzer(", archive_rules: [{name: '', filter: {}}]"), `line 6: archive rule name ""`},
		"an unknown operator":             {analyzer(", archive_rules: [{name: r, filter: {id: {is: [x]}}}]"), `line 6: there is no key "is" here`},
		"no findings":                     {analyzer(", findings: [{count: 0}]"), `line 6: "0" is not a count of at least 1`},
		"too many findings":               {analyzer(", findings: [{count: 3000000}]"), "line 6: these are more than 2000000 findings"},
		"findings of another kind":        {analyzer(", findings: [{type: UnusedIAMRole}]"), `line 6: finding type of a ACCOUNT analyzer "UnusedIAMRole" is none of ExternalAccess`},
		"findings of nobody":              {analyzer(", findings: [{account: nobody}]"), `line 6: there is no account "nobody"`},
		"findings in another Region":      {analyzer(", findings: [{regions: [us-east-1]}]"), `line 6: analyzer a is not in Region "us-east-1"`},
		"findings of an unknown resource": {analyzer(", findings: [{resource_type: S3}]"), `line 6: resource type "S3" is not one that AWS has`},
		"findings of an unknown status":   {analyzer(", findings: [{status: OLD}]"), `line 6: finding status "OLD" is none of ACTIVE, ARCHIVED, RESOLVED`},
		"a fault without a kind":          {base + "faults: [{account: main}]\n", "a fault needs a kind"},
		"an unknown fault":                {base + "faults: [{kind: tired}]\n", `line 5: fault kind "tired" is none of access_denied`},
		"a fault of an unknown service":   {base + "faults: [{kind: timeout, service: iam}]\n", `line 5: service "iam" is none of *, access-analyzer`},
		"a fault of nobody":               {base + "faults: [{kind: timeout, account: nobody}]\n", `line 5: there is no account "nobody"`},
		"a probability over 1":            {base + "faults: [{kind: timeout, probability: 2}]\n", "line 5: a fault's probability is between 0 and 1"},
		"pages of nothing":                {"page_sizes: {ListAccounts: 0}\n", `line 1: "0" is not a count of at least 1`},
		"pages of an unknown list":        {"page_sizes:\n  ListCats: 1\n", `line 2: page_sizes: there is no operation "ListCats"`},
		"an event without a change":       {base + "script:\n  - {after: 1m}\n", "line 6: an event of the script has exactly one change, number 1 has 0"},
		"an event with two":               {event("set_account: {account: main, state: CLOSED}, delete_analyzers: {analyzer: main/a}"), "line 8: an event of the script has exactly one change, number 1 has 2"},
		"an event all the time":           {event("every: 1ms, delete_analyzers: {analyzer: main/a}"), "line 8: an event cannot happen more often than every second"},
		"a change to no analyzer":         {event("set_status: {analyzer: main/b, status: ACTIVE}"), `line 8: there is no analyzer "main/b" (account/name) in these Regions`},
		"a change in no Region":           {event("set_status: {analyzer: main/a, regions: [us-east-1], status: ACTIVE}"), `line 8: there is no analyzer "main/a"`},
		"a change to no status":           {event("set_status: {analyzer: main/a, status: ON}"), `line 8: analyzer status "ON"`},
		"adding no findings":              {event("add_findings: {analyzer: main/a}"), "line 8: add_findings needs findings"},
		"adding impossible findings":      {event("add_findings: {analyzer: main/a, findings: [{type: InternalAccess}]}"), `line 8: finding type of a ACCOUNT analyzer "InternalAccess"`},
		"changing findings to nothing":    {event("change_findings: {analyzer: main/a}"), "line 8: change_findings needs to"},
		"changing findings by a bad key":  {event("change_findings: {analyzer: main/a, to: ARCHIVED, where: {colour: {eq: [x]}}}"), "line 8: change_findings: Filter key colour"},
		"adding a bad archive rule":       {event("add_archive_rule: {analyzer: main/a, name: 1, filter: {}}"), `line 8: archive rule name "1"`},
		"adding a bad analyzer":           {event("add_analyzers: {account: main, name: b, type: ACCOUNT, regions: [xx]}"), `line 8: Region "xx" is not enabled in account main`},
		"adding a bad fault":              {event("add_fault: {kind: tired}"), `line 8: fault kind "tired"`},
		"closing nobody":                  {event("set_account: {account: nobody, state: CLOSED}"), `line 8: there is no account "nobody"`},
		"a default Region's status":       {event("set_region: {account: main, region: us-east-1, status: ENABLED}"), `line 8: "us-east-1" is not a Region to opt in`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := simaws.ParseScenario([]byte(test.text), epoch)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), "simaws.") {
				t.Errorf("the message speaks of Go types: %v", err)
			}
		})
	}
}

func TestScenarioErrorsAreAllTold(t *testing.T) {
	_, err := simaws.ParseScenario([]byte("accounts:\n  - {id: 1, name: x}\n  - {id: 2, name: y}\nfaults:\n  - {kind: tired}\n"), epoch)
	if err == nil || strings.Count(err.Error(), "\n") != 3 {
		t.Errorf("got %v, want a line for each of three errors", err)
	}
}

// Scenario time passes with the clock that the server is given.
func TestScript(t *testing.T) {
	w := parse(t, `
organization: {id: o-exampleorg1, management: main, delegated_admins: {access-analyzer.amazonaws.com: [main]}}
accounts:
  - {id: "111111111111", name: main}
  - {id: "333333333333", name: other, opt_in: [eu-south-1]}
analyzers:
  - account: main
    name: a
    type: ORGANIZATION
    regions: [eu-west-1]
    findings: [{account: other, count: 2, age: 2d, resource: "arn:aws:s3:::old-{n}"}]
script:
  - {after: 1m, every: 10m, set_status: {analyzer: main/a, status: FAILED, status_reason: SERVICE_LINKED_ROLE_CREATION_FAILED}}
  - {after: 2m, every: 10m, set_status: {analyzer: main/a, status: ACTIVE}}
  - {after: 3m, every: 1m, times: 2, add_findings: {analyzer: "*/a", findings: [{account: other, resource: "arn:aws:s3:::new-{round}"}]}}
  - {after: 5m, change_findings: {analyzer: main/a, where: {resource: {contains: [old]}}, limit: 1, to: RESOLVED}}
  - {after: 6m, change_findings: {analyzer: main/a, where: {resource: {contains: [old]}}, to: REMOVED}}
  - {after: 7m, add_archive_rule: {analyzer: main/a, name: new-1, filter: {resource: {contains: [new-1]}}, apply: true}}
  - {after: 7m, add_findings: {analyzer: main/a, findings: [{account: other, resource: "arn:aws:s3:::also-new-1"}]}}
  - {after: 8m, add_analyzers: {account: main, name: b, type: ACCOUNT, regions: [eu-west-1]}}
  - {after: 9m, delete_analyzers: {analyzer: main/b}}
  - {after: 13m, add_fault: {kind: access_denied, account: main, for: 1m}}
  - {after: 20m, set_region: {account: other, region: eu-south-1, status: DISABLED}}
  - {after: 21m, set_account: {account: other, state: CLOSED}}
`)
	now := time.Now().Truncate(time.Second)
	began := now
	s := start(t, w, simaws.Options{Now: func() time.Time { return now }})
	c := as(s, management)
	state := func() string {
		out, err := c.analyzer.ListAnalyzers(context.Background(), nil)
		if err != nil {
			code, _ := outcome(err)
			return code
		}
		var all []string
		for _, a := range out.Analyzers {
			text := *a.Name + " " + string(a.Status)
			if a.StatusReason != nil {
				text += " " + string(a.StatusReason.Code)
			}
			findings, err := c.analyzer.ListFindingsV2(context.Background(), &accessanalyzer.ListFindingsV2Input{
				AnalyzerArn: a.Arn, Sort: &types.SortCriteria{AttributeName: aws.String("resource")},
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range findings.Findings {
				text += " " + strings.TrimPrefix(*f.Resource, "arn:aws:s3:::") + "=" + string(f.Status)
			}
			all = append(all, text)
		}
		return strings.Join(all, ", ")
	}
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{0, "a ACTIVE old-1=ACTIVE old-2=ACTIVE"},
		{59 * time.Second, "a ACTIVE old-1=ACTIVE old-2=ACTIVE"},
		{time.Minute, "a FAILED SERVICE_LINKED_ROLE_CREATION_FAILED old-1=ACTIVE old-2=ACTIVE"},
		{2 * time.Minute, "a ACTIVE old-1=ACTIVE old-2=ACTIVE"},
		{4 * time.Minute, "a ACTIVE new-1=ACTIVE new-2=ACTIVE old-1=ACTIVE old-2=ACTIVE"},
		{5 * time.Minute, "a ACTIVE new-1=ACTIVE new-2=ACTIVE old-1=RESOLVED old-2=ACTIVE"},
		{6 * time.Minute, "a ACTIVE new-1=ACTIVE new-2=ACTIVE"},
		{7 * time.Minute, "a ACTIVE also-new-1=ARCHIVED new-1=ARCHIVED new-2=ACTIVE"},
		{8 * time.Minute, "a ACTIVE also-new-1=ARCHIVED new-1=ARCHIVED new-2=ACTIVE, b ACTIVE"},
		{9 * time.Minute, "a ACTIVE also-new-1=ARCHIVED new-1=ARCHIVED new-2=ACTIVE"},
		{11 * time.Minute, "a FAILED SERVICE_LINKED_ROLE_CREATION_FAILED also-new-1=ARCHIVED new-1=ARCHIVED new-2=ACTIVE"},
		{13 * time.Minute, "AccessDeniedException"},
		{14 * time.Minute, "a ACTIVE also-new-1=ARCHIVED new-1=ARCHIVED new-2=ACTIVE"},
	} {
		now = began.Add(step.after)
		if got := state(); got != step.want {
			t.Errorf("after %s:\ngot  %s\nwant %s", step.after, got, step.want)
		}
	}
	s.View(func(w *simaws.World) {
		if f := w.Analyzers[0].Findings[0]; !f.CreatedAt.Equal(began.Add(3*time.Minute)) || !f.UpdatedAt.Equal(began.Add(7*time.Minute)) {
			t.Errorf("new-1 was created %s and updated %s after the start", f.CreatedAt.Sub(began), f.UpdatedAt.Sub(began))
		}
	})
	// Nothing was called for a long time, and yet everything has happened.
	now = began.Add(24 * time.Hour)
	wantOutcome(t, listAnalyzers(as(s, workload)), "UnrecognizedClientException", 403)
	s.View(func(w *simaws.World) {
		if a := w.Account(workload); a.State != "CLOSED" {
			t.Errorf("the account is %s", a.State)
		}
		for _, r := range w.Account(workload).Regions {
			if r.Name == "eu-south-1" && r.Status != "DISABLED" {
				t.Errorf("the Region is %s", r.Status)
			}
		}
	})
	// The script begins anew with the world.
	s.SetWorld(w)
	s.Update(func(w *simaws.World) { w.Account(workload).State = "ACTIVE" })
	now = now.Add(20 * time.Minute)
	wantOutcome(t, listAnalyzers(as(s, workload)), "OK", 200)
	now = now.Add(time.Minute)
	wantOutcome(t, listAnalyzers(as(s, workload)), "UnrecognizedClientException", 403)
}

func TestEventsInGo(t *testing.T) {
	now := time.Now()
	s := start(t, newWorld(), simaws.Options{Now: func() time.Time { return now }})
	count := 0
	s.Update(func(w *simaws.World) {
		w.Script = append(w.Script, &simaws.Event{After: time.Minute, Every: time.Minute, Times: 3, Do: func(*simaws.World, time.Time) { count++ }})
	})
	for i, want := range []int{0, 1, 2, 3, 3} {
		if s.View(func(*simaws.World) {}); count != want {
			t.Errorf("after %d minutes it happened %d times, want %d", i, count, want)
		}
		now = now.Add(time.Minute)
	}
}

func TestDemo(t *testing.T) {
	w := simaws.Demo()
	if n := len(w.Accounts); n != 12 {
		t.Errorf("%d accounts", n)
	}
	statuses, kinds, findings := map[string]bool{}, map[string]bool{}, map[string]int{}
	managed, public, archived, failed := 0, 0, 0, 0
	for _, a := range w.Analyzers {
		statuses[a.Status], kinds[a.Type] = true, true
		if a.ManagedBy != "" {
			managed++
		}
		for _, f := range a.Findings {
			findings[f.Type]++
			if f.Public {
				public++
			}
			if f.Status == "ARCHIVED" {
				archived++
			}
			if f.Error != "" {
				failed++
			}
		}
	}
	if len(statuses) != 4 || len(kinds) != 6 || len(findings) != 6 || managed == 0 || public == 0 || archived == 0 || failed == 0 {
		t.Errorf("statuses %v, types %v, findings %v, %d managed, %d public, %d archived, %d errors", statuses, kinds, findings, managed, public, archived, failed)
	}
}

// A demo that runs for a day changes all the time and never grows.
func TestDemoLasts(t *testing.T) {
	now := time.Now()
	s := simaws.New(simaws.Demo(), simaws.Options{Now: func() time.Time { return now }})
	const region = "eu-west-1"
	seen := map[string]bool{}
	most := 0
	for range 24 * 30 {
		now = now.Add(2 * time.Minute)
		s.View(func(w *simaws.World) {
			total := len(w.Faults) + len(w.Analyzers)
			for _, a := range w.Analyzers {
				total += len(a.Findings)
				if a.Region == region && a.Name == "organization-external" {
					seen[a.Status] = true
				}
			}
			most = max(most, total)
		})
	}
	if !seen["ACTIVE"] || !seen["DISABLED"] {
		t.Errorf("the analyzer of %s was only seen %v", region, seen)
	}
	if most > 600 {
		t.Errorf("there were up to %d analyzers, findings and faults", most)
	}
}
