package ws

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"maru.example/maru/internal/front"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/loop"
)

// Server is a WebSocket server. It listens by itself (ListenAndServe), or is the
// http.Handler of one address in a program that has its own mux; both may be
// used at once. The zero value works.
type Server struct {
	// Addr is where ListenAndServe listens: "host:port". Empty means ":http", or
	// ":https" with TLS.
	Addr string

	// OnHandshake decides about a request to connect. Any error refuses it: one
	// made by Refuse with its status, any other with 403. It runs in the
	// request's own goroutine and may block. The request is not kept.
	OnHandshake func(r *http.Request) error

	// OnConnection receives a new connection, with the request that opened it. The request
	// is not kept after the call; Conn.SetValue keeps values for the program. It may block;
	// messages wait for it to return.
	OnConnection func(c *Conn, r *http.Request)

	// OnMessage receives each message.
	OnMessage func(c *Conn, m Message)

	// OnError receives the reason why a connection failed, before OnClose: a fault of the
	// peer, or a broken or silent connection.
	OnError func(c *Conn, err error)

	// OnClose is called last and once, with the peer's close code and reason. The code is
	// 1005 if the peer gave none, 1006 if it vanished or never answered. It is ours if the
	// peer was at fault (1002, 1007, 1009) or slow (1013).
	OnClose func(c *Conn, code int, reason string)

	// OnPong receives the answer to a ping, also to the server's own pings, which are
	// empty.
	OnPong func(c *Conn, data []byte)

	// Inline runs OnMessage, OnError, OnClose and OnPong on the event loop, for
	// code that never blocks; CheckOrigin, too, where there is neither OnHandshake nor
	// OnConnection.
	Inline bool

	// CheckOrigin reports whether a browser's page may connect. Nil allows requests without
	// Origin, pages of the same host and port (https://a is port 443 of a), and pages of this
	// machine when the server is addressed as this machine. AnyOrigin allows all.
	CheckOrigin func(r *http.Request) bool

	// TLSConfig is for ServeTLS and ListenAndServeTLS; nil is the standard one.
	// A handshake has HandshakeTimeout, too.
	TLSConfig *tls.Config

	// Subprotocols are those the server speaks, best first.
	Subprotocols []string

	NoCompression    bool          // decline permessage-deflate
	CompressMinBytes int           // smaller messages are sent as they are; default 128, negative: all are compressed
	ContextTakeover  Takeover      // which side may compress with earlier messages as context; default: neither
	MaxMessageBytes  int64         // larger messages are refused with 1009; default 1 MiB, negative: no limit
	MaxHeaderBytes   int           // of a request to ListenAndServe; default 16 KiB
	MaxConnections   int           // at a time; beyond, 503. Default 0: no limit but the system's
	HandshakeTimeout time.Duration // for a request to ListenAndServe, from connecting to its answer; default 10 s
	PingInterval     time.Duration // silence before a ping; default 25 s, negative: never
	PingTimeout      time.Duration // for a sign of life after it; default 10 s
	CloseTimeout     time.Duration // for the peer's half of the closing handshake; default 5 s
	BacklogBytes     int           // bytes that may wait for a slow peer before it is closed with 1013; default 1 MiB
	BacklogMessages  int           // the same, counted; default 1,000
	BacklogAge       time.Duration // the same, in time; default 30 s

	// Goroutines never uses epoll, even where there is: a goroutine reads each
	// connection.
	Goroutines bool

	// Logger gets panics in callbacks; nil means slog.Default.
	Logger *slog.Logger

	once   sync.Once
	engine *loop.Engine
	all    *loop.Group
	events *events

	casting sync.Mutex // one broadcast reaches all loops before the next

	mu      sync.Mutex
	clients map[*Conn]struct{}
	taken   int // places of MaxConnections: clients, and requests that may become one
	servers []*http.Server
	closed  bool
}

// AnyOrigin is a CheckOrigin that lets the pages of every site connect. A server
// that knows its users by cookies must not use it.
func AnyOrigin(*http.Request) bool { return true }

// Refuse makes an error for OnHandshake: the request is answered with the
// status, 400 to 599, and the message as plain text.
func Refuse(status int, message string) error {
	return &handshake.Error{Status: status, Message: message}
}

func (s *Server) start() {
	s.once.Do(func() {
		s.events = &events{
			onMessage: s.OnMessage, onClose: s.OnClose, onError: s.OnError, onPong: s.OnPong,
			gone: s.gone, inline: s.Inline, log: cmp.Or(s.Logger, slog.Default()),
		}
		s.engine = loop.New(loop.Options{
			MaxMessageBytes: s.MaxMessageBytes, DeflateMinBytes: cmp.Or(s.CompressMinBytes, 128),
			PingInterval: s.PingInterval, PingTimeout: s.PingTimeout, CloseTimeout: s.CloseTimeout,
			BacklogBytes: s.BacklogBytes, BacklogMessages: s.BacklogMessages, BacklogAge: s.BacklogAge,
			Goroutines: s.Goroutines,
		})
		s.all = s.engine.NewGroup()
	})
}

// ServeHTTP upgrades the request to a WebSocket, or refuses it. It returns when
// OnConnection has; the connection goes on. In HTTP/2 (RFC 8441) it returns when the
// connection is closed. Go's HTTP/2 server takes WebSockets only with GODEBUG=http2xconnect=1
// in the environment; such a connection costs goroutines, see the package documentation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.start()
	checked, err := s.check(r)
	if err == nil {
		err = s.enter()
	}
	if err != nil {
		handshake.Answer(w, r, err)
		return
	}
	c, wait := s.accept(w, r, checked)
	if c != nil {
		wait()
	}
}

// inline is the server as its own listeners call it.
type inline struct{ *Server }

// Inline implements front.InlineHandler. Callbacks may wait, and keep the request.
func (i inline) Inline(*http.Request) bool {
	return i.OnHandshake == nil && i.OnConnection == nil && i.CheckOrigin == nil
}

// accept makes the request a connection and lets it begin. c is nil if the request was
// answered otherwise or its client has gone. wait is handshake.Upgraded.Wait.
func (s *Server) accept(w http.ResponseWriter, r *http.Request, checked handshake.Request) (c *Conn, wait func()) {
	defer s.events.running.Done()
	if c, wait = s.upgrade(w, r, checked); c == nil {
		return nil, nil
	}
	s.all.Add(c.wire)
	c.wire.Start()
	if s.OnConnection != nil {
		func() {
			defer c.recovered()
			s.OnConnection(c, r)
		}()
	}
	c.release()
	c.wire.Resume()
	return c, wait
}

// check checks that a request is a handshake, from an origin that may connect.
func (s *Server) check(r *http.Request) (handshake.Request, error) {
	checked, err := handshake.Check(r)
	if err != nil {
		return checked, err
	}
	check := s.CheckOrigin
	if check == nil {
		check = sameOrigin
	}
	if !check(r) {
		return checked, Refuse(http.StatusForbidden, "pages of this origin may not connect")
	}
	return checked, nil
}

// enter gives a request one of the places for connections, and lets Shutdown wait for it.
func (s *Server) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return Refuse(http.StatusServiceUnavailable, "shutting down")
	case s.MaxConnections > 0 && s.taken >= s.MaxConnections:
		return Refuse(http.StatusServiceUnavailable, "too many connections")
	}
	s.taken++
	s.events.running.Add(1)
	return nil
}

// upgrade makes the request a connection, which does not write or read yet. It is nil if
// the request was answered otherwise or its client has gone.
func (s *Server) upgrade(w http.ResponseWriter, r *http.Request, checked handshake.Request) (c *Conn, wait func()) {
	defer func() {
		if c == nil { // also if OnHandshake panics
			s.mu.Lock()
			defer s.mu.Unlock()
			s.taken--
		}
	}()
	if s.OnHandshake != nil {
		if err := s.OnHandshake(r); err != nil {
			var refused *handshake.Error
			if !errors.As(err, &refused) {
				refused = &handshake.Error{Status: http.StatusForbidden, Message: "not allowed"}
			}
			handshake.Answer(w, r, refused)
			return nil, nil
		}
	}
	up, err := checked.Accept(w, handshake.Options{NoDeflate: s.NoCompression, Takeover: s.ContextTakeover.allowed(), Subprotocols: s.Subprotocols})
	if err != nil {
		return nil, nil // answered, or the client has gone
	}
	made := &Conn{events: s.events, subprotocol: up.Subprotocol, remote: addrOf(up.Conn)}
	made.hold()
	p := loop.Params{Compression: up.Compression, Preface: up.Answer, Held: true, Paused: true}
	if _, err := s.engine.Open(up.Conn, up.Buffered, p, func(wire loop.Conn) loop.Handler {
		made.wire = wire
		return handler{made}
	}); err != nil {
		if !errors.Is(err, net.ErrClosed) { // else Shutdown was called
			s.events.log.Error("ws: connection lost", slog.String("remote", made.remote.String()), slog.Any("err", err))
		}
		return nil, nil
	}
	s.add(made)
	return made, up.Wait
}

// add makes c one of the clients, unless it has gone already.
func (s *Server) add(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.left {
		return
	}
	if s.clients == nil {
		s.clients = make(map[*Conn]struct{})
	}
	s.clients[c] = struct{}{}
}

func (s *Server) gone(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.left = true
	delete(s.clients, c)
	s.taken--
}

// Clients are the present connections. One that closes during the iteration may still be
// among them; sending to it returns ErrClosed.
func (s *Server) Clients() iter.Seq[*Conn] {
	return func(yield func(*Conn) bool) {
		s.mu.Lock()
		now := make([]*Conn, 0, len(s.clients))
		for c := range s.clients {
			now = append(now, c)
		}
		s.mu.Unlock()
		for _, c := range now {
			if !yield(c) {
				return
			}
		}
	}
}

// Len is the number of connections, those that are closing included.
func (s *Server) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients)
}

// Broadcast sends a message to every client. It is encoded once, and written to each client
// after its earlier messages; all get the broadcasts of the server in one order. The data
// is copied. It waits while the loops are behind by more than 16 MiB, except with Inline.
func (s *Server) Broadcast(m Message) { s.BroadcastExcept(m, nil) }

// BroadcastExcept is Broadcast to every client but one.
func (s *Server) BroadcastExcept(m Message, except *Conn) {
	s.start()
	if !s.Inline {
		s.engine.Wait(context.Background()) // cannot fail without an end of the context
	}
	var but loop.Conn
	if except != nil {
		but = except.wire
	}
	encoded := loop.NewMessage(m.op(), m.Data)
	s.casting.Lock()
	defer s.casting.Unlock()
	s.all.AppendExcept(encoded, but)
}

// ListenAndServe listens on Addr and serves until Shutdown, after which it
// returns http.ErrServerClosed.
func (s *Server) ListenAndServe() error {
	l, err := net.Listen("tcp", cmp.Or(s.Addr, ":http"))
	if err != nil {
		return fmt.Errorf("ws: %w", err)
	}
	return s.Serve(l)
}

// ListenAndServeTLS is ListenAndServe over TLS, with a certificate as ServeTLS
// takes it.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	l, err := net.Listen("tcp", cmp.Or(s.Addr, ":https"))
	if err != nil {
		return fmt.Errorf("ws: %w", err)
	}
	return s.ServeTLS(l, certFile, keyFile)
}

// ServeTLS is Serve over TLS, with the certificate and key of two PEM files, or with
// TLSConfig's if both names are empty. Serve with a listener of crypto/tls works too, but
// each of its connections needs a goroutine.
func (s *Server) ServeTLS(l net.Listener, certFile, keyFile string) error {
	config := s.TLSConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if certFile != "" || keyFile != "" {
		certificate, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			l.Close()
			return fmt.Errorf("ws: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	h, err := s.newHTTP()
	if err != nil {
		l.Close()
		return err
	}
	return front.ServeTLS(nil, h, l, config, s.events.log)
}

// Serve accepts connections from l until Shutdown, after which it returns
// http.ErrServerClosed. It closes l.
func (s *Server) Serve(l net.Listener) error {
	h, err := s.newHTTP()
	if err != nil {
		l.Close()
		return err
	}
	return front.Serve(nil, s.engine, h, l, s.events.log)
}

func (s *Server) newHTTP() (*http.Server, error) {
	s.start()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, http.ErrServerClosed
	}
	timeout := cmp.Or(s.HandshakeTimeout, 10*time.Second)
	h := &http.Server{
		Handler:           inline{s},
		ReadHeaderTimeout: timeout,
		ReadTimeout:       timeout, // of a body that should not be there, and of silence after a refusal
		WriteTimeout:      timeout,
		MaxHeaderBytes:    cmp.Or(s.MaxHeaderBytes, 16<<10),
		ErrorLog:          slog.NewLogLogger(s.events.log.Handler(), slog.LevelDebug),
		Protocols:         new(http.Protocols), // HTTP/1.1: a WebSocket needs a connection of its own
	}
	h.Protocols.SetHTTP1(true)
	s.servers = append(s.servers, h)
	return h, nil
}

// Shutdown stops listening, closes every connection with 1001, and waits until they and
// their callbacks have ended. If ctx ends before, it cuts the other connections and returns
// ctx's error. It must not be called from a callback.
func (s *Server) Shutdown(ctx context.Context) error {
	s.start()
	s.mu.Lock()
	s.closed = true
	servers := s.servers
	s.mu.Unlock()
	for _, h := range servers {
		h.Close() // listeners and requests under way; upgraded connections are not its own
	}
	if err := s.engine.Shutdown(ctx, 1001, "shutting down"); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		s.events.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
