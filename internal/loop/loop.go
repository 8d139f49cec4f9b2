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
	}
	l.cutAll()
}

// turn is commands, sockets, time, and then one flush of all that this wrote. It sleeps
// only if nothing has been posted since (see inbox.take).
func (l *Loop) turn() {
	l.clock.tick(l.engine.clock.now())
	told := l.obeyAll()
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
	l.feed()
	if told == 0 && len(l.out.dirty) == 0 && len(l.in.ready) == 0 && !l.clock.scanning() && l.inbox.sleeps() {
		l.poll.wait(l)
	} else {
		l.poll.look(l)
	}
	l.flush()
}

// obeyAll does what the inbox says, and reports how much that was.
func (l *Loop) obeyAll() int {
	l.commands = l.inbox.take(l.commands)
	for i := range l.commands {
		l.obey(&l.commands[i])
		l.commands[i] = command{}
	}
	return len(l.commands)
}

// react does at once what a handler has posted while its connection was read, and
// writes what that was to the connection itself: it is still in the processor's
// caches. With a crowd it leaves that to hear. What groups got waits for the end of the
// turn, to be joined.
func (l *Loop) react(id connID, s *slot) {
	if l.in.midFlush || l.inbox.empty() {
		return
	}
	if l.in.batching {
		if l.in.unprocessed++; !l.in.ahead.some && (l.in.unprocessed >= heard || l.muchPosted()) {
			l.hear()
		}
		return
	}
	l.obeyAll()
	if n := len(l.out.dirty) - 1; n >= 0 && l.out.dirty[n] == id && s.alive(id) && s.state&(stArmed|stHeld) == 0 {
		l.out.dirty = l.out.dirty[:n]
		s.state &^= stDirty
		l.flushQueue(id, s)
	}
}

// hear does what some handlers of a crowd have posted, and writes their answers together.
// The rest is for the next turn.
func (l *Loop) hear() {
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

func (l *Loop) obey(c *command) {
	switch c.do {
	case doOpen:
		l.opened(c.conn, c.more.open)
		return
	case doAppend:
		l.append(c.shard, c.message, c.conn)
		return
	case doTighten:
		l.tighten(c.more.written)
		return
	case doCloseAll:
		l.closeAll(c.more.why)
		return
	case doStop:
		l.stopped = true
		return
	case doArrive:
		l.arrived(c.more.arrival)
		return
	case doListen:
		l.listen(c.more.listen)
		return
	case doUnlisten:
		l.unlisten(c.more.written)
		return
	}
	s := l.slab.slot(c.conn)
	if c.do == doSend || c.do == doSendAll {
		s.buffered.Add(-int64(c.size)) // from here the queue counts it
	}
	if s.alive(c.conn) && s.state&stLobby != 0 {
		switch c.do {
		case doRefuse:
			l.refuse(c.conn, s, c.more.data)
		case doForget:
			l.dismiss(c.conn, s)
		}
		return
	}
	if !s.alive(c.conn) || s.state&stReady == 0 {
		switch c.do {
		case doJoin:
			c.shard.members.Add(-1)
		case doDrain:
			close(c.more.drained)
		}
		return
	}
	switch c.do {
	case doSend:
		l.send(c.conn, s, c.message)
	case doSendAll:
		l.sendAll(c.conn, s, c.more.messages)
	case doDrain:
		if s.state&stQueued == 0 {
			close(c.more.drained)
		} else {
			side := l.sideOf(c.conn)
			side.drains = append(side.drains, c.more.drained)
		}
	case doClose:
		l.startClose(c.conn, s, c.more.why, c.more.data)
	case doFarewell:
		l.farewell(c.conn, s, c.more.why, c.more.data)
	case doTerminate:
		l.end(c.conn, s, closed{code: closeAbnormal, err: errTerminated})
	case doStart:
		s.state &^= stHeld
		l.out.markDirty(c.conn, s)
	case doPause:
		l.setPaused(c.conn, s, true)
	case doResume:
		l.setPaused(c.conn, s, false)
	case doJoin:
		l.join(c.conn, s, c.shard)
	case doLeave:
		l.leave(c.conn, s, c.shard)
	case doRead:
		l.pipeRead(c.conn, s, c.more.data, c.more.why.err)
	case doWritten:
		l.pipeWritten(c.conn, s, c.more.written, c.more.why.err)
	case doLose:
		l.lost(c.conn, s, c.more.why.err)
	case doFail:
		s.state &^= stMute
		l.fail(c.conn, s, c.more.why)
	case doAnswer:
		s.state &^= stMute
		l.closeRead(c.conn, s, c.more.why)
	}
}

// opened takes a connection over.
func (l *Loop) opened(id connID, o *opening) {
	s := l.slab.slot(id)
	inLobby := s.state&stLobby != 0
	s.fd, s.seen, s.pinged, s.links = int32(o.fd), l.clock.now, 0, 0
	s.state = stReady | s.state&(stUnread|stHungry)
	if o.tls != nil {
		s.state |= stTLS
	}
	if o.params.Client {
		s.state |= stClient
	}
	if o.params.Held {
		s.state |= stHeld
	}
	if o.params.Paused {
		s.state |= stPaused
	}
	if o.params.Recovers {
		s.state |= stRecovers
	}
	if o.params.Takeover {
		s.state |= stTakesOver
	}
	first := l.engine.clock.ping
	if o.params.Stream {
		s.state |= stStream
		s.pinged, first = l.clock.now, l.engine.clock.beat
		if s.fd >= 0 {
			giveUp(int(s.fd), laneAge*l.engine.options.BacklogAge) // it is asked for no answer; who has vanished acknowledges nothing
		}
	}
	r := l.slab.ref(id)
	r.handler, r.tls = o.handler, o.tls
	if o.nc != nil {
		l.newPipe(id, o.nc)
	} else if inLobby {
		l.dropSide(r)
		l.readOn(id, s)
	} else if err := l.poll.add(o.fd, id); err != nil {
		l.end(id, s, closed{code: closeAbnormal, err: err})
		return
	}
	if o.params.Takeover || o.params.PeerBits > 0 {
		l.sideOf(id).contexts = newContexts(o.params)
	}
	l.lookAt(id, first)
	if len(o.params.Preface) > 0 {
		l.enqueue(id, s, o.params.Preface, 0)
	}
	switch {
	case o.params.Paused && len(o.buffered) > 0:
		l.sideOf(id).held = o.buffered
	case o.params.Paused:
	case len(o.buffered) > 0:
		l.input(id, s, o.buffered)
	}
	if o.tls != nil {
		l.in.list(id, s)
	}
}

// setPaused stops or starts reading. What was read before and held comes first.
// What is only waiting for the end of the stream is not paused any more.
func (l *Loop) setPaused(id connID, s *slot, paused bool) {
	if paused == (s.state&stPaused != 0) || paused && s.state&(stMute|stDeaf|stCloseRead) != 0 {
		return
	}
	s.state ^= stPaused
	if paused {
		s.state &^= stPinged // its answer would not be heard
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

// readOn comes back to a connection of which the poller has told while it was not to be
// read.
func (l *Loop) readOn(id connID, s *slot) {
	if s.state&(stUnread|stPaused) == stUnread {
		s.state &^= stUnread
		l.in.list(id, s)
	}
}

// side holds what a connection needs only at times. It is made on first use and
// dropped when nothing of it is needed.
type side struct {
	reader *frame.Reader // a message or frame is half here
	out    outbox
	drains []chan struct{} // closed when the queue is empty, or never will be
	lobby  lobby           // while it has not yet said what it wants
	held   []byte          // read before the connection was taken over, until Resume
	pipe   *pipe
	closed closed // what the handler will be told

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
	if d := r.side; d != nil && d.reader == nil && d.held == nil && d.pipe == nil && d.contexts == nil && d.out.empty() && s.state&(stCloseSent|stCloseRead|stDeaf) == 0 {
		l.dropSide(r)
	}
}
