package loop

// ringSends is how many sockets one call sends to: enough to pay, and little enough that
// a stop of the world, which waits for the call, is not seen (0.3 ms).
const ringSends = 64

// ringLeast is the size of a group from which on it pays.
const ringLeast = 8

// listed is a member whose block is prepared in the loop's ring.
type listed struct {
	conn  connID
	block block
}

// list prepares a member's block to be sent with those of others.
func (l *Loop) list(id connID, s *slot, b *block) {
	l.listed[l.ring.n] = listed{id, *b}
	l.ring.prepare(int(s.fd), b.bytes)
}

// sendListed sends what is listed. Nothing may come to the members in between.
func (l *Loop) sendListed(sh *shard) (sum outcome) {
	if l.ring == nil || l.ring.n == 0 {
		return outcome{}
	}
	members := l.listed[:l.ring.n]
	results := l.ring.send()
	for i := range members {
		m := &members[i]
		s := l.slab.slot(m.conn)
		var n int
		var err error
		if i < len(results) {
			n, err = asSent(results[i])
		} else {
			n, err = l.put(int(s.fd), m.block.bytes)
		}
		sum = sum.and(l.delivered(m.conn, s, sh, &m.block, n, err))
	}
	clear(members)
	if len(results) < len(members) {
		l.closeRing()
	}
	return sum
}

func (l *Loop) closeRing() {
	if l.ring != nil {
		l.ring.close()
		l.ring = nil
	}
}
