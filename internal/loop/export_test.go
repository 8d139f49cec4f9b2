package loop

import "fmt"

// Leftovers counts the slots, buffered bytes and memberships that ended connections should
// have released. The engine must have ended.
func (e *Engine) Leftovers() (slots int, bytes int64, memberships int) {
	for _, l := range e.loops {
		chunks := l.slab.chunks.Load()
		if chunks == nil {
			continue
		}
		slots += len(*chunks)*chunkSlots - len(l.slab.free)
		for _, c := range *chunks {
			for i := range c.slots {
				bytes += c.slots[i].buffered.Load()
			}
		}
		memberships += len(l.fanout.links.all)
		for n := l.fanout.links.free; n != 0; n = l.fanout.links.all[n-1].next {
			memberships--
		}
	}
	return slots, bytes, memberships
}

// Heartbeats is how many connections have a pace of their own. The engine must be at rest.
func (e *Engine) Heartbeats() (n int) {
	for _, l := range e.loops {
		n += len(l.clock.heartbeats)
	}
	return n
}

// CheckTurns checks the state of every connection after every turn of every loop, from now
// on.
func CheckTurns() {
	afterTurn = func(l *Loop) {
		if err := l.check(); err != nil {
			panic(err)
		}
	}
}

// check reports what is wrong with a loop between two turns.
func (l *Loop) check() error {
	if n := len(l.out.dirty); n > 0 {
		return fmt.Errorf("%d queues are not flushed", n)
	}
	chunks := l.slab.chunks.Load()
	if chunks == nil {
		return nil
	}
	for _, c := range *chunks {
		for i := range c.slots {
			if err := c.slots[i].check(); err != nil {
				return err
			}
		}
	}
	return nil
}

// SlotsInUse is how many slots each loop has given out.
func (e *Engine) SlotsInUse() []int {
	var in []int
	for _, l := range e.loops {
		l.slab.mu.Lock()
		n := -len(l.slab.free)
		if chunks := l.slab.chunks.Load(); chunks != nil {
			n += len(*chunks) * chunkSlots
		}
		l.slab.mu.Unlock()
		in = append(in, n)
	}
	return in
}

// Lane is a connection's lane, by strings.
type Lane struct{ lane lane }

func NewLane() *Lane { return new(Lane) }

func (n *Lane) Put(key, value string) { n.lane.put(laneKey{key: key}, []byte(value)) }
func (n *Lane) Take() string          { return string(n.lane.pop()) }
func (n *Lane) Len() int              { return n.lane.len() }
func (n *Lane) Bytes() int            { return n.lane.bytes }
