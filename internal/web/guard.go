package web

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// guard is the outermost handler. It sets the headers of every response and rejects
// requests for other hosts on loopback listeners.
type guard struct{ http.Handler }

// Guard wraps the handlers that others put around Handler, so that their responses
// are treated the same: exporter-toolkit returns 401 on its own.
func Guard(h http.Handler) http.Handler {
	if _, ok := h.(*guard); ok {
		return h
	}
	return &guard{h}
}

// ServeHTTP implements http.Handler.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header())
	if loopback, _ := r.Context().Value(loopbackKey{}).(bool); loopback && !isLoopbackName(r.Host) {
		http.Error(w, "This listener is bound to the loopback interface and only answers requests for localhost, 127.0.0.1 or [::1]. "+
			"If this is a reverse proxy, let it set one of them as the Host header.", http.StatusMisdirectedRequest)
		return
	}
	g.Handler.ServeHTTP(w, r)
}

type loopbackKey struct{}

// ListenerContext is the context of the requests to a listener, for
// http.Server.BaseContext. If the listener is bound to the loopback interface, only
// programs on this machine are to read it. A web page could have its own name
// resolve to 127.0.0.1, and the browser would let it read the responses; the name is
// in the Host header.
func ListenerContext(l net.Listener) context.Context {
	address, err := netip.ParseAddrPort(l.Addr().String())
	return context.WithValue(context.Background(), loopbackKey{}, err == nil && address.Addr().Unmap().IsLoopback())
}

// isLoopbackName reports whether a Host header names this machine. It is empty in
// HTTP/1.0, which browsers do not send.
func isLoopbackName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.Trim(host, "[]"), ".")
	address, err := netip.ParseAddr(host)
	return host == "" || strings.EqualFold(host, "localhost") || err == nil && address.Unmap().IsLoopback()
}
