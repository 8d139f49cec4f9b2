package raw

import (
	"bytes"
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
)

// member is one connection in its channel, the engine's handler for it. There
// are a great many: what can be derived is not kept.
type member struct {
	conn     loop.Conn
	gateway  *Gateway
	channel  *hub.Channel
	extra    *extra // nil for an anonymous one that wants everything
	addr     netip.Addr
	since    time.Duration // after Gateway.start
	stage    atomic.Uint32
	pace     auth.Pace
	inflight entry.Inflight
	form     hub.Form
	joined   bool // set before the stage leaves entering
}

// extra is what few members have more.
type extra struct {
	who  auth.Identity
	tie  *auth.Revocation // nil until attached
	mode hub.Mode
}

// Stages of a member. The goroutine of the handshake moves it from entering to
// settled, the loop to closed; the second of the two lets it go.
const (
	entering uint32 = iota
	settled
	closed
)

// enter ties the connection to who is at its end, and subscribes it.
func (m *member) enter(ctx context.Context, q maru.HistoryQuery) error {
	if m.extra != nil {
		tie, err := m.gateway.Door.Authenticator.Attach(&m.extra.who, m)
		if err != nil {
			return err
		}
		m.extra.tie = tie
	}
	if q.Since != nil || q.Limit != 0 {
		if err := m.channel.JoinFrom(ctx, m.socket(), q, nil); err != nil {
			return err
		}
	} else {
		m.channel.Join(m.socket())
	}
	m.joined = true
	return nil
}

// settle ends the handshake's part.
func (m *member) settle() {
	if !m.stage.CompareAndSwap(entering, settled) {
		m.release()
	}
}

// Message publishes what the client sent. After our own close the peer may
// still send until it has answered; that is no longer heard.
func (m *member) Message(op frame.Opcode, data []byte) {
	if !m.conn.Open() {
		return
	}
	if err := m.gateway.Door.MayPublish(m.who(), m.addr, &m.pace, m.channel.Name()); err != nil {
		m.Close(err)
		return
	}
	p := &maru.Publication{Kind: maru.Text, Data: bytes.Clone(data), User: m.user()}
	if op == frame.Binary {
		p.Kind = maru.Binary
	}
	m.inflight.Begin()
	m.gateway.Submit(m.channel.Name(), p, maru.PublishOptions{Publisher: m.who().Publisher()}, m.published)
	m.inflight.Submitted(m.conn)
}

// published hears what became of a message.
func (m *member) published(_ maru.Published, err error) {
	m.inflight.Done(m.conn)
	if err != nil {
		m.Close(err)
	}
}

// Closed is the end of the connection.
func (m *member) Closed(code int, reason string, err error) {
	g := m.gateway
	if reason == "" && err != nil {
		reason = err.Error()
	}
	g.Door.Disconnected(m.connection(), code, reason, time.Since(g.start)-m.since)
	if m.stage.Swap(closed) == settled {
		m.release()
	}
}

// release gives back what the member holds.
func (m *member) release() {
	if m.extra != nil {
		m.extra.tie.Release()
	}
	if m.joined {
		m.channel.Leave(m.socket())
	}
	m.channel.Release()
	m.gateway.Door.Leave(m.addr)
}

// Close ends the connection with the close code of err and its code as the
// reason.
func (m *member) Close(err error) {
	if errors.Is(err, net.ErrClosed) {
		return // it is closed already
	}
	e := maru.ErrorOf(err)
	if e.Code == maru.CodeInternal {
		m.gateway.Door.Log.Error("connection failed", slog.String("channel", m.channel.Name()), slog.Any("err", err))
	}
	m.conn.Close(e.Code.CloseCode(), string(e.Code))
}

func (m *member) who() auth.Identity {
	if m.extra == nil {
		return auth.Identity{}
	}
	return m.extra.who
}

func (m *member) user() string { return m.who().User }

func (m *member) socket() hub.Socket {
	s := hub.Socket{Conn: m.conn, Form: m.form, User: m.user()}
	if m.extra != nil {
		s.Mode = m.extra.mode
	}
	return s
}

func (m *member) connection() entry.Connection {
	return entry.Connection{Transport: entry.WebSocket, Channel: m.channel.Name(), Addr: m.addr, User: m.user()}
}
