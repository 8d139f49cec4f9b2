package loop

import (
	"errors"
	"math/bits"
	"time"

	"maru.example/maru"
)

// gatherBytes bounds the small frames that are copied together for one write call.
const gatherBytes = 64 << 10

// joinBytes bounds the messages of one group that wait for the end of a batch.
const joinBytes = 256 << 10

// pipeSlack is how many times its limit a pipe's queue may hold while its writer begins.
const pipeSlack = 16

// waiting is bytes in a connection's queue: one frame, or a joined block of them.
type waiting struct {
	bytes    []byte   // shared, not to be changed
	message  *Message // whose end it is when they are written, or nil
	pieces   *Pieces  // of which they are one piece, or nil
	messages int
	since    uint32 // tick
}

// outbox is a connection's queue: the bytes that the socket has not taken yet, in order.
type outbox struct {
	queue    []waiting
	sent     int // bytes of queue[0] that are written
	bytes    int // in all, unsent, with those of the lane
	messages int // in the queue
	allowed  int // bytes of a replay, beyond the bounds, until the queue is empty
	extra    int // messages of a replay, likewise
	lent     int // of the queue's head, with the pipe's writer, or sealed
	lane     *lane
	gone     uint64  // entries of the queue that have left
	drains   []drain // of which each waits for the entries before it
}

// drain is a call of Conn.Drain, which waits until so many entries of a queue have left.
type drain struct {
	done  chan struct{} // closed then, or when the connection ends
	after uint64
}

func (o *outbox) empty() bool { return len(o.queue) == 0 && o.lane == nil }

func (o *outbox) push(w waiting) {
	o.queue = append(o.queue, w)
	o.bytes += len(w.bytes)
	o.messages += w.messages
}

// release takes n written bytes off the head, and returns how many messages these completed. The
// next piece of a message in pieces takes the place of the one before.
func (o *outbox) release(n int, now uint32) (messages int) {
	o.bytes -= n
	n += o.sent
	i := 0
	for i < len(o.queue) && n >= len(o.queue[i].bytes) {
		w := &o.queue[i]
		n -= len(w.bytes)
		if w.written() {
			w.since = now
			o.bytes += len(w.bytes)
			break // nothing behind it was written
		}
		if w.pieces != nil && i+1 < len(o.queue) {
			o.queue[i+1].since = now // it could not leave before
		}
		messages += w.messages
		w.message.recycle()
		i++
	}
	o.sent = n
	o.messages -= messages
	o.gone += uint64(i)
	for len(o.drains) > 0 && o.drains[0].after <= o.gone {
		close(o.drains[0].done)
		o.drains = o.drains[1:]
	}
	o.queue = append(o.queue[:0], o.queue[i:]...)
	clear(o.queue[len(o.queue) : len(o.queue)+i])
	if len(o.queue) == 0 {
		*o = outbox{queue: o.spare(), lane: o.lane, bytes: o.bytes, gone: o.gone, drains: o.drains}
	}
	return messages
}

// spare is the empty queue's memory, if it is little.
func (o *outbox) spare() []waiting {
	if len(o.queue) > 0 || cap(o.queue) > 4 {
		return nil
	}
	return o.queue
}

// drop discards the queue, except a frame that is partly written, or lent.
func (o *outbox) drop() {
	if o.lane != nil {
		o.bytes -= o.lane.bytes
		o.lane = nil
	}
	keep := o.lent
	if keep == 0 && o.sent > 0 {
		keep = 1
	}
	o.truncate(keep)
}

// truncate drops all of the queue but its first n.
func (o *outbox) truncate(n int) {
	for _, w := range o.queue[n:] {
		o.bytes -= len(w.bytes)
		o.messages -= w.messages
	}
	clear(o.queue[n:])
	o.queue = o.queue[:n]
}

// send queues one message for one connection, after the messages of its groups in this
// batch.
func (l *Loop) send(id connID, s *slot, m *Message) {
	l.catchUp(id, s)
	l.queueOne(id, s, waiting{bytes: l.frameFor(id, s, m), message: m, messages: 1})
}

func (l *Loop) sendAll(id connID, s *slot, ms []*Message) {
	l.catchUp(id, s)
	for _, m := range ms {
		b := l.frameFor(id, s, m)
		l.queue(id, s, b, 1)
		out := &l.slab.ref(id).side.out
		out.allowed += len(b)
		out.extra++
	}
}

// frameFor is the message's frame for a connection. The caller must queue it before any
// other.
func (l *Loop) frameFor(id connID, s *slot, m *Message) []byte {
	if s.state&kindTakesOver != 0 && s.state&phaseCloseSent == 0 {
		return l.sideOf(id).contexts.frame(m, s.state&kindClient != 0)
	}
	return l.sharedFrame(s, m)
}

// sharedFrame is the same without a context.
func (l *Loop) sharedFrame(s *slot, m *Message) []byte {
	f := form(s.form.Load()) &^ takesOver
	if s.state&kindClient != 0 {
		return m.masked(f, l.engine.options.DeflateMinBytes)
	}
	return m.frame(f, l.engine.options.DeflateMinBytes)
}

// queue puts bytes into the connection's own queue and lists it for the flush.
// After our close frame nothing follows (RFC 6455 §5.5.1).
func (l *Loop) queue(id connID, s *slot, b []byte, messages int) {
	l.queueOne(id, s, waiting{bytes: b, messages: messages})
}

func (l *Loop) queueOne(id connID, s *slot, w waiting) {
	if s.state&phaseCloseSent != 0 {
		return
	}
	w.since = l.clock.now
	l.sideOf(id).out.push(w)
	s.buffered.Add(int64(len(w.bytes)))
	s.state |= outQueued
	l.out.markDirty(id, s)
}

// flush writes the output of this turn: first the groups' joined blocks, then each queue
// once.
func (l *Loop) flush() {
	for i := 0; i < len(l.fanout.hot); i++ {
		l.flushShard(l.fanout.hot[i])
		l.fanout.hot[i] = nil
	}
	l.fanout.hot = l.fanout.hot[:0]
	l.flushQueues()
	l.observe()
}

// observe counts how long the publications of this batch took, once for each group: the oldest one's
// time, to the end of the batch.
func (l *Loop) observe() {
	if len(l.fanout.births) == 0 {
		return
	}
	now := sinceBorn()
	for _, born := range l.fanout.births {
		l.stats.latency.Observe(time.Duration(now - born))
	}
	l.fanout.births = l.fanout.births[:0]
}

// flushQueues writes each queue that is listed once.
func (l *Loop) flushQueues() {
	many := len(l.out.dirty) >= ringLeast
	for i := 0; ; i++ {
		if i == len(l.out.dirty) || i%pollEvery == pollEvery-1 {
			l.writeListed(l.queueWritten) // which closes slow connections: that lists them again
			if i == len(l.out.dirty) {
				break
			}
			l.pollInFlush()
		}
		id := l.out.dirty[i]
		s := l.slab.slot(id)
		if !s.alive(id) {
			continue
		}
		s.state &^= outDirty
		switch {
		case s.state&(outArmed|outHeld) != 0:
			l.closeIfSlow(id, s)
		case many && l.listQueue(id, s):
			if l.out.ring.full() {
				l.writeListed(l.queueWritten)
			}
		default:
			l.flushQueue(id, s)
		}
	}
	l.out.dirty = l.out.dirty[:0]
}

// listQueue lists a queue of one piece for the ring, and reports whether it did.
func (l *Loop) listQueue(id connID, s *slot) bool {
	ref := l.slab.ref(id)
	if l.out.ring == nil || s.fd < 0 || ref.tls != nil || ref.side == nil {
		return false
	}
	out := &ref.side.out
	if len(out.queue) != 1 || out.lane != nil || out.queue[0].pieces != nil {
		return false
	}
	l.out.list(id, s, &block{bytes: l.out.gather(out)})
	return true
}

// queueWritten: the socket has taken n bytes of a listed queue, or none.
func (l *Loop) queueWritten(c *listed, s *slot, n int, err error) outcome {
	left, more := l.written(c.conn, s, &l.slab.ref(c.conn).side.out, len(c.block.bytes), max(n, 0), err)
	if more {
		l.drained(c.conn, s)
	}
	left.writes++
	return left
}

// flushQueue writes the queue until it is empty or the socket is full.
func (l *Loop) flushQueue(id connID, s *slot) {
	if s.state&outParked != 0 {
		l.offer(id, s)
		return
	}
	ref := l.slab.ref(id)
	if ref.tls != nil {
		l.flushSealed(id, s, ref.tls)
		return
	}
	side := ref.side
	if side == nil {
		return
	}
	if side.pipe != nil {
		l.lend(id, s, side)
		return
	}
	for !side.out.empty() {
		side.refill(l.clock.now)
		b := l.out.gather(&side.out)
		n, err := l.write(int(s.fd), b)
		left, more := l.written(id, s, &side.out, len(b), n, err)
		if l.stats.count(left); !more {
			return
		}
		if side.out.inPieces() {
			l.arm(id, s) // the next piece is for another turn: others are to be served, too
			return
		}
	}
	l.drained(id, s)
}

// written: the socket has taken n of the bytes that it was offered. It returns the outcome,
// and whether the socket takes more.
func (l *Loop) written(id connID, s *slot, out *outbox, of, n int, err error) (left outcome, more bool) {
	if err != nil && !wouldBlock(err) {
		l.unwritable(id, s, err)
		return outcome{}, false
	}
	left = l.release(s, out, n)
	if n < of {
		l.arm(id, s)
		l.closeIfSlow(id, s)
		return left, false
	}
	return left, true
}

// release takes n written bytes off the queue.
func (l *Loop) release(s *slot, out *outbox, n int) outcome {
	before := out.bytes
	messages := out.release(n, l.clock.now)
	s.buffered.Add(int64(out.bytes - before))
	return outcome{deliveries: messages, bytes: n}
}

func (l *Loop) write(fd int, b []byte) (int, error) {
	l.stats.writes.Add(1)
	n, err := l.out.put(fd, b)
	return max(n, 0), err
}

// arm lets the poller report when the socket has room.
func (l *Loop) arm(id connID, s *slot) {
	if s.state&outArmed == 0 {
		s.state |= outArmed
		if s.fd >= 0 {
			l.poll.ask(int(s.fd), id)
		}
		l.lookAt(id, l.patience())
	}
}

// patience is how long a backlog may wait, in ticks: shorter while memory is short.
func (l *Loop) patience() uint32 { return max(l.engine.clock.backlog>>l.out.tight, 2) }

// writable continues the writing after the socket was full.
func (l *Loop) writable(id connID) {
	s := l.slab.slot(id)
	if !s.alive(id) || s.state&outArmed == 0 {
		return
	}
	s.state &^= outArmed
	l.flushQueue(id, s)
}

// drained: the queue is empty.
func (l *Loop) drained(id connID, s *slot) {
	s.state &^= outQueued
	if side := l.slab.ref(id).side; side != nil {
		side.out.closeDrains()
	}
	if s.state&phaseCloseSent != 0 {
		l.closeSent(id, s)
		return
	}
	l.tidy(id, s)
}

func (o *outbox) closeDrains() {
	for _, d := range o.drains {
		close(d.done)
	}
	o.drains = nil
}

// closeIfSlow closes a connection whose backlog is beyond its bounds.
func (l *Loop) closeIfSlow(id connID, s *slot) {
	side := l.slab.ref(id).side
	if side == nil || side.out.empty() || s.state&(phaseCloseSent|outHeld) != 0 {
		return
	}
	o, out := &l.engine.options, &side.out
	queued, age, since := out.bytes, l.engine.clock.backlog, l.clock.now
	if len(out.queue) > 0 {
		since = out.queue[0].since
	}
	if out.lane != nil {
		queued -= out.lane.bytes
		age *= laneAge
	}
	if side.pipe != nil && l.clock.now-since < 2 && queued < pipeSlack*o.BacklogBytes {
		return // its writer has just begun: the socket may have room
	}
	var bound error
	switch tight := l.out.tight; { // a replay, too, and a message in pieces
	case queued > (o.BacklogBytes+out.allowed)>>tight:
		l.stats.slowBytes.Add(1)
		bound = errSlowBytes
	case out.messages > (o.BacklogMessages+out.extra)>>tight:
		l.stats.slowMessages.Add(1)
		bound = errSlowCount
	case l.clock.now-since > max(age>>tight, 1):
		l.stats.slowAge.Add(1)
		bound = errSlowAge
	case out.lane.len() > maru.MaxConflatedKeys, out.bytes-queued > maru.ConflationSlack*o.BacklogBytes>>tight:
		l.stats.slowKeys.Add(1)
		bound = errSlowKeys
	default:
		return
	}
	side.causes(slow(s, bound), false) // before it is dropped
	before := out.bytes
	out.drop()
	s.buffered.Add(int64(out.bytes - before))
	l.fail(id, s, slow(s, bound))
}

// Tighten divides the bounds of backlogs, in bytes, messages and time, by maru.BacklogShortage
// to the power of level, while memory is short; level 0 gives them back. A connection with more
// than that is closed as slow; one that reads notices nothing. A message that is still coming
// has the same bound, and its connection is closed with maru.CodeOverloaded.
func (e *Engine) Tighten(level int) {
	for _, l := range e.loops {
		l.inbox.post(command{do: doTighten, payload: tightness(level * bits.TrailingZeros(maru.BacklogShortage))})
	}
}

func (l *Loop) tighten(by tightness) {
	if l.out.tight = by; by == 0 {
		return
	}
	most := l.engine.options.BacklogBytes >> by
	l.each(phaseConnected, func(id connID, s *slot) {
		if s.state&outArmed != 0 {
			l.closeIfSlow(id, s)
			l.lookAt(id, l.patience()) // it is shorter now
		}
		if side := l.slab.ref(id).side; side != nil && side.reader != nil && side.reader.Held() > most && s.state&phaseCloseSent == 0 {
			l.fail(id, s, closed{code: maru.CodeOverloaded.CloseCode(), reason: string(maru.CodeOverloaded), err: errMemory})
		}
	})
}

var errMemory = errors.New("memory is short, and a large message was still coming")
