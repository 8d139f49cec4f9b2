package auth

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"maru.example/maru"
	"maru.example/maru/internal/shares"
)

// Caller is the sender of a request, as RequestFilter.Check found it.
type Caller struct {
	// Addr is the client's address, as trusted proxies report it, without zone. It is
	// the zero Addr where the connection has none that netip can read.
	Addr netip.Addr
	// Secure says that the client used TLS: to this server, or to a trusted proxy that
	// reports it.
	Secure bool
	// Origin is the Origin header as it came; "" when there was none.
	Origin string
	// CrossOrigin says that an origin other than the server's own was allowed: one
	// that is listed, loopback or null. Its answers need CORS headers to be read.
	CrossOrigin bool

	// local says that its address tells nobody apart: it is on loopback, or has no address,
	// and there is no trusted proxy that could report another one.
	local    bool
	refusals *Refusals // of the RequestFilter; nil before Handler
}

// Holder returns the caller as package shares counts it: an API key, a person whose name the
// operator vouches for, or else the address. Nicknames are chosen freely, so that a person with a
// nickname is the address. Callers on loopback are exempt if no proxy is trusted, because they may
// be everybody.
func (c Caller) Holder(who Identity) shares.Holder {
	switch {
	case c.local:
		return 0
	case who.Server():
		return shares.APIKey(who.Grant.Key)
	case who.User != "" && who.Session == "":
		return shares.Person(who.User)
	}
	return shares.Address(c.Addr)
}

// CountRefusal counts that the request was refused with this code. WriteError does so by itself.
func (c Caller) CountRefusal(code maru.Code) { c.refusals.Count(code) }

// PeerHolder returns the holder of what the peer at an address has before it sends a request, such
// as a connection. Trusted proxies are exempt, because they speak for many.
func (g *RequestFilter) PeerHolder(addr netip.Addr) shares.Holder {
	addr = plain(addr)
	if g.trusted(addr) {
		return 0
	}
	return Caller{Addr: addr, local: g.local(addr)}.Holder(Identity{})
}

// local reports whether the address tells no callers apart: see Caller.local.
func (g *RequestFilter) local(addr netip.Addr) bool {
	return len(g.proxies) == 0 && !g.unix && (!addr.IsValid() || addr.IsLoopback())
}

// Check decides whether the request may be answered at all, for WebSocket, POST,
// server-sent events, polls and pages:
//
//   - Host must be localhost, an IP address (while all listeners are loopback 127.0.0.1 or
//     [::1]) or one of Policy.Hosts, on any port, exactly so: no trailing dot. A foreign name
//     that leads here is DNS rebinding. Names are not checked with Policy.AnyHost, nor if
//     nothing in the Policy asks for it. Probes are answered without a Host too.
//   - No Origin: allowed; it is no browser, or a navigation.
//   - Same scheme, host and port as the request: allowed. The scheme is Secure's,
//     default ports and letter case do not matter.
//   - Listed in Policy.Origins: allowed.
//   - http or https on localhost, 127.0.0.0/8 or [::1], any port: allowed while
//     all listeners are loopback.
//   - null: allowed if listed; else in open mode and without session cookie,
//     because any site can send it from a sandboxed frame.
//   - Everything else, malformed and repeated Origin headers too: refused.
//
// The error is a *maru.Error with CodeWrongHost or CodeNotAllowed, and its
// message says what the operator can do; or CodeBadRequest for a malformed Forwarded header of a
// trusted proxy. Caller has Addr and Secure even with an error.
func (g *RequestFilter) Check(r *http.Request) (Caller, error) {
	c, err := g.sender(r)
	if err != nil {
		return c, err
	}
	host, ok := parseAuthority(r.Host)
	if !g.anyHost && !(ok && g.ownHost(host)) && !g.probe(r) {
		return c, wrongHost(r.Host)
	}
	values := r.Header["Origin"]
	if len(values) == 0 {
		return c, nil
	}
	if len(values) > 1 {
		return c, maru.NewError(maru.CodeNotAllowed, "the request has more than one Origin header; send one")
	}
	c.Origin = values[0]
	if c.Origin == "null" {
		c.CrossOrigin = g.null || g.open && !hasSessionCookie(r)
		if !c.CrossOrigin {
			return c, g.nullRefused()
		}
		return c, nil
	}
	from, valid := parseOrigin(c.Origin)
	if !valid {
		return c, maru.NewError(maru.CodeNotAllowed, "the Origin header "+quote(c.Origin)+" is not an origin (like https://example.org, without a path)")
	}
	own := originOf(scheme(c.Secure), host) // of a malformed Host: one without name, which no page has
	if from == own {
		return c, nil
	}
	c.CrossOrigin = g.origins[from] || g.loopback && from.loopback()
	if !c.CrossOrigin {
		return c, foreign(from, own)
	}
	return c, nil
}

// probe reports whether a request is a health check in HTTP/1.0, without a Host. haproxy's, if nothing
// else is configured, is OPTIONS / HTTP/1.0, whose answer says nothing of the server.
func (g *RequestFilter) probe(r *http.Request) bool {
	return r.Host == "" && (r.Method == http.MethodOptions || slices.Contains(g.probes, r.URL.Path))
}

func (g *RequestFilter) ownHost(a authority) bool {
	switch a.host {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	if _, err := netip.ParseAddr(a.host); err == nil && !g.loopback {
		return true
	}
	return g.hosts[a] || g.hosts[authority{host: a.host}]
}

func scheme(secure bool) string {
	if secure {
		return "https"
	}
	return "http"
}

func wrongHost(host string) error {
	if host == "" {
		return maru.NewError(maru.CodeWrongHost, "the request has no Host, which only OPTIONS, /healthz and /readyz allow: send one (--any-host allows it everywhere)")
	}
	return maru.NewError(maru.CodeWrongHost, fmt.Sprintf(
		"the host name %s is not one of this server's: --host NAME allows it (also needed behind a proxy that passes Host on), --any-host allows every name",
		quote(host)))
}

func (g *RequestFilter) nullRefused() error {
	why := "outside open mode"
	if g.open {
		why = "together with a session cookie"
	}
	return maru.NewError(maru.CodeNotAllowed,
		"Origin null (a page opened from disk, or any site's sandboxed frame) is not allowed "+why+": --origin null allows it")
}

func foreign(from, own origin) error {
	return maru.NewError(maru.CodeNotAllowed, fmt.Sprintf(
		"the origin %s is not the server's own origin %s: --origin %[1]s allows it; a proxy in front must pass Host on, and if it ends TLS, send X-Forwarded-Proto and be a --trusted-proxy",
		from, own))
}

// quote makes untrusted text safe for a message: escaped and short.
func quote(s string) string {
	const limit = 100
	if len(s) > limit {
		s = s[:limit] + "…"
	}
	return strconv.QuoteToASCII(s)
}
