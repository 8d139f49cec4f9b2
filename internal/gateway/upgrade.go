package gateway

import (
	"context"
	"net"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/handshake"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/response"
)

// Opening describes what a connection is opened for.
type Opening struct {
	Channel      string        // its rules apply; empty: none
	Actions      []auth.Action // that must be allowed there
	Subprotocols []string      // of a WebSocket, best first
	Recovers     bool          // too slow, it is closed with 4408 instead of 1013
	Heartbeat    time.Duration // of the protocol's own, see loop.Params; 0: none

	// New makes the protocol's connection, once the request is admitted.
	New func() ProtocolConn
	// Enter subscribes the connection. It is called once, in the goroutine of the request.
	// Nothing was written to the connection before, and nothing is read until Enter has
	// returned. It may wait. An error closes the connection with its code.
	Enter func(ctx context.Context) error

	// Prepare is called by Take before it takes over the connection, and may still refuse the
	// request. Cancel undoes it if Enter is not called. nil: nothing.
	Prepare func(ctx context.Context) error
	Cancel  func()
}

// admit makes the connection of an admitted request, or refuses the request.
func (e *Endpoint) admit(w http.ResponseWriter, r *http.Request, o *Opening) (m ProtocolConn, changes uint64, ok bool) {
	in, err := e.Admission.Admit(r, o.Channel, o.Actions...)
	if err != nil {
		e.Refuse(w, r, err)
		return nil, 0, false
	}
	m = o.New()
	m.life().begin(e, in)
	return m, in.Changes, true
}

// handOver hands the connection to the engine. If that fails, the server is shutting down, and the
// engine has closed the connection.
func (e *Endpoint) handOver(m ProtocolConn, nc net.Conn, buffered []byte, p loop.Params) bool {
	_, err := e.Engine.Open(nc, buffered, p, func(conn loop.Conn) loop.Handler {
		m.life().conn = conn
		return m
	})
	return err == nil
}

// Upgrade answers a request for a WebSocket. It returns when the connection has been handed
// over (in HTTP/2: when it is closed), or refused: 400 bad_request, 403 not_allowed, 405, 426
// upgrade_required, 503 too_many_connections. The handshake is answered last, so that a client
// with an open connection is already subscribed.
func (e *Endpoint) Upgrade(w http.ResponseWriter, r *http.Request, o Opening) {
	checked, err := checkHandshake(w, r)
	if err != nil {
		e.Refuse(w, r, err)
		return
	}
	m, changes, admitted := e.admit(w, r, &o)
	if !admitted {
		return
	}
	up, err := checked.Accept(w, handshake.Options{Takeover: e.Takeover, Subprotocols: o.Subprotocols})
	if err != nil { // Accept has answered, if the client was still there
		release(m, false)
		e.warnWriter(w, r, err)
		return
	}
	params := loop.Params{
		Compression: up.Compression, Preface: up.Answer,
		Held: true, Paused: true, Recovers: o.Recovers, Heartbeat: o.Heartbeat,
	}
	if !e.handOver(m, up.Conn, up.Buffered, params) {
		release(m, false)
		return
	}
	enter(r.Context(), m, &o, changes)
	up.Wait()
}

// Park opens a connection without a socket (loop.Engine.OpenParked), for a client that polls and
// may bring a socket later. It reports whether the request was admitted; else it is answered. The
// caller writes the answer.
func (e *Endpoint) Park(w http.ResponseWriter, r *http.Request, o Opening) bool {
	m, changes, admitted := e.admit(w, r, &o)
	if !admitted {
		return false
	}
	_, err := e.Engine.OpenParked(loop.Params{Held: true, Recovers: o.Recovers, Heartbeat: o.Heartbeat}, func(conn loop.Conn) loop.Handler {
		m.life().conn = conn
		return m
	})
	if err != nil {
		release(m, false)
		e.Refuse(w, r, errShuttingDown)
		return false
	}
	enter(r.Context(), m, &o, changes)
	return true
}

var errShuttingDown = maru.NewError(maru.CodeShuttingDown, "the server is shutting down")

// Socket is a WebSocket for a connection that is open already: see loop.Conn.Attach.
type Socket struct {
	net.Conn
	Buffered    []byte            // read and not used
	Compression frame.Compression // as negotiated

	up *handshake.Upgraded
}

// Wait is handshake.Upgraded's. A Socket that no request of this node has brought does not wait.
func (s *Socket) Wait() {
	if s.up != nil {
		s.up.Wait()
	}
}

// Socket answers a request for a WebSocket that a connection is to get which is open already, and
// was admitted. A request that cannot have one is answered.
func (e *Endpoint) Socket(w http.ResponseWriter, r *http.Request) (*Socket, error) {
	checked, err := checkHandshake(w, r)
	if err != nil {
		e.Refuse(w, r, err)
		return nil, err
	}
	up, err := checked.Accept(w, handshake.Options{Takeover: e.Takeover})
	if err != nil {
		return nil, err
	}
	nc, err := loop.Detach(up.Conn)
	if err != nil {
		return nil, err
	}
	if _, err := nc.Write(up.Answer); err != nil {
		nc.Close()
		return nil, err
	}
	return &Socket{nc, up.Buffered, up.Compression, up}, nil
}

// TakeOver answers an HTTP/1 request with an endless body that only the server writes, and takes
// over its connection for that. head makes the head of the answer, once nothing but the
// connection itself can fail.
func (e *Endpoint) TakeOver(w http.ResponseWriter, r *http.Request, o Opening, head func(http.Header) []byte) {
	m, changes, admitted := e.admit(w, r, &o)
	if !admitted {
		return
	}
	if err := o.Prepare(r.Context()); err != nil {
		release(m, false)
		e.Refuse(w, r, err)
		return
	}
	answer := head(w.Header())
	nc, _, err := http.NewResponseController(w).Hijack() // requests behind this one are not answered
	if err != nil {
		o.Cancel()
		release(m, false)
		e.Refuse(w, r, err)
		return
	}
	nc.SetDeadline(time.Time{}) // the HTTP server's own
	if !e.handOver(m, nc, nil, loop.Params{Preface: answer, Held: true, Framing: loop.FrameBare}) {
		o.Cancel()
		release(m, false)
		return
	}
	enter(r.Context(), m, &o, changes)
}

// CanTake reports whether TakeOver can take over the request's connection: in HTTP/1, without
// other requests on it. The answer is needed before the history is read.
func (e *Endpoint) CanTake(w http.ResponseWriter, r *http.Request) bool {
	return e.Engine != nil && r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ContentLength == 0 && response.CanHijack(w)
}
