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
