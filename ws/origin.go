package ws

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// sameOrigin allows clients other than browsers, pages of the same host, and pages of this
// machine if the server is addressed as this machine. So a page on localhost:8080 reaches a
// server on localhost:3000. RFC 6455 §10.2.
func sameOrigin(r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) == 0 {
		return true
	}
	u, err := url.Parse(origins[0])
	if len(origins) > 1 || err != nil || u.Host == "" {
		return false
	}
	return withPort(u.Host, u.Scheme) == withPort(r.Host, u.Scheme) || loopback(u.Host) && loopback(r.Host)
}

// withPort is a host and its port, which is the scheme's default if none is written: browsers
// leave it out of an Origin, and proxies and other clients write it into a Host. The scheme of a
// request is that of its page, since TLS may end at a proxy.
func withPort(hostport, scheme string) string {
	hostport = strings.ToLower(hostport)
	if _, port, err := net.SplitHostPort(hostport); err == nil && port != "" {
		return hostport
	}
	return strings.TrimSuffix(hostport, ":") + map[string]string{"http": ":80", "https": ":443"}[scheme]
}

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	addr, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && addr.IsLoopback()
}
