package loop

import (
	"fmt"
	"net"
)

// A parked connection has no socket yet: it belongs to a client of long polling, which fetches
// what waits, and may bring a socket later. It is in groups, has a backlog with the usual bounds,
// heartbeats and a place in a loop as any other, and no goroutine:
//
//	Send, Group.Append ─→ outbox ─→ Conn.Take: the frames that wait, for the response of a poll
//	                             ╰→ after Conn.Attach: the socket
//
// What waits is whole frames of a server, uncompressed, so that they mean the same to either.
// Nothing is read before Attach: the owner receives by requests of its own.

// OpenParked makes a parked connection. p has no Preface and no Compression; the handler is as
// for Open. It fails with net.ErrClosed after Shutdown.
func (e *Engine) OpenParked(p Params, build func(Conn) Handler) (Conn, error) {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.draining {
		return Conn{}, fmt.Errorf("open connection: %w", net.ErrClosed)
	}
	l := e.loops[e.turn.Add(1)%uint32(len(e.loops))]
	c := l.slab.allocate(l)
	l.slab.slot(c.id).form.Store(p.form())
	e.live.Add(1)
	l.inbox.post(command{do: doOpen, conn: c.id, payload: &opening{fd: -1, parked: true, params: p, handler: build(c)}})
	return c, nil
}

// Take asks a parked connection for what waits. take is called once, when something waits, with
// its frames; with nil when the connection ends or gets a socket, or when another Take comes. It
// runs on the loop and must not block; the frames are its own.
func (c Conn) Take(take func(frames []byte)) {
	if c.loop == nil || !c.loop.inbox.post(command{do: doTake, conn: c.id, payload: taker(take)}) {
		take(nil)
	}
}

// Attach gives a parked connection its socket, past its handshake: what waits and all that
// follows is written there, and it is read from now on. buffered has bytes that were read and not
// used. Of p only Compression and Inflater count: what waits already stays uncompressed, which any
// peer takes (RFC 7692 §6). The engine closes nc from here on.
func (c Conn) Attach(nc net.Conn, buffered []byte, p Params) error {
	fd, over, err := -1, (*transport)(nil), error(nil)
	if c.loop == nil {
		err = ErrClosed
	} else if c.loop.sockets {
		fd, over, err = takeSocket(nc)
	}
	if err != nil {
		nc.Close()
		return fmt.Errorf("attach connection: %w", err)
	}
	if fd >= 0 {
		nc = nil // closed by takeSocket: the socket lives on as fd
	}
	o := &opening{fd: fd, tls: over, nc: nc, buffered: buffered, params: p}
	if !c.loop.inbox.post(command{do: doAttach, conn: c.id, payload: o}) {
		o.abandon()
		return fmt.Errorf("attach connection: %w", ErrClosed)
	}
	return nil
}

// abandon closes what was to become a connection's socket.
func (o *opening) abandon() {
	if o.nc != nil {
		go o.nc.Close() // TLS may write
	} else if o.fd >= 0 {
		closeSocket(o.fd)
	}
}

// taker is a call of Conn.Take that waits.
type taker func(frames []byte)

// take notes a taker, or serves it at once.
func (l *Loop) take(id connID, s *slot, t taker) {
	if s.state&outParked == 0 {
		t(nil)
		return
	}
	side := l.sideOf(id)
	side.taker.refuse()
	side.taker = t
	l.out.markDirty(id, s)
}

func (t taker) refuse() {
	if t != nil {
		t(nil)
	}
}

// offer gives all that waits to the taker, if there is one. After our close frame the connection
// ends: there is no peer that could answer it.
func (l *Loop) offer(id connID, s *slot) {
	side := l.slab.ref(id).side
	if side == nil {
		return
	}
	if side.taker == nil || side.out.empty() {
		l.closeIfSlow(id, s)
		l.tidy(id, s)
		return
	}
	side.settle(l.clock.now)
	frames := make([]byte, 0, side.out.bytes)
	for _, w := range side.out.queue {
		frames = append(frames, w.bytes...)
	}
	t := side.taker
	side.taker = nil
	l.stats.count(l.release(s, &side.out, len(frames)))
	s.state &^= outQueued
	t(frames)
	if s.state&phaseCloseSent != 0 {
		l.end(id, s, side.closed)
		return
	}
	side.out.closeDrains()
	l.tidy(id, s)
}

// attach gives a parked connection its socket.
func (l *Loop) attach(id connID, s *slot, o *opening) {
	if s.state&outParked == 0 || s.state&phaseCloseSent != 0 {
		o.abandon()
		return
	}
	r := l.slab.ref(id)
	if r.side != nil {
		r.side.taker.refuse()
		r.side.taker = nil
	}
	s.state &^= outParked
	s.fd, s.seen = int32(o.fd), l.clock.now
	s.form.Store(o.params.form())
	if o.params.Compression.Takeover {
		s.state |= kindTakesOver
	}
	l.remember(id, o.params)
	if r.tls = o.tls; o.tls != nil {
		s.state |= kindTLS
	}
	if o.fd >= 0 && l.fanout.conflates(s) {
		keepFresh(o.fd)
	}
	if !l.watch(id, o) {
		return
	}
	l.lookAt(id, l.engine.clock.ping)
	l.out.markDirty(id, s)
	if len(o.buffered) > 0 {
		l.receive(id, s, o)
	}
}
