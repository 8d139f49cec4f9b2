package frame

// AppendFrame appends one final, unmasked frame, as a server sends it: the
// whole of a message or a control frame. compressed says that payload is what
// Deflate made. The payload is copied and must not overlap dst's free room.
func AppendFrame(dst []byte, op Opcode, compressed bool, payload []byte) []byte {
	dst = AppendHeader(dst, Header{Fin: true, Compressed: compressed, Op: op, Length: int64(len(payload))})
	return append(dst, payload...)
}

// AppendMasked appends one final frame masked with key, as a client sends it
// (RFC 6455 §5.3: with a fresh key for each frame, see NewMaskKey). The payload
// itself is left as it is.
func AppendMasked(dst []byte, op Opcode, compressed bool, key [4]byte, payload []byte) []byte {
	dst = AppendHeader(dst, Header{
		Fin: true, Compressed: compressed, Masked: true, Op: op, Mask: key, Length: int64(len(payload)),
	})
	at := len(dst)
	dst = append(dst, payload...)
	Mask(dst[at:], key, 0)
	return dst
}
