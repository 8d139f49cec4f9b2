package ws_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	h2 "golang.org/x/net/http2"

	"maru.example/maru/internal/frame"
	_ "maru.example/maru/internal/xconnect"
	"maru.example/maru/ws"
)

// http2 is a server as a handler of net/http's, and a client whose streams share one
// connection.
type http2 struct {
	t         testing.TB
	addr      string
	transport *h2.Transport
	cut       func() // the connection
}

func startHTTP2(t *testing.T, s *ws.Server) *http2 { return startHandlerHTTP2(t, s, s) }

// startHandlerHTTP2 serves handler, which passes requests on to s.
func startHandlerHTTP2(t *testing.T, s *ws.Server, handler http.Handler) *http2 {
	web := httptest.NewUnstartedServer(handler)
	web.EnableHTTP2 = true
	web.StartTLS()
	t.Cleanup(web.Close)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	t.Cleanup(func() { s.Shutdown(over) })
	h := &http2{t: t, addr: web.Listener.Addr().String()}
	h.transport = &h2.Transport{
		DialTLSContext: func(ctx context.Context, network, addr string, config *tls.Config) (net.Conn, error) {
			nc, err := (&tls.Dialer{Config: config}).DialContext(ctx, network, addr)
			h.cut = func() { nc.Close() }
			return nc, err
		},
		TLSClientConfig:            web.Client().Transport.(*http.Transport).TLSClientConfig.Clone(),
		StrictMaxConcurrentStreams: true,
	}
	t.Cleanup(h.transport.CloseIdleConnections)
	return h
}

// connect asks for a WebSocket by extended CONNECT, with headers set or, where there
// is only a name, left out.
func (h *http2) connect(change ...string) (*raw, *http.Response) {
	h.t.Helper()
	up, body := io.Pipe()
	ctx, cancel := context.WithCancel(h.t.Context())
	h.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodConnect, "https://"+h.addr+"/", up)
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header.Set(":protocol", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	for _, line := range change {
		name, value, found := strings.Cut(line, ": ")
		switch {
		case name == strings.ToLower(name) && found && name[0] != ':':
			r.Header.Add(name, value)
		case name == "Host":
			r.Host = value
		case found:
			r.Header.Set(name, value)
		default:
			r.Header.Del(name)
		}
	}
	resp, err := h.transport.RoundTrip(r)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { resp.Body.Close() })
	if resp.ProtoMajor != 2 {
		h.t.Fatalf("spoke %s", resp.Proto)
	}
	c := newRaw(h.t, &streamConn{Reader: resp.Body, Writer: body, cancel: cancel, body: body})
	c.rules = frame.Rules{Client: true, Deflate: true}
	return c, resp
}

// streamConn is the client's side of a stream.
type streamConn struct {
	io.Reader
	io.Writer
	net.Conn // nil: what is not here is not used
	body     *io.PipeWriter
	cancel   context.CancelFunc
}

func (c *streamConn) Read(p []byte) (int, error)       { return c.Reader.Read(p) }
func (c *streamConn) Write(p []byte) (int, error)      { return c.Writer.Write(p) }
func (c *streamConn) SetReadDeadline(time.Time) error  { return nil }
func (c *streamConn) SetWriteDeadline(time.Time) error { return nil }
func (c *streamConn) Close() error                     { return c.body.Close() } // ends our half
func (c *streamConn) CloseWrite() error                { return c.body.Close() }

// reset sends RST_STREAM.
func (c *streamConn) reset() {
	c.cancel()
	c.body.CloseWithError(context.Canceled) // or the transport waits for more to send
}

// Headers of HTTP/1.1 that extended CONNECT replaces (RFC 8441 §5), or does not have.
var notInHTTP2 = []string{"upgrade", "connection", "key", "host", "body", "header block", "another upgrade", "letters", "abroad"}

// The same table as for HTTP/1.1, with 200 for 101.
func TestHandshakeHTTP2(t *testing.T) {
	t.Parallel()
	ran := 0
	for name, test := range handshakes {
		if containsAny(name, notInHTTP2) {
			continue
		}
		ran++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := startHTTP2(t, &ws.Server{Subprotocols: []string{"chat"}})
			var change []string
			for _, line := range test.change {
				change = append(change, strings.ReplaceAll(line, "HOST", h.addr))
			}
			if name == "two origins" {
				change = []string{"origin: https://" + h.addr, "origin: https://" + h.addr}
			}
			c, resp := h.connect(change...)
			want := test.status
			if want == http.StatusSwitchingProtocols {
				want = http.StatusOK
			}
			if resp.StatusCode != want {
				t.Errorf("status %d, want %d", resp.StatusCode, want)
			}
			for _, name := range []string{"Sec-Websocket-Protocol", "Sec-Websocket-Extensions", "Sec-Websocket-Version"} {
				want, checked := test.header[name]
				if got := resp.Header[name]; checked && strings.Join(got, "|") != strings.Join(want, "|") {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			for _, name := range []string{"Connection", "Upgrade", "Sec-Websocket-Accept", "Content-Type"} {
				if got := resp.Header[name]; resp.StatusCode == 200 && got != nil {
					t.Errorf("%s: %q has no place in HTTP/2", name, got)
				}
			}
			if want == http.StatusOK {
				c.write(closeFrame(1000, ""))
				c.wantClose(1000)
				c.wantEnd()
			}
		})
	}
	if ran < 15 {
		t.Errorf("only %d rows were tried", ran)
	}
}

func containsAny(s string, parts []string) bool {
	for _, part := range parts {
		if strings.Contains(s, part) {
			return true
		}
	}
	return false
}

// Requests that only HTTP/2 can make, wrongly.
func TestBadConnect(t *testing.T) {
	t.Parallel()
	h := startHTTP2(t, &ws.Server{})
	for name, tt := range map[string]struct {
		change []string
		status int
	}{
		"another protocol": {[]string{":protocol: connect-udp"}, 400},
		"in capitals":      {[]string{":protocol: WebSocket"}, 400},
	} {
		if _, resp := h.connect(tt.change...); resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d", name, resp.StatusCode, tt.status)
		}
	}
}

// Many streams on one connection, each a connection of its own; a large message; the
// end of one is not the end of another.
func TestStreams(t *testing.T) {
	t.Parallel()
	s := &ws.Server{}
	s.OnMessage = func(c *ws.Conn, m ws.Message) { c.Send(m) }
	h := startHTTP2(t, s)
	var streams []*raw
	for range 20 {
		c, _ := h.connect()
		streams = append(streams, c)
	}
	until(t, "all are clients", func() bool { return count(s) == len(streams) })
	large := strings.Repeat("x", 300<<10) // beyond the windows of stream and connection
	for i, c := range streams {
		c.write(masked(frame.Text, "hello"))
		c.want(frame.Text, "hello")
		if i == 0 {
			c.write(masked(frame.Text, large))
			c.want(frame.Text, large)
		}
		if i%2 == 0 {
			c.write(closeFrame(1000, ""))
			c.wantClose(1000)
			c.wantEnd()
		}
	}
	for _, c := range streams[1:2] {
		c.write(masked(frame.Text, "still here"))
		c.want(frame.Text, "still here")
	}
	until(t, "half are clients", func() bool { return count(s) == len(streams)/2 })
}

func count(s *ws.Server) (n int) {
	for range s.Clients() {
		n++
	}
	return n
}

// However a stream ends, the connection ends with it, once, and nothing is left.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		end  func(h *http2, c *raw, s *ws.Server)
		code int
	}{
		"closing handshake": {func(_ *http2, c *raw, _ *ws.Server) { c.write(closeFrame(4000, "bye")) }, 4000},
		"END_STREAM":        {func(_ *http2, c *raw, _ *ws.Server) { c.nc.Close() }, 1006},
		"RST_STREAM in mid-frame": {func(_ *http2, c *raw, _ *ws.Server) {
			c.write(masked(frame.Text, "hello")[:4])
			c.nc.(*streamConn).reset()
		}, 1006},
		"the connection is cut": {func(h *http2, _ *raw, _ *ws.Server) {
			h.cut()
		}, 1006},
		"a fault": {func(_ *http2, c *raw, _ *ws.Server) { c.write(masked(frame.Opcode(3), "")) }, 1002},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan int, 2)
			s := &ws.Server{CloseTimeout: time.Second}
			s.OnClose = func(_ *ws.Conn, code int, _ string) { ended <- code }
			h := startHTTP2(t, s)
			c, _ := h.connect()
			tt.end(h, c, s)
			if code := next(t, ended); code != tt.code {
				t.Errorf("closed with %d, want %d", code, tt.code)
			}
			until(t, "nobody is there", func() bool { return count(s) == 0 })
		})
	}
}

// A peer that gives no window to write in is slow as others are, and is let go.
func TestSlowStream(t *testing.T) {
	t.Parallel()
	ended := make(chan int, 1)
	s := &ws.Server{BacklogBytes: 64 << 10, CloseTimeout: 50 * time.Millisecond}
	s.OnClose = func(_ *ws.Conn, code int, _ string) { ended <- code }
	h := startHTTP2(t, s)
	c, _ := h.connect()
	_ = c // reads nothing
	data := ws.Binary(make([]byte, 32<<10))
	for i := 0; len(ended) == 0; i++ {
		if i > 10_000 {
			t.Fatal("320 MB were taken from the server")
		}
		s.Broadcast(data)
		until(t, "the server has taken it", func() bool {
			for client := range s.Clients() {
				if client.BufferedAmount() > 1<<20 {
					return len(ended) > 0
				}
			}
			return true
		})
	}
	if code := next(t, ended); code != 1013 && code != 1006 {
		t.Errorf("closed with %d", code)
	}
}

// Shutdown closes streams as it closes sockets.
func TestShutdownHTTP2(t *testing.T) {
	t.Parallel()
	s := &ws.Server{}
	h := startHTTP2(t, s)
	c, _ := h.connect()
	ended := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		ended <- s.Shutdown(ctx)
	}()
	c.wantClose(1001)
	c.write(closeFrame(1001, ""))
	c.wantEnd()
	if err := next(t, ended); err != nil {
		t.Error(err)
	}
}

// Issue 15 §8: a middleware that compresses what is written would corrupt the frames of a stream.
func TestConnectBehindCompression(t *testing.T) {
	t.Parallel()
	s := &ws.Server{}
	h := startHandlerHTTP2(t, s, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip") // before the handler, as gorilla/handlers does
		s.ServeHTTP(w, r)
	}))
	if _, resp := h.connect(); resp.StatusCode != http.StatusInternalServerError {
		t.Errorf("status %d", resp.StatusCode)
	}
	if n := count(s); n != 0 {
		t.Errorf("%d clients", n)
	}
}
