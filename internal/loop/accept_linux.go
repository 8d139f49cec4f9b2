package loop

import (
	"errors"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// acceptBatch is how many connections a loop accepts in one turn.
const acceptBatch = 64

// deferAccept is for how many seconds the kernel holds back a connection without input
// (TCP_DEFER_ACCEPT, tcp(7)). A client that sends first, as all HTTP clients do, is then
// accepted with its request, and read at once. So the loop wakes twice for it, not three
// times. One second is the least. A connection that is silent for longer is accepted as
// without this option.
const deferAccept = 1

// Receive lets the loops accept from l, all from the same queue. ok is false if l is no
// plain TCP or Unix listener: then nothing has happened. stop ends the accepting; l itself
// stays open until its owner closes it.
func (e *Engine) Receive(l net.Listener, r Handshaker) (stop func(), ok bool) {
	switch l.(type) {
	case *net.TCPListener, *net.UnixListener:
	default:
		return nil, false
	}
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, false
	}
	var fds []int
	closeAll := func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
	}
	for _, loop := range e.loops {
		if !loop.sockets {
			closeAll()
			return nil, false
		}
		err := errors.ErrUnsupported
		raw.Control(func(old uintptr) {
			var fd int
			if fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0); err == nil {
				fds = append(fds, fd)
			}
		})
		if err != nil {
			closeAll()
			return nil, false
		}
	}
	if _, tcp := l.(*net.TCPListener); tcp {
		unix.SetsockoptInt(fds[0], unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) // accepted sockets inherit it, tcp(7)
		unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
		unix.SetsockoptInt(fds[0], unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, deferAccept)
	}
	used := newHandshaking(r)
	for i, loop := range e.loops {
		if !loop.inbox.post(command{do: doListen, payload: &listening{
			fd: fds[i], local: l.Addr(), handshaking: used, timeout: e.clock.in(r.HeaderTimeout),
		}}) {
			unix.Close(fds[i])
		}
	}
	return func() {
		for i, loop := range e.loops {
			if !loop.inbox.post(command{do: doUnlisten, payload: descriptor(fds[i])}) {
				continue // the loop has ended, and has closed it
			}
		}
	}, true
}

// listen adds a listener. One of the waiting loops wakes for each connection
// (EPOLLEXCLUSIVE). Events are level-triggered, so that another loop accepts when one is
// busy.
func (l *Loop) listen(n *listening) {
	if err := l.poll.(*epoll).listen(n.fd, l.accept.add(n)); err != nil {
		n.handshaking.Failed(err)
	}
}

func (l *Loop) unlisten(fd int) {
	if l.accept.remove(fd) {
		l.poll.remove(fd) // closing does not remove it while other loops have the listener
		unix.Close(fd)
	}
}

// acceptable accepts the connections that wait at a listener.
func (l *Loop) acceptable(number int) {
	n := l.accept.listeners[number]
	if n == nil || n.paused != 0 {
		return
	}
	for range acceptBatch {
		if l.accept.listeners[number] != n {
			return // a handler has removed it in between: see obeyPosted
		}
		fd, from, err := acceptSocket(n.fd)
		switch {
		case err == nil:
			holder, ok := n.handshaking.Arrives(from)
			if !ok {
				unix.Close(fd)
				continue
			}
			l.engine.arriving.Add(1)
			l.assign(acceptedSocket{fd: fd, holder: holder, remote: from, listening: n})
		case err == unix.EINTR, err == unix.ECONNABORTED:
		case wouldBlock(err):
			if n.short { // a loop that never paused could end the report late, in the next shortage
				n.short = false
				n.handshaking.waiting.over()
			}
			return
		default: // EMFILE, ENFILE, ENOBUFS, ENOMEM: the poller would report it again at once
			n.handshaking.waiting.report(os.NewSyscallError("accept4", err), n.handshaking.Failed)
			l.poll.remove(n.fd)
			n.paused, n.short = max(l.clock.now+l.engine.clock.second, 1), true
			return
		}
	}
}

// resumeListeners tries again at listeners where accepting is paused.
func (l *Loop) resumeListeners() {
	for i, n := range l.accept.listeners {
		if n != nil && n.paused != 0 && l.clock.reached(n.paused) {
			n.paused = 0
			if l.poll.(*epoll).listen(n.fd, i) != nil { // no memory
				n.paused = max(l.clock.now+l.engine.clock.second, 1)
			}
		}
	}
}

// assign gives connections to the loops in turn: by chance, mostly the same loop accepts
// them.
func (l *Loop) assign(a acceptedSocket) {
	e := l.engine
	to := e.loops[e.turn.Add(1)%uint32(len(e.loops))]
	if to == l {
		l.readable(l.await(a), false) // most have sent their request, see deferAccept
		return
	}
	posted := a // only this one goes to the heap
	if !to.inbox.post(command{do: doAccepted, payload: &posted}) {
		e.arrived(a.listening.handshaking, a.holder)
		unix.Close(a.fd)
	}
}

// netConn makes a net.Conn of a socket, and takes ownership of the descriptor. It fails with errReset
// for a connection without an address: getpeername finds none after a reset, and callers expect one.
func netConn(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	defer f.Close() // FileConn duplicates the descriptor
	nc, err := net.FileConn(f)
	if err == nil && nc.RemoteAddr() == nil {
		nc.Close()
		return nil, errReset
	}
	return nc, err
}
