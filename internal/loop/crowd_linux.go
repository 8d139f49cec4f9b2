package loop

import (
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Where many connections can be read (Loop.crowd), the loop takes them in groups of
// heard:
//
//	warm ─→ readAhead: one call reads them all ─→ each: frames, Handler.Message
//	                                                          │ posts
//	         one call writes to them all ←─ hear: commands ←──┘
//
// Between readAhead and hear no command is obeyed: nothing happens to a connection whose
// bytes have been read and not yet been looked at.

// aheadBytes is how much of a connection is then read; who has said more is read again
// in the next turn, alone.
const aheadBytes = readBytes / heard

// notRead is the result of a connection that was not read ahead.
const notRead = math.MinInt32

// ahead is what was read of a group of events, by their places.
type ahead struct {
	some    bool // anything at all
	results [heard]int32
	bytes   []byte // aheadBytes for each
}

func newAhead() ahead { return ahead{bytes: make([]byte, heard*aheadBytes)} }

func (a *ahead) at(i int) []byte {
	return a.bytes[i*aheadBytes : (i+1)*aheadBytes : (i+1)*aheadBytes]
}

// warm looks at what reading these connections needs. The kernel's work for the ones
// before has pushed it out of the caches; looked at in a row it is fetched for all at
// once, else each would be waited for in its turn. Somebody may be writing there, so the
// race detector is not asked; what is found is of no use.
//
//go:norace
func (l *Loop) warm(events []unix.EpollEvent) {
	for i := range events {
		if events[i].Fd < 0 {
			continue
		}
		id := connID(events[i].Fd)
		s := l.slab.slot(id)
		l.in.prefetched += uint8(s.life.Load()) + uint8(s.state) // its two ends
		if h := (*[2]*uint8)(unsafe.Pointer(&l.slab.ref(id).handler))[1]; h != nil {
			l.in.prefetched += *h
		}
	}
}

// readAhead reads, of a crowd, those who have only said something. Who came, who leaves,
// who is under TLS or not to be read is looked at in its turn.
func (l *Loop) readAhead(events []unix.EpollEvent) {
	l.in.ahead.some = false
	if l.out.ring == nil {
		return
	}
	var places [heard]int
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
	if n < ringLeast { // each is read in its turn, and answered while it is in the caches
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

// wasRead takes in what was read ahead.
func (l *Loop) wasRead(id connID, s *slot, i int) {
	n, err := asResult(l.in.ahead.results[i])
	if n == aheadBytes {
		l.in.list(id, s)
	}
	l.said(id, s, l.in.ahead.at(i), n, err)
}
