package jetstream

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"
)

// An envelope is what the log stores of a publication. Its channel is in the subject.
//
//	format 1 · kind · flags · offset · prev · version · time (ns) · key · user · [publisher · idempotency key · sum] · data
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
	dst = append(dst, envelopeFormat, byte(p.Kind), flags)
	dst = binary.AppendUvarint(dst, p.Offset)
	dst = binary.AppendUvarint(dst, e.prev)
	dst = binary.AppendUvarint(dst, e.version)
	dst = binary.AppendVarint(dst, p.Time.UnixNano())
	dst = appendString(dst, p.Key)
	dst = appendString(dst, p.User)
	if e.keyed {
		dst = appendString(dst, e.publisher)
		dst = appendString(dst, e.key)
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
	r := reader{rest: b}
	format, kind, flags := r.byte(), r.byte(), r.byte()
	if format != envelopeFormat || kind > byte(maru.Binary) || flags&^(flagPassed|flagKeyed) != 0 {
		return nil, errEnvelope
	}
	e := &envelope{passed: flags&flagPassed != 0, keyed: flags&flagKeyed != 0}
	p := &maru.Publication{Kind: maru.Kind(kind), Offset: r.uvarint()}
	e.publication, e.prev, e.version = p, r.uvarint(), r.uvarint()
	p.Time = time.Unix(0, r.varint()).UTC()
	p.Key, p.User = r.string(), r.string()
	if e.keyed {
		e.publisher, e.key = r.string(), r.string()
		copy(e.sum[:], r.bytes(len(e.sum)))
	}
	if r.failed || p.Offset == 0 || e.prev >= p.Offset || e.passed && len(r.rest) > 0 {
		return nil, errEnvelope
	}
	p.Data = r.rest
	return e, nil
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// reader takes values off the front of rest. After a value that is missing all that follow
// are empty.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) byte() byte {
	if b := r.bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.failed, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) varint() int64 {
	v, n := binary.Varint(r.rest)
	r.skip(n)
	return v
}

func (r *reader) skip(n int) {
	if n <= 0 {
		r.failed, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}

func (r *reader) string() string {
	n := r.uvarint()
	if n > uint64(len(r.rest)) {
		r.failed, r.rest = true, nil
		return ""
	}
	return string(r.bytes(int(n)))
}

// token encodes a channel's name as one token of a subject.
func token(channel string) string { return base64.RawURLEncoding.EncodeToString([]byte(channel)) }

func channelOf(token string) (string, error) {
	name, err := base64.RawURLEncoding.DecodeString(token)
	return string(name), err
}
