package loop

// Leftovers is what connections that are gone should have given back: slots,
// bytes counted as buffered, and memberships. The engine must have ended.
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
func (n *Lane) Take() string          { return string(n.lane.take()) }
func (n *Lane) Len() int              { return n.lane.len() }
func (n *Lane) Bytes() int            { return n.lane.bytes }
