package loop

// lane is the part of a connection's queue in which only the newest message of each key
// waits, for groups that conflate (Engine.NewLatestGroup). A newer message takes the place
// of the one it replaces. So the order is that of first changes, and no key waits for ever.
//
//	groups that conflate ─→ lane: one message for each key ─┐ laneBytes at a time, when
//	                                                        ▼ there is nothing else to write
//	all else ────────────────────────────────────────────→ queue ─→ socket
//
// So replies, and publications that may not be dropped, do not wait behind it.
type lane struct {
	waits []keyed            // from first on
	first int                // those before have left the lane
	gone  uint64             // how many have left before waits[0]
	at    map[laneKey]uint64 // gone + index; may still have messages that have left
	bytes int
}

// laneKey is a key of one group: only its newest message waits.
type laneKey struct {
	shard *shard
	key   string
}

type keyed struct {
	laneKey
	bytes []byte
}

const (
	// laneAge is how many times a backlog's age a lane may have, since lanes are made for
	// slow connections. maru.MaxConflatedKeys and maru.ConflationSlack bound its size.
	laneAge = 4
	// laneBytes is how many bytes leave the lane at a time. A message that has left it can
	// no longer be replaced.
	laneBytes = 16 << 10
)

func (n *lane) len() int {
	if n == nil {
		return 0
	}
	return len(n.waits) - n.first
}

// put adds the message. It returns by how many bytes the lane grew, and whether the message
// replaced another.
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
	if len(n.at) > 2*n.len()+64 { // mostly messages that have left
		n.prune()
	}
	n.at[k] = n.gone + uint64(len(n.waits))
	n.waits = append(n.waits, keyed{k, b})
	n.bytes += len(b)
	return len(b), false
}

// prune removes the keys of messages that have left.
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

// pop removes and returns the message that waits longest.
func (n *lane) pop() []byte {
	w := &n.waits[n.first]
	b := w.bytes
	n.bytes -= len(b)
	*w = keyed{}
	n.first++
	return b
}

// without is the lane without the messages of a group; nil if it is empty.
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

// refill moves the next laneBytes of the lane to an empty queue; settle moves all of it.
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

// leaveLane drops the waiting messages of a group that a connection leaves.
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

// conflate adds a message of a group that conflates to a connection's lane.
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
		sh.conflated.Add(1)
	}
	s.state |= outQueued
	l.out.markDirty(id, s)
}

// conflateRest keeps the part of a conflating group's block that a socket did not take: the
// rest of a partly written message, and the newest message of each key.
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
