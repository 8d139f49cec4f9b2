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

	forms = 2
)

func (f Form) message(p *maru.Publication) *loop.Message {
	switch {
	case f == Publication:
		return loop.NewMessage(frame.Text, p.AppendJSON(nil))
	case p.Kind == maru.Binary:
		return loop.NewMessage(frame.Binary, p.Data)
	}
	return loop.NewMessage(frame.Text, p.Data)
}

func (f Form) messages(ps []*maru.Publication) []*loop.Message {
	ms := make([]*loop.Message, len(ps))
	for i, p := range ps {
		ms[i] = f.message(p)
	}
	return ms
}
