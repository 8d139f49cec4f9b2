// Package fields encodes what brokers store: fields one after the other.
//
//	b = fields.AppendString(binary.AppendUvarint(nil, 7), "kim")
//
//	r := fields.Reader{Rest: b}
//	version, user := r.Uvarint(), r.String()
//	if r.Failed { … } // b is damaged
//
// Numbers are varints, or eight bytes big-endian. A string follows its length. The package does
// not know formats or checks, which are those of the brokers. A Reader is for one goroutine.
package fields

import "encoding/binary"

// AppendString appends a string and its length.
func AppendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// A Reader takes values off the front of Rest. After a value that is missing all that follow are
// empty, Rest is too, and Failed is set. It allocates for strings only, whose lengths it checks
// first.
type Reader struct {
	Rest   []byte
	Failed bool
}

func (r *Reader) fail() { r.Failed, r.Rest = true, nil }

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if b := r.Bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// Bytes takes n bytes. They are a part of Rest.
func (r *Reader) Bytes(n int) []byte {
	if n < 0 || n > len(r.Rest) {
		r.fail()
		return nil
	}
	b := r.Rest[:n:n]
	r.Rest = r.Rest[n:]
	return b
}

// Uvarint takes a number that binary.AppendUvarint wrote.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.Rest)
	r.skip(n)
	return v
}

// Varint takes a number that binary.AppendVarint wrote.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.Rest)
	r.skip(n)
	return v
}

// Uint64 takes a number of eight bytes, big-endian.
func (r *Reader) Uint64() uint64 {
	if b := r.Bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// String takes a string that AppendString wrote.
func (r *Reader) String() string { return string(r.Stretch()) }

// Stretch is String without a copy: the bytes are a part of Rest.
func (r *Reader) Stretch() []byte {
	n := r.Uvarint()
	if n > uint64(len(r.Rest)) {
		r.fail()
		return nil
	}
	return r.Bytes(int(n))
}

// skip takes what a varint has read; n is 0 or less if it was cut or too long.
func (r *Reader) skip(n int) {
	if n <= 0 {
		r.fail()
		return
	}
	r.Rest = r.Rest[n:]
}
