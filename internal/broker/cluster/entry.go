package cluster

import (
	"encoding/binary"
	"hash/crc32"
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/history"
)

// An entry is a message of a namespace's stream: a publication, or the beginning of a term. Its
// channel is in the subject, its offset is its number in the stream.
//
//	format 1 · flags · prev · version · [publisher · idempotency key · sum · share] · [publication] · check
//	format 1 · flagTerm · term · epoch · check
//
// The check is the CRC-32C of all before it, and of the offset: an entry that was moved does not
// pass either.
type entry struct {
	term  uint64 // not 0: it begins this term
	epoch string // of a term

	publication *maru.Publication // nil: it was too large to be retained
	prev        uint64            // the channel's offset before this one
	version     uint64
	keyed       bool
	publisher   string
	key         string // the idempotency key
	sum         history.Sum
	share       maru.KeyShare
}

const (
	entryFormat = 1

	flagPassed = 1 << 0 // there is no publication
	flagKeyed  = 1 << 1
	flagTerm   = 1 << 2

	checkBytes = 4
)

func (e *entry) append(dst []byte, offset uint64) []byte {
	dst = slices.Grow(dst, roomFor(e.publication)+len(e.publisher)+len(e.key))
	begin := len(dst)
	if e.term != 0 {
		dst = append(dst, entryFormat, flagTerm)
		dst = fields.AppendString(binary.AppendUvarint(dst, e.term), e.epoch)
	} else {
		dst = append(dst, entryFormat, flag(e.publication == nil, flagPassed)|flag(e.keyed, flagKeyed))
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, e.prev), e.version)
		if e.keyed {
			dst = fields.AppendString(fields.AppendString(dst, e.publisher), e.key)
			dst = append(append(dst, e.sum[:]...), byte(e.share))
		}
		if e.publication != nil {
			dst = appendPublication(dst, e.publication)
		}
	}
	return binary.BigEndian.AppendUint32(dst, checkOf(dst[begin:], offset))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checkOf(b []byte, offset uint64) uint32 {
	return crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, binary.BigEndian.AppendUint64(nil, offset))
}

// parseEntry reads what append wrote for the same offset. The publication's data is a part of b.
func parseEntry(b []byte, offset uint64) (*entry, error) {
	if len(b) < checkBytes {
		return nil, errDamaged
	}
	body, check := b[:len(b)-checkBytes], b[len(b)-checkBytes:]
	if binary.BigEndian.Uint32(check) != checkOf(body, offset) {
		return nil, errDamaged
	}
	r := fields.Reader{Rest: body}
	format, flags := r.Byte(), r.Byte()
	if format != entryFormat || flags&^(flagPassed|flagKeyed|flagTerm) != 0 {
		return nil, errDamaged
	}
	e := new(entry)
	if flags&flagTerm != 0 {
		e.term, e.epoch = r.Uvarint(), r.String()
		r.Failed = r.Failed || e.term == 0
	} else {
		e.prev, e.version = r.Uvarint(), r.Uvarint()
		if e.keyed = flags&flagKeyed != 0; e.keyed {
			e.publisher, e.key = r.String(), r.String()
			copy(e.sum[:], r.Bytes(len(e.sum)))
			e.share = readShare(&r)
		}
		if flags&flagPassed == 0 {
			e.publication = readPublication(&r)
			e.publication.Offset = offset
		}
		r.Failed = r.Failed || e.prev >= offset
	}
	if r.Failed || len(r.Rest) > 0 {
		return nil, errDamaged
	}
	return e, nil
}
