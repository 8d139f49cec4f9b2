package frame

import (
	"bufio"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

var errCorrupt = &Error{Code: codeInvalid, Reason: "compressed message is corrupt"}

// flushTail ends what a sync flush writes: the length and its complement of an
// empty stored block. It is not sent (RFC 7692 §7.2.1).
const flushTail = "\x00\x00\xff\xff"

// inflateTail follows a payload into the inflater: the tail that was not sent (RFC 7692
// §7.2.2), then an empty final block. So the inflater reaches the end of its input, which
// distinguishes a complete payload from a cut one.
const inflateTail = flushTail + "\x01\x00\x00\xff\xff"

// inflater inflates one message at a time. It has a window of 32 KiB, whatever the window
// of the peer.
type inflater struct {
	payload []byte // still to be read
	tail    string // still to be read, after payload
	buffer  *bufio.Reader
	flate   io.ReadCloser // reads from buffer
}

var inflaters = sync.Pool{New: func() any {
	z := new(inflater)
	// flate has a fast path for a bufio.Reader, none for other types of ours.
	z.buffer = bufio.NewReaderSize(z, 1<<10)
	z.flate = flate.NewReader(z.buffer)
	return z
}}

// Read gives the payload, then the tail.
func (z *inflater) Read(p []byte) (n int, err error) {
	n = copy(p, z.payload)
	z.payload = z.payload[n:]
	if len(z.payload) == 0 {
		m := copy(p[n:], z.tail)
		n, z.tail = n+m, z.tail[m:]
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// payloadLeft reports whether the inflater has not seen all of the payload.
func (z *inflater) payloadLeft() bool {
	return len(z.payload)+len(z.tail)+z.buffer.Buffered() > len(inflateTail)
}

// Inflate appends to dst the message that a compressed payload stands for (RFC 7692
// §7.2.2), without context takeover: no message refers to one before it. The error is an
// *Error. Code 1009: the message has more than max bytes (0 or less: no limit), and little
// more than that was inflated. Code 1007: the payload is corrupt. dst's free room is
// overwritten even then.
func Inflate(dst, payload []byte, max int64) ([]byte, error) {
	return inflate(dst, payload, max, nil)
}

// inflate is Inflate for a message that may refer to earlier bytes, said.
func inflate(dst, payload []byte, max int64, said []byte) ([]byte, error) {
	// A flush with nothing to flush, sent by deflaters that do not follow
	// RFC 7692 §7.2.3.6.
	if len(payload) == 0 {
		return dst, nil
	}
	z := inflaters.Get().(*inflater)
	defer z.release()
	z.payload, z.tail = payload, inflateTail
	z.buffer.Reset(z)

	base := len(dst)
	for {
		// A block may be final (RFC 7692 §7.2.3.4); the next one then begins a
		// new data set, at a byte boundary and with an empty window.
		z.flate.(flate.Resetter).Reset(z.buffer, said)
		said = nil
		var err error
		if dst, err = z.inflate(dst, base, max, len(payload)); err != nil {
			return dst[:base], err
		}
		if !z.payloadLeft() {
			return dst, nil
		}
	}
}

func (z *inflater) release() {
	z.payload = nil
	inflaters.Put(z)
}

// inflate reads to the end of one data set.
func (z *inflater) inflate(dst []byte, base int, limit int64, compressed int) ([]byte, error) {
	for {
		if len(dst) == cap(dst) {
			dst = growInflated(dst, base, limit, compressed)
		}
		n, err := z.flate.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if limit > 0 && int64(len(dst)-base) > limit {
			return dst, errTooBig
		}
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return dst, errCorrupt
		}
	}
}

// growInflated makes room in dst, which is full: first for a usual ratio of
// compression, then for twice as much, and for no more than one byte beyond the limit.
func growInflated(dst []byte, base int, limit int64, compressed int) []byte {
	room := max(2*(len(dst)-base), 4*compressed+64)
	if limit > 0 && int64(room) > limit {
		room = int(limit) + 1
	}
	grown := make([]byte, len(dst), base+room)
	copy(grown, dst)
	return grown
}

// The smallest and the largest window, as powers of two (RFC 7692 §7.1.2).
const (
	minWindowBits = 8
	maxWindowBits = 15
)

// ErrWindowBits is Deflate's error for a window that is not 8 to 15.
var ErrWindowBits = errors.New("frame: window bits are not 8 to 15")

type deflater struct {
	dst   []byte
	flate *flate.Writer // writes to dst
}

// deflaters has a pool for each window from 8 to 15 bits. A deflater has about
// 1 MiB of tables and history, so there are as many as work at once and no more.
var deflaters [maxWindowBits - minWindowBits + 1]sync.Pool

func (z *deflater) Write(p []byte) (int, error) {
	z.dst = append(z.dst, p...)
	return len(p), nil
}

// Deflate appends to dst the payload compressed as one message (RFC 7692 §7.2.1). It uses
// no context takeover, and no reference farther back than 2^windowBits bytes. windowBits is
// 8 to 15, else the error is ErrWindowBits. Small payloads, and those that do not compress,
// become a few bytes longer: send these uncompressed.
func Deflate(dst, payload []byte, windowBits int) ([]byte, error) {
	return deflate(dst, payload, windowBits, nil)
}

// DeflatePart is Deflate for a part of a message that is not its last. Each part is compressed by
// itself; joined, the parts are the compressed message (RFC 7692 §7.2.1).
func DeflatePart(dst, payload []byte, windowBits int) ([]byte, error) {
	dst, err := deflate(dst, payload, windowBits, nil)
	if err != nil {
		return dst, err
	}
	return append(dst, flushTail...), nil
}

// deflate is Deflate for a message that may refer to earlier bytes, said, at most a window
// of them.
func deflate(dst, payload []byte, windowBits int, said []byte) ([]byte, error) {
	if windowBits < minWindowBits || windowBits > maxWindowBits {
		return dst, ErrWindowBits
	}
	if len(payload) == 0 {
		return append(dst, 0x00), nil // RFC 7692 §7.2.3.6
	}
	pool := &deflaters[windowBits-minWindowBits]
	z, _ := pool.Get().(*deflater)
	if z == nil {
		z = new(deflater)
		var err error
		if z.flate, err = flate.NewWriterWindow(z, 1<<windowBits); err != nil {
			return dst, err
		}
	}
	z.flate.ResetDict(z, said) // Reset would bring back what another connection said
	z.dst = dst
	_, err := z.flate.Write(payload)
	if err == nil {
		err = z.flate.Flush()
	}
	out := z.dst
	z.dst = nil
	pool.Put(z)
	if err != nil {
		return dst, err
	}
	return out[:len(out)-len(flushTail)], nil
}
