package hub

import (
	"sync"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// Channel is the state of one channel while somebody is there.
type Channel struct {
	hub    *Hub
	name   string
	shares int // guarded by the shard's mu

	mu       sync.Mutex
	sockets  [forms][2]sockets // all, latest
	paced    map[pace]*pacer
	joining  map[*backlog]struct{} // of those for whom history is being read
	queues   map[*Queue]struct{}
	presence presence
}

// sockets are the subscribers of one form that want the same.
type sockets struct {
	count int
	group *loop.Group // made for the first
}

// Name is the channel's name.
func (c *Channel) Name() string { return c.name }

// Deliver is the broker's Sink: it hands a publication to all subscribers of the
// channel. It never waits.
func (h *Hub) Deliver(channel string, at maru.Position, p *maru.Publication) {
	s := h.shard(channel)
	s.publications.Add(1)
	s.bytes.Add(uint64(len(p.Data)))
	if c := s.find(channel); c != nil {
		c.deliver(Delivery{at, p})
	}
}

func (c *Channel) deliver(d Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for f := range c.sockets {
		all, latest := &c.sockets[f][0], &c.sockets[f][1]
		if all.count+latest.count == 0 {
			continue
		}
		m := c.message(Form(f), d.At.Epoch, d.Publication)
		if all.count > 0 {
			all.group.Append(m)
		}
		if latest.count > 0 {
			latest.group.Append(m)
		}
	}
	for _, p := range c.paced {
		p.push(d)
	}
	for b := range c.joining {
		b.push(d)
	}
	for q := range c.queues {
		q.push(d)
	}
}
