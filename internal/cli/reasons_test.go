package cli_test

import (
	"bytes"
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// response is what a test sends instead of the simulated AWS.
type response struct {
	status int
	header map[string]string
	body   string
}

// deniedBy is an error of Access Analyzer with a text after that of every denial.
func deniedBy(member, reason string) response {
	return coded(403, "AccessDeniedException", member, "User: arn:aws:sts::222222222222:assumed-role/hub/s is not authorized to perform: "+
		"access-analyzer:ListAnalyzers on resource: arn:aws:access-analyzer:eu-west-1:222222222222:*"+reason)
}

// coded is an error in JSON.
func coded(status int, code, member, text string) response {
	return response{
		status,
		map[string]string{"X-Amzn-ErrorType": code, "X-Amzn-RequestId": "5f3c8a52-0000-4000-8000-000000000001"},
		fmt.Sprintf(`{%q:%q}`, member, text),
	}
}

// stsError is an error of STS.
func stsError(status int, code, text string) response {
	return response{
		status,
		map[string]string{"Content-Type": "text/xml", "X-Amzn-RequestId": "5f3c8a52-0000-4000-8000-000000000002"},
		"<ErrorResponse><Error><Type>Sender</Type><Code>" + code + "</Code><Message>" + text + "</Message></Error></ErrorResponse>",
	}
}

const mayNotAssume = "User: arn:aws:sts::222222222222:assumed-role/hub/s is not authorized to perform: sts:AssumeRole on resource: arn:aws:iam::333333333333:role/exporter"

// page is a response that is not from AWS.
func page(status int, header ...string) response {
	r := response{status, map[string]string{"Content-Type": "text/html"}, "<html><head><style>b {}</style><title>Blocked</title></head><body>by the <b>web filter</b></body></html>"}
	for i := 0; i < len(header); i += 2 {
		r.header[header[i]] = header[i+1]
	}
	return r
}

// intercept serves some responses instead of AWS, by operation.
func intercept(t *testing.T, w *simaws.World, responses map[string]response) {
	t.Helper()
	aws := simaws.New(w, simaws.Options{})
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		instead, ok := responses[operationOf(r, body)]
		if !ok {
			aws.ServeHTTP(w, r)
			return
		}
		for name, value := range instead.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(instead.status)
		_, _ = io.WriteString(w, instead.body)
	}))
	t.Cleanup(front.Close)
	for name, value := range aws.Env() {
		t.Setenv(name, value)
	}
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("AWS_DEFAULT_REGION", "")
	t.Setenv("HOME", t.TempDir())
}

// untrusted directs requests to an endpoint whose certificate is not trusted.
func untrusted(t *testing.T) environment {
	t.Helper()
	inspector := httptest.NewUnstartedServer(http.NotFoundHandler())
	inspector.Config.ErrorLog = log.New(io.Discard, "", 0)
	inspector.StartTLS()
	t.Cleanup(inspector.Close)
	return environment{"AWS_ENDPOINT_URL": inspector.URL}
}

func operationOf(r *http.Request, body []byte) string {
	if form, err := url.ParseQuery(string(body)); err == nil && form.Get("Action") != "" {
		return form.Get("Action")
	}
	if _, operation, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		return operation
	}
	switch r.URL.Path {
	case "/analyzer":
		return "ListAnalyzers"
	case "/listRegions":
		return "ListRegions"
	}
	return r.URL.Path
}

// organizationOf returns an organization whose analyzer covers nothing, so that
// each account has to be read.
func organizationOf() *simaws.World { return lab.NewOrganization(lab.Management, lab.Hub, lab.Alpha) }

const (
	oneRegion  = "regions: {include: [eu-west-1]}\nfindings: {enabled: false}\n"
	membersToo = oneRegion + "accounts: {discovery: organization}\nassume_role: {name: exporter}\n"
)

// environment sets variables; an empty value is as good as none.
type environment map[string]string

var withoutKeys = environment{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}

// profiles writes a shared configuration file and selects a profile of it.
func profiles(t *testing.T, profile string) environment {
	t.Helper()
	key, secret := simaws.New(organizationOf(), simaws.Options{}).Credentials(lab.Alpha)
	config := filepath.Join(t.TempDir(), "config")
	text := `[profile base]
aws_access_key_id = ` + key + `
aws_secret_access_key = ` + secret + `
[profile tooling]
role_arn = arn:aws:iam::222222222222:role/exporter
source_profile = base
[profile sso]
sso_session = corp
sso_account_id = 222222222222
sso_role_name = Audit
[sso-session corp]
sso_start_url = https://example.awsapps.com/start
sso_region = eu-west-1
[profile half]
aws_access_key_id = x
[profile loop]
role_arn = arn:aws:iam::222222222222:role/exporter
source_profile = loop2
[profile loop2]
role_arn = arn:aws:iam::333333333333:role/exporter
source_profile = loop
[profile self]
role_arn = arn:aws:iam::222222222222:role/exporter
source_profile = self
[profile orphan]
role_arn = arn:aws:iam::222222222222:role/exporter
source_profile = missing
[profile nosource]
role_arn = arn:aws:iam::222222222222:role/exporter
[profile bare]
region = eu-west-1
[profile sessionless]
sso_session = missing
sso_account_id = 222222222222
sso_role_name = Audit
[profile process]
credential_process = /bin/sh -c "echo login expired >&2; exit 7"
[profile garbage]
credential_process = /bin/sh -c "echo Signed in, SecretAccessKey s3cr3t"
[profile silent]
credential_process = /bin/sh -c "true"
[profile absent]
credential_process = /nonexistent/credentials
[profile imds]
role_arn = arn:aws:iam::222222222222:role/exporter
credential_source = Ec2InstanceMetadata
[profile ecs]
role_arn = arn:aws:iam::222222222222:role/exporter
credential_source = EcsContainer
[profile long]
role_arn = arn:aws:iam::222222222222:role/exporter
source_profile = base
duration_seconds = 43200
[profile login]
login_session = arn:aws:iam::222222222222:user/someone
[profile services]
services = missing
[profile endpoints]
services = emulator
[services emulator]
sts =
  endpoint_url = localhost:4566
[profile bundle]
ca_bundle = /dev/zero
[profile token]
role_arn = arn:aws:iam::222222222222:role/exporter
web_identity_token_file = /dev/zero
[profile mfa]
role_arn = arn:aws:iam::222222222222:role/exporter
source_profile = base
mfa_serial = arn:aws:iam::222222222222:mfa/user
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return environment{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_CONFIG_FILE": config, "AWS_PROFILE": profile}
}

// webIdentity sets a role with a web identity token.
func webIdentity(t *testing.T) environment {
	t.Helper()
	return environment{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
		"AWS_WEB_IDENTITY_TOKEN_FILE": lab.WriteFile(t, "token"), "AWS_ROLE_ARN": "arn:aws:iam::222222222222:role/exporter",
	}
}

// expiredSSO writes the cached token of an SSO session.
func expiredSSO(t *testing.T) {
	t.Helper()
	cacheSSO(t, `{"startUrl":"https://example.awsapps.com/start","region":"eu-west-1","accessToken":"x","expiresAt":"2024-01-01T00:00:00Z"}`)
}

// cacheSSO writes the file of a cached token; without content, a directory of
// that name.
func cacheSSO(t *testing.T, content string) {
	t.Helper()
	sum := sha1.Sum([]byte("corp"))
	path := filepath.Join(os.Getenv("HOME"), ".aws", "sso", "cache", hex.EncodeToString(sum[:])+".json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if content == "" {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReasons has every cause of a failure, with the line that the user reads.
// testdata/reasons.txt has the lines.
func TestReasons(t *testing.T) {
	type test struct {
		name string
		// config is membersToo unless it is set.
		config    string
		world     *simaws.World
		responses map[string]response
		env       func(*testing.T) environment
	}
	list := func(r response) map[string]response { return map[string]response{"ListAnalyzers": r} }
	assume := func(r response) map[string]response { return map[string]response{"AssumeRole": r} }
	only := func(e environment) func(*testing.T) environment { return func(*testing.T) environment { return e } }
	profile := func(name string) func(*testing.T) environment {
		return func(t *testing.T) environment { return profiles(t, name) }
	}
	identify := func(r response) map[string]response { return map[string]response{"AssumeRoleWithWebIdentity": r} }
	var tests []test
	add := func(name string, responses map[string]response) {
		tests = append(tests, test{name: name, config: oneRegion, responses: responses})
	}
	for _, member := range []string{"message", "Message"} {
		add("denied, SCP, explicit, "+member, list(deniedBy(member, " with an explicit deny in a service control policy: arn:aws:organizations::111111111111:policy/o-exampleorg1/service_control_policy/p-abcd1234")))
		add("denied, SCP, implicit, "+member, list(deniedBy(member, " because no service control policy allows the access-analyzer:ListAnalyzers action")))
		add("denied, identity-based policy, "+member, list(deniedBy(member, " because no identity-based policy allows the access-analyzer:ListAnalyzers action")))
		add("denied, identity-based policy, explicit, "+member, list(deniedBy(member, " with an explicit deny in an identity-based policy")))
		add("denied, permissions boundary, "+member, list(deniedBy(member, " because no permissions boundary allows the access-analyzer:ListAnalyzers action")))
		add("denied, session policy, "+member, list(deniedBy(member, " because no session policy allows the access-analyzer:ListAnalyzers action")))
		add("denied, resource control policy, "+member, list(deniedBy(member, " with an explicit deny in a resource control policy")))
		add("denied, VPC endpoint policy, "+member, list(deniedBy(member, " because no VPC endpoint policy allows the access-analyzer:ListAnalyzers action")))
		add("denied, resource-based policy, "+member, list(deniedBy(member, " because no resource-based policy allows the access-analyzer:ListAnalyzers action")))
	}
	add("denied, explicit, policy not named", list(deniedBy("message", " with an explicit deny")))
	add("denied without a reason", list(deniedBy("message", "")))
	add("denied, code with a URL", list(coded(403, "AccessDeniedException:http://internal.amazon.com/coral/com.amazon.coral.service/", "Message", "with an explicit deny in a service control policy")))
	add("denied, code in the body", list(response{403, nil, `{"__type":"com.amazonaws.accessanalyzer#AccessDeniedException","Message":"with an explicit deny in a service control policy"}`}))
	add("denied, NotAuthorized", list(coded(400, "NotAuthorized", "Message", "You do not have permission to perform this action.")))
	for _, unlisted := range []struct {
		status     int
		code, text string
	}{
		{400, "ValidationException", "1 validation error detected: Value 'X' at 'type' failed to satisfy constraint"},
		{404, "ResourceNotFoundException", "Resource not found"},
		{404, "UnknownOperationException", ""},
	} {
		add("other error of AWS, "+unlisted.code, list(coded(unlisted.status, unlisted.code, "message", unlisted.text)))
	}
	add("not from AWS, 200", list(page(200)))
	add("not from AWS, 302", list(page(302, "Location", "https://portal.example.com/login?token=secret")))
	for _, status := range []int{401, 403, 404, 407, 451, 511} {
		add(fmt.Sprint("not from AWS, ", status), list(page(status)))
	}
	for _, status := range []int{500, 502, 503} {
		env := only(environment{})
		tests = append(tests, test{name: fmt.Sprint("not from AWS, ", status), config: oneRegion, responses: list(page(status)), env: env})
	}
	add("credentials, incomplete signature", list(coded(403, "IncompleteSignatureException", "Message", "Authorization header requires 'Signature' parameter.")))
	add("credentials, wrong secret", list(coded(403, "InvalidSignatureException", "message", "The request signature we calculated does not match the signature you provided.")))
	add("credentials, clock", list(coded(403, "InvalidSignatureException", "message", "Signature expired: 20270301T110000Z is now earlier than 20270301T115500Z (20270301T120000Z - 5 min.)")))
	add("credentials, expired token", map[string]response{"GetCallerIdentity": stsError(403, "ExpiredToken", "The security token included in the request is expired")})
	for _, assumed := range []struct {
		name string
		response
	}{
		{"permissions boundary", stsError(403, "AccessDenied", mayNotAssume+" because no permissions boundary allows the sts:AssumeRole action")},
		{"not from AWS", page(403)},
		{"no reason", stsError(403, "AccessDenied", mayNotAssume)},
		{"identity policy", stsError(403, "AccessDenied", mayNotAssume+" because no identity-based policy allows the sts:AssumeRole action")},
		{"trust policy", stsError(403, "AccessDenied", mayNotAssume+" because no role trust policy allows the sts:AssumeRole action")},
		{"RCP", stsError(403, "AccessDenied", mayNotAssume+" with an explicit deny in a resource control policy")},
		{"SCP", stsError(403, "AccessDenied", mayNotAssume+" with an explicit deny in a service control policy")},
		{"TagSession", stsError(403, "AccessDenied", strings.Replace(mayNotAssume, "sts:AssumeRole", "sts:TagSession", 1))},
		{"TagSession, identity policy", stsError(403, "AccessDenied", strings.Replace(mayNotAssume, "sts:AssumeRole", "sts:TagSession", 1)+" because no identity-based policy allows the sts:TagSession action")},
		{"TagSession, trust policy", stsError(403, "AccessDenied", strings.Replace(mayNotAssume, "sts:AssumeRole", "sts:TagSession", 1)+" because no resource-based policy allows the sts:TagSession action")},
		{"source identity", stsError(403, "AccessDenied", strings.Replace(mayNotAssume, "sts:AssumeRole", "sts:SetSourceIdentity", 1))},
		{"root user", stsError(403, "AccessDenied", "Roles may not be assumed by root accounts.")},
		{"STS not in the Region", stsError(403, "RegionDisabledException", "STS is not activated in this region for account:222222222222. Your account administrator can activate STS in this region using the IAM Console.")},
		{"session tags", stsError(400, "PackedPolicyTooLarge", "Packed size of session tags consumes 103% of allotted space.")},
		{"invalid role", stsError(400, "ValidationError", "1 validation error detected: Value 'a' at 'externalId' failed to satisfy constraint: Member must have length greater than or equal to 2")},
	} {
		tests = append(tests, test{name: "AssumeRole, " + assumed.name, responses: assume(assumed.response)})
	}
	withoutManagementRole, tooling, wrongRole, listed := organizationOf(), organizationOf(), organizationOf(), organizationOf()
	withoutManagementRole.Accounts[0].Roles = nil
	tooling.Caller = simaws.Caller{AccountID: lab.Alpha}
	wrongRole.Analyzers = []*simaws.Analyzer{lab.Analyzer(lab.Hub, "eu-west-1", "ORGANIZATION")}
	listed.Analyzers = wrongRole.Analyzers
	listed.Organization.TrustedServices = append(listed.Organization.TrustedServices, simaws.AccountManagementPrincipal)
	listed.Organization.DelegatedAdmins[simaws.AccountManagementPrincipal] = []string{lab.Hub}
	tests = append(tests,
		test{name: "AssumeRole, wrong name, everything covered, Regions listed by the hub", world: listed, config: oneRegion +
			"accounts: {discovery: organization, exclude: ['111111111111'], organization_admins: ['222222222222']}\nassume_role: {name: exportre}\n"},
		test{name: "AssumeRole, management account without the role", world: withoutManagementRole},
		test{name: "AssumeRole, wrong name, everything covered", world: wrongRole, config: strings.Replace(membersToo, "exporter", "exportre", 1)},
		test{
			name: "AssumeRole, management account without the role, excluded", world: withoutManagementRole,
			config: strings.Replace(membersToo, "organization}", "organization, exclude: ['111111111111'], organization_admins: ['222222222222']}", 1),
		},
		test{
			name: "Regions of members, without trusted access", world: organizationOf(),
			config: oneRegion + "accounts: {discovery: organization}\ncoverage: {external: {scopes: [organization]}}\n",
		},
		test{name: "first run, plain member", world: tooling},
		test{name: "first run, plain member without a configuration", world: tooling, config: oneRegion},
		test{name: "first run, plain member, administrators listed", world: tooling, config: oneRegion + "accounts: {organization_admins: ['222222222222']}\n"},
		test{name: "first run, plain member, own analyzers only", world: tooling, config: oneRegion + "coverage: {external: {scopes: [account]}}\n"},
		test{name: "first run, invalid Region", env: only(environment{"AWS_REGION": "eu west"})},
		test{
			name: "first run, organization not allowed", responses: map[string]response{"ListAccounts": coded(400, "AccessDeniedException", "Message",
				"User: arn:aws:sts::222222222222:assumed-role/hub/s is not authorized to perform: organizations:ListAccounts on resource: * "+
					"because no identity-based policy allows the organizations:ListAccounts action")},
		},
		test{
			name: "first run, organization not delegated", world: tooling, responses: map[string]response{"ListAccounts": coded(400, "AccessDeniedException", "Message",
				"User: arn:aws:sts::333333333333:assumed-role/hub/s is not authorized to perform: organizations:ListAccounts on resource: * "+
					"because no resource-based policy allows the organizations:ListAccounts action")},
		},
		test{name: "first run, TLS inspection", env: untrusted},
		test{name: "first run, unreachable", env: only(environment{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"})},
		test{name: "first run, filter before STS", responses: map[string]response{"GetCallerIdentity": page(302, "Location", "https://portal.example.com/")}},
		test{name: "first run, not in an organization", world: lab.Standalone()},
		test{name: "first run, no credentials", env: only(withoutKeys)},
		test{name: "first run, empty variables", env: only(environment{
			"AWS_PROFILE": "", "AWS_DEFAULT_PROFILE": "", "AWS_SESSION_TOKEN": "", "AWS_ROLE_ARN": "", "AWS_CA_BUNDLE": "", "AWS_CONFIG_FILE": "",
			"AWS_ENDPOINT_URL_STS": "", "AWS_USE_FIPS_ENDPOINT": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "", "HTTPS_PROXY": "", "NO_PROXY": "",
		})},
		test{name: "first run, no such profile", env: profile("nosuch")},
		test{name: "first run, expired SSO session", env: func(t *testing.T) environment { expiredSSO(t); return profiles(t, "sso") }},
		test{name: "first run, credential_process", env: profile("process")},
		test{
			name: "first run, role of a profile", env: profile("tooling"),
			responses: assume(stsError(403, "AccessDenied", strings.Replace(mayNotAssume, "333333333333", lab.Hub, 1))),
		},
		test{
			name: "first run, role of a profile, RCP", env: profile("tooling"),
			responses: assume(stsError(403, "AccessDenied", strings.Replace(mayNotAssume, "333333333333", lab.Hub, 1)+" with an explicit deny in a resource control policy")),
		},
		test{
			name: "first run, no Region", env: only(environment{"AWS_REGION": ""}),
			responses: map[string]response{"GetCallerIdentity": stsError(403, "InvalidClientTokenId", "The security token included in the request is invalid.")},
		},
		test{
			name: "first run, web identity", env: webIdentity,
			responses: map[string]response{"AssumeRoleWithWebIdentity": stsError(403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")},
		},
		test{
			name: "first run, web identity expired", env: webIdentity,
			responses: map[string]response{"AssumeRoleWithWebIdentity": stsError(400, "ExpiredTokenException", "Token expired: current date/time must be before the expiration date/time")},
		},
		test{
			name: "first run, credentials endpoint of a pod", env: only(environment{
				"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/v1/credentials",
			}),
		},
	)
	for _, variable := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		tests = append(tests,
			test{name: "line end in " + variable, env: func(*testing.T) environment { return environment{variable: os.Getenv(variable) + "\n"} }},
			test{name: "space in " + variable, env: func(*testing.T) environment { return environment{variable: "a " + os.Getenv(variable)} }})
	}
	for _, variable := range []environment{
		{"AWS_ENDPOINT_URL": "localhost:7001"},
		{"AWS_ENDPOINT_URL": "localhost"},
		{"AWS_ENDPOINT_URL_STS": "//sts.example.com"},
		{"AWS_ENDPOINT_URL_SQS": "http:/x"},
		{"AWS_ENDPOINT_URL": "localhost", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true", "AWS_EC2_METADATA_DISABLED": "true"},
		{"AWS_CA_BUNDLE": "/nonexistent/ca.pem"},
		{"AWS_CA_BUNDLE": os.DevNull},
		{"AWS_ACCESS_KEY_ID": "x"},
		{"AWS_SECRET_ACCESS_KEY": "x"},
		{"AWS_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "x"},
		{"AWS_SESSION_TOKEN": "x"},
		{"AWS_ROLE_ARN": "arn:aws:iam::222222222222:role/exporter"},
		{"AWS_CONFIG_FILE": "/nonexistent/aws"},
		{"AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/aws"},
		{"AWS_CONFIG_FILE": "/dev/zero"},
		{"AWS_SHARED_CREDENTIALS_FILE": "/"},
		{"AWS_CA_BUNDLE": "/dev/zero"},
		{"AWS_WEB_IDENTITY_TOKEN_FILE": "/dev/zero", "AWS_ROLE_ARN": "arn:aws:iam::222222222222:role/exporter"},
		{"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "v2/credentials/1"},
		{"AWS_EC2_METADATA_SERVICE_ENDPOINT": "192.0.2.1"},
		{"AWS_MAX_ATTEMPTS": "many"},
		{"HTTPS_PROXY": "http://user:s3cr3t@:proxy"},
		{"https_proxy": "socks4://proxy.example.com"},
		{"AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent/token"},
		{"AWS_WEB_IDENTITY_TOKEN_FILE": "/nonexistent/token", "AWS_ROLE_ARN": "arn:aws:iam::222222222222:role/exporter"},
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/nonexistent/token"},
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "x\n"},
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/x"},
		{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "127.0.0.1"},
	} {
		env := environment{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
		maps.Copy(env, variable)
		tests = append(tests, test{name: fmt.Sprintf("environment %q", variable), env: only(env)})
	}
	for _, name := range []string{"half", "loop", "self", "orphan", "sessionless", "nosource", "bare"} {
		tests = append(tests, test{name: "profile, " + name, env: profile(name)})
	}
	for _, name := range []string{"garbage", "silent", "absent", "imds", "ecs", "mfa", "login", "services", "endpoints", "bundle", "token"} {
		tests = append(tests, test{name: "profile, " + name, env: profile(name)})
	}
	const validSSO = `{"accessToken":"x","expiresAt":"2124-01-01T00:00:00Z"}`
	const oldSSO = `{"accessToken":"x","expiresAt":"2024-01-01T00:00:00Z","clientId":"x","clientSecret":"x","refreshToken":"x"}`
	sso := func(content string) func(*testing.T) environment {
		return func(t *testing.T) environment {
			cacheSSO(t, content)
			env := profiles(t, "sso")
			env["AWS_ENDPOINT_URL_SSO"], env["AWS_ENDPOINT_URL_SSO_OIDC"] = os.Getenv("AWS_ENDPOINT_URL"), os.Getenv("AWS_ENDPOINT_URL")
			return env
		}
	}
	role := func(r response) map[string]response { return map[string]response{"/federation/credentials": r} }
	renew := func(r response) map[string]response { return map[string]response{"/token": r} }
	tests = append(tests,
		test{name: "SSO, broken cache", env: sso("{")},
		test{name: "SSO, empty cache", env: sso("{}")},
		test{name: "SSO, unreadable cache", env: sso("")},
		test{name: "SSO, session ended", env: sso(validSSO), responses: role(coded(401, "UnauthorizedException", "message", "Session token not found or invalid"))},
		test{name: "SSO, role not assigned", env: sso(validSSO), responses: role(coded(403, "ForbiddenException", "message", "No access"))},
		test{name: "SSO, no such account", env: sso(validSSO), responses: role(coded(404, "ResourceNotFoundException", "message", "Account not found"))},
		test{name: "SSO, throttled", env: sso(validSSO), responses: role(coded(429, "TooManyRequestsException", "message", "HTTP 429 Unknown Code"))},
		test{name: "SSO, not from AWS", env: sso(validSSO), responses: role(page(403))},
		test{name: "SSO, refresh token ended", env: sso(oldSSO), responses: renew(response{400, map[string]string{"X-Amzn-ErrorType": "InvalidGrantException"}, `{"error":"invalid_grant","error_description":"Invalid refresh token provided"}`})},
		test{name: "SSO, refresh throttled", env: sso(oldSSO), responses: renew(response{400, map[string]string{"X-Amzn-ErrorType": "SlowDownException"}, `{"error":"slow_down","error_description":"Too many requests"}`})},
		test{name: "SSO, refresh not from AWS", env: sso(oldSSO), responses: renew(page(403))},
		test{name: "SSO, refresh with a server error", env: sso(oldSSO), responses: renew(page(503))},
		test{name: "SSO, refresh redirected", env: sso(oldSSO), responses: renew(page(302, "Location", "https://portal.example.com/"))},
		test{name: "SSO, refresh unreachable", env: func(t *testing.T) environment {
			env := sso(oldSSO)(t)
			env["AWS_ENDPOINT_URL_SSO_OIDC"] = "http://127.0.0.1:1"
			return env
		}},
		test{name: "SSO, redirected", env: sso(validSSO), responses: role(page(307, "Location", "https://portal.example.com/"))},
		test{name: "own role, chained for too long", env: profile("long"), responses: assume(stsError(400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."))},
		test{name: "AssumeRole, expired hub session", responses: assume(stsError(403, "ExpiredToken", "The security token included in the request is expired"))},
		test{name: "session of a role, expired", responses: list(coded(403, "ExpiredTokenException", "message", "The security token included in the request is expired"))},
		test{name: "AssumeRole, session of a deleted role", responses: assume(stsError(403, "InvalidClientTokenId", "The security token included in the request is invalid."))},
		test{name: "AssumeRole, session policy invalid", responses: assume(stsError(400, "MalformedPolicyDocument", "Syntax errors in policy."))},
		test{name: "AssumeRole, server error in HTML", env: only(environment{}), responses: assume(page(503))},
		test{name: "clock, RequestTimeTooSkewed", responses: map[string]response{"GetCallerIdentity": stsError(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")}},
		test{name: "clock, SignatureDoesNotMatch", responses: map[string]response{"GetCallerIdentity": stsError(403, "SignatureDoesNotMatch", "Signature not yet current: 20270301T120000Z is still later than 20270301T110500Z (20270301T110000Z + 5 min.)")}},
		test{name: "wrong secret", responses: map[string]response{"GetCallerIdentity": stsError(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.")}},
		test{name: "endpoint of another Region", responses: map[string]response{"GetCallerIdentity": stsError(403, "SignatureDoesNotMatch", "Credential should be scoped to a valid region. ")}},
		test{name: "endpoint of another service", config: oneRegion, responses: list(coded(403, "InvalidSignatureException", "message", "Credential should be scoped to correct service: 'sts'. "))},
		test{name: "account without a subscription", config: oneRegion, responses: list(coded(403, "SubscriptionRequiredException", "message", "The AWS Access Key Id needs a subscription for the service"))},
		test{name: "account not opted in", config: oneRegion, responses: list(coded(403, "OptInRequired", "message", "You are not subscribed to this service. Please go to http://aws.amazon.com to subscribe."))},
		test{name: "limit exceeded", env: only(environment{}), config: "sweep: {timeout: 1s}\n" + oneRegion, responses: list(coded(400, "LimitExceededException", "message", "Rate exceeded"))},
		test{name: "not from AWS, 421", config: oneRegion, responses: list(page(421))},
		test{name: "not from AWS, 408", config: oneRegion, responses: list(page(408))},
		test{name: "not from AWS, 429", env: only(environment{}), config: "sweep: {timeout: 1s}\n" + oneRegion, responses: list(page(429))},
		test{name: "not from AWS, 204", config: oneRegion, responses: list(response{204, nil, ""})},
		test{name: "not from AWS, 200 text", config: oneRegion, responses: list(response{200, map[string]string{"Content-Type": "text/plain"}, `OK`})},
		test{name: "not from AWS, 400 text", config: oneRegion, responses: list(response{400, map[string]string{"Content-Type": "text/plain"}, `The plain HTTP request was sent to HTTPS port`})},
		test{name: "Organizations, endpoint", responses: map[string]response{"ListAccounts": coded(400, "UnsupportedAPIEndpointException", "Message", "This action isn't available in the current AWS Region.")}},
		test{name: "web identity, wrong role ARN", env: func(t *testing.T) environment {
			return environment{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_WEB_IDENTITY_TOKEN_FILE": lab.WriteFile(t, "token"), "AWS_ROLE_ARN": "exporter"}
		}, responses: map[string]response{"AssumeRoleWithWebIdentity": stsError(400, "ValidationError", "Request ARN is invalid")}},
		test{name: "web identity, audience", env: webIdentity, responses: identify(stsError(400, "InvalidIdentityToken", "Incorrect token audience"))},
		test{name: "web identity, keys", env: webIdentity, responses: identify(stsError(400, "InvalidIdentityToken", "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements"))},
		test{name: "web identity, provider not reached", env: webIdentity, responses: identify(stsError(400, "IDPCommunicationError", "The identity provider (IDP) could not be reached"))},
		test{name: "web identity, VPC endpoint policy", env: webIdentity, responses: identify(stsError(403, "AccessDenied", "User: anonymous is not authorized to perform: sts:AssumeRoleWithWebIdentity on resource: arn:aws:iam::222222222222:role/exporter because no VPC endpoint policy allows the sts:AssumeRoleWithWebIdentity action"))},
		test{name: "web identity, RCP", env: webIdentity, responses: identify(stsError(403, "AccessDenied", "User: anonymous is not authorized to perform: sts:AssumeRoleWithWebIdentity on resource: arn:aws:iam::222222222222:role/exporter with an explicit deny in a resource control policy"))},
		test{name: "web identity, provider missing", env: webIdentity, responses: map[string]response{"AssumeRoleWithWebIdentity": stsError(400, "InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://oidc.eks.eu-west-1.amazonaws.com/id/X")}},
		test{name: "temporary key without its token", env: func(*testing.T) environment {
			return environment{"AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE", "AWS_SESSION_TOKEN": ""}
		}},
		test{name: "token of another key", env: func(*testing.T) environment {
			return environment{"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SESSION_TOKEN": "x"}
		}},
	)
	var got bytes.Buffer
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			intercept(t, cmp.Or(test.world, organizationOf()), test.responses)
			if test.env != nil {
				t.Setenv("AWS_MAX_ATTEMPTS", "1") // without the pauses between attempts
				for name, value := range test.env(t) {
					t.Setenv(name, value)
				}
			}
			fmt.Fprintf(&got, "# %s\n%s\n", test.name, auditLines(t, cmp.Or(test.config, membersToo)))
		})
	}
	lab.Golden(t, "testdata/reasons.txt", got.Bytes())
}

var (
	temporary = regexp.MustCompile(`/[^ \]]*/(?:config(?:\.yaml)?|credentials|sso/cache)\b`)
	port      = regexp.MustCompile(`127\.0\.0\.1:\d\d+`)
)

// auditLines returns the exit code of an audit, each notice of its report on a
// line, and what it writes to standard error.
func auditLines(t *testing.T, config string) string {
	t.Helper()
	t.Setenv("COLUMNS", "2000")
	file := lab.WriteFile(t, config)
	var out, note, lines bytes.Buffer
	code := cli.Run(t.Context(), []string{"audit", "--quiet", "--config.file=" + file}, &out, &note)
	fmt.Fprintf(&lines, "exit code %d\n", code)
	notice := false
	for line := range strings.Lines(out.String()) {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "? ") && strings.Contains(line, ": ") && !strings.Contains(line, "uncovered"):
			fmt.Fprint(&lines, text)
			notice = true
		case notice && strings.HasPrefix(line, "    "):
			fmt.Fprint(&lines, " | ", text)
		case notice:
			fmt.Fprintln(&lines)
			notice = false
		}
	}
	if notice {
		fmt.Fprintln(&lines)
	}
	lines.Write(note.Bytes())
	return port.ReplaceAllString(temporary.ReplaceAllString(strings.ReplaceAll(lines.String(), file, "config.yaml"), "config"), "127.0.0.1:1")
}
