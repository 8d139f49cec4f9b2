package loop

import (
	"sync/atomic"

	"maru.example/maru/internal/frame"
)

// readBytes is the size of a loop's one read buffer: a connection is read at
// most so much before it is another's turn.
const readBytes = 64 << 10

// Loop is one goroutine and the connections it owns. Its fields, but for the
// inbox and the slab's mutex-guarded part, are touched by that goroutine only.
type Loop struct {
	engine  *Engine
	inbox   inbox
	slab    slab
	poll    poller
	put     func(fd int, b []byte) (int, error) // writeSocket
	ring    *ring                               // sends to many; nil: put does
	listed  [ringSends]listed
	sockets bool   // the poller can watch sockets; else every connection is a pipe
	now     uint32 // ticks that this loop has lived through: see tick
	ticked  uint32 // the engine's tick at the last turn

	refs    []*[chunkSlots]refs // the slab's, as last seen
	rules   [4]frame.Rules      // by client and deflate: see rulesOf
	scratch *frame.Reader       // reads for every connection that is between frames
	spare   []*frame.Reader
	rbuf    []byte
	wbuf    []byte
	sbuf    []byte // for records of TLS

	tight int // backlog bounds are divided by 1<<tight: see Engine.Tighten

	links  links    // memberships, see group.go
	hot    []*shard // groups with messages in this batch
	logged uint64   // counts the messages in their logs
	dirty  []connID // connections with a queue to flush at the end of the batch
	hungry []connID // to be read in the next turn, told or not: what was left unread, pipes, what waits inside crypto/tls
	fed    []connID // memory for the next such list

	crowd    bool      // so many can be read that answers to them are written together
	ahead    ahead     // of a crowd, what was read with one call
	behind   int       // reads of a crowd since their handlers were heard
	serving  bool      // it reads the sockets that can be read
	flushing bool      // that in the middle of a flush
	commands []command // what was taken from the inbox last
	sides    []*side   // spare ones
	warmth   uint8     // what warm finds: unused, it would not look

	scanned   uint32 // tick of the last scan
	scanAt    int    // the slot at which it goes on; 0: it is done
	listeners []*listening
	stopped   bool
	stats     struct {
		read, written                              atomic.Uint64
		writes, deliveries, joins, conflated       atomic.Uint64
		slowBytes, slowMessages, slowAge, slowKeys atomic.Uint64
	}
}

func newLoop(e *Engine) *Loop {
	l := &Loop{
		engine:  e,
		poll:    newPoller(e.options.Goroutines),
		put:     writeSocket,
		scratch: new(frame.Reader),
		wbuf:    make([]byte, 0, gatherBytes),
	}
	if _, none := l.poll.(bell); !none {
		l.sockets = true
		l.rbuf = make([]byte, readBytes)
		if !e.options.NoRing {
			l.ring, l.ahead = newRing(), newAhead()
		}
	}
	for i := range l.rules {
		l.rules[i] = e.options.rulesFor(i&1 != 0, i&2 != 0)
	}
	l.inbox.bound = e.options.InboxBytes
	l.inbox.wake = l.poll.wake
	return l
}

// run turns until doStop.
func (l *Loop) run() {
	defer l.poll.close()
	defer l.inbox.close()
	defer l.closeRing()
	for !l.stopped {
		l.turn()
	}
	l.cutAll()
}

// turn is commands, sockets, time, and then one flush of all that this wrote. It sleeps
// only if nothing has been posted since (see inbox.take).
func (l *Loop) turn() {
	l.tick()
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
	if told == 0 && len(l.dirty) == 0 && len(l.hungry) == 0 && !l.scanning() && l.inbox.sleeps() {
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
	if l.flushing || l.inbox.empty() {
		return
	}
	if l.crowd {
		if l.behind++; !l.ahead.some && (l.behind >= heard || l.muchPosted()) {
			l.hear()
		}
		return
	}
	l.obeyAll()
	if n := len(l.dirty) - 1; n >= 0 && l.dirty[n] == id && s.alive(id) && s.state&(stArmed|stHeld) == 0 {
		l.dirty = l.dirty[:n]
		s.state &^= stDirty
		l.flushQueue(id, s)
	}
}

// hear does what some handlers of a crowd have posted, and writes their answers together.
// The rest is for the next turn.
func (l *Loop) hear() {
	if l.flushing || l.inbox.empty() {
		return
	}
	l.behind = 0
	l.obeyAll()
	if len(l.dirty) >= ringLeast {
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
		l.markDirty(c.conn, s)
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
	s.fd, s.seen, s.pinged, s.links = int32(o.fd), l.now, 0, 0
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
		s.pinged, first = l.now, l.engine.clock.beat
		if s.fd >= 0 {
			giveUp(int(s.fd), laneAge*l.engine.options.BacklogAge) // it is asked for no answer; who has vanished acknowledges nothing
		}
	}
	r := l.ref(id)
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
		l.hunger(id, s)
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
	side := l.ref(id).side
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
		l.hunger(id, s)
	}
}

// hunger lists a connection to be read in the next turn.
func (l *Loop) hunger(id connID, s *slot) {
	if s.state&stHungry == 0 {
		s.state |= stHungry
		l.hungry = append(l.hungry, id)
	}
}

func (l *Loop) ref(id connID) *refs {
	index := id.index()
	if int(index/chunkSlots) >= len(l.refs) {
		l.refs = l.slab.sides()
	}
	return &l.refs[index/chunkSlots][index%chunkSlots]
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

func (l *Loop) sideOf(id connID) *side {
	r := l.ref(id)
	if r.side == nil {
		if n := len(l.sides); n > 0 {
			r.side, l.sides = l.sides[n-1], l.sides[:n-1]
		} else {
			r.side = new(side)
		}
	}
	return r.side
}

// mostSpare is how many spare sides and readers a loop keeps.
const mostSpare = 64

// dropSide ends the use of a side. It is the last to use it.
func (l *Loop) dropSide(r *refs) {
	d := r.side
	r.side = nil
	if d != nil && len(l.sides) < mostSpare {
		*d = side{out: outbox{queue: d.out.spare()}}
		l.sides = append(l.sides, d)
	}
}

// tidy drops an empty side: an idle connection keeps none.
func (l *Loop) tidy(id connID, s *slot) {
	r := l.ref(id)
	if d := r.side; d != nil && d.reader == nil && d.held == nil && d.pipe == nil && d.contexts == nil && d.out.empty() && s.state&(stCloseSent|stCloseRead|stDeaf) == 0 {
		l.dropSide(r)
	}
}
