package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
)

// Policy has the operator's settings for requests and connections. The zero value is
// strict: same origin only, not open, no trusted proxy.
type Policy struct {
	// Open is open mode: there are no rules, and everybody may do everything.
	Open bool
	// Loopback says that all listeners are loopback. Pages of loopback origins may
	// then connect, and Host must be localhost, 127.0.0.1, [::1] or one of Hosts.
	// Without it every IP address passes, since rebinding needs a name.
	Loopback bool
	// Origins may connect beside the server's own: "https://example.org", without path or
	// wildcard; "capacitor://localhost" or "file://" as app shells send them; "null" for pages
	// opened from disk and sandboxed frames.
	Origins []string
	// CORSHeaders are names of request headers that pages of other origins may send, beside
	// those in corsHeaders.
	CORSHeaders []string
	// Hosts are the names of this server beside localhost: "example.org" with any port,
	// "example.org:8080" with this one. A Host that is another name is refused.
	Hosts []string
	// KnownHosts refuses every name that is not in Hosts, also if Hosts is empty. Loopback
	// implies it. A server without rules needs it: otherwise any site can point a name of its
	// own to this server, and its pages then pass as the server's own (DNS rebinding).
	KnownHosts bool
	// AnyHost accepts every Host. It contradicts Hosts, and wins over Loopback and KnownHosts.
	AnyHost bool
	// Probes are paths that are answered without a Host too, as health checks in HTTP/1.0 ask.
	Probes []string
	// TrustedProxies are the addresses whose X-Forwarded-For and X-Forwarded-Proto, or
	// Forwarded, are trusted.
	TrustedProxies []netip.Prefix
	// TrustUnix trusts the peers of unix sockets likewise.
	TrustUnix bool
	// Log gets one warning per refused request; nil discards them.
	Log *slog.Logger
	// Refusals counts the errors in answers; nil counts nothing.
	Refusals *Refusals
}

// A RequestFilter applies a Policy to requests. Make it with NewRequestFilter.
type RequestFilter struct {
	open, loopback bool
	null           bool // "null" is listed
	anyHost        bool
	origins        map[origin]bool
	corsHeaders    string             // in an answer to a preflight
	hosts          map[authority]bool // port 0: any port
	probes         []string
	proxies        []netip.Prefix
	unix           bool // peers of unix sockets are trusted proxies
	protection     http.CrossOriginProtection
	log            *slog.Logger
	refusals       *Refusals
}

// NewRequestFilter checks the policy. The error names the origin, host or prefix that is
// malformed.
func NewRequestFilter(p Policy) (*RequestFilter, error) {
	g := &RequestFilter{
		open: p.Open, loopback: p.Loopback, log: p.Log, refusals: p.Refusals, probes: p.Probes, unix: p.TrustUnix,
		anyHost: p.AnyHost || !p.Loopback && !p.KnownHosts && len(p.Hosts) == 0,
		origins: make(map[origin]bool),
		hosts:   make(map[authority]bool),
	}
	if g.log == nil {
		g.log = slog.New(slog.DiscardHandler)
	}
	if p.AnyHost && len(p.Hosts) > 0 {
		return nil, errors.New("auth: any-host accepts every name and contradicts host: remove one of them")
	}
	for _, s := range p.Origins {
		if s == "null" {
			g.null = true
			continue
		}
		o, err := listedOrigin(s)
		if err != nil {
			return nil, fmt.Errorf("auth: %w", err)
		}
		g.origins[o] = true
	}
	var err error
	if g.corsHeaders, err = allowedHeaders(p.CORSHeaders); err != nil {
		return nil, fmt.Errorf("auth: %w", err)
	}
	for _, s := range p.Hosts {
		a, ok := parseAuthority(s)
		if !ok {
			return nil, fmt.Errorf("auth: host %s: write a name or an address without a scheme (like example.org, example.org:8080 or [2001:db8::1])", quote(s))
		}
		g.hosts[a] = true
	}
	for _, prefix := range p.TrustedProxies {
		if !prefix.IsValid() {
			return nil, fmt.Errorf("auth: trusted proxy %s is not a prefix (like 10.0.0.0/8)", prefix)
		}
		g.proxies = append(g.proxies, unmap(prefix))
	}
	return g, nil
}

// unmap turns ::ffff:10.0.0.0/104 into 10.0.0.0/8: addresses are compared unmapped.
func unmap(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}
