package prometheus

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// policyMutants are faults in the rules on policies.
var policyMutants = []struct{ name, old, new string }{
	{"first counts are new", "- last_over_time(account_policy_type:aws_access_analyzer_policy_findings:max[1d] offset 1d) > 0", "- (last_over_time(account_policy_type:aws_access_analyzer_policy_findings:max[1d] offset 1d) or 0 * account_policy_type:aws_access_analyzer_policy_findings:max) > 0"},
	{"a short memory", "findings:max[1d] offset 1d", "findings:max[1h] offset 1d"},
	{"findings stay new", "findings:max[1d] offset 1d", "findings:max[1d] offset 2d"},
	{"suggestions count", `finding_type=~"ERROR|SECURITY_WARNING"`, `finding_type=~".+"`},
	{"replicas are added", "max by (cluster, namespace, job, account_id, policy_type, finding_type)", "sum by (cluster, namespace, job, account_id, policy_type, finding_type)"},
	{"new findings have no exporter", "sum by (cluster, namespace, job, finding_type)", "sum by (job, finding_type)"},
	{"new findings have no account", "sum by (account_id, policy_type) (account_policy_type", "sum by (policy_type) (account_policy_type"},
	{"new findings resolve late", "alert: AccessAnalyzerNewPolicyFinding\n        expr: |\n          sum by (cluster, namespace, job, finding_type) (account_policy_type:aws_access_analyzer_policy_findings:increase1d)\n        keep_firing_for: 30m", "alert: AccessAnalyzerNewPolicyFinding\n        expr: |\n          sum by (cluster, namespace, job, finding_type) (account_policy_type:aws_access_analyzer_policy_findings:increase1d)\n        keep_firing_for: 2d"},
	{"a restart forgets the last success", "seconds[1d])) > time() - 176400", "seconds[1m])) > time() - 176400"},
	{"late", "> time() - 176400", "> time() - 352800"},
	{"early", "> time() - 176400", "> time() - 88200"},
	{"new accounts are stale", "offset 49h", "offset 1h"},
	{"other operations count", `operation=~"GetAccountAuthorizationDetails|ListPolicies|DescribePolicy|ValidatePolicy"`, `operation=~".+"`},
	{"disabled is stale", "seconds\n            or aws_access_analyzer_policies_unvalidated\n", "seconds\n            or last_over_time(aws_access_analyzer_policies_unvalidated[3d])\n"},
	{"stale policies have no exporter", "count by (cluster, namespace, job) (account:aws_access_analyzer_policies", "count by (job) (account:aws_access_analyzer_policies"},
	{"stale policies resolve late", "seconds:stale)\n        keep_firing_for: 30m", "seconds:stale)\n        keep_firing_for: 2d"},
}

// TestPolicyMutants checks that the cases of the alerts on policies find each fault.
func TestPolicyMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute of processor time")
	}
	rules := groupsOf(t, "access-analyzer-memory", "access-analyzer-policies")
	cases, err := os.ReadFile("tests/policies.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range policyMutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			mutant := strings.ReplaceAll(rules, m.old, m.new)
			if mutant == rules {
				t.Fatalf("%s does not have %q", rulesFile, m.old)
			}
			dir := t.TempDir()
			for name, text := range map[string]string{"rules.yaml": mutant, "tests/policies.yaml": string(cases)} {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			out, err := exec.CommandContext(t.Context(), tool.Path(t, "promtool"), "test", "rules", filepath.Join(dir, "tests/policies.yaml")).CombinedOutput()
			if err == nil || !strings.Contains(string(out), "FAILED") || !strings.Contains(string(out), "exp:") {
				t.Errorf("not found: %v\n%.1000s", err, out)
			}
		})
	}
}

// groupsOf returns a rule file with some of the groups: promtool evaluates all there are.
func groupsOf(t *testing.T, names ...string) string {
	t.Helper()
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	text := "groups:\n"
	for _, group := range strings.Split(string(rules), "\n  - name: ")[1:] {
		if name, _, _ := strings.Cut(group, "\n"); slices.Contains(names, name) {
			text += "  - name: " + group + "\n"
		}
	}
	return text
}
