package frame

import "slices"

// Takeover sets which side may keep its context between messages (RFC 7692 §7.1.1).
type Takeover struct{ Server, Client bool }

// takeoverBits is the window where contexts are kept: the server's own, and that of clients
// that leave it the choice. It is 4 KiB for each direction of each connection, and a
// deflater is primed with all of it for each message.
const takeoverBits = 12

// window has the last bytes of one direction of a connection that were sent compressed, as
// far back as a later message may refer.
type window struct {
	bits int
	said []byte // at most 1<<bits
}

func (w *window) add(p []byte) {
	size := 1 << w.bits
	if len(p) >= size {
		w.said = append(w.said[:0], p[len(p)-size:]...)
		return
	}
	if over := len(w.said) + len(p) - size; over > 0 {
		w.said = w.said[:copy(w.said, w.said[over:])]
	}
	if need := len(w.said) + len(p); need > cap(w.said) {
		w.said = slices.Grow(w.said, min(max(need, 2*cap(w.said)), size)-len(w.said))
	}
	w.said = append(w.said, p...)
}

// Deflater compresses one message after the other with context takeover. Between messages
// it keeps only its window. The tables, which are much larger, come from a pool for each
// message. It is not safe for concurrent use.
type Deflater struct{ window window }

// NewDeflater makes one with a window of 8 to 15 bits.
func NewDeflater(windowBits int) *Deflater { return &Deflater{window{bits: windowBits}} }

// Deflate is the function Deflate for the next message, which must be sent in this form:
// uncompressed messages do not enter the peer's window. So small messages are best sent
// compressed too, though the first of them becomes longer.
func (d *Deflater) Deflate(dst, payload []byte) ([]byte, error) {
	dst, err := deflate(dst, payload, d.window.bits, d.window.said)
	if err == nil {
		d.window.add(payload)
	}
	return dst, err
}

// Forget begins a new context. Call it when the peer is sent a message that d did not
// compress: distances in d's window are then wrong.
func (d *Deflater) Forget() { d.window.said = d.window.said[:0] }

// Inflater inflates one message after the other, each of which may refer to those
// before it. It keeps its window. It is not safe for concurrent use.
type Inflater struct{ window window }

// NewInflater makes one for a peer whose window has 8 to 15 bits.
// With 8 it keeps as much as for 9, which is what zlib makes of 8.
func NewInflater(windowBits int) *Inflater { return &Inflater{window{bits: max(windowBits, 9)}} }

// inflate is Inflate for the next message. After an error it is not to be used.
func (i *Inflater) inflate(dst, payload []byte, max int64) ([]byte, error) {
	base := len(dst)
	dst, err := inflate(dst, payload, max, i.window.said)
	if err == nil {
		i.window.add(dst[base:])
	}
	return dst, err
}
