package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"maru.example/maru/internal/loop"
)

// handshakesPerCore is how many TLS handshakes compute at a time, for each core; one takes
// about half a millisecond. Others wait, so that many new connections do not delay the
// existing ones. A handshake that waits for its peer, or for a callback of the configuration,
// holds no place, so that it blocks no other.
const handshakesPerCore = 4

// ServeTLS is h.ServeTLS(l) with this configuration, which has a certificate, and with
// connections that move to the loops when they become WebSockets. h.TLSConfig is not used.
// A connection whose handshake takes longer than h.ReadHeaderTimeout is closed. When accepting
// ends, no more connections are accepted, as with Serve.
func ServeTLS(accepting *Accepting, h *http.Server, l net.Listener, config *tls.Config, log *slog.Logger) error {
	ctx, cancel := context.WithCancel(context.Background())
	w := newHandoff(newRetryListener(accepting, l, cannotAccept(log)), cancel)
	s := &secured{
		handoff: w, ctx: ctx, timeout: h.ReadHeaderTimeout, config: withProtocols(config, h.Protocols),
		places: make(chan struct{}, handshakesPerCore*runtime.GOMAXPROCS(0)), log: log,
	}
	withTurns(s.config)
	go s.accept(accepting, s.shakeHands)
	return h.Serve(w)
}

// withProtocols offers the protocols of the server (RFC 7301), as h.ServeTLS does.
func withProtocols(config *tls.Config, p *http.Protocols) *tls.Config {
	ours := []string{"h2", "http/1.1"}
	if p != nil && !p.HTTP2() {
		ours = ours[1:]
	}
	config = config.Clone()
	others := slices.DeleteFunc(slices.Clone(config.NextProtos), func(s string) bool { return s == "h2" || s == "http/1.1" })
	config.NextProtos = append(ours, others...)
	return config
}

// secured does the TLS handshakes of connections.
type secured struct {
	*handoff
	ctx     context.Context // ends with the listener
	timeout time.Duration   // 0: none
	config  *tls.Config
	places  chan struct{}
	log     *slog.Logger
}

// shakeHands passes the connection on also if the handshake has failed: net/http
// receives the same error then, and handles it. A panic in a callback of the configuration
// ends only its connection.
func (s *secured) shakeHands(nc net.Conn, arrives *arrival) {
	ctx := s.ctx
	if s.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.timeout)
		defer cancel()
	}
	turn := &inTurn{Conn: nc, places: s.places}
	defer func() {
		if p := recover(); p != nil {
			turn.over()
			nc.Close()
			s.log.Error("TLS handshake panicked", slog.String("panic", fmt.Sprint(p)), slog.String("stack", string(debug.Stack())))
		}
	}()
	tc := tls.Server(loop.NewTLSTransport(turn), s.config)
	err := tc.HandshakeContext(context.WithValue(ctx, turnKey{}, turn))
	turn.over()
	if err != nil && ctx.Err() != nil {
		nc.Close() // the timeout, or the end of the server
		return
	}
	if plain := new(tls.RecordHeaderError); err != nil && !errors.As(err, plain) { // that one net/http answers
		linger(nc)
	}
	arrives.pass()
	switch tc.ConnectionState().NegotiatedProtocol {
	case "acme-tls/1":
		tc.Close() // its purpose was the handshake (RFC 8737 §3)
		return
	case "", "http/1.1", "http/1.0":
		if err == nil {
			s.put(peekedTLS{&peekedConn{Conn: tc, before: true}})
			return
		}
	}
	s.put(tc) // net/http finds HTTP/2, and other protocols, by its type
}

// linger lets the peer read what was written last, here the alert: closing a connection with unread
// bytes resets it, and what is on its way is lost. In TLS 1.3 a client has often sent its request when
// the server misses its certificate.
func linger(nc net.Conn) {
	half, ok := nc.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	b := make([]byte, 4<<10)
	for end, left := time.Now().Add(lingerTime), lingerBytes; left > 0 && time.Now().Before(end); {
		nc.SetReadDeadline(time.Now().Add(lingerIdle))
		n, err := nc.Read(b)
		if err != nil {
			return
		}
		left -= n
	}
}

// How long and how much linger reads, as nginx does with its lingering_time and lingering_timeout.
const (
	lingerTime  = 5 * time.Second
	lingerIdle  = time.Second // without a byte
	lingerBytes = 1 << 20
)

// inTurn is a connection in its handshake. It holds a place while it computes, from its
// first read on, and none while it reads or writes.
type inTurn struct {
	net.Conn
	places chan struct{} // nil once the handshake is over
	holds  bool
}

func (c *inTurn) leave() {
	if c.holds {
		<-c.places
		c.holds = false
	}
}

func (c *inTurn) enter() {
	if c.places != nil {
		c.places <- struct{}{}
		c.holds = true
	}
}

func (c *inTurn) over() {
	c.leave()
	c.places = nil
}

func (c *inTurn) Read(p []byte) (int, error) {
	c.leave()
	defer c.enter()
	return c.Conn.Read(p)
}

func (c *inTurn) Write(p []byte) (int, error) {
	c.leave()
	defer c.enter()
	return c.Conn.Write(p)
}

// Socket is the connection itself once the handshake is over, as in peekedConn.Socket.
func (c *inTurn) Socket() net.Conn {
	if c.places != nil {
		return nil
	}
	return c.Conn
}
