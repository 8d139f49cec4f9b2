package jetstream

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
	"maru.example/maru/internal/history"
)

// An envelope is what the log stores of a publication. Its channel is in the subject.
//
//	format 1 · kind · flags · offset · prev · version · time (ns) · key · user · [event] · [publisher · idempotency key · sum] · data
//
// Numbers are varints, a string follows its length, the sum has 32 bytes and the data is
// the rest.
type envelope struct {
	publication *maru.Publication
	prev        uint64 // the channel's offset before this one
	version     uint64
	passed      bool // there is no data: the publication was too large to be retained
	keyed       bool
	publisher   string
	key         string // the idempotency key
	sum         history.Sum
}

const (
	envelopeFormat = 1

	flagPassed = 1 << 0
	flagKeyed  = 1 << 1
	flagNamed  = 1 << 2 // there is an event
)

func (e *envelope) append(dst []byte) []byte {
	p := e.publication
	flags := byte(0)
	if e.passed {
		flags |= flagPassed
	}
	if e.keyed {
		flags |= flagKeyed
	}
	if p.Event != "" {
		flags |= flagNamed
	}
	dst = append(dst, envelopeFormat, byte(p.Kind), flags)
	dst = binary.AppendUvarint(dst, p.Offset)
	dst = binary.AppendUvarint(dst, e.prev)
	dst = binary.AppendUvarint(dst, e.version)
	dst = binary.AppendVarint(dst, p.Time.UnixNano())
	dst = fields.AppendString(dst, p.Key)
	dst = fields.AppendString(dst, p.User)
	if p.Event != "" {
		dst = fields.AppendString(dst, p.Event)
	}
	if e.keyed {
		dst = fields.AppendString(dst, e.publisher)
		dst = fields.AppendString(dst, e.key)
		dst = append(dst, e.sum[:]...)
	}
	if e.passed {
		return dst
	}
	return append(dst, p.Data...)
}

var errEnvelope = errors.New("it is no entry of maru's log; the file is damaged or from another version")

// parseEnvelope reads what append wrote. The publication's data is a part of b.
func parseEnvelope(b []byte) (*envelope, error) {
	r := fields.Reader{Rest: b}
	format, kind, flags := r.Byte(), r.Byte(), r.Byte()
	if format != envelopeFormat || kind > byte(maru.Binary) || flags&^(flagPassed|flagKeyed|flagNamed) != 0 {
		return nil, errEnvelope
	}
	e := &envelope{passed: flags&flagPassed != 0, keyed: flags&flagKeyed != 0}
	p := &maru.Publication{Kind: maru.Kind(kind), Offset: r.Uvarint()}
	e.publication, e.prev, e.version = p, r.Uvarint(), r.Uvarint()
	p.Time = time.Unix(0, r.Varint()).UTC()
	p.Key, p.User = r.String(), r.String()
	if flags&flagNamed != 0 {
		p.Event = r.String()
	}
	if e.keyed {
		e.publisher, e.key = r.String(), r.String()
		copy(e.sum[:], r.Bytes(len(e.sum)))
	}
	if r.Failed || flags&flagNamed != 0 && p.Event == "" || p.Offset == 0 || e.prev >= p.Offset || e.passed && len(r.Rest) > 0 {
		return nil, errEnvelope
	}
	p.Data = r.Rest
	return e, nil
}

// token encodes a channel's name as one token of a subject.
func token(channel string) string { return base64.RawURLEncoding.EncodeToString([]byte(channel)) }

func channelOf(token string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(token)
	return string(name), err
}
