package simaws_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws/sdktest"
)

// awsCLI finds the AWS CLI, an independent client. It is required where all checks
// must run.
func awsCLI(t *testing.T) string {
	t.Helper()
	// Debian's path first, because a version manager's shim may precede it.
	for _, name := range []string{"/usr/bin/aws", "aws"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("the AWS CLI is missing: apt-get install awscli")
	}
	t.Skip("the AWS CLI is not installed (apt-get install awscli)")
	return ""
}

// cli runs the AWS CLI and returns its output, with times in the format of version
// 2; version 1 does not convert them by default.
func cli(t *testing.T, path string, environ []string, args ...string) (stdout []byte, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, args...)
	config := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(config, []byte("[default]\ncli_timestamp_format = iso8601\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(environ, "AWS_PAGER=", "AWS_CONFIG_FILE="+config)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.Bytes(), strings.TrimSpace(errs.String()), err
}

func TestAWSCLI(t *testing.T) {
	path := awsCLI(t)
	w := sdktest.NewWorldWithFindings()
	w.PageSizes = map[string]int{
		"ListAccounts": 3, "ListAnalyzers": 2, "ListFindings": 4, "GetAccountAuthorizationDetails": 2, "ListPolicies": 1, "ValidatePolicy": 1,
	}
	w.Organization.Policies = []*simaws.OrganizationPolicy{{ID: "p-regions0", Name: "regions", Type: simaws.ServiceControlPolicy, Document: "{}"}}
	security := w.Account(sdktest.Security)
	security.Roles = []*simaws.Role{{Name: "a", Trust: "{}"}, {Name: "b", Trust: "{}"}, {Name: "c", Trusts: []string{"*"}}}
	security.Policies = []*simaws.ManagedPolicy{{Name: "d", Versions: []string{`{"Statement":[{"Resource":"arn:aws:s3:::ä b/*"}]}`}}}
	w.Analyzers = append(w.Analyzers, &simaws.Analyzer{
		AccountID: sdktest.Workload, Region: "eu-south-1", Name: "elsewhere", Type: "ACCOUNT", Status: "ACTIVE", CreatedAt: sdktest.Epoch,
	})
	w.Account(sdktest.Workload).Regions = simaws.Regions("eu-south-1")
	w.Analyzer(sdktest.ExternalARN).CreatedAt = sdktest.Epoch
	w.Analyzer(sdktest.ExternalARN).ArchiveRules = []*simaws.ArchiveRule{
		{Name: "partner", Filter: map[string]simaws.Criterion{"principal.AWS": {Eq: []string{"999999999999"}}}, CreatedAt: sdktest.Epoch, UpdatedAt: sdktest.Epoch},
	}
	s := sdktest.Start(t, w, simaws.Options{Region: "eu-west-1"})
	// Versions before 2.13 ignore AWS_ENDPOINT_URL.
	endpoint := []string{"--endpoint-url", s.URL(), "--output", "json"}

	for _, test := range []struct {
		args  string
		query string // JMESPath
		want  string
	}{
		{"sts get-caller-identity", "[Account, Arn]", `["222222222222","arn:aws:iam::222222222222:user/exporter"]`},
		{"organizations list-accounts", "Accounts[].[Id, Status, JoinedTimestamp]", `[` +
			`["111111111111","ACTIVE","2026-03-01T12:00:00+00:00"],["222222222222","ACTIVE","2026-03-01T12:00:00+00:00"],` +
			`["333333333333","ACTIVE","2026-03-01T12:00:00+00:00"],["444444444444","SUSPENDED","2026-03-01T12:00:00+00:00"]]`},
		{"organizations list-delegated-administrators --service-principal access-analyzer.amazonaws.com", "DelegatedAdministrators[].Name", `["security"]`},
		{"accessanalyzer list-analyzers", "analyzers[].[name, type, status]", `[["external","ORGANIZATION","ACTIVE"],["unused","ORGANIZATION_UNUSED_ACCESS","ACTIVE"],["internal","ORGANIZATION_INTERNAL_ACCESS","ACTIVE"]]`},
		{"accessanalyzer get-analyzer --analyzer-name external", "analyzer.[arn, createdAt]", `["` + sdktest.ExternalARN + `","2026-03-01T12:00:00+00:00"]`},
		{"accessanalyzer list-archive-rules --analyzer-name external", "archiveRules[].[ruleName, filter]", `[["partner",{"principal.AWS":{"eq":["999999999999"]}}]]`},
		{
			"accessanalyzer list-findings --analyzer-arn " + sdktest.ExternalARN + " --filter resourceType={eq=AWS::S3::Bucket}", "findings[].[id, isPublic, error]",
			`[["a-public",true,null],["b-shared",false,null],["d-error",null,"ACCESS_DENIED"],["e-archived",false,null]]`,
		},
		{
			"iam get-account-authorization-details --region us-east-1 --filter Role LocalManagedPolicy",
			"[RoleDetailList[].[RoleName, AssumeRolePolicyDocument.Statement[0].Action], Policies[].[Arn, PolicyVersionList[0].Document.Statement[0].Resource]]",
			`[[["a",null],["b",null],["c","sts:AssumeRole"]],[["arn:aws:iam::222222222222:policy/d","arn:aws:s3:::ä b/*"]]]`,
		},
		{
			"organizations list-policies --filter SERVICE_CONTROL_POLICY", "Policies[].[Id, AwsManaged]",
			`[["p-FullAWSAccess",true],["p-regions0",false]]`,
		},
		{"organizations describe-policy --policy-id p-regions0", "Policy.[PolicySummary.Type, Content]", `["SERVICE_CONTROL_POLICY","{}"]`},
		{
			`accessanalyzer validate-policy --policy-type IDENTITY_POLICY --policy-document {"Statement":{"Effect":"Allow","Action":"iam:PassRole","Resource":"*"}}`,
			"findings[].[findingType, issueCode]", `[["WARNING","MISSING_VERSION"],["SECURITY_WARNING","PASS_ROLE_WITH_STAR_IN_RESOURCE"]]`,
		},
		{
			`accessanalyzer check-access-not-granted --policy-type IDENTITY_POLICY --access actions=iam:PassRole --policy-document {"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}`,
			"result", `"PASS"`,
		},
	} {
		t.Run(test.args, func(t *testing.T) {
			args := append(strings.Fields(test.args), "--query", test.query)
			stdout, stderr, err := cli(t, path, s.Environ(), append(args, endpoint...)...)
			if err != nil {
				t.Fatalf("%v\n%s", err, stderr)
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, stdout); err != nil {
				t.Fatalf("%v\n%s", err, stdout)
			}
			if compact.String() != test.want {
				t.Errorf("got  %s\nwant %s", compact.String(), test.want)
			}
		})
	}
	for _, op := range []string{"ListAccounts", "ListAnalyzers", "GetAccountAuthorizationDetails", "ListPolicies", "ValidatePolicy"} {
		if n := s.CallCount(simaws.CallFilter{Operation: op}); n != 2 {
			t.Errorf("%d calls of %s, want both pages", n, op)
		}
	}

	t.Run("assumed role in another Region", func(t *testing.T) {
		stdout, stderr, err := cli(t, path, s.Environ(), append([]string{
			"sts", "assume-role", "--region", "eu-south-1", "--role-arn", "arn:aws:iam::333333333333:role/exporter", "--role-session-name", "cli",
		}, endpoint...)...)
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr)
		}
		var out struct {
			Credentials struct{ AccessKeyId, SecretAccessKey, SessionToken string }
		}
		if err := json.Unmarshal(stdout, &out); err != nil {
			t.Fatal(err)
		}
		environ := append(s.Environ(), "AWS_ACCESS_KEY_ID="+out.Credentials.AccessKeyId,
			"AWS_SECRET_ACCESS_KEY="+out.Credentials.SecretAccessKey, "AWS_SESSION_TOKEN="+out.Credentials.SessionToken)
		stdout, stderr, err = cli(t, path, environ, append([]string{
			"accessanalyzer", "list-analyzers", "--region", "eu-south-1", "--query", "analyzers[].arn", "--output", "text",
		}, endpoint[:2]...)...)
		if got, want := strings.TrimSpace(string(stdout)), "arn:aws:access-analyzer:eu-south-1:333333333333:analyzer/elsewhere"; err != nil || got != want {
			t.Errorf("got %s, want %s: %v\n%s", got, want, err, stderr)
		}
	})

	for _, test := range []struct{ args, want string }{
		{
			"accessanalyzer get-analyzer --analyzer-name none",
			"An error occurred (ResourceNotFoundException) when calling the GetAnalyzer operation: The specified analyzer could not be found: none",
		},
		{
			"organizations list-accounts --max-items 1 --starting-token bm8",
			"An error occurred (InvalidInputException) when calling the ListAccounts operation: The next token is invalid.",
		},
		{
			"sts assume-role --role-arn arn:aws:iam::333333333333:role/none --role-session-name cli",
			"An error occurred (AccessDenied) when calling the AssumeRole operation: User: arn:aws:iam::222222222222:user/exporter is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::333333333333:role/none",
		},
	} {
		t.Run(test.args, func(t *testing.T) {
			_, stderr, err := cli(t, path, s.Environ(), append(strings.Fields(test.args), endpoint...)...)
			var exit *exec.ExitError
			if !errors.As(err, &exit) || stderr != test.want {
				t.Errorf("%v\ngot  %s\nwant %s", err, stderr, test.want)
			}
		})
	}
}
