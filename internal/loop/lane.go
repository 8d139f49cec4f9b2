package loop

// lane is the part of a connection's queue in which only the newest message of each
// key waits: what comes from groups that conflate (Engine.NewLatestGroup). What is
// newer takes the place of what it makes stale, so that the order is that of first
// changes and no key has to wait for ever.
//
//	groups that conflate ─→ lane: one message for each key ─┐ laneBytes at a time, when
//	                                                        ▼ there is nothing else to write
//	all else ────────────────────────────────────────────→ queue ─→ socket
//
// So replies and publications of which none may be missing do not wait behind it.
type lane struct {
	waits []keyed            // from first on
	first int                // those before have left
	gone  uint64             // how many left before waits[0]
	at    map[laneKey]uint64 // gone + index; of one that has left it may be there still
	bytes int
}

// laneKey names what only the newest of is wanted.
type laneKey struct {
	shard *shard
	key   string
}

type keyed struct {
	laneKey
	bytes []byte
}

const (
	// laneAge is how many times a backlog's age a lane may have. Slow connections are what
	// it is for; maru.MaxConflatedKeys and maru.ConflationSlack bound what it holds.
	laneAge = 4
	// laneBytes is how much leaves the lane at a time. What has left it is not conflated
	// any more.
	laneBytes = 16 << 10
)

func (n *lane) len() int {
	if n == nil {
		return 0
	}
	return len(n.waits) - n.first
}

// put lets the message wait, and reports how many bytes more those are, and whether
// it took the place of another.
func (n *lane) put(k laneKey, b []byte) (more int, conflated bool) {
	if seq, known := n.at[k]; known && seq >= n.gone+uint64(n.first) {
		old := &n.waits[seq-n.gone]
		more = len(b) - len(old.bytes)
		old.bytes = b
		n.bytes += more
		return more, true
	}
	if n.at == nil {
		n.at = make(map[laneKey]uint64)
	}
	if len(n.at) > 2*n.len()+64 { // mostly of those that have left
		n.prune()
	}
	n.at[k] = n.gone + uint64(len(n.waits))
	n.waits = append(n.waits, keyed{k, b})
	n.bytes += len(b)
	return len(b), false
}

// prune forgets those that have left.
func (n *lane) prune() {
	n.waits = append([]keyed(nil), n.waits[n.first:]...)
	n.gone += uint64(n.first)
	n.first = 0
	for k, seq := range n.at {
		if seq < n.gone {
			delete(n.at, k)
		}
	}
}

// pop is the message that waits longest.
func (n *lane) pop() []byte {
	w := &n.waits[n.first]
	b := w.bytes
	n.bytes -= len(b)
	*w = keyed{}
	n.first++
	return b
}

// without is the lane without what waits of a group; nil, if that is nothing.
func (n *lane) without(sh *shard) *lane {
	var rest *lane
	for _, w := range n.waits[n.first:] {
		if w.shard != sh {
			if rest == nil {
				rest = new(lane)
			}
			rest.put(w.laneKey, w.bytes)
		}
	}
	return rest
}

// refill moves what waits in the lane to an empty queue, as much as is next to be
// written; settle, all of it.
func (d *side) refill(now uint32) {
	if o := &d.out; o.lane != nil && len(o.queue) == 0 {
		d.unload(now, laneBytes)
	}
}

func (d *side) settle(now uint32) {
	if d.out.lane != nil {
		d.unload(now, d.out.lane.bytes+1)
	}
}

func (d *side) unload(now uint32, bytes int) {
	d.contexts.forget()
	o := &d.out
	for o.lane.len() > 0 && bytes > 0 {
		b := o.lane.pop()
		bytes -= len(b)
		o.queue = append(o.queue, waiting{bytes: b, messages: 1, since: now})
		o.messages++
	}
	if o.lane.len() == 0 {
		o.lane = nil
	}
}

// leaveLane drops what waits of a group that a connection leaves.
func (o *outbox) leaveLane(sh *shard) (bytes int) {
	if o.lane == nil {
		return 0
	}
	before := o.lane.bytes
	if o.lane = o.lane.without(sh); o.lane != nil {
		before -= o.lane.bytes
	}
	o.bytes -= before
	return before
}

// conflate lets a message of a group that conflates wait for a connection.
func (l *Loop) conflate(id connID, s *slot, sh *shard, m *Message) {
	if s.state&phaseCloseSent != 0 {
		return
	}
	out := &l.sideOf(id).out
	if out.lane == nil {
		out.lane = new(lane)
	}
	more, conflated := out.lane.put(laneKey{sh, m.key}, l.sharedFrame(s, m))
	out.bytes += more
	s.buffered.Add(int64(more))
	if conflated {
		l.stats.conflated.Add(1)
	}
	s.state |= outQueued
	l.out.markDirty(id, s)
}

// conflateRest keeps what a socket did not take of the block of a group that
// conflates: the rest of a message that has begun to leave, and of each key the
// newest.
func (l *Loop) conflateRest(id connID, s *slot, sh *shard, n int, err error) {
	if err != nil && !wouldBlock(err) {
		l.unwritable(id, s, err)
		return
	}
	for _, m := range sh.log {
		b := l.sharedFrame(s, m)
		switch {
		case n >= len(b):
			n -= len(b)
			l.stats.deliveries.Add(1)
		case n > 0:
			l.queue(id, s, b, 1)
			l.stats.count(l.release(s, &l.slab.ref(id).side.out, n))
			n = 0
		default:
			l.conflate(id, s, sh, m)
		}
	}
	l.arm(id, s)
}
