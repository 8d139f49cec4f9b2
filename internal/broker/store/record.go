package store

import (
	"encoding/binary"

	"maru.example/maru/internal/fields"
)

// meta is what is known of the store as a whole.
//
//	format 1 · epoch · next id · swept · check (8)
type meta struct {
	epoch string // of namespaces that have no record yet
	next  uint32 // the id of the next namespace
	swept uint32 // idempotency keys of earlier periods are deleted
}

const metaFormat = 1

// of returns the epoch of a namespace that has no record yet. That of the pool differs from all
// others: a position in the pool means nothing in a namespace that is listed later.
func (m meta) of(name string) string {
	if name == "" {
		return m.epoch + "u"
	}
	return m.epoch
}

func (m meta) append() []byte {
	dst := fields.AppendString([]byte{metaFormat}, m.epoch)
	dst = binary.AppendUvarint(dst, uint64(m.next))
	return seal(metaKey, binary.AppendUvarint(dst, uint64(m.swept)))
}

func parseMeta(value []byte) (m meta, err error) {
	value, err = unseal(metaKey, value)
	if err != nil {
		return meta{}, err
	}
	r := fields.Reader{Rest: value}
	format := r.Byte()
	m.epoch = r.String()
	m.next, m.swept = uint32(r.Uvarint()), uint32(r.Uvarint())
	if format != metaFormat || r.Failed || len(r.Rest) > 0 || m.epoch == "" {
		return meta{}, errDamaged
	}
	return m, nil
}

// A record is what is known of a namespace. It is written with every batch.
//
//	format 1 · name · epoch · number · first · forgotten · heads · sum of heads (8)
//	· 2 × (period · keys · sum of keys (8)) · check (8)
type record struct {
	name      string
	epoch     string
	number    uint64     // the last one given
	first     uint64     // publications below it are removed
	forgotten uint64     // the highest offset of the channels whose heads are no longer stored
	heads     tally      // of the stored heads
	repeats   [2]periods // of the stored idempotency keys, in the last two periods that have some
}

// A tally says how many values a set has, and the sum of their checks.
type tally struct {
	count uint64
	sum   uint64
}

func (t *tally) add(check uint64)    { t.count++; t.sum += check }
func (t *tally) remove(check uint64) { t.count--; t.sum -= check }

// periods is the tally of the idempotency keys of one period.
type periods struct {
	period uint32
	tally
}

const recordFormat = 1

func (n *record) append(dst, key []byte) []byte {
	dst = fields.AppendString(append(dst, recordFormat), n.name)
	dst = fields.AppendString(dst, n.epoch)
	for _, v := range []uint64{n.number, n.first, n.forgotten, n.heads.count} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = binary.BigEndian.AppendUint64(dst, n.heads.sum)
	for _, k := range n.repeats {
		dst = binary.AppendUvarint(dst, uint64(k.period))
		dst = binary.AppendUvarint(dst, k.count)
		dst = binary.BigEndian.AppendUint64(dst, k.sum)
	}
	return seal(key, dst)
}

func parseRecord(key, value []byte) (n record, err error) {
	value, err = unseal(key, value)
	if err != nil {
		return record{}, err
	}
	r := fields.Reader{Rest: value}
	format := r.Byte()
	n.name, n.epoch = r.String(), r.String()
	n.number, n.first, n.forgotten = r.Uvarint(), r.Uvarint(), r.Uvarint()
	n.heads = tally{count: r.Uvarint(), sum: r.Uint64()}
	for i := range n.repeats {
		n.repeats[i].period = uint32(r.Uvarint())
		n.repeats[i].tally = tally{count: r.Uvarint(), sum: r.Uint64()}
	}
	if format != recordFormat || r.Failed || len(r.Rest) > 0 || n.epoch == "" {
		return record{}, errDamaged
	}
	return n, nil
}
