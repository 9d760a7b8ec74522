package awsapi

import (
	"net/http"
	"net/netip"
	"net/url"
)

// proxyFunc returns the proxy for a request, or nil.
type proxyFunc = func(*http.Request) (*url.URL, error)

// exceptMetadata returns no proxy for link-local and loopback addresses, and for
// those of the metadata endpoints in IPv6. Credentials of a pod or task are
// requested there in plain HTTP, with an authorization token.
func exceptMetadata(proxy proxyFunc) proxyFunc {
	return func(r *http.Request) (*url.URL, error) {
		ip, err := netip.ParseAddr(r.URL.Hostname())
		if err == nil && (ip.IsLoopback() || ip.IsLinkLocalUnicast() || metadata6.Contains(ip)) {
			return nil, nil
		}
		return proxy(r)
	}
}

// metadata6 has the IPv6 addresses of EC2, ECS and EKS metadata endpoints.
// https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html
var metadata6 = netip.MustParsePrefix("fd00:ec2::/32")

// proxyError is the error of a request that went to a proxy.
type proxyError struct {
	host, proxy string
	err         error
}

// Error names the host and the proxy: errors of the proxy have neither.
func (e *proxyError) Error() string {
	return e.host + " through proxy " + e.proxy + ": " + e.err.Error()
}
func (e *proxyError) Unwrap() error { return e.err }

// throughProxy adds the proxy, if the request went to one, to its error.
func throughProxy(t *http.Transport, r *http.Request, err error) error {
	if t.Proxy == nil {
		return err
	}
	proxy, lookupErr := t.Proxy(r)
	if lookupErr != nil || proxy == nil {
		return err
	}
	return &proxyError{r.URL.Host, proxy.Host, err}
}
