package loop

import (
	"bytes"
	"cmp"
	"io"

	"maru.example/maru/internal/frame"
)

// readable reads the socket once; the rest is for the next turn, so that a busy peer does
// not delay the others. After a short read nothing is left, unless there may be more: the
// end of the stream, or bytes after an urgent one.
func (l *Loop) readable(id connID, more bool) {
	s := l.slab.slot(id)
	awaiting := s.state&phaseAwaiting != 0
	if !s.alive(id) || !awaiting && s.state&phaseConnected == 0 {
		return // the event was of an earlier connection in the slot
	}
	if s.state&(inPaused|phasePeerShut) != 0 {
		s.state |= inUnread
		l.goneWhilePaused(id, s, more)
		return
	}
	if s.state&inSplit != 0 {
		l.readHeld(id, s)
		l.obeyPosted(id, s)
		return
	}
	if s.state&(kindTLS|phaseFailed) == kindTLS {
		t := l.slab.ref(id).tls
		l.readTLS(id, s, t)
		if t.budget <= 0 && s.alive(id) {
			l.in.list(id, s)
		}
		l.obeyPosted(id, s)
		return
	}
	n, err := readSocket(int(s.fd), l.in.buffer) // discarded input need not be decrypted
	if n == len(l.in.buffer) || n > 0 && more {
		l.in.list(id, s)
	}
	switch {
	case awaiting && (n > 0 || wouldBlock(err)):
		if n > 0 {
			l.readRequest(id, s, l.in.buffer[:n])
			if s.alive(id) && s.state&phaseAwaiting != 0 {
				l.goneWhilePaused(id, s, more)
			}
			l.obeyPosted(id, s)
		}
	case awaiting:
		l.closeAwaiting(id, s)
	default:
		l.said(id, s, l.in.buffer, n, err)
	}
}

// goneWhilePaused notifies the Handshaker that decides about the connection, or its handler, that
// the peer has gone. ended says that the poller reported an end of the stream, or an error. A client whose
// handshake is being decided has gone with its first end. Later it may have sent messages before
// that, so only a connection that is closed in both directions counts.
func (l *Loop) goneWhilePaused(id connID, s *slot, ended bool) {
	ref := l.slab.ref(id)
	if s.state&phaseAwaiting != 0 {
		if side := ref.side; ended && side != nil && side.awaiting.gone != nil {
			side.awaiting.gone()
		}
		return
	}
	if h, ok := ref.handler.(GoneHandler); ok && s.state&inPaused != 0 && s.fd >= 0 && hungUp(int(s.fd)) {
		h.Gone()
	}
}

// said processes the result of a read of the socket into p.
func (l *Loop) said(id connID, s *slot, p []byte, n int, err error) {
	switch {
	case err != nil:
		if !wouldBlock(err) {
			l.lost(id, s, err)
		}
	case n == 0:
		l.lost(id, s, io.EOF)
	default:
		l.input(id, s, p[:n])
		l.obeyPosted(id, s)
	}
}

// input processes bytes. Between frames a connection has no reader: the loop's own reads
// for it, and stays with the connection only if the bytes end in the middle of a frame or
// message.
func (l *Loop) input(id connID, s *slot, p []byte) {
	s.seen = l.clock.now
	s.state &^= inPinged
	l.stats.read.Add(uint64(len(p)))
	if s.state&(inMuted|phaseFailed|phaseCloseRead) != 0 || s.framing().ignored {
		return // RFC 6455 §1.4: bytes after a close frame are discarded
	}
	ref := l.slab.ref(id)
	reader := l.in.scratch
	if side := ref.side; side != nil {
		reader = cmp.Or(side.reader, reader)
		if side.contexts != nil {
			reader.Inflater = side.contexts.in
		}
	}
	rules := l.in.rulesOf(s)
	for passed := 0; len(p) > 0; {
		ev, n, err := reader.Next(p, rules)
		p = p[n:]
		if err != nil {
			l.in.forget(ref, reader)
			l.violated(id, s, err)
			return
		}
		if !l.event(id, s, ref, ev) {
			l.in.forget(ref, reader)
			return
		}
		if passed += len(ev.Payload); passed > passedBytes && len(p) > 0 && s.fd >= 0 {
			l.split(id, s, p)
			break
		}
	}
	if reader.Idle() {
		l.in.forget(ref, reader)
		l.tidy(id, s)
	} else if reader == l.in.scratch {
		l.sideOf(id).reader = l.in.giveScratch()
	}
}

// passedBytes is how many bytes of messages a handler gets of one read. Only compression makes so many
// of them. What is behind them waits for the next turn, so that a pause holds before them, and
// other connections are not delayed.
const passedBytes = 1 << 20

// split keeps the rest of what was read for the next turn.
func (l *Loop) split(id connID, s *slot, rest []byte) {
	l.sideOf(id).held = bytes.Clone(rest)
	s.state |= inSplit
	l.in.list(id, s)
}

// readHeld processes the bytes that were read and held. The socket may have more behind them.
func (l *Loop) readHeld(id connID, s *slot) {
	side := l.slab.ref(id).side
	held := side.held
	side.held = nil
	if s.state&inSplit != 0 {
		s.state &^= inSplit
		l.in.list(id, s)
	}
	l.input(id, s, held)
}

// event passes an event to the handler, and reports whether the connection still reads.
func (l *Loop) event(id connID, s *slot, ref *refs, ev frame.Event) bool {
	switch ev.Op {
	case frame.Text, frame.Binary:
		ref.handler.Message(ev.Op, ev.Payload)
	case frame.Ping:
		if s.state&phaseCloseSent == 0 {
			l.send(id, s, newSingle(frame.Pong, ev.Payload)) // RFC 6455 §5.5.3
		}
	case frame.Pong:
		if h, ok := ref.handler.(PongHandler); ok {
			h.Pong(ev.Payload)
		}
	case frame.Close:
		l.mute(id, s, doAnswerClose, closed{code: ev.Code, reason: ev.Reason})
		return false
	}
	return true
}

// violated closes the connection of a peer that broke the protocol, with the code of its
// fault.
func (l *Loop) violated(id connID, s *slot, err error) {
	l.mute(id, s, doFail, closedBy(err))
}

// mute ends the reading of a connection. The next step is posted, so that it comes after
// the replies that handlers have just posted to messages read before.
func (l *Loop) mute(id connID, s *slot, do action, why closed) {
	s.state |= inMuted
	l.inbox.post(command{do: do, conn: id, payload: &why})
}
