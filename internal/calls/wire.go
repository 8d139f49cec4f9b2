package calls

import (
	"encoding/binary"
	"errors"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
)

// A message to another node:
//
//	part    1 · 'P' · id · bytes    more of the question follows
//	call    1 · 'C' · id · bytes    the end of the question
//	next    1 · 'N' · id            the next part of the answer
//	cancel  1 · 'X' · id            the answer is not wanted any more
//
// id is that of the call, one for each of a node.
type message struct {
	kind byte
	id   uint64
	data []byte
}

const (
	format = 1

	kindPart   = 'P'
	kindCall   = 'C'
	kindNext   = 'N'
	kindCancel = 'X'
)

var errDamaged = errors.New("it is no part of a call; it is damaged or from another version")

func (m message) append(dst []byte) []byte {
	return append(binary.AppendUvarint(append(dst, format, m.kind), m.id), m.data...)
}

// parseMessage reads what append wrote. The data is a part of b.
func parseMessage(b []byte) (m message, err error) {
	r := fields.Reader{Rest: b}
	known := r.Byte() == format
	m = message{kind: r.Byte(), id: r.Uvarint()}
	switch m.kind {
	case kindPart, kindCall:
		m.data = r.Rest
	case kindNext, kindCancel:
		known = known && len(r.Rest) == 0
	default:
		known = false
	}
	if r.Failed || !known {
		return message{}, errDamaged
	}
	return m, nil
}

// An answer is a part of what the handler returned:
//
//	0 · bytes            the last part
//	1 · bytes            more follows
//	2 · code · message   its error
const (
	answerLast byte = iota
	answerMore
	answerFailed
)

func appendFailed(err error) []byte {
	e := maru.ErrorOf(err)
	return fields.AppendString(fields.AppendString([]byte{answerFailed}, string(e.Code)), e.Message)
}

// parseAnswer reads a part of an answer. The error is that of the handler, or errDamaged.
func parseAnswer(b []byte) (part []byte, more bool, err error) {
	r := fields.Reader{Rest: b}
	switch r.Byte() {
	case answerLast:
		if !r.Failed {
			return r.Rest, false, nil
		}
	case answerMore:
		return r.Rest, true, nil
	case answerFailed:
		code, text := r.String(), r.String()
		if !r.Failed && len(r.Rest) == 0 {
			return nil, false, maru.NewError(maru.Code(code), text)
		}
	}
	return nil, false, errDamaged
}
