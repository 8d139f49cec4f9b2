package loop

import (
	"sync/atomic"
	"time"

	"maru.example/maru/internal/frame"
)

// clock is the engine's coarse time: ticks since its start. A connection stores
// a tick when it reads; nothing is armed or moved for it (engine's measurements:
// a timer each costs 138 bytes and 44 ns a reset, a scan of 1M ticks 0.6 ms).
type clock struct {
	ticks atomic.Uint32
	every time.Duration
	// The options' durations in ticks, rounded up, plus one: a tick that has
	// just begun counts as none.
	ping, pong, closing, backlog, second uint32
	heartbeat                            uint32 // see pace
}

func newClock(o Options) *clock {
	least := 4 * time.Second
	for _, d := range []time.Duration{o.PingInterval, o.PingTimeout, o.CloseTimeout, o.BacklogAge, o.HeartbeatInterval} {
		if d > 0 {
			least = min(least, d)
		}
	}
	every := max(least/16, time.Millisecond)
	c := &clock{every: every}
	c.pong, c.closing, c.backlog, c.second = c.in(o.PingTimeout), c.in(o.CloseTimeout), c.in(o.BacklogAge), c.in(time.Second)
	c.heartbeat = c.pace(o.HeartbeatInterval)
	if o.PingInterval > 0 {
		c.ping = c.in(o.PingInterval)
	}
	return c
}

func (c *clock) in(d time.Duration) uint32 { return uint32((d+c.every-1)/c.every) + 1 }

// pace is a duration in ticks, rounded up, and at least one.
func (c *clock) pace(d time.Duration) uint32 { return max(c.in(d)-1, 1) }

func (c *clock) now() uint32 { return c.ticks.Load() }

// run ticks and wakes the loops, which may have something to look at.
func (c *clock) run(stop <-chan struct{}, loops []*Loop) {
	t := time.NewTicker(c.every)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
			c.ticks.Add(1)
			for _, l := range loops {
				l.poll.wake()
			}
		}
	}
}

// mostTicks is how many ticks may pass for a loop from one turn to the next: a
// quarter of the shortest of the options' times, see newClock.
const mostTicks = 4

// schedule is a loop's own time, in ticks, and how far its scan of it has come.
type schedule struct {
	now     uint32 // ticks that this loop has lived through: see tick
	ticked  uint32 // the engine's tick at the last turn
	scanned uint32 // tick of the last scan
	scanAt  int    // the slot at which it goes on; 0: it is done

	heartbeats map[uint32]*heartbeat // by slot, of connections that have a pace of their own
}

// heartbeat is the pace of one connection, and when it had the last.
type heartbeat struct{ every, last uint32 }

// setHeartbeat gives a connection a pace of its own, which it returns.
func (c *schedule) setHeartbeat(id connID, every uint32) uint32 {
	if c.heartbeats == nil {
		c.heartbeats = make(map[uint32]*heartbeat)
	}
	c.heartbeats[id.index()] = &heartbeat{every, c.now}
	return every
}

// tick takes the loop's time on to the engine's. A loop that stood still, because a
// callback held it up or the machine did, has read nothing and written nothing meanwhile:
// that time is nobody's silence and nobody's slowness. When the whole process stands
// still its ticker drops ticks, to the same effect.
func (c *schedule) tick(engine uint32) {
	passed := engine - c.ticked
	c.ticked += passed
	c.now += min(passed, mostTicks)
}

// scanning reports whether the scan of this tick has connections left to look at.
func (c *schedule) scanning() bool { return c.scanAt != 0 }

// reached reports whether a tick has come.
func (c *schedule) reached(tick uint32) bool { return int32(c.now-tick) >= 0 }

// lookAt asks for a look at the connection after so many ticks, unless an
// earlier one is due. 0 ticks asks for none.
func (l *Loop) lookAt(id connID, ticks uint32) {
	if ticks == 0 {
		return
	}
	due := l.slab.due(id)
	at := max(l.clock.now+ticks, 1)
	if *due == 0 || int32(at-*due) < 0 {
		*due = at
	}
}

// mostLooks is how many connections a turn looks at, to each of which it may send a
// ping: those who came at once, after a restart, are all due at once, and what there is
// to publish or to read is not to wait for all of them. It is twice as many with each
// tick that the scan lasts, so that turns that are long themselves come to its end.
const mostLooks = 64

// scan looks at every connection whose look is due, once a tick: at the first of them
// in this turn, at others in the turns that follow.
func (l *Loop) scan() {
	if !l.clock.scanning() {
		if l.clock.now == l.clock.scanned {
			return
		}
		l.clock.scanned = l.clock.now
		l.resumeListeners()
	}
	chunks := l.slab.chunks.Load()
	if chunks == nil {
		return
	}
	looks := mostLooks << min(l.clock.now-l.clock.scanned, 16)
	for n := l.clock.scanAt / chunkSlots; n < len(*chunks); n++ {
		c := (*chunks)[n]
		for i := l.clock.scanAt % chunkSlots; i < chunkSlots; i++ {
			if due := c.due[i]; due != 0 && l.clock.reached(due) {
				if looks == 0 {
					l.clock.scanAt = n*chunkSlots + i
					return
				}
				looks--
				c.due[i] = 0
				id := newConnID(uint32(n*chunkSlots+i), uint32(c.slots[i].life.Load()>>2))
				l.checkTime(id, &c.slots[i])
			}
		}
		l.clock.scanAt = (n + 1) * chunkSlots
	}
	l.clock.scanAt = 0
}

var pingMessage = NewMessage(frame.Ping, nil)

// checkTime is where time does something to a connection: the end of a close that
// takes too long, of a backlog that is too old, of a peer that is silent after a
// ping; and a ping after a silence.
func (l *Loop) checkTime(id connID, s *slot) {
	c := l.engine.clock
	if s.state&phaseAwaiting != 0 {
		l.checkAwaiting(id, s, &l.slab.ref(id).side.awaiting)
		return
	}
	if s.state&phaseCloseSent != 0 {
		limit := c.closing
		if s.state&(outQueued|phaseFailed) == outQueued {
			limit = max(limit, c.backlog) // what was sent before the close is still leaving
		}
		if waited := l.clock.now - s.pinged; waited < limit {
			l.lookAt(id, limit-waited)
			return
		}
		why := l.slab.ref(id).side.closed
		if why.err == nil && s.state&phaseCloseRead == 0 {
			why = closed{code: closeAbnormal, err: errNoAnswer}
		}
		l.end(id, s, why)
		return
	}
	if s.state&outArmed != 0 {
		l.closeIfSlow(id, s)
		if s.state&phaseCloseSent != 0 {
			return
		}
		if !s.framing().heartbeats {
			s.pinged = l.clock.now // a ping may wait behind what the socket refuses: the time for its answer has not begun
		}
		l.lookAt(id, max(min(c.backlog/8, c.pong/4), 1))
	}
	if s.state&kindHeartbeat != 0 {
		l.heartbeat(id, s)
	}
	if c.ping != 0 && !s.framing().heartbeats {
		l.ping(id, s)
	}
}

// ping sends a ping after a silence, and ends a connection that is silent after it.
func (l *Loop) ping(id connID, s *slot) {
	c := l.engine.clock
	silent := l.clock.now - s.seen
	switch {
	case s.state&inPinged != 0:
		if waited := l.clock.now - s.pinged; waited < c.pong {
			l.lookAt(id, min(c.pong-waited, c.ping)) // the answer may come, and then the next ping is due
			return
		}
		if l.readLast(id, s) {
			l.lookAt(id, min(c.pong, c.ping))
		} else if s.alive(id) {
			l.end(id, s, closed{code: closeAbnormal, err: errSilent})
		}
	case silent < c.ping || s.state&inPaused != 0:
		l.lookAt(id, max(c.ping-min(silent, c.ping), 1))
	default:
		l.send(id, s, pingMessage)
		s.state |= inPinged
		s.pinged = l.clock.now
		l.lookAt(id, min(c.pong, c.ping))
	}
}

// heartbeat lets a connection show a sign of life when it is time. Bytes that the socket
// still refuses are one too, to a client that reads at last.
func (l *Loop) heartbeat(id connID, s *slot) {
	every, last := l.engine.clock.heartbeat, &s.pinged
	if own := l.clock.heartbeats[id.index()]; own != nil {
		every, last = own.every, &own.last
	}
	if waited := l.clock.now - *last; waited < every {
		l.lookAt(id, every-waited)
		return
	}
	*last = l.clock.now
	l.lookAt(id, every)
	if s.state&(outArmed|outHeld) != 0 {
		return
	}
	if m := l.slab.ref(id).handler.(HeartbeatHandler).Heartbeat(); m != nil {
		l.send(id, s, m)
	}
}

// readLast reads what a connection may have said that is to be ended for its
// silence: the answer may lie unread where the loop did not get to it. It reports
// whether the connection is to live on.
func (l *Loop) readLast(id connID, s *slot) bool {
	if s.fd >= 0 {
		l.readable(id, true)
		return s.alive(id) && s.state&inPinged == 0
	}
	if l.slab.ref(id).side.pipe.reading {
		return false
	}
	s.pinged = l.clock.now
	return true
}
