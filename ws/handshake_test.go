package ws_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru/ws"
)

// handshakes are requests that are no handshake, or not one for here, each with its
// answer.
var handshakes = map[string]struct {
	change []string // of a request that is accepted: a header and its value, or without
	status int
	header http.Header
}{
	"as it should be":           {nil, 101, http.Header{"Sec-Websocket-Accept": {"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}}},
	"in other letters":          {[]string{"Upgrade: WebSocket", "Connection: keep-alive, UPGRADE"}, 101, nil},
	"several upgrades":          {[]string{"Upgrade: h2c, websocket"}, 101, nil},
	"no upgrade":                {[]string{"Upgrade"}, 426, http.Header{"Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}}},
	"another upgrade":           {[]string{"Upgrade: h2c"}, 426, nil},
	"no connection":             {[]string{"Connection"}, 400, nil},
	"another connection":        {[]string{"Connection: keep-alive"}, 400, nil},
	"no version":                {[]string{"Sec-WebSocket-Version"}, 426, http.Header{"Sec-Websocket-Version": {"13"}}},
	"an old version":            {[]string{"Sec-WebSocket-Version: 8"}, 426, http.Header{"Sec-Websocket-Version": {"13"}}},
	"two versions":              {[]string{"sec-websocket-version: 13"}, 426, nil},
	"no key":                    {[]string{"Sec-WebSocket-Key"}, 400, nil},
	"an empty key":              {[]string{"Sec-WebSocket-Key: "}, 400, nil},
	"a short key":               {[]string{"Sec-WebSocket-Key: dGhlIHNhbXBsZQ=="}, 400, nil},
	"a long key":                {[]string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSBhbmQgbW9yZQ=="}, 400, nil},
	"a key not in base64":       {[]string{"Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="}, 400, nil},
	"two keys":                  {[]string{"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="}, 400, nil},
	"a body":                    {[]string{"Content-Length: 5"}, 400, nil},
	"a body in chunks":          {[]string{"Transfer-Encoding: chunked"}, 400, nil},
	"no host":                   {[]string{"Host"}, 400, nil},
	"extensions malformed":      {[]string{"Sec-WebSocket-Extensions: ;;"}, 400, nil},
	"extensions unknown":        {[]string{"Sec-WebSocket-Extensions: x-more"}, 101, http.Header{"Sec-Websocket-Extensions": nil}},
	"deflate":                   {[]string{"Sec-WebSocket-Extensions: permessage-deflate"}, 101, http.Header{"Sec-Websocket-Extensions": {"permessage-deflate; server_no_context_takeover; client_no_context_takeover"}}},
	"deflate, a window":         {[]string{"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10"}, 101, http.Header{"Sec-Websocket-Extensions": {"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10"}}},
	"deflate, the second offer": {[]string{"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7, permessage-deflate; client_max_window_bits"}, 101, http.Header{"Sec-Websocket-Extensions": {"permessage-deflate; server_no_context_takeover; client_no_context_takeover"}}},
	"deflate with nonsense":     {[]string{"Sec-WebSocket-Extensions: permessage-deflate; faster=yes"}, 101, http.Header{"Sec-Websocket-Extensions": nil}},
	"a subprotocol of ours":     {[]string{"Sec-WebSocket-Protocol: x, chat"}, 101, http.Header{"Sec-Websocket-Protocol": {"chat"}}},
	"subprotocols in two lines": {[]string{"Sec-WebSocket-Protocol: x", "sec-websocket-protocol: chat"}, 101, http.Header{"Sec-Websocket-Protocol": {"chat"}}},
	"a foreign subprotocol":     {[]string{"Sec-WebSocket-Protocol: x"}, 101, http.Header{"Sec-Websocket-Protocol": nil}},
	"the same origin":           {[]string{"Origin: http://HOST"}, 101, nil},
	"the same origin, secure":   {[]string{"Origin: https://HOST"}, 101, nil},
	"a loopback origin":         {[]string{"Origin: http://localhost:8080"}, 101, nil},
	"another loopback origin":   {[]string{"Origin: http://[::1]:9"}, 101, nil},
	"a foreign origin":          {[]string{"Origin: https://example.com"}, 403, nil},
	"a foreign loopback name":   {[]string{"Origin: http://localhost.example.com"}, 403, nil},
	"a null origin":             {[]string{"Origin: null"}, 403, nil},
	"an empty origin":           {[]string{"Origin: "}, 403, nil},
	"two origins":               {[]string{"Origin: http://HOST", "origin: http://HOST"}, 403, nil},
	"a loopback origin abroad":  {[]string{"Host: example.com", "Origin: http://localhost:8080"}, 403, nil},
	"an origin of that host":    {[]string{"Host: example.com", "Origin: https://EXAMPLE.com"}, 101, nil},
	"an origin of another port": {[]string{"Host: example.com:81", "Origin: http://example.com:82"}, 403, nil},
	"its default port in Host":  {[]string{"Host: example.com:443", "Origin: https://example.com"}, 101, nil},
	"in Host, without TLS":      {[]string{"Host: Example.com:80", "Origin: http://example.com"}, 101, nil},
	"its default port said":     {[]string{"Host: example.com", "Origin: https://example.com:443"}, 101, nil},
	"in IPv6":                   {[]string{"Host: [2001:db8::1]:443", "Origin: https://[2001:DB8::1]"}, 101, nil},
	"the other default port":    {[]string{"Host: example.com:443", "Origin: http://example.com"}, 403, nil},
	"the other default, secure": {[]string{"Host: example.com:80", "Origin: https://example.com"}, 403, nil},
	"no port of that scheme":    {[]string{"Host: example.com:443", "Origin: app://example.com"}, 403, nil},
	"no extension":              {[]string{"Sec-WebSocket-Extensions: "}, 101, http.Header{"Sec-Websocket-Extensions": nil}},
	"no extension in a list":    {[]string{"Sec-WebSocket-Extensions: , "}, 101, http.Header{"Sec-Websocket-Extensions": nil}},
	"a header block too large":  {[]string{"X-Long: " + strings.Repeat("x", 20<<10)}, 431, nil},
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	for name, test := range handshakes {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, func(t *testing.T, r *rig) {
				r.Subprotocols = []string{"chat"}
				r.start()
				c := r.connect()
				request := handshake(r.addr, test.change...)
				if name == "two origins" {
					request = strings.Replace(request, "\r\n\r\n", "\r\nOrigin: http://HOST\r\n\r\n", 1)
				}
				c.write([]byte(strings.ReplaceAll(request, "HOST", r.addr)))
				resp := c.response()
				if resp.StatusCode != test.status {
					t.Errorf("status %d, want %d", resp.StatusCode, test.status)
				}
				for name, want := range test.header {
					if got := resp.Header[name]; strings.Join(got, "|") != strings.Join(want, "|") {
						t.Errorf("%s: %q, want %q", name, got, want)
					}
				}
				if test.status == 101 {
					c.write(closeFrame(1000, ""))
					c.wantClose(1000)
					c.wantEnd()
				}
			})
		})
	}
}

func TestHandshakeRequestLine(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		line   string
		status string
		allow  string
	}{
		"POST":     {"POST / HTTP/1.1", "405", "GET"},
		"PUT":      {"PUT / HTTP/1.1", "405", "GET"},
		"HTTP/1.0": {"GET / HTTP/1.0", "400", ""},
		"HTTP/1.2": {"GET / HTTP/1.2", "101", ""},
		"HTTP/2.0": {"GET / HTTP/2.0", "400 505", ""}, // by us or by net/http
		"nonsense": {"HELLO", "400", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, func(t *testing.T, r *rig) {
				c := r.start().connect()
				c.write([]byte(strings.Replace(handshake(r.addr), "GET / HTTP/1.1", test.line, 1)))
				resp := c.response()
				if got := resp.Header.Get("Allow"); !strings.Contains(test.status, resp.Status[:3]) || got != test.allow {
					t.Errorf("status %d, Allow %q", resp.StatusCode, got)
				}
			})
		})
	}
}

// AnyOrigin and a CheckOrigin of one's own replace the rule.
func TestCheckOrigin(t *testing.T) {
	t.Parallel()
	everyDriver(t, func(t *testing.T, r *rig) {
		r.CheckOrigin = ws.AnyOrigin
		r.start().upgraded("Origin: https://example.com")
	})
	everyDriver(t, func(t *testing.T, r *rig) {
		r.CheckOrigin = func(r *http.Request) bool { return false }
		c := r.start().connect()
		c.write([]byte(handshake(r.addr)))
		if resp := c.response(); resp.StatusCode != http.StatusForbidden {
			t.Errorf("status %d", resp.StatusCode)
		}
	})
}

// A request that never ends is cut, wherever it stops: before its first byte, in
// its headers, in a body that has no place in it, or after it was refused.
func TestHandshakeThatNeverEnds(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		change []string
		cut    int // bytes kept
	}{
		"nothing":      {nil, 0},
		"one byte":     {nil, 1},
		"half":         {nil, 60},
		"body":         {[]string{"Content-Length: 100"}, 1 << 20},
		"refused, and": {[]string{"Sec-WebSocket-Key"}, 1 << 20},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			everyDriver(t, func(t *testing.T, r *rig) {
				r.HandshakeTimeout = 200 * time.Millisecond
				c := r.start().connect()
				request := handshake(r.addr, test.change...)
				c.nc.Write([]byte(request[:min(len(request), test.cut)])) // fails if it is cut by now
				c.nc.SetReadDeadline(time.Now().Add(patience))
				if _, err := io.Copy(io.Discard, c.nc); errors.Is(err, os.ErrDeadlineExceeded) {
					t.Error("it was not cut")
				}
			})
		})
	}
}

// The handshake's timeout does not cut a connection that is open.
func TestHandshakeTimeoutEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &ws.Server{HandshakeTimeout: time.Second, Goroutines: true}
		s.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
		l := make(pipeListener)
		go s.Serve(l)
		got := make(chan string, 1)
		c, err := ws.Dial(t.Context(), "ws://localhost", ws.DialOptions{
			MaxMessageBytes: 12345, // an engine of its own, in this bubble
			Goroutines:      true,
			NetDial:         l.dial,
			OnMessage:       func(_ *ws.Conn, m ws.Message) { got <- m.String() },
		})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		c.SendText("still here")
		if m := <-got; m != "still here" {
			t.Errorf("got %q", m)
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// pipeListener accepts one end of each net.Pipe that it dials.
type pipeListener chan net.Conn

func (l pipeListener) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	l <- near
	return far, nil
}

func (l pipeListener) Accept() (net.Conn, error) {
	if nc, ok := <-l; ok {
		return nc, nil
	}
	return nil, net.ErrClosed
}

func (l pipeListener) Close() error   { close(l); return nil }
func (l pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }
