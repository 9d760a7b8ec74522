package web

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// elsewhere is a listener that claims another address.
type elsewhere struct {
	net.Listener
	address net.Addr
}

func (l elsewhere) Addr() net.Addr { return l.address }

func TestHostsOfLoopbackListeners(t *testing.T) {
	everywhere := &net.TCPAddr{IP: net.IPv6zero, Port: 10289}
	for _, test := range []struct {
		address net.Addr // of the listener, nil: its own, 127.0.0.1
		host    string
		want    int
	}{
		{nil, "127.0.0.1:10289", 200},
		{nil, "127.0.0.1", 200},
		{nil, "127.8.8.8", 200},
		{nil, "localhost:10289", 200},
		{nil, "LocalHost.", 200},
		{nil, "[::1]:10289", 200},
		{nil, "[::1]", 200},
		{nil, "[::ffff:127.0.0.1]:1", 200},
		{nil, "", 200},
		{nil, "attacker.example:10289", 421},
		{nil, "localhost.attacker.example", 421},
		{nil, "127.0.0.1.attacker.example", 421},
		{nil, "169.254.169.254", 421},
		{nil, "[2001:db8::1]:10289", 421},
		{nil, "0.0.0.0", 421},
		{&net.TCPAddr{IP: net.IPv6loopback, Port: 1}, "attacker.example", 421},
		{everywhere, "attacker.example", 200},
		{everywhere, "exporter.monitoring.svc:10289", 200},
		{&net.UnixAddr{Name: "/run/exporter.sock", Net: "unix"}, "exporter", 200},
	} {
		t.Run(fmt.Sprint(test.address, " ", test.host), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			address := l.Addr().String()
			if test.address != nil {
				l = elsewhere{l, test.address}
			}
			server := &http.Server{Handler: Handler(options(nil)), BaseContext: ListenerContext}
			go func() { _ = server.Serve(l) }()
			defer func() { _ = server.Close() }()
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if _, err := fmt.Fprintf(c, "GET /-/healthy HTTP/1.1\r\nHost: %s\r\n\r\n", test.host); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != test.want || resp.Header.Get("X-Frame-Options") == "" {
				t.Errorf("status %d, want %d: %s %v", resp.StatusCode, test.want, body, err)
			}
			if test.want == 421 && !strings.Contains(string(body), "only answers requests for localhost") {
				t.Errorf("the body is %s", body)
			}
		})
	}
}
