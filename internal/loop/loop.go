package loop

import (
	"maru.example/maru/internal/frame"
)

// Loop is one goroutine and the connections it owns. Only that goroutine touches its
// fields, except the inbox, the atomic parts of the slab and the statistics. Each field is
// a part with methods of its own; the methods of Loop need several parts.
type Loop struct {
	engine *Engine
	inbox  inbox
	slab   slab
	poll   poller

	clock  schedule
	in     reading
	out    writing
	fanout fanout
	accept accepting
	spares spares
	stats  counters

	commands []command // taken from the inbox last
	sockets  bool      // the poller can watch sockets; else every connection is a pipe
	stopped  bool
}

func newLoop(e *Engine) *Loop {
	l := &Loop{engine: e, poll: newPoller(e.options.Goroutines)}
	_, none := l.poll.(bell)
	l.sockets = !none
	l.in = newReading(&e.options, l.sockets)
	l.out = newWriting()
	if l.sockets && !e.options.NoRing {
		l.out.ring, l.in.ahead = newRing(), newAhead()
	}
	l.inbox.bound = e.options.InboxBytes
	l.inbox.wake = l.poll.wake
	return l
}

// run turns until doStop.
func (l *Loop) run() {
	defer l.poll.close()
	defer l.inbox.close()
	defer l.out.closeRing()
	for !l.stopped {
		l.turn()
		if afterTurn != nil {
			afterTurn(l)
		}
	}
	l.cutAll()
}

// turn obeys commands, reads sockets, checks times, and then flushes all output. It sleeps
// only if nothing has been posted since (see inbox.swap).
func (l *Loop) turn() {
	l.clock.tick(l.engine.clock.now())
	obeyed := l.obeyAll()
	l.scan()
	l.flush()
	if l.stopped {
		return
	}
	if l.engine.congested() {
		// A loop is behind: do not read, so that no more is published to it, but go on
		// writing. Its next swap, or the clock's tick, ends this.
		l.poll.pause()
		return
	}
	l.readReady()
	if obeyed == 0 && len(l.out.dirty) == 0 && len(l.in.ready) == 0 && !l.clock.scanning() && l.inbox.sleeps() {
		l.poll.wait(l)
	} else {
		l.poll.check(l)
	}
	l.flush()
}

// obeyAll obeys the commands of the inbox, and returns their number.
func (l *Loop) obeyAll() int {
	l.commands = l.inbox.swap(l.commands)
	for i := range l.commands {
		l.obey(&l.commands[i])
		l.commands[i] = command{}
	}
	return len(l.commands)
}

// obeyPosted obeys at once the commands that a handler posted while its connection was
// read, and writes to this connection, which is still in the processor's caches. In a batch
// it leaves that to obeyBatch. Messages to groups wait for the end of the turn, to be
// joined.
func (l *Loop) obeyPosted(id connID, s *slot) {
	if l.in.midFlush || l.inbox.empty() {
		return
	}
	if l.in.batching {
		if l.in.unprocessed++; !l.in.ahead.some && (l.in.unprocessed >= batchReads || l.muchPosted()) {
			l.obeyBatch()
		}
		return
	}
	l.obeyAll()
	if n := len(l.out.dirty) - 1; n >= 0 && l.out.dirty[n] == id && s.alive(id) && s.state&(outArmed|outHeld) == 0 {
		l.out.dirty = l.out.dirty[:n]
		s.state &^= outDirty
		l.flushQueue(id, s)
	}
}

// obeyBatch obeys the commands that handlers of a batch have posted, and writes their
// replies together. The others are for the next turn.
func (l *Loop) obeyBatch() {
	if l.in.midFlush || l.inbox.empty() {
		return
	}
	l.in.unprocessed = 0
	l.obeyAll()
	if len(l.out.dirty) >= ringLeast {
		l.flushQueues()
	}
}

// muchPosted reports whether so many commands are posted that they should be obeyed before
// more is read, for the sake of the processor's caches.
func (l *Loop) muchPosted() bool { return l.inbox.bytes.Load() >= readBytes }

// setPaused stops or starts reading. Bytes that were read and held come first. A connection
// that only waits for the end of the stream is not paused.
func (l *Loop) setPaused(id connID, s *slot, paused bool) {
	if paused == (s.state&inPaused != 0) || paused && s.state&(inMuted|phaseFailed|phaseCloseRead) != 0 {
		return
	}
	s.state ^= inPaused
	if paused {
		s.state &^= inPinged // its pong would not be read
		return
	}
	l.readOn(id, s)
	side := l.slab.ref(id).side
	if side == nil {
		return
	}
	if side.held != nil {
		l.readHeld(id, s)
		if !s.alive(id) {
			return
		}
	}
	if side.pipe != nil {
		side.pipe.readOn()
	}
}

// readOn returns to a connection that the poller reported while it was paused.
func (l *Loop) readOn(id connID, s *slot) {
	if s.state&(inUnread|inPaused) == inUnread {
		s.state &^= inUnread
		l.in.list(id, s)
	}
}

// side has the fields that a connection needs only at times. It is made on first use and
// dropped when none is in use.
type side struct {
	reader   *frame.Reader // in the middle of a message or frame
	out      outbox
	awaiting awaiting // before its first request is complete
	held     []byte   // read before the connection was taken over, until Resume
	pipe     *pipe
	closed   closed  // for the handler's Closed
	ending   *ending // nil: the end has not begun
	taker    taker   // of a parked connection; nil: nobody waits for its output

	contexts *contexts // for the whole life of the connection; nil without context takeover
}

// sideOf is the connection's side, made if it has none.
func (l *Loop) sideOf(id connID) *side {
	r := l.slab.ref(id)
	if r.side == nil {
		r.side = l.spares.side()
	}
	return r.side
}

// dropSide releases a side.
func (l *Loop) dropSide(r *refs) {
	d := r.side
	r.side = nil
	l.spares.keep(d)
}

// spares are sides that wait to be used again.
type spares []*side

// mostSpare is how many spare sides, and how many spare readers, a loop keeps.
const mostSpare = 64

// side returns a spare side, or a new one.
func (p *spares) side() *side {
	n := len(*p)
	if n == 0 {
		return new(side)
	}
	d := (*p)[n-1]
	*p = (*p)[:n-1]
	return d
}

// keep clears a side that is no longer used, or nil, for its next use.
func (p *spares) keep(d *side) {
	if d != nil && len(*p) < mostSpare {
		*d = side{out: outbox{queue: d.out.spare()}}
		*p = append(*p, d)
	}
}

// tidy drops an empty side: an idle connection keeps none.
func (l *Loop) tidy(id connID, s *slot) {
	r := l.slab.ref(id)
	if d := r.side; d != nil && d.reader == nil && d.held == nil && d.pipe == nil && d.taker == nil && d.contexts == nil && d.out.empty() && s.state&(phaseCloseSent|phaseCloseRead|phaseFailed) == 0 {
		l.dropSide(r)
	}
}
