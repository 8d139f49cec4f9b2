package client_test

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A relay stands between clients and a server as a network does, and fails as one.
type relay struct {
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	target string
	how    conduct
	change chan struct{} // closed when how changes
	links  map[*relayed]bool
	count  int // of all that ever were
}

// relayed is one connection through it.
type relayed struct{ client, server net.Conn }

// conduct is how a relay treats what passes.
type conduct uint8

const (
	passes   conduct = iota // at once
	holds                   // nothing moves: both sides fill their buffers
	swallows                // everything is taken and nothing arrives, new connections too
	crawls                  // a few bytes at a time
)

func newRelay(t *testing.T, target string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, target: target, change: make(chan struct{}), links: make(map[*relayed]bool)}
	r.running.Go(r.accept)
	t.Cleanup(func() {
		l.Close()
		r.treat(passes)
		r.cut()
		r.running.Wait()
	})
	return r
}

func (r *relay) url() string { return "http://" + r.listener.Addr().String() }

// to leads new connections to another server.
func (r *relay) to(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = target
}

func (r *relay) treat(how conduct) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.how = how
	close(r.change)
	r.change = make(chan struct{})
}

// cut ends all connections without a word.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for link := range r.links {
		link.cut()
	}
}

// connections is how many there have been.
func (r *relay) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.count
}

func (l *relayed) cut() {
	for _, c := range []net.Conn{l.client, l.server} {
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func (r *relay) accept() {
	for {
		c, err := r.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			r.running.Go(func() { r.serve(c) })
		}
	}
}

func (r *relay) serve(c net.Conn) {
	r.mu.Lock()
	target := r.target
	r.mu.Unlock()
	s, err := net.Dial("tcp", target)
	if err != nil {
		c.Close()
		return
	}
	link := &relayed{c, s}
	r.mu.Lock()
	r.links[link] = true
	r.count++
	r.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { r.carry(link, s, c) })
	both.Go(func() { r.carry(link, c, s) })
	both.Wait()
	r.mu.Lock()
	delete(r.links, link)
	r.mu.Unlock()
}

func (r *relay) carry(link *relayed, to, from net.Conn) {
	defer link.cut()
	buf := make([]byte, 16<<10)
	for {
		r.mu.Lock()
		how, change := r.how, r.change
		r.mu.Unlock()
		b := buf
		switch how {
		case holds:
			<-change
			continue
		case crawls:
			b = buf[:100]
			time.Sleep(time.Millisecond) // that is what it is to be slow
		}
		n, err := from.Read(b)
		r.mu.Lock()
		how = r.how
		r.mu.Unlock()
		if n > 0 && how != swallows {
			if _, err := to.Write(b[:n]); err != nil {
				return
			}
		}
		if err == io.EOF && how != swallows {
			to.(*net.TCPConn).CloseWrite()
			return
		}
		if err != nil {
			return
		}
	}
}
