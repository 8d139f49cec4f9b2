package socketio

import (
	"sync"

	gw "maru.example/maru/internal/gateway/socketio"
)

// collection is the acks of one event that was emitted to many sockets of this node. Its lock is the
// last: acks come with Socket.mu held.
type collection struct {
	mu      sync.Mutex
	asked   int // sockets
	gone    int // of these, clients that have gone without an ack
	replies []rawReply
	news    chan struct{} // holds a token when something has come
}

// rawReply is a client's ack, not yet decoded.
type rawReply struct {
	id string // of its socket
	gw.Packet
}

func newCollection() *collection { return &collection{news: make(chan struct{}, 1)} }

// replyOf takes the ack of a socket; ok is false if its client has gone.
func (c *collection) replyOf(s *Socket) awaited {
	return func(p gw.Packet, ok bool) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if ok {
			c.replies = append(c.replies, rawReply{s.id, p})
		} else {
			c.gone++
		}
		c.wake()
	}
}

func (c *collection) wake() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// done reports whether nothing more comes. c.mu is held.
func (c *collection) done() bool { return len(c.replies)+c.gone >= c.asked }

// complete is done, without the lock.
func (c *collection) complete() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done()
}

// tally is how far a collection is.
type tally struct{ asked, gone, replied int }

// collect emits an event that asks for acks to the sockets of this node that a target has, as one message
// with one id. n.mu is held.
func (n *Namespace) collect(t Target, m question) (c *collection, asked []*Socket) {
	c = newCollection()
	for s := range n.members(t.to, t.except, t.without) {
		if t.volatile && !s.conn.Writable() {
			continue
		}
		c.mu.Lock()
		c.asked++
		c.mu.Unlock()
		if s.ask(m, c.replyOf(s)) != nil {
			c.mu.Lock()
			c.asked--
			c.mu.Unlock()
			continue
		}
		asked = append(asked, s)
	}
	return c, asked
}
