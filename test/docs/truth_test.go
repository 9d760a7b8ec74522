package docs_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/iampolicy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

var (
	// fileArgument is a file of the repository in a command.
	fileArgument = regexp.MustCompile(`(?:^|[\s='"])(?:fileb?://|\$PWD/)?((?:[a-z][\w.-]*/)+[\w.-]+\.(?:yaml|yml|json|tf|go))\b`)
	// scriptCommand is a command that is a file of the repository.
	scriptCommand = regexp.MustCompile(`(?m)(?:^ *|\$\()((?:deploy|test|tools)/[\w./-]+)`)
	changeOfPath  = regexp.MustCompile(`(?m)^ *cd ([\w./-]+)$`)
)

// TestCommandsNameFilesThatExist requires that commands find their files where a reader
// runs them: at the root of the repository, or in the directory that the block changes to.
func TestCommandsNameFilesThatExist(t *testing.T) {
	found := 0
	for path, text := range documents(t) {
		for _, block := range shellFence.FindAllStringSubmatch(text, -1) {
			directory := ""
			if m := changeOfPath.FindStringSubmatch(block[1]); m != nil {
				directory = m[1]
			}
			matches := append(fileArgument.FindAllStringSubmatch(block[1], -1), scriptCommand.FindAllStringSubmatch(block[1], -1)...)
			for _, m := range matches {
				found++
				if _, err := os.Stat(filepath.Join(lab.Root, directory, m[1])); err != nil {
					t.Errorf("%s: no file %s at %q", path, m[1], "/"+directory)
				}
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d files in commands", found)
	}
}

// TestCommandsNameParametersOfTemplates compares the parameters in commands with those of
// the CloudFormation template that the command deploys.
func TestCommandsNameParametersOfTemplates(t *testing.T) {
	template := regexp.MustCompile(`--template-(?:file |body file://)(\S+)`)
	parameter := regexp.MustCompile(`ParameterKey=(\w+)`)
	found := 0
	for path, text := range documents(t) {
		for _, block := range shellFence.FindAllStringSubmatch(text, -1) {
			for command := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", " ")) {
				file := template.FindStringSubmatch(command)
				if file == nil {
					continue
				}
				b, err := os.ReadFile(filepath.Join(lab.Root, file[1]))
				if err != nil {
					t.Error(err)
					continue
				}
				_, overrides, _ := strings.Cut(command, "--parameter-overrides ")
				names := regexp.MustCompile(`(?:^| |")([A-Z]\w+)=`).FindAllStringSubmatch(overrides, -1)
				for _, m := range append(names, parameter.FindAllStringSubmatch(command, -1)...) {
					found++
					if !strings.Contains(string(b), "\n  "+m[1]+":\n    Type: ") {
						t.Errorf("%s: %s has no parameter %s", path, file[1], m[1])
					}
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d parameters", found)
	}
}

// TestCommandsNameTheNamespace requires that commands for the release and its objects name
// the namespace of docs/install.md, or all.
func TestCommandsNameTheNamespace(t *testing.T) {
	command, found := regexp.MustCompile(`(?m)(?:^ *|\$\(|\x60)((?:helm (?:install|upgrade|test|get)|kubectl [a-z-]+) [^\n;|)\x60]+)`), 0
	for path, text := range documents(t) {
		text = strings.ReplaceAll(text, "\\\n", " ")
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			found++
			if !regexp.MustCompile(`-n monitoring|--namespace monitoring| -A\b|…`).MatchString(m[1]) {
				t.Errorf("%s names no namespace: %s", path, m[1])
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d commands", found)
	}
}

// TestSecurityNamesWhatIsNotRead requires that SECURITY.md names every action that
// iam-policy can print and that is not one of reading.
func TestSecurityNamesWhatIsNotRead(t *testing.T) {
	policies, err := json.Marshal(iampolicy.For(iampolicy.Options{
		ListAccounts: true, Administrators: true, OtherOrganizations: true, OUNames: true, AccountTags: true,
		MemberRole: "arn:aws:iam::*:role/a", Roles: []string{"arn:aws:iam::111122223333:role/b"},
		Findings: true, AccountPolicies: true, OrganizationPolicies: true, AccessNotGranted: true, NoNewAccess: true,
		Queue: "arn:aws:sqs:eu-west-1:111122223333:c", SessionTags: true,
	}))
	if err != nil {
		t.Fatal(err)
	}
	text, found := documents(t)["SECURITY.md"], 0
	for _, m := range regexp.MustCompile(`"((?:[a-z]+-)*[a-z]+:([A-Z][A-Za-z]+))"`).FindAllStringSubmatch(string(policies), -1) {
		if regexp.MustCompile(`^(List|Get|Describe)`).MatchString(m[2]) {
			continue
		}
		if found++; !strings.Contains(text, "`"+m[1]+"`") {
			t.Errorf("SECURITY.md does not name the action %s", m[1])
		}
	}
	if found < 5 {
		t.Errorf("only %d actions", found)
	}
}

// TestContributingNamesEveryPackage requires a row for each package below internal.
func TestContributingNamesEveryPackage(t *testing.T) {
	directories, err := os.ReadDir(filepath.Join(lab.Root, "internal"))
	if err != nil {
		t.Fatal(err)
	}
	text := documents(t)["CONTRIBUTING.md"]
	for _, d := range directories {
		if !strings.Contains(text, "`internal/"+d.Name()+"`") {
			t.Errorf("CONTRIBUTING.md does not name internal/%s", d.Name())
		}
	}
}

// TestCompatibilityNamesTestedVersions compares the versions that docs/compatibility.md
// calls tested with those that the tests are built from.
func TestCompatibilityNamesTestedVersions(t *testing.T) {
	text := documents(t)["docs/compatibility.md"]
	for _, test := range []struct{ file, version, say string }{
		// Prometheus 3.11 is v0.311 as a module.
		{"test/paging/go.mod", `prometheus/prometheus v0\.(\d)(\d+)\.`, "rule engine of $1.$2"},
		{"test/paging/go.mod", `prometheus/alertmanager v(\d+\.\d+)\.`, "dispatcher of $1"},
		{"deploy/helm/go.mod", `helm\.sh/helm/v3 v(\d+\.\d+)\.`, "| $1 |"},
		{"test/otel/go.mod", `collector/otelcol v(\d+\.\d+)\.`, "OpenTelemetry Collector $1"},
		{"deploy/terraform/testdata/aws.json", `"provider": "([\d.]+)"`, "schema of AWS provider $1"},
		{".github/workflows/ci.yaml", `terraform_version: (\d+\.\d+)\.`, "evaluation with $1"},
		{"go.mod", `(?m)^go (\d+\.\d+)`, "| Go, to build it | $1 and later | $1 |"},
	} {
		b, err := os.ReadFile(filepath.Join(lab.Root, test.file))
		if err != nil {
			t.Fatal(err)
		}
		pattern := regexp.MustCompile(test.version)
		m := pattern.FindSubmatchIndex(b)
		if m == nil {
			t.Errorf("%s has no %s", test.file, test.version)
			continue
		}
		if say := string(pattern.Expand(nil, []byte(test.say), b, m)); !strings.Contains(text, say) {
			t.Errorf("docs/compatibility.md does not have %q, which %s has", say, test.file)
		}
	}
}
