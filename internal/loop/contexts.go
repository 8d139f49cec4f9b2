package loop

import "maru.example/maru/internal/frame"

// contexts are the compression contexts of a connection whose messages refer to earlier
// ones (context takeover, RFC 7692 §7.1.1), in the side of its slot. A message is
// compressed for this connection alone when it is queued. From there to the socket messages
// keep their order, and none is dropped before the connection's end. Lanes are the
// exception, because messages in a lane can be dropped. Those are compressed without a
// context, and after one has left its lane the context begins anew.
type contexts struct {
	out *frame.Deflater // nil: our messages stand alone
	in  *frame.Inflater // nil: the peer's do
}

// remember gives a connection its contexts, if it has negotiated any.
func (l *Loop) remember(id connID, p Params) {
	if !p.Compression.Takeover && p.Compression.PeerBits == 0 {
		return
	}
	c := &contexts{in: p.Inflater}
	if p.Compression.Takeover {
		c.out = frame.NewDeflater(int(p.Compression.DeflateBits))
	}
	if c.in == nil {
		c.in = p.Compression.Inflater()
	}
	l.sideOf(id).contexts = c
}

// frame is the frame of the next message.
func (c *contexts) frame(m *Message, client bool) []byte {
	if m.several {
		return m.plain
	}
	payload, compressed := m.plain[m.payload:], false
	if !m.op.Control() {
		if small, err := c.out.Deflate(nil, payload); err == nil {
			payload, compressed = small, true
		}
	}
	b := make([]byte, 0, len(payload)+frame.MaxHeaderBytes)
	if client {
		return frame.AppendMasked(b, m.op, compressed, frame.NewMaskKey(), payload)
	}
	return frame.AppendFrame(b, m.op, compressed, payload)
}

func (c *contexts) forget() {
	if c != nil && c.out != nil {
		c.out.Forget()
	}
}
