package loop

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pollEvents is how many ready sockets one turn takes at most.
const pollEvents = 256

// epoll is a loop's own epoll set, itself watched by Go's netpoller. A waiting loop is a
// parked goroutine and blocks no thread, so that with few threads a callback does not wait
// for it. Sockets are edge-triggered: the kernel does not check one again that it has
// reported. epoll_wait(2), epoll_ctl(2).
type epoll struct {
	file   *os.File // owns fd
	fd     int
	raw    syscall.RawConn
	events [pollEvents]unix.EpollEvent
	found  int                   // of them, by any
	any    func(fd uintptr) bool // for raw.Read: polls, and reports whether there are events

	mu   sync.Mutex
	bell int // eventfd(2) for wake; -1 once closed: its number may then be another file's
}

// newPoller falls back to a bell where epoll is not available (seccomp, no files left):
// connections of that loop then have goroutines of their own.
func newPoller(goroutines bool) poller {
	if goroutines {
		return newBell()
	}
	p, err := newEpoll()
	if err != nil {
		return newBell()
	}
	return p
}

func newEpoll() (*epoll, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create1: %w", err)
	}
	bell, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	e := &epoll{fd: fd, bell: bell}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: -1} // each write is an event: the eventfd need not be read
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, bell, &event); err != nil {
		unix.Close(fd)
		unix.Close(bell)
		return nil, fmt.Errorf("watch eventfd: %w", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // only so that os.NewFile takes it to the netpoller
		unix.Close(fd)
		unix.Close(bell)
		return nil, fmt.Errorf("set epoll non-blocking: %w", err)
	}
	e.any = func(uintptr) bool {
		e.found = e.ready()
		return e.found != 0
	}
	e.file = os.NewFile(uintptr(fd), "epoll")
	if e.raw, err = e.file.SyscallConn(); err != nil {
		e.close()
		return nil, fmt.Errorf("watch epoll: %w", err)
	}
	return e, nil
}

func (e *epoll) wait(l *Loop) {
	runtime.Gosched() // see check
	e.found = 0
	e.raw.Read(e.any)
	l.inbox.rouse()
	e.serve(l, e.found)
}

// check lets other goroutines run first: callbacks that this turn started must not wait
// until the loop is idle.
func (e *epoll) check(l *Loop) {
	runtime.Gosched()
	e.serve(l, e.ready())
}

func (e *epoll) pause() {
	runtime.Gosched()
	time.Sleep(100 * time.Microsecond) // leave the core to the loop that is behind
}

func (e *epoll) ready() int { return pollSockets(e.fd, e.events[:]) }

func (e *epoll) serve(l *Loop, n int) {
	l.in.serving = true
	l.in.batching = l.out.ring != nil && n >= ringLeast
	for i := 0; i < n; i += batchReads {
		events := e.events[i:min(i+batchReads, n)]
		if l.in.batching {
			l.readAhead(events)
		}
		for i := range events {
			l.dispatch(&events[i], i)
		}
		if l.in.batching {
			l.obeyBatch()
		}
	}
	l.in.serving, l.in.batching, l.in.ahead.some = false, false, false
}

// dispatch handles one event of the poller; i is its place in ahead.
func (l *Loop) dispatch(ev *unix.EpollEvent, i int) {
	if ev.Fd < -1 {
		l.acceptable(int(-ev.Fd) - 2)
		return
	}
	if ev.Fd < 0 {
		return // only a wake
	}
	id := newConnID(uint32(ev.Fd), uint32(ev.Pad))
	if ev.Events&unix.EPOLLOUT != 0 {
		l.writable(id)
	}
	s := l.slab.slot(id)
	more := ev.Events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR|unix.EPOLLPRI) != 0
	switch {
	case !s.alive(id):
	case l.in.ahead.some && l.in.ahead.results[i] != notRead:
		l.wasRead(id, s, i)
	case !more && ev.Events&unix.EPOLLIN == 0, s.state&inListed != 0: // else it is read in the next turn
	case l.in.ahead.some && l.muchPosted():
		l.in.list(id, s)
	default:
		l.readable(id, more)
	}
}

var one = []byte{1, 0, 0, 0, 0, 0, 0, 0}

func (e *epoll) wake() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.bell >= 0 {
		unix.Write(e.bell, one)
	}
}

func (e *epoll) add(fd int, id connID) error {
	ev := event(id, 0)
	if err := pollControl(e.fd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("watch socket: %w", err)
	}
	return nil
}

func (e *epoll) ask(fd int, id connID) {
	ev := event(id, unix.EPOLLOUT)
	pollControl(e.fd, unix.EPOLL_CTL_MOD, fd, &ev) // cannot fail for a descriptor that was added; reports at once if there is room
}

func (e *epoll) remove(fd int) { pollControl(e.fd, unix.EPOLL_CTL_DEL, fd, nil) }

// listen watches a listener; -1 is the bell, below are listeners by number.
func (e *epoll) listen(fd, number int) error {
	ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLEXCLUSIVE, Fd: int32(-2 - number)}
	if err := pollControl(e.fd, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
		return fmt.Errorf("watch listener: %w", err)
	}
	return nil
}

func event(id connID, also uint32) unix.EpollEvent {
	return unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLPRI | unix.EPOLLRDHUP | unix.EPOLLET | also, Fd: int32(id.index()), Pad: int32(uint32(id >> 32))}
}

func (e *epoll) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.file.Close()
	unix.Close(e.bell)
	e.bell = -1
}

// takeDescriptor takes the socket out of the net package. It duplicates the descriptor and
// closes the net.Conn, which removes it from Go's netpoller; otherwise one socket would be
// in two epoll sets. It returns -1, and does nothing, for a net.Conn that is no plain
// socket (TLS, a pipe).
func takeDescriptor(nc net.Conn) (int, error) {
	nc = unwrapped(nc)
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return -1, nil
	}
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return -1, err
	}
	fd := -1
	var dupErr error
	if err := raw.Control(func(old uintptr) {
		fd, dupErr = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil {
		return -1, err
	}
	if dupErr != nil {
		return -1, fmt.Errorf("duplicate socket: %w", dupErr)
	}
	nc.Close()
	return fd, nil
}
