package hub

import (
	"maru"
	"maru/internal/frame"
	"maru/internal/loop"
)

// Form is how publications are written to a socket.
type Form uint8

const (
	Raw         Form = iota // the bare data: text and JSON as text, binary as binary
	Publication             // the publication's JSON as text, see maru.Publication.AppendJSON
	Full                    // the push of docs/protocol.md: {"channel":…,"publication":…}

	forms = 3
)

// message is a publication of the channel as the form has it.
func (c *Channel) message(f Form, p *maru.Publication) *loop.Message {
	switch {
	case f == Publication:
		return loop.NewMessage(frame.Text, p.AppendJSON(nil))
	case f == Full:
		push := make([]byte, 0, len(c.name)+len(p.Data)+160)
		push = maru.AppendString(append(push, `{"channel":`...), c.name)
		push = p.AppendJSON(append(push, `,"publication":`...))
		return loop.NewMessage(frame.Text, append(push, '}'))
	case p.Kind == maru.Binary:
		return loop.NewMessage(frame.Binary, p.Data)
	}
	return loop.NewMessage(frame.Text, p.Data)
}

func (c *Channel) messages(f Form, ps []*maru.Publication) []*loop.Message {
	ms := make([]*loop.Message, len(ps))
	for i, p := range ps {
		ms[i] = c.message(f, p)
	}
	return ms
}
