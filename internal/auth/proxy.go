package auth

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// sender finds the address of the client and whether it used https. It uses the headers of
// trusted proxies only.
func (g *RequestFilter) sender(r *http.Request) Caller {
	c := Caller{Addr: peer(r), Secure: r.TLS != nil}
	c.local = g.local(c.Addr)
	if !g.trusted(c.Addr) && !(g.unix && onUnix(r)) {
		return c
	}
	c.Secure = c.Secure || strings.EqualFold(last(r.Header["X-Forwarded-Proto"]), "https")
	c.Addr = g.forwardedFor(c.Addr, r.Header["X-Forwarded-For"])
	return c
}

// forwardedFor walks X-Forwarded-For from the right. Each proxy appends the address that
// it saw, so an entry can be trusted if the one after it is a trusted proxy. The first
// address that is not a trusted proxy is the client; everything left of it is only the
// client's own claim. A malformed entry ends the walk at the proxy that wrote it.
func (g *RequestFilter) forwardedFor(addr netip.Addr, lines []string) netip.Addr {
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for more := true; more; {
			var entry string
			rest, entry, more = cutLast(rest)
			next, ok := parseEntry(entry)
			if !ok {
				return addr
			}
			if addr = next; !g.trusted(addr) {
				return addr
			}
		}
	}
	return addr
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

// parseEntry reads an address, with or without a port.
func parseEntry(s string) (netip.Addr, bool) {
	if addr, err := netip.ParseAddr(s); err == nil {
		return plain(addr), true
	}
	ap, err := netip.ParseAddrPort(s)
	return plain(ap.Addr()), err == nil
}

// plain is the address in the one form in which addresses are compared.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// last is the element that the nearest proxy wrote into a list header.
func last(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	_, element, _ := cutLast(lines[len(lines)-1])
	return element
}

func cutLast(s string) (before, element string, more bool) {
	i := strings.LastIndexByte(s, ',')
	if i < 0 {
		return "", strings.TrimSpace(s), false
	}
	return s[:i], strings.TrimSpace(s[i+1:]), true
}
