package loop

// ringSends is how many sockets one call sends to, at most: enough to pay, and little enough
// that a stop of the world, which waits for the call, is not seen (0.3 ms).
const ringSends = 64

// ringLeast is to how many, or from how many, it pays.
const ringLeast = 8

// batchReads is how many connections of a batch are read in a row, before what their handlers
// have posted is taken: enough for what that needs to stay in the processor's caches, and
// so few that their own memory does, too.
const batchReads = 16

// listed is a member whose block is prepared in the loop's ring, or a connection whose
// queue's next bytes are.
type listed struct {
	conn  connID
	block block
}

// writeListed sends what is listed and tells of each what the socket has taken. Nothing may
// come to the connections in between.
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
