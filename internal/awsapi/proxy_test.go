package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
)

// endpointOfChild is the variable with the address of the endpoint of credentials,
// for the process of TestLoadCredentials.
const endpointOfChild = "TEST_CREDENTIALS_ENDPOINT"

// requests records the requests that a server got.
type requests struct {
	mu   sync.Mutex
	seen []string
}

func (q *requests) record(r *http.Request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seen = append(q.seen, r.URL.String()+" "+r.Header.Get("Authorization"))
}

func (q *requests) String() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return strings.Join(q.seen, "\n")
}

// The credentials of a pod or task are requested with an authorization token in
// plain HTTP. The real chain of the SDK loads them in a process of its own, because
// net/http reads the proxy from the environment once.
func TestCredentialsAreRequestedWithoutTheProxy(t *testing.T) {
	tokenFile := t.TempDir() + "/token"
	if err := os.WriteFile(tokenFile, []byte("SECRET"), 0o600); err != nil {
		t.Fatal(err)
	}
	const full, relative = "AWS_CONTAINER_CREDENTIALS_FULL_URI=", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="
	for _, test := range []struct {
		name string
		env  []string
		// want is the request that the endpoint of credentials gets; empty: it
		// cannot be served here, and only the proxy is checked.
		want string
	}{
		{"EKS", []string{full + "http://169.254.170.23/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN=SECRET"}, "/v1/credentials SECRET"},
		{"EKS, IPv6", []string{full + "http://[fd00:ec2::23]/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=" + tokenFile}, "/v1/credentials SECRET"},
		{"ECS", []string{relative + "/v2/credentials/x", "AWS_CONTAINER_AUTHORIZATION_TOKEN=SECRET"}, "/v2/credentials/x SECRET"},
		{"EC2", []string{"AWS_EC2_METADATA_SERVICE_ENDPOINT=http://169.254.0.1"}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var proxied, direct requests
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				proxied.record(r)
				w.WriteHeader(http.StatusBadGateway)
			}))
			defer proxy.Close()
			endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				direct.record(r)
				_, _ = io.WriteString(w, `{"AccessKeyId":"AKIDFROMENDPOINT","SecretAccessKey":"s","Token":"t","Expiration":"2999-01-01T00:00:00Z"}`)
			}))
			defer endpoint.Close()
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLoadCredentials$", "-test.v")
			child.Env = append([]string{
				endpointOfChild + "=" + endpoint.Listener.Addr().String(), "HOME=" + t.TempDir(),
				"HTTP_PROXY=" + proxy.URL, "HTTPS_PROXY=" + proxy.URL, "AWS_REGION=eu-west-1", "AWS_MAX_ATTEMPTS=1",
			}, test.env...)
			out, err := child.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := proxied.String(); got != "" {
				t.Errorf("the proxy got %q", got)
			}
			if got := direct.String(); got != test.want || test.want != "" && !strings.Contains(string(out), "AKIDFROMENDPOINT") {
				t.Errorf("the endpoint got %q, want %q\n%s", got, test.want, out)
			}
		})
	}
}

// TestLoadCredentials is the process of TestCredentialsAreRequestedWithoutTheProxy.
// Connections to metadata addresses go to the endpoint of that test.
func TestLoadCredentials(t *testing.T) {
	endpoint := os.Getenv(endpointOfChild)
	if endpoint == "" {
		t.Skip("without the test that starts it")
	}
	c, err := New(t.Context(), Options{
		Concurrency: 1, LongestPause: time.Minute, Logger: slog.New(slog.DiscardHandler), Observe: func(string, string, string, time.Duration) {},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			if to, err := netip.ParseAddrPort(address); err != nil || !to.Addr().IsLoopback() {
				address = endpoint
			}
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	own, err := c.cfg.Credentials.Retrieve(ctx)
	fmt.Println(own.AccessKeyID, err)
}

// A proxy is not the cause if AWS is slow behind it.
func TestSlowBehindAProxy(t *testing.T) {
	for _, test := range []struct {
		err  error
		want inventory.Detail
	}{
		{context.DeadlineExceeded, ""},
		{&net.OpError{Op: "proxyconnect", Err: os.ErrDeadlineExceeded}, inventory.Proxy},
		{errors.New("Proxy Authentication Required"), inventory.Proxy},
	} {
		if got := networkDetail(&sendError{host: "sts.eu-west-1.amazonaws.com", proxy: "proxy.example.com:3128", err: test.err}); got != test.want {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
	}
}

// The error of a request that the exporter itself ended says so.
func TestCanceledRequest(t *testing.T) {
	c, _, _ := start(t, world())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, f := c.Caller(ctx)
	if f == nil || f.Detail != inventory.Canceled || f.Message != "canceled" {
		t.Errorf("%+v is not for a canceled request", f)
	}
}
