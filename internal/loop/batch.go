package loop

// ringSends is how many sockets one call sends to, at most. A stop of the world waits for
// the call, which takes at most 0.3 ms with this number.
const ringSends = 64

// ringLeast is the least number of sockets for which a call of the ring is faster.
const ringLeast = 8

// batchReads is how many connections of a batch are read before the commands of their
// handlers are obeyed. It is large enough that the code of each step stays in the
// processor's caches, and small enough that the connections' memory does.
const batchReads = 16

// listed is a member whose block is prepared in the loop's ring, or a connection with the
// next bytes of its queue prepared there.
type listed struct {
	conn  connID
	block block
}

// writeListed sends all listed bytes, and calls sent for each connection with the number
// that its socket has taken. Nothing may happen to the connections between listing and
// writing.
func (l *Loop) writeListed(sent func(c *listed, s *slot, n int, err error) outcome) {
	if l.out.ring == nil || l.out.ring.n == 0 {
		return
	}
	all := l.out.listed[:l.out.ring.n]
	results := l.out.ring.submit()
	var sum outcome
	for i := range all {
		c := &all[i]
		s := l.slab.slot(c.conn)
		var n int
		var err error
		if i < len(results) {
			n, err = asResult(results[i])
		} else {
			n, err = l.out.put(int(s.fd), c.block.bytes)
		}
		sum = sum.and(sent(c, s, n, err))
	}
	l.stats.count(sum)
	clear(all)
	if len(results) < len(all) {
		l.out.closeRing()
	}
}
