package auth_test

import (
	"net/http"
	"testing"
	"time"

	"maru.example/maru/internal/auth"
)

func BenchmarkCheck(b *testing.B) {
	p := auth.Policy{Loopback: true, Hosts: []string{"example.com"}, Origins: []string{"https://example.org"},
		TrustedProxies: prefixes("127.0.0.1/32")}
	for name, c := range map[string]check{
		"no origin":  {policy: p, host: "localhost:3000"},
		"own origin": {policy: p, host: "localhost:3000", header: from("http://localhost:3000")},
		"own IPv6":   {policy: p, host: "[::1]:3000", header: from("http://[::1]:3000")},
		"listed":     {policy: p, host: "localhost:3000", header: from("https://example.org")},
		"proxied": {policy: p, host: "example.com", remote: "127.0.0.1:9", header: http.Header{
			"Origin": {"https://example.com"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {"198.51.100.1"}}},
	} {
		b.Run(name, func(b *testing.B) {
			g, r := newFilter(b, c.policy), c.request()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := g.Check(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkIdentify(b *testing.B) {
	s := newSessions(b)
	signed := newBrowser(b, s, site)
	signed.mustSignIn(s, "kim")
	live := newBrowser(b, s, site)
	if _, err := s.Attach(live.mustSignIn(s, "lee").Session, func() {}); err != nil {
		b.Fatal(err)
	}
	for name, r := range map[string]*http.Request{
		"anonymous":          newBrowser(b, s, site).request(),
		"signed in":          signed.request(),
		"signed in and live": live.request(),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				must(s.Identify(r))
			}
		})
	}
}

// BenchmarkAttach says what it costs that a connection ends with its token, or with
// its cookie's session.
func BenchmarkAttach(b *testing.B) {
	for name, who := range map[string]auth.Identity{
		"person":    {User: "kim"},
		"token":     {User: "kim", Grant: &auth.Grant{ID: "J", Expires: time.Now().Add(time.Hour)}},
		"anonymous": {},
	} {
		b.Run(name, func(b *testing.B) {
			people := auth.NewAuthenticator(auth.NewSessions(auth.SessionOptions{}), discard)
			end := auth.CloseFunc(func(error) {})
			b.ReportAllocs()
			for b.Loop() {
				people.Attach(&who, end)
			}
		})
	}
}
