package frame

import (
	"encoding/binary"
	"strconv"
)

// Opcode says what a frame carries (RFC 6455 §5.2, §11.8).
type Opcode byte

const (
	Continuation Opcode = 0x0 // a later fragment of a message
	Text         Opcode = 0x1 // UTF-8
	Binary       Opcode = 0x2 // any bytes
	Close        Opcode = 0x8 // §5.5.1
	Ping         Opcode = 0x9 // §5.5.2
	Pong         Opcode = 0xA // §5.5.3
)

// Control reports whether op is Close, Ping or Pong: frames of at most 125
// bytes, never fragmented, that may stand between the fragments of a message.
func (op Opcode) Control() bool { return op&0x8 != 0 }

// String is the opcode's name in lower case, as logs and consoles show it.
func (op Opcode) String() string {
	switch op {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return "opcode " + strconv.Itoa(int(op))
}

func (op Opcode) known() bool { return op <= Binary || op >= Close && op <= Pong }

// Header is the header of a frame (RFC 6455 §5.2):
//
//	byte 0    1 bit each: FIN RSV1 RSV2 RSV3, then 4 bits of opcode
//	byte 1    1 bit MASK, then 7 bits of length: 0 to 125, or
//	          126: the length follows in 2 bytes, big endian, at least 126
//	          127: the length follows in 8 bytes, big endian, at least 65,536, top bit 0
//	then      4 bytes of masking key if MASK is set
//
// RSV2 and RSV3 have no meaning yet and are never sent nor accepted.
type Header struct {
	Fin        bool // last (or only) frame of its message
	Compressed bool // RSV1: the first frame of a compressed message (RFC 7692 §6)
	Masked     bool
	Op         Opcode
	Mask       [4]byte // if Masked
	Length     int64   // of the payload in bytes, never negative
}

const (
	// MaxHeaderBytes is the longest header: 2 bytes, 8 of length, 4 of key.
	MaxHeaderBytes = 14

	// maxControlBytes is the longest payload of a control frame (RFC 6455 §5.5).
	maxControlBytes = 125
)

const (
	finBit  = 0x80
	rsv1Bit = 0x40
	rsv23   = 0x30
	opBits  = 0x0F
	maskBit = 0x80
	length2 = 126 // 2 bytes of length follow
	length8 = 127 // 8 bytes of length follow
)

var (
	errReservedBits   = violation("reserved bits are set")
	errOpcode         = violation("unknown opcode")
	errControlFin     = violation("fragmented control frame")
	errControlLength  = violation("control frame of more than 125 bytes")
	errLengthForm     = violation("length not in its shortest form")
	errLengthNegative = violation("length with its top bit set")
)

// AppendHeader appends h to dst, its length in the shortest form, as RFC 6455 §5.2 demands.
// It does not check h; ParseHeader does.
func AppendHeader(dst []byte, h Header) []byte {
	b := byte(h.Op) & opBits
	if h.Fin {
		b |= finBit
	}
	if h.Compressed {
		b |= rsv1Bit
	}
	var mask byte
	if h.Masked {
		mask = maskBit
	}
	switch {
	case h.Length < length2:
		dst = append(dst, b, mask|byte(h.Length))
	case h.Length <= 0xFFFF:
		dst = append(dst, b, mask|length2, byte(h.Length>>8), byte(h.Length))
	default:
		dst = append(dst, b, mask|length8)
		dst = binary.BigEndian.AppendUint64(dst, uint64(h.Length))
	}
	if h.Masked {
		dst = append(dst, h.Mask[:]...)
	}
	return dst
}

// ParseHeader reads the header that p begins with and returns its number of bytes. If p has
// only a part of it, n is 0 and err is nil. Violations of RFC 6455 §5.2 and §5.5 that no
// extension allows are an *Error with code 1002. They are found as soon as the bytes show
// them, also in an incomplete header.
func ParseHeader(p []byte) (h Header, n int, err error) {
	if len(p) == 0 {
		return Header{}, 0, nil
	}
	op, fin := Opcode(p[0]&opBits), p[0]&finBit != 0
	switch {
	case p[0]&rsv23 != 0:
		return Header{}, 0, errReservedBits
	case !op.known():
		return Header{}, 0, errOpcode
	case op.Control() && !fin:
		return Header{}, 0, errControlFin
	}

	if len(p) < 2 {
		return Header{}, 0, nil
	}
	masked := p[1]&maskBit != 0
	length, n := int64(p[1]&^maskBit), 2
	if op.Control() && length > maxControlBytes {
		return Header{}, 0, errControlLength
	}
	switch length {
	case length2:
		if len(p) < 4 {
			return Header{}, 0, nil
		}
		length, n = int64(binary.BigEndian.Uint16(p[2:])), 4
		if length < length2 {
			return Header{}, 0, errLengthForm
		}
	case length8:
		if len(p) < 10 {
			return Header{}, 0, nil
		}
		length, n = int64(binary.BigEndian.Uint64(p[2:])), 10
		if length < 0 {
			return Header{}, 0, errLengthNegative
		}
		if length <= 0xFFFF {
			return Header{}, 0, errLengthForm
		}
	}

	h = Header{Fin: fin, Compressed: p[0]&rsv1Bit != 0, Masked: masked, Op: op, Length: length}
	if masked {
		if len(p) < n+4 {
			return Header{}, 0, nil
		}
		copy(h.Mask[:], p[n:])
		n += 4
	}
	return h, n, nil
}
