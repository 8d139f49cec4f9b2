package cluster

import (
	"crypto/sha256"
	"encoding/binary"

	"maru.example/maru/internal/fields"
)

// An index says which numbers of a namespace the owner has just given to which channels. It is sent
// behind their publications, to the nodes that deliver the namespace in order (lane).
//
//	format 1 · epoch · before · to · (offset - the one before · hash of the channel)…
type index struct {
	epoch      string
	before, to uint64 // the last number before these, and the last of these
	entries    []indexed
}

// indexed is a number and the channel that has it.
type indexed struct {
	offset  uint64
	channel channelHash
}

// channelHash stands for a channel's name. Two channels with one hash cost a question too many, and
// nothing else: a node looks in vain for a publication that was not for it.
type channelHash [8]byte

func hashOf(channel string) (h channelHash) {
	sum := sha256.Sum256([]byte(channel))
	copy(h[:], sum[:])
	return h
}

const indexFormat = 1

func (x *index) append(dst []byte) []byte {
	dst = fields.AppendString(append(dst, indexFormat), x.epoch)
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, x.before), x.to)
	last := x.before
	for _, e := range x.entries {
		dst = append(binary.AppendUvarint(dst, e.offset-last), e.channel[:]...)
		last = e.offset
	}
	return dst
}

func parseIndex(b []byte) (x index, err error) {
	r := fields.Reader{Rest: b}
	format := r.Byte()
	x.epoch, x.before, x.to = r.String(), r.Uvarint(), r.Uvarint()
	last := x.before
	for len(r.Rest) > 0 && !r.Failed {
		e := indexed{offset: last + r.Uvarint()}
		copy(e.channel[:], r.Bytes(len(e.channel)))
		r.Failed = r.Failed || e.offset <= last || e.offset > x.to
		x.entries, last = append(x.entries, e), e.offset
	}
	if r.Failed || format != indexFormat || x.to <= x.before {
		return index{}, errDamaged
	}
	return x, nil
}
