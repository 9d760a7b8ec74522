package cli_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// check runs healthcheck and returns its exit code and output.
func check(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out lab.Buffer
	code := cli.Run(t.Context(), append([]string{"healthcheck"}, args...), &out, &out)
	return code, out.String()
}

func TestHealthcheck(t *testing.T) {
	const (
		tls      = "tls_server_config: {cert_file: cert.pem, key_file: key.pem%s}\n"
		password = "basic_auth_users: {prometheus: $2b$04$abcdefghijklmnopqrstuuGYgpSAfSwOUIIQcYLJ0yqnDvVIGwDMW}\n"
	)
	for name, test := range map[string]struct {
		web string
		// closed is whether a client needs credentials.
		closed bool
	}{
		"plain":               {"", false},
		"password":            {password, true},
		"TLS":                 {strings.Replace(tls, "%s", "", 1), false},
		"TLS and password":    {strings.Replace(tls, "%s", "", 1) + password, true},
		"mutual TLS":          {strings.Replace(tls, "%s", ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: cert.pem", 1), true},
		"mutual TLS, up to 2": {strings.Replace(tls, "%s", ", max_version: TLS12, client_auth_type: RequireAnyClientCert", 1), true},
	} {
		t.Run(name, func(t *testing.T) {
			lab.Simulate(t, lab.Standalone())
			file, health := lab.WebConfig(t, test.web), tool.FreeAddress(t)
			p := lab.Launch(t, "--web.config.file="+file, "--web.health-listen-address="+health)
			args := []string{"--web.listen-address=" + p.Address, "--web.config.file=" + file}
			p.Await(t, "health", func() bool { code, _ := check(t, args...); return code == 0 })
			probe := []string{"--web.health-listen-address=" + health}
			p.Await(t, "health of the probes", func() bool { code, _ := check(t, probe...); return code == 0 })
			p.Await(t, "readiness", func() bool { code, _ := check(t, append(probe, "--ready")...); return code == 0 })
			code, out := check(t, append(args, "--ready")...)
			if unknown := strings.Contains(out, "requires credentials, so its readiness is unknown"); unknown != test.closed || (code == 0) == test.closed {
				t.Errorf("ready: exit code %d\n%s", code, out)
			}
			if code := p.Stop(); code != 0 {
				t.Errorf("exit code %d\n%s", code, p.Stderr)
			}
			if code, out := check(t, args...); code != 1 || !strings.Contains(out, "no response from "+p.Address) {
				t.Errorf("after the end: exit code %d\n%s", code, out)
			}
		})
	}
}

// TestHealthcheckBeforeTheFirstSweep is alive but not ready.
func TestHealthcheckBeforeTheFirstSweep(t *testing.T) {
	server := lab.Simulate(t, lab.Standalone())
	server.AddFault(&simaws.Fault{Kind: simaws.InvalidCredentials, Service: "sts"})
	health := tool.FreeAddress(t)
	p := lab.Launch(t, "--web.health-listen-address="+health)
	t.Setenv("ACCESS_ANALYZER_EXPORTER_WEB_LISTEN_ADDRESS", p.Address)
	p.Await(t, "health", func() bool { code, _ := check(t); return code == 0 })
	if code, out := check(t, "--ready"); code != 1 || !strings.Contains(out, "returned 503 Service Unavailable for /-/ready") {
		t.Errorf("ready: exit code %d\n%s", code, out)
	}
	t.Setenv("ACCESS_ANALYZER_EXPORTER_WEB_HEALTH_LISTEN_ADDRESS", health)
	if code, out := check(t, "--ready"); code != 1 || !strings.Contains(out, health+" returned 503") {
		t.Errorf("ready for probes: exit code %d\n%s", code, out)
	}
}

func TestHealthcheckErrors(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"--web.listen-address=" + silent.Addr().String(), "--timeout=50ms"}, "deadline exceeded"},
		{[]string{"--web.listen-address=vsock://:1"}, "only TCP addresses"},
		{[]string{"--web.config.file=missing.yaml"}, "missing.yaml"},
		{[]string{"--web.config.file=../../LICENSE"}, "LICENSE: yaml: line "},
		{[]string{"--web.config.file=../../main.go"}, "main.go:1: not a web configuration"},
	} {
		code, out := check(t, test.args...)
		if code != 1 || !strings.Contains(out, test.want) || strings.Count(out, "\n") != 1 {
			t.Errorf("%v: exit code %d, want %q in one line:\n%s", test.args, code, test.want, out)
		}
	}
}

// TestRollout is the log of the probes of a new pod that requires a password: it
// becomes ready with its first sweep, and not because it answers 401. A second pod
// without the listener for probes never becomes ready, with the reason.
func TestRollout(t *testing.T) {
	server := lab.Simulate(t, lab.Standalone())
	remove := server.AddFault(&simaws.Fault{Kind: simaws.InvalidCredentials, Service: "sts"})
	web := lab.WebConfig(t, "basic_auth_users: {prometheus: $2b$04$abcdefghijklmnopqrstuuGYgpSAfSwOUIIQcYLJ0yqnDvVIGwDMW}\n")
	health := tool.FreeAddress(t)
	p := lab.Launch(t, "--web.config.file="+web, "--web.health-listen-address="+health, "--web.enable-lifecycle")
	pod, probe := []string{"--web.listen-address=" + p.Address, "--web.config.file=" + web}, []string{"--web.health-listen-address=" + health}
	p.Await(t, "health", func() bool { code, _ := check(t, probe...); return code == 0 })
	var log bytes.Buffer
	record := func(what string, args []string) {
		code, out := check(t, append(args, "--ready")...)
		out = strings.NewReplacer(p.Address, "127.0.0.1:10289", health, "127.0.0.1:10290").Replace(out)
		fmt.Fprintf(&log, "# %s\nexit code %d\n%s", what, code, out)
	}
	record("before the first sweep, listener for probes", probe)
	record("before the first sweep, listener that requires a password", pod)
	remove()
	p.Await(t, "readiness", func() bool { code, _ := check(t, append(probe, "--ready")...); return code == 0 })
	record("after the first sweep, listener for probes", probe)
	record("after the first sweep, listener that requires a password", pod)
	lab.Golden(t, "testdata/rollout.txt", log.Bytes())
}
