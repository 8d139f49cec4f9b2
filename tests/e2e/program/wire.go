package program

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"
)

// OnWire is a WebSocket message as seen on the wire.
type OnWire struct {
	Compressed bool // RSV1 (RFC 7692 §6)
	Length     int  // of its payload, in all its frames
}

// Messages returns the complete messages that one side of a Link has sent after the handshake.
func Messages(said []byte) (all []OnWire) {
	_, b, _ := bytes.Cut(said, []byte("\r\n\r\n"))
	var m OnWire
	for len(b) >= 2 {
		size, length := 2, uint64(b[1]&0x7f) // RFC 6455 §5.2
		switch {
		case length == 126 && len(b) >= 4:
			size, length = 4, uint64(binary.BigEndian.Uint16(b[2:]))
		case length == 127 && len(b) >= 10:
			size, length = 10, binary.BigEndian.Uint64(b[2:])
		case length > 125:
			return all
		}
		if b[1]&0x80 != 0 {
			size += 4
		}
		if uint64(len(b)) < uint64(size)+length {
			return all
		}
		if opcode := b[0] & 0x0f; opcode < 8 { // no control frame
			m.Compressed = m.Compressed || b[0]&0x40 != 0
			m.Length += int(length)
			if b[0]&0x80 != 0 {
				all, m = append(all, m), OnWire{}
			}
		}
		b = b[size+int(length):]
	}
	return all
}

// Header returns a header of the answer to the handshake.
func (l *Link) Header(t testing.TB, name string) string {
	t.Helper()
	answer, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(l.Received())), nil)
	must(t, err)
	return strings.Join(answer.Header[http.CanonicalHeaderKey(name)], ", ")
}
