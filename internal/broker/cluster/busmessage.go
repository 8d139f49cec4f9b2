package cluster

import "maru.example/maru/internal/fields"

// A busMessage is a message between servers:
//
//	format 1 · kind · from · data
type busMessage struct {
	kind string
	from string // a node
	data []byte
}

const busFormat = 1

// Kinds of the broker itself, which begin with a dot so that no server's kind is the same.
const (
	kindAlive = ".alive" // once in a beat
	kindBye   = ".bye"   // the node leaves
	kindTake  = ".take"  // a question: take this namespace
)

func (m busMessage) append(dst []byte) []byte {
	dst = fields.AppendString(fields.AppendString(append(dst, busFormat), m.kind), m.from)
	return append(dst, m.data...)
}

// parseBusMessage reads what append wrote. The data is a part of b.
func parseBusMessage(b []byte) (m busMessage, err error) {
	r := fields.Reader{Rest: b}
	format := r.Byte()
	m = busMessage{kind: r.String(), from: r.String(), data: r.Rest}
	if r.Failed || format != busFormat || m.kind == "" || m.from == "" {
		return busMessage{}, errDamaged
	}
	return m, nil
}
