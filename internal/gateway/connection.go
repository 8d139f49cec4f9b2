package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// Connection is the life of one connection of the engine, embedded in a protocol's own type: 64
// bytes. There are very many connections, so it keeps nothing that can be derived.
type Connection struct {
	conn     loop.Conn
	endpoint *Endpoint
	more     atomic.Pointer[more] // nil for an anonymous connection without options
	entry    admission.Entry
}

// more is what few connections need. It is never changed, only replaced.
type more struct {
	who        auth.Identity
	revocation *auth.Revocation // nil: the identity cannot end
	mode       hub.Mode         // of a Subscriber
	pace       *admission.Pace  // of a Subscriber that publishes; nil: no limit has applied yet
	line       *line            // of a Subscriber that publishes where the rules may wait
	settled    func()           // of a Subscriber whose client has ended its half: see Settle
}

// A ProtocolConn is a protocol's own type of connection, which embeds a Connection.
type ProtocolConn interface {
	loop.Handler
	loop.EndHandler
	admission.Live

	// Exit releases what was taken when the connection was made and, if it entered, by Enter.
	// It is called once, when the connection is closed or was never opened.
	Exit(entered bool)

	life() *Connection
	space() *hub.Space
}

func (c *Connection) life() *Connection { return c }

// space is where a connection that lives in one channel is counted; nil: it has many.
func (c *Connection) space() *hub.Space { return nil }

// Entry is the connection's place in the registry.
func (c *Connection) Entry() *admission.Entry { return &c.entry }

// Conn is the engine's connection.
func (c *Connection) Conn() loop.Conn { return c.conn }

// Endpoint returns the connection's endpoint.
func (c *Connection) Endpoint() *Endpoint { return c.endpoint }

// Identity returns the client's current identity.
func (c *Connection) Identity() auth.Identity {
	if m := c.more.Load(); m != nil {
		return m.who
	}
	return auth.Identity{}
}

// begin begins the life of a connection that is admitted.
func (c *Connection) begin(e *Endpoint, in admission.Admitted) {
	c.endpoint = e
	c.entry.Open(in.Reservation)
	if in.Who != (auth.Identity{}) {
		c.more.Store(&more{who: in.Who})
	}
}

// enter finishes the opening of a connection: it is listed, attached to its identity,
// subscribed, answered, and then read. changes is that of its Admitted.
func enter(ctx context.Context, m ProtocolConn, o *Opening, changes uint64) {
	c := m.life()
	c.endpoint.Admission.Registry.Add(m)
	c.endpoint.Admission.Opened(c.endpoint.transport, m)
	if space := m.space(); space != nil {
		space.Connections.Add(1)
	}
	err := attach(m, c.Identity())
	switch {
	case err == nil:
		err = o.Enter(ctx)
	case o.Cancel != nil:
		o.Cancel()
	}
	if err != nil {
		m.Close(err)
	}
	c.endpoint.Admission.Recheck(m, changes)
	if c.entry.Enter(err == nil) {
		release(m, err == nil)
	}
	c.conn.Start()
	c.conn.Resume() // also to read the answer to a close
}

// attach sets the client's identity; the connection is closed when the identity ends. The
// errors are those of Authenticator.Check; then nothing has changed.
func attach(m ProtocolConn, who auth.Identity) error {
	c := m.life()
	old := c.more.Load()
	if old == nil && who == (auth.Identity{}) {
		return nil
	}
	next := &more{who: who}
	if old != nil {
		next.mode, next.revocation = old.mode, old.revocation
	}
	c.more.Store(next) // before the check: a concurrent revocation finds it in the registry
	var err error
	if next.revocation == nil {
		err = c.watch(m, next)
	} else if err = c.endpoint.Admission.Authenticator.Check(who); err == nil {
		next.revocation.Renew(who)
	}
	if err != nil {
		c.more.Store(old)
	}
	return err
}

// watch closes the connection when the identity in next ends.
func (c *Connection) watch(m ProtocolConn, next *more) error {
	revocation, err := c.endpoint.Admission.Authenticator.Attach(&next.who, m)
	if revocation == nil {
		return err
	}
	c.more.Store(&more{who: next.who, mode: next.mode, revocation: revocation})
	if c.entry.Ended() { // it may have missed the Revocation when it was released
		revocation.Release()
	}
	return nil
}

// Ended handles the end of a connection. A ProtocolConn's loop.EndHandler calls it.
func Ended(m ProtocolConn, end admission.End) {
	c := m.life()
	c.endpoint.Admission.Closed(c.endpoint.transport, m, end)
	space := m.space()
	if space != nil {
		space.Connections.Add(-1)
	}
	if end.Reason == string(maru.CodeSlow) && !end.ByClient {
		if space == nil {
			space = c.endpoint.Hub.Space(m.Info().Channels...)
		}
		space.Dropped.Add(uint64(end.Messages))
	}
	if mine, entered := c.entry.End(); mine {
		release(m, entered)
	}
}

// release releases what a connection holds, in the reverse order of its opening.
func release(m ProtocolConn, entered bool) {
	c := m.life()
	m.Exit(entered)
	if more := c.more.Load(); more != nil {
		more.revocation.Release()
	}
	c.endpoint.Admission.Registry.Remove(&c.entry)
}

// info describes the connection for the registry.
func (c *Connection) info(channels ...string) admission.Info {
	return c.endpoint.info(&c.entry, c.Identity(), channels)
}

// EndOf describes how the engine has ended the connection of a WebSocket.
func EndOf(end loop.End) admission.End {
	return admission.End{Reason: end.Reason, Err: end.Err, CloseCode: end.Code,
		ByClient: end.ByPeer || errors.Is(end.Err, context.Canceled), // the client went before the connection was open
		Bytes:    end.Bytes, Messages: end.Messages}
}

// Closed is never called: a ProtocolConn is a loop.EndHandler.
func (c *Connection) Closed(int, string, error) {}

// close closes the connection with the code of err, and its word as the reason. A slow
// connection is closed with the close code slow.
func (c *Connection) close(err error, slow int) {
	if errors.Is(err, net.ErrClosed) {
		return // it is closed already
	}
	e := maru.ErrorOf(err)
	code := e.Code.CloseCode()
	switch e.Code {
	case maru.CodeInternal:
		if !errors.Is(err, context.Canceled) { // else the client went before the connection was open
			all := append(admission.Attrs(c.info()), slog.Any("err", err))
			c.endpoint.Admission.Log.LogAttrs(context.Background(), slog.LevelError, "connection failed", all...)
		}
	case maru.CodeSlow:
		code = slow
	}
	var last *loop.Message
	if word := c.endpoint.LastWord; word != nil && e.Code != maru.CodeSlow {
		last = word(e)
	}
	c.conn.CloseFor(code, string(e.Code), err, last)
}

// Leave closes the connection because the server drains. The engine first asks the protocol for
// a last message (loop.FarewellHandler).
func (c *Connection) Leave() {
	c.conn.Farewell(maru.CloseGoingAway, string(maru.CodeShuttingDown))
}
