package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

type authority struct {
	key  *ecdsa.PrivateKey
	root *x509.Certificate
}

// testCA issues the certificates of all tests. Its validity includes the year
// 2000, in which synctest's clock starts.
var testCA = sync.OnceValue(func() (a authority) {
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "simulated authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:  x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		NotBefore: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		panic(err)
	}
	if a.root, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	return a
})

// CA returns the certificate of the authority that issues all others.
func CA() *x509.Certificate { return testCA().root }

// Certificate returns one for a server or a client, valid for the names and
// for 127.0.0.1.
func Certificate(names ...string) tls.Certificate {
	a := testCA()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, NotBefore: a.root.NotBefore, NotAfter: a.root.NotAfter,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.root, &a.key.PublicKey, a.key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}
}

// WebConfig writes a web configuration beside a server's certificate
// (cert.pem, key.pem) and the authority's (ca.pem), and returns its path.
func WebConfig(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	c := Certificate("exporter.example.org")
	key, err := x509.MarshalECPrivateKey(c.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	for file, b := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}),
		"ca.pem":   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: CA().Raw}),
		"web.yaml": []byte(text),
	} {
		if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "web.yaml")
}

// serverTLS issues a certificate for each name that a client asks for.
func (l *Lab) serverTLS() *tls.Config {
	var mu sync.Mutex
	issued := map[string]*tls.Certificate{}
	return &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		name := hello.ServerName
		if name == l.impersonated() {
			name = "impostor.invalid"
		}
		if issued[name] == nil {
			c := Certificate(name)
			issued[name] = &c
		}
		return issued[name], nil
	}}
}

// caFile writes the authority's certificate to a file.
func caFile(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: CA().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
