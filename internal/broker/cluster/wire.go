package cluster

import (
	"encoding/binary"
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
)

// What nodes send each other. Each message begins with its kind.
//
//	carriage  format 1 · prev · offset · epoch · publication
//	submit    'S' · namespace · channel · flags · share · version · idempotency key · publisher · publication
//	history   'H' · namespace · channel · flags · [since] · [before] · limit
//	heads     'C' · namespace · (channel · position)…
//	refused   'N'   this node does not own the namespace
//	failed    'E' · code · message
//	published 'P' · flags · position
//	part      'L' · last · [epoch · head · gap] · (offset · publication)…
//	heads     'D' · position · (channel · head)…
//	answer    'A' · data   to a question on the bus

const (
	carryFormat = 1

	kindSubmit    = 'S'
	kindHistory   = 'H'
	kindCompare   = 'C'
	kindNotOwner  = 'N'
	kindFailed    = 'E'
	kindPublished = 'P'
	kindPart      = 'L'
	kindHeads     = 'D'
	kindAnswer    = 'A'
)

func (c carried) append(dst []byte) []byte {
	dst = append(slices.Grow(dst, roomFor(c.publication)), carryFormat)
	dst = binary.AppendUvarint(dst, c.prev)
	dst = binary.AppendUvarint(dst, c.publication.Offset)
	dst = fields.AppendString(dst, c.epoch)
	return appendPublication(dst, c.publication)
}

func parseCarried(channel string, b []byte) (c carried, err error) {
	r := fields.Reader{Rest: b}
	format := r.Byte()
	c = carried{channel: channel, prev: r.Uvarint()}
	offset := r.Uvarint()
	c.epoch = r.String()
	c.publication = readPublication(&r)
	c.publication.Offset = offset
	if r.Failed || format != carryFormat || len(r.Rest) > 0 || offset != 0 && c.prev >= offset {
		return c, errDamaged
	}
	return c, nil
}

func appendSubmit(dst []byte, namespace string, s *submission) []byte {
	o := &s.options
	dst = fields.AppendString(fields.AppendString(append(dst, kindSubmit), namespace), s.channel)
	dst = append(dst, flag(o.Transient, 1), byte(o.Share))
	dst = binary.AppendUvarint(dst, o.Version)
	dst = fields.AppendString(fields.AppendString(dst, o.IdempotencyKey), o.Publisher)
	return appendPublication(dst, s.publication)
}

func readSubmit(r *fields.Reader) (namespace string, s submission) {
	namespace, s.channel = r.String(), r.String()
	s.options.Transient = r.Byte()&1 != 0
	s.options.Share = readShare(r)
	s.options.Version = r.Uvarint()
	s.options.IdempotencyKey, s.options.Publisher = r.String(), r.String()
	s.publication = readPublication(r)
	if len(r.Rest) > 0 {
		r.Failed = true
	}
	return namespace, s
}

func appendQuery(dst []byte, namespace, channel string, q maru.HistoryQuery) []byte {
	dst = fields.AppendString(fields.AppendString(append(dst, kindHistory), namespace), channel)
	dst = append(dst, flag(q.Since != nil, 1)|flag(q.Before != nil, 2))
	if q.Since != nil {
		dst = appendPosition(dst, *q.Since)
	}
	if q.Before != nil {
		dst = appendPosition(dst, *q.Before)
	}
	return binary.AppendVarint(dst, int64(q.Limit))
}

func readQuery(r *fields.Reader) (namespace, channel string, q maru.HistoryQuery) {
	namespace, channel = r.String(), r.String()
	flags := r.Byte()
	if flags&1 != 0 {
		at := readPosition(r)
		q.Since = &at
	}
	if flags&2 != 0 {
		at := readPosition(r)
		q.Before = &at
	}
	q.Limit = int(r.Varint())
	if len(r.Rest) > 0 {
		r.Failed = true
	}
	return namespace, channel, q
}

func appendFailed(dst []byte, err error) []byte {
	e := maru.ErrorOf(err)
	return fields.AppendString(fields.AppendString(append(dst, kindFailed), string(e.Code)), e.Message)
}

func readFailed(r *fields.Reader) *maru.Error {
	return maru.NewError(maru.Code(r.String()), r.String())
}

func appendPublished(dst []byte, p maru.Published) []byte {
	return appendPosition(append(dst, kindPublished, flag(p.Replayed, 1)|flag(p.Stale, 2)), p.Position)
}

func readPublished(r *fields.Reader) maru.Published {
	flags := r.Byte()
	return maru.Published{Position: readPosition(r), Replayed: flags&1 != 0, Stale: flags&2 != 0}
}

// appendParts encodes an answer in parts of about so many bytes; one publication may be more.
func appendParts(h maru.History, most int, each func(part []byte) error) error {
	dst := []byte{kindPart, 0}
	dst = binary.AppendUvarint(fields.AppendString(dst, h.Epoch), h.Head)
	dst = append(dst, flag(h.Gap != nil, 1))
	if h.Gap != nil {
		dst = fields.AppendString(dst, h.Gap.Reason)
		dst = binary.AppendUvarint(binary.AppendUvarint(dst, h.Gap.From), h.Gap.To)
	}
	for _, p := range h.Publications {
		if len(dst)+len(p.Data) > most {
			if err := each(dst); err != nil {
				return err
			}
			dst = []byte{kindPart, 0}
		}
		dst = appendPublication(binary.AppendUvarint(dst, p.Offset), p)
	}
	dst[1] = 1 // the last one
	return each(dst)
}

// readPart adds a part to an answer; the first one has more.
func readPart(r *fields.Reader, h *maru.History, first bool) (last bool) {
	last = r.Byte() != 0
	if first {
		h.Epoch, h.Head = r.String(), r.Uvarint()
		if r.Byte() != 0 {
			h.Gap = &maru.Gap{Reason: r.String(), From: r.Uvarint(), To: r.Uvarint()}
		}
	}
	for len(r.Rest) > 0 && !r.Failed {
		offset := r.Uvarint()
		p := readPublication(r)
		p.Offset = offset
		h.Publications = append(h.Publications, p)
	}
	return last
}
