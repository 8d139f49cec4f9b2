package socketio

import (
	"encoding/binary"
	"errors"

	"maru.example/maru/internal/fields"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/packet"
)

// A request is a question to another node:
//
//	acks     1 · 'A' · namespace · name of the question · acks and clients gone that are known · again (1)
//	sockets  1 · 'S' · namespace · without · to · except
//	event    1 · 'E' · namespace · event's data · attachments
//
// Lists are their count and their elements; texts and bytes follow their length.
type request struct {
	kind      byte
	namespace string

	name       string // acks
	have, gone uint64
	again      bool // it is not the first time: it waits for more

	without    string // sockets
	to, except []string

	data        []byte // event
	attachments [][]byte
}

const (
	wireFormat = 1

	askAcks    = 'A'
	askSockets = 'S'
	askEvent   = 'E'
)

var errRequest = errors.New("socketio: the message of another node is damaged, or from another version")

func (q *request) append(b []byte) []byte {
	b = fields.AppendString(append(b, wireFormat, q.kind), q.namespace)
	switch q.kind {
	case askAcks:
		b = binary.AppendUvarint(fields.AppendString(b, q.name), q.have)
		b = append(binary.AppendUvarint(b, q.gone), flag(q.again))
	case askSockets:
		b = appendList(appendList(fields.AppendString(b, q.without), q.to), q.except)
	case askEvent:
		b = appendList(appendText(b, q.data), q.attachments)
	}
	return b
}

func flag(set bool) byte {
	if set {
		return 1
	}
	return 0
}

// parseRequest reads what append wrote. Bytes are parts of b.
func parseRequest(b []byte) (request, error) {
	r := fields.Reader{Rest: b}
	known := r.Byte() == wireFormat
	q := request{kind: r.Byte(), namespace: r.String()}
	switch q.kind {
	case askAcks:
		q.name, q.have, q.gone = r.String(), r.Uvarint(), r.Uvarint()
		q.again = readFlag(&r)
	case askSockets:
		q.without, q.to, q.except = r.String(), readList(&r), readList(&r)
	case askEvent:
		q.data, q.attachments = r.Stretch(), readBytes(&r)
	default:
		known = false
	}
	if r.Failed || !known || len(r.Rest) > 0 {
		return request{}, errRequest
	}
	return q, nil
}

func readFlag(r *fields.Reader) bool {
	b := r.Byte()
	r.Failed = r.Failed || b > 1
	return b == 1
}

// readList and readBytes take no more memory than a multiple of what is there: each element has a
// byte at least.
func readList(r *fields.Reader) (all []string) {
	for n := r.Uvarint(); n > 0 && !r.Failed; n-- {
		all = append(all, r.String())
	}
	return all
}

func readBytes(r *fields.Reader) (all [][]byte) {
	for n := r.Uvarint(); n > 0 && !r.Failed; n-- {
		all = append(all, r.Stretch())
	}
	return all
}

// acks is the answer to askAcks:
//
//	1 · asked · gone · number · (id · data · attachments)…
type acks struct {
	asked, gone uint64
	replies     []rawReply
}

func (a *acks) append(b []byte) []byte {
	b = binary.AppendUvarint(binary.AppendUvarint(append(b, wireFormat), a.asked), a.gone)
	b = binary.AppendUvarint(b, uint64(len(a.replies)))
	for _, r := range a.replies {
		b = appendList(appendText(fields.AppendString(b, r.id), r.Data), r.Binary)
	}
	return b
}

// maxAsked bounds the numbers of acks, so that sums do not overflow.
const maxAsked = 1 << 30

func parseAcks(b []byte) (a acks, err error) {
	r := fields.Reader{Rest: b}
	known := r.Byte() == wireFormat
	a.asked, a.gone = r.Uvarint(), r.Uvarint()
	for n := r.Uvarint(); n > 0 && !r.Failed; n-- {
		one := rawReply{id: r.String()}
		one.Packet = gw.Packet{Packet: packet.Packet{Data: r.Stretch()}, Binary: readBytes(&r)}
		a.replies = append(a.replies, one)
	}
	if r.Failed || !known || len(r.Rest) > 0 || a.asked > maxAsked || a.gone > a.asked || uint64(len(a.replies)) > a.asked {
		return acks{}, errRequest
	}
	return a, nil
}
