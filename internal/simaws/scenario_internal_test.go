package simaws

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
)

// ScenarioKeys are all keys that a scenario may have, for the test that the
// example shows them.
func ScenarioKeys() []string {
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

// FuzzParseScenario looks for input that brings the parser or the script down.
func FuzzParseScenario(f *testing.F) {
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
		"set_account: {account: nobody, state: GONE}, delete_analyzers: {analyzer: main/b}",
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
		"ACCOUNT, archive_rules: [{name: r, filter: {isPublic: {eq: [\"true\"]}, colour: {is: x}}}]",
		"ACCOUNT, regions: [default, eu-south-1], status: ON, status_reason: WHY, last_resource_analyzed: 1h, tags: {a: b}",
		"ACCOUNT, findings: [{count: 1000000, regions: [x], resource_type: S3, status: OLD, error: ACCESS_DENIED, public: true, principal: {AWS: x}}]",
	} {
		f.Add([]byte("accounts: [{id: \"111111111111\", name: a}]\nanalyzers: [{account: a, name: a, type: " + more + "}]\n"))
	}
	f.Add([]byte("accounts: [{id: 123, name: x, state: GONE}, {id: 123, name: x, roles: [{trusts: [nobody]}]}]\ncaller: {account: nobody}\npage_sizes: {ListCats: 1, ListAccounts: 0}\nqueues: [{account: x, region: y, name: \"\"}]\n"))
	f.Add([]byte("accounts: &a [*a]\n"))
	f.Add([]byte("accounts: [{id: \"\\e[2J\", name: \"\\e[2J\"}]\n"))
	f.Add([]byte("\"\\e[2J\"\n"))
	f.Add([]byte("latency: \"1d\\n\"\n"))
	maxFindings = 1000 // more than the demonstration has
	f.Fuzz(func(t *testing.T, data []byte) {
		now := time.Date(2026, time.March, 1, 0, 0, 0, 0, time.UTC)
		w, err := ParseScenario(data, now)
		if err != nil {
			if says := err.Error(); w != nil || !strings.HasPrefix(says, "scenario:") || strings.ContainsFunc(says, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) }) {
				t.Errorf("%v, %q", w, says)
			}
			return
		}
		s := New(w, Options{Now: func() time.Time { return now }})
		now = now.Add(time.Minute)
		s.View(func(w *World) {
			for _, a := range w.Analyzers {
				if w.Account(a.AccountID) == nil {
					t.Errorf("analyzer %s belongs to nobody", a.ARN())
				}
			}
		})
	})
}
