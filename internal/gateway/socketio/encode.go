package socketio

import (
	"maru.example/maru/internal/engineio"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/packet"
)

// Encode is the message of a packet.
func Encode(p packet.Packet, attachments [][]byte, key string) *loop.Message {
	return NewMessage(AppendText(make([]byte, 0, TextSize(p)), p), attachments, key)
}

// TextSize is enough room for the text of a packet.
func TextSize(p packet.Packet) int { return len(p.Data) + len(p.Namespace) + 24 }

// AppendText appends the text of a packet, without its attachments: it can be kept, or carried to
// another node, until NewMessage makes a message of it.
func AppendText(dst []byte, p packet.Packet) []byte {
	return packet.Append(append(dst, byte(engineio.Message)), p)
}

// NewMessage is the message of a packet's text and attachments. key is as for loop.NewKeyedMessage.
func NewMessage(text []byte, attachments [][]byte, key string) *loop.Message {
	if len(attachments) > 0 {
		return loop.NewSeveral(text, attachments, key)
	}
	return loop.NewKeyedMessage(frame.Text, text, key)
}

// Writable reports whether the client takes a message now: none waits for it, and if it polls, a poll
// waits.
func (c *Conn) Writable() bool {
	if !c.Conn().Open() || c.Conn().Buffered() > 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stage == onSocket || c.polls != nil && c.polls.polling
}
