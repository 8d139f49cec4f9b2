package frame

import (
	"math"
	"unicode/utf8"
)

// Rules are the rules for the frames of a peer. Many readers share them and none changes
// them.
type Rules struct {
	// Client says that we are the client: frames must not be masked. Otherwise
	// they must be (RFC 6455 §5.1).
	Client bool
	// MaxMessageBytes bounds a whole message, all its fragments together, and
	// after inflating too. Beyond it: 1009, as soon as a header or the inflated
	// size shows it. 0 or less: no bound.
	MaxMessageBytes int64
	// Deflate says that permessage-deflate was negotiated: the first frame of a
	// message may have RSV1 set (RFC 7692 §6).
	Deflate bool
}

// maxWireBytes bounds the payload of a message on the wire. Incompressible data grows a
// little when deflated, and a message of the full size must still pass. So a compressed one
// may have the size of zlib's deflateBound, the worst case.
func (rules *Rules) maxWireBytes(compressed bool) int64 {
	n := rules.MaxMessageBytes
	if compressed {
		n += min(n>>3+n>>6+16, math.MaxInt64-n)
	}
	return n
}

// Event is a complete message or control frame, or nothing yet.
type Event struct {
	// Op is Text or Binary for a message, Ping, Pong or Close for a control
	// frame. Continuation (0) means that all bytes were taken and nothing is
	// complete.
	Op Opcode
	// Payload is the whole message, joined and inflated, or the control frame's
	// payload. It lies in the bytes given to Next or in the reader: it is valid
	// until either is used again.
	Payload []byte
	// Code and Reason are those of the peer's close frame, checked. Without a code: 1005.
	Code   int
	Reason string
}

// Reader turns the bytes of one direction of a connection into events. Its zero
// value stands before the first frame. It is not safe for concurrent use.
//
// Between messages it keeps nothing (see Idle), so that a connection needs one
// only while something is under way.
type Reader struct {
	// Inflater is the connection's, if its peer keeps its context. Reset takes it away.
	Inflater *Inflater

	err *Error // the error that ended it

	// The frame under way, if inFrame.
	inFrame bool
	head    Header
	left    int64 // bytes of its payload still to come
	maskPos int   // place in the key that its next byte meets

	// The message under way, if op is not 0.
	op         Opcode
	compressed bool
	size       int64 // of all fragments so far, as their headers say
	text       utf8Check
	message    []byte // the collected fragments
	inflated   []byte // buffer for the inflated message

	// A part of a header, or of a control frame's payload: never both.
	part  [maxControlBytes]byte
	nPart int
}

// Idle reports whether nothing is kept: the last byte taken ended a frame, and
// no message is under way. The reader may then be reset and used for another
// connection, once the last event's payload is no longer needed.
func (r *Reader) Idle() bool { return r.err == nil && !r.inFrame && r.op == 0 && r.nPart == 0 }

// Held returns how much memory the message under way has, in bytes.
func (r *Reader) Held() int { return cap(r.message) + cap(r.inflated) }

// keepBytes is the most that a reader keeps of its buffers, both together, when
// it is reset.
const keepBytes = 64 << 10

// Reset makes r as new, but it may keep up to 64 KiB of buffers for the next
// use.
func (r *Reader) Reset() {
	message, inflated := r.message[:0], r.inflated[:0]
	if cap(message) > keepBytes/2 {
		message = nil
	}
	if cap(inflated) > keepBytes/2 {
		inflated = nil
	}
	*r = Reader{message: message, inflated: inflated}
}

var (
	errUnmasked   = violation("frame from a client is not masked")
	errMasked     = violation("frame from a server is masked")
	errRSV1       = violation("RSV1 is set without compression")
	errNoStart    = violation("continuation of no message")
	errInterleave = violation("message within a message")
	errTooBig     = &Error{Code: codeTooBig, Reason: "message too big"}
	errUTF8       = &Error{Code: codeInvalid, Reason: "text is not UTF-8"}
)

// Next takes bytes from p until an event is complete or p ends, and returns how many it
// took. If no event is complete (Event.Op is 0), it took all of them. Call it again with
// the rest, p[n:], while there is one. Payloads are unmasked in place: p belongs to the
// reader during the call, and the bytes it took have no further use.
//
// An error is an *Error with the close code to answer; the reader then is dead and repeats
// it. Violations are found at the byte that commits them, so how the network cut the bytes
// changes neither events nor error. The caller must not read on after a Close event (RFC
// 6455 §5.5.1).
func (r *Reader) Next(p []byte, rules *Rules) (ev Event, n int, err error) {
	if r.err != nil {
		return Event{}, 0, r.err
	}
	for {
		if !r.inFrame {
			taken, fault := r.header(p[n:], rules)
			n += taken
			if fault != nil {
				return r.fail(n, fault)
			}
			if !r.inFrame {
				return Event{}, n, nil
			}
		}
		ev, taken, fault := r.payload(p[n:], rules)
		n += taken
		if fault != nil {
			return r.fail(n, fault)
		}
		if ev.Op != 0 || r.inFrame {
			return ev, n, nil
		}
	}
}

func (r *Reader) fail(n int, fault *Error) (Event, int, error) {
	r.Reset()
	r.err = fault
	return Event{}, n, fault
}

// header takes the header that p begins with, or the rest of one of which a
// part is kept. If it is complete, the frame is under way.
func (r *Reader) header(p []byte, rules *Rules) (taken int, fault *Error) {
	from, kept := p, r.nPart
	if kept > 0 {
		from = r.part[:kept+copy(r.part[kept:MaxHeaderBytes], p)]
	}
	h, n, err := ParseHeader(from)
	if err != nil {
		return 0, err.(*Error)
	}
	if n == 0 { // fewer than MaxHeaderBytes, and all of p
		r.nPart = kept + copy(r.part[kept:], p)
		return len(p), nil
	}
	r.nPart = 0
	return n - kept, r.begin(h, rules)
}

// begin checks a frame's header against the rules and the message under way.
func (r *Reader) begin(h Header, rules *Rules) *Error {
	if h.Masked == rules.Client { // RFC 6455 §5.1
		if rules.Client {
			return errMasked
		}
		return errUnmasked
	}
	switch {
	case h.Op.Control():
		if h.Compressed { // RFC 7692 §6.1: only data is compressed
			return errRSV1
		}
	case h.Op == Continuation:
		if r.op == 0 { // RFC 6455 §5.4
			return errNoStart
		}
		if h.Compressed { // RFC 7692 §6.1: only the first frame has RSV1
			return errRSV1
		}
	default:
		if r.op != 0 { // RFC 6455 §5.4: messages are not interleaved
			return errInterleave
		}
		if h.Compressed && !rules.Deflate { // RFC 6455 §5.2
			return errRSV1
		}
		r.op, r.compressed, r.size = h.Op, h.Compressed, 0
		r.text, r.message = utf8Check{}, r.message[:0]
	}
	if !h.Op.Control() {
		if rules.MaxMessageBytes > 0 && h.Length > rules.maxWireBytes(r.compressed)-r.size {
			return errTooBig
		}
		r.size += h.Length
	}
	r.inFrame, r.head, r.left, r.maskPos = true, h, h.Length, 0
	return nil
}

// payload takes what p has of the payload of the frame under way.
func (r *Reader) payload(p []byte, rules *Rules) (ev Event, taken int, fault *Error) {
	n := int(min(int64(len(p)), r.left))
	p = p[:n:n] // an append to the payload must not overwrite the next frame
	if r.head.Masked {
		r.maskPos = Mask(p, r.head.Mask, r.maskPos)
	}
	whole := int64(n) == r.head.Length
	r.left -= int64(n)
	r.inFrame = r.left > 0
	if r.head.Op.Control() {
		ev, fault = r.control(p, whole)
	} else {
		ev, fault = r.data(p, rules)
	}
	return ev, n, fault
}

// control takes a piece of a control frame, or all of it.
func (r *Reader) control(p []byte, whole bool) (Event, *Error) {
	if !whole {
		r.nPart += copy(r.part[r.nPart:], p)
		if r.inFrame {
			return Event{}, nil
		}
		p, r.nPart = r.part[:r.nPart], 0
	}
	ev := Event{Op: r.head.Op, Payload: p}
	if ev.Op != Close {
		return ev, nil
	}
	var fault *Error
	ev.Code, ev.Reason, fault = parseClose(p)
	return ev, fault
}

// data takes a piece of a message. One that is all in one piece, the usual
// case, is not copied.
func (r *Reader) data(p []byte, rules *Rules) (Event, *Error) {
	last := r.head.Fin && !r.inFrame
	if r.op == Text && !r.compressed {
		if !r.text.next(p) || last && !r.text.done() { // RFC 6455 §8.1
			return Event{}, errUTF8
		}
	}
	if !last || len(r.message) > 0 {
		r.collect(p)
		p = r.message
	}
	if !last {
		return Event{}, nil
	}
	ev := Event{Op: r.op, Payload: p}
	r.op = 0
	if r.compressed {
		var err error
		if r.Inflater != nil {
			r.inflated, err = r.Inflater.inflate(r.inflated[:0], p, rules.MaxMessageBytes)
		} else {
			r.inflated, err = Inflate(r.inflated[:0], p, rules.MaxMessageBytes)
		}
		if err != nil {
			return Event{}, err.(*Error)
		}
		if ev.Payload = r.inflated; ev.Op == Text && !utf8.Valid(r.inflated) {
			return Event{}, errUTF8
		}
	}
	return ev, nil
}

// firstBytes is how much room the collecting of a message begins with, if it
// may become that long.
const firstBytes = 4 << 10

// collect adds a piece to the message under way. Its buffer grows with the bytes that
// arrived, never to the length in a header, which costs the peer nothing.
func (r *Reader) collect(p []byte) {
	have := len(r.message)
	if need := have + len(p); need > cap(r.message) {
		room := max(2*cap(r.message), firstBytes)
		if r.head.Fin && int64(room-need) > r.left { // no more than this frame will come
			room = need + int(r.left)
		}
		grown := make([]byte, have, max(room, need))
		copy(grown, r.message)
		r.message = grown
	}
	r.message = append(r.message, p...)
}
