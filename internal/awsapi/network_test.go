package awsapi_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/awsapi"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/remedy"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
)

// dialError is how the dialer reports an error of the kernel.
func dialError(errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443}, Err: os.NewSyscallError("connect", errno)}
}

// lookupError is how the dialer reports that of a name.
func lookupError(host string, timeout bool) error {
	text := "no such host"
	if timeout {
		text = "i/o timeout"
	}
	name, _, _ := net.SplitHostPort(host)
	return &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: text, Name: name, IsNotFound: !timeout, IsTimeout: timeout}}
}

// newClient returns a client without retries, whose connections but those to
// loopback addresses fail.
func newClient(t *testing.T, dial func(host string) error) *awsapi.Client {
	t.Helper()
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	c, err := awsapi.New(t.Context(), awsapi.Options{
		Concurrency: 1, LongestPause: time.Minute, Logger: slog.New(slog.DiscardHandler), Observe: func(_, _, _ string, _ time.Duration) {},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().IsLoopback() {
				return nil, dial(address)
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestNetworkReasons has the causes of requests without a response, with the line
// that the user reads. testdata/network.txt has the lines. STS answers.
func TestNetworkReasons(t *testing.T) {
	fails := func(errno syscall.Errno) func(string) error { return func(string) error { return dialError(errno) } }
	unknown := func(host string) error { return lookupError(host, false) }
	fips, dualStack := map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}
	var got bytes.Buffer
	for _, test := range []struct {
		name string
		env  map[string]string
		dial func(host string) error
		want inventory.Reason
	}{
		{"connection refused", nil, fails(syscall.ECONNREFUSED), inventory.Network},
		{"connection reset", nil, fails(syscall.ECONNRESET), inventory.Network},
		{"no route, as with IPv6 alone", nil, fails(syscall.ENETUNREACH), inventory.Network},
		{"no route to the host", nil, fails(syscall.EHOSTUNREACH), inventory.Network},
		{"dropped by a security group", nil, fails(syscall.ETIMEDOUT), inventory.Timeout},
		{"DNS does not answer", nil, func(host string) error { return lookupError(host, true) }, inventory.Timeout},
		{"out of file descriptors", nil, fails(syscall.EMFILE), inventory.Network},
		{"machine out of file descriptors", nil, fails(syscall.ENFILE), inventory.Network},
		{"no such endpoint", nil, unknown, inventory.RegionUnsupported},
		{"no FIPS endpoint in the Region", fips, unknown, inventory.Network},
		{"no dual-stack endpoint in the Region", dualStack, unknown, inventory.Network},
		{"FIPS and an endpoint", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, unknown, inventory.Other},
	} {
		t.Run(test.name, func(t *testing.T) {
			server := simaws.New(lab.Standalone(), simaws.Options{})
			front := httptest.NewServer(server)
			t.Cleanup(front.Close)
			for name, value := range server.Env() {
				t.Setenv(name, value)
			}
			t.Setenv("AWS_ENDPOINT_URL", "")
			t.Setenv("AWS_ENDPOINT_URL_STS", front.URL)
			c := newClient(t, test.dial)
			if _, _, f := c.Caller(t.Context()); f != nil {
				t.Fatal(f)
			}
			for name, value := range test.env {
				t.Setenv("AWS_ENDPOINT_URL_STS", "")
				t.Setenv(name, value)
				c = newClient(t, test.dial)
			}
			_, f := c.Analyzers(t.Context(), &inventory.Account{ID: lab.Management}, "eu-west-1")
			if f == nil || f.Reason != test.want {
				t.Fatalf("%+v, want %s", f, test.want)
			}
			fmt.Fprintf(&got, "# %s\n%s\n\n", test.name, remedy.Line(f, remedy.Setting{}))
		})
	}
	lab.Golden(t, "testdata/network.txt", got.Bytes())
}

// TestCredentialsEndpoints has the answers of IMDS and of the agents of pods and
// tasks. testdata/endpoints.txt has the lines.
func TestCredentialsEndpoints(t *testing.T) {
	const (
		role = "/latest/meta-data/iam/security-credentials/"
		pod  = "/v1/credentials"
	)
	inPod := func(url string) map[string]string {
		return map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": url + pod}
	}
	onInstance := func(url string) map[string]string {
		return map[string]string{"AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": url}
	}
	var got bytes.Buffer
	for _, test := range []struct {
		name    string
		env     func(url string) map[string]string
		status  int
		answers map[string]string
	}{
		{"pod, role not allowed", inPod, http.StatusBadRequest, map[string]string{pod: "[5f3c]: (AccessDeniedException): Unauthorized Exception! EKS does not have permissions to assume the associated role., fault: client"}},
		{"pod, token invalid", inPod, http.StatusUnauthorized, map[string]string{pod: `{"code":"InvalidTokenException","message":"The token in the request is invalid"}`}},
		{"pod, token expired", inPod, http.StatusBadRequest, map[string]string{pod: "[5f3c]: (ExpiredTokenException): The token included in the request is expired: current date/time 2025-07-06T07:02:09.314833331Z must be before the expiration date/time 2025-07-06T04:16:18Z., fault: client"}},
		{"pod, token malformed", inPod, http.StatusBadRequest, map[string]string{pod: "Service account token cannot be parsed: token is malformed"}},
		{"pod, node not allowed", inPod, http.StatusBadRequest, map[string]string{pod: "[5f3c]: (AccessDeniedException): User: arn:aws:sts::222222222222:assumed-role/node/i-0abc is not authorized to perform: eks-auth:AssumeRoleForPodIdentity on resource: arn:aws:eks:eu-west-1:222222222222:cluster/monitoring because no identity-based policy allows the eks-auth:AssumeRoleForPodIdentity action, fault: client"}},
		{"pod, no association", inPod, http.StatusNotFound, map[string]string{pod: "[5f3c]: (ResourceNotFoundException): No association found, fault: client"}},
		{"pod, throttled", inPod, http.StatusTooManyRequests, map[string]string{pod: "Too Many Requests. Request rate exceeded"}},
		{"task, no credentials", inPod, http.StatusBadRequest, map[string]string{pod: `{"code":"InvalidIdInRequest","message":"CredentialsV2Request: Credentials not found","HTTPErrorCode":400}`}},
		{"pod, agent fails", inPod, http.StatusInternalServerError, map[string]string{pod: "internal error"}},
		{"pod, not JSON", inPod, http.StatusOK, map[string]string{pod: "<html>Sign in</html>"}},
		{"instance, no role", onInstance, http.StatusNotFound, map[string]string{role: "not found"}},
		{"instance, role not allowed", onInstance, http.StatusOK, map[string]string{
			role: "exporter", role + "exporter": `{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role exporter."}`,
		}},
		{"instance, IMDS disabled", onInstance, http.StatusForbidden, map[string]string{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer, ok := test.answers[r.URL.Path]
				switch {
				case len(test.answers) == 0:
					w.WriteHeader(test.status)
				case r.URL.Path == "/latest/api/token":
					w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "60")
					_, _ = io.WriteString(w, "token")
				case !ok:
					w.WriteHeader(http.StatusNotFound)
				default:
					w.WriteHeader(test.status)
					_, _ = io.WriteString(w, answer)
				}
			}))
			t.Cleanup(front.Close)
			withoutCredentials(t)
			for name, value := range test.env(front.URL) {
				t.Setenv(name, value)
			}
			line := callerLine(t, t.Context())
			fmt.Fprintf(&got, "# %s\n%s\n\n", test.name, strings.ReplaceAll(line, strings.TrimPrefix(front.URL, "http://"), "127.0.0.1:1"))
		})
	}
	lab.Golden(t, "testdata/endpoints.txt", got.Bytes())
}

// A process that asks for a password never ends.
func TestCredentialProcessHangs(t *testing.T) {
	withoutCredentials(t)
	t.Setenv("AWS_PROFILE", "process")
	input, config := filepath.Join(t.TempDir(), "input"), filepath.Join(t.TempDir(), "config")
	t.Setenv("AWS_CONFIG_FILE", config)
	if err := os.WriteFile(config, []byte("[profile process]\ncredential_process = exec cat "+input+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(input, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // of the process
		if end, err := os.OpenFile(input, os.O_WRONLY, 0); err == nil {
			_ = end.Close()
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if line := callerLine(t, ctx); !strings.HasPrefix(line, "GetCredentials: credentials, the credential_process of the profile failed or did not end.") {
		t.Error(line)
	}
}

// withoutCredentials unsets what the environment of the test has.
func withoutCredentials(t *testing.T) {
	t.Helper()
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_REGION", "eu-west-1")
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_CONFIG_FILE", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "")
}

// callerLine is the failure of the first request of the exporter.
func callerLine(t *testing.T, ctx context.Context) string {
	t.Helper()
	c := newClient(t, func(host string) error { return lookupError(host, false) })
	_, _, f := c.Caller(ctx)
	if f == nil {
		t.Fatal("no failure")
	}
	return remedy.Line(f, remedy.Setting{})
}
