package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"maru.example/maru/server"
)

// from connects from an address of 127.0.0.0/8, of which Linux has all, and writes.
func (w *world) from(ip, text string) net.Conn {
	w.t.Helper()
	nc, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}).DialContext(w.t.Context(), "tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	io.WriteString(nc, text)
	return nc
}

// closed wants that the server closes a connection without an answer.
func closed(t *testing.T, nc net.Conn) {
	t.Helper()
	if n, err := nc.Read(make([]byte, 1)); n > 0 || err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("it was not closed: %d bytes, %v", n, err)
	}
}

// metric waits until a metric has a value.
func (w *world) metric(name, value string) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		got := scrape(w.t, w.server.Status())[name]
		if got == value {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%s is %s, want %s", name, got, value)
		}
	}
}

// Issue 16: one address cannot hold all connections by not sending a request: of those before their
// first one it has half, in whatever way they are silent, and the others are closed at once. Other
// addresses come in meanwhile.
func TestSilentConnectionsAreShares(t *testing.T) {
	t.Parallel()
	const share = 32 // of one address: half of the least bound
	const flood, other = "127.0.0.2", "127.0.0.3"
	for name, c := range map[string]struct {
		begin string // what a connection sends and then stops
		tls   bool
		rest  string // completes the request
	}{
		"a GET":            {begin: "GET /readyz HTTP/1.1\r\nHo", rest: "st: localhost\r\n\r\n"},
		"a WebSocket":      {begin: "GET /readyz HTTP/1.1\r\nUpgrade: websocket\r\nHo", rest: "st: localhost\r\n\r\n"},
		"a POST":           {begin: "POST /channels/a HTTP/1.1\r\nHo", rest: "st: localhost\r\nContent-Length: 1\r\n\r\nx"},
		"an empty line":    {begin: "\r\n", rest: "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		"a TLS handshake":  {begin: "\x16", tls: true},
		"silence over TLS": {tls: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log syncBuffer
			o := server.Options{MaxConnections: 4 * share, HandshakeTimeout: time.Minute, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32")}} // else everybody on loopback is exempt
			if c.tls {
				o.TLSConfig = certified()
			}
			w := newWorld(t, o)
			arrive := func(ip string) net.Conn {
				nc := w.from(ip, c.begin)
				if c.tls && c.begin == "" {
					tc := tls.Client(nc, w.tls)
					if tc.Handshake() == nil {
						return tc
					}
				}
				return nc
			}
			silent := make([]net.Conn, share)
			for i := range silent {
				silent[i] = arrive(flood)
				w.metric("maru_connections_arriving", fmt.Sprint(i+1))
			}
			if beyond := arrive(flood); c.begin != "" { // else another one may be closed, on its way to net/http
				closed(t, beyond)
			}
			w.metric(`maru_connections_refused_total{bound="address",stage="arriving"}`, "1")
			silent = append(silent, arrive(other))
			w.metric("maru_connections_arriving", fmt.Sprint(share+1))
			if c.rest != "" {
				io.WriteString(silent[0], c.rest)
				answer, err := http.ReadResponse(bufio.NewReader(silent[0]), nil)
				if err != nil || answer.StatusCode >= 500 {
					t.Fatalf("a request that is slow: %v, %v", answer, err)
				}
				w.metric("maru_connections_arriving", fmt.Sprint(share))
				silent = append(silent, arrive(flood))
				w.metric("maru_connections_arriving", fmt.Sprint(share+1))
			}
			for _, nc := range silent {
				nc.Close()
			}
			w.metric("maru_connections_arriving", "0")
			if said := log.String(); strings.Count(said, "closed a new connection") != 1 || !strings.Contains(said, "addr=127.0.0.2:") {
				t.Errorf("the log says %q", said)
			}
		})
	}
}

// Behind a proxy that sends PROXY headers the address is the client's; before the header, and for
// other peers that speak for many, there is only the bound of all.
func TestSilentConnectionsBehindAProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, server.Options{MaxConnections: 8, HandshakeTimeout: time.Minute, TLSConfig: certified(),
		ProxyProtocol: true, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	const flood, other = "PROXY TCP4 203.0.113.9 192.0.2.1 50000 443\r\n", "PROXY TCP4 203.0.113.8 192.0.2.1 50000 443\r\n"
	const most, share = 64, 32 // the least bound
	for range share + 1 {      // of which one is closed; which one depends on whose header is read first
		w.from("127.0.0.1", flood)
	}
	w.metric(`maru_connections_refused_total{bound="address",stage="arriving"}`, "1")
	w.from("127.0.0.1", other)
	w.metric("maru_connections_arriving", fmt.Sprint(share+1))
	for range most - share {
		w.from("127.0.0.1", "PROX")
	}
	w.metric(`maru_connections_refused_total{bound="all",stage="arriving"}`, "1")
	w.metric(`maru_connections_refused_total{bound="address",stage="arriving"}`, "1")
	w.metric("maru_connections_arriving", fmt.Sprint(most))
}

// A connection gives its place back on every way that it may go.
func TestArrivingIsGivenBack(t *testing.T) {
	over(t, server.Options{MaxConnections: 4, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.9/32")}}, func(t *testing.T, w *world) {
		for range 20 {
			w.dial("/channels/a").nc.Close()
			for method, path := range map[string]string{"GET": "/readyz", "POST": "/channels/a", "HEAD": "/channels/a"} {
				r, err := http.NewRequest(method, w.url+path, strings.NewReader("x"))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := w.http.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
		}
		w.metric("maru_connections_arriving", "0")
	})
}
