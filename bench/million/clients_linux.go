package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"maru.example/maru/internal/frame"
)

// opening is what a process of clients connects to.
type opening struct {
	Address    string
	Count      int
	PerAddress int
	Expect     string // the message that each will get, once
}

// maxUnderway is how many connections of a process are between connecting and
// upgraded: the accept queue of its server has room for them.
const maxUnderway = 128

// clients are the clients of a process: one goroutine, one epoll set, and two bytes for a
// connection.
type clients struct {
	opening
	to      unix.SockaddrInet4
	request []byte
	accept  string // of the answer

	poll     int
	stages   []stage // by file descriptor
	started  int
	underway int
	buffer   [16 << 10]byte
	answers  map[int][]byte        // that have come in part
	readers  map[int]*frame.Reader // of frames that have come in part
	idle     *frame.Reader         // for all others

	opened, received, last atomic.Int64
	fault                  atomic.Pointer[error]
}

type stage uint8

const (
	absent     stage = iota
	connecting       // the request is not yet sent
	asking           // it is, and the answer not yet there
	open
	served // has the message
)

func (c *clients) do(o order, s *state) error {
	if o.Do == begin {
		if err := c.begin(*o.Open); err != nil {
			return err
		}
	}
	s.Connections = int(c.opened.Load())
	s.Received, s.LastReceived = int(c.received.Load()), c.last.Load()
	if fault := c.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// key is any: all these connections are one client's (RFC 6455 §4.1 wants a new
// one for each, against caches, of which there are none here).
const key = "bWFydSBtYXJ1IG1hcnUgIQ=="

func (c *clients) begin(o opening) error {
	if c.stages != nil {
		return errors.New("opens already")
	}
	to, err := netip.ParseAddrPort(o.Address)
	if err != nil {
		return err
	}
	c.opening, c.to = o, unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()}
	c.request = fmt.Appendf(nil, "GET /channels/%s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", channel, o.Address, key)
	c.accept = frame.AcceptKey(key)
	c.stages = make([]stage, o.Count+64)
	c.answers, c.readers, c.idle = make(map[int][]byte), make(map[int]*frame.Reader), new(frame.Reader)
	if c.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	go func() {
		if err := c.run(); err != nil {
			c.fault.Store(&err)
		}
	}()
	return nil
}

func (c *clients) run() error {
	var events [512]unix.EpollEvent
	for {
		for c.underway < maxUnderway && c.started < c.Count {
			if err := c.connect(); err != nil {
				return fmt.Errorf("connection %d: %w", c.started, err)
			}
		}
		n, err := unix.EpollWait(c.poll, events[:], -1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("epoll: %w", err)
		}
		for i := range max(n, 0) {
			if err := c.ready(int(events[i].Fd), events[i].Events); err != nil {
				return fmt.Errorf("of %d open connections, one: %w", c.opened.Load(), err)
			}
		}
	}
}

// connect begins a connection. On loopback it usually stands at once, and the
// request can follow without a turn through epoll.
func (c *clients) connect() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	// When this process ends its sockets end with a reset: no farewells of a million.
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return err
	}
	if err := c.bind(fd); err != nil {
		return err
	}
	if err := unix.Connect(fd, &c.to); err != nil && err != unix.EINPROGRESS {
		return fmt.Errorf("connect: %w", err)
	}
	for fd >= len(c.stages) {
		c.stages = append(c.stages, absent)
	}
	c.stages[fd] = connecting
	c.started++
	c.underway++
	sent, err := c.ask(fd)
	if err != nil {
		return err
	}
	ev := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
	if !sent {
		ev.Events = unix.EPOLLOUT
	}
	return unix.EpollCtl(c.poll, unix.EPOLL_CTL_ADD, fd, &ev)
}

// bind takes another source address for each PerAddress connections: 127.0.0.2
// and so on.
func (c *clients) bind(fd int) error {
	number := c.started / c.PerAddress
	if number == 0 {
		return nil
	}
	// Otherwise bind would look for a port that is unused for every server.
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return err
	}
	number++
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, byte(number >> 8), byte(number)}})
}

// ask sends the request, unless the connection does not yet stand.
func (c *clients) ask(fd int) (sent bool, err error) {
	switch n, err := unix.Write(fd, c.request); {
	case err == unix.EAGAIN:
		return false, nil
	case err != nil:
		return false, fmt.Errorf("ask for a WebSocket: %w", err)
	case n < len(c.request):
		return false, errors.New("the request did not fit into an empty socket")
	}
	c.stages[fd] = asking
	return true, nil
}

func (c *clients) ready(fd int, events uint32) error {
	if c.stages[fd] == connecting {
		sent, err := c.ask(fd)
		if err != nil || !sent {
			return err
		}
		return unix.EpollCtl(c.poll, unix.EPOLL_CTL_MOD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
	}
	n, err := unix.Read(fd, c.buffer[:])
	switch {
	case err == unix.EAGAIN, err == unix.EINTR:
		return nil
	case err != nil:
		return fmt.Errorf("read: %w", err)
	case n == 0:
		return errors.New("the server has ended it")
	case c.stages[fd] == asking:
		return c.answered(fd, c.buffer[:n])
	}
	return c.frames(fd, c.buffer[:n])
}

// answered takes the answer to the handshake in.
func (c *clients) answered(fd int, p []byte) error {
	if part, ok := c.answers[fd]; ok {
		p = append(part, p...)
	}
	head, rest, complete := bytes.Cut(p, []byte("\r\n\r\n"))
	if !complete {
		c.answers[fd] = bytes.Clone(p)
		return nil
	}
	delete(c.answers, fd)
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) || !bytes.Contains(head, []byte("Sec-WebSocket-Accept: "+c.accept)) {
		return fmt.Errorf("the server answers %q", head)
	}
	c.stages[fd] = open
	c.underway--
	c.opened.Add(1)
	return c.frames(fd, rest)
}

// rules are a client's (RFC 6455 §5.1).
var rules = frame.Rules{Client: true, MaxMessageBytes: maxSize}

// frames takes what has come on an open connection.
func (c *clients) frames(fd int, p []byte) error {
	reader, kept := c.readers[fd]
	if !kept {
		reader = c.idle
	}
	for len(p) > 0 {
		ev, n, err := reader.Next(p, &rules)
		if err != nil {
			return err
		}
		p = p[n:]
		if err := c.event(fd, ev); err != nil {
			return err
		}
	}
	switch idle := reader.Idle(); {
	case kept && idle:
		delete(c.readers, fd)
	case !kept && !idle:
		c.readers[fd], c.idle = reader, new(frame.Reader)
	}
	return nil
}

func (c *clients) event(fd int, ev frame.Event) error {
	switch ev.Op {
	case frame.Continuation, frame.Pong:
		return nil
	case frame.Ping:
		pong := frame.AppendMasked(nil, frame.Pong, false, frame.NewMaskKey(), ev.Payload)
		if n, err := unix.Write(fd, pong); err != nil || n < len(pong) {
			return fmt.Errorf("write pong: %d bytes of %d, %w", n, len(pong), err)
		}
		return nil
	case frame.Close:
		return fmt.Errorf("the server closes it: %d %s", ev.Code, ev.Reason)
	}
	switch {
	case ev.Op != frame.Text || string(ev.Payload) != c.Expect:
		return fmt.Errorf("got %s %.80q, not %.80q", ev.Op, ev.Payload, c.Expect)
	case c.stages[fd] == served:
		return errors.New("got the message twice")
	}
	c.stages[fd] = served
	c.last.Store(now())
	c.received.Add(1)
	return nil
}
