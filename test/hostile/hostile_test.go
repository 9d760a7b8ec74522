package hostile_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/cli"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/lab"
	"github.com/access-analyzer-exporter/access-analyzer-exporter/test/tool"
)

// crowd returns the number of clients: few, or many in `make hostile`.
func crowd(few, many int) int {
	if os.Getenv("HOSTILE") == "" {
		return few
	}
	return many
}

// holdVariable makes the test binary, in another process, a client that holds
// connections open. Its value is an address, the number of connections that send
// nothing, and the number that never end their headers.
const holdVariable = "TEST_HOLD_CONNECTIONS"

// hold opens connections and prints "open". Then it prints when the exporter has
// closed the last of them, or returns an error after a minute.
func hold(spec string) error {
	var address string
	var idle, slow int
	if _, err := fmt.Sscan(spec, &address, &idle, &slow); err != nil {
		return err
	}
	opened := time.Now()
	var conns []net.Conn
	for i := range idle + slow {
		c, err := net.Dial("tcp", address)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		conns = append(conns, c)
		if i >= idle {
			if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: exporter\r\nX-Never-Ending: "+strings.Repeat("x", i%1000)); err != nil {
				return fmt.Errorf("connection %d: %w", i, err)
			}
		}
	}
	fmt.Println("open")
	for i, c := range conns {
		_ = c.SetReadDeadline(opened.Add(time.Minute))
		if _, err := io.Copy(io.Discard, c); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			return fmt.Errorf("connection %d is still open a minute after it was made: %w", i, err)
		}
	}
	fmt.Println("the last was closed by the exporter after", time.Since(opened).Round(time.Second))
	return nil
}

// startHolding returns once the connections are open. closed waits until the
// exporter has closed them.
func startHolding(t *testing.T, address string, idle, slow int) (closed func()) {
	t.Helper()
	program := exec.CommandContext(t.Context(), os.Args[0])
	program.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", holdVariable, address, idle, slow))
	var stderr bytes.Buffer
	program.Stderr = &stderr
	out, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Process.Kill(); _ = program.Wait() })
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "open" {
		t.Fatalf("%q %s", lines.Text(), stderr.String())
	}
	return func() {
		t.Helper()
		if !lines.Scan() {
			t.Fatal(stderr.String())
		}
		t.Log(lines.Text())
	}
}

// TestHostileClients scrapes while connections are open that send nothing or
// never end their headers.
func TestHostileClients(t *testing.T) {
	idle, slow, scrapes := crowd(400, 10_000), crowd(100, 500), crowd(200, 1000)
	lab.Simulate(t, lab.Organization())
	p := lab.Launch(t, "--config.file="+lab.WriteFile(t, lab.Config))
	p.AwaitReady(t)
	before := heap()
	closed := startHolding(t, p.Address, idle, slow)
	transport := &http.Transport{MaxIdleConnsPerHost: scrapes}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: tool.Patience(t)}
	var served atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for range scrapes {
		wg.Go(func() {
			resp, err := client.Get(p.URL + "/metrics")
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "aws_access_analyzer_coverage{") {
				t.Errorf("status %d, %d bytes, %v", resp.StatusCode, len(body), err)
				return
			}
			served.Add(1)
		})
	}
	wg.Wait()
	took := time.Since(begin)
	grown := int64(heap()) - int64(before)
	// A connection costs its buffers and a goroutine; those that scrape have
	// both of their ends in this process.
	if most := int64(30e6) + int64(idle+slow+2*scrapes)*16<<10; grown > most {
		t.Errorf("the heap grew by %d bytes, want %d at most", grown, most)
	}
	t.Logf("%d idle and %d slow connections: %d of %d scrapes at once answered in %v, heap %+.1f MB", idle, slow, served.Load(), scrapes, took.Round(time.Millisecond), float64(grown)/1e6)
	if os.Getenv("HOSTILE") != "" {
		closed()
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}

// endless is a body without end that counts the bytes read.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(b []byte) (int, error) {
	e.read.Add(int64(len(b)))
	return len(b), nil
}

func TestRequestsAreLimited(t *testing.T) {
	lab.Simulate(t, lab.Organization())
	p := lab.Launch(t, "--config.file="+lab.WriteFile(t, lab.Config))
	p.AwaitReady(t)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: tool.Patience(t)}
	status := func(method, path string, body io.Reader, header string) int {
		r, err := http.NewRequest(method, p.URL+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Long", header)
		resp, err := client.Do(r)
		if err != nil {
			return 0
		}
		defer func() { _ = resp.Body.Close() }()
		return resp.StatusCode
	}
	if got := status("GET", "/metrics", nil, strings.Repeat("x", 200<<10)); got != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("200 KB of headers: status %d", got)
	}
	for _, path := range []string{"/metrics", "/-/reload", "/"} {
		var body endless
		got := status("POST", path, &body, "")
		if read := body.read.Load(); got == http.StatusOK || read > 64<<20 {
			t.Errorf("endless POST %s: status %d, %d bytes were read", path, got, read)
		}
	}
	for path, want := range map[string]int{"/debug/pprof/": 404, "/debug/pprof/heap": 404, "/debug/pprof/cmdline": 404} {
		if got := status("GET", path, nil, ""); got != want {
			t.Errorf("%s is enabled by default: status %d", path, got)
		}
	}
	if got := status("POST", "/-/reload", nil, ""); got != http.StatusForbidden {
		t.Errorf("/-/reload is enabled by default: status %d", got)
	}
}

// TestClientAuthentication requests /metrics with and without what a web
// configuration requires.
func TestClientAuthentication(t *testing.T) {
	lab.Simulate(t, lab.Organization())
	web := lab.WebConfig(t, "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem}\n"+
		"basic_auth_users: {prometheus: "+secretHash+"}\n")
	p := lab.Launch(t, "--config.file="+lab.WriteFile(t, lab.Config), "--web.config.file="+web)
	trusted, foreign := lab.Certificate("prometheus"), selfSigned(t)
	p.Await(t, "a response", func() bool { return scrape(t, p, tls.VersionTLS13, &trusted, secretPassword) == http.StatusOK })
	for name, test := range map[string]struct {
		version     uint16 // the newest that the client supports
		certificate *tls.Certificate
		password    string
		want        int
	}{
		"TLS 1.0":                       {tls.VersionTLS10, &trusted, secretPassword, 0},
		"TLS 1.1":                       {tls.VersionTLS11, &trusted, secretPassword, 0},
		"TLS 1.2":                       {tls.VersionTLS12, &trusted, secretPassword, http.StatusOK},
		"no certificate":                {tls.VersionTLS13, nil, secretPassword, 0},
		"certificate of another issuer": {tls.VersionTLS13, &foreign, secretPassword, 0},
		"no password":                   {tls.VersionTLS13, &trusted, "", http.StatusUnauthorized},
		"wrong password":                {tls.VersionTLS13, &trusted, "guess", http.StatusUnauthorized},
	} {
		if got := scrape(t, p, test.version, test.certificate, test.password); got != test.want {
			t.Errorf("%s: status %d, want %d", name, got, test.want)
		}
	}
}

// scrape returns the status of /metrics over TLS; 0 without a response.
func scrape(t *testing.T, p *lab.Program, version uint16, certificate *tls.Certificate, password string) int {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(lab.CA())
	c := &tls.Config{RootCAs: roots, ServerName: "exporter.example.org", MinVersion: tls.VersionTLS10, MaxVersion: version}
	if certificate != nil {
		c.Certificates = []tls.Certificate{*certificate}
	}
	transport := &http.Transport{TLSClientConfig: c}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest("GET", "https://"+p.Address+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		r.SetBasicAuth("prometheus", password)
	}
	resp, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}

// selfSigned returns a certificate that the authority has not issued.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestControlCharactersAndMarkupAreEscaped names an account, its team and OU, an
// analyzer, a public resource and requests after control sequences of terminals, browsers
// and logs.
func TestControlCharactersAndMarkupAreEscaped(t *testing.T) {
	const evil = "\x1b[2J<script>alert(1)</script>\r\nlevel=ERROR msg=forged"
	w := lab.Organization()
	w.Account(lab.Alpha).Name = evil
	w.Account(lab.Alpha).Tags = map[string]string{"team": evil}
	w.Account(lab.Alpha).OUs = []string{"r-exam", "ou-exam-evilteam"}
	w.Organization.OUNames = map[string]string{"ou-exam-evilteam": evil}
	w.Analyzers[2].Name = evil
	w.Analyzers[2].AddFinding(simaws.Finding{
		Type: "ExternalAccess", Resource: evil, ResourceType: "AWS::S3::Bucket", Owner: lab.Alpha, Public: true,
	}, time.Now())
	w.Faults = []*simaws.Fault{{Kind: simaws.AccessDenied, Service: "access-analyzer", Account: lab.Beta}}
	lab.Simulate(t, w)
	for where, text := range everyOutput(t) {
		if text == "" {
			t.Errorf("%s is empty", where)
		}
		if i := strings.IndexAny(text, "\x1b\r"); i >= 0 {
			t.Errorf("%s has a control character: %q", where, text[max(0, i-60):min(len(text), i+60)])
		}
		if page := strings.HasPrefix(text, "<!"); (page || where == "/") && strings.Contains(text, "<script>alert") {
			t.Errorf("%s has unescaped markup", where)
		}
		if strings.Contains(text, "\nlevel=ERROR msg=forged") {
			t.Errorf("%s has a forged line", where)
		}
	}
}

// everyOutput returns pages, reports and the log of an exporter.
func everyOutput(t *testing.T) map[string]string {
	t.Helper()
	config := "--config.file=" + lab.WriteFile(t, strings.Replace(lab.Config, "discovery: organization", "discovery: organization, labels: {ou: true, tags: [team]}", 1))
	p := lab.Launch(t, config, "--log.level=debug")
	p.AwaitReady(t)
	outputs := map[string]string{}
	for _, path := range []string{"/", "/?account=%1b[2J%3Cscript%3Ealert(1)", "/api/v1/coverage", "/api/v1/coverage?state=%1b[2J", "/%1b[2J%3Cscript%3Ealert(1)"} {
		_, outputs[path] = p.Get(t, path)
	}
	for _, format := range []string{"table", "json", "csv", "sarif", "junit", "html"} {
		var out lab.Buffer
		cli.Run(t.Context(), []string{"audit", config, "--output=" + format}, &out, &out)
		outputs["audit as "+format] = out.String()
	}
	p.Stop()
	outputs["log"] = p.Stderr.String()
	return outputs
}
