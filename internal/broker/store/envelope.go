package store

import (
	"encoding/binary"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/history"
)

// An envelope is what the store has of a publication. Its offset is in its key.
//
//	format 1 · kind · flags · offset - before · offset - prev · version · time (ns)
//	· channel · key · user · [event] · data · check (8)
//
// Numbers are varints, a string follows its length, and the data is the rest. A flag says whether
// there is an event: without one the value is as it was before there were events.
type envelope struct {
	publication *maru.Publication
	channel     string
	before      uint64 // the namespace's number before this one
	prev        uint64 // the channel's offset before this one; 0: there was none
	version     uint64
}

const (
	envelopeFormat = 1

	flagNamed = 1 << 0 // there is an event
)

func (e *envelope) append(dst, key []byte) []byte {
	p := e.publication
	flags := byte(0)
	if p.Event != "" {
		flags |= flagNamed
	}
	dst = append(dst, envelopeFormat, byte(p.Kind), flags)
	dst = binary.AppendUvarint(dst, p.Offset-e.before)
	dst = binary.AppendUvarint(dst, p.Offset-e.prev)
	dst = binary.AppendUvarint(dst, e.version)
	dst = binary.AppendVarint(dst, p.Time.UnixNano())
	dst = fields.AppendString(dst, e.channel)
	dst = fields.AppendString(dst, p.Key)
	dst = fields.AppendString(dst, p.User)
	if p.Event != "" {
		dst = fields.AppendString(dst, p.Event)
	}
	return seal(key, append(dst, p.Data...))
}

// parseEnvelope reads what append wrote. The publication's data is a part of value.
func parseEnvelope(key, value []byte) (*envelope, error) {
	offset, ok := offsetOf(key)
	value, err := unseal(key, value)
	if err != nil || !ok {
		return nil, errDamaged
	}
	r := fields.Reader{Rest: value}
	format, kind, flags := r.Byte(), r.Byte(), r.Byte()
	if format != envelopeFormat || kind > byte(maru.Binary) || flags&^flagNamed != 0 {
		return nil, errDamaged
	}
	before, prev := r.Uvarint(), r.Uvarint()
	e := &envelope{before: offset - before, prev: offset - prev, version: r.Uvarint()}
	p := &maru.Publication{Kind: maru.Kind(kind), Offset: offset, Time: time.Unix(0, r.Varint()).UTC()}
	e.channel = r.String()
	p.Key, p.User = r.String(), r.String()
	if flags&flagNamed != 0 {
		p.Event = r.String()
	}
	if r.Failed || flags&flagNamed != 0 && p.Event == "" || before == 0 || before > offset || prev == 0 || prev > offset {
		return nil, errDamaged
	}
	p.Data = r.Rest
	e.publication = p
	return e, nil
}

// A skimmed envelope is what a start needs to know of a publication.
type skimmed struct {
	channel []byte
	prev    uint64
	time    int64
	size    int64 // see history.Size
}

// skimEnvelope is parseEnvelope without the publication, which a start does not need.
func skimEnvelope(key, value []byte) (s skimmed, err error) {
	offset, ok := offsetOf(key)
	value, err = unseal(key, value)
	if err != nil || !ok {
		return skimmed{}, errDamaged
	}
	r := fields.Reader{Rest: value}
	if r.Byte() != envelopeFormat {
		return skimmed{}, errDamaged
	}
	r.Byte()
	flags := r.Byte()
	before, prev := r.Uvarint(), r.Uvarint()
	r.Uvarint()
	s.time = r.Varint()
	s.channel = r.Stretch()
	names := len(s.channel) + len(r.Stretch()) + len(r.Stretch())
	if flags&flagNamed != 0 {
		names += len(r.Stretch())
	}
	if r.Failed || before == 0 || before > offset || prev == 0 || prev > offset {
		return skimmed{}, errDamaged
	}
	s.prev = offset - prev
	s.size = history.Overhead + int64(names+len(r.Rest))
	return s, nil
}
