package loop

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// Handshaker is how loops receive new connections, whose first bytes are a request in
// HTTP/1.1.
type Handshaker struct {
	// MaxHeaderBytes bounds the first header block. A connection with a longer one, or with
	// a method other than GET, goes to Other.
	MaxHeaderBytes int
	// HeaderTimeout is the time for the first header block to arrive; then the connection
	// is closed.
	HeaderTimeout time.Duration
	// Arrives is called for each connection that is accepted, and Arrived once when its request is
	// decided on, it is with Other, or it has ended; with the value that Arrives has returned. If
	// ok is false the connection is closed at once. They run on loops and must not block. nil: all
	// are taken.
	Arrives func(peer netip.AddrPort) (holder uint32, ok bool)
	Arrived func(holder uint32)
	// Upgrade receives a connection whose first header block is complete, and reports
	// whether it takes it. With false the connection goes to Other. It runs on the
	// connection's loop and must not block. Work that may block runs in a goroutine, while
	// the connection waits.
	Upgrade func(*Accepted) bool
	// Other receives every other connection, with the bytes that were read of it, in a
	// goroutine of its own.
	Other func(nc net.Conn, read []byte)
	// Failed is called when accepting has to pause, once until every waiting connection is
	// accepted. It is also called when a connection is lost because it could not be watched
	// or passed to Other, once until one succeeds.
	Failed func(err error)
}

// Accepted is a connection of a loop whose first header block has arrived. If Upgrade takes
// it, the caller then calls Engine.Open with the result of Accepted.NetConn, or Refuse.
type Accepted struct {
	Head   []byte         // the header block with its blank line; valid only during Upgrade
	Behind []byte         // the bytes after it, likewise
	Remote netip.AddrPort //
	Local  net.Addr       // of the listener
	// Gone, if Upgrade sets it, is called on the loop when the peer ends its side before the
	// connection is opened or refused. It may be called more than once, and must not wait.
	Gone func()

	conn Conn
	fd   int
}

// Refuse writes a response and closes the connection once the peer has it.
func (a *Accepted) Refuse(answer []byte) {
	e := a.conn.loop.engine
	e.live.Add(1) // it ends as other connections do
	if !a.conn.loop.inbox.post(command{do: doRefuse, conn: a.conn.id, payload: httpAnswer(answer)}) {
		e.live.Add(-1)
	}
}

// upgrade makes it a WebSocket, on its loop and in its slot.
func (a *Accepted) upgrade(buffered []byte, p Params, build func(Conn) Handler) Conn {
	l := a.conn.loop
	l.slab.slot(a.conn.id).form.Store(p.form())
	l.engine.live.Add(1)
	l.inbox.post(command{do: doOpen, conn: a.conn.id, payload: &opening{fd: a.fd, buffered: buffered, params: p, handler: build(a.conn)}})
	return a.conn
}

// NetConn stands for the connection where callers pass a net.Conn on to Engine.Open. It
// cannot be read or written.
func (a *Accepted) NetConn() net.Conn { return acceptedConn{a} }

type acceptedConn struct{ *Accepted }

var errAcceptedConn = errors.New("the connection is with its loop")

func (a acceptedConn) Read([]byte) (int, error)  { return 0, errAcceptedConn }
func (a acceptedConn) Write([]byte) (int, error) { return 0, errAcceptedConn }
func (a acceptedConn) Close() error {
	a.conn.loop.inbox.post(command{do: doAbandon, conn: a.conn.id})
	return nil
}
func (a acceptedConn) LocalAddr() net.Addr              { return a.Local }
func (a acceptedConn) RemoteAddr() net.Addr             { return net.TCPAddrFromAddrPort(a.Remote) }
func (a acceptedConn) SetDeadline(time.Time) error      { return nil }
func (a acceptedConn) SetReadDeadline(time.Time) error  { return nil }
func (a acceptedConn) SetWriteDeadline(time.Time) error { return nil }

// Detach returns a connection that can be read and written: nc itself, or the connection that a
// NetConn stands for, taken from its loop. It may wait for the loop, and is not for loops.
func Detach(nc net.Conn) (net.Conn, error) {
	a, ok := nc.(acceptedConn)
	if !ok {
		return nc, nil
	}
	reply := make(chan net.Conn, 1)
	if a.conn.loop.inbox.post(command{do: doDetach, conn: a.conn.id, payload: detached(reply)}) {
		if nc := <-reply; nc != nil {
			return nc, nil
		}
	}
	return nil, net.ErrClosed
}

// detach gives up a connection whose request is decided on.
func (l *Loop) detach(id connID, s *slot, reply detached) {
	if !s.alive(id) || s.state&phaseAwaiting == 0 {
		reply <- nil
		return
	}
	fd := int(s.fd)
	l.poll.remove(fd)
	s.fd = -1
	l.closeAwaiting(id, s)
	nc, _ := netConn(fd) // nil if descriptors are short, or the peer has gone
	reply <- nc
}

// listening is one listener in one loop's epoll set.
type listening struct {
	fd          int
	local       net.Addr
	handshaking *handshaking
	timeout     uint32 // HeaderTimeout in ticks

	paused uint32 // tick at which accepting is tried again; 0: it is not paused
	short  bool   // it has paused since this loop last emptied the accept queue
}

// accepting is a loop's part in listeners.
type accepting struct {
	listeners []*listening // by number; nil: removed
}

// add returns the listener's number.
func (a *accepting) add(n *listening) int {
	a.listeners = append(a.listeners, n)
	return len(a.listeners) - 1
}

// remove reports whether there was a listener with this descriptor. The numbers of the
// others stay.
func (a *accepting) remove(fd int) bool {
	for i, n := range a.listeners {
		if n != nil && n.fd == fd {
			a.listeners[i] = nil
			return true
		}
	}
	return false
}

// closeAll closes every listener.
func (a *accepting) closeAll() {
	for _, n := range a.listeners {
		if n != nil {
			closeSocket(n.fd)
		}
	}
	a.listeners = nil
}

// handshaking is a Handshaker in use, by all loops.
type handshaking struct {
	Handshaker
	waiting, lost failure
}

func newHandshaking(r Handshaker) *handshaking {
	if r.Arrives == nil {
		r.Arrives, r.Arrived = func(netip.AddrPort) (uint32, bool) { return 0, true }, func(uint32) {}
	}
	return &handshaking{Handshaker: r}
}

// failure is an operation that can fail repeatedly. Its failure is reported once until it
// succeeds.
type failure struct{ reported atomic.Bool }

func (f *failure) report(err error, failed func(error)) {
	if f.reported.CompareAndSwap(false, true) {
		failed(err)
	}
}

func (f *failure) over() { f.reported.Store(false) }

// acceptedSocket is a connection on its way to a loop.
type acceptedSocket struct {
	fd        int
	holder    uint32 // see Handshaker.Arrives
	remote    netip.AddrPort
	listening *listening
}

// await adds a connection and waits for its request. If bytes have arrived already the
// poller reports them; the caller may read them earlier.
func (l *Loop) await(a acceptedSocket) connID {
	c, n := l.slab.allocate(l), a.listening
	s := l.slab.slot(c.id)
	s.fd, s.seen, s.pinged, s.links, s.state = int32(a.fd), l.clock.now, 0, 0, phaseAwaiting
	l.sideOf(c.id).awaiting = awaiting{listening: n, remote: a.remote, holder: a.holder}
	if err := l.poll.add(a.fd, c.id); err != nil {
		n.handshaking.lost.report(err, n.handshaking.Failed)
		l.closeAwaiting(c.id, s)
		return c.id
	}
	l.lookAt(c.id, n.timeout)
	return c.id
}

// awaiting is the state of a connection before its first header block is complete, in the
// side of its slot.
type awaiting struct {
	listening *listening
	remote    netip.AddrPort
	head      []byte
	holder    uint32 // see Handshaker.Arrives
	deciding  bool   // the header block is complete and with Upgrade
	gone      func() // called if the peer goes meanwhile; nil: nothing
}

// headEnd is the length of the header block with its blank line, 0 while it is not
// complete. The block does not end before from. net/http also takes bare LF (RFC 9112
// §2.2).
func headEnd(b []byte, from int) int {
	for i := from; ; {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		switch rest := b[i:]; {
		case bytes.HasPrefix(rest, []byte("\n")):
			return i + 1
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return i + 2
		}
	}
}

// WithoutEmptyLines removes empty lines before a request, which old clients send behind a body
// (RFC 9112 §2.2). A CR alone may become one.
func WithoutEmptyLines(b []byte) []byte {
	for {
		switch {
		case bytes.HasPrefix(b, []byte("\r\n")):
			b = b[2:]
		case bytes.HasPrefix(b, []byte("\n")):
			b = b[1:]
		default:
			return b
		}
	}
}

// mayBecomeGet reports whether the bytes so far can be the beginning of a GET. A CR may become an
// empty line before it.
func mayBecomeGet(b []byte) bool {
	if len(b) == 1 && b[0] == '\r' {
		return true
	}
	const get = "GET "
	n := min(len(b), len(get))
	return string(b[:n]) == get[:n]
}

// readRequest takes more bytes of a first request.
func (l *Loop) readRequest(id connID, s *slot, p []byte) {
	awaiting := &l.slab.ref(id).side.awaiting
	handshaking := awaiting.listening.handshaking
	head, from := p, 0
	if awaiting.head != nil {
		from = max(len(awaiting.head)-2, 0) // a blank line may have begun
		awaiting.head = append(awaiting.head, p...)
		head = awaiting.head
	}
	head = WithoutEmptyLines(head) // there are some only while from is 0
	end := headEnd(head, from)
	size := end
	if end == 0 {
		size = len(head)
	}
	switch {
	case !mayBecomeGet(head), size > handshaking.MaxHeaderBytes:
		l.passOn(id, s, head)
	case end == 0:
		if awaiting.head == nil {
			head = append(make([]byte, 0, 2*len(p)), head...)
		}
		awaiting.head = head
	default:
		awaiting.deciding = true
		awaiting.head = nil
		s.state |= inPaused
		a := &Accepted{Head: head[:end], Behind: head[end:], Remote: awaiting.remote, Local: awaiting.listening.local, conn: Conn{l, id}, fd: int(s.fd)}
		if !handshaking.Upgrade(a) {
			l.passOn(id, s, head)
		} else {
			awaiting.gone = a.Gone
		}
	}
}

var errReset = errors.New("the peer has reset the connection")

// passOn gives the connection to Handshaker.Other, as a net.Conn.
func (l *Loop) passOn(id connID, s *slot, read []byte) {
	handshaking, fd := l.slab.ref(id).side.awaiting.listening.handshaking, int(s.fd)
	read = bytes.Clone(read)
	l.poll.remove(fd)
	s.fd = -1
	e := l.engine
	e.arriving.Add(1) // until Other has it
	l.closeAwaiting(id, s)
	go func() {
		defer e.arriving.Add(-1)
		nc, err := netConn(fd)
		if err == errReset {
			return
		}
		if err != nil {
			handshaking.lost.report(err, handshaking.Failed)
			return
		}
		handshaking.lost.over()
		handshaking.Other(nc, read)
	}()
}

// arrived: a connection is not awaiting any more.
func (l *Loop) arrived(id connID) {
	a := &l.slab.ref(id).side.awaiting
	l.engine.arrived(a.listening.handshaking, a.holder)
}

func (e *Engine) arrived(h *handshaking, holder uint32) {
	e.arriving.Add(-1)
	h.Arrived(holder)
}

// closeAwaiting ends a connection that never became a WebSocket; it has no handler
// yet.
func (l *Loop) closeAwaiting(id connID, s *slot) {
	l.arrived(id)
	if s.fd >= 0 {
		closeSocket(int(s.fd))
	}
	ref := l.slab.ref(id)
	l.dropSide(ref)
	*ref = refs{}
	s.state, s.fd = 0, -1
	*l.slab.due(id) = 0
	l.slab.release(id.index())
}

// refuse writes an HTTP response in place of a close frame, and then ends the connection as
// a failed one.
func (l *Loop) refuse(id connID, s *slot, answer []byte) {
	l.arrived(id)
	s.state = phaseConnected | s.state&(inUnread|inListed)
	l.slab.ref(id).side.awaiting = awaiting{}
	s.setClosing(id)
	l.queue(id, s, answer, 0)
	s.state |= phaseFailed | phaseCloseSent
	s.pinged = l.clock.now
	l.lookAt(id, l.engine.clock.closing)
	l.readOn(id, s)
}

// checkAwaiting closes a connection whose first request takes too long.
func (l *Loop) checkAwaiting(id connID, s *slot, awaiting *awaiting) {
	if awaiting.deciding {
		return // the decision has timeouts of its own
	}
	if waited, timeout := l.clock.now-s.seen, awaiting.listening.timeout; waited < timeout {
		l.lookAt(id, timeout-waited)
		return
	}
	l.closeAwaiting(id, s)
}
