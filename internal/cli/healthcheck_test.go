package cli

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// webConfig writes a certificate and a web configuration that uses it.
func webConfig(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"exporter.example.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, b := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		"web.yaml": []byte(text),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "web.yaml")
}

// check runs healthcheck and returns its exit code and what it wrote.
func check(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out buffer
	code := Run(t.Context(), append([]string{"healthcheck"}, args...), &out, &out)
	return code, out.String()
}

func TestHealthcheck(t *testing.T) {
	const (
		tls      = "tls_server_config: {cert_file: cert.pem, key_file: key.pem%s}\n"
		password = "basic_auth_users: {prometheus: $2b$04$abcdefghijklmnopqrstuuGYgpSAfSwOUIIQcYLJ0yqnDvVIGwDMW}\n"
	)
	for name, web := range map[string]string{
		"plain":               "",
		"password":            password,
		"TLS":                 strings.Replace(tls, "%s", "", 1),
		"TLS and password":    strings.Replace(tls, "%s", "", 1) + password,
		"mutual TLS":          strings.Replace(tls, "%s", ", client_auth_type: RequireAndVerifyClientCert, client_ca_file: cert.pem", 1),
		"mutual TLS, up to 2": strings.Replace(tls, "%s", ", max_version: TLS12, client_auth_type: RequireAnyClientCert", 1),
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, &simaws.World{Accounts: []*simaws.Account{{ID: "111111111111", Standalone: true, Regions: simaws.Regions()}}})
			file := webConfig(t, web)
			p := launch(t, "--web.config.file="+file)
			args := []string{"--web.listen-address=" + p.address, "--web.config.file=" + file}
			p.await(t, "health", func() bool { code, _ := check(t, args...); return code == 0 })
			p.await(t, "readiness", func() bool { code, _ := check(t, append(args, "--ready")...); return code == 0 })
			if code := p.stop(); code != 0 {
				t.Errorf("exit code %d\n%s", code, p.stderr)
			}
			if code, out := check(t, args...); code != 1 || !strings.Contains(out, "no response from "+p.address) {
				t.Errorf("of what has ended: exit code %d\n%s", code, out)
			}
		})
	}
}

// TestHealthcheckBeforeTheFirstSweep tells alive from ready.
func TestHealthcheckBeforeTheFirstSweep(t *testing.T) {
	server := simulate(t, &simaws.World{Accounts: []*simaws.Account{{ID: "111111111111", Standalone: true, Regions: simaws.Regions()}}})
	server.AddFault(&simaws.Fault{Kind: simaws.InvalidCredentials, Service: "sts"})
	p := launch(t)
	t.Setenv("ACCESS_ANALYZER_EXPORTER_WEB_LISTEN_ADDRESS", p.address)
	p.await(t, "health", func() bool { code, _ := check(t); return code == 0 })
	if code, out := check(t, "--ready"); code != 1 || !strings.Contains(out, "returned 503 Service Unavailable for /-/ready") {
		t.Errorf("ready: exit code %d\n%s", code, out)
	}
}

func TestHealthcheckOfWhatCannotBeAsked(t *testing.T) {
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
		{[]string{"--web.config.file=LICENSE"}, "LICENSE"},
	} {
		code, out := check(t, test.args...)
		if code != 1 || !strings.Contains(out, test.want) || strings.Count(out, "\n") != 1 {
			t.Errorf("%v: exit code %d, want %q in one line:\n%s", test.args, code, test.want, out)
		}
	}
}
