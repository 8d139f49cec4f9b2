package socketio

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"io"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
)

// list is what a client has of its channels, in the last argument of a message. A client gets no right
// by it: which channels it had the server knows, and with an invented list it misses messages, or gets
// some twice.
//
//	version (1) · nonce (4) · joined · channel · [epoch · offset, if there is a channel]
//	number · (namespace · epoch · offset)…
//
// It is base64url.
type list struct {
	nonce   [4]byte       // of the connection
	joined  uint32        // subscriptions with a higher number had not begun
	channel string        // of a message of a replay, which says of this channel:
	own     maru.Position // it has that up to here; empty: the message was none of a replay
	at      []place       // of all other channels, by history: it has them up to here
}

// place is a position in a history. A position alone does not name one: several namespaces may have one
// epoch, each with its own offsets.
type place struct {
	namespace string
	maru.Position
}

func placeOf(channel string, at maru.Position) place { return place{maru.Namespace(channel), at} }

// same reports whether both are of one history.
func (p place) same(o place) bool { return p.namespace == o.namespace && p.Epoch == o.Epoch }

// hash of the history.
func (p place) hash() uint32 {
	h := fnv.New32a()
	io.WriteString(h, p.namespace+"\x00"+p.Epoch)
	return h.Sum32()
}

const listVersion = 1

func (l list) String() string {
	b := append([]byte{listVersion}, l.nonce[:]...)
	b = fields.AppendString(binary.AppendUvarint(b, uint64(l.joined)), l.channel)
	if l.channel != "" {
		b = appendPosition(b, l.own)
	}
	b = binary.AppendUvarint(b, uint64(len(l.at)))
	for _, p := range l.at {
		b = appendPosition(fields.AppendString(b, p.namespace), p.Position)
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func appendPosition(b []byte, p maru.Position) []byte {
	return binary.AppendUvarint(fields.AppendString(b, p.Epoch), p.Offset)
}

// parseList reads a list that a client sends back; ok is false if it is none.
func parseList(s string) (l list, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return list{}, false
	}
	r := fields.Reader{Rest: b}
	version := r.Byte()
	copy(l.nonce[:], r.Bytes(len(l.nonce)))
	joined := r.Uvarint()
	l.joined, l.channel = uint32(joined), r.String()
	if l.channel != "" {
		l.own = readPosition(&r)
	}
	n := r.Uvarint()
	if n > maxHistories {
		return list{}, false
	}
	for range n {
		l.at = append(l.at, place{r.String(), readPosition(&r)})
	}
	if r.Failed || len(r.Rest) > 0 || version != listVersion || joined > 1<<32-1 {
		return list{}, false
	}
	return l, true
}

func readPosition(r *fields.Reader) maru.Position {
	return maru.Position{Epoch: r.String(), Offset: r.Uvarint()}
}

// has returns the position up to which the client has a room.
func (l *list) has(r room) maru.Position {
	if l.channel == r.Channel && l.own.Epoch == r.Since.Epoch {
		r.Since.Offset = max(r.Since.Offset, l.own.Offset)
		return r.Since
	}
	for _, p := range l.at {
		if r.joined <= l.joined && p.same(placeOf(r.Channel, r.Since)) {
			r.Since.Offset = max(r.Since.Offset, p.Offset)
		}
	}
	return r.Since
}
