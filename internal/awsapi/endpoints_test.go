package awsapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/inventory"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// hosts records the hosts that requests are for, and answers none of them.
type hosts struct {
	mu   sync.Mutex
	seen []string
}

func (h *hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.seen = append(h.seen, r.URL.Scheme+"://"+r.URL.Host)
	return nil, errors.New("recorded")
}

// noRetries keeps calls that fail to one attempt.
func noRetries(t *testing.T) {
	t.Helper()
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
}

func TestQueueIsRequestedAtItsHost(t *testing.T) {
	for _, test := range []struct {
		name, queue, endpoint string
		env                   map[string]string
		want                  string
	}{
		{"standard", "https://sqs.eu-west-1.amazonaws.com/1/q", "", nil, "https://sqs.eu-west-1.amazonaws.com"},
		{"China", "https://sqs.cn-north-1.amazonaws.com.cn/1/q", "", nil, "https://sqs.cn-north-1.amazonaws.com.cn"},
		{"dual-stack", "https://sqs.eu-west-1.api.aws/1/q", "", nil, "https://sqs.eu-west-1.api.aws"},
		{"dual-stack, also configured", "https://sqs.eu-west-1.api.aws/1/q", "", map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "https://sqs.eu-west-1.api.aws"},
		{"IPv4, dual-stack configured", "https://sqs.eu-west-1.amazonaws.com/1/q", "", map[string]string{"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "https://sqs.eu-west-1.amazonaws.com"},
		{"FIPS", "https://sqs-fips.us-east-1.amazonaws.com/1/q", "", nil, "https://sqs-fips.us-east-1.amazonaws.com"},
		{"FIPS, also configured", "https://sqs-fips.us-east-1.amazonaws.com/1/q", "", map[string]string{"AWS_USE_FIPS_ENDPOINT": "true"}, "https://sqs-fips.us-east-1.amazonaws.com"},
		{"older name", "https://eu-west-1.queue.amazonaws.com/1/q", "", nil, "https://eu-west-1.queue.amazonaws.com"},
		{"VPC endpoint", "https://vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com/1/q", "", nil, "https://vpce-0a1b-2c3d.sqs.eu-west-1.vpce.amazonaws.com"},
		{"emulator", "http://sqs.eu-west-1.localhost.localstack.cloud:4566/1/q", "", nil, "http://sqs.eu-west-1.localhost.localstack.cloud:4566"},
		{"emulator of everything", "https://sqs.eu-west-1.amazonaws.com/1/q", "http://127.0.0.1:4566", nil, "http://127.0.0.1:4566"},
		{"emulator of everything but the queue", "http://queues.example.com:9324/1/q", "http://127.0.0.1:4566", nil, "http://queues.example.com:9324"},
	} {
		t.Run(test.name, func(t *testing.T) {
			start(t, world())
			noRetries(t)
			t.Setenv("AWS_ENDPOINT_URL", test.endpoint)
			for name, value := range test.env {
				t.Setenv(name, value)
			}
			c := another(t)
			defer c.Close()
			seen := &hosts{}
			c.http.transport = &http.Transport{TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{}} // without HTTP/2
			for _, scheme := range []string{"http", "https"} {
				c.http.transport.RegisterProtocol(scheme, seen)
			}
			if _, f := c.Queue(test.queue).Receive(context.Background(), 0, time.Second); f == nil {
				t.Error("a request without an answer succeeded")
			}
			if got := strings.Join(seen.seen, " "); got != test.want {
				t.Errorf("requested at %q, want %q", got, test.want)
			}
		})
	}
}

// A pod requests its credentials with an authorization token in plain HTTP.
func TestMetadataEndpointsBypassTheProxy(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: "proxy.example.com:3128"}
	choose := exceptMetadata(func(*http.Request) (*url.URL, error) { return proxy, nil })
	for address, through := range map[string]bool{
		"http://169.254.170.2/v2/credentials/x": false, "http://169.254.170.23/v1/credentials": false, "http://169.254.169.254/latest": false,
		"http://[fd00:ec2::23]/v1/credentials": false, "http://[fd00:ec2::254]/latest": false, "http://127.0.0.1:8080/": false, "http://[::1]/": false, "http://[fe80::1]/": false,
		"https://access-analyzer.eu-west-1.amazonaws.com/analyzer": true, "https://10.0.0.7/": true, "https://[2600:1f18::1]/": true,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := choose(r); err != nil || (got == proxy) != through {
			t.Errorf("%s: proxy %v, %v, want one: %v", address, got, err, through)
		}
	}
}

func TestErrorsNameTheProxy(t *testing.T) {
	start(t, world())
	noRetries(t)
	t.Setenv("AWS_ENDPOINT_URL", "https://aws.example.com")
	c := another(t)
	defer c.Close()
	c.http.transport.Proxy = exceptMetadata(func(*http.Request) (*url.URL, error) {
		return url.Parse("http://user:secret@proxy.example.com:3128")
	})
	c.http.transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		return nil, errors.New("connection refused")
	}
	_, _, f := c.Caller(context.Background())
	if f == nil || f.Reason != inventory.Network || f.Detail != inventory.Proxy || strings.Contains(f.Message, "secret") {
		t.Fatalf("failure %+v", f)
	}
	if want := "aws.example.com through proxy proxy.example.com:3128: proxyconnect tcp: connection refused"; !strings.Contains(f.Message, want) {
		t.Errorf("%q is not in %q", want, f.Message)
	}
}

// A login cannot be sent to AWS_ENDPOINT_URL, unlike the roles of a profile and of
// a web identity: the test of reasons assumes both there.
func TestLoginIgnoresTheEndpoint(t *testing.T) {
	for _, test := range []struct {
		profile, ofLogin string
		want             bool
	}{{"sso", "", true}, {"sso", "http://127.0.0.1:1", false}, {"keys", "", false}} {
		start(t, world())
		file := filepath.Join(t.TempDir(), "config")
		text := "[profile sso]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = Audit\n[sso-session corp]\nsso_start_url = https://example.awsapps.com/start\n" +
			"sso_region = eu-west-1\n[profile keys]\naws_access_key_id = a\naws_secret_access_key = s\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"AWS_CONFIG_FILE": file, "AWS_PROFILE": test.profile, "AWS_ENDPOINT_URL_SSO": test.ofLogin, "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""} {
			t.Setenv(name, value)
		}
		var log bytes.Buffer
		c, err := New(t.Context(), Options{Concurrency: 1, Logger: slog.New(slog.NewTextHandler(&log, nil)), Observe: (&observed{n: map[string]int{}}).observe})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if got := strings.Contains(log.String(), "AWS_ENDPOINT_URL_SSO"); got != test.want {
			t.Errorf("%+v: the log is %q", test, &log)
		}
	}
}

func TestQueueFailures(t *testing.T) {
	for code, want := range map[string]struct {
		reason inventory.Reason
		detail inventory.Detail
	}{
		"AWS.SimpleQueueService.NonExistentQueue": {inventory.Other, inventory.NoQueue},
		"KMS.AccessDeniedException":               {inventory.AccessDenied, inventory.QueueKey},
		"KMS.DisabledException":                   {inventory.Other, inventory.QueueKey},
		"KMS.ThrottlingException":                 {inventory.Throttled, ""},
		"RequestThrottled":                        {inventory.Throttled, ""},
		"AccessDenied":                            {inventory.AccessDenied, inventory.ResourcePolicy},
		// Without the header of the query protocol, as from an emulator.
		"QueueDoesNotExist": {inventory.Other, inventory.NoQueue},
		"InvalidAddress":    {inventory.Other, inventory.NoQueue},
		"KmsAccessDenied":   {inventory.AccessDenied, inventory.QueueKey},
		"KmsDisabled":       {inventory.Other, inventory.QueueKey},
		"KmsThrottled":      {inventory.Throttled, ""},
		// With the status of a denied request.
		"OverLimit":       {inventory.Other, ""},
		"InvalidSecurity": {inventory.Other, ""},
	} {
		start(t, world())
		noRetries(t)
		c := another(t)
		header := http.Header{"X-Amzn-Requestid": {"r"}}
		if strings.Contains(code, ".") {
			header.Set("X-Amzn-Query-Error", code+";Sender")
		}
		c.http.transport = &http.Transport{}
		c.http.transport.RegisterProtocol("http", &says{
			status: http.StatusForbidden, header: header,
			bodies: []string{`{"__type":"com.amazonaws.sqs#` + code + `","message":"because no resource-based policy allows the sqs:receivemessage action"}`},
		})
		_, f := c.Queue("https://sqs.eu-west-1.amazonaws.com/1/q").Receive(t.Context(), 0, time.Second)
		if f == nil || f.Reason != want.reason || f.Detail != want.detail {
			t.Errorf("%s: %+v, want %+v", code, f, want)
		}
		c.Close()
	}
}

// The role of a profile is assumed at AWS_ENDPOINT_URL, and its requests are
// observed like all others.
func TestRoleOfAProfile(t *testing.T) {
	w := world()
	w.Accounts[2].Roles = []*simaws.Role{{Name: roleName, Trusts: []string{hub}}}
	_, server, _ := start(t, w)
	id, secret := server.Credentials(hub)
	file := filepath.Join(t.TempDir(), "config")
	text := "[profile base]\naws_access_key_id = " + id + "\naws_secret_access_key = " + secret +
		"\n[profile member]\nrole_arn = arn:aws:iam::" + member + ":role/" + roleName + "\nsource_profile = base\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"AWS_CONFIG_FILE": file, "AWS_PROFILE": "member", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""} {
		t.Setenv(name, value)
	}
	o := &observed{n: map[string]int{}}
	c, err := New(t.Context(), Options{Concurrency: 1, LongestPause: time.Minute, Logger: slog.New(slog.DiscardHandler), Observe: o.observe})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if account, _, f := c.Caller(t.Context()); f != nil || account != member {
		t.Errorf("caller %s: %v", account, f)
	}
	if n := o.count("STS AssumeRole OK"); n != 1 {
		t.Errorf("%d AssumeRole observed, want 1: %v", n, o.n)
	}
}
