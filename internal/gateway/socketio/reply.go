package socketio

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"

	"maru.example/maru"
	"maru.example/maru/internal/engineio"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/packet"
	"maru.example/maru/internal/pieces"
	"maru.example/maru/internal/session"
)

// The one argument of an ack, by command. A command that failed has failed.
type (
	failed struct {
		Error *failure `json:"error"`
	}
	failure struct {
		Code      maru.Code `json:"code"`
		Message   string    `json:"message"`
		Temporary bool      `json:"temporary,omitempty"`
	}
	subscribed struct {
		Channel  string         `json:"channel"`
		Position string         `json:"position"` // for since; the replay follows from there
		Replay   int            `json:"replay,omitempty"`
		Gap      *maru.Gap      `json:"gap,omitempty"`
		Presence *maru.Presence `json:"presence,omitempty"`
	}
	published struct {
		Channel  string `json:"channel"`
		Position string `json:"position,omitempty"`
		Replayed bool   `json:"replayed,omitempty"`
		Stale    bool   `json:"stale,omitempty"`
	}
	channel struct {
		Channel string `json:"channel"`
	}
	refreshed struct {
		User    string    `json:"user,omitempty"`
		Expires time.Time `json:"expires,omitzero"`
	}
)

func failureOf(e *maru.Error) *failure { return &failure{e.Code, e.Message, e.Code.Temporary()} }

// Reply sends a reply of the session: an ack, or the answer to Connect.
func (c *Conn) Reply(ref uint64, r session.Reply) {
	switch {
	case ref == connectRef:
		if _, is := r.(session.Connected); is && !c.isComing() {
			c.connectedAs()
		}
		return
	case ref == resumeRef:
		m := c.gateway.speaker.(*mapping) // it has resumed the session
		if _, is := r.(session.Resumed); is {
			m.comeBack(c)
		} else {
			m.beginAnew(c)
		}
		return
	case ref == 0: // Failed, of a command without an ack
		if f, is := r.(session.Failed); is {
			c.Deliver(event("error", encode(failureOf(f.Err))))
		}
		return
	}
	if u, is := r.(session.Unsubscribed); is {
		c.left(u.Channel, func() {
			if ref != unackedRef {
				c.ack(ref, answerTo(u))
			}
		})
		return
	}
	if j := long(r); j != nil {
		next := j.Within(string(engineio.Message)+string(packet.Ack)+strconv.FormatUint(ref-1, 10)+"[", "]").Next
		c.sendPieces(next)
		return
	}
	c.ack(ref, answerTo(r))
}

func (c *Conn) ack(ref uint64, answer []byte) {
	c.Deliver(loop.NewMessage(frame.Text, appendAck(ref, answer)))
}

func appendAck(ref uint64, answer []byte) []byte {
	b := append(append([]byte{'['}, answer...), ']')
	return packet.Append([]byte{byte(engineio.Message)}, packet.Packet{Type: packet.Ack, ID: int64(ref - 1), Data: b})
}

// encodeReply encodes the reply to Subscribe, which precedes the replay.
func encodeReply(ref uint64, r session.Reply) []byte { return appendAck(ref, answerTo(r)) }

// long returns a reply that is sent in pieces; nil: it is short.
func long(r session.Reply) *pieces.JSON {
	switch r := r.(type) {
	case session.HistoryRead:
		return pieces.History(r.Channel, r.History)
	case session.PresenceRead:
		return pieces.Presence(r.Presence)
	}
	return nil
}

func (c *Conn) sendPieces(next func([]byte) ([]byte, bool)) {
	first, more := next(nil)
	if !more {
		c.Deliver(loop.NewMessage(frame.Text, first))
		return
	}
	if c.Conn().SendPieces(&loop.Pieces{Op: frame.Text, First: first, Next: next}) == loop.ErrFull {
		c.Close(errSlow)
	}
}

// answerTo is the argument of the ack of a reply.
func answerTo(r session.Reply) []byte {
	switch r := r.(type) {
	case session.Subscribed:
		return encode(subscribed{r.Channel, r.From.String(), r.Replay, r.Gap, r.Presence})
	case session.Unsubscribed:
		return encode(channel{r.Channel})
	case session.Published:
		p := published{Channel: r.Channel, Replayed: r.Replayed, Stale: r.Stale}
		if r.Offset != 0 {
			p.Position = r.Position.String()
		}
		return encode(p)
	case session.Refreshed:
		return encode(refreshed{r.User, r.Expires.UTC()})
	case session.Answered:
		if len(r.Data) > 0 && utf8.Valid(r.Data) && json.Valid(r.Data) {
			return r.Data
		}
	case session.Failed:
		return encode(failed{failureOf(r.Err)})
	}
	return []byte("null")
}

// Push sends a push of the session.
func (c *Conn) Push(p session.Push) {
	if p, is := p.(session.SubscriptionEnded); is {
		c.left(p.Channel, func() {
			c.Deliver(event("unsubscribed", appendString(p.Channel), encode(failureOf(p.Err))))
		})
	}
}

// Farewell says nothing: a client of Socket.IO that loses its transport reconnects by itself, at a
// time of its own.
func (c *Conn) Farewell() *loop.Message { return nil }

// encode does not escape <, > and &: it is never part of a page. What it gets can be encoded.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return []byte("null")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
