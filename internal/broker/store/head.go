package store

import (
	"encoding/binary"
	"time"

	"maru.example/maru/internal/fields"
)

// A head is what is known of a channel beside its publications. It is on disk as long as a
// subscriber may return: see sweep.
//
//	format 1 · last · last - removed · version · time (ns) · check (8)
type head struct {
	last    uint64 // the highest offset that the channel ever had
	removed uint64 // the offset before the first retained publication, or a lower one
	version uint64 // the highest version that was published
	time    int64  // of the last publication, in nanoseconds of Unix time
}

const headFormat = 1

func (h head) append(dst, key []byte) []byte {
	dst = append(dst, headFormat)
	dst = binary.AppendUvarint(dst, h.last)
	dst = binary.AppendUvarint(dst, h.last-h.removed)
	dst = binary.AppendUvarint(dst, h.version)
	dst = binary.AppendVarint(dst, h.time)
	return seal(key, dst)
}

func parseHead(key, value []byte) (h head, err error) {
	value, err = unseal(key, value)
	if err != nil {
		return head{}, err
	}
	r := fields.Reader{Rest: value}
	format := r.Byte()
	h.last = r.Uvarint()
	behind := r.Uvarint()
	h.version, h.time = r.Uvarint(), r.Varint()
	if format != headFormat || r.Failed || len(r.Rest) > 0 || behind > h.last {
		return head{}, errDamaged
	}
	h.removed = h.last - behind
	return h, nil
}

// sumOf is what a stored head counts in its namespace's sum of heads: its check. A head is
// one of a set whose sum is kept with the namespace, so that one that is missing, or is not
// the newest, is noticed at the next start.
func sumOf(value []byte) uint64 { return binary.BigEndian.Uint64(value[len(value)-8:]) }

// idle reports whether the head is so old that no subscriber can miss it: every position
// that a subscriber may have is then older than the publications it could return for.
func (h head) idle(now time.Time, age time.Duration) bool {
	return now.Sub(time.Unix(0, h.time)) >= 2*age
}
