package hostile_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// Secrets that are unlikely to occur otherwise. secretHash is the hash of secretPassword.
const (
	secretPassword = "marked-password"
	secretHash     = "$2a$04$PoY7fhWpLG97CK2lwQhwi.AqpOI0FlOIknQZkPlMPLGH2/L5mJj6W"
	secretExternal = "marked-external-id"
	secretToken    = "marked.web.identity.token"
)

// wiretap is a simulated AWS that collects the secrets of the sessions that it
// issues.
type wiretap struct {
	aws     *simaws.Server
	mu      sync.Mutex
	secrets []string
}

var issued = regexp.MustCompile(`<(?:SecretAccessKey|SessionToken)>([^<]+)<`)

func (w *wiretap) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !bytes.Contains(body, []byte("AssumeRole")) {
		w.aws.ServeHTTP(out, r)
		return
	}
	answer := httptest.NewRecorder()
	w.aws.ServeHTTP(answer, r)
	w.mu.Lock()
	for _, m := range issued.FindAllStringSubmatch(answer.Body.String(), -1) {
		w.secrets = append(w.secrets, m[1])
	}
	w.mu.Unlock()
	out.WriteHeader(answer.Code)
	_, _ = out.Write(answer.Body.Bytes())
}

// TestSecretsStayInside runs every command at the most verbose log level, and
// searches all output for secrets.
func TestSecretsStayInside(t *testing.T) {
	world := lab.Organization()
	for _, a := range world.Accounts {
		a.Roles[0].ExternalID = secretExternal
	}
	// Errors quote requests more often than successes do.
	world.Faults = []*simaws.Fault{
		{Kind: simaws.AssumeRoleDenied, Account: lab.Beta},
		{Kind: simaws.InvalidCredentials, Service: "access-analyzer", Account: lab.Management},
		{Kind: simaws.MalformedResponse, Service: "access-analyzer", Account: lab.Alpha, Region: "eu-south-1"},
	}
	tap := &wiretap{aws: lab.Simulate(t, world)}
	front := httptest.NewServer(tap)
	defer front.Close()
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
	tap.secrets = []string{os.Getenv("AWS_SECRET_ACCESS_KEY"), secretExternal, secretToken, secretPassword, secretHash}

	config := lab.WriteFile(t, strings.Replace(lab.Config, "name: exporter", "name: exporter, external_id: "+secretExternal, 1))
	var out lab.Buffer
	serve(t, &out, config)
	runCommands(t, &out, config)
	useWebIdentity(t)
	serve(t, &out, config)

	if n := len(tap.secrets); n < 5+2*2 {
		t.Fatalf("only %d secrets: AWS issued no session", n)
	}
	text := out.String()
	if len(text) < 100_000 {
		t.Fatalf("only %d bytes of output", len(text))
	}
	for _, secret := range tap.secrets {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("%q is in the output: …%s…", secret, text[max(0, i-200):min(len(text), i+200)])
		}
	}
	t.Logf("%d secrets in %d bytes", len(tap.secrets), len(text))
}

// serve runs the exporter until it has logged a failure, and writes to out what
// it logs and what every endpoint returns.
func serve(t *testing.T, out *lab.Buffer, config string) {
	t.Helper()
	web := lab.WriteFile(t, "basic_auth_users: {prometheus: "+secretHash+"}\n")
	p := lab.Launch(t, "--config.file="+config, "--web.config.file="+web, "--log.level=debug", "--web.enable-lifecycle", "--web.enable-pprof")
	request := func(method, path, password string) int {
		r, err := http.NewRequest(method, p.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("prometheus", password)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0
		}
		defer func() { _ = resp.Body.Close() }()
		_ = resp.Header.Write(out)
		_, _ = io.Copy(out, resp.Body)
		return resp.StatusCode
	}
	p.Await(t, "a logged failure", func() bool {
		request("GET", "/metrics", secretPassword)
		return strings.Contains(p.Stderr.String(), "level=WARN")
	})
	for _, path := range []string{"/", "/?state=unknown", "/?x=1", "/api/v1/coverage", "/-/healthy", "/-/ready", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/nothing"} {
		if status := request("GET", path, secretPassword); status == 0 || status == http.StatusUnauthorized {
			t.Errorf("%s: status %d", path, status)
		}
	}
	if status := request("GET", "/metrics", "wrong "+secretPassword); status != http.StatusUnauthorized {
		t.Errorf("with a wrong password: status %d", status)
	}
	request("POST", "/-/reload", secretPassword)
	p.Stop()
	_, _ = io.WriteString(out, p.Stdout.String()+p.Stderr.String())
}

// runCommands writes the output of the commands other than serve to out.
func runCommands(t *testing.T, out *lab.Buffer, config string) {
	t.Helper()
	run := func(args ...string) { cli.Run(t.Context(), args, out, out) }
	for _, format := range []string{"table", "json", "csv", "metrics"} {
		run("audit", "--config.file="+config, "--output="+format)
	}
	for _, document := range []string{"hub", "member"} { // the trust policy has to contain the external ID
		run("iam-policy", document, "--config.file="+config)
	}
	for _, invalid := range []string{
		"assume_role: {external_id: [" + secretExternal + "]}",
		"assume_role: {external_id: {x: " + secretExternal + "}}",
		"assume_role: {external_id: '" + secretExternal + " !'}",
		"assume_role: {external_idd: " + secretExternal + "}",
		"assume_role: " + secretExternal,
		"assume_role: {external_id: " + secretExternal + "\n",
		"assume_role: {external_id: !!int " + secretExternal + "}",
		"events: {queue_url: 'https://user:" + secretPassword + "@example.com/'}",
	} {
		run("check-config", lab.WriteFile(t, invalid))
	}
}

// useWebIdentity replaces the credentials by a token in a file, which the
// simulated AWS rejects.
func useWebIdentity(t *testing.T) {
	t.Helper()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(secretToken), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::"+lab.Hub+":role/exporter")
}
