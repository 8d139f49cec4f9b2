package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"maru.example/maru"
	"maru.example/maru/server"
)

// upgrade are the fields of a request for a WebSocket, after Host.
const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

// listening serves o on a port of its own until the test ends.
func listening(t *testing.T, o server.Options) (addr string) {
	t.Helper()
	live, served, addr := serve(t, o)
	t.Cleanup(func() {
		cut, cancel := context.WithCancel(context.Background())
		cancel() // what the test has left open need not say goodbye
		live.Shutdown(cut)
		<-served
	})
	return addr
}

// send sends a request as it is and returns the status and the error code of the answer.
func send(t *testing.T, nc net.Conn, request string) (int, string) {
	t.Helper()
	if _, err := nc.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 2048)
	n := 0
	if answer.StatusCode != http.StatusSwitchingProtocols && answer.ContentLength > 0 {
		n, _ = answer.Body.Read(body)
	}
	_, code, _ := strings.Cut(string(body[:n]), `"code":"`)
	code, _, _ = strings.Cut(code, `"`)
	return answer.StatusCode, code
}

// Issue 14 §15, through real listeners: a server without rules that is not on loopback answers
// for no name that it does not know, however the name is written.
func TestRebindingBeyondLoopback(t *testing.T) {
	t.Parallel()
	evil := "Origin: http://evil.example:3000\r\n"
	post := "Content-Length: 1\r\n\r\nx"
	for name, tt := range map[string]struct {
		options server.Options
		request string
		status  int
	}{
		"a foreign name publishes":        {server.Options{Open: true}, "POST / HTTP/1.1\r\nHost: evil.example:3000\r\n" + evil + post, 421},
		"a foreign name reads":            {server.Options{Open: true}, "GET /channels/a HTTP/1.1\r\nHost: evil.example:3000\r\n\r\n", 421},
		"a foreign name opens a socket":   {server.Options{Open: true}, "GET / HTTP/1.1\r\nHost: evil.example:3000\r\n" + evil + upgrade + "\r\n", 421},
		"a foreign name opens a stream":   {server.Options{Open: true}, "GET / HTTP/1.1\r\nHost: evil.example\r\nAccept: text/event-stream\r\n\r\n", 421},
		"without Open":                    {server.Options{}, "POST / HTTP/1.1\r\nHost: evil.example\r\n" + post, 421},
		"absolute form, foreign":          {server.Options{Open: true}, "POST http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n" + post, 421},
		"absolute form, socket":           {server.Options{Open: true}, "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n" + upgrade + "\r\n", 421},
		"absolute form, own":              {server.Options{Open: true}, "POST http://localhost/ HTTP/1.1\r\nHost: localhost\r\n" + post, 200},
		"an address":                      {server.Options{Open: true}, "POST / HTTP/1.1\r\nHost: 192.0.2.7:3000\r\n" + post, 200},
		"an IPv6 address":                 {server.Options{Open: true}, "POST / HTTP/1.1\r\nHost: [2001:db8::1]:3000\r\n" + post, 200},
		"an address opens a socket":       {server.Options{Open: true}, "GET / HTTP/1.1\r\nHost: 192.0.2.7:3000\r\nOrigin: http://192.0.2.7:3000\r\n" + upgrade + "\r\n", 101},
		"localhost in capitals":           {server.Options{Open: true}, "POST / HTTP/1.1\r\nHost: LOCALHOST:3000\r\n" + post, 200},
		"localhost with a dot":            {server.Options{Open: true}, "POST / HTTP/1.1\r\nHost: localhost.\r\n" + post, 421},
		"two Hosts":                       {server.Options{Open: true}, "POST / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n" + post, 400},
		"no Host":                         {server.Options{Open: true}, "POST / HTTP/1.1\r\n" + post, 400},
		"HTTP/1.0 without Host publishes": {server.Options{Open: true}, "POST / HTTP/1.0\r\n" + post, 421},

		"a name of Hosts":         {server.Options{Open: true, Hosts: []string{"intranet.example"}}, "POST / HTTP/1.1\r\nHost: Intranet.Example:3000\r\n" + post, 200},
		"not a name of Hosts":     {server.Options{Open: true, Hosts: []string{"intranet.example"}}, "POST / HTTP/1.1\r\nHost: evil.example\r\n" + evil + post, 421},
		"any name":                {server.Options{Open: true, AnyHost: true}, "POST / HTTP/1.1\r\nHost: evil.example\r\n" + post, 200},
		"rules: any name":         {namedRules(nil), "POST /channels/a HTTP/1.1\r\nHost: push.example.com\r\n" + post, 200},
		"rules: a name of Hosts":  {namedRules([]string{"push.example.com"}), "POST /channels/a HTTP/1.1\r\nHost: push.example.com\r\n" + post, 200},
		"rules: not one of Hosts": {namedRules([]string{"push.example.com"}), "POST /channels/a HTTP/1.1\r\nHost: evil.example\r\n" + post, 421},

		"health, HTTP/1.0":               {server.Options{Open: true}, "GET /healthz HTTP/1.0\r\n\r\n", 200},
		"readiness, HTTP/1.0":            {server.Options{Open: true}, "OPTIONS /readyz HTTP/1.0\r\n\r\n", 204},
		"readiness, HTTP/1.0, loopback":  {server.Options{Open: true, Loopback: true}, "HEAD /readyz HTTP/1.0\r\n\r\n", 200},
		"readiness below a path":         {server.Options{Open: true, BasePath: "/live"}, "GET /live/readyz HTTP/1.0\r\n\r\n", 200},
		"health beside a path":           {server.Options{Open: true, BasePath: "/live"}, "GET /healthz HTTP/1.0\r\n\r\n", 200},
		"health, HTTP/1.1 without Host":  {server.Options{Open: true}, "GET /healthz HTTP/1.1\r\n\r\n", 400},
		"health, HTTP/1.1, empty Host":   {server.Options{Open: true}, "GET /healthz HTTP/1.1\r\nHost:\r\n\r\n", 200},
		"health of a name":               {server.Options{Open: true}, "GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421},
		"health, an origin without Host": {server.Options{Open: true}, "GET /healthz HTTP/1.0\r\n" + evil + "\r\n", 403},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			nc, err := net.Dial("tcp", listening(t, tt.options))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			status, code := send(t, nc, tt.request)
			if status != tt.status || status == 421 && code != string(maru.CodeWrongHost) {
				t.Errorf("%d %s, want %d", status, code, tt.status)
			}
		})
	}
}

func namedRules(hosts []string) server.Options {
	return server.Options{Hosts: hosts, Access: server.Access{
		Namespaces: map[string]server.Namespace{"default": {Publish: maru.Anyone}},
	}}
}

// The same over TLS, where HTTP/2 has :authority in place of Host.
func TestRebindingHTTP2(t *testing.T) {
	t.Parallel()
	addr := listening(t, server.Options{Open: true, TLSConfig: certified()})
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	for authority, want := range map[string]int{
		"evil.example": 421, "localhost.": 421, "LOCALHOST:1": 200, "192.0.2.7": 200, "[2001:db8::1]:3000": 200,
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("https://%s/", addr), strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = authority
		answer, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.ProtoMajor != 2 || answer.StatusCode != want {
			t.Errorf("%s: %s %d, want HTTP/2 and %d", authority, answer.Proto, answer.StatusCode, want)
		}
	}
}

// A program that accepts any name cannot list names too.
func TestAnyHostContradictsHosts(t *testing.T) {
	t.Parallel()
	if _, err := server.New(server.Options{AnyHost: true, Hosts: []string{"a.example"}}); err == nil || !strings.Contains(err.Error(), "any-host") {
		t.Errorf("%v, want an error about any-host", err)
	}
}
