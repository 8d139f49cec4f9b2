package ws

import (
	"encoding/json"
	"fmt"

	"maru.example/maru/internal/frame"
)

// Type is the type of a message (RFC 6455 §5.6).
type Type uint8

const (
	TextMessage   Type = iota // valid UTF-8
	BinaryMessage             // any bytes
)

// Message is one whole message. The data of a message that a callback is given
// is the callback's own to keep, but with Inline, where it is valid only during
// the call.
type Message struct {
	Type Type
	Data []byte
}

// Text makes a text message. It must be valid UTF-8: a peer closes the
// connection over text that is not (RFC 6455 §8.1).
func Text(s string) Message { return Message{TextMessage, []byte(s)} }

// Binary makes a binary message of b, which is not copied.
func Binary(b []byte) Message { return Message{BinaryMessage, b} }

// JSON makes a text message of v's JSON.
func JSON(v any) (Message, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return Message{}, fmt.Errorf("ws: encode message: %w", err)
	}
	return Message{TextMessage, b}, nil
}

// String is the message's data as a string.
func (m Message) String() string { return string(m.Data) }

// Decode reads the message's data as JSON into v.
func (m Message) Decode(v any) error {
	if err := json.Unmarshal(m.Data, v); err != nil {
		return fmt.Errorf("ws: decode message: %w", err)
	}
	return nil
}

func (m Message) op() frame.Opcode {
	if m.Type == BinaryMessage {
		return frame.Binary
	}
	return frame.Text
}

func typeOf(op frame.Opcode) Type {
	if op == frame.Binary {
		return BinaryMessage
	}
	return TextMessage
}
