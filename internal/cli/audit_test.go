package cli_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// The exit codes of the audit command.
const (
	exitFound  = 1 // uncovered or public findings
	exitFailed = 3
)

// twoRegions keeps audits of tests to a few calls.
const twoRegions = "regions: {include: [eu-west-1, us-east-1]}\n"

// audited returns an account with an analyzer in each of two Regions, one of
// which has a public finding.
func audited(change func(*simaws.World)) *simaws.World {
	w := lab.Standalone()
	w.Analyzers = []*simaws.Analyzer{lab.Analyzer(lab.Management, "eu-west-1", "ACCOUNT"), lab.Analyzer(lab.Management, "us-east-1", "ACCOUNT")}
	w.Analyzers[0].Findings = []simaws.Finding{{
		ID: "5f3c8a52-0000-4000-8000-000000000001", Type: "ExternalAccess", Status: "ACTIVE", Public: true,
		Resource: "arn:aws:s3:::open", ResourceType: "AWS::S3::Bucket", Owner: lab.Management,
		Access: &simaws.Access{Principal: map[string]string{"AWS": "*"}},
	}}
	if change != nil {
		change(w)
	}
	return w
}

func everyRegionExcluded() string {
	var names []string
	for _, r := range simaws.Regions() {
		names = append(names, r.Name)
	}
	return "regions: {exclude: [" + strings.Join(names, ", ") + "]}"
}

const (
	passRole   = "policies: {checks: [{name: pass-role, access_not_granted: ['iam:PassRole']}], "
	createUser = "policies: {checks: [{name: users, access_not_granted: ['iam:CreateUser']}], "
)

func uncover(w *simaws.World) { w.Analyzers[1].Status = "DISABLED" }

func deny(w *simaws.World) {
	w.Faults = append(w.Faults, &simaws.Fault{Kind: simaws.SCPDenied, Service: "access-analyzer", Region: "eu-west-1"})
}

// withPolicy gives the account a policy, which has a security warning if it is open.
func withPolicy(open bool) func(*simaws.World) {
	resource := "arn:aws:iam::111122223333:role/deploy"
	if open {
		resource = "*"
	}
	document := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:PassRole","Resource":%q}]}`, resource)
	return func(w *simaws.World) {
		w.Accounts[0].Policies = []*simaws.ManagedPolicy{{Name: "deploy", Versions: []string{document}}}
	}
}

func policiesDenied(operation string) func(*simaws.World) {
	return func(w *simaws.World) {
		withPolicy(false)(w)
		w.Faults = []*simaws.Fault{{Kind: simaws.AccessDenied, Operation: operation}}
	}
}

func TestAuditExitCodes(t *testing.T) {
	file := lab.WriteFile(t, twoRegions)
	for _, test := range []struct {
		name   string
		change func(*simaws.World)
		args   []string
		code   int
		says   string // part of what is written to standard error
	}{
		{"all covered", nil, nil, 0, ""},
		{"uncovered", uncover, nil, 1, "access-analyzer-exporter: 1 target is uncovered\n"},
		{"unknown", deny, nil, 2, "access-analyzer-exporter: 1 target is unknown, 1 target could not be read in full\n"},
		{"both", func(w *simaws.World) { uncover(w); deny(w) }, nil, 1, "1 target is uncovered, 1 target is unknown"},
		{"uncovered does not count", uncover, []string{"--fail-on=unknown"}, 0, ""},
		{"unknown does not count", deny, []string{"--fail-on=uncovered"}, 0, "warning: 1 target could not be read in full: ListAnalyzers: scp_denied"},
		{"both, unknown alone counts", func(w *simaws.World) { uncover(w); deny(w) }, []string{"--fail-on=unknown"}, 2, "1 target is unknown, 1 target could not be read in full\n"},
		{"nothing counts", func(w *simaws.World) { uncover(w); deny(w) }, []string{"--fail-on=none"}, 0, "warning: 1 target could not be read in full: ListAnalyzers: scp_denied"},
		{"public findings", nil, []string{"--fail-on=uncovered,unknown,public-findings"}, 1, ": 1 active finding is public\n"},
		{
			"public findings, one analyzer not counted", func(w *simaws.World) {
				w.Faults = []*simaws.Fault{{Kind: simaws.AccessDenied, Operation: "ListFindings", Region: "us-east-1"}}
			}, []string{"--fail-on=uncovered,public-findings"}, 1, ": at least 1 active finding is public\n",
		},
		{"unused access", nil, []string{"--config.file=" + lab.WriteFile(t, "coverage: {external: {required: false}, unused: {required: true}}")}, 1, ": 1 target is uncovered\n"},
		{
			"two kinds of access", uncover,
			[]string{"--config.file=" + lab.WriteFile(t, "coverage: {unused: {required: true}}")},
			1,
			": 17 targets are uncovered (16 external access, 1 unused access)\n",
		},
		{"a typing error", nil, []string{"--output=jsno"}, 3, "--output"},
		{
			"public findings that could not be counted", func(w *simaws.World) {
				w.Faults = []*simaws.Fault{{Kind: simaws.AccessDenied, Operation: "ListFindings"}}
			}, []string{"--fail-on=public-findings"}, 2, "public findings are unknown (without 2 analyzers that could not be counted)",
		},
		{
			"Regions that could not be listed", func(w *simaws.World) {
				w.Faults = []*simaws.Fault{{Kind: simaws.AccessDenied, Service: "account"}}
			}, nil, 2, ": the Regions of 1 account could not be listed, so that targets may be missing\n",
		},
		{
			"Regions that could not be listed, unknown does not count", func(w *simaws.World) {
				w.Faults = []*simaws.Fault{{Kind: simaws.AccessDenied, Service: "account"}}
			}, []string{"--fail-on=uncovered"}, 0, "warning: the Regions of 1 account could not be listed, so that targets may be missing: ListRegions: access_denied",
		},
		{
			"Regions that were queried one by one", func(w *simaws.World) {
				w.Faults = []*simaws.Fault{{Kind: simaws.AccessDenied, Operation: "ListRegions"}}
			}, []string{"--config.file=" + lab.WriteFile(t, "{}"), "--fail-on=unknown"}, 2, ": the Regions of 1 account could not be listed, so that targets may be missing\n",
		},
		{
			"Regions in scope that were queried one by one", func(w *simaws.World) {
				w.Faults = []*simaws.Fault{{Kind: simaws.AccessDenied, Operation: "ListRegions"}}
			}, nil, 0, "",
		},
		{
			"no credentials", func(w *simaws.World) {
				w.Faults = []*simaws.Fault{{Kind: simaws.InvalidCredentials, Service: "sts"}}
			}, nil, 3, "GetCallerIdentity: credentials",
		},
		{"findings are off and asked for", nil, []string{"--config.file=" + lab.WriteFile(t, twoRegions+"findings: {enabled: false}"), "--fail-on=public-findings"}, 3, "findings.enabled"},
		{"policies without findings", withPolicy(false), []string{"--policies", "--fail-on=policy-findings"}, 0, ""},
		{"policies with findings", withPolicy(true), []string{"--policies", "--fail-on=policy-findings"}, 1, ": 1 policy has an ERROR or a SECURITY_WARNING\n"},
		{"policies with findings do not count", withPolicy(true), []string{"--policies"}, 0, ""},
		{"policies not asked for", withPolicy(true), []string{"--fail-on=policy-findings"}, 3, "--fail-on=policy-findings needs --policies"},
		{"policies that could not be read", policiesDenied("GetAccountAuthorizationDetails"), []string{"--policies", "--fail-on=policy-findings"}, 2, ": findings in policies are unknown (1 account could not be read)"},
		{"policies that could not be validated", policiesDenied("ValidatePolicy"), []string{"--policies", "--fail-on=policy-findings"}, 2, ": findings in policies are unknown (1 policy could not be validated)"},
		{
			"a check that a policy fails", withPolicy(false),
			[]string{"--policies", "--fail-on=policy-findings", "--config.file=" + lab.WriteFile(t, twoRegions+passRole+"checks_per_day: 100}")},
			1,
			": 0 policies have an ERROR or a SECURITY_WARNING, 1 check of a policy failed\n",
		},
		{
			"checks beyond the ceiling", func(w *simaws.World) {
				withPolicy(false)(w)
				w.Accounts[0].Users = []*simaws.User{{Name: "u", Inline: []simaws.Policy{{Name: "i", Document: `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}]}`}}}}
			},
			[]string{"--policies", "--fail-on=policy-findings", "--config.file=" + lab.WriteFile(t, twoRegions+createUser+"checks_per_day: 1}")},
			2,
			": findings in policies are unknown (1 check of a policy has no result)\n",
		},
		{"another account included", nil, []string{"--config.file=" + lab.WriteFile(t, "accounts: {include: [222222222222]}")}, 3, "no target is in scope: accounts.include excludes every account"},
		{"the account excluded", nil, []string{"--config.file=" + lab.WriteFile(t, "accounts: {exclude: ['"+lab.Management+"']}")}, 3, "accounts.exclude excludes every account"},
		{"a Region included that is not enabled", nil, []string{"--config.file=" + lab.WriteFile(t, "regions: {include: [me-south-1]}")}, 3, "no target is in scope: regions.include excludes every Region"},
		{"every Region excluded", nil, []string{"--config.file=" + lab.WriteFile(t, everyRegionExcluded())}, 3, "regions.exclude excludes every Region"},
		{"bad configuration", nil, []string{"--config.file=" + lab.WriteFile(t, "a: b")}, 3, ":1: a: "},
		{"missing configuration", nil, []string{"--config.file=/nowhere/config.yaml"}, 3, "/nowhere/config.yaml"},
		{"unknown flag", nil, []string{"--ouput=json"}, 3, "--ouput"},
		{"unknown output", nil, []string{"--output=yaml"}, 3, "--output"},
		{"unknown outcome", nil, []string{"--fail-on=findings"}, 3, "--fail-on"},
		{"contradiction", nil, []string{"--fail-on=none,unknown"}, 3, "--fail-on"},
	} {
		t.Run(test.name, func(t *testing.T) {
			lab.Simulate(t, audited(test.change))
			var out, note bytes.Buffer
			args := append([]string{"audit", "--quiet", "--config.file=" + file}, test.args...)
			if code := cli.Run(t.Context(), args, &out, &note); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(note.String(), test.says) || (test.says == "") != (note.Len() == 0) || strings.Count(note.String(), "\n") > 1 {
				t.Errorf("it says %q, want one line with %q", note.String(), test.says)
			}
			if (test.code == exitFailed) != (out.Len() == 0) {
				t.Errorf("standard output:\n%s", &out)
			}
		})
	}
}

func TestAuditIsInterrupted(t *testing.T) {
	lab.Simulate(t, audited(func(w *simaws.World) {
		w.Faults = []*simaws.Fault{{Kind: simaws.Timeout, Service: "access-analyzer"}}
	}))
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	note := &lab.Buffer{}
	exited := make(chan int)
	go func() {
		exited <- cli.Run(ctx, []string{"audit", "--config.file=" + lab.WriteFile(t, twoRegions)}, &out, note)
	}()
	cancel()
	if code := <-exited; code != exitFailed || out.Len() > 0 || !strings.Contains(note.String(), "interrupted") {
		t.Errorf("exit code %d, output %q, it says %q", code, &out, note)
	}
}

func TestAuditFailsIfOutputFails(t *testing.T) {
	for _, format := range []string{"table", "json", "csv", "metrics", "junit", "sarif", "html"} {
		lab.Simulate(t, audited(nil))
		reader, writer := io.Pipe()
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
		var note bytes.Buffer
		if code := cli.Run(t.Context(), []string{"audit", "--quiet", "--output=" + format, "--config.file=" + lab.WriteFile(t, twoRegions)}, writer, &note); code != exitFailed {
			t.Errorf("%s: exit code %d", format, code)
		}
	}
}

func TestAuditOutputs(t *testing.T) {
	file := lab.WriteFile(t, twoRegions)
	for _, test := range []struct {
		format string
		check  func(t *testing.T, out string)
	}{
		{"table", func(t *testing.T, out string) {
			for _, want := range []string{"✗ 1 target: ACCOUNT analyzer account of 111111111111, us-east-1, is DISABLED", "Active findings by type", "50.0% covered"} {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
			if strings.Contains(out, "\x1b") {
				t.Errorf("colors in an output that is not a terminal:\n%q", out)
			}
		}},
		{"json", func(t *testing.T, out string) {
			var answer struct {
				Version  int
				Accounts []struct {
					Coverage []struct{ State string }
				}
			}
			if err := json.Unmarshal([]byte(out), &answer); err != nil {
				t.Fatal(err)
			}
			if answer.Version != 1 || len(answer.Accounts) != 1 || len(answer.Accounts[0].Coverage) != 2 {
				t.Errorf("%+v", answer)
			}
		}},
		{"csv", func(t *testing.T, out string) {
			rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			if len(rows) != 3 || rows[1][5] != "covered" || rows[2][5] != "uncovered" {
				t.Errorf("%v", rows)
			}
		}},
		{"junit", func(t *testing.T, out string) {
			if !strings.Contains(out, `<testsuites name="IAM Access Analyzer audit" tests="2" failures="1" errors="0">`) {
				t.Errorf("%s", out)
			}
		}},
		{"sarif", func(t *testing.T, out string) {
			if strings.Count(out, `"ruleId": "uncovered"`) != 1 || strings.Count(out, `"ruleId": "public-findings"`) != 1 {
				t.Errorf("%s", out)
			}
		}},
		{"html", func(t *testing.T, out string) {
			// One file: nothing is loaded, and no link needs a server.
			for _, reference := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(out, -1) {
				if r := reference[1]; !strings.HasPrefix(r, "#") && !strings.HasPrefix(r, "data:") && !strings.HasPrefix(r, "https://") {
					t.Errorf("a reference to %q", r)
				}
			}
			for _, want := range []string{"<b>50.0%</b>", `class="uncovered"`, "us-east-1, is DISABLED", "<title>1 uncovered"} {
				if !strings.Contains(out, want) {
					t.Errorf("%q is not in\n%s", want, out)
				}
			}
		}},
		{"metrics", func(t *testing.T, out string) {
			parser := expfmt.NewTextParser(model.LegacyValidation)
			families, err := parser.TextToMetricFamilies(strings.NewReader(out))
			if err != nil {
				t.Fatal(err)
			}
			coverage := lab.Series(families["aws_access_analyzer_coverage"], "account_id", "region", "access")
			if len(coverage) != 2 || coverage["111111111111/eu-west-1/external"] != 1 || coverage["111111111111/us-east-1/external"] != 0 {
				t.Errorf("%v", coverage)
			}
		}},
	} {
		t.Run(test.format, func(t *testing.T) {
			lab.Simulate(t, audited(uncover))
			var out, note bytes.Buffer
			if code := cli.Run(t.Context(), []string{"audit", "--output=" + test.format, "--config.file=" + file}, &out, &note); code != exitFound {
				t.Errorf("exit code %d: %s", code, &note)
			}
			for _, want := range []string{"Listing accounts and Regions\n", "Coverage: 2/2 targets\n", "Findings: 2/2 analyzers\n"} {
				if !strings.Contains(note.String(), want) {
					t.Errorf("progress does not say %q:\n%s", want, &note)
				}
			}
			test.check(t, out.String())
		})
	}
}

// TestAuditGolden has the machine-readable outputs for three accounts of a fixed
// organization. The table is tested in internal/audit.
func TestAuditGolden(t *testing.T) {
	s := webtest.Organization(time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC))
	kept := map[string]bool{webtest.ID(1): true, webtest.ID(5): true, webtest.ID(11): true}
	s.Accounts = slices.DeleteFunc(s.Accounts, func(a *inventory.Account) bool { return !kept[a.ID] })
	s.Verdicts = slices.DeleteFunc(slices.Clone(s.Verdicts), func(v inventory.Verdict) bool { return !kept[v.AccountID] })
	s.Targets = slices.DeleteFunc(slices.Clone(s.Targets), func(s inventory.TargetState) bool { return !kept[s.AccountID] })
	for _, format := range []string{"json", "metrics"} {
		var out, readable bytes.Buffer
		if err := cli.PrintAudit(&out, format, s); err != nil {
			t.Fatal(err)
		}
		if format == "metrics" {
			readable = out
		} else if err := json.Indent(&readable, out.Bytes(), "", " "); err != nil {
			t.Fatal(err)
		}
		lab.Golden(t, filepath.Join("testdata", "audit", "organization."+format), readable.Bytes())
	}
}

// TestAuditDemo audits the simulated organization, without AWS or configuration.
func TestAuditDemo(t *testing.T) {
	t.Setenv("COLUMNS", "80")
	var out, note bytes.Buffer
	if code := cli.Run(t.Context(), []string{"audit", "--demo"}, &out, &note); code != exitFound {
		t.Errorf("exit code %d: %s", code, &note)
	}
	for _, want := range []string{
		"IAM Access Analyzer audit of a simulated organization\n", "External access by Region, unused access by account", "\nUncovered\n", "\nUnknown\n", "\nExempt\n",
		"assume_role_denied", "scp_denied", "create-analyzer", "Active findings by account", "\nshop-prod ",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
	out.Reset()
	cli.Run(t.Context(), []string{"audit", "--demo", "--output=html"}, &out, &note)
	if want := "demo: accounts and findings are simulated"; !strings.Contains(out.String(), want) {
		t.Errorf("%q is not in the page", want)
	}
}
