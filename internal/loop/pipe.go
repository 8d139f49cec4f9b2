package loop

import "net"

// pipe is the transport of a connection without a socket of the loop's own. A goroutine
// reads and passes its bytes to the loop, one read at a time. Another one writes while the
// queue is not empty. To the loop it is a socket that is full until its writer reports.
type pipe struct {
	loop *Loop
	id   connID
	nc   net.Conn
	next chan struct{} // the reader may read on; closed to end it

	reading bool // the reader may read, or its bytes are not processed yet
}

// pipeReadBytes is the buffer of each pipe's reader.
const pipeReadBytes = 4 << 10

func (l *Loop) newPipe(id connID, nc net.Conn) {
	p := &pipe{loop: l, id: id, nc: nc, next: make(chan struct{}, 1)}
	l.sideOf(id).pipe = p
	l.engine.running.Go(p.read)
	if l.slab.slot(id).state&inPaused == 0 {
		p.readOn()
	}
}

// readOn lets the reader read once more, unless it is reading. It has one buffer, which
// belongs to the loop from the end of a read until pipeRead is done.
func (p *pipe) readOn() {
	if !p.reading {
		p.reading = true
		p.next <- struct{}{} // has room: the reader has taken the value before
	}
}

func (p *pipe) read() {
	b := make([]byte, pipeReadBytes)
	for range p.next {
		n, err := p.nc.Read(b)
		if !p.loop.inbox.post(command{do: doRead, conn: p.id, payload: &pipeRead{b[:n], err}}) || err != nil {
			return
		}
	}
}

// pipeRead processes the bytes of a reader.
func (l *Loop) pipeRead(id connID, s *slot, data []byte, err error) {
	p := l.slab.ref(id).side.pipe
	p.reading = false
	if len(data) > 0 {
		l.input(id, s, data)
		if !s.alive(id) {
			return
		}
	}
	if err != nil {
		l.lost(id, s, err)
		return
	}
	l.in.list(id, s)
}

// readReady reads the connections of the ready list: see reading.ready.
func (l *Loop) readReady() {
	ready := l.in.swapReady() // a connection may be listed again
	for _, id := range ready {
		s := l.slab.slot(id)
		if !s.alive(id) {
			continue
		}
		s.state &^= inListed
		switch {
		case s.fd >= 0:
			l.readable(id, true)
		case s.state&(phaseConnected|inPaused) == phaseConnected:
			l.slab.ref(id).side.pipe.readOn()
		}
	}
	l.in.keepReady(ready)
}

// lend gives the whole queue to a writer. It stays in the queue until it is
// written.
func (l *Loop) lend(id connID, s *slot, side *side) {
	if side.out.empty() {
		l.drained(id, s)
		return
	}
	side.refill(l.clock.now)
	buffers := make(net.Buffers, 0, len(side.out.queue))
	for _, w := range side.out.queue {
		buffers = append(buffers, w.bytes)
		if w.pieces != nil {
			break // its next piece follows
		}
	}
	side.out.lent = len(buffers)
	l.arm(id, s)
	l.stats.writes.Add(1)
	p := side.pipe
	l.engine.running.Go(func() { p.write(buffers) })
}

// write writes the buffers with as few calls as possible: small ones are copied together,
// so that TLS makes one record of them.
func (p *pipe) write(buffers net.Buffers) {
	var written int
	var err error
	for len(buffers) > 0 && err == nil {
		b := buffers[0]
		buffers = buffers[1:]
		if len(b) < gatherBytes/4 && len(buffers) > 0 {
			joined := append(make([]byte, 0, gatherBytes/4), b...)
			for len(buffers) > 0 && len(joined)+len(buffers[0]) <= cap(joined) {
				joined = append(joined, buffers[0]...)
				buffers = buffers[1:]
			}
			b = joined
		}
		var n int
		n, err = p.nc.Write(b)
		written += n
	}
	p.loop.inbox.post(command{do: doWritten, conn: p.id, payload: &pipeWrite{written, err}})
}

// pipeWritten: the writer is done.
func (l *Loop) pipeWritten(id connID, s *slot, n int, err error) {
	side := l.slab.ref(id).side
	side.out.lent = 0
	l.stats.count(l.release(s, &side.out, n))
	s.state &^= outArmed
	if err != nil {
		l.unwritable(id, s, err)
		return
	}
	l.flushQueue(id, s)
}

// shut ends our half of the stream, so that the peer sees its end.
func (p *pipe) shut() {
	if half, ok := p.nc.(interface{ CloseWrite() error }); ok {
		p.loop.engine.running.Go(func() { half.CloseWrite() })
		return
	}
	p.nc.Close()
}

// close ends both halves, and the reader. It runs in a goroutine, since TLS may write a
// close_notify.
func (p *pipe) close() {
	close(p.next)
	p.loop.engine.running.Go(func() { p.nc.Close() })
}
