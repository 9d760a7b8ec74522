package awscli_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/awscli"
)

func TestProblems(t *testing.T) {
	for _, test := range []struct {
		script string
		want   string // part of the only problem; empty if there is none
	}{
		{"aws accessanalyzer create-analyzer --analyzer-name a --type ACCOUNT", ""},
		{`aws accessanalyzer create-analyzer --analyzer-name a --type ACCOUNT_UNUSED_ACCESS --configuration '{"unusedAccess": {"unusedAccessAge": 90}}'`, ""},
		{"aws accessanalyzer create-analyzer --analyzer-name a --type ACCOUNT --region=eu-west-1", ""},
		{"aws accessanalyzer create-analyser --analyzer-name a --type ACCOUNT", "accessanalyzer create-analyser is not in"},
		{"aws accessanalyzer create-analyzer --name a --analyzer-name a --type ACCOUNT", "--name is not an option"},
		{"aws accessanalyzer create-analyzer --analyzer-name a", "--type is missing"},
		{"aws accessanalyzer create-analyzer --analyzer-name a --type EXTERNAL", `"EXTERNAL" is not one of ACCOUNT, `},
		{"aws accessanalyzer create-analyzer --analyzer-name a b --type ACCOUNT", "takes one value"},
		{"aws accessanalyzer create-analyzer a --analyzer-name a --type ACCOUNT", `"a" follows no option`},
		{"aws accessanalyzer create-analyzer --analyzer-name a --type ACCOUNT --configuration {unusedAccess: {}}", "takes one value"},
		{`aws accessanalyzer create-analyzer --analyzer-name a --type ACCOUNT --configuration '{"unusedAccess": {"age": 90}}'`, "age is not a member"},
		{`aws accessanalyzer create-analyzer --analyzer-name a --type ACCOUNT --configuration '{"unusedAccess": {"unusedAccessAge": "90"}}'`, "it is integer"},
		{`aws accessanalyzer create-analyzer --analyzer-name a --type ACCOUNT --configuration "{'unusedAccess': 1}"`, "not valid JSON"},
		{"aws accessanalyzer list-analyzers --type ACCOUNT --query 'analyzers[?status==`ACTIVE`].[arn,statusReason.code]'", ""},
		{"aws accessanalyzer list-analyzers --query 'Analyzers[].arn'", "the output has no Analyzers"},
		{"aws accessanalyzer list-analyzers --max-items ten --query 'sort_by(analyzers, &createdAt)[].{n: name}'", ""},
		{`aws accessanalyzer list-findings-v2 --analyzer-arn a --filter '{"status": {"eq": ["OPEN"]}}'`, `"OPEN" is not one of`},
		{`aws accessanalyzer list-findings-v2 --analyzer-arn a --filter '{"state": {"eq": ["ACTIVE"]}}'`, "no property state"},
		{"aws s3api put-public-access-block --bucket b --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=yes", "is true or false"},
		{"aws s3api put-public-access-block --bucket b --public-access-block-configuration BlockAcls=true", "BlockAcls is not a member"},
		{"aws s3api put-public-access-block --bucket b --public-access-block-configuration true", "neither JSON nor"},
		{"aws cloudtrail lookup-events --lookup-attributes AttributeKey=Name,AttributeValue=x", `"Name" is not one of`},
		{"aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=x --max-items 5", ""},
		{"aws accessanalyzer update-findings --analyzer-arn a --status ACTIVE --ids x y", ""},
		{"aws accessanalyzer create-analyzer --cli-input-json file://a.json", ""},
		{"aws cloudformation delete-stack-instances --stack-set-name s --regions r --no-retain-stacks", ""},
		{"aws sqs get-queue-attributes --queue-url u --attribute-names Policy --query Attributes.Policy", ""},
		{"aws sso login --profile p", ""},
		{"aws sso login --name p", "--name is not an option"},
	} {
		t.Run(test.script, func(t *testing.T) {
			var got []string
			for _, call := range awscli.Run(t, test.script) {
				got = append(got, awscli.Problems(call)...)
			}
			if test.want == "" && got != nil || test.want != "" && (len(got) != 1 || !strings.Contains(got[0], test.want)) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// recorder is a test that keeps its errors.
type recorder struct {
	testing.TB
	errors string
}

func (r *recorder) Errorf(format string, args ...any) { r.errors += fmt.Sprintf(format, args...) }

func TestRunReportsErrorsOfTheShell(t *testing.T) {
	for script, want := range map[string]string{
		`aws s op --x "$UNSET"`:           "UNSET: parameter not set",
		`aws s op --x 'a`:                 "Unterminated quoted string",
		"deploy/upload; unknown <missing": "",
	} {
		r := &recorder{TB: t}
		awscli.Run(r, script)
		if (want == "") != (r.errors == "") || !strings.Contains(r.errors, want) {
			t.Errorf("%s: %q, want %q", script, r.errors, want)
		}
	}
}

func TestRunKeepsWords(t *testing.T) {
	got := awscli.Run(t, "V='a b'\nfor r in x y; do\n  aws s op --q \"$V\" \\\n    '' --r \"$r\" # comment\ndone\n")
	want := [][]string{{"s", "op", "--q", "a b", "", "--r", "x"}, {"s", "op", "--q", "a b", "", "--r", "y"}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("%q", got)
	}
}
