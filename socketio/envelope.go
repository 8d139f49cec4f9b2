package socketio

import (
	"encoding/binary"
	"errors"
)

// envelope is what a publication in a channel of the package carries: an event, already a packet, or
// something that the sockets of a target are to do. Its layout, where a text is its length as a
// uvarint and its bytes, and a list its count as a uvarint and its elements:
//
//	action (1 byte), flags (1 byte), without (a text), to, except, rooms (lists of texts),
//	attachments (a list of texts), text (the rest)
type envelope struct {
	action   action
	volatile bool     // flag 1: only for sockets that take it now
	whole    bool     // flag 2: Disconnect closes the connections
	without  string   // the id of a socket that is left out; empty: none
	to       []string // rooms; empty: all sockets
	except   []string // rooms that are left out
	rooms    []string // that are joined or left; of doAsk, the name of the question

	text        []byte // of the packet
	attachments [][]byte
}

type action byte

const (
	doEmit action = 1 + iota
	doJoin
	doLeave
	doDisconnect
	doOne   // an event for one socket, whose id is in to
	doAsk   // text is the data of an event, which each node makes a packet with an id of its own
	actions // behind the last one
)

const (
	flagVolatile = 1 << iota
	flagWhole
)

func (e *envelope) append(b []byte) []byte {
	flags := byte(0)
	if e.volatile {
		flags |= flagVolatile
	}
	if e.whole {
		flags |= flagWhole
	}
	b = append(b, byte(e.action), flags)
	b = appendText(b, e.without)
	b = appendList(b, e.to)
	b = appendList(b, e.except)
	b = appendList(b, e.rooms)
	b = appendList(b, e.attachments)
	return append(b, e.text...)
}

func appendText[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendList[T string | []byte](b []byte, all []T) []byte {
	b = binary.AppendUvarint(b, uint64(len(all)))
	for _, s := range all {
		b = appendText(b, s)
	}
	return b
}

// size is enough room for what append appends.
func (e *envelope) size() int {
	n := 16 + len(e.without) + len(e.text)
	for _, list := range [][]string{e.to, e.except, e.rooms} {
		for _, s := range list {
			n += len(s) + binary.MaxVarintLen32
		}
	}
	for _, a := range e.attachments {
		n += len(a) + binary.MaxVarintLen32
	}
	return n
}

var errEnvelope = errors.New("socketio: a publication in a channel of a room is not one of this package")

// decodeEnvelope reads an envelope, whose text and attachments are parts of b.
func decodeEnvelope(b []byte) (e envelope, err error) {
	without, b, ok := decodeHead(&e, b)
	e.without = string(without)
	for _, list := range []*[]string{&e.to, &e.except, &e.rooms} {
		*list, b, ok = decodeList[string](b, ok)
	}
	e.attachments, b, ok = decodeList[[]byte](b, ok)
	if !ok {
		return envelope{}, errEnvelope
	}
	e.text = b
	return e, nil
}

// decodeHead reads an envelope up to the socket that is left out.
func decodeHead(e *envelope, b []byte) (without, rest []byte, ok bool) {
	if len(b) < 2 || b[0] == 0 || action(b[0]) >= actions || b[1]&^(flagVolatile|flagWhole) != 0 {
		return nil, nil, false
	}
	e.action, e.volatile, e.whole = action(b[0]), b[1]&flagVolatile != 0, b[1]&flagWhole != 0
	return decodeText(b[2:], true)
}

func decodeText(b []byte, before bool) (s, rest []byte, ok bool) {
	n, width := binary.Uvarint(b)
	if !before || width <= 0 || n > uint64(len(b)-width) {
		return nil, nil, false
	}
	b = b[width:]
	return b[:n:n], b[n:], true
}

// decodeList takes no more memory than a multiple of len(b): each element has a byte at least.
func decodeList[T string | []byte](b []byte, before bool) (all []T, rest []byte, ok bool) {
	n, width := binary.Uvarint(b)
	if !before || width <= 0 || n > uint64(len(b)-width) {
		return nil, nil, false
	}
	b = b[width:]
	for range n {
		var s []byte
		if s, b, ok = decodeText(b, true); !ok {
			return nil, nil, false
		}
		all = append(all, T(s))
	}
	return all, b, true
}
