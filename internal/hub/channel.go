package hub

import (
	"sync"

	"maru"
	"maru/internal/loop"
)

// Channel is the state of one channel while somebody is there.
type Channel struct {
	hub    *Hub
	name   string
	shares int // guarded by the shard's mu

	mu       sync.Mutex
	sockets  [forms]sockets
	joining  map[*backlog]struct{} // of those for whom history is being read
	queues   map[*Queue]struct{}
	presence presence
}

// sockets are the subscribers of one form.
type sockets struct {
	count int
	group *loop.Group // made for the first
}

// Name is the channel's name.
func (c *Channel) Name() string { return c.name }

// Deliver is the broker's Sink: it hands a publication to all subscribers of the
// channel. It never waits.
func (h *Hub) Deliver(channel string, at maru.Position, p *maru.Publication) {
	if c := h.find(channel); c != nil {
		c.deliver(Delivery{at, p})
	}
}

func (c *Channel) deliver(d Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.sockets {
		if s := &c.sockets[f]; s.count > 0 {
			s.group.Append(c.message(Form(f), d.Publication))
		}
	}
	for b := range c.joining {
		b.push(d)
	}
	for q := range c.queues {
		q.push(d)
	}
}
