package sse

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/auth"
	"maru.example/maru/internal/entry"
	"maru.example/maru/internal/event"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// onLoop reports whether the stream can have the request's connection for itself: in
// HTTP/1 it ends with the connection, so that nothing else comes on it.
func (g *Gateway) onLoop(w http.ResponseWriter, r *http.Request) bool {
	return g.engine != nil && r.Method == http.MethodGet && r.ProtoMajor == 1 && r.ContentLength == 0 && canHijack(w)
}

// canHijack looks where http.ResponseController does. Whether it can is to be known before
// anything is asked for in vain.
func canHijack(w http.ResponseWriter) bool {
	for {
		switch v := w.(type) {
		case http.Hijacker:
			return true
		case interface{ Unwrap() http.ResponseWriter }:
			w = v.Unwrap()
		default:
			return false
		}
	}
}

// join admits the request and hands its connection over to a loop, as a member of the
// channel. All that can be refused is refused before.
func (g *Gateway) join(w http.ResponseWriter, r *http.Request, channel string, query maru.HistoryQuery, mode hub.Mode) {
	visitor, err := g.door.Admit(r, channel, entry.Actions(query)...)
	if err != nil {
		g.door.Refuse(w, r, err)
		return
	}
	m := &member{gateway: g, channel: g.hub.Channel(channel), addr: visitor.Addr, since: time.Since(g.start)}
	mode = m.channel.Mode(mode)
	if visitor.Identity != (auth.Identity{}) || mode != (hub.Mode{}) {
		m.extra = &extra{who: visitor.Identity, mode: mode}
	}
	joining, err := m.channel.Ask(r.Context(), mode, query)
	if err != nil {
		m.release()
		g.door.Refuse(w, r, err)
		return
	}
	answer := head(w.Header())
	nc, _, err := http.NewResponseController(w).Hijack() // what was read behind the request is not answered
	if err != nil {
		joining.Drop()
		m.release()
		g.door.Refuse(w, r, err)
		return
	}
	nc.SetDeadline(time.Time{}) // the HTTP server's own
	_, err = g.engine.Open(nc, nil, loop.Params{Preface: answer, Held: true, Stream: true}, func(c loop.Conn) loop.Handler {
		m.conn = c
		return m
	})
	if err != nil { // shutting down; the engine has closed the connection
		joining.Drop()
		m.release()
		return
	}
	g.door.Connected(m.connection())
	if err := m.enter(r.Context(), joining, appendBeginning(nil, query, joining.History)); err != nil {
		m.Close(err)
	}
	m.settle()
	m.conn.Start()
}

// head is the head of the answer. The body ends with the connection, not in chunks (HTML,
// "Server-sent events", §9.2.7 advises so): every member gets the same bytes.
func head(h http.Header) []byte {
	describe(h)
	h.Set("Connection", "close")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	h.Write(&b)
	b.WriteString("\r\n")
	return b.Bytes()
}

// member is one stream in its channel, the engine's handler for it: about 100 bytes and
// no goroutine.
type member struct {
	conn    loop.Conn
	gateway *Gateway
	channel *hub.Channel
	extra   *extra // nil for an anonymous one that wants everything
	addr    netip.Addr
	since   time.Duration // after Gateway.start
	stage   atomic.Uint32
	joined  bool // set before the stage leaves entering
}

// extra is what few members have more.
type extra struct {
	who  auth.Identity
	tie  *auth.Revocation // nil until attached
	mode hub.Mode
}

// Stages of a member. The goroutine of the request moves it from entering to settled,
// the loop to closed; the second of the two lets it go.
const (
	entering uint32 = iota
	settled
	closed
)

// enter ties the stream to who is at its end, and subscribes it.
func (m *member) enter(ctx context.Context, joining *hub.Joining, beginning []byte) error {
	if m.extra != nil {
		tie, err := m.gateway.door.Authenticator.Attach(&m.extra.who, m)
		if err != nil {
			joining.Drop()
			return err
		}
		m.extra.tie = tie
	}
	if err := joining.Join(ctx, m.socket(), loop.NewBareMessage(beginning, "")); err != nil {
		return err
	}
	m.joined = true
	return nil
}

// settle ends the request's part.
func (m *member) settle() {
	if !m.stage.CompareAndSwap(entering, settled) {
		m.release()
	}
}

// Message never comes: who reads a stream says nothing.
func (*member) Message(frame.Opcode, []byte) {}

// comment is Beat's answer, for all members.
var comment = loop.NewBareMessage([]byte(event.Comment), "")

// Beat is a loop.BeatHandler's.
func (*member) Beat() *loop.Message { return comment }

// Farewell says in a drain when to come back.
func (m *member) Farewell() *loop.Message {
	after := m.gateway.door.Drain.ComeBack()
	if after == 0 {
		return nil
	}
	return loop.NewBareMessage(append(event.AppendRetry(nil, after), '\n'), "")
}

// Closed is the end of the connection.
func (m *member) Closed(_ int, reason string, err error) {
	if reason == "" { // not closed by us
		reason = entry.ClientWent
		if e := net.Error(nil); errors.As(err, &e) && e.Timeout() { // it has vanished
			reason = err.Error()
		}
	}
	g := m.gateway
	g.door.Disconnected(m.connection(), 0, reason, time.Since(g.start)-m.since)
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
	m.gateway.door.Leave(m.addr)
}

// Close ends the stream; the reason is the code of err.
func (m *member) Close(err error) {
	if errors.Is(err, net.ErrClosed) {
		return // it is closed already
	}
	e := maru.ErrorOf(err)
	if e.Code == maru.CodeInternal {
		m.gateway.door.Log.Error("event stream failed", slog.String("channel", m.channel.Name()), slog.Any("err", err))
	}
	m.conn.Close(e.Code.CloseCode(), string(e.Code))
}

func (m *member) socket() hub.Socket {
	s := hub.Socket{Conn: m.conn, Form: hub.Events}
	if m.extra != nil {
		s.User, s.Mode = m.extra.who.User, m.extra.mode
	}
	return s
}

func (m *member) connection() entry.Connection {
	return entry.Connection{Transport: entry.Events, Channel: m.channel.Name(), Addr: m.addr, User: m.socket().User}
}
