package sse

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/admission"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// takeOver hands the request's connection over to a loop, as a stream of the channel. Everything
// that may refuse the request is checked before.
func (s *streams) takeOver(w http.ResponseWriter, r *http.Request, channel string, query maru.HistoryQuery, mode hub.Mode) {
	c := new(connection)
	var j hub.Joining
	s.channels.TakeOver(w, r, gateway.Opening{
		Channel: channel, Actions: gateway.ReplayActions(query),
		New: func() gateway.ProtocolConn {
			c.Init(s.channels.Hub.Channel(channel), s.form)
			return c
		},
		Prepare: func(ctx context.Context) (err error) {
			j, err = c.Join(ctx, mode, &query)
			return err
		},
		Cancel: func() { j.Cancel() },
		Enter: func(ctx context.Context) error {
			return c.Attach(ctx, &j, loop.NewBareMessage(appendBeginning(nil, channel, query, j.History, ""), ""))
		},
	}, head)
}

// head is the head of the answer. The body ends with the connection, without chunks (advised by
// HTML, "Server-sent events", §9.2.7), so that every connection gets the same bytes.
//
// A middleware that compresses answers may have set headers for a body of its own, which this one
// does not pass through.
func head(h http.Header) []byte {
	for _, name := range []string{"Content-Encoding", "Content-Length", "Transfer-Encoding", "Trailer"} {
		h.Del(name)
	}
	describe(h)
	h.Set("Connection", "close")
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	h.Write(&b)
	b.WriteString("\r\n")
	return b.Bytes()
}

// connection is one stream in its channel, the engine's handler for it: 80 bytes and no
// goroutine.
type connection struct{ gateway.Subscriber }

// Message is never called: the client of a stream sends nothing.
func (*connection) Message(frame.Opcode, []byte) {}

// Heartbeat is a loop.HeartbeatHandler's.
func (c *connection) Heartbeat() *loop.Message { return c.Endpoint().Heartbeat }

// Farewell is sent in a drain: when to reconnect.
func (c *connection) Farewell() *loop.Message {
	after := comeBack(&c.Endpoint().Admission.Drain)
	if after == 0 {
		return nil
	}
	return loop.NewBareMessage(farewell(after), "")
}

// Ended handles the end of the connection.
func (c *connection) Ended(end loop.End) {
	e := gateway.EndOf(end)
	e.CloseCode = 0 // a stream has none
	if timeout := net.Error(nil); e.Reason == "" && !(errors.As(e.Err, &timeout) && timeout.Timeout()) {
		e.Reason = admission.ClientWent // its way to end a stream; after a time-out it has vanished
	}
	gateway.Ended(c, e)
}
