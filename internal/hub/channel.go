package hub

import (
	"sync"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// Channel is the state of one channel while it has subscribers, or a Foreign.
type Channel struct {
	hub     *Hub
	name    string
	space   *Space
	shares  int  // guarded by the shard's mu
	foreign bool // there is a Foreign; guarded by the same

	mu        sync.Mutex
	audiences []audience // one for each form that has had a socket in this channel
	pacers    map[pace]*pacer
	queues    map[*Queue]struct{} // of goroutines, and of subscribers whose history is being read
	presence  presence
	receivers map[loop.Conn]Receiver
	last      maru.Position  // that was delivered
	listener  func(Delivery) // see Listen
}

// audience are the sockets that receive a channel in the same form.
type audience struct {
	form        FormID
	all, latest sockets
}

// sockets are subscribers that receive the same messages.
type sockets struct {
	count int
	group *loop.Group // made for the first socket
}

// Name is the channel's name.
func (c *Channel) Name() string { return c.name }

// Deliver is the broker's Sink: it hands a publication to all subscribers of the channel. It
// never waits.
func (h *Hub) Deliver(channel string, at maru.Position, p *maru.Publication) {
	s := h.shard(channel)
	s.publications.Add(1)
	s.bytes.Add(uint64(len(p.Data)))
	c := s.find(channel)
	if c == nil {
		h.space(channel).Publications.Add(1)
		return
	}
	c.space.Publications.Add(1)
	c.deliver(Delivery{at, p})
}

func (c *Channel) deliver(d Delivery) {
	if listener := c.handOut(d); listener != nil {
		listener(d)
	}
}

// Listen calls f for each publication of the channel, after its sockets and queues have it. As a
// Sink, f must not wait and must not call the broker. No lock of the hub is held, so that it may join
// and leave channels, this one too. A channel has one listener; nil ends it, and a call may then
// still be running. It is of a caller with a share in the channel.
func (c *Channel) Listen(f func(Delivery)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listener = f
}

// handOut hands a publication to sockets and queues, and returns the listener.
func (c *Channel) handOut(d Delivery) (listener func(Delivery)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deliveries()
	for i := range c.audiences {
		a := &c.audiences[i]
		if a.all.count+a.latest.count == 0 {
			continue
		}
		m := c.encode(a.form, d)
		if m == nil {
			continue
		}
		m.Stamp()
		except := c.except(a.form, d.Publication)
		a.all.append(m, except)
		a.latest.append(m, except)
	}
	c.hand(d)
	for _, p := range c.pacers {
		p.push(d)
	}
	for q := range c.queues {
		q.push(d)
	}
	return c.listener
}

func (s *sockets) append(m *loop.Message, except loop.Conn) {
	if s.count > 0 {
		s.group.AppendExcept(m, except)
	}
}

// socketsOf returns the group that an unpaced socket joins or has joined.
func (c *Channel) socketsOf(s Socket) *sockets {
	i := 0
	for i < len(c.audiences) && c.audiences[i].form != s.Form {
		i++
	}
	if i == len(c.audiences) {
		c.audiences = append(c.audiences, audience{form: s.Form})
	}
	a := &c.audiences[i]
	if s.Mode.Latest {
		return &a.latest
	}
	return &a.all
}
