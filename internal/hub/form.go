package hub

import (
	"maru.example/maru"
	"maru.example/maru/internal/event"
	"maru.example/maru/internal/frame"
	"maru.example/maru/internal/loop"
)

// Form is how publications are written to a connection.
type Form uint8

const (
	Raw         Form = iota // the bare data: text and JSON as text, binary as binary
	Publication             // the publication's JSON as text, see maru.Publication.AppendJSON
	Full                    // the push of docs/protocol.md: {"channel":…,"publication":…}
	Events                  // server-sent events, for loop.Params.Stream

	forms = 4
)

// message is a publication of the channel as the form has it. The epoch is its position's.
func (c *Channel) message(f Form, epoch string, p *maru.Publication) *loop.Message {
	switch {
	case f == Events:
		return loop.NewBareMessage(event.AppendPublication(make([]byte, 0, len(p.Data)+len(epoch)+40), epoch, p), p.Key)
	case f == Publication:
		return loop.NewKeyedMessage(frame.Text, p.AppendJSON(nil), p.Key)
	case f == Full:
		push := make([]byte, 0, len(c.name)+len(p.Data)+160)
		push = maru.AppendString(append(push, `{"channel":`...), c.name)
		push = p.AppendJSON(append(push, `,"publication":`...))
		return loop.NewKeyedMessage(frame.Text, append(push, '}'), p.Key)
	case p.Kind == maru.Binary:
		return loop.NewKeyedMessage(frame.Binary, p.Data, p.Key)
	}
	return loop.NewKeyedMessage(frame.Text, p.Data, p.Key)
}

func (c *Channel) messages(f Form, epoch string, ps []*maru.Publication) []*loop.Message {
	ms := make([]*loop.Message, len(ps))
	for i, p := range ps {
		ms[i] = c.message(f, epoch, p)
	}
	return ms
}
