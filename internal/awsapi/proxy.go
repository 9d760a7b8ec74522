package awsapi

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
)

// proxyFunc returns the proxy for a request, or nil.
type proxyFunc = func(*http.Request) (*url.URL, error)

type withoutProxyKey struct{}

// withoutProxy marks the requests of a context for exceptMetadata.
func withoutProxy(ctx context.Context) context.Context {
	return context.WithValue(ctx, withoutProxyKey{}, true)
}

// redirectError is the error of a response that redirects to another host.
type redirectError struct {
	status int
	host   string
}

func (e *redirectError) Error() string {
	return fmt.Sprintf("HTTP %d, redirect to %s", e.status, e.host)
}

// exceptRedirects returns an error for requests that follow a redirect. The SDK's
// own clients for logins and IMDS follow some, and would send the token of an SSO
// session to any host. AWS sends no redirects.
func exceptRedirects(proxy proxyFunc) proxyFunc {
	return func(r *http.Request) (*url.URL, error) {
		if r.Response != nil {
			return nil, &redirectError{r.Response.StatusCode, r.URL.Host}
		}
		return proxy(r)
	}
}

// exceptMetadata returns no proxy for link-local and loopback addresses, for those
// of the metadata endpoints in IPv6, and for marked requests in plain HTTP.
// Credentials of a pod or task are requested there, with an authorization token.
func exceptMetadata(proxy proxyFunc) proxyFunc {
	return func(r *http.Request) (*url.URL, error) {
		ip, err := netip.ParseAddr(r.URL.Hostname())
		if err == nil && (ip.IsLoopback() || ip.IsLinkLocalUnicast() || metadata6.Contains(ip)) {
			return nil, nil
		}
		if r.URL.Scheme == "http" && r.Context().Value(withoutProxyKey{}) != nil {
			return nil, nil
		}
		return proxy(r)
	}
}

// metadata6 has the IPv6 addresses of EC2, ECS and EKS metadata endpoints.
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
var metadata6 = netip.MustParsePrefix("fd00:ec2::/32")

// sendError is the error of a request without a response.
type sendError struct {
	host string
	// proxy is the host of the proxy that the request went to, or empty.
	proxy string
	err   error
}

// Error names the host and the proxy: errors of the network have neither.
func (e *sendError) Error() string {
	if e.proxy != "" {
		return e.host + " through proxy " + e.proxy + ": " + e.err.Error()
	}
	return e.host + ": " + e.err.Error()
}

func (e *sendError) Unwrap() error { return e.err }

// unsent adds the host and the proxy of a request to its error.
func unsent(t *http.Transport, r *http.Request, err error) error {
	e := &sendError{host: r.URL.Host, err: err}
	if t.Proxy != nil {
		if proxy, lookupErr := t.Proxy(r); lookupErr == nil && proxy != nil {
			e.proxy = proxy.Host
		}
	}
	return e
}
