package auth_test

import (
	"crypto/tls"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
)

// A check is one request under one policy. Unset fields make a plain http
// request of 203.0.113.9 to example.com:3000.
type check struct {
	policy auth.Policy
	tls    bool
	host   string
	remote string
	header http.Header

	code   maru.Code // "" means allowed
	cross  bool
	addr   string // of the Caller; "" is not compared
	secure bool
}

func (c check) request() *http.Request {
	r := &http.Request{
		Method: "GET", URL: &url.URL{Path: "/"}, Host: "example.com:3000",
		RemoteAddr: "203.0.113.9:40000", Header: http.Header{},
	}
	if c.host != "" {
		r.Host = c.host
	}
	if c.remote != "" {
		r.RemoteAddr = c.remote
	}
	if c.tls {
		r.TLS = new(tls.ConnectionState)
	}
	for name, values := range c.header {
		r.Header[http.CanonicalHeaderKey(name)] = values
	}
	return r
}

func runChecks(t *testing.T, cases map[string]check) {
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := c.request()
			got, err := newFilter(t, c.policy).Check(r)
			if code(err) != c.code {
				t.Fatalf("got %v, want code %q", err, c.code)
			}
			if got.CrossOrigin != c.cross {
				t.Errorf("CrossOrigin is %v, want %v", got.CrossOrigin, c.cross)
			}
			if c.addr != "" && got.Addr != netip.MustParseAddr(c.addr) {
				t.Errorf("Addr is %v, want %v", got.Addr, c.addr)
			}
			if got.Secure != (c.secure || c.tls) {
				t.Errorf("Secure is %v", got.Secure)
			}
			if values := r.Header["Origin"]; err == nil && len(values) == 1 && got.Origin != values[0] {
				t.Errorf("Origin is %q, want it as it came, %q", got.Origin, values[0])
			}
		})
	}
}

func from(origins ...string) http.Header { return http.Header{"Origin": origins} }

const refused = maru.CodeNotAllowed

func TestCheckSameOrigin(t *testing.T) {
	t.Parallel()
	runChecks(t, map[string]check{
		"no origin is no browser":             {},
		"own origin":                          {header: from("http://example.com:3000")},
		"own origin over TLS":                 {tls: true, header: from("https://example.com:3000")},
		"default port not written in Host":    {host: "example.com", header: from("http://example.com")},
		"default port written in Host":        {host: "example.com:80", header: from("http://example.com")},
		"default port written in Origin":      {host: "example.com", header: from("http://example.com:80")},
		"default port of https":               {tls: true, host: "example.com:443", header: from("https://example.com")},
		"upper case Host":                     {host: "EXAMPLE.com:3000", header: from("http://example.com:3000")},
		"upper case Origin":                   {header: from("HTTP://Example.COM:3000")},
		"IPv6 literal":                        {host: "[2001:db8::1]:3000", header: from("http://[2001:db8::1]:3000")},
		"IPv6 literal written at length":      {host: "[2001:DB8:0:0:0:0:0:1]", header: from("http://[2001:db8::1]")},
		"trailing dot in both":                {host: "example.com.", header: from("http://example.com.")},
		"underscore in an intranet's name":    {host: "my_box:3000", header: from("http://my_box:3000")},
		"other host":                          {header: from("http://example.org:3000"), code: refused},
		"sibling":                             {header: from("http://a.example.com:3000"), code: refused},
		"name that begins the same":           {header: from("http://example.com.evil.org:3000"), code: refused},
		"name that ends the same":             {header: from("http://evilexample.com:3000"), code: refused},
		"trailing dot in one":                 {header: from("http://example.com.:3000"), code: refused},
		"other port":                          {header: from("http://example.com:3001"), code: refused},
		"default port against another":        {header: from("http://example.com"), code: refused},
		"443 is not the default of http":      {host: "example.com:443", header: from("http://example.com"), code: refused},
		"https page, http request":            {header: from("https://example.com:3000"), code: refused},
		"http page, https request":            {tls: true, header: from("http://example.com:3000"), code: refused},
		"other scheme":                        {header: from("ftp://example.com:3000"), code: refused},
		"no Host, own origin cannot be":       {host: " ", header: from("http://example.com:3000"), code: refused},
		"any Host where listeners are public": {host: "whatever.example"},
		"loopback page, public listeners":     {header: from("http://localhost:5173"), code: refused},
		"loopback address, public listeners":  {header: from("http://127.0.0.1:3000"), code: refused},
		"open mode opens to no other origin":  {policy: auth.Policy{Open: true}, header: from("http://example.org"), code: refused},
	})
}

func TestCheckMalformedOrigin(t *testing.T) {
	t.Parallel()
	cases := map[string]check{
		"two headers":           {header: from("http://example.com:3000", "http://example.com:3000"), code: refused},
		"two headers, one null": {header: from("null", "http://example.com:3000"), policy: auth.Policy{Open: true}, code: refused},
	}
	for _, s := range []string{
		"", " ", "Null", "NULL", "null ", "null null", "*", "example.com:3000", "//example.com:3000",
		"http://", "http:///", "http://example.com:3000/", "http://example.com:3000/path",
		"http://example.com:3000?q", "http://example.com:3000#f", "http://user@example.com:3000",
		"http://example.com:3000@evil.org", "http://example.com:3000 http://evil.org",
		"http://evil.org http://example.com:3000", "http://example.com:3000,http://evil.org",
		"http://example.com:", "http://example.com:0", "http://example.com:03000", "http://example.com:+3000",
		"http://example.com:65536", "http://example.com:3000:3000", "http://example.com:3000\x00",
		"http://exam%70le.com:3000", "http://exämple.com:3000", "http://*.com", "http://[::1", "http://::1",
		"http://[example.com]:3000", "http://[::1%25eth0]", "http://[127.0.0.1]", "http://[::1]3000", "http://x[::1]",
		"http ://example.com:3000", "1http://example.com:3000", "://example.com:3000", "file:", "file:/", "file:///", "https://", "app://a/b", "app://a b", "app://?q", "app:",
		"http://" + strings.Repeat("a", 300),
	} {
		cases["malformed "+s] = check{header: from(s), code: refused}
	}
	runChecks(t, cases)
}

func TestCheckListedOrigins(t *testing.T) {
	t.Parallel()
	shells := auth.Policy{Origins: []string{"file://", "app://.", "qrc://", "chrome-extension://abcdefghijklmnop"}}
	listed := auth.Policy{Origins: []string{"https://example.org", "http://[2001:db8::2]:8080", "capacitor://localhost", "https://Upper.example:443"}}
	runChecks(t, map[string]check{
		"listed":                            {policy: listed, header: from("https://example.org"), cross: true},
		"listed, port written":              {policy: listed, header: from("https://example.org:443"), cross: true},
		"listed, upper case":                {policy: listed, header: from("HTTPS://EXAMPLE.ORG"), cross: true},
		"listed with capitals and port":     {policy: listed, header: from("https://upper.example"), cross: true},
		"listed IPv6":                       {policy: listed, header: from("http://[2001:db8::2]:8080"), cross: true},
		"listed app shell":                  {policy: listed, header: from("capacitor://localhost"), cross: true},
		"app shell, in capitals":            {policy: listed, header: from("Capacitor://LocalHost"), cross: true},
		"app shell, another host":           {policy: listed, header: from("capacitor://app"), code: refused},
		"app shell, without host":           {policy: listed, header: from("capacitor://"), code: refused},
		"app shell, another scheme":         {policy: listed, header: from("ionic://localhost"), code: refused},
		"a file, not listed":                {policy: auth.Policy{Open: true, Origins: []string{"null"}}, header: from("file://"), code: refused},
		"a file":                            {policy: shells, header: from("file://"), cross: true},
		"a file, with a session's cookie":   {policy: shells, header: http.Header{"Origin": {"file://"}, "Cookie": {"maru_session=x"}}, cross: true},
		"a file, with a host":               {policy: shells, header: from("file://localhost"), code: refused},
		"a shell of Electron":               {policy: shells, header: from("app://."), cross: true},
		"a shell without host":              {policy: shells, header: from("qrc://"), cross: true},
		"an extension":                      {policy: shells, header: from("chrome-extension://abcdefghijklmnop"), cross: true},
		"another extension":                 {policy: shells, header: from("chrome-extension://ponmlkjihgfedcba"), code: refused},
		"own origin beside listed ones":     {policy: listed, header: from("http://example.com:3000")},
		"own origin that is listed as well": {policy: listed, tls: true, host: "example.org", header: from("https://example.org")},
		"other scheme":                      {policy: listed, header: from("http://example.org"), code: refused},
		"other port":                        {policy: listed, header: from("https://example.org:8443"), code: refused},
		"below a listed name":               {policy: listed, header: from("https://a.example.org"), code: refused},
		"listing is no listing of null":     {policy: listed, header: from("null"), code: refused},
	})
}

func TestCheckLoopback(t *testing.T) {
	t.Parallel()
	local := auth.Policy{Loopback: true, Hosts: []string{"maru.test", "[2001:db8::1]", "box:8080"}}
	const wrong = maru.CodeWrongHost
	runChecks(t, map[string]check{
		"localhost":                            {policy: local, host: "localhost:3000"},
		"localhost without port":               {policy: local, host: "localhost"},
		"upper case":                           {policy: local, host: "LOCALHOST:3000"},
		"127.0.0.1":                            {policy: local, host: "127.0.0.1:3000"},
		"[::1]":                                {policy: local, host: "[::1]:3000"},
		"[::1] written at length":              {policy: local, host: "[0:0:0:0:0:0:0:1]:3000"},
		"a name of --host":                     {policy: local, host: "maru.test:3000"},
		"a name of --host, upper case":         {policy: local, host: "Maru.Test"},
		"an address of --host":                 {policy: local, host: "[2001:db8::1]:3000"},
		"a name of --host with its port":       {policy: local, host: "box:8080"},
		"a name of --host with another port":   {policy: local, host: "box:3000", code: wrong},
		"a name of --host without its port":    {policy: local, host: "box", code: wrong},
		"rebinding":                            {policy: local, host: "evil.example:3000", code: wrong},
		"rebinding with its own origin":        {policy: local, host: "evil.example:3000", header: from("http://evil.example:3000"), code: wrong},
		"rebinding with a loopback origin":     {policy: local, host: "evil.example:3000", header: from("http://localhost:3000"), code: wrong},
		"trailing dot":                         {policy: local, host: "localhost.:3000", code: wrong},
		"name below localhost":                 {policy: local, host: "a.localhost:3000", code: wrong},
		"name that begins with localhost":      {policy: local, host: "localhost.evil.example", code: wrong},
		"another loopback address":             {policy: local, host: "127.0.0.2:3000", code: wrong},
		"any address":                          {policy: local, host: "0.0.0.0:3000", code: wrong},
		"::1 without brackets":                 {policy: local, host: "::1", code: wrong},
		"malformed port":                       {policy: local, host: "localhost:http", code: wrong},
		"user before Host":                     {policy: local, host: "localhost@evil.example", code: wrong},
		"X-Forwarded-Host counts for nothing":  {policy: local, host: "evil.example", header: http.Header{"X-Forwarded-Host": {"localhost"}}, code: wrong},
		"nor does it from a trusted proxy":     {policy: proxied, host: "evil.example", remote: "127.0.0.1:9", header: http.Header{"X-Forwarded-Host": {"localhost"}}, code: wrong},
		"own page":                             {policy: local, host: "localhost:3000", header: from("http://localhost:3000")},
		"page of another port":                 {policy: local, host: "localhost:3000", header: from("http://localhost:5173"), cross: true},
		"page of another name":                 {policy: local, host: "localhost:3000", header: from("http://127.0.0.1:3000"), cross: true},
		"page of another loopback address":     {policy: local, host: "localhost:3000", header: from("http://127.9.8.7"), cross: true},
		"page of [::1]":                        {policy: local, host: "localhost:3000", header: from("https://[::1]:8443"), cross: true},
		"page of https":                        {policy: local, host: "localhost:3000", header: from("https://localhost:3000"), cross: true},
		"page of another site":                 {policy: local, host: "localhost:3000", header: from("http://example.org"), code: refused},
		"page of a name that begins with 127.": {policy: local, host: "localhost:3000", header: from("http://127.0.0.1.evil.example"), code: refused},
		"page of a name that begins localhost": {policy: local, host: "localhost:3000", header: from("http://localhost.evil.example"), code: refused},
		"page of localhost with a dot":         {policy: local, host: "localhost:3000", header: from("http://localhost."), code: refused},
		"app shell on localhost":               {policy: local, host: "localhost:3000", header: from("capacitor://localhost"), code: refused},
		"page of a short form of 127.0.0.1":    {policy: local, host: "localhost:3000", header: from("http://127.1"), code: refused},
		"page of an address mapped to IPv6":    {policy: local, host: "localhost:3000", header: from("http://[::ffff:127.0.0.1]"), code: refused},
		"page of the machine's network":        {policy: local, host: "localhost:3000", header: from("http://192.168.0.2:3000"), code: refused},
	})
}

func TestCheckNull(t *testing.T) {
	t.Parallel()
	with := func(cookie string) http.Header { return http.Header{"Origin": {"null"}, "Cookie": {cookie}} }
	open, listed := auth.Policy{Open: true}, auth.Policy{Origins: []string{"null"}}
	runChecks(t, map[string]check{
		"closed":                           {header: from("null"), code: refused},
		"closed, loopback":                 {policy: auth.Policy{Loopback: true}, host: "localhost", header: from("null"), code: refused},
		"open":                             {policy: open, header: from("null"), cross: true},
		"open, cookie of another program":  {policy: open, header: with("theme=dark"), cross: true},
		"open, session cookie":             {policy: open, header: with("maru_session=x"), code: refused},
		"open, session cookie among other": {policy: open, header: with("theme=dark; maru_session=x"), code: refused},
		"open, empty session cookie":       {policy: open, header: with("maru_session="), code: refused},
		"listed":                           {policy: listed, header: from("null"), cross: true},
		"listed, session cookie":           {policy: listed, header: with("maru_session=x"), cross: true},
		"open and rebinding": {policy: auth.Policy{Open: true, Loopback: true}, host: "evil.example",
			header: from("null"), code: maru.CodeWrongHost},
	})
}

// proxied is nginx on the same machine, and one more proxy in front of it.
var proxied = auth.Policy{
	Loopback:       true,
	Hosts:          []string{"example.com"},
	TrustedProxies: prefixes("127.0.0.0/8", "::1/128", "10.0.0.0/8", "::ffff:172.16.0.0/108"),
}

func TestCheckProxies(t *testing.T) {
	t.Parallel()
	forwarded := func(lines ...string) http.Header { return http.Header{"X-Forwarded-For": lines} }
	proto := func(lines ...string) http.Header { return http.Header{"X-Forwarded-Proto": lines} }
	via := func(remote string, h http.Header, addr string) check {
		return check{policy: proxied, host: "example.com", remote: remote, header: h, addr: addr}
	}
	secure := func(c check) check { c.secure = true; return c }
	const nginx = "127.0.0.1:5000"
	runChecks(t, map[string]check{
		"no proxy":                         via("203.0.113.9:1", nil, "203.0.113.9"),
		"no proxy, IPv6":                   via("[2001:db8::9]:1", nil, "2001:db8::9"),
		"no proxy, IPv6 with zone":         via("[fe80::9%eth0]:1", nil, "fe80::9"),
		"no proxy, IPv4 mapped":            via("[::ffff:203.0.113.9]:1", nil, "203.0.113.9"),
		"stranger's claim":                 via("203.0.113.9:1", forwarded("198.51.100.1"), "203.0.113.9"),
		"one proxy":                        via(nginx, forwarded("198.51.100.1"), "198.51.100.1"),
		"one proxy on ::1":                 via("[::1]:5000", forwarded("198.51.100.1"), "198.51.100.1"),
		"one proxy, mapped":                via("[::ffff:10.1.2.3]:5000", forwarded("198.51.100.1"), "198.51.100.1"),
		"one proxy of a mapped prefix":     via("172.16.0.9:5000", forwarded("198.51.100.1"), "198.51.100.1"),
		"one proxy, nothing said":          via(nginx, nil, "127.0.0.1"),
		"one proxy, spoofed left part":     via(nginx, forwarded("1.2.3.4, 198.51.100.1"), "198.51.100.1"),
		"spoofed trusted address":          via(nginx, forwarded("127.0.0.1, 10.0.0.1, 198.51.100.1"), "198.51.100.1"),
		"two proxies":                      via(nginx, forwarded("198.51.100.1, 10.0.0.7"), "198.51.100.1"),
		"two proxies, two lines":           via(nginx, forwarded("1.2.3.4, 198.51.100.1", "10.0.0.7"), "198.51.100.1"),
		"two proxies, spoofed":             via(nginx, forwarded("1.2.3.4 , 198.51.100.1,10.0.0.7"), "198.51.100.1"),
		"trusted all the way":              via(nginx, forwarded("10.0.0.8, 10.0.0.7"), "10.0.0.8"),
		"untrusted middle":                 via(nginx, forwarded("198.51.100.1, 192.0.2.1, 10.0.0.7"), "192.0.2.1"),
		"with port":                        via(nginx, forwarded("198.51.100.1:33000"), "198.51.100.1"),
		"IPv6":                             via(nginx, forwarded("2001:db8::5"), "2001:db8::5"),
		"IPv6 with port":                   via(nginx, forwarded("[2001:db8::5]:443"), "2001:db8::5"),
		"not an address":                   via(nginx, forwarded("198.51.100.1, unknown"), "127.0.0.1"),
		"not an address behind the second": via(nginx, forwarded("evil<script>, 10.0.0.7"), "10.0.0.7"),
		"empty":                            via(nginx, forwarded(""), "127.0.0.1"),
		"empty last entry":                 via(nginx, forwarded("198.51.100.1,"), "127.0.0.1"),
		"IPv6 in brackets":                 via(nginx, forwarded("[2001:db8::5]"), "2001:db8::5"),
		"unreadable peer":                  via("@", forwarded("198.51.100.1"), ""),

		"stranger says https":         via("203.0.113.9:1", proto("https"), ""),
		"proxy says https":            secure(via(nginx, proto("https"), "")),
		"proxy says HTTPS":            secure(via(nginx, proto("HTTPS"), "")),
		"proxy says http":             via(nginx, proto("http"), ""),
		"TLS to the proxy's back end": {policy: proxied, tls: true, host: "example.com", remote: nginx, header: proto("http")},

		"page over TLS through the proxy": secure(check{policy: proxied, host: "example.com", remote: nginx,
			header: http.Header{"Origin": {"https://example.com"}, "X-Forwarded-Proto": {"https"}}}),
		"the same, but the proxy is not trusted": {policy: auth.Policy{Loopback: true, Hosts: []string{"example.com"}}, host: "example.com", remote: nginx,
			header: http.Header{"Origin": {"https://example.com"}, "X-Forwarded-Proto": {"https"}}, code: refused},
		"the same, from an untrusted address": {policy: proxied, host: "example.com",
			header: http.Header{"Origin": {"https://example.com"}, "X-Forwarded-Proto": {"https"}}, code: refused},
		"public name without --host": {policy: auth.Policy{Loopback: true, TrustedProxies: prefixes("127.0.0.1/32")}, host: "example.com", remote: nginx, code: maru.CodeWrongHost},
	})
}

// Issue 15 §6: proxies name the scheme of a WebSocket wss, and a list has one entry for each
// proxy, which pairs with the addresses.
func TestForwardedProto(t *testing.T) {
	t.Parallel()
	const nginx, client, inner, stranger = "127.0.0.1:5000", "198.51.100.1", "10.0.0.7", "192.0.2.1"
	for name, c := range map[string]struct {
		proto, addrs []string
		secure       bool
	}{
		"wss":         {proto: []string{"wss"}, secure: true},
		"WSS":         {proto: []string{"WSS"}, secure: true},
		"ws":          {proto: []string{"ws"}},
		"two words":   {proto: []string{"https http"}},
		"empty":       {proto: []string{""}},
		"another one": {proto: []string{"ftp"}},

		"two proxies, TLS to the first":             {proto: []string{"https, http"}, addrs: []string{client + ", " + inner}, secure: true},
		"two proxies, wss to the first":             {proto: []string{"wss,ws"}, addrs: []string{client + ", " + inner}, secure: true},
		"two proxies, TLS to the first, two lines":  {proto: []string{"https", "http"}, addrs: []string{client, inner}, secure: true},
		"two proxies, TLS between them only":        {proto: []string{"http,https"}, addrs: []string{client + ", " + inner}},
		"two proxies, the second replaces it":       {proto: []string{"https"}, addrs: []string{client + ", " + inner}, secure: true},
		"two proxies, and what the client says":     {proto: []string{"https, http, http"}, addrs: []string{"1.2.3.4, " + client + ", " + inner}},
		"TLS to a proxy that is not trusted":        {proto: []string{"https, http"}, addrs: []string{client + ", " + stranger}},
		"TLS from a proxy that is not trusted":      {proto: []string{"http, https"}, addrs: []string{client + ", " + stranger}, secure: true},
		"all are trusted":                           {proto: []string{"https, http"}, addrs: []string{"10.0.0.8, " + inner}, secure: true},
		"behind an entry that is not an address":    {proto: []string{"https, http"}, addrs: []string{client + ", unknown"}},
		"before an entry that is not an address":    {proto: []string{"https, http"}, addrs: []string{"unknown, " + inner}, secure: true},
		"one address for two, TLS to the first":     {proto: []string{"https,http"}, addrs: []string{client}, secure: true},
		"one address for two, TLS to the second":    {proto: []string{"http,https"}, addrs: []string{client}, secure: true},
		"one address for two, TLS nowhere":          {proto: []string{"http,ws"}, addrs: []string{client}},
		"no address, TLS to the first":              {proto: []string{"https", "http"}, secure: true},
		"two addresses for three, TLS to the first": {proto: []string{"https,http,http"}, addrs: []string{client, inner}, secure: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for remote, trusted := range map[string]bool{nginx: true, "203.0.113.9:1": false} {
				r := check{host: "example.com", remote: remote, header: http.Header{"X-Forwarded-Proto": c.proto, "X-Forwarded-For": c.addrs}}.request()
				got, err := newFilter(t, proxied).Check(r)
				if err != nil || got.Secure != (c.secure && trusted) {
					t.Errorf("from %s: %+v, %v", remote, got, err)
				}
			}
			page := "http://example.com"
			if c.secure {
				page = "https://example.com"
			}
			r := check{host: "example.com", remote: nginx, header: http.Header{"X-Forwarded-Proto": c.proto, "X-Forwarded-For": c.addrs, "Origin": {page}}}.request()
			if got, err := newFilter(t, proxied).Check(r); err != nil || got.CrossOrigin {
				t.Errorf("the page %s is foreign: %v", page, err)
			}
		})
	}
}

// Issue 15 §6: Forwarded (RFC 7239) is walked as the other headers are.
func TestForwarded(t *testing.T) {
	t.Parallel()
	via := func(remote, addr string, secure bool, lines ...string) check {
		return check{policy: proxied, host: "example.com", remote: remote, header: http.Header{"Forwarded": lines}, addr: addr, secure: secure}
	}
	both := func(c check, name, value string) check { c.header.Set(name, value); return c }
	bad := func(lines ...string) check {
		return check{policy: proxied, host: "example.com", remote: "127.0.0.1:5000", header: http.Header{"Forwarded": lines}, addr: "127.0.0.1", code: maru.CodeBadRequest}
	}
	const nginx = "127.0.0.1:5000"
	runChecks(t, map[string]check{
		"one proxy":                       via(nginx, "198.51.100.1", true, `for=198.51.100.1;proto=https`),
		"wss":                             via(nginx, "198.51.100.1", true, `For=198.51.100.1; Proto=WSS`),
		"http":                            via(nginx, "198.51.100.1", false, `for=198.51.100.1;proto=http`),
		"no proto":                        via(nginx, "198.51.100.1", false, `for=198.51.100.1`),
		"no for":                          via(nginx, "127.0.0.1", true, `proto=https;by=203.0.113.43`),
		"quoted, with a port":             via(nginx, "198.51.100.1", true, `for="198.51.100.1:4711";proto="https"`),
		"with a port, not quoted":         via(nginx, "198.51.100.1", true, `for=198.51.100.1:4711;proto=https`),
		"IPv6":                            via(nginx, "2001:db8::17", false, `For="[2001:db8::17]"`),
		"IPv6 with a port":                via(nginx, "2001:db8::17", false, `For="[2001:db8::17]:4711"`),
		"escaped":                         via(nginx, "198.51.100.1", false, `for="198.51.\1\00.1"`),
		"unknown":                         via(nginx, "127.0.0.1", true, `for=unknown;proto=https`),
		"an invented name":                via(nginx, "127.0.0.1", false, `for=_gazonk`),
		"unknown behind the second":       via(nginx, "10.0.0.7", true, `for=unknown;proto=https, for=10.0.0.7;proto=http`),
		"two proxies":                     via(nginx, "198.51.100.1", true, `for=198.51.100.1;proto=https, for=10.0.0.7;proto=http`),
		"two proxies, two lines":          via(nginx, "198.51.100.1", true, `for=198.51.100.1;proto=https`, `for=10.0.0.7;proto=http`),
		"two proxies, TLS between only":   via(nginx, "198.51.100.1", false, `for=198.51.100.1;proto=http, for=10.0.0.7;proto=https`),
		"two proxies, the first is mute":  via(nginx, "198.51.100.1", true, `for=198.51.100.1, for=10.0.0.7;proto=https`),
		"what the client says":            via(nginx, "198.51.100.1", false, `for=1.2.3.4;proto=https, for=198.51.100.1;proto=http`),
		"what the client says it trusts":  via(nginx, "198.51.100.1", false, `for=1.2.3.4;proto=https, for=10.0.0.9, for=198.51.100.1;proto=http`),
		"untrusted middle":                via(nginx, "192.0.2.1", false, `for=198.51.100.1;proto=https, for=192.0.2.1;proto=http, for=10.0.0.7;proto=http`),
		"trusted all the way":             via(nginx, "10.0.0.8", true, `for=10.0.0.8;proto=https, for=10.0.0.7;proto=http`),
		"a comma and a mark in quotes":    via(nginx, "198.51.100.1", true, `for=198.51.100.1;proto=https;host="a,\"b;c"`),
		"empty elements":                  via(nginx, "198.51.100.1", false, `, for=198.51.100.1,, `),
		"empty":                           via(nginx, "127.0.0.1", false, ``),
		"host counts for nothing":         via(nginx, "198.51.100.1", false, `for=198.51.100.1;host=evil.example`),
		"from a stranger":                 via("203.0.113.9:1", "203.0.113.9", false, `for=198.51.100.1;proto=https`),
		"malformed, from a stranger":      via("203.0.113.9:1", "203.0.113.9", false, `"`),
		"X-Forwarded-For wins":            both(via(nginx, "198.51.100.2", false, `for=198.51.100.1;proto=https`), "X-Forwarded-For", "198.51.100.2"),
		"X-Forwarded-Proto wins":          both(via(nginx, "127.0.0.1", false, `for=198.51.100.1;proto=https`), "X-Forwarded-Proto", "http"),
		"malformed, and X-Forwarded-For":  both(via(nginx, "198.51.100.2", false, `"`), "X-Forwarded-For", "198.51.100.2"),
		"not a pair":                      bad(`198.51.100.1`),
		"no name":                         bad(`=198.51.100.1`),
		"a space in a name":               bad(`for =198.51.100.1`),
		"for twice":                       bad(`for=198.51.100.1;for=198.51.100.2`),
		"not closed":                      bad(`for="198.51.100.1`),
		"not closed before what is added": bad(`for=1.2.3.4;ext=", for=198.51.100.1;proto=https`),
		"a mark inside":                   bad(`for=198"51.100.1`),
		"something behind the mark":       bad(`for="198.51.100.1"x`),
		"the second line":                 bad(`for=198.51.100.1`, `"`),
	})
}

// A refusal names the flag that lifts it.
func TestRefusalNamesItsRemedy(t *testing.T) {
	t.Parallel()
	for remedy, c := range map[string]check{
		"--host NAME":                     {policy: auth.Policy{Loopback: true}, host: "example.com"},
		"--any-host":                      {policy: auth.Policy{KnownHosts: true}, host: "example.com"},
		"--origin null":                   {header: from("null")},
		"--origin https://example.org":    {header: from("HTTPS://example.org:443")},
		"--origin http://[2001:db8::1]:8": {header: from("http://[2001:db8:0::1]:8")},
		"--origin file://":                {header: from("file://")},
		"--origin app://.":                {header: from("APP://.")},
		"--trusted-proxy":                 {header: from("https://example.com:3000")},
	} {
		_, err := newFilter(t, c.policy).Check(c.request())
		if err == nil || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%v does not say %s", err, remedy)
		}
	}
}

// Untrusted text is escaped and cut in messages, which reach logs.
func TestRefusalIsFitForLogs(t *testing.T) {
	t.Parallel()
	g := newFilter(t, auth.Policy{Loopback: true})
	for _, c := range []check{
		{host: "a\x1b[31m\n" + strings.Repeat("x", 5000)},
		{host: "localhost", header: from("\x1b[31m\u202e" + strings.Repeat("x", 5000))},
	} {
		_, err := g.Check(c.request())
		if err == nil || len(err.Error()) > 500 || strings.ContainsAny(err.Error(), "\x1b\n\u202e") {
			t.Errorf("got %q", err)
		}
	}
}

// A malformed entry among the origins is an error that says what to write.
func TestOriginEntries(t *testing.T) {
	t.Parallel()
	for entry, remedy := range map[string]string{
		"":                            "write it like https://example.org",
		"*":                           "list each origin",
		"https://*.example.org":       "list each origin",
		"https://a.example https://b": "by itself",
		"https://a.example,app://b":   "by itself",
		"example.org":                 "write https://example.org",
		"Example.org:8443/":           "write https://example.org:8443",
		"localhost":                   "write https://localhost",
		"file":                        "no scheme",
		"file:":                       "file://",
		"app:name/x":                  "app://name",
		"//example.org":               "scheme",
		"file:///":                    "write file://",
		"file:///home/kim/index.html": "write file://",
		"https://example.org/":        "write https://example.org",
		"HTTPS://Example.org:443/a?b": "write https://example.org",
		"capacitor://localhost/":      "write capacitor://localhost",
		"https://example.org?q":       "write https://example.org",
		"https://example.org#f":       "write https://example.org",
		"https://":                    "no host",
		"http:///":                    "no host",
		"https://kim@example.org":     "has a user",
		"https://example.org:99999":   "host or port",
		"https://example.org:":        "host or port",
		"https://[::1":                "host or port",
		"https://bücher.example":      "xn--",
		"1app://name":                 "scheme",
		"ht tp://name":                "more than one",
		"Null":                        "write null",
	} {
		_, err := auth.NewRequestFilter(auth.Policy{Origins: []string{"https://fine.example", entry}})
		if err == nil || !strings.Contains(err.Error(), strconv.QuoteToASCII(entry)) || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%q: %v does not say %q", entry, err, remedy)
		}
	}
}

func TestNewRequestFilterRefusesMalformed(t *testing.T) {
	t.Parallel()
	for named, p := range map[string]auth.Policy{
		"https://example.org/":      {Origins: []string{"https://fine.example", "https://example.org/"}},
		"*":                         {Origins: []string{"*"}},
		"https://*.example.org":     {Origins: []string{"https://*.example.org"}},
		"example.org":               {Origins: []string{"example.org"}},
		"https://example.org:99999": {Origins: []string{"https://example.org:99999"}},
		`"*"`:                       {CORSHeaders: []string{"X-Fine", "*"}},
		`""`:                        {CORSHeaders: []string{""}},
		"X-A, X-B":                  {CORSHeaders: []string{"X-A, X-B"}},
		`"X-Gr\u00f6\u00dfe"`:       {CORSHeaders: []string{"X-Größe"}},
		"X-CSRF:":                   {CORSHeaders: []string{"X-CSRF:"}},
		"http://example.org":        {Hosts: []string{"http://example.org"}},
		"::1":                       {Hosts: []string{"::1"}},
		"bad host":                  {Hosts: []string{"bad host"}},
		"any-host":                  {Hosts: []string{"example.org"}, AnyHost: true},
		"invalid Prefix":            {TrustedProxies: []netip.Prefix{{}}},
	} {
		if _, err := auth.NewRequestFilter(p); err == nil || !strings.Contains(err.Error(), named) {
			t.Errorf("%+v: got %v, want an error that names it", p, err)
		}
	}
}
