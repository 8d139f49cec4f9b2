package loop

import (
	"sync"
	"time"

	"maru.example/maru/internal/frame"
)

// form is how a message is encoded for a connection: plainForm, or the LZ77
// window (8 to 15 bits) of its permessage-deflate. With takesOver it is encoded for
// that connection alone, see contexts.
type form = uint8

const (
	plainForm form = 0
	takesOver form = 1 << 4
)

// Message is one message with its frames, encoded once for each form that a
// receiver needs and shared by all who need it. It never changes; it may be sent
// to any number of connections and groups.
type Message struct {
	key     string // in a group that conflates, only the newest message of a key waits
	plain   []byte // the unmasked frame
	payload int    // where the payload begins in plain
	born    int64  // nanoseconds after bornFrom; 0: it is no publication. See Stamp

	mu       sync.Mutex
	deflated map[form][]byte // made on first use

	op      frame.Opcode
	single  bool // for one connection; its memory is used again after the write
	several bool // plain is the frames of several messages, which are never compressed
}

// NewMessage copies the payload into a frame. Text must be valid UTF-8; a
// control frame's payload has at most 125 bytes.
func NewMessage(op frame.Opcode, payload []byte) *Message {
	plain := make([]byte, 0, len(payload)+10)
	plain = frame.AppendFrame(plain, op, false, payload)
	return &Message{op: op, plain: plain, payload: len(plain) - len(payload)}
}

// newSingle is NewMessage for one connection only.
func newSingle(op frame.Opcode, payload []byte) *Message {
	m := singles.Get().(*Message)
	m.op = op
	m.plain = frame.AppendFrame(m.plain, op, false, payload)
	m.payload = len(m.plain) - len(payload)
	return m
}

// singles are written messages of newSingle.
var singles = sync.Pool{New: func() any { return &Message{single: true} }}

// recycle releases a message whose bytes are no longer referenced. It does nothing for a
// shared one, and for nil.
func (m *Message) recycle() {
	if m != nil && m.single && cap(m.plain) <= mostSingle {
		m.plain, m.deflated = m.plain[:0], nil
		singles.Put(m)
	}
}

// mostSingle is the largest memory that is kept for a later message.
const mostSingle = 4 << 10

// NewKeyedMessage is NewMessage with a key: in groups that conflate a newer message
// replaces a waiting one of the same key.
func NewKeyedMessage(op frame.Opcode, payload []byte, key string) *Message {
	m := NewMessage(op, payload)
	m.key = key
	return m
}

// NewBareMessage is a message for streams (FrameBare). It keeps data, which is written as
// it is, without a frame. key is as for NewKeyedMessage.
func NewBareMessage(data []byte, key string) *Message {
	return &Message{op: frame.Binary, plain: data, key: key}
}

// NewSeveral is messages that follow each other without any between them, as one: a text message
// and binary ones that belong to it. They are not compressed. key is as for NewKeyedMessage.
func NewSeveral(text []byte, binary [][]byte, key string) *Message {
	size := len(text) + frame.MaxHeaderBytes
	for _, b := range binary {
		size += len(b) + frame.MaxHeaderBytes
	}
	plain := frame.AppendFrame(make([]byte, 0, size), frame.Text, false, text)
	for _, b := range binary {
		plain = frame.AppendFrame(plain, frame.Binary, false, b)
	}
	return &Message{op: frame.Text, key: key, plain: plain, several: true}
}

// bornFrom is the beginning of the clock of publications.
var bornFrom = time.Now()

// sinceBorn is that clock. It never is 0, and takes half the time of time.Now.
func sinceBorn() int64 { return int64(time.Since(bornFrom)) | 1 }

// Stamp notes the time from which Stats.Latency measures, which is that of the publication. It is
// called before the message is sent.
func (m *Message) Stamp() { m.born = sinceBorn() }

// Len is the size in bytes of the uncompressed frame.
func (m *Message) Len() int { return len(m.plain) }

// frame is the message's unmasked frame in a form. Messages under minBytes, and
// those that do not shrink, stay plain: RFC 7692 §6 leaves the choice for each
// message to the sender.
func (m *Message) frame(f form, minBytes int) []byte {
	payload := m.plain[m.payload:]
	if f == plainForm || m.several || m.op.Control() || len(payload) < minBytes {
		return m.plain
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, ok := m.deflated[f]; ok {
		return b
	}
	b := m.plain
	if small, err := frame.Deflate(nil, payload, int(f)); err == nil && len(small) < len(payload) {
		b = frame.AppendFrame(make([]byte, 0, len(small)+10), m.op, true, small)
	}
	if m.deflated == nil {
		m.deflated = make(map[form][]byte, 1)
	}
	m.deflated[f] = b
	return b
}

// masked is the message's frame for a connection on which we are the client:
// each needs its own key (RFC 6455 §5.3).
func (m *Message) masked(f form, minBytes int) []byte {
	payload, compressed := m.plain[m.payload:], false
	if f != plainForm && !m.op.Control() && len(payload) >= minBytes {
		if small, err := frame.Deflate(nil, payload, int(f)); err == nil && len(small) < len(payload) {
			payload, compressed = small, true
		}
	}
	return frame.AppendMasked(make([]byte, 0, len(payload)+frame.MaxHeaderBytes), m.op, compressed, frame.NewMaskKey(), payload)
}
