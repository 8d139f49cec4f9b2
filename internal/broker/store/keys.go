package store

import "encoding/binary"

// The keys of the store. A namespace has an id of four bytes, so that its keys are short
// and its publications lie together; numbers are big-endian, so that they are in order.
//
//	m                              the store: see meta
//	n id                           a namespace: see record
//	p id offset                    a retained publication: see envelope
//	h id channel                   the head of a channel: see head
//	k period id hash               an idempotency key: see repeat
//	r kind 0 key                   a record of maru.Keeper
const (
	metaPrefix   = 'm'
	recordPrefix = 'n'
	entryPrefix  = 'p'
	headPrefix   = 'h'
	repeatPrefix = 'k'
	keptPrefix   = 'r'
)

var metaKey = []byte{metaPrefix}

func recordKey(id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{recordPrefix}, id)
}

func entryKey(dst []byte, id uint32, offset uint64) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst[:0], entryPrefix), id)
	return binary.BigEndian.AppendUint64(dst, offset)
}

// offsetOf is the offset in an entryKey; ok is false if it is none.
func offsetOf(key []byte) (offset uint64, ok bool) {
	if len(key) != 13 || key[0] != entryPrefix {
		return 0, false
	}
	return binary.BigEndian.Uint64(key[5:]), true
}

func headKey(dst []byte, id uint32, channel string) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst[:0], headPrefix), id)
	return append(dst, channel...)
}

// channelOf is the channel in a headKey.
func channelOf(key []byte) string {
	if len(key) < 5 {
		return ""
	}
	return string(key[5:])
}

// repeatsFrom is the smallest key of the idempotency keys of a period.
func repeatsFrom(period uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{repeatPrefix}, period)
}

func keptKey(kind, key string) []byte {
	dst := append([]byte{keptPrefix}, kind...)
	return append(append(dst, 0), key...)
}

// prefixes returns the range of all keys that begin with a prefix letter and an id.
func prefixes(letter byte, id uint32) (from, to []byte) {
	from = binary.BigEndian.AppendUint32([]byte{letter}, id)
	if id == ^uint32(0) {
		return from, []byte{letter + 1}
	}
	return from, binary.BigEndian.AppendUint32([]byte{letter}, id+1)
}
