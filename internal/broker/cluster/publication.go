package cluster

import (
	"encoding/binary"
	"errors"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
)

var errDamaged = errors.New("it is no message of maru; it is damaged or from another version")

// appendPublication appends all fields but the offset:
//
//	kind · time (ns) · key · event · user · data
func appendPublication(dst []byte, p *maru.Publication) []byte {
	dst = append(dst, byte(p.Kind))
	dst = binary.AppendVarint(dst, p.Time.UnixNano())
	dst = fields.AppendString(fields.AppendString(fields.AppendString(dst, p.Key), p.Event), p.User)
	dst = binary.AppendUvarint(dst, uint64(len(p.Data)))
	return append(dst, p.Data...)
}

// roomFor is enough for what appendPublication appends, and for as much before it as a message has: so
// that it is appended without copying.
func roomFor(p *maru.Publication) int {
	if p == nil {
		return 128
	}
	return 128 + len(p.Key) + len(p.Event) + len(p.User) + len(p.Data)
}

// readPublication reads what appendPublication wrote. The data is a part of what r reads.
func readPublication(r *fields.Reader) *maru.Publication {
	p := &maru.Publication{Kind: maru.Kind(r.Byte())}
	p.Time = time.Unix(0, r.Varint()).UTC()
	p.Key, p.Event, p.User = r.String(), r.String(), r.String()
	p.Data = r.Stretch()
	if p.Kind > maru.Binary {
		r.Failed = true
	}
	return p
}

func appendPosition(dst []byte, at maru.Position) []byte {
	return binary.AppendUvarint(fields.AppendString(dst, at.Epoch), at.Offset)
}

func readPosition(r *fields.Reader) maru.Position {
	return maru.Position{Epoch: r.String(), Offset: r.Uvarint()}
}

func flag(set bool, bit byte) byte {
	if set {
		return bit
	}
	return 0
}
