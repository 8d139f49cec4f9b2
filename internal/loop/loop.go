package loop

import (
	"maru.example/maru/internal/frame"
)

// Loop is one goroutine and the connections it owns. Only that goroutine touches its
// fields, except the inbox, the atomic parts of the slab and the statistics. What belongs
// together is one part with its own methods; Loop itself holds what needs several parts.
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

// turn is commands, sockets, time, and then one flush of all that this wrote. It sleeps
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
		// Some loop is behind: publish no more for it than there is, but go on
		// writing. Its next take, or the clock's tick, ends this.
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

// obeyAll does what the inbox says, and reports how much that was.
func (l *Loop) obeyAll() int {
	l.commands = l.inbox.swap(l.commands)
	for i := range l.commands {
		l.obey(&l.commands[i])
		l.commands[i] = command{}
	}
	return len(l.commands)
}

// obeyPosted does at once what a handler has posted while its connection was read, and
// writes what that was to the connection itself: it is still in the processor's
// caches. In a batch it leaves that to obeyBatch. What groups got waits for the end of the
// turn, to be joined.
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

// obeyBatch does what some handlers of a batch have posted, and writes their answers together.
// The rest is for the next turn.
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

// muchPosted reports whether the processor's caches are better used for doing what has
// been posted.
func (l *Loop) muchPosted() bool { return l.inbox.bytes.Load() >= readBytes }

// setPaused stops or starts reading. What was read before and held comes first.
// What is only waiting for the end of the stream is not paused any more.
func (l *Loop) setPaused(id connID, s *slot, paused bool) {
	if paused == (s.state&inPaused != 0) || paused && s.state&(inMuted|phaseFailed|phaseCloseRead) != 0 {
		return
	}
	s.state ^= inPaused
	if paused {
		s.state &^= inPinged // its answer would not be read
		return
	}
	l.readOn(id, s)
	side := l.slab.ref(id).side
	if side == nil {
		return
	}
	if held := side.held; held != nil {
		side.held = nil
		l.input(id, s, held)
		if !s.alive(id) {
			return
		}
	}
	if side.pipe != nil {
		side.pipe.readOn()
	}
}

// readOn comes back to a connection that the poller reported while it was not to be
// read.
func (l *Loop) readOn(id connID, s *slot) {
	if s.state&(inUnread|inPaused) == inUnread {
		s.state &^= inUnread
		l.in.list(id, s)
	}
}

// side holds what a connection needs only at times. It is made on first use and
// dropped when nothing of it is needed.
type side struct {
	reader   *frame.Reader // a message or frame is half here
	out      outbox
	awaiting awaiting // while it has not yet said what it wants
	held     []byte   // read before the connection was taken over, until Resume
	pipe     *pipe
	closed   closed // what the handler will receive

	contexts *contexts // for life, where there is any
}

// sideOf is the connection's side, made if it has none.
func (l *Loop) sideOf(id connID) *side {
	r := l.slab.ref(id)
	if r.side == nil {
		r.side = l.spares.side()
	}
	return r.side
}

// dropSide ends the use of a side.
func (l *Loop) dropSide(r *refs) {
	d := r.side
	r.side = nil
	l.spares.keep(d)
}

// spares are sides that wait to be used again.
type spares []*side

// mostSpare is how many spare sides, and how many spare readers, a loop keeps.
const mostSpare = 64

// side is a spare one, or a new one.
func (p *spares) side() *side {
	n := len(*p)
	if n == 0 {
		return new(side)
	}
	d := (*p)[n-1]
	*p = (*p)[:n-1]
	return d
}

// keep clears a side, which may be nil and is not used any more, for its next use.
func (p *spares) keep(d *side) {
	if d != nil && len(*p) < mostSpare {
		*d = side{out: outbox{queue: d.out.spare()}}
		*p = append(*p, d)
	}
}

// tidy drops an empty side: an idle connection keeps none.
func (l *Loop) tidy(id connID, s *slot) {
	r := l.slab.ref(id)
	if d := r.side; d != nil && d.reader == nil && d.held == nil && d.pipe == nil && d.contexts == nil && d.out.empty() && s.state&(phaseCloseSent|phaseCloseRead|phaseFailed) == 0 {
		l.dropSide(r)
	}
}
