package loop

import "maru.example/maru/internal/frame"

// readBytes is the size of a loop's one read buffer: at most so many bytes of a connection
// are read before the next one is.
const readBytes = 64 << 10

// reading is the part of a loop that reads its connections.
type reading struct {
	rules   [4]frame.Rules // by client and deflate: see rulesOf
	buffer  []byte         // of every socket in turn
	scratch *frame.Reader  // reads for every connection that is between frames
	readers []*frame.Reader

	ready      []connID // to be read in the next turn: unread input, pipes, records inside crypto/tls
	spareReady []connID // memory for the next such list

	batching    bool  // so many connections can be read that their replies are written together
	ahead       ahead // the bytes of a batch that were read with one call
	unprocessed int   // reads of a batch since the commands of their handlers were obeyed
	serving     bool  // the loop reads the sockets that the poller reported
	midFlush    bool  // the same, in the middle of a flush
}

func newReading(o *Options, sockets bool) reading {
	in := reading{scratch: new(frame.Reader)}
	if sockets {
		in.buffer = make([]byte, readBytes)
	}
	for i := range in.rules {
		in.rules[i] = o.rulesFor(i&1 != 0, i&2 != 0)
	}
	return in
}

func (in *reading) rulesOf(s *slot) *frame.Rules {
	i := 0
	if s.state&kindClient != 0 {
		i |= 1
	}
	if form(s.form.Load()) != plainForm {
		i |= 2
	}
	return &in.rules[i]
}

// list puts a connection on the ready list.
func (in *reading) list(id connID, s *slot) {
	if s.state&inListed == 0 {
		s.state |= inListed
		in.ready = append(in.ready, id)
	}
}

// swapReady returns the ready list and begins another one. The caller gives the memory of
// the first back with keepReady.
func (in *reading) swapReady() []connID {
	ready := in.ready
	in.ready = in.spareReady[:0]
	return ready
}

func (in *reading) keepReady(ready []connID) { in.spareReady = ready[:0] }

// forget takes the reader from the connection and keeps it for another one.
func (in *reading) forget(ref *refs, r *frame.Reader) {
	r.Reset()
	if r == in.scratch {
		return
	}
	if ref.side != nil {
		ref.side.reader = nil
	}
	if len(in.readers) < mostSpare {
		in.readers = append(in.readers, r)
	}
}

// giveScratch gives the scratch reader, which is in the middle of a frame, to a connection;
// another one takes its place.
func (in *reading) giveScratch() *frame.Reader {
	r := in.scratch
	if n := len(in.readers); n > 0 {
		in.scratch, in.readers = in.readers[n-1], in.readers[:n-1]
	} else {
		in.scratch = new(frame.Reader)
	}
	return r
}
