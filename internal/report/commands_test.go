package report

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/web/webtest"
)

// inShell runs a command in a shell whose `aws` prints its arguments, one call a
// line, each argument followed by a bar.
func inShell(t *testing.T, command string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `aws() { for w; do printf '%s|' "$w"; done; echo; }; `+command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
}

func TestCommandsInAShell(t *testing.T) {
	one, two := []string{"eu-west-1"}, []string{"eu-west-1", "us-east-1"}
	for _, test := range []struct {
		name, command string
		calls         []string
	}{
		{
			"external, one Region", createAnalyzer(inventory.External, inventory.AccountScope, one),
			[]string{"accessanalyzer|create-analyzer|--analyzer-name|external-access|--type|ACCOUNT|--region|eu-west-1|"},
		},
		{
			"external, two Regions", createAnalyzer(inventory.External, inventory.OrganizationScope, two),
			[]string{
				"accessanalyzer|create-analyzer|--analyzer-name|organization-external-access|--type|ORGANIZATION|--region|eu-west-1|",
				"accessanalyzer|create-analyzer|--analyzer-name|organization-external-access|--type|ORGANIZATION|--region|us-east-1|",
			},
		},
		{
			"unused", createAnalyzer(inventory.Unused, inventory.OrganizationScope, one),
			[]string{`accessanalyzer|create-analyzer|--analyzer-name|organization-unused-access|--type|ORGANIZATION_UNUSED_ACCESS|--configuration|{"unusedAccess":{"unusedAccessAge":90}}|--region|eu-west-1|`},
		},
		{
			"internal", createAnalyzer(inventory.Internal, inventory.AccountScope, one),
			[]string{`accessanalyzer|create-analyzer|--analyzer-name|internal-access|--type|ACCOUNT_INTERNAL_ACCESS|--configuration|{"internalAccess":{"analysisRule":{"inclusions":[{"resourceTypes":["AWS::S3::Bucket"]}]}}}|--region|eu-west-1|`},
		},
		{
			"Regions with names that break out", inRegions([]string{"a'; aws owned; '", "$(aws owned)"}, "aws x"),
			[]string{"x|--region|a'; aws owned; '|", "x|--region|$(aws owned)|"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := inShell(t, test.command); !slices.Equal(got, test.calls) {
				t.Errorf("%s\ncalls\n%s\nwant\n%s", test.command, strings.Join(got, "\n"), strings.Join(test.calls, "\n"))
			}
		})
	}
}

func TestNamesStayOneWordOfACommand(t *testing.T) {
	for _, name := range []string{
		"'; aws owned; '", "$(aws owned)", "`aws owned`", `"; aws owned; "`, "a && aws owned", "\\", "a\\'b", "*", "~", "!!", "#x", "",
		"a  b", "back\\\\slash", webtest.Script,
	} {
		if got := inShell(t, "aws "+quoted(name)); len(got) != 1 || got[0] != name+"|" {
			t.Errorf("%q becomes %q", name, got)
		}
	}
	for _, name := range []string{"line\nbreak; aws owned", "nul\x00", "esc\x1b[31m", "turn\u202ed"} {
		if got := inShell(t, "aws "+quoted(name)); len(got) != 1 || got[0] != Printable(name)+"|" {
			t.Errorf("%q becomes %q", name, got)
		}
	}
}

func TestRepair(t *testing.T) {
	s := Of(webtest.Organization(time.Now()))
	own, management := "security (210000000002)", "management (210000000001)"
	for _, test := range []struct {
		status, reason, managedBy, kind string
		advice, command, runIn          string
	}{
		{"CREATING", "", "", "ACCOUNT", "AWS is still creating it", "aws accessanalyzer get-analyzer --analyzer-name main --region eu-west-1", own},
		{"DISABLED", "AWS_SERVICE_ACCESS_DISABLED", "", "ORGANIZATION", "lost its trusted access", "aws organizations enable-aws-service-access --service-principal access-analyzer.amazonaws.com", "the management account"},
		{"DISABLED", "DELEGATED_ADMINISTRATOR_DEREGISTERED", "", "ORGANIZATION", "no longer a delegated administrator", "aws accessanalyzer create-analyzer --analyzer-name organization-external-access --type ORGANIZATION --region eu-west-1", management},
		{"DISABLED", "ORGANIZATION_DELETED", "", "ORGANIZATION", "organization was deleted", "aws accessanalyzer create-analyzer --analyzer-name external-access --type ACCOUNT --region eu-west-1", "each of the accounts"},
		{"DISABLED", "", "", "ORGANIZATION", "This shows its state", "aws accessanalyzer get-analyzer --analyzer-name main --region eu-west-1", own},
		{"FAILED", "SERVICE_LINKED_ROLE_CREATION_FAILED", "", "ACCOUNT", "could not create its service-linked role", "aws iam create-service-linked-role --aws-service-name access-analyzer.amazonaws.com", own},
		{"FAILED", "", "", "ACCOUNT", "delete and re-create it", "aws accessanalyzer get-analyzer --analyzer-name main --region eu-west-1", own},
		{"FAILED", "", "securityhubv2.amazonaws.com", "ACCOUNT_UNUSED_ACCESS", "managed by securityhubv2.amazonaws.com", "aws accessanalyzer get-analyzer --analyzer-name main --region eu-west-1", own},
		{"PAUSED", "", "", "ACCOUNT", "This shows its state", "aws accessanalyzer get-analyzer --analyzer-name main --region eu-west-1", own},
	} {
		t.Run(test.status+test.reason+test.managedBy, func(t *testing.T) {
			a := &inventory.Analyzer{
				AccountID: webtest.ID(1), Region: "eu-west-1", Name: "main",
				Status: test.status, StatusReason: test.reason, ManagedBy: test.managedBy, Type: test.kind,
			}
			advice, command, runIn, steps := s.repair(a, []string{"eu-west-1"})
			if !strings.Contains(advice, test.advice) || command != test.command || runIn != test.runIn {
				t.Errorf("%s\n%s\n%s", advice, command, runIn)
			}
			var commands []string
			for _, step := range steps {
				commands = append(commands, step.Command)
			}
			if replaced := test.status == "FAILED" && test.managedBy == ""; replaced != (strings.Join(commands, "\n") == replacement) || !replaced && len(steps) > 0 {
				t.Errorf("steps\n%s", strings.Join(commands, "\n"))
			}
		})
	}
}

// The command that deletes is pasted alone, after one that shows what is lost.
const replacement = "aws accessanalyzer list-archive-rules --analyzer-name main --region eu-west-1\n" +
	"aws accessanalyzer delete-analyzer --analyzer-name main --region eu-west-1\n" +
	"aws accessanalyzer create-analyzer --analyzer-name main --type ACCOUNT --region eu-west-1"
