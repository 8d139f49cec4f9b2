package web

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"maru.example/maru/internal/auth"
)

// policy allows a page to load files of its own origin only, and to connect to the sources
// in connect beside it, each with a space before it.
// 'self' in connect-src covers ws and wss of the same host and port (CSP Level 3 §6.7.2.8).
func policy(connect string) string {
	return "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
		"connect-src 'self'" + connect + "; font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
}

// otherNames are the sources of this server under the other names of this machine, if the page was
// opened by one of them: in the console of http://127.0.0.1:3000 people try ws://localhost:3000.
// A source cannot name an IPv6 address.
func otherNames(r *http.Request) string {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = strings.Trim(r.Host, "[]"), ""
	}
	ip, err := netip.ParseAddr(host)
	if !strings.EqualFold(host, "localhost") && (err != nil || !ip.IsLoopback()) {
		return ""
	}
	scheme := " ws://"
	if auth.OverTLS(r) {
		scheme = " wss://"
	}
	if port != "" {
		port = ":" + port
	}
	return scheme + "localhost" + port + scheme + "127.0.0.1" + port
}

// secure sets the headers that every answer of the pages has.
func secure(h http.Header, r *http.Request) {
	h.Set("Content-Security-Policy", policy(otherNames(r)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}
