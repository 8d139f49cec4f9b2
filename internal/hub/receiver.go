package hub

import (
	"context"
	"slices"
	"strings"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// A Receiver gets the publications of the channels of one connection, in place of the connection's
// groups, to encode each as only that connection gets it. That costs an encoding for each connection:
// it is for the few whose messages depend on what they were sent before.
type Receiver interface {
	// Receive sends publications to the connection, in this order, and nothing of another call between
	// them. joined reports that the last of them ends the replay of the channel: from then on the
	// connection has the channel as far as what it gets. It is called with a channel locked, must not
	// wait, and must not call the hub.
	Receive(all []Received, joined bool) error
}

// Received is a publication for a Receiver.
type Received struct {
	Channel string
	Delivery
	Replay bool // of a history that is not sent to its end: it says nothing of other channels
}

// Membership is an attached socket without a Mode, which does not leave meanwhile.
type Membership struct {
	Channel *Channel
	Socket  Socket
}

// Divert gives the publications of channels to a Receiver, from one moment on that is the same for all
// of them. At that moment begin is called for each, with the position that was delivered last; it is
// zero if there was none. begin must not wait, and must not call the hub.
func Divert(all []Membership, to Receiver, begin func(channel string, last maru.Position)) {
	slices.SortFunc(all, func(a, b Membership) int { return strings.Compare(a.Channel.name, b.Channel.name) }) // the order of the locks
	for _, m := range all {
		m.Channel.mu.Lock()
		defer m.Channel.mu.Unlock()
	}
	for _, m := range all {
		begin(m.Channel.name, m.Channel.last)
		of := m.Channel.socketsOf(m.Socket)
		of.count--
		of.group.Remove(m.Socket.Conn)
		m.Channel.receive(m.Socket.Conn, to)
	}
}

// attach is add, or gives what the socket would get to a Receiver. c.mu is held.
func (c *Channel) attach(s Socket, to Receiver) {
	if to == nil {
		c.add(s)
		return
	}
	if !s.Absent {
		c.join(s.User)
	}
	c.receive(s.Conn, to)
}

// receive adds a Receiver. c.mu is held.
func (c *Channel) receive(conn loop.Conn, to Receiver) {
	if c.receivers == nil {
		c.receivers = make(map[loop.Conn]Receiver)
	}
	c.receivers[conn] = to
}

// hand gives a publication to the receivers. c.mu is held.
func (c *Channel) hand(d Delivery) {
	if d.At.Offset > 0 {
		c.last = d.At
	}
	for _, to := range c.receivers {
		to.Receive([]Received{{c.name, d, false}}, false)
	}
}

// attachTo is Attach for a Receiver.
func (j *Joining) attachTo(ctx context.Context, s Socket, first *loop.Message) error {
	c := j.channel
	rest, err := j.replayTo(ctx, s, first)
	c.mu.Lock()
	defer c.mu.Unlock()
	if j.live != nil {
		delete(c.queues, j.live)
	}
	if err != nil {
		return err
	}
	if j.live != nil {
		j.live.begin(j.History)
		waited, err := j.live.collected()
		if err != nil {
			return err
		}
		for _, d := range waited {
			rest = append(rest, Received{c.name, d, true})
		}
	}
	if n := len(rest); n > 0 {
		rest[n-1].Replay = false
	}
	if err := j.To.Receive(rest, true); err != nil {
		return err
	}
	c.attach(s, j.To)
	return nil
}

// replayTo is replay for a Receiver.
func (j *Joining) replayTo(ctx context.Context, s Socket, first *loop.Message) ([]Received, error) {
	if first != nil {
		if err := s.Conn.Send(first); err != nil {
			return nil, err
		}
	}
	for ps := j.History.Publications; ; {
		n := piece(ps)
		all := make([]Received, n)
		for i, p := range ps[:n] {
			all[i] = Received{j.channel.name, Delivery{maru.Position{Epoch: j.History.Epoch, Offset: p.Offset}, p}, true}
		}
		if ps = ps[n:]; len(ps) == 0 {
			return all, nil
		}
		s.Conn.Start()
		if err := j.To.Receive(all, false); err != nil {
			return nil, err
		}
		if err := j.channel.drain(ctx, s.Conn); err != nil {
			return nil, err
		}
	}
}
