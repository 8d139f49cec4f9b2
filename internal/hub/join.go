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
	c.join(s)
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
	live := c.collect()
	history, err := c.hub.broker.History(ctx, c.name, q)
	if err == nil && history.Gap != nil {
		err = errGap
	}
	var replay []*loop.Message
	if err == nil {
		replay = s.Form.messages(history.Publications)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.joining, live)
	switch {
	case err != nil:
		return err
	case live.full:
		return errSlow
	}
	for _, d := range live.take(maru.Position{Epoch: history.Epoch, Offset: history.Head}) {
		replay = append(replay, s.Form.message(d.Publication))
	}
	if len(replay) > 0 {
		if err := s.Conn.SendAll(replay); err != nil {
			return err
		}
	}
	c.join(s)
	return nil
}

// collect lets what is published from now on wait, for one who is to join.
func (c *Channel) collect() *backlog {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.joining == nil {
		c.joining = make(map[*backlog]struct{})
	}
	b := &backlog{limits: c.hub.limits}
	c.joining[b] = struct{}{}
	return b
}

func (c *Channel) join(s Socket) {
	of := &c.sockets[s.Form]
	if of.group == nil {
		of.group = c.hub.engine.NewGroup()
	}
	of.count++
	of.group.Add(s.Conn)
	c.presence.join(s.User)
}

// Leave ends the subscription of a socket that joined and whose connection is
// closed. A closed connection leaves its groups by itself.
func (c *Channel) Leave(s Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sockets[s.Form].count--
	c.presence.leave(s.User)
}
