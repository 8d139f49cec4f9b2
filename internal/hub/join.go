package hub

import (
	"context"

	"maru"
	"maru/internal/loop"
)

// Socket is a WebSocket connection as a subscriber.
type Socket struct {
	Conn loop.Conn
	Form Form
	User string // for presence; empty for anonymous
}

// Join subscribes s to what is published from now on.
func (c *Channel) Join(s Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count(s)
	c.sockets[s.Form].group.Add(s.Conn)
}

// JoinFrom sends s what q asks of the history and subscribes it to what follows,
// with no hole and no double between the two. If it fails, nothing was sent and s is
// not subscribed. Its errors: the broker's; CodeGap if something after q.Since is
// no longer retained; CodeSlow if more was published meanwhile than a backlog holds;
// net.ErrClosed if the connection is gone.
func (c *Channel) JoinFrom(ctx context.Context, s Socket, q maru.HistoryQuery) error {
	if err := c.hub.engine.Wait(ctx); err != nil {
		return err
	}
	j := &joining{form: s.Form, limits: c.hub.limits, collecting: true}
	c.mu.Lock()
	if c.joining == nil {
		c.joining = make(map[loop.Conn]*joining)
	}
	c.joining[s.Conn] = j
	c.mu.Unlock()

	history, err := c.hub.broker.History(ctx, c.name, q)
	if err == nil && history.Gap != nil {
		err = errGap
	}
	replay := s.Form.messages(history.Publications)

	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && j.full {
		err = errSlow
	}
	if err == nil {
		j.from = maru.Position{Epoch: history.Epoch, Offset: history.Head}
		for _, d := range j.backlog.take(j.from) {
			replay = append(replay, s.Form.message(d.Publication))
		}
		if len(replay) > 0 {
			err = s.Conn.SendAll(replay)
		}
	}
	if err != nil {
		delete(c.joining, s.Conn)
		return err
	}
	c.count(s)
	j.collecting = false
	if c.reached(j.from) {
		delete(c.joining, s.Conn)
		c.sockets[s.Form].group.Add(s.Conn)
	}
	return nil
}

// Leave ends the subscription of a socket that joined and whose connection is
// closed. A closed connection leaves its groups by itself.
func (c *Channel) Leave(s Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.joining, s.Conn)
	c.sockets[s.Form].count--
	c.presence.leave(s.User)
}

func (c *Channel) count(s Socket) {
	of := &c.sockets[s.Form]
	if of.group == nil {
		of.group = c.hub.engine.NewGroup()
	}
	of.count++
	c.presence.join(s.User)
}

// reached reports whether everything up to a position is known to have been
// delivered, so that who was replayed up to there can join without getting
// anything twice. Where it is not known, the next delivery tells.
func (c *Channel) reached(head maru.Position) bool {
	return head.Offset == 0 || c.last.Epoch == head.Epoch && c.last.Offset >= head.Offset
}

// joining is a socket between its wish to join and its group.
type joining struct {
	form   Form
	limits limits

	collecting bool // history is being read
	full       bool // and too much came meanwhile
	backlog    backlog

	from maru.Position // afterwards: where the replay ended
}

// takes is told of a delivery; true says that the socket is to join its group
// before it.
func (j *joining) takes(at maru.Position, p *maru.Publication) bool {
	d := Delivery{at, p}
	if !j.collecting {
		return d.after(j.from)
	}
	if !j.full && !j.backlog.push(d, j.limits) {
		j.full, j.backlog = true, backlog{}
	}
	return false
}
