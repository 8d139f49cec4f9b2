package loop

import "maru.example/maru/internal/frame"

// Pieces is a message that is made piece by piece, as its reader takes it, so that a long one
// costs the memory of one piece. On the wire each piece is a fragment (RFC 6455 §5.4); to the
// reader they are one message.
type Pieces struct {
	Op    frame.Opcode
	First []byte // the first piece
	// Next appends the next piece to dst, some 16 KiB, and reports whether there are more. It
	// is called on the loop and must not wait.
	Next func(dst []byte) (piece []byte, more bool)

	deflate form   // of each piece; plainForm: none
	bare    bool   // no frames
	over    bool   // the last piece was made, or none is wanted any more
	buffer  []byte // of the fragment on its way
}

// SendPieces posts m as Send does. What is posted after it waits until its last piece is
// written, except a close: that cuts the message off, and what waits behind it is dropped. One
// piece counts for the backlog; its age begins anew with each piece.
func (c Conn) SendPieces(m *Pieces) error {
	return c.post(command{do: doSendPieces, payload: m, size: len(m.First)})
}

// sendPieces queues the first piece. On a connection on which we are the client it sends all as
// one message.
func (l *Loop) sendPieces(id connID, s *slot, m *Pieces) {
	if s.state&(kindClient|outParked) != 0 {
		l.send(id, s, m.whole())
		return
	}
	l.catchUp(id, s)
	if f := form(s.form.Load()); f&takesOver == 0 {
		m.deflate = f // else the message stands outside the context, uncompressed
	}
	m.bare = s.framing().asIs
	l.queueOne(id, s, waiting{bytes: m.next(), messages: 1, pieces: m})
}

// whole makes all pieces at once.
func (m *Pieces) whole() *Message {
	b := m.First
	for more := true; more; {
		b, more = m.Next(b)
	}
	return NewMessage(m.Op, b)
}

// next makes the next fragment, in the place of the one before, which is written.
func (m *Pieces) next() []byte {
	const room = frame.MaxHeaderBytes
	h := frame.Header{Op: frame.Continuation}
	var b []byte
	if m.buffer == nil {
		b = append(make([]byte, room, room+len(m.First)), m.First...)
		h.Op, h.Compressed = m.Op, m.deflate != plainForm
		m.First = nil
	} else {
		var more bool
		b, more = m.Next(m.buffer[:room])
		h.Fin, m.over = !more, !more
	}
	if m.deflate != plainForm {
		b = append(b[:room], m.compressed(b[room:])...)
	}
	m.buffer = b
	if m.bare {
		return b[room:]
	}
	h.Length = int64(len(b) - room)
	var head [room]byte
	begins := room - len(frame.AppendHeader(head[:0], h))
	copy(b[begins:room], head[:])
	return b[begins:]
}

// compressed compresses a piece, without a reference to the pieces before it.
func (m *Pieces) compressed(piece []byte) []byte {
	deflate := frame.DeflatePart
	if m.over {
		deflate = frame.Deflate
	}
	small, _ := deflate(nil, piece, int(m.deflate)) // fails only for a window that cannot be negotiated
	return small
}

// written is called when the last piece that was made is written. It reports whether there is
// another, which then takes its place.
func (w *waiting) written() (another bool) {
	if w.pieces == nil || w.pieces.over {
		return false
	}
	w.bytes = w.pieces.next()
	return true
}

// inPieces reports whether the head of the queue is a message that has more pieces.
func (o *outbox) inPieces() bool {
	return len(o.queue) > 0 && o.queue[0].pieces != nil && !o.queue[0].pieces.over
}

// cut ends a message in pieces that waits: the piece on its way is the last. Only control frames
// may follow it (RFC 6455 §5.4), so what waits behind it is dropped.
func (o *outbox) cut() {
	for i := range o.queue {
		m := o.queue[i].pieces
		if m == nil {
			continue
		}
		if i < o.lent || i == 0 && o.sent > 0 {
			m.over = true
			i++
		}
		o.truncate(i)
		return
	}
}
