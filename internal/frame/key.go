package frame

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	randv2 "math/rand/v2"
	"sync"
)

// keyGUID is joined to a handshake's key (RFC 6455 §1.3).
const keyGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// AcceptKey is the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key (RFC 6455 §4.2.2).
// It shows that the server understood the request as a WebSocket handshake; it protects
// nothing, so SHA-1 is enough.
func AcceptKey(key string) string { return string(AppendAcceptKey(nil, key)) }

// AppendAcceptKey appends AcceptKey's answer to b.
func AppendAcceptKey(b []byte, key string) []byte {
	var room [64]byte
	sum := sha1.Sum(append(append(room[:0], key...), keyGUID...))
	return base64.StdEncoding.AppendEncode(b, sum[:])
}

// ValidKey reports whether key may be a Sec-WebSocket-Key: 16 bytes in base64
// (RFC 6455 §4.2.1).
func ValidKey(key string) bool {
	if len(key) != 24 { // also means that there are no line breaks, which base64 would skip
		return false
	}
	var raw [18]byte
	n, err := base64.StdEncoding.Decode(raw[:], []byte(key))
	return err == nil && n == 16
}

// maskKeys are generators seeded by the system. A generator of one's own for
// each use costs neither a lock nor a system call for each frame.
var maskKeys = sync.Pool{New: func() any {
	var seed [32]byte
	rand.Read(seed[:]) // never fails
	return randv2.NewChaCha8(seed)
}}

// NewMaskKey is a masking key for one frame of a client. It must be unpredictable for the
// author of the payload, who could otherwise write chosen bytes through a proxy that takes
// them for HTTP (RFC 6455 §5.3, §10.3). ChaCha8 is cryptographically strong.
func NewMaskKey() (key [4]byte) {
	generator := maskKeys.Get().(*randv2.ChaCha8)
	binary.LittleEndian.PutUint32(key[:], uint32(generator.Uint64()))
	maskKeys.Put(generator)
	return key
}
