package program

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// A Relay is a network between a client and a server. It records the traffic, and can be cut
// while both sides stay open.
type Relay struct {
	Addr string // where clients connect: 127.0.0.1:PORT

	target   string
	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	down  bool
	links []*Link // all so far, the oldest first
}

// Link is one connection through a Relay.
type Link struct {
	client, server net.Conn

	mu             sync.Mutex
	sent, received []byte // from the client's side
}

// NewRelay lets clients reach target until the test ends.
func NewRelay(t testing.TB, target string) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &Relay{Addr: l.Addr().String(), target: target, listener: l}
	r.running.Go(r.accept)
	t.Cleanup(func() {
		l.Close()
		r.Cut()
		r.running.Wait()
	})
	return r
}

// Cut resets every connection at once, and every new one until Mend.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = true
	for _, link := range r.links {
		link.cut()
	}
}

// Mend lets connections through again.
func (r *Relay) Mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = false
}

// Links returns the connections so far, the oldest first.
func (r *Relay) Links() []*Link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*Link(nil), r.links...)
}

// Sent and Received return the traffic so far, as seen by the client. They may be called from
// any goroutine.
func (l *Link) Sent() []byte     { return l.copyOf(&l.sent) }
func (l *Link) Received() []byte { return l.copyOf(&l.received) }

func (l *Link) copyOf(b *[]byte) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(*b)
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			r.running.Go(func() { r.serve(client) })
		}
	}
}

func (r *Relay) serve(client net.Conn) {
	server, err := net.Dial("tcp", r.target)
	if err != nil {
		client.Close()
		return
	}
	link := &Link{client: client, server: server}
	r.mu.Lock()
	r.links = append(r.links, link)
	if r.down {
		link.cut()
	}
	r.mu.Unlock()

	var both sync.WaitGroup
	both.Go(func() { link.carry(server, client, &link.sent) })
	both.Go(func() { link.carry(client, server, &link.received) })
	both.Wait()
	link.client.Close()
	link.server.Close()
}

// carry copies one direction to its end, which it passes on; the other direction may continue.
func (l *Link) carry(to, from net.Conn, record *[]byte) {
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		l.mu.Lock()
		*record = append(*record, b[:n]...)
		l.mu.Unlock()
		if n > 0 {
			if _, err := to.Write(b[:n]); err != nil {
				l.cut()
				return
			}
		}
		switch err {
		case nil:
		case io.EOF:
			to.(*net.TCPConn).CloseWrite()
			return
		default:
			l.cut()
			return
		}
	}
}

// cut closes with a reset if the system allows it, so that nothing is delivered late.
func (l *Link) cut() {
	for _, c := range []net.Conn{l.client, l.server} {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}
