package loop

import (
	"math"

	"golang.org/x/sys/unix"
)

// Where many connections can be read (reading.batching), the loop takes them in groups of
// batchReads:
//
//	readAhead: one call reads them all ─→ each: frames, Handler.Message
//	                                                 │ posts
//	         one call writes to them all ←─ obeyBatch: commands ←──┘
//
// Between readAhead and obeyBatch no command is obeyed: nothing happens to a connection
// whose bytes have been read and not yet processed.

// aheadBytes is how many bytes of a connection are then read. A connection with more is
// read again in the next turn, alone.
const aheadBytes = readBytes / batchReads

// notRead is the result of a connection that was not read ahead.
const notRead = math.MinInt32

// ahead has the bytes that were read for a group of events, by their places.
type ahead struct {
	some    bool // at least one connection was read
	results [batchReads]int32
	bytes   []byte // aheadBytes for each
}

func newAhead() ahead { return ahead{bytes: make([]byte, batchReads*aheadBytes)} }

func (a *ahead) at(i int) []byte {
	return a.bytes[i*aheadBytes : (i+1)*aheadBytes : (i+1)*aheadBytes]
}

// readAhead reads those connections of a batch that only have input. A connection that is
// new, ending, paused or under TLS is handled in its turn.
func (l *Loop) readAhead(events []unix.EpollEvent) {
	l.in.ahead.some = false
	if l.out.ring == nil {
		return
	}
	var places [batchReads]int
	for i := range events {
		ev := &events[i]
		l.in.ahead.results[i] = notRead
		if ev.Fd < 0 || ev.Events&^unix.EPOLLOUT != unix.EPOLLIN {
			continue
		}
		id := newConnID(uint32(ev.Fd), uint32(ev.Pad))
		s := l.slab.slot(id)
		if s.alive(id) && s.state&(phaseConnected|phaseAwaiting|kindTLS|inPaused|phasePeerShut|inListed) == phaseConnected {
			places[l.out.ring.n] = i
			l.out.ring.prepare(opReceive, int(s.fd), l.in.ahead.at(i))
		}
	}
	n := l.out.ring.n
	if n < ringLeast { // each is read in its turn, and written to while it is in the caches
		l.out.ring.forget()
		return
	}
	results := l.out.ring.submit()
	for k, result := range results {
		l.in.ahead.results[places[k]] = result
	}
	l.in.ahead.some = len(results) > 0
	if len(results) < n {
		l.out.closeRing()
	}
}

// wasRead processes the bytes that were read ahead.
func (l *Loop) wasRead(id connID, s *slot, i int) {
	n, err := asResult(l.in.ahead.results[i])
	if n == aheadBytes {
		l.in.list(id, s)
	}
	l.said(id, s, l.in.ahead.at(i), n, err)
}
