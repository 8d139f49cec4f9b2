package auth_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// An accepted origin is one: written out it reads the same, letter case does not matter,
// and net/url, the oracle, finds the same parts and no others.
func FuzzOrigin(f *testing.F) {
	for _, s := range []string{
		"", "null", "http://example.com", "https://EXAMPLE.com:443", "http://[::1]:3000", "http://[0:0::1]",
		"http://localhost:5173", "capacitor://localhost", "http://user@example.com", "http://example.com:3000/path",
		"http://127.0.0.1", "http://127.1", "http://a b", "http://[::1%25eth0]:1", "http://x:65536", "moz-extension://a1-b2",
		"file://", "file:///", "app://.", "app://:1", "https://",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		written, host, port, loopback, ok := auth.ParseOrigin(s)
		if !ok {
			if _, err := auth.NewRequestFilter(auth.Policy{Origins: []string{s}}); (err == nil) != (s == "null") {
				t.Errorf("%q is no origin, and listed: %v", s, err)
			}
			return
		}
		for _, same := range []string{written, strings.ToUpper(s), strings.ToLower(s)} {
			if again, _, _, _, ok := auth.ParseOrigin(same); !ok || again != written {
				t.Errorf("%q is %q, but %q is %q, %v", s, written, same, again, ok)
			}
		}
		u, err := url.Parse(s)
		if err != nil {
			t.Fatalf("%q: net/url says %v", s, err)
		}
		if u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
			t.Errorf("%q is more than an origin", s)
		}
		name := strings.ToLower(u.Hostname())
		local := name == "localhost"
		if addr, err := netip.ParseAddr(name); err == nil {
			name, local = addr.String(), addr.IsLoopback() && !addr.Is4In6()
		}
		if local = local && (u.Scheme == "http" || u.Scheme == "https"); loopback != local {
			t.Errorf("%q: loopback is %v, net/netip says %v", s, loopback, local)
		}
		if name != host {
			t.Errorf("%q: host is %q, net/url says %q", s, host, name)
		}
		if port != 0 && u.Port() != strconv.Itoa(int(port)) {
			t.Errorf("%q: port is %d, net/url says %q", s, port, u.Port())
		}
	})
}

// An accepted nickname is normal, bounded and stays as it is.
func FuzzNickname(f *testing.F) {
	for _, s := range []string{"", "kim", " 김철수\u3000", "Jose\u0301", "k\xffm", "\u200d", "👩\u200d💻", "\u1100\u1175\u11b7",
		strings.Repeat("\u0301", 40), "\u0958", "\u202ekim", "a\u0300\u0323", "\u3164", "🔥\u200d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := auth.Nickname(s)
		if err != nil {
			if name != "" || code(err) != maru.CodeBadNickname {
				t.Errorf("%q: %q, %v", s, name, err)
			}
			return
		}
		if again, err := auth.Nickname(name); err != nil || again != name {
			t.Errorf("%q became %q, which became %q, %v", s, name, again, err)
		}
		if n := utf8.RuneCountInString(name); n < 1 || n > auth.MaxNickname {
			t.Errorf("%q has %d characters", name, n)
		}
		if !utf8.ValidString(name) || !norm.NFC.IsNormalString(name) || strings.TrimSpace(name) != name ||
			strings.ContainsFunc(name, unicode.IsControl) {
			t.Errorf("%q is not a nickname", name)
		}
	})
}

// Whatever headers a client sends, it cannot choose its address: this comes from the last
// proxy, or is the last proxy's.
func FuzzForwardedFor(f *testing.F) {
	for _, s := range []string{"", "1.2.3.4", "1.2.3.4, 10.0.0.1", ",", "[::1]:80", "unknown", "1.2.3.4:5:6", ", ,10.0.0.1"} {
		f.Add(s, s)
	}
	g := newFilter(f, auth.Policy{TrustedProxies: prefixes("10.0.0.0/8")})
	f.Fuzz(func(t *testing.T, one, two string) {
		ask := func(remote string, lines ...string) netip.Addr {
			c, err := g.Check(&http.Request{RemoteAddr: remote, Header: http.Header{"X-Forwarded-For": lines}})
			if err != nil {
				t.Fatal(err)
			}
			return c.Addr
		}
		if got := ask("203.0.113.9:1", one, two); got != netip.MustParseAddr("203.0.113.9") {
			t.Errorf("%q, %q from a stranger: %v", one, two, got)
		}
		if got := ask("10.0.0.1:1", one, two+", 198.51.100.7"); got != netip.MustParseAddr("198.51.100.7") {
			t.Errorf("%q, %q before what the proxy saw: %v", one, two, got)
		}
		if got := ask("10.0.0.1:1", one, two); !got.IsValid() || got.Is4In6() || got.Zone() != "" {
			t.Errorf("%q, %q: %v", one, two, got)
		}
	})
}

// Whatever a client sends in Forwarded before its proxy appends an element, in the same line or
// another one, its address is the one that the proxy saw, or the request is refused.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{"", "for=1.2.3.4", `for="[::1]:80";proto=https`, `for="`, `ext="a\`, ",", ";;", "for=10.0.0.2", `for=1;for=2`, `a="b, c";for=unknown`} {
		f.Add(s)
	}
	g := newFilter(f, auth.Policy{TrustedProxies: prefixes("10.0.0.0/8")})
	f.Fuzz(func(t *testing.T, s string) {
		const saw = "for=198.51.100.7;proto=http"
		for _, lines := range [][]string{{s + ", " + saw}, {s + "," + saw}, {s, saw}, {s + `, for="198.51.100.7:80";by="[::1]"`}} {
			c, err := g.Check(&http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"Forwarded": lines}})
			if err != nil {
				if code(err) != maru.CodeBadRequest {
					t.Errorf("%q: %v", lines, err)
				}
			} else if c.Addr != netip.MustParseAddr("198.51.100.7") || c.Secure {
				t.Errorf("%q: %+v", lines, c)
			}
		}
		c, err := g.Check(&http.Request{RemoteAddr: "203.0.113.9:1", Header: http.Header{"Forwarded": {s}}})
		if err != nil || c.Addr != netip.MustParseAddr("203.0.113.9") {
			t.Errorf("%q from a stranger: %+v, %v", s, c, err)
		}
	})
}
