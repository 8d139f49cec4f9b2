package server_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"maru.example/maru/server"
)

// proxyTLS is a PROXY header of a client at 203.0.113.9 that uses TLS, proxyPlain of one that does
// not.
const (
	proxyTLS   = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x14\xcb\x00\x71\x09\xc0\x00\x02\x01\xc3\x50\x01\xbb\x20\x00\x05\x01\x00\x00\x00\x00"
	proxyPlain = "PROXY TCP4 203.0.113.9 192.0.2.1 50000 80\r\n"
)

// Issue 15 §6: the client's address and TLS come from the PROXY header, on every transport. A
// request header counts only if the client is a trusted proxy itself.
func TestPageBehindProxyProtocol(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	plain := proxied()
	plain.ProxyProtocol, plain.Logger = true, slog.New(slog.NewTextHandler(&log, nil))
	secure := plain
	secure.TLSConfig = certified()
	addrs := map[string]string{"plain": listening(t, plain), "TLS": listening(t, secure)}
	answers := map[string]int{"WebSocket": 101, "maru.v1": 101, "stream": 200, "presence": 200, "history": 200, "publish": 200, "session": 204}
	for name, c := range map[string]struct {
		header, fields string
		served         map[string]bool // by listener
	}{
		"TLS at the proxy":       {proxyTLS, "Origin: https://app.example.org\r\n", map[string]bool{"plain": true, "TLS": true}},
		"no TLS at the proxy":    {proxyPlain, "Origin: http://app.example.org\r\n", map[string]bool{"plain": true}},
		"a page over TLS":        {proxyPlain, "Origin: https://app.example.org\r\n", map[string]bool{"TLS": true}},
		"what the client claims": {proxyPlain, "Origin: https://app.example.org\r\nX-Forwarded-Proto: https\r\nX-Forwarded-For: 127.0.0.1\r\n", map[string]bool{"TLS": true}},
		"an outer proxy": {"PROXY TCP4 127.0.0.9 192.0.2.1 50000 80\r\n",
			"Origin: https://app.example.org\r\nX-Forwarded-Proto: wss\r\nX-Forwarded-For: 203.0.113.9\r\n", map[string]bool{"plain": true, "TLS": true}},
	} {
		for where, addr := range addrs {
			for transport, request := range asked {
				t.Run(name+" "+where+" "+transport, func(t *testing.T) {
					nc, err := net.Dial("tcp", addr)
					if err != nil {
						t.Fatal(err)
					}
					defer nc.Close()
					io.WriteString(nc, c.header)
					if where == "TLS" {
						nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
					}
					want := 403
					if c.served[where] {
						want = answers[transport]
					}
					if status, code := send(t, nc, request+c.fields+"\r\n"); status != want {
						t.Errorf("%d %s, want %d", status, code, want)
					}
				})
			}
		}
	}
	if got := string(log.Bytes()); !strings.Contains(got, "addr=203.0.113.9") || strings.Contains(got, "addr=127.0.0.1") {
		t.Errorf("the log does not have the client's address:\n%s", got)
	}
}

func TestProxyProtocolNeedsProxies(t *testing.T) {
	t.Parallel()
	if _, err := server.New(server.Options{ProxyProtocol: true}); err == nil || !strings.Contains(err.Error(), "TrustedProxies") {
		t.Errorf("got %v", err)
	}
}
