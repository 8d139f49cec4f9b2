package auth

import (
	"iter"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/proxyproto"
)

// sender finds the address of the client and whether it used TLS. It uses the headers of
// trusted proxies only. The error is CodeBadRequest: a trusted proxy sent a malformed Forwarded.
//
// Most proxies write X-Forwarded-For and X-Forwarded-Proto and pass a Forwarded of their client
// on. So Forwarded (RFC 7239) counts only without these two.
func (g *RequestFilter) sender(r *http.Request) (Caller, error) {
	c := Caller{Addr: peer(r), Secure: r.TLS != nil || proxyproto.TLS(r.Context())}
	c.local = g.local(c.Addr)
	if !g.trusted(c.Addr) && !(g.unix && !c.Addr.IsValid() && onUnix(r)) {
		return c, nil
	}
	addrs, schemes := r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Proto"]
	if len(addrs) > 0 || len(schemes) > 0 {
		addr, trusted := g.walk(c.Addr, fromRight(addrs))
		c.Addr, c.Secure = addr, c.Secure || tlsBefore(schemes, trusted, count(fromRight(addrs)))
		return c, nil
	}
	hops, err := parseForwarded(r.Header["Forwarded"])
	if err != nil {
		return c, maru.NewError(maru.CodeBadRequest, "the Forwarded header of the proxy "+c.Addr.String()+" is malformed (RFC 7239 §4): "+err.Error())
	}
	addr, trusted := g.walk(c.Addr, func(yield func(string) bool) {
		for _, hop := range slices.Backward(hops) {
			if !yield(hop.from) {
				return
			}
		}
	})
	c.Addr = addr
	for _, hop := range hops[len(hops)-trusted:] { // the farthest trusted proxy comes first
		if hop.scheme != "" {
			c.Secure = c.Secure || overTLS(hop.scheme)
			break
		}
	}
	return c, nil
}

// walk walks the addresses that proxies report, the nearest proxy's first. Each proxy appends
// the address that it saw, so an entry can be trusted if the one before it is a trusted proxy.
// The first address that is not a trusted proxy is the client; everything behind it is only the
// client's own claim. A malformed entry ends the walk at the proxy that wrote it. trusted is how
// many entries are of trusted proxies.
func (g *RequestFilter) walk(addr netip.Addr, entries iter.Seq[string]) (client netip.Addr, trusted int) {
	for entry := range entries {
		trusted++
		next, ok := parseEntry(entry)
		if !ok {
			return addr, trusted
		}
		if addr = next; !g.trusted(addr) {
			return addr, trusted
		}
	}
	return addr, trusted
}

// tlsBefore reports whether the client used TLS, by X-Forwarded-Proto. Its entries pair with those
// of X-Forwarded-For from the right: so many of these there are, and so many are of trusted
// proxies. Most proxies replace the header, so it may be shorter; its farthest trusted entry
// counts.
//
// If it is longer, a proxy adds its scheme but not its address, and nothing tells who wrote which
// entry. TLS anywhere on the way then counts. A client that lies about this gains nothing: it
// can only make its own Origin foreign, and its cookies Secure.
func tlsBefore(lines []string, trusted, addrs int) bool {
	n, anywhere, farthest := 0, false, false
	for scheme := range fromRight(lines) {
		n++
		anywhere = anywhere || overTLS(scheme)
		if n <= max(trusted, 1) {
			farthest = overTLS(scheme)
		}
	}
	if n > max(addrs, 1) {
		return anywhere
	}
	return farthest
}

// overTLS reports whether a scheme means TLS. Proxies name the scheme of a WebSocket wss (Traefik,
// node-http-proxy), of other requests https.
func overTLS(scheme string) bool {
	return strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "wss")
}

// TrustsPeer reports whether the peer of a connection is a trusted proxy.
func (g *RequestFilter) TrustsPeer(nc net.Conn) bool {
	if _, unix := nc.LocalAddr().(*net.UnixAddr); unix {
		return g.unix
	}
	at, err := netip.ParseAddrPort(nc.RemoteAddr().String())
	return err == nil && g.trusted(plain(at.Addr()))
}

func (g *RequestFilter) trusted(addr netip.Addr) bool {
	for _, p := range g.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// onUnix reports whether the request came by a unix socket, whose peer has no address.
func onUnix(r *http.Request) bool {
	_, ok := r.Context().Value(http.LocalAddrContextKey).(*net.UnixAddr)
	return ok
}

func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return plain(ap.Addr())
}

// parseEntry reads an address, with or without a port. IPv6 may be in brackets.
func parseEntry(s string) (netip.Addr, bool) {
	if inside, ok := strings.CutPrefix(s, "["); ok && strings.HasSuffix(inside, "]") {
		addr, err := netip.ParseAddr(strings.TrimSuffix(inside, "]"))
		return plain(addr), err == nil && addr.Is6()
	}
	if addr, err := netip.ParseAddr(s); err == nil {
		return plain(addr), true
	}
	ap, err := netip.ParseAddrPort(s)
	return plain(ap.Addr()), err == nil
}

// plain is the address in the one form in which addresses are compared.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// fromRight returns the elements of a list header, the last one first: the nearest proxy wrote
// it.
func fromRight(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, rest := range slices.Backward(lines) {
			for more := true; more; {
				var element string
				if rest, element, more = cutLast(rest); !yield(element) {
					return
				}
			}
		}
	}
}

func cutLast(s string) (before, element string, more bool) {
	i := strings.LastIndexByte(s, ',')
	if i < 0 {
		return "", strings.TrimSpace(s), false
	}
	return s[:i], strings.TrimSpace(s[i+1:]), true
}

func count(elements iter.Seq[string]) (n int) {
	for range elements {
		n++
	}
	return n
}
