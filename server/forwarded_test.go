package server_test

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"maru.example/maru/server"
)

// proxied is a server behind a proxy on the same machine.
func proxied() server.Options {
	return server.Options{
		Loopback: true, Hosts: []string{"app.example.org"},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
}

// asked are requests on every transport, without the blank line.
var asked = map[string]string{
	"WebSocket": "GET /channels/a HTTP/1.1\r\nHost: app.example.org\r\n" + upgrade,
	"maru.v1":   "GET /channels/a HTTP/1.1\r\nHost: app.example.org\r\nSec-WebSocket-Protocol: maru.v1\r\n" + upgrade,
	"stream":    "GET /channels/a HTTP/1.1\r\nHost: app.example.org\r\nAccept: text/event-stream\r\n",
	"presence":  "GET /channels/a/presence HTTP/1.1\r\nHost: app.example.org\r\nAccept: text/event-stream\r\n",
	"history":   "GET /channels/a HTTP/1.1\r\nHost: app.example.org\r\n",
	"publish":   "POST /channels/a HTTP/1.1\r\nHost: app.example.org\r\nContent-Length: 0\r\n",
	"session":   "DELETE /session HTTP/1.1\r\nHost: app.example.org\r\n",
}

// Issue 15 §6: a page over TLS is of the server's own origin, however its proxy says so, on every
// transport, on the server's own listeners and embedded.
func TestPageBehindProxy(t *testing.T) {
	t.Parallel()
	own, foreign := "Origin: https://app.example.org\r\n", "Origin: http://app.example.org\r\n"
	answers := map[string]int{"WebSocket": 101, "maru.v1": 101, "stream": 200, "presence": 200, "history": 200, "publish": 200, "session": 204}
	for name, tt := range map[string]struct {
		fields string
		status int // 0: served
	}{
		"Traefik":         {own + "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-Proto: wss\r\n", 0},
		"two proxies":     {own + "X-Forwarded-For: 203.0.113.9, 127.0.0.2\r\nX-Forwarded-Proto: https,http\r\n", 0},
		"RFC 7239":        {own + "Forwarded: for=203.0.113.9;proto=https\r\n", 0},
		"without TLS":     {foreign + "X-Forwarded-Proto: ws\r\n", 0},
		"a page without":  {foreign + "X-Forwarded-Proto: wss\r\n", 403},
		"malformed":       {own + "Forwarded: for=\"\r\n", 400},
		"nothing is said": {own, 403},
	} {
		embedded, err := server.New(proxied())
		if err != nil {
			t.Fatal(err)
		}
		site := httptest.NewServer(embedded)
		t.Cleanup(func() {
			site.CloseClientConnections()
			site.Close()
			embedded.Shutdown(t.Context())
		})
		for where, addr := range map[string]string{"listening": listening(t, proxied()), "embedded": site.Listener.Addr().String()} {
			for transport, request := range asked {
				t.Run(name+" "+where+" "+transport, func(t *testing.T) {
					t.Parallel()
					nc, err := net.Dial("tcp", addr)
					if err != nil {
						t.Fatal(err)
					}
					defer nc.Close()
					want := tt.status
					if want == 0 {
						want = answers[transport]
					}
					if status, code := send(t, nc, request+tt.fields+"\r\n"); status != want {
						t.Errorf("%d %s, want %d", status, code, want)
					}
				})
			}
		}
	}
}

// The same in HTTP/2, whose TLS to this server is all that counts.
func TestPageBehindProxyHTTP2(t *testing.T) {
	t.Parallel()
	o := proxied()
	o.TLSConfig = certified()
	addr := listening(t, o)
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	for origin, want := range map[string]int{"https://app.example.org": 200, "http://app.example.org": 403} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+addr+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "app.example.org"
		r.Header.Set("Origin", origin)
		r.Header.Set("X-Forwarded-Proto", "http")
		answer, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.ProtoMajor != 2 || answer.StatusCode != want {
			t.Errorf("%s: %s %d, want HTTP/2 and %d", origin, answer.Proto, answer.StatusCode, want)
		}
	}
}
