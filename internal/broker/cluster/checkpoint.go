package cluster

import (
	"encoding/binary"

	"maru.example/maru/internal/fields"
)

// A checkpoint has the heads of channels: a channel that retains nothing is not in the stream of its
// namespace, and one that retains something may lose its end there. Checkpoints are messages of the
// stream PREFIX_heads. The first ones since a whole one have the heads of all channels, each later one
// those of the channels with publications since the one before:
//
//	format 1 · flags · node · term · epoch · after · number · removed · (hash · head · version)… · check
//
// After is the number of the message before it in its subject, so that a lost one is noticed.
type checkpoint struct {
	whole bool // what was before it does not count
	more  bool // the next one belongs to it
	mark  bool // it only says that a term begins

	node    string
	term    uint64
	epoch   string
	after   uint64
	number  uint64 // of the namespace: heads up to here are known
	removed uint64 // the highest of channels that were forgotten
	heads   []head
}

// head is a channel's, by history.StableHash.
type head struct {
	channel       [16]byte
	head, version uint64
}

const (
	checkpointFormat = 1

	flagWhole = 1 << 0
	flagMore  = 1 << 1
	flagMark  = 1 << 2

	headsAtOnce = 8 << 10 // in one message: some 200 KiB
)

func (c *checkpoint) append(dst []byte) []byte {
	begin := len(dst)
	dst = append(dst, checkpointFormat, flag(c.whole, flagWhole)|flag(c.more, flagMore)|flag(c.mark, flagMark))
	dst = binary.AppendUvarint(fields.AppendString(dst, c.node), c.term)
	dst = fields.AppendString(dst, c.epoch)
	for _, n := range []uint64{c.after, c.number, c.removed} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, h := range c.heads {
		dst = append(dst, h.channel[:]...)
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, h.head), h.version)
	}
	return binary.BigEndian.AppendUint32(dst, checkOf(dst[begin:], 0))
}

func parseCheckpoint(b []byte) (c checkpoint, err error) {
	if len(b) < checkBytes {
		return c, errDamaged
	}
	body, check := b[:len(b)-checkBytes], b[len(b)-checkBytes:]
	if binary.BigEndian.Uint32(check) != checkOf(body, 0) {
		return c, errDamaged
	}
	r := fields.Reader{Rest: body}
	format, flags := r.Byte(), r.Byte()
	c.whole, c.more, c.mark = flags&flagWhole != 0, flags&flagMore != 0, flags&flagMark != 0
	c.node, c.term, c.epoch = r.String(), r.Uvarint(), r.String()
	c.after, c.number, c.removed = r.Uvarint(), r.Uvarint(), r.Uvarint()
	for len(r.Rest) > 0 {
		var h head
		copy(h.channel[:], r.Bytes(len(h.channel)))
		h.head, h.version = r.Uvarint(), r.Uvarint()
		c.heads = append(c.heads, h)
	}
	if r.Failed || format != checkpointFormat || flags&^(flagWhole|flagMore|flagMark) != 0 {
		return checkpoint{}, errDamaged
	}
	return c, nil
}

// known are the heads that all checkpoints of a namespace together say.
type known struct {
	at      checkpoint // the last one
	seq     uint64     // its number
	heads   map[[16]byte]head
	pending bool // more of the last one is missing
	broken  bool // something is damaged or missing since the last whole one
}

// add takes the next checkpoint.
func (k *known) add(m message) error {
	c, err := parseCheckpoint(m.data)
	switch {
	case err != nil:
		k.broken = true
	case c.whole:
		k.heads, k.broken = make(map[[16]byte]head), false
	case c.after != k.seq || !c.mark && c.epoch != k.at.epoch:
		k.broken = true
	}
	k.seq = m.seq
	if c.mark || k.broken || k.heads == nil {
		return nil
	}
	k.at, k.pending = c, c.more
	for _, h := range c.heads {
		k.heads[h.channel] = h
	}
	return nil
}

// usable reports whether the heads can be relied on in an epoch.
func (k *known) usable(epoch string) bool {
	return !k.broken && !k.pending && k.heads != nil && k.at.epoch == epoch && k.at.number > 0
}
