package oracle

import (
	"net"
	"sync"
	"testing"
)

// A cable is a TCP connection between two programs, by a proxy, which can be cut: all connections
// break, and new ones too, or everything on them stands still, as when packets are lost.
type cable struct {
	addr string // where it begins
	to   string

	listener net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	cut   bool
	still chan struct{} // closed when nothing stands still any more; nil: nothing does
	conns map[net.Conn]struct{}
}

func newCable(t *testing.T, to string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{addr: l.Addr().String(), to: to, listener: l, conns: make(map[net.Conn]struct{})}
	c.running.Go(c.accept)
	t.Cleanup(func() {
		l.Close()
		c.breaks()
		c.running.Wait()
	})
	return c
}

// breaks cuts the cable.
func (c *cable) breaks() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true
	for conn := range c.conns {
		conn.Close()
	}
	c.move()
}

// stands lets everything on the cable stand still.
func (c *cable) stands() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.still == nil {
		c.still = make(chan struct{})
	}
}

// mend makes the cable whole again.
func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
	c.move()
}

// move ends the standing still. c.mu is held.
func (c *cable) move() {
	if c.still != nil {
		close(c.still)
		c.still = nil
	}
}

func (c *cable) accept() {
	for {
		in, err := c.listener.Accept()
		if err != nil {
			return
		}
		c.running.Go(func() { c.serve(in) })
	}
}

func (c *cable) serve(in net.Conn) {
	defer in.Close()
	c.wait()
	out, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer out.Close()
	if !c.keep(in, out) {
		return
	}
	defer c.drop(in, out)
	var back sync.WaitGroup
	back.Go(func() { c.carry(in, out) })
	c.carry(out, in)
	back.Wait()
}

// carry copies one direction until a side ends, which ends the other.
func (c *cable) carry(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	b := make([]byte, 16<<10)
	for {
		n, err := from.Read(b)
		c.wait()
		if _, failed := to.Write(b[:n]); err != nil || failed != nil {
			return
		}
	}
}

// wait returns when nothing stands still.
func (c *cable) wait() {
	c.mu.Lock()
	still := c.still
	c.mu.Unlock()
	if still != nil {
		<-still
	}
}

// keep notes a connection. It reports false if the cable is cut.
func (c *cable) keep(both ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range both {
		c.conns[conn] = struct{}{}
	}
	return !c.cut
}

func (c *cable) drop(both ...net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range both {
		delete(c.conns, conn)
	}
}
