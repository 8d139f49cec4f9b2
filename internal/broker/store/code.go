package store

import (
	"encoding/binary"
	"errors"

	"github.com/cespare/xxhash/v2"
)

// errDamaged is the error of parsers: a value has not the bytes that were written.
var errDamaged = errors.New("it is damaged")

// seal appends the check of a value, which depends on its key too, so that a value that
// appears under another key is not taken for that key's.
func seal(key, value []byte) []byte {
	return binary.BigEndian.AppendUint64(value, check(key, value))
}

// unseal takes the check off a value, if it is right.
func unseal(key, value []byte) ([]byte, error) {
	n := len(value) - 8
	if n < 0 || binary.BigEndian.Uint64(value[n:]) != check(key, value[:n]) {
		return nil, errDamaged
	}
	return value[:n:n], nil
}

func check(key, value []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	d.Write(key)
	d.Write([]byte{0})
	d.Write(value)
	return d.Sum64()
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// A reader takes values off the front of rest. After a value that is missing all that follow
// are empty, and failed is set.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) bytes(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

// uint64 is a number of eight bytes.
func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (r *reader) string() string { return string(r.stretch()) }

// stretch is the bytes of a string.
func (r *reader) stretch() []byte {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	return r.bytes(int(n))
}

func (r *reader) skip(n int) {
	if n <= 0 {
		r.fail()
		return
	}
	r.rest = r.rest[n:]
}

func (r *reader) fail() { r.failed, r.rest = true, nil }
