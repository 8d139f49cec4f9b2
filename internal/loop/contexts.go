package loop

import "maru.example/maru/internal/frame"

// contexts are what a connection remembers whose messages refer to those before them
// (context takeover, RFC 7692 §7.1.1), in the side of its slot. What it is sent is
// compressed for it alone, when it is queued: from there to the socket nothing changes
// places and nothing is dropped but at the connection's end. The exception are lanes,
// where messages wait and are dropped: those stand alone, as everybody else's, and
// once one has left its lane the context begins anew.
type contexts struct {
	out *frame.Deflater // nil: our messages stand alone
	in  *frame.Inflater // nil: the peer's do
}

func newContexts(p Params) *contexts {
	c := new(contexts)
	if p.Compression.Takeover {
		c.out = frame.NewDeflater(int(p.Compression.DeflateBits))
	}
	if p.Compression.PeerBits > 0 {
		c.in = frame.NewInflater(int(p.Compression.PeerBits))
	}
	return c
}

// frame is the next message's.
func (c *contexts) frame(m *Message, client bool) []byte {
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
