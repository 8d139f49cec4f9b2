package loop

import (
	"errors"
	"fmt"
	"io"

	"maru.example/maru"
	"maru.example/maru/internal/frame"
)

const (
	closeNoStatus = 1005 // RFC 6455 §7.4.1: a close frame without a code
	closeAbnormal = 1006 // no close frame at all
	closeProtocol = 1002
)

var (
	errTerminated = errors.New("terminated here")
	errSlow       = errors.New("more waits for the peer than the backlog allows")
	errSlowBytes  = fmt.Errorf("%w (bytes)", errSlow)
	errSlowCount  = fmt.Errorf("%w (messages)", errSlow)
	errSlowAge    = fmt.Errorf("%w (age)", errSlow)
	errSlowKeys   = fmt.Errorf("%w (keys)", errSlow)
	errSilent     = errors.New("no sign of life after a ping")
	errNoAnswer   = errors.New("peer did not finish the closing handshake")
	errEnded      = errors.New("ended here") // of a stream
)

// closed is what the handler receives at the end.
type closed struct {
	code   int
	reason string
	err    error
}

// slow is how a slow connection is closed; err names the bound.
func slow(s *slot, err error) closed {
	why := closed{code: maru.CloseTryAgain, reason: string(maru.CodeSlow), err: err}
	if s.state&kindRecovers != 0 {
		why.code = maru.CloseSlow
	}
	return why
}

// closedBy is how a connection is closed for a peer's fault. The reason is the word of the
// code, as everywhere: see maru.Code.
func closedBy(err error) closed {
	why := closed{code: closeProtocol, reason: string(maru.CodeBadFrame), err: err}
	var fault *frame.Error
	if errors.As(err, &fault) {
		why.code = fault.Code
	}
	for _, word := range []maru.Code{maru.CodeBadText, maru.CodeTooLarge} {
		if word.CloseCode() == why.code {
			why.reason = string(word)
		}
	}
	return why
}

// startClose sends our close frame first; the peer's close frame then ends the connection.
func (l *Loop) startClose(id connID, s *slot, why closed, payload []byte) {
	if s.state&(phaseCloseSent|phaseFailed) != 0 {
		return
	}
	if why.code == 0 {
		why.code = closeNoStatus
	}
	side := l.sideOf(id)
	side.causes(why, false)
	why.err = nil // of the log only
	side.closed = why
	l.sendClose(id, s, payload)
}

// farewell closes a connection without a fault of the peer: its handler may send a last
// message.
func (l *Loop) farewell(id connID, s *slot, why closed, payload []byte) {
	if s.state&(phaseCloseSent|phaseFailed) != 0 {
		return
	}
	var last *Message
	if h, ok := l.slab.ref(id).handler.(FarewellHandler); ok {
		last = h.Farewell()
	}
	l.startCloseAfter(id, s, last, why, payload)
}

// startCloseAfter is startClose after a last message, which does not count as waiting. nil: there is
// none.
func (l *Loop) startCloseAfter(id connID, s *slot, last *Message, why closed, payload []byte) {
	if last != nil && s.state&(phaseCloseSent|phaseFailed) == 0 {
		l.sideOf(id).waits()
		l.send(id, s, last)
	}
	l.startClose(id, s, why, payload)
}

// sendClose queues the close frame, the last frame of the connection.
func (l *Loop) sendClose(id connID, s *slot, payload []byte) {
	s.setClosing(id)
	l.catchUp(id, s)
	if side := l.slab.ref(id).side; side != nil {
		side.settle(l.clock.now)
		before := side.out.bytes
		side.out.cut()
		s.buffered.Add(int64(side.out.bytes - before))
	}
	if s.framing().endOfStream {
		l.endStream(id, s)
	} else {
		l.send(id, s, newSingle(frame.Close, payload))
	}
	s.state |= phaseCloseSent
	s.pinged = l.clock.now // from now on: the tick at which the closing began
	l.fanout.leaveAll(s)
	l.lookAt(id, l.engine.clock.closingOf(s))
}

// endStream ends a stream, which has no close frame, after all queued bytes. The handler
// receives our reason, whatever the peer does then.
func (l *Loop) endStream(id connID, s *slot) {
	if why := &l.sideOf(id).closed; why.err == nil {
		why.err = errEnded
	}
	s.state |= outQueued
	l.out.markDirty(id, s)
}

// closeRead: the peer's close frame has arrived. We answer it if it is the first, with the
// same code and reason.
func (l *Loop) closeRead(id connID, s *slot, why closed) {
	s.state |= phaseCloseRead
	side := l.sideOf(id)
	side.causes(why, true)
	side.closed = why
	l.setPaused(id, s, false)
	if s.state&phaseCloseSent == 0 {
		payload, err := frame.ClosePayload(why.code, why.reason)
		if err != nil {
			payload = nil
		}
		l.sendClose(id, s, payload)
		return
	}
	if side.out.empty() {
		l.closeSent(id, s)
	}
}

// fail ends a connection for a reason of ours. Further input is discarded; the peer gets a
// close frame, and then the end of the stream. The socket is not closed before the peer has
// received both: with unread input that would be a reset, which overtakes the close frame.
func (l *Loop) fail(id connID, s *slot, why closed) {
	if s.state&phaseFailed != 0 {
		return
	}
	side := l.sideOf(id)
	side.causes(why, false)
	side.closed = why
	s.state |= phaseFailed
	l.setPaused(id, s, false)
	if s.state&phaseCloseSent != 0 {
		if s.state&outQueued == 0 {
			l.closeSent(id, s)
		}
		return
	}
	payload, err := frame.ClosePayload(why.code, why.reason)
	if err != nil {
		payload, _ = frame.ClosePayload(why.code, "")
	}
	l.sendClose(id, s, payload)
}

// closeSent: our close frame, and all before it, is with the kernel. After both close
// frames the server ends the TCP connection first (RFC 6455 §7.1.1); a client waits for
// that.
func (l *Loop) closeSent(id connID, s *slot) {
	s.pinged = l.clock.now
	if s.framing().endOfStream && s.state&phaseFailed == 0 {
		s.state |= phaseFailed // no peer answers
		l.setPaused(id, s, false)
	}
	switch {
	case s.state&phasePeerShut != 0, s.state&phaseCloseRead != 0 && s.state&kindClient == 0:
		l.end(id, s, l.slab.ref(id).side.closed)
	case s.state&phaseFailed != 0 && s.state&phaseShut == 0:
		s.state |= phaseShut
		if ref := l.slab.ref(id); ref.side.pipe != nil {
			ref.side.pipe.shut()
		} else if ref.tls != nil {
			l.shutTLS(id, s, ref.tls)
		} else {
			shutSocket(int(s.fd))
		}
	}
}

// lost: the stream has ended or broken. After an end without a close frame, replies to what was read
// before it come first.
func (l *Loop) lost(id connID, s *slot, err error) {
	if s.state&inMuted != 0 { // first handle the event that ended the reading
		l.loseLater(id, err)
		return
	}
	if !errors.Is(err, io.EOF) || s.state&(phaseCloseSent|phaseFailed) != 0 {
		l.ended(id, s, err)
		return
	}
	l.setPaused(id, s, true)
	settled := func() { l.inbox.post(command{do: doSettled, conn: id}) }
	if h, ok := l.slab.ref(id).handler.(SettleHandler); !ok || !h.Settle(settled) {
		settled()
	}
}

// ended ends a connection whose stream has ended or broken, and to which no reply comes any more.
func (l *Loop) ended(id connID, s *slot, err error) {
	eof := errors.Is(err, io.EOF)
	if eof && !l.in.midFlush {
		l.catchUp(id, s)
	}
	// A peer that has ended its half of the stream may read on: what is queued is still written.
	queued := eof && s.state&(outQueued|outHeld) == outQueued
	if queued && s.state&(phaseCloseRead|phaseFailed) != 0 {
		s.state |= phasePeerShut
		return
	}
	why := closed{code: closeAbnormal, err: err}
	if side := l.slab.ref(id).side; side != nil && (s.state&phaseCloseRead != 0 || side.closed.err != nil) {
		why = side.closed // its cause was known before
	} else if eof {
		why.err = fmt.Errorf("stream ended without a close frame: %w", io.ErrUnexpectedEOF)
	}
	if queued {
		l.endWritten(id, s, why)
		return
	}
	l.end(id, s, why)
}

// endWritten ends a connection that gets nothing more, once its queue is written.
func (l *Loop) endWritten(id connID, s *slot, why closed) {
	l.sideOf(id).closed = why
	s.setClosing(id)
	s.state |= phaseFailed | phaseCloseSent | phasePeerShut
	s.pinged = l.clock.now
	l.fanout.leaveAll(s)
	l.setPaused(id, s, false)
	l.lookAt(id, l.engine.clock.closing)
}

// unwritable: the socket takes no more bytes. Input from before the break may still be
// unread, perhaps a close frame. So reading goes on to the end of the stream, unless that
// was reached already.
func (l *Loop) unwritable(id connID, s *slot, err error) {
	side := l.sideOf(id)
	side.waits()
	s.buffered.Add(-int64(side.out.bytes))
	side.out.closeDrains()
	side.out = outbox{}
	s.state &^= outQueued | outArmed
	if s.state&(phaseCloseRead|phaseFailed) == 0 {
		side.closed = closed{code: closeAbnormal, err: err}
	}
	s.state |= phaseCloseSent // nothing more is queued
	s.setClosing(id)
	if s.state&phasePeerShut != 0 {
		l.end(id, s, side.closed)
		return
	}
	s.pinged = l.clock.now
	l.lookAt(id, l.engine.clock.closing)
}

// loseLater posts lost, so that it comes after all commands posted before.
func (l *Loop) loseLater(id connID, err error) {
	l.inbox.post(command{do: doLost, conn: id, payload: &lost{err}})
}

// end is the one place where a connection ends: it calls the handler and releases the slot.
func (l *Loop) end(id connID, s *slot, why closed) {
	l.fanout.leaveAll(s)
	ref := l.slab.ref(id)
	handler, side := ref.handler, ref.side
	last := endOf(side, why)
	if ref.tls != nil {
		ref.tls.farewell()
	}
	if side != nil {
		side.out.closeDrains()
		s.buffered.Add(-int64(side.out.bytes))
		if side.pipe != nil {
			side.pipe.close()
		}
		side.taker.refuse()
	}
	l.dropSide(ref)
	*ref = refs{}
	if s.fd >= 0 {
		closeSocket(int(s.fd))
	}
	if s.state&kindHeartbeat != 0 {
		delete(l.clock.heartbeats, id.index())
	}
	s.state, s.fd = 0, -1
	*l.slab.due(id) = 0
	l.slab.release(id.index())
	if handler != nil {
		notify(handler, last, why)
	}
	l.engine.gone()
}

// each calls f for every connection of the loop in the given state.
func (l *Loop) each(state uint32, f func(connID, *slot)) {
	chunks := l.slab.chunks.Load()
	if chunks == nil {
		return
	}
	for c := range *chunks {
		for i := range chunkSlots {
			s := &(*chunks)[c].slots[i]
			if s.state&state != 0 {
				f(newConnID(uint32(c*chunkSlots+i), uint32(s.life.Load()>>2)), s)
			}
		}
	}
}

func (l *Loop) closeAll(why closed) {
	payload, err := frame.ClosePayload(why.code, why.reason)
	if err != nil {
		payload, _ = frame.ClosePayload(why.code, "")
	}
	l.each(phaseConnected, func(id connID, s *slot) { l.farewell(id, s, why, payload) })
}

func (l *Loop) cutAll() {
	l.each(phaseConnected, func(id connID, s *slot) {
		l.end(id, s, closed{code: closeAbnormal, err: errTerminated})
	})
	l.each(phaseAwaiting, l.closeAwaiting)
	l.accept.closeAll()
}
