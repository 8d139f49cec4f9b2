package socketio

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/engineio"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/packet"
)

// Conn is one connection of a client, by either transport: an Engine.IO session.
type Conn struct {
	gateway.Multiplex
	gateway *Gateway
	partial *partial     // a packet whose attachments are coming; nil: none
	State   any          // the Speaker's, set by its Begin
	seen    atomic.Int64 // since start: the last sign of life, in ns

	mu       sync.Mutex
	polls    *polls // nil: it began with a WebSocket; it does not change
	stage    stage
	quiet    bool // the client has closed the session: it gets no close packet
	silent   bool // it was ended for its silence
	finished bool // the last word was said
	asked    bool // the client's Connect came, of which there is one
	answered bool // it was answered
	saved    bool // for a client that comes back
	socket   id   // of the socket in the namespace, which other clients may know
	history  history
}

// polls is what a connection has that began with polling. The Conn's lock guards all but sid.
type polls struct {
	sid     string        // the id of the session, by which the client's requests find it
	room    chan struct{} // closed by Resume; nil: the client may send
	raising chan struct{} // closed when the WebSocket of an upgrade is attached, or given up; nil: there is none
	polling bool          // a poll waits
	posting bool          // a post is being processed
}

// mayPost lets a post go on that waits.
func (p *polls) mayPost() {
	if p != nil && p.room != nil {
		close(p.room)
		p.room = nil
	}
}

// stage is how far a connection is from polling to a socket.
type stage uint8

const (
	onPolls   stage = iota
	probed          // a WebSocket was probed: polls are answered at once
	onSocket        // for good
	afterPoll       // ended
)

var start = time.Now()

func since() int64 { return int64(time.Since(start)) }

// newConn makes a connection for its first request. p is nil if that is for a WebSocket.
func (g *Gateway) newConn(r *http.Request, p *polls) *Conn {
	c := &Conn{gateway: g, polls: p, socket: newID()}
	if p == nil {
		c.stage = onSocket
	}
	c.history.pid = newID()
	c.seen.Store(since())
	g.speaker.Begin(c, r, auth.OverTLS(r))
	return c
}

// SocketID is the id of the client's socket. It is not secret.
func (c *Conn) SocketID() string { return c.socket.String() }

// opening describes the opening of the connection.
func (c *Conn) opening() gateway.Opening {
	o := c.gateway.protocol.Opening(&c.Multiplex, c)
	o.Heartbeat = c.gateway.options.PingInterval
	begin := o.Enter
	o.Enter = func(ctx context.Context) error {
		err := begin(ctx)
		c.gateway.speaker.Opened(c)
		if c.stage == onSocket {
			c.Conn().Write(frame.Text, c.handshake())
		}
		return err
	}
	return o
}

// handshake is the Open packet. Nothing asks for a session without polling by its id.
func (c *Conn) handshake() []byte {
	o, sid := &c.gateway.options, ""
	if c.polls != nil {
		sid = c.polls.sid
	} else {
		sid = NewID()
	}
	return engineio.Handshake{SID: sid, Upgrades: c.polls != nil,
		PingInterval: o.PingInterval, PingTimeout: o.PingTimeout, MaxPayload: o.MaxPayload}.AppendPacket(nil)
}

// Polls reports whether the client has not upgraded to a WebSocket.
func (c *Conn) Polls() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stage < onSocket
}

// Send sends a packet with its attachments.
func (c *Conn) Send(p packet.Packet, attachments [][]byte) error {
	return c.Deliver(Encode(p, attachments, ""))
}

// Deliver sends a message. A client for which too much waits is closed as slow.
func (c *Conn) Deliver(m *loop.Message) error {
	err := c.Conn().Send(m)
	if err == loop.ErrFull {
		c.Close(errSlow)
	}
	return err
}

// Ended handles the end of the connection.
func (c *Conn) Ended(end loop.End) {
	c.mu.Lock()
	c.stage = afterPoll
	silent, quiet := c.silent, c.quiet
	c.polls.mayPost()
	c.mu.Unlock()
	c.gateway.forget(c)
	switch {
	case silent:
		end.Err = errNoPong
	case quiet:
		end.ByPeer = true // by a packet, not by a close frame
	}
	c.gateway.speaker.Closed(c)
	c.Multiplex.Ended(end)
}

// Pause stops the reading of the client, and Resume continues it, also if it posts.
func (c *Conn) Pause() {
	c.mu.Lock()
	if p := c.polls; p != nil && p.room == nil && c.stage != afterPoll {
		p.room = make(chan struct{})
	}
	c.mu.Unlock()
	c.Conn().Pause()
}

// Resume continues what Pause has stopped.
func (c *Conn) Resume() {
	c.mu.Lock()
	c.polls.mayPost()
	c.mu.Unlock()
	c.Conn().Resume()
}
