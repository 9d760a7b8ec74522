package cli_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/rules"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

const rulesFile = "../../deploy/prometheus/rules.yaml"

// rulesFor returns the output of the command rules.
func rulesFor(t *testing.T, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	if code := cli.Run(t.Context(), append([]string{"rules"}, args...), &out, &errs); code != 0 {
		t.Fatalf("exit code %d: %s", code, errs.String())
	}
	if bytes.Contains(out.Bytes(), []byte("${")) {
		t.Error("the rules have a placeholder without a value")
	}
	if bytes.Contains(out.Bytes(), []byte("needs:")) {
		t.Error("the rules have a key that Prometheus does not accept")
	}
	return out.Bytes()
}

// TestRulesFile checks that the file in the repository is the command's output.
func TestRulesFile(t *testing.T) {
	lab.Golden(t, rulesFile, rulesFor(t))
}

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Record, Alert, Expr, For string
			Labels, Annotations      map[string]string
		}
	}
}

func readRules(t *testing.T, text []byte) ruleFile {
	t.Helper()
	var f ruleFile
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// alerts returns the names of alerts, sorted.
func (f ruleFile) alerts() []string {
	var names []string
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				names = append(names, r.Alert)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestRulesOfConfigurations compares the rules for a configuration with those of all
// rules: each case says what is new in a line, and which alerts are left out.
func TestRulesOfConfigurations(t *testing.T) {
	all := readRules(t, rulesFor(t)).alerts()
	unused := []string{"AccessAnalyzerAccountUncovered"}
	internal := []string{"AccessAnalyzerInternalAccessUncovered"}
	events := []string{"AccessAnalyzerExporterEventQueueFailing", "AccessAnalyzerExporterEventsLate", "AccessAnalyzerExporterEventsSilent"}
	policies := []string{"AccessAnalyzerNewPolicyFinding", "AccessAnalyzerPoliciesStale"}
	notRequired := slices.Concat(unused, internal, events, policies)
	for name, test := range map[string]struct {
		config string
		out    []string // alerts that are left out
		lines  []string // new lines, without space at the margins
	}{
		"defaults": {"{}", notRequired, nil},
		"everything": {
			`{coverage: {unused: {required: true}, internal: {required: true}}, events: {queue_url: "https://sqs.eu-west-1.amazonaws.com/123456789012/q"}, policies: {enabled: true}}`, nil, nil,
		},
		"no external access": {
			"{coverage: {external: {required: false}, unused: {required: true}}}",
			slices.Concat(internal, events, policies, []string{"AccessAnalyzerRegionUncovered"}), nil,
		},
		"active findings": {"{findings: {statuses: [ACTIVE]}}", append([]string{"AccessAnalyzerArchiveSurge"}, notRequired...), nil},
		"no findings": {
			`{findings: {enabled: false}, events: {queue_url: "https://sqs.eu-west-1.amazonaws.com/123456789012/q"}}`,
			slices.Concat(unused, internal, policies, []string{
				"AccessAnalyzerArchiveSurge", "AccessAnalyzerExporterEventsSilent", "AccessAnalyzerFindingErrors", "AccessAnalyzerFindingTooOld",
				"AccessAnalyzerFindingsStale", "AccessAnalyzerNewExternalFinding", "AccessAnalyzerPublicFinding",
			}), nil,
		},
		"long intervals": {"{sweep: {interval: 2h}, findings: {interval: 6h}}", notRequired, []string{
			// 2 hours and 5 minutes until the end of the next sweep, less an hour; pages
			// that cannot be verified do not wait for longer than unknown_for.
			"(account_region:aws_access_analyzer_scrape_success:unknown_since < time() - 3900)",
			"The exporter of job {{ $labels.job }} has not reported {{ $value }} target(s) for 1 hour that were not covered",
			`time() - min by (cluster, namespace, job, kind) (access_analyzer_exporter_sweep_last_completed_timestamp_seconds{kind="coverage"}) > 28800`,
			`time() - min by (cluster, namespace, job, kind) (access_analyzer_exporter_sweep_last_completed_timestamp_seconds{kind="findings"}) > 1 * 86400`,
			"The findings of {{ $value }} ACTIVE analyzer(s) in Region {{ $labels.region }} have not been counted for",
		}},
		"short intervals": {"{sweep: {interval: 1m, timeout: 1m}, findings: {interval: 1m}}", notRequired, []string{
			`time() - min by (cluster, namespace, job, kind) (access_analyzer_exporter_sweep_last_completed_timestamp_seconds{kind="coverage"}) > 900`,
		}},
		"nothing stale": {"{stale_after: 0}", notRequired, []string{"for: 20m"}},
		"settings": {
			`{accounts: {discovery: organization, labels: {tags: [team]}}, assume_role: {name: audit}, rules: {job: iam-\d+, identity: [organization], account_labels: [label_team], runbooks: "https://wiki.example.org/r", dashboards: "https://grafana.example.org/d",
			  leave_out: [AccessAnalyzerFindingTooOld], severities: {AccessAnalyzerPublicFinding: P1},
			  lost_for: 30m, new_target_grace: 90m, unknown_for: 2h, unknown_percent: 25, archived_findings: 50, exemption_notice: 2w, throttled_percent: 50}}`,
			append([]string{"AccessAnalyzerFindingTooOld"}, notRequired...),
			[]string{
				`up{job=~"iam-\\d+"} == 0`,
				"group by (organization, job, account_id, region, access) (aws_access_analyzer_coverage == 1)",
				`count_values by (organization, job, account_id, region, access, account_name, label_team) ("since",`,
				`target:aws_access_analyzer_coverage:uncovered{access="external", page="target"} > 1 < time() - 1800`,
				"< time() - 9000", "for: 2h", "job:aws_access_analyzer_coverage:unknown_ratio > 0.25", ") >= 50", "- time() < 14 * 86400",
				"/ sum by (organization, job, aws_service) (rate(access_analyzer_exporter_aws_requests_total[30m])) > 0.5",
				`severity: "P1"`,
				"runbook_url: https://wiki.example.org/r/AccessAnalyzerPublicFinding.md",
				"dashboard_url: 'https://grafana.example.org/d/access-analyzer-exporter'",
				"No ACTIVE external access analyzer has covered account {{ $labels.account_name }} ({{ $labels.account_id }}{{ with $labels.label_team }}, team: {{ . }}{{ end }}) in",
			},
		},
		"labels of accounts": {
			`{accounts: {discovery: organization, labels: {ou: true, tags: [team, CostCenter]}, static: [{id: "111122223333", labels: {unit: x, team: y}}]}, assume_role: {name: r}}`,
			notRequired,
			[]string{
				`count_values by (cluster, namespace, job, account_id, region, access, account_name, ou_name, label_team, label_cost_center, label_unit) ("since",`,
				`2 * max by (cluster, namespace, job, account_id, ou_name, label_team, label_cost_center, label_unit) (aws_access_analyzer_account_labels)`,
			},
		},
		"some labels of accounts": {
			`{accounts: {discovery: organization, labels: {ou: true, tags: [team, CostCenter]}}, assume_role: {name: r}, rules: {account_labels: [label_team]}}`,
			notRequired,
			[]string{`count_values by (cluster, namespace, job, account_id, region, access, account_name, label_team) ("since",`},
		},
		"policies": {"{policies: {enabled: true, interval: 12h}}", slices.Concat(unused, internal, events), []string{
			"max by (cluster, namespace, job, account_id) (last_over_time(aws_access_analyzer_policies_last_success_timestamp_seconds[1d])) > time() - 90000",
			"Not all policies of {{ $value }} account(s) could be read and validated for 25 hours. Their",
		}},
		"ages": {"{rules: {finding_max_age: 1d, unused_finding_max_age: 36h}}", notRequired, []string{
			`{{ if match "^Unused" $labels.finding_type }}36 hours{{ else }}1 day{{ end }}. Oldest:`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			text := rulesFor(t, "--config.file="+lab.WriteFile(t, test.config))
			got := readRules(t, text).alerts()
			want := slices.DeleteFunc(slices.Clone(all), func(s string) bool { return slices.Contains(test.out, s) })
			if !slices.Equal(got, want) {
				t.Errorf("alerts\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
			var lines []string
			for line := range strings.Lines(string(text)) {
				lines = append(lines, strings.TrimSpace(line))
			}
			for _, line := range test.lines {
				if !slices.Contains(lines, line) {
					t.Errorf("there is no line %q", line)
				}
			}
		})
	}
}

var perJobOrRegion = regexp.MustCompile(`^(job|region):`)

// TestIdentityOfAlerts checks that every alert, and every series that is recorded for a
// job or a Region, has the labels that identify an exporter. Those about up have the
// labels of the target.
func TestIdentityOfAlerts(t *testing.T) {
	text := rulesFor(t, "--config.file="+lab.WriteFile(t, "rules: {identity: [organization]}"))
	for _, label := range []string{"cluster", "namespace"} {
		if bytes.Contains(text, []byte(label)) {
			t.Errorf("the rules have the label %s, which rules.identity does not", label)
		}
	}
	for _, g := range readRules(t, text).Groups {
		for _, r := range g.Rules {
			if !strings.Contains(r.Expr, "organization, job") && !strings.Contains(r.Expr, "up{") &&
				(perJobOrRegion.MatchString(r.Record) || r.Alert != "" && !perJobOrRegion.MatchString(r.Expr)) {
				t.Errorf("%s has no label organization", r.Alert+r.Record)
			}
		}
	}
}

// TestRulesWithoutLeftOutAlerts checks that alerts and their groups can be left out.
func TestRulesWithoutLeftOutAlerts(t *testing.T) {
	text := rulesFor(t, "--config.file="+lab.WriteFile(t, "rules: {leave_out: ["+strings.Join(rules.Alerts(), ", ")+"]}"))
	f := readRules(t, text)
	if got := f.alerts(); len(got) > 0 {
		t.Errorf("alerts %q", got)
	}
	for _, g := range f.Groups {
		if len(g.Rules) == 0 {
			t.Errorf("group %s has no rules", g.Name)
		}
	}
}

// TestGroupLimit checks that all rules remain, in groups of different names, with the
// recording rules of a group together.
func TestGroupLimit(t *testing.T) {
	whole := readRules(t, rulesFor(t, "--config.file="+lab.WriteFile(t, "{}")))
	divided := readRules(t, rulesFor(t, "--config.file="+lab.WriteFile(t, "rules: {group_limit: 10}")))
	names := map[string]bool{}
	var got, want []string
	for _, g := range divided.Groups {
		if names[g.Name] || len(g.Rules) > rules.MinGroupLimit {
			t.Errorf("group %s has %d rules, or its name twice", g.Name, len(g.Rules))
		}
		names[g.Name] = true
		for _, r := range g.Rules {
			if got = append(got, r.Record+r.Alert); r.Record != "" && strings.HasSuffix(g.Name, "-2") {
				t.Errorf("%s is in %s", r.Record, g.Name)
			}
		}
	}
	for _, g := range whole.Groups {
		for _, r := range g.Rules {
			want = append(want, r.Record+r.Alert)
		}
	}
	if !slices.Equal(got, want) || len(divided.Groups) == len(whole.Groups) {
		t.Errorf("%d groups with %q, want more than %d groups with %q", len(divided.Groups), got, len(whole.Groups), want)
	}
}

func TestCheckConfigComparesRules(t *testing.T) {
	const settings = "sweep: {interval: 1h, timeout: 10m}\nstale_after: 45m\nfindings: {interval: 2h}\ncoverage: {unused: {required: true}}\n" +
		"rules: {job: iam-.*, identity: [cluster, organization], leave_out: [AccessAnalyzerFindingTooOld]}\n"
	defaults, config := lab.WriteFile(t, "{}"), lab.WriteFile(t, settings)
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "rules.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fits := string(rulesFor(t, "--config.file="+config))
	operator := "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nspec:\n" + strings.ReplaceAll("\n"+fits, "\n", "\n  ")
	edited := strings.Replace(fits, "- count by (cluster, organization, job) (count_values by", "- sum by (cluster, organization, job) (count_values by", 1)
	for name, test := range map[string]struct {
		args []string
		code int
		says []string
		not  string
	}{
		"argument":           {[]string{defaults}, 0, []string{defaults + ": valid"}, "warning"},
		"flag":               {[]string{"--config.file=" + defaults}, 0, []string{defaults + ": valid"}, "warning"},
		"argument over flag": {[]string{defaults, "--config.file=/missing"}, 0, []string{defaults + ": valid"}, "warning"},
		"fitting":            {[]string{config, "--rules.file=" + write(fits)}, 0, []string{"rules.yaml: fits the configuration"}, "warning"},
		"of the operator":    {[]string{config, "--rules.file=" + write(operator)}, 0, []string{"rules.yaml: fits the configuration"}, "warning"},
		"edited":             {[]string{config, "--rules.file=" + write(edited)}, 0, []string{"AccessAnalyzerExporterShardMissing: not as in this version"}, "fits"},
		"without a file":     {[]string{config, "--rules.file=/missing"}, 1, []string{"/missing"}, "fits"},
		"a device":           {[]string{config, "--rules.file=/dev/zero"}, 1, []string{"/dev/zero: not a regular file or a pipe"}, "fits"},
		"without rules":      {[]string{config, "--rules.file=" + config}, 1, []string{config + ": has no rules"}, "fits"},
		"not YAML":           {[]string{config, "--rules.file=" + write("a: [")}, 1, []string{"rules.yaml: "}, "fits"},
		"other": {[]string{config, "--rules.file=" + rulesFile}, 0, []string{
			": warning: job:aws_access_analyzer_coverage:seen, account:aws_access_analyzer_account_info:name, target:aws_access_analyzer_coverage:covered and ",
			" more: cluster, namespace, job instead of cluster, organization, job (rules.identity)\n",
			": warning: AccessAnalyzerExporterDown, AccessAnalyzerExporterAbsent: \".*access-analyzer-exporter.*\" instead of \"iam-.*\" (rules.job)\n",
			": warning: AccessAnalyzerInternalAccessUncovered: excluded by the configuration (coverage.internal.required)\n",
			": warning: AccessAnalyzerFindingTooOld: excluded by the configuration (rules.leave_out)\n",
			": warning: AccessAnalyzerCoverageNotUpdated: 15m instead of 25m (sweep.interval, sweep.timeout and stale_after)\n",
			": warning: AccessAnalyzerExporterSweepStalled: 1h instead of 4h (sweep.interval)\n",
			": warning: AccessAnalyzerExporterSweepStalled: 7200 instead of 28800 (findings.interval)\n",
		}, "AccessAnalyzerAccountUncovered: excluded"},
		"missing": {[]string{"../../config.yaml", "--rules.file=" + write(string(rulesFor(t, "--config.file="+lab.WriteFile(t, "rules: {leave_out: [AccessAnalyzerFindingTooOld]}"))))}, 0, []string{
			": warning: AccessAnalyzerFindingTooOld: missing\n",
		}, "fits"},
	} {
		t.Run(name, func(t *testing.T) {
			var out lab.Buffer
			code := cli.Run(t.Context(), append([]string{"check-config"}, test.args...), io.Writer(&out), &out)
			if code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			for _, want := range test.says {
				if !strings.Contains(out.String(), want) {
					t.Errorf("does not say %q:\n%s", want, out.String())
				}
			}
			if strings.Contains(out.String(), test.not) {
				t.Errorf("says %q:\n%s", test.not, out.String())
			}
		})
	}
}
