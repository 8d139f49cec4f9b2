package ws

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/loop"
)

// DialOptions are the options and callbacks of a client. The zero value is a client that
// only sends.
type DialOptions struct {
	Header       http.Header // sent with the handshake; Host sets the Host
	Subprotocols []string    // offered, best first
	TLSConfig    *tls.Config // for wss, and for a proxy with https; nil is the standard one

	// NetDial connects to the server, or to its proxy; nil is net.Dialer's DialContext.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy returns the proxy for a handshake, with its user and password; nil is a direct
	// connection. The URL of the request has http in place of ws, and https in place of wss,
	// so that functions for an http.Transport can be used. The schemes of proxies are http,
	// https, socks5 and socks5h. Default: HTTP_PROXY, HTTPS_PROXY and NO_PROXY of the
	// environment at that time, by the rules of http.ProxyFromEnvironment; none if NetDial is
	// set.
	Proxy func(*http.Request) (*url.URL, error)
	// HandshakeTimeout bounds Dial: connecting, the proxy, TLS and the answer. Default 30 s;
	// negative: only ctx does.
	HandshakeTimeout time.Duration

	OnMessage func(c *Conn, m Message)               // as Server's
	OnError   func(c *Conn, err error)               // as Server's
	OnClose   func(c *Conn, code int, reason string) // as Server's
	OnPong    func(c *Conn, data []byte)             // as Server's
	Inline    bool                                   // as Server's

	NoCompression    bool          // do not offer permessage-deflate
	CompressMinBytes int           // as Server's
	ContextTakeover  Takeover      // offered; the server may decline either, or insist on its own
	MaxMessageBytes  int64         // as Server's
	PingInterval     time.Duration // as Server's
	PingTimeout      time.Duration // as Server's
	CloseTimeout     time.Duration // as Server's
	BacklogBytes     int           // as Server's: the most bytes that may wait for a slow server
	BacklogMessages  int           // as Server's
	BacklogAge       time.Duration // as Server's
	Goroutines       bool          // as Server's
	Logger           *slog.Logger  // as Server's
}

// HandshakeError is the error of Dial when the server has answered, but not with a
// WebSocket.
type HandshakeError struct {
	Response *http.Response // its body, up to 4 KiB of it, is read already
	Err      error
}

func (e *HandshakeError) Error() string { return "ws: dial: " + e.Err.Error() }
func (e *HandshakeError) Unwrap() error { return e.Err }

// ProxyError is the error of Dial when the proxy is the reason: it cannot be reached, wants
// other credentials (Status 407), or does not connect to the server (mostly 403, 502 or 504).
type ProxyError struct {
	Proxy  string // its URL, without the password
	Status int    // of its answer over HTTP; 0 without one
	Err    error
}

func (e *ProxyError) Error() string { return "ws: dial: proxy " + e.Proxy + ": " + e.Err.Error() }
func (e *ProxyError) Unwrap() error { return e.Err }

// Dial connects to a ws:// or wss:// address. ctx ends the dialling and the handshake, not
// the connection. The host may be international. Redirects are not followed. Errors: a
// *HandshakeError if the server has answered, a *ProxyError, context.DeadlineExceeded after
// HandshakeTimeout, ctx's error if that ended first, or an error of the network.
func Dial(ctx context.Context, url string, o DialOptions) (*Conn, error) {
	up, resp, err := handshake.Dial(ctx, url, handshake.DialOptions{
		Header: o.Header, Subprotocols: o.Subprotocols, NoDeflate: o.NoCompression, Takeover: o.ContextTakeover.allowed(), TLSConfig: o.TLSConfig,
		NetDial: o.NetDial, Proxy: o.Proxy, Timeout: o.HandshakeTimeout, UnderTLS: loop.NewTLSTransport,
	})
	if err != nil {
		return nil, dialError(err, resp)
	}
	engine := engines.borrow(loop.Options{
		Loops: 1, MaxMessageBytes: o.MaxMessageBytes, DeflateMinBytes: cmp.Or(o.CompressMinBytes, 128),
		PingInterval: o.PingInterval, PingTimeout: o.PingTimeout, CloseTimeout: o.CloseTimeout,
		BacklogBytes: o.BacklogBytes, BacklogMessages: o.BacklogMessages, BacklogAge: o.BacklogAge, Goroutines: o.Goroutines,
	})
	c := &Conn{subprotocol: up.Subprotocol, remote: addrOf(up.Conn), events: &events{
		onMessage: o.OnMessage, onClose: o.OnClose, onError: o.OnError, onPong: o.OnPong,
		gone: func(*Conn) { engines.give(engine) }, inline: o.Inline, log: cmp.Or(o.Logger, slog.Default()),
	}}
	c.hold()
	p := loop.Params{Client: true, Compression: up.Compression, Paused: true}
	if _, err := engine.Open(up.Conn, up.Buffered, p, func(wire loop.Conn) loop.Handler {
		c.wire = wire
		return handler{c}
	}); err != nil {
		engines.give(engine)
		return nil, fmt.Errorf("ws: dial: %w", err)
	}
	c.release()
	c.wire.Resume()
	return c, nil
}

func dialError(err error, resp *http.Response) error {
	if resp != nil {
		return &HandshakeError{resp, err}
	}
	if by, ok := errors.AsType[*handshake.ProxyError](err); ok {
		return &ProxyError{by.Proxy, by.Status, by.Err}
	}
	return fmt.Errorf("ws: dial: %w", err)
}

// engines are those of dialled connections, one for each set of options. An engine ends
// with its last connection, so that no goroutine is left then.
var engines = shared{engines: make(map[*loop.Engine]*borrowed)}

type shared struct {
	mu      sync.Mutex
	engines map[*loop.Engine]*borrowed
}

type borrowed struct {
	options loop.Options
	users   int
}

func (s *shared) borrow(o loop.Options) *loop.Engine {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e, b := range s.engines {
		if b.options == o {
			b.users++
			return e
		}
	}
	e := loop.New(o)
	s.engines[e] = &borrowed{options: o, users: 1}
	return e
}

func (s *shared) give(e *loop.Engine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.engines[e]
	if b.users--; b.users > 0 {
		return
	}
	delete(s.engines, e)
	// Only its loops are left to end; not from one of them.
	go e.Shutdown(context.Background(), 1001, "")
}
