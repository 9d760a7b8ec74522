package cli

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

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// The password of the users of markedWeb, which has its hash.
const (
	markedPassword = "marked-password"
	markedHash     = "$2a$04$PoY7fhWpLG97CK2lwQhwi.AqpOI0FlOIknQZkPlMPLGH2/L5mJj6W"
	markedExternal = "marked-external-id"
	markedToken    = "marked.web.identity.token"
)

// wiretap is a simulated AWS that remembers the secrets that it hands out.
type wiretap struct {
	aws     *simaws.Server
	mu      sync.Mutex
	secrets []string
}

var handedOut = regexp.MustCompile(`<(?:SecretAccessKey|SessionToken)>([^<]+)<`)

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
	for _, m := range handedOut.FindAllStringSubmatch(answer.Body.String(), -1) {
		w.secrets = append(w.secrets, m[1])
	}
	w.mu.Unlock()
	out.WriteHeader(answer.Code)
	_, _ = out.Write(answer.Body.Bytes())
}

// TestSecretsStayInside runs everything that can be run, at the level that
// logs most, and looks for secrets in all that comes out.
func TestSecretsStayInside(t *testing.T) {
	world := labWorld()
	for _, a := range world.Accounts {
		a.Roles[0].ExternalID = markedExternal
	}
	// Errors quote what was sent more often than success does.
	world.Faults = []*simaws.Fault{
		{Kind: simaws.AssumeRoleDenied, Account: labBeta},
		{Kind: simaws.InvalidCredentials, Service: "access-analyzer", Account: labManagement},
		{Kind: simaws.MalformedResponse, Service: "access-analyzer", Account: labAlpha, Region: "eu-south-1"},
	}
	tap := &wiretap{aws: simulate(t, world)}
	front := httptest.NewServer(tap)
	defer front.Close()
	t.Setenv("AWS_ENDPOINT_URL", front.URL)
	secrets := []string{os.Getenv("AWS_SECRET_ACCESS_KEY"), markedExternal, markedToken, markedPassword, markedHash}

	config := strings.Replace(labConfig, "name: exporter", "name: exporter, external_id: "+markedExternal, 1)
	path := configFile(t, config)
	web := configFile(t, "basic_auth_users: {prometheus: "+markedHash+"}\n")
	var out buffer
	serve := func(args ...string) {
		p := launch(t, append([]string{"--log.level=debug", "--web.enable-lifecycle", "--web.enable-pprof", "--web.config.file=" + web}, args...)...)
		get := func(method, path string, signed bool) int {
			r, err := http.NewRequest(method, p.url+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if r.SetBasicAuth("prometheus", markedPassword); !signed {
				r.SetBasicAuth("prometheus", "wrong "+markedPassword)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				return 0
			}
			defer func() { _ = resp.Body.Close() }()
			_ = resp.Header.Write(&out)
			_, _ = io.Copy(&out, resp.Body)
			return resp.StatusCode
		}
		p.await(t, "a failure or the first sweep", func() bool {
			get("GET", "/metrics", true)
			return strings.Contains(p.stderr.String(), "cannot be read")
		})
		for _, path := range []string{"/", "/?state=unknown", "/?" + "x=1", "/api/v1/coverage", "/-/healthy", "/-/ready", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/nothing"} {
			if status := get("GET", path, true); status == 0 || status == http.StatusUnauthorized {
				t.Errorf("%s: status %d", path, status)
			}
		}
		if status := get("GET", "/metrics", false); status != http.StatusUnauthorized {
			t.Errorf("with a wrong password: status %d", status)
		}
		get("POST", "/-/reload", true)
		p.stop()
		_, _ = io.WriteString(&out, p.stdout.String()+p.stderr.String())
	}
	serve("--config.file=" + path)

	command := func(args ...string) { Run(t.Context(), args, &out, &out) }
	for _, format := range []string{"table", "json", "csv", "metrics"} {
		command("audit", "--config.file="+path, "--output="+format)
	}
	for _, part := range []string{"hub", "member"} { // the trust policy is there to name the external ID
		command("iam-policy", part, "--config.file="+path)
	}
	for _, bad := range []string{
		"assume_role: {external_id: [" + markedExternal + "]}",
		"assume_role: {external_id: {x: " + markedExternal + "}}",
		"assume_role: {external_id: '" + markedExternal + " !'}",
		"assume_role: {external_idd: " + markedExternal + "}",
		"assume_role: " + markedExternal,
		"assume_role: {external_id: " + markedExternal + "\n",
		"assume_role: {external_id: !!int " + markedExternal + "}",
		"events: {queue_url: 'https://user:" + markedPassword + "@example.com/'}",
	} {
		command("check-config", configFile(t, bad))
	}

	// Credentials by a token in a file, which this AWS does not take.
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(markedToken), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token)
	t.Setenv("AWS_ROLE_ARN", "arn:aws:iam::"+labHub+":role/exporter")
	serve("--config.file=" + path)

	tap.mu.Lock()
	secrets = append(secrets, tap.secrets...)
	tap.mu.Unlock()
	if len(secrets) < 5+2*2 {
		t.Fatalf("only %d secrets: no session was handed out", len(secrets))
	}
	text := out.String()
	if len(text) < 100_000 {
		t.Fatalf("only %d bytes came out", len(text))
	}
	for _, secret := range secrets {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("%q came out: …%s…", secret, text[max(0, i-200):min(len(text), i+200)])
		}
	}
	t.Logf("%d secrets in %d bytes", len(secrets), len(text))
}
