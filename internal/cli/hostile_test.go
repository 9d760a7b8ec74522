package cli

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/access-analyzer-exporter/access-analyzer-exporter/internal/simaws"
)

// crowd is how many clients there are of a kind: few in an ordinary run, many
// in `make hostile`.
func crowd(few, many int) int {
	if os.Getenv("HOSTILE") == "" {
		return few
	}
	return many
}

// holdVariable makes this program, in another process, a client that holds
// connections open: an address, how many send nothing, and how many never end
// their headers.
const holdVariable = "TEST_HOLD_CONNECTIONS"

// hold opens connections, says so, and then says when the exporter has closed
// the last of them, or that it has not within a minute.
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

// startHolding returns once the connections are open. closed waits for them to
// be closed by the exporter.
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

// TestHostileClients holds connections open that send nothing, or never end
// their headers, while a crowd scrapes.
func TestHostileClients(t *testing.T) {
	idle, slow, scrapes := crowd(400, 10_000), crowd(100, 500), crowd(200, 1000)
	simulate(t, labWorld())
	p := launch(t, "--config.file="+configFile(t, labConfig))
	p.awaitReady(t)
	before := heap()
	closed := startHolding(t, p.address, idle, slow)
	transport := &http.Transport{MaxIdleConnsPerHost: scrapes}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	var served atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for range scrapes {
		wg.Go(func() {
			resp, err := client.Get(p.url + "/metrics")
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

// endless is a body that never ends, and counts what was read of it.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(b []byte) (int, error) {
	e.read.Add(int64(len(b)))
	return len(b), nil
}

func TestRequestsAreLimited(t *testing.T) {
	simulate(t, labWorld())
	p := launch(t, "--config.file="+configFile(t, labConfig))
	p.awaitReady(t)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	status := func(method, path string, body io.Reader, header string) int {
		r, err := http.NewRequest(method, p.url+path, body)
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
			t.Errorf("POST %s without end: status %d, %d bytes were taken", path, got, read)
		}
	}
	for path, want := range map[string]int{"/debug/pprof/": 404, "/debug/pprof/heap": 404, "/debug/pprof/cmdline": 404} {
		if got := status("GET", path, nil, ""); got != want {
			t.Errorf("%s is on without being asked for: status %d", path, got)
		}
	}
	if got := status("POST", "/-/reload", nil, ""); got != http.StatusForbidden {
		t.Errorf("/-/reload is on without being asked for: status %d", got)
	}
}

// pemFiles writes a certificate, its key and the authority into a directory.
func pemFiles(t *testing.T, dir string, c tls.Certificate) {
	t.Helper()
	key, err := x509.MarshalECPrivateKey(c.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"cert.pem": {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, "key.pem": {Type: "EC PRIVATE KEY", Bytes: key},
		"ca.pem": {Type: "CERTIFICATE", Bytes: amazon().root.Raw},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhoMayScrape asks with and without what a configuration demands.
func TestWhoMayScrape(t *testing.T) {
	simulate(t, labWorld())
	dir := t.TempDir()
	pemFiles(t, dir, issue("exporter.example.org"))
	web := filepath.Join(dir, "web.yaml")
	text := "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem}\n" +
		"basic_auth_users: {prometheus: " + markedHash + "}\n"
	if err := os.WriteFile(web, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p := launch(t, "--config.file="+configFile(t, labConfig), "--web.config.file="+web)
	roots := x509.NewCertPool()
	roots.AddCert(amazon().root)
	known, strange := issue("prometheus"), selfSigned(t)
	ask := func(newest uint16, certificate *tls.Certificate, password string) int {
		c := &tls.Config{RootCAs: roots, ServerName: "exporter.example.org", MinVersion: tls.VersionTLS10, MaxVersion: newest}
		if certificate != nil {
			c.Certificates = []tls.Certificate{*certificate}
		}
		transport := &http.Transport{TLSClientConfig: c}
		defer transport.CloseIdleConnections()
		r, err := http.NewRequest("GET", "https://"+p.address+"/metrics", nil)
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
	p.await(t, "an answer", func() bool { return ask(tls.VersionTLS13, &known, markedPassword) == http.StatusOK })
	for name, test := range map[string]struct {
		newest      uint16
		certificate *tls.Certificate
		password    string
		want        int
	}{
		"TLS 1.0":               {tls.VersionTLS10, &known, markedPassword, 0},
		"TLS 1.1":               {tls.VersionTLS11, &known, markedPassword, 0},
		"TLS 1.2":               {tls.VersionTLS12, &known, markedPassword, http.StatusOK},
		"no certificate":        {tls.VersionTLS13, nil, markedPassword, 0},
		"another's certificate": {tls.VersionTLS13, &strange, markedPassword, 0},
		"no password":           {tls.VersionTLS13, &known, "", http.StatusUnauthorized},
		"a wrong password":      {tls.VersionTLS13, &known, "guess", http.StatusUnauthorized},
	} {
		if got := ask(test.newest, test.certificate, test.password); got != test.want {
			t.Errorf("%s: status %d, want %d", name, got, test.want)
		}
	}
}

// selfSigned is a certificate that the authority knows nothing of.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	dir := filepath.Dir(webConfig(t, ""))
	c, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestWhatOthersNameIsShownAsText lets AWS and clients name things after what
// terminals, browsers and logs take for commands.
func TestWhatOthersNameIsShownAsText(t *testing.T) {
	const evil = "\x1b[2J<script>alert(1)</script>\r\nlevel=ERROR msg=forged"
	w := labWorld()
	w.Account(labAlpha).Name = evil
	w.Analyzers[2].Name = evil
	w.Faults = []*simaws.Fault{{Kind: simaws.AccessDenied, Service: "access-analyzer", Account: labBeta}}
	simulate(t, w)
	config := "--config.file=" + configFile(t, labConfig)
	p := launch(t, config, "--log.level=debug")
	p.awaitReady(t)
	shown := map[string]string{}
	for _, path := range []string{"/", "/?account=%1b[2J%3Cscript%3Ealert(1)", "/api/v1/coverage", "/api/v1/coverage?state=%1b[2J", "/%1b[2J%3Cscript%3Ealert(1)"} {
		_, shown[path] = p.get(t, path)
	}
	for _, format := range []string{"table", "json"} {
		var out buffer
		Run(t.Context(), []string{"audit", config, "--output=" + format}, &out, &out)
		shown["audit as "+format] = out.String()
	}
	p.stop()
	shown["log"] = p.stderr.String()
	for what, text := range shown {
		if text == "" {
			t.Errorf("%s: nothing came", what)
		}
		if i := strings.IndexAny(text, "\x1b\r"); i >= 0 {
			t.Errorf("%s has a control character: %q", what, text[max(0, i-60):min(len(text), i+60)])
		}
		if page := strings.HasPrefix(text, "<!"); (page || what == "/") && strings.Contains(text, "<script>alert") {
			t.Errorf("%s has markup that AWS or a client wrote", what)
		}
		if strings.Contains(text, "\nlevel=ERROR msg=forged") {
			t.Errorf("%s has a line that AWS wrote", what)
		}
	}
}
