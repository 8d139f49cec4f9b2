package store

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/history"
)

// Idempotency keys are on disk only. They are grouped by periods as long as
// maru.IdempotencyAge, so that the keys of a period go by one deletion and a key is
// looked for in two periods.
//
//	key: k · period · id · hash of channel, publisher and key (16)
//	value: sum (32) · offset · time (ns) · check (8)
type repeat struct {
	sum    history.Sum
	offset uint64 // of the first publication; 0 for a transient one
	time   time.Time
}

// repeatHash identifies an idempotency key.
type repeatHash [16]byte

func hashOf(channel, publisher, key string) (hash repeatHash) {
	b := make([]byte, 0, 128)
	b = fields.AppendString(fields.AppendString(fields.AppendString(b, channel), publisher), key)
	sum := sha256.Sum256(b)
	copy(hash[:], sum[:])
	return hash
}

func periodOf(t time.Time) uint32 { return uint32(t.Unix() / int64(maru.IdempotencyAge/time.Second)) }

func repeatKey(dst []byte, period, id uint32, hash repeatHash) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst[:0], repeatPrefix), period)
	dst = binary.BigEndian.AppendUint32(dst, id)
	return append(dst, hash[:]...)
}

// ownerOf returns the period and the namespace of a repeatKey; ok is false if it is none.
func ownerOf(key []byte) (period, id uint32, ok bool) {
	if len(key) != 9+len(repeatHash{}) || key[0] != repeatPrefix {
		return 0, 0, false
	}
	return binary.BigEndian.Uint32(key[1:]), binary.BigEndian.Uint32(key[5:]), true
}

func (r repeat) append(dst, key []byte) []byte {
	dst = append(dst, r.sum[:]...)
	dst = binary.AppendUvarint(dst, r.offset)
	dst = binary.AppendVarint(dst, r.time.UnixNano())
	return seal(key, dst)
}

func parseRepeat(key, value []byte) (f repeat, err error) {
	value, err = unseal(key, value)
	if err != nil {
		return repeat{}, err
	}
	r := fields.Reader{Rest: value}
	copy(f.sum[:], r.Bytes(len(f.sum)))
	f.offset, f.time = r.Uvarint(), time.Unix(0, r.Varint())
	if r.Failed || len(r.Rest) > 0 {
		return repeat{}, errDamaged
	}
	return f, nil
}

// count adds a key to the tally of its period.
func (n *record) count(period uint32, check uint64) { n.tallyOf(period).add(check) }

// tallyOf returns the tally of a period. A new one takes the place of the older one.
func (n *record) tallyOf(period uint32) *tally {
	for i := range n.repeats {
		if n.repeats[i].period == period {
			return &n.repeats[i].tally
		}
	}
	older := &n.repeats[0]
	if n.repeats[1].period < older.period {
		older = &n.repeats[1]
	}
	*older = periods{period: period}
	return &older.tally
}
