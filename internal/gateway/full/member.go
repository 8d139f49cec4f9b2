package full

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/entry"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/session"
)

// member is one connection: the engine's handler for it, and what its session
// speaks through.
type member struct {
	conn    loop.Conn
	gateway *Gateway
	session session.Session
	user    string // by the handshake: for the log
	addr    netip.Addr
	since   time.Duration // after Gateway.start
	pace    auth.Pace
	stage   atomic.Uint32
	tie     atomic.Pointer[auth.Revocation] // nil: of somebody anonymous
}

// Stages of a member. The goroutine of the handshake moves it from entering to
// settled, the loop to closed; the second of the two lets it go.
const (
	entering uint32 = iota
	settled
	closed
)

// begin starts the session and the reading of the connection.
func (m *member) begin(who auth.Identity) {
	m.gateway.Door.Connected(m.connection())
	m.session.Begin(m.gateway.Session, m, &identity{m.gateway.Door, who, m})
	if err := m.attach(who); err != nil {
		m.Close(err)
	}
	if !m.stage.CompareAndSwap(entering, settled) {
		m.release()
	}
	m.conn.Resume() // also to read the answer to a close
}

// attach ties the connection to who is at its end now.
func (m *member) attach(who auth.Identity) error {
	if tie := m.tie.Load(); tie != nil {
		return tie.Renew(who)
	}
	tie, err := m.gateway.Door.Authenticator.Attach(&who, m)
	if err != nil {
		return err
	}
	m.tie.Store(tie)
	if m.stage.Load() == closed { // it may have missed the tie when it let go
		tie.Release()
	}
	return nil
}

// Message takes a command. After our own close the peer may still send until it has
// answered; that is no longer heard.
func (m *member) Message(op frame.Opcode, data []byte) {
	if m.conn.Open() {
		m.session.Message(op == frame.Text, data)
	}
}

// Closed is the end of the connection.
func (m *member) Closed(code int, reason string, err error) {
	if reason == "" && err != nil {
		reason = err.Error()
	}
	m.gateway.Door.Disconnected(m.connection(), code, reason, time.Since(m.gateway.start)-m.since)
	if m.stage.Swap(closed) == settled {
		m.release()
	}
}

// Farewell is called when the server goes: while it drains it says when to come back.
func (m *member) Farewell() *loop.Message {
	after := m.gateway.Door.Drain.ComeBack()
	if after == 0 {
		return nil
	}
	return loop.NewMessage(frame.Text, session.Reconnect(after))
}

// release gives back what the member holds.
func (m *member) release() {
	m.tie.Load().Release()
	m.session.Closed()
	m.gateway.Door.Leave(m.addr)
}

func (m *member) connection() entry.Connection {
	return entry.Connection{Transport: entry.Full, Addr: m.addr, User: m.user}
}

// Send sends a reply.
func (m *member) Send(message []byte) {
	err := m.conn.Send(loop.NewMessage(frame.Text, message))
	if errors.Is(err, loop.ErrFull) { // it asks, and does not read what it asked for
		m.Close(errSlow)
	}
}

var errSlow = maru.NewError(maru.CodeSlow, "too many replies wait for this reader")

// Close closes the connection with the close code of err, and its code as the
// reason.
func (m *member) Close(err error) {
	if errors.Is(err, net.ErrClosed) {
		return // it is closed already
	}
	e := maru.ErrorOf(err)
	code := e.Code.CloseCode()
	switch e.Code {
	case maru.CodeInternal:
		m.gateway.Door.Log.Error("connection failed", slog.String("transport", Subprotocol), slog.Any("err", err))
	case maru.CodeSlow:
		code = maru.CloseSlow // who speaks this protocol can recover
	}
	m.conn.Close(code, string(e.Code))
}

func (m *member) Pause()  { m.conn.Pause() }
func (m *member) Resume() { m.conn.Resume() }

// Identified is called when the session knows who it is.
func (m *member) Identified(who session.Identity) error {
	i := who.(*identity)
	i.conn = m
	return m.attach(i.who)
}

// Subscribe joins a channel.
func (m *member) Subscribe(ctx context.Context, o session.Subscribe, answer func(session.Start) []byte) (session.Subscription, error) {
	s := &subscription{
		channel: m.gateway.Hub.Channel(o.Channel),
		socket:  hub.Socket{Conn: m.conn, Form: hub.Full, User: o.User},
	}
	s.socket.Mode = s.channel.Mode(hub.Mode{Latest: o.Latest, MaxHz: o.MaxHz})
	err := s.channel.JoinFrom(ctx, s.socket, o.Replay, func(h maru.History) *loop.Message {
		at := session.Start{From: h.Start(o.Replay), Replay: len(h.Publications), Gap: h.Gap}
		if o.Presence {
			here := s.channel.Follow(m.conn)
			s.follows, at.Presence = true, &here
		}
		return loop.NewMessage(frame.Text, answer(at))
	})
	if err != nil {
		s.unfollow()
		s.channel.Release()
		return nil, err
	}
	return s, nil
}

// subscription is a channel of a session.
type subscription struct {
	channel *hub.Channel
	socket  hub.Socket
	follows bool // the presence's changes too
}

func (s *subscription) Channel() string { return s.channel.Name() }

func (s *subscription) Leave() {
	s.unfollow()
	if s.socket.Conn.Open() {
		s.channel.Unsubscribe(s.socket)
	} else {
		s.channel.Leave(s.socket)
	}
	s.channel.Release()
}

func (s *subscription) unfollow() {
	if s.follows {
		s.channel.Unfollow(s.socket.Conn, !s.socket.Conn.Open())
	}
}
