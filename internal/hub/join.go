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
	Mode Mode
}

// Join subscribes s to what is published from now on.
func (c *Channel) Join(s Socket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.join(s, maru.Position{})
}

// Greeting makes what a socket is told first of all, from what the history answered;
// nil: nothing.
type Greeting func(maru.History) *loop.Message

// JoinFrom sends s what q asks of the history and subscribes it to what follows,
// with no hole and no double between the two. Who wants the latest gets the newest of
// each key that is retained, whatever its position: conflated, keys come out of the order of
// offsets, so that a position does not say which have been seen; and what was skipped was
// stale, so nothing is a gap. A long history goes out in pieces, and
// then JoinFrom waits for the reader and starts the connection if it is held. If it
// fails, s is not subscribed. Its errors: the broker's; CodeGap if something after
// q.Since is no longer retained and there is no greeting to say so, and then nothing was
// sent; CodeSlow if the reader takes too long or more was published meanwhile than a
// backlog holds; net.ErrClosed if the connection is gone.
func (c *Channel) JoinFrom(ctx context.Context, s Socket, q maru.HistoryQuery, greet Greeting) error {
	if err := c.hub.engine.Wait(ctx); err != nil {
		return err
	}
	live := c.collect(s.Mode)
	if s.Mode.Latest && q.Since != nil {
		q = maru.HistoryQuery{Limit: -1}
	}
	history, err := c.hub.broker.History(ctx, c.name, q)
	if s.Mode.Latest {
		history.Publications = newest(history.Publications)
	}
	if err == nil && history.Gap != nil && greet == nil {
		err = errGap
	}
	var replay []*loop.Message
	if err == nil {
		var first []*loop.Message
		if greet != nil {
			first = []*loop.Message{greet(history)}
		}
		replay, err = c.replay(ctx, s, first, history.Publications)
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
	from := maru.Position{Epoch: history.Epoch, Offset: history.Head}
	for _, d := range live.take(from) {
		replay = append(replay, c.message(s.Form, d.Publication))
		if d.after(from) && d.At.Offset > 0 { // of the latest, one may stand before another
			from = d.At
		}
	}
	if len(replay) > 0 {
		if err := s.Conn.SendAll(replay); err != nil {
			return err
		}
	}
	c.join(s, from)
	return nil
}

// replay sends first and all but the last piece of what history has, each when the one
// before is written: what waits for one socket does not depend on how much it asks
// for. The last piece is the answer, encoded and not sent.
func (c *Channel) replay(ctx context.Context, s Socket, first []*loop.Message, ps []*maru.Publication) ([]*loop.Message, error) {
	for {
		n := piece(ps)
		ms := append(first, c.messages(s.Form, ps[:n])...)
		s.Conn.Encode(ms)
		if n == len(ps) {
			return ms, nil
		}
		ps, first = ps[n:], nil
		s.Conn.Start()
		if err := s.Conn.SendAll(ms); err != nil {
			return nil, err
		}
		if err := c.drain(ctx, s.Conn); err != nil {
			return nil, err
		}
	}
}

// drain waits for the reader, as long as a backlog may.
func (c *Channel) drain(ctx context.Context, conn loop.Conn) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.hub.limits.age, errSlow)
	defer cancel()
	return conn.Drain(ctx)
}

// pieceBytes is how much of a replay waits for one socket.
const pieceBytes = 256 << 10

// piece is how many of the publications go together: at least one.
func piece(ps []*maru.Publication) int {
	bytes := 0
	for i, p := range ps {
		if bytes += len(p.Data); bytes > pieceBytes && i > 0 {
			return i
		}
	}
	return len(ps)
}

// collect lets what is published from now on wait, for one who is to join.
func (c *Channel) collect(m Mode) *backlog {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.joining == nil {
		c.joining = make(map[*backlog]struct{})
	}
	b := &backlog{limits: c.hub.limits}
	if m.Latest {
		b.latest()
	}
	c.joining[b] = struct{}{}
	return b
}

// join subscribes a socket that has everything up to a position.
func (c *Channel) join(s Socket, from maru.Position) {
	c.presence.join(s.User)
	if s.Mode.MaxHz > 0 {
		c.pacer(pace{s.Form, s.Mode.MaxHz}).join(s.Conn, from)
		return
	}
	of := c.of(s)
	if of.group == nil {
		of.group = c.hub.engine.NewGroup()
		if s.Mode.Latest {
			of.group = c.hub.engine.NewLatestGroup()
		}
	}
	of.count++
	of.group.Add(s.Conn)
}

func (c *Channel) of(s Socket) *sockets {
	if s.Mode.Latest {
		return &c.sockets[s.Form][1]
	}
	return &c.sockets[s.Form][0]
}

// Unsubscribe ends the subscription of a socket that joined and lives on. What was
// published before still comes, and nothing after what the caller sends next.
func (c *Channel) Unsubscribe(s Socket) {
	c.leave(s, false)
}

// Leave ends the subscription of a socket that joined and whose connection is
// closed. A closed connection leaves its groups by itself.
func (c *Channel) Leave(s Socket) { c.leave(s, true) }

func (c *Channel) leave(s Socket, gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.presence.leave(s.User)
	if s.Mode.MaxHz > 0 {
		c.paced[pace{s.Form, s.Mode.MaxHz}].leave(s.Conn, gone)
		return
	}
	of := c.of(s)
	of.count--
	if !gone {
		of.group.Remove(s.Conn)
	}
}
