package auth

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// An authority is the host and port of a Host header or an origin, in one
// spelling: names in lower case, addresses as netip writes them (IPv6 without
// brackets). Port 0 means that none was written.
type authority struct {
	host string
	port uint16
}

// An origin is the triple of RFC 6454 §4. The scheme is in lower case, and its
// default port is 0.
type origin struct {
	scheme string
	authority
}

// parseOrigin reads a serialised origin (RFC 6454 §6.2), and nothing but one:
// no path, no user, no list, and not "null", which is no triple. App shells have schemes of
// their own, with a host (capacitor://localhost) or without (file://).
func parseOrigin(s string) (o origin, ok bool) {
	scheme, rest, found := strings.Cut(s, "://")
	if !found || !validScheme(scheme) {
		return origin{}, false
	}
	scheme = strings.ToLower(scheme)
	if rest == "" && scheme != "http" && scheme != "https" {
		return origin{scheme: scheme}, true
	}
	a, ok := parseAuthority(rest)
	if !ok {
		return origin{}, false
	}
	return originOf(scheme, a), true
}

// listedOrigin reads an origin as an operator writes it. The error says what is wrong, and what
// to write.
func listedOrigin(s string) (origin, error) {
	if o, ok := parseOrigin(s); ok {
		return o, nil
	}
	return origin{}, fmt.Errorf("origin %s: %s", quote(s), originFault(s))
}

// originFault says why text is not an origin.
func originFault(s string) string {
	scheme, rest, found := strings.Cut(s, "://")
	host := strings.TrimRight(rest, "/")
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		host = host[:i]
	}
	meant, isOrigin := parseOrigin(scheme + "://" + host)
	bare, _ := parseAuthority(strings.TrimRight(s, "/"))
	switch {
	case s == "":
		return "it is empty; write it like https://example.org"
	case strings.EqualFold(s, "null"):
		return "it has capitals; write null"
	case strings.Contains(s, "*"):
		return "it has a wildcard; list each origin by itself"
	case strings.ContainsAny(s, ", "):
		return "it is more than one; give each of them by itself"
	case !found && bare.host != "":
		return "it has no scheme; write https://" + bare.String()
	case !found:
		return "it has no scheme; write it like https://example.org, app://name or file://"
	case !validScheme(scheme):
		return "its scheme has characters that a scheme cannot have"
	case isOrigin:
		return "it has a path; write " + meant.String()
	case strings.Contains(host, "@"):
		return "it has a user; write the scheme, the host and the port only"
	case host == "":
		return "it has no host; write it like https://example.org"
	case strings.ContainsFunc(host, func(c rune) bool { return c >= 0x80 }):
		return "its host is not ASCII; write it as browsers send it, like https://xn--bcher-kva.example"
	}
	return "its host or port is not valid; write it like https://example.org or https://example.org:8443"
}

// originOf leaves the default port out, so that origins compare with ==.
func originOf(scheme string, a authority) origin {
	if scheme == "http" && a.port == 80 || scheme == "https" && a.port == 443 {
		a.port = 0
	}
	return origin{scheme, a}
}

// parseAuthority reads host[:port] (RFC 3986 §3.2.2 and §3.2.3) as browsers write
// it: names in ASCII, IPv6 in brackets and without zone, ports from 1 without
// leading zeros.
func parseAuthority(s string) (a authority, ok bool) {
	if inside, rest, found := strings.Cut(s, "]"); found {
		addr, err := netip.ParseAddr(strings.TrimPrefix(inside, "["))
		if err != nil || s[0] != '[' || !addr.Is6() || addr.Zone() != "" {
			return authority{}, false
		}
		a.host, s = addr.String(), rest
	} else {
		end := strings.IndexByte(s, ':')
		if end < 0 {
			end = len(s)
		}
		if !validName(s[:end]) {
			return authority{}, false
		}
		a.host, s = strings.ToLower(s[:end]), s[end:]
	}
	if s == "" {
		return a, true
	}
	digits, found := strings.CutPrefix(s, ":")
	port, err := strconv.ParseUint(digits, 10, 16)
	if !found || err != nil || digits[0] == '0' {
		return authority{}, false
	}
	a.port = uint16(port)
	return a, true
}

// String is the origin as browsers write it.
func (o origin) String() string { return o.scheme + "://" + o.authority.String() }

func (a authority) String() string {
	s := a.host
	if strings.Contains(s, ":") {
		s = "[" + s + "]"
	}
	if a.port != 0 {
		s += ":" + strconv.Itoa(int(a.port))
	}
	return s
}

// loopback reports whether a page of this origin came from the machine itself:
// http or https, and localhost, 127.0.0.0/8 or [::1], on any port.
func (o origin) loopback() bool {
	if o.scheme != "http" && o.scheme != "https" {
		return false
	}
	if o.host == "localhost" || o.host == "::1" {
		return true
	}
	if !strings.HasPrefix(o.host, "127.") { // a name like 127.example.org goes on
		return false
	}
	addr, err := netip.ParseAddr(o.host)
	return err == nil && addr.Is4()
}

// validScheme is RFC 3986 §3.1. Schemes other than http and https are those of
// browser extensions and app shells, which an operator may list.
func validScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !isDigit(s[i]) && s[i] != '+' && s[i] != '-' && s[i] != '.') {
			return false
		}
	}
	return s != ""
}

// validName accepts DNS names, and the underscore that intranets use. Browsers write
// international names in Punycode, so ASCII is enough.
func validName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := 'a' <= c && c <= 'z'
		if !letter && !isDigit(s[i]) && s[i] != '-' && s[i] != '.' && s[i] != '_' {
			return false
		}
	}
	return 0 < len(s) && len(s) <= 253 // RFC 1035 §2.3.4
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
