package ws_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru/internal/frame"
	"maru.example/maru/ws"
)

// patience is how long a test waits for an event that must come.
const patience = time.Minute

// everyDriver runs body over the ways in which a connection is driven: epoll
// where there is one, goroutines, and each of them under TLS.
func everyDriver(t *testing.T, body func(t *testing.T, r *rig)) {
	for name, r := range map[string]rig{
		"loops":      {Server: &ws.Server{}},
		"goroutines": {Server: &ws.Server{Goroutines: true}},
		"tls":        {Server: &ws.Server{}, secure: true},
		"tls, loops": {Server: &ws.Server{TLSConfig: selfSigned().server}, secure: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.t = t
			body(t, &r)
		})
	}
}

// rig is a server in a test with its clients.
type rig struct {
	t testing.TB
	*ws.Server
	secure bool
	addr   string
	url    string // ws:// or wss://
}

// start serves until the test ends.
func (r *rig) start() *rig {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr, r.url = l.Addr().String(), "ws://"+l.Addr().String()
	serve := r.Serve
	if r.secure {
		r.url = "wss://" + r.addr
	}
	if r.TLSConfig != nil {
		serve = func(l net.Listener) error { return r.ServeTLS(l, "", "") }
	} else if r.secure {
		l = tls.NewListener(l, selfSigned().server) // the server knows of no TLS
	}
	ended := make(chan error, 1)
	go func() { ended <- serve(l) }()
	r.t.Cleanup(func() {
		over, cancel := context.WithCancel(context.Background())
		cancel()
		r.Shutdown(over)
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			r.t.Errorf("serve: %v", err)
		}
	})
	return r
}

// certificate is one for 127.0.0.1 that a client may know.
type certificate struct{ server, client *tls.Config }

var selfSigned = sync.OnceValue(func() certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return certificate{
		server: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		client: &tls.Config{RootCAs: roots},
	}
})

// client is a dialled connection whose events a test can wait for.
type client struct {
	*ws.Conn
	messages chan ws.Message
	pongs    chan string
	closed   chan closed
	errs     chan error
}

type closed struct {
	code   int
	reason string
}

func (r *rig) dial(o ws.DialOptions) *client {
	r.t.Helper()
	c, err := r.tryDial(r.url, o)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *rig) tryDial(url string, o ws.DialOptions) (*client, error) {
	c := &client{
		messages: make(chan ws.Message, 1<<12), pongs: make(chan string, 100),
		closed: make(chan closed, 2), errs: make(chan error, 2),
	}
	if o.OnMessage == nil {
		o.OnMessage = func(_ *ws.Conn, m ws.Message) {
			select {
			case c.messages <- m:
			case <-r.t.Context().Done():
			}
		}
	}
	o.OnPong = func(_ *ws.Conn, data []byte) { c.pongs <- string(data) }
	o.OnError = func(_ *ws.Conn, err error) { c.errs <- err }
	o.OnClose = func(_ *ws.Conn, code int, reason string) { c.closed <- closed{code, reason} }
	o.Goroutines = o.Goroutines || r.Goroutines
	if o.TLSConfig == nil {
		o.TLSConfig = selfSigned().client
	}
	conn, err := ws.Dial(r.t.Context(), url, o)
	if err != nil {
		return nil, err
	}
	c.Conn = conn
	r.t.Cleanup(conn.Terminate)
	return c, nil
}

func (c *client) want(t testing.TB, want ws.Message) {
	t.Helper()
	if got := next(t, c.messages); got.Type != want.Type || !bytes.Equal(got.Data, want.Data) {
		t.Fatalf("got type %d of %d bytes %q, want type %d of %d bytes %q",
			got.Type, len(got.Data), short(got.String()), want.Type, len(want.Data), short(want.String()))
	}
}

// raw is a TCP or TLS client that does its WebSocket by hand.
type raw struct {
	t      testing.TB
	nc     net.Conn
	br     *bufio.Reader
	reader frame.Reader
	rules  frame.Rules
	unread []byte
}

// connect opens a stream to the server.
func (r *rig) connect() *raw {
	r.t.Helper()
	nc, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	if r.secure {
		config := selfSigned().client.Clone()
		config.ServerName = "127.0.0.1"
		nc = tls.Client(nc, config)
	}
	r.t.Cleanup(func() { nc.Close() })
	c := newRaw(r.t, nc)
	c.rules = frame.Rules{Client: true, Deflate: true}
	return c
}

func newRaw(t testing.TB, nc net.Conn) *raw {
	return &raw{t: t, nc: nc, br: bufio.NewReaderSize(nc, 64<<10)}
}

// handshake is a request that is accepted, with one header more or changed.
func handshake(host string, change ...string) string {
	h := map[string]string{
		"Host": host, "Upgrade": "websocket", "Connection": "Upgrade",
		"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
	}
	extra := ""
	for _, line := range change {
		name, value, found := strings.Cut(line, ": ")
		if _, there := h[name]; there && found {
			h[name] = value
		} else if there {
			delete(h, name)
		} else {
			extra += line + "\r\n"
		}
	}
	s := "GET / HTTP/1.1\r\n"
	for name, value := range h {
		s += name + ": " + value + "\r\n"
	}
	return s + extra + "\r\n"
}

// upgraded connects and shakes hands.
func (r *rig) upgraded(change ...string) *raw {
	r.t.Helper()
	c := r.connect()
	c.write([]byte(handshake(r.addr, change...)))
	if resp := c.response(); resp.StatusCode != http.StatusSwitchingProtocols {
		r.t.Fatalf("status %d", resp.StatusCode)
	}
	return c
}

// receiveBuffer sets the size of the peer's receive buffer. A few messages fill a small one,
// however slow the machine is.
func (c *raw) receiveBuffer(bytes int) {
	c.t.Helper()
	nc := c.nc
	if t, is := nc.(*tls.Conn); is {
		nc = t.NetConn()
	}
	if err := nc.(*net.TCPConn).SetReadBuffer(bytes); err != nil {
		c.t.Fatal(err)
	}
}

func (c *raw) write(b []byte) {
	c.t.Helper()
	c.nc.SetWriteDeadline(time.Now().Add(patience))
	if _, err := c.nc.Write(b); err != nil {
		c.t.Fatalf("raw write: %v", err)
	}
}

func (c *raw) response() *http.Response {
	c.t.Helper()
	c.nc.SetReadDeadline(time.Now().Add(patience))
	resp, err := http.ReadResponse(c.br, &http.Request{Method: http.MethodGet})
	if err != nil {
		c.t.Fatalf("raw response: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatalf("raw response: %v", err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp
}

func masked(op frame.Opcode, payload string) []byte {
	return frame.AppendMasked(nil, op, false, [4]byte{1, 2, 3, 4}, []byte(payload))
}

// part is a masked frame that is not the last of its message, or not the first.
func part(op frame.Opcode, fin bool, payload string) []byte {
	b := masked(op, payload)
	if !fin {
		b[0] &^= 0x80
	}
	return b
}

func closeFrame(code int, reason string) []byte {
	payload, err := frame.ClosePayload(code, reason)
	if err != nil {
		panic(err)
	}
	return masked(frame.Close, string(payload))
}

// event reads the next message or control frame.
func (c *raw) event() (frame.Event, error) {
	for {
		for len(c.unread) > 0 {
			ev, n, err := c.reader.Next(c.unread, &c.rules)
			c.unread = c.unread[n:]
			if err != nil {
				return ev, err
			}
			if ev.Op != 0 {
				ev.Payload = bytes.Clone(ev.Payload)
				return ev, nil
			}
		}
		c.nc.SetReadDeadline(time.Now().Add(patience))
		b := make([]byte, 16<<10)
		n, err := c.br.Read(b)
		c.unread = b[:n]
		if n == 0 && err != nil {
			return frame.Event{}, err
		}
	}
}

func (c *raw) want(op frame.Opcode, payload string) {
	c.t.Helper()
	ev, err := c.event()
	if err != nil || ev.Op != op || string(ev.Payload) != payload {
		c.t.Fatalf("got %v %q, error %v; want %v %q", ev.Op, short(string(ev.Payload)), err, op, short(payload))
	}
}

// wantClose reads up to a close frame of this code.
func (c *raw) wantClose(code int) {
	c.t.Helper()
	for {
		ev, err := c.event()
		if err != nil {
			c.t.Fatalf("got error %v, want close %d", err, code)
		}
		if ev.Op == frame.Close {
			if ev.Code != code {
				c.t.Fatalf("got close %d %q, want %d", ev.Code, ev.Reason, code)
			}
			return
		}
	}
}

func (c *raw) wantEnd() {
	c.t.Helper()
	if ev, err := c.event(); !errors.Is(err, io.EOF) {
		c.t.Fatalf("got %v, error %v; want the end of the stream", ev.Op, err)
	}
}

// next waits for one value.
func next[T any](t testing.TB, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// until polls what cannot be waited for.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
		tick := time.NewTimer(time.Millisecond)
		<-tick.C
	}
}

func short(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
