package docs_test

import (
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/awscli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

var (
	// Fences in lists are indented.
	shellFence = regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```$")
	// Blocks of nothing but variables.
	assignments = regexp.MustCompile(`^(?:\w+=.*\n)+$`)
	// Remedies are documented so.
	inlineAWS = regexp.MustCompile("`(aws [^`]+)`")
)

// TestCommandsOfTheAWSCLI runs the shell commands of each document in order, as a
// reader would, and checks those of the AWS CLI. Later blocks use variables of
// earlier ones.
func TestCommandsOfTheAWSCLI(t *testing.T) {
	docs := documents(t)
	operations := map[string]string{}
	for path, text := range docs {
		var script strings.Builder
		for _, m := range shellFence.FindAllStringSubmatch(text, -1) {
			runbook := strings.HasPrefix(path, "docs/runbooks/")
			if runbook || strings.Contains(m[1], "aws ") || assignments.MatchString(m[1]) {
				script.WriteString(m[1])
			}
		}
		for _, m := range inlineAWS.FindAllStringSubmatch(text, -1) {
			script.WriteString(m[1] + "\n")
		}
		if !strings.Contains(script.String(), "aws ") {
			continue
		}
		t.Run(path, func(t *testing.T) {
			for _, call := range awscli.Check(t, script.String()) {
				name := awscli.Operation(call)
				operations[name] = name + strings.TrimPrefix(operations[name], name)
				if slices.Contains(call, "--query") {
					operations[name] = name + " query"
				}
			}
		})
	}
	for name := range awscli.Local {
		delete(operations, name)
	}
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(operations)) {
		list.WriteString(operations[name] + "\n")
	}
	lab.Golden(t, "../awscli/testdata/operations.txt", []byte(list.String()))
}

// TestRunbooksStateCosts checks that a page which creates a billed analyzer says
// so, and that it does not create one in several Regions.
func TestRunbooksStateCosts(t *testing.T) {
	billed := 0
	for path, text := range documents(t) {
		if !strings.HasPrefix(path, "docs/runbooks/") || !strings.Contains(text, "create-analyzer") {
			continue
		}
		var script strings.Builder
		for _, m := range shellFence.FindAllStringSubmatch(text, -1) {
			script.WriteString(m[1])
		}
		regions := map[string]string{}
		for _, call := range awscli.Run(t, script.String()) {
			option := func(name string) string { return call[slices.Index(call, name)+1] }
			if awscli.Operation(call) != "accessanalyzer create-analyzer" || !slices.Contains(call, "--type") {
				continue
			}
			kind, region := option("--type"), option("--region")
			if !strings.Contains(kind, "UNUSED") && !strings.Contains(kind, "INTERNAL") {
				continue
			}
			billed++
			if regions[kind] != "" && regions[kind] != region {
				t.Errorf("%s creates %s in %s and %s", path, kind, regions[kind], region)
			}
			regions[kind] = region
			if !strings.Contains(text, "AWS bills") {
				t.Errorf("%s creates %s and does not state the cost", path, kind)
			}
		}
	}
	if billed == 0 {
		t.Error("no command creates a billed analyzer: the test finds none")
	}
}

// TestRunbookOfPublicFindingsHasEachResourceType checks that the runbook has
// commands for everything that an external access analyzer reports.
func TestRunbookOfPublicFindingsHasEachResourceType(t *testing.T) {
	text := documents(t)["docs/runbooks/AccessAnalyzerPublicFinding.md"]
	types := awscli.Enum("accessanalyzer.ResourceType")
	if len(types) < 16 {
		t.Fatalf("only %d resource types", len(types))
	}
	for _, kind := range types {
		// Users are in findings of unused and internal access alone.
		if kind != "AWS::IAM::User" && !strings.Contains(text, "`"+kind+"`") {
			t.Errorf("there are no commands for %s", kind)
		}
	}
}

// TestShellCommandsParse checks the syntax of all commands, whatever they run.
func TestShellCommandsParse(t *testing.T) {
	for path, text := range documents(t) {
		for _, m := range shellFence.FindAllStringSubmatch(text, -1) {
			cmd := exec.CommandContext(t.Context(), "/bin/sh", "-n")
			cmd.Stdin = strings.NewReader(m[1])
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %s\n%s", path, out, m[1])
			}
		}
	}
}
