package hub

import (
	"context"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// Socket is a connection of the engine's as a subscriber: a WebSocket, or an event stream.
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

// JoinFrom sends s what q asks of the history and subscribes it to what follows: Ask and
// Join in one. If it fails, s is not subscribed. Its errors: theirs; and CodeGap if
// something after q.Since is no longer retained and there is no greeting to say so, and
// then nothing was sent.
func (c *Channel) JoinFrom(ctx context.Context, s Socket, q maru.HistoryQuery, greet Greeting) error {
	j, err := c.Ask(ctx, s.Mode, q)
	if err != nil {
		return err
	}
	var first *loop.Message
	switch {
	case greet != nil:
		first = greet(j.History)
	case j.History.Gap != nil:
		j.Drop()
		return errGap
	}
	return j.Join(ctx, s, first)
}

// Joining is a subscription that begins with the history and has yet no connection. What
// is published meanwhile waits. Join or Drop ends it.
type Joining struct {
	History maru.History // what was asked

	channel *Channel
	live    *backlog
}

// Ask asks the history q for who is to join. Who wants the latest gets the newest of
// each key that is retained, whatever its position: conflated, keys come out of the order of
// offsets, so that a position does not say which have been seen; and what was skipped was
// stale, so nothing is a gap. Its errors: the broker's and ctx's.
func (c *Channel) Ask(ctx context.Context, m Mode, q maru.HistoryQuery) (*Joining, error) {
	if err := c.hub.engine.Wait(ctx); err != nil {
		return nil, err
	}
	j := &Joining{channel: c, live: c.collect(m)}
	if m.Latest && q.Since != nil {
		q = maru.HistoryQuery{Limit: -1}
	}
	var err error
	if j.History, err = c.hub.broker.History(ctx, c.name, q); err != nil {
		j.Drop()
		return nil, err
	}
	if m.Latest {
		j.History.Publications = newest(j.History.Publications)
	}
	return j, nil
}

// Drop is for who does not join.
func (j *Joining) Drop() {
	j.channel.mu.Lock()
	defer j.channel.mu.Unlock()
	delete(j.channel.joining, j.live)
}

// Join sends s first of all the message, if there is one, and then the history, and
// subscribes it to what follows, with no hole and no double between the two. s has the
// mode that asked. A long history goes out in pieces, and then Join waits for the reader
// and starts the connection if it is held. If it fails, s is not subscribed. Its errors:
// CodeSlow if the reader takes too long or more was published meanwhile than a backlog
// holds; net.ErrClosed if the connection is gone; ctx's.
func (j *Joining) Join(ctx context.Context, s Socket, first *loop.Message) error {
	c := j.channel
	replay, err := j.replay(ctx, s, first)

	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.joining, j.live)
	switch {
	case err != nil:
		return err
	case j.live.full:
		return errSlow
	}
	from := maru.Position{Epoch: j.History.Epoch, Offset: j.History.Head}
	for _, d := range j.live.take(from) {
		replay = append(replay, c.message(s.Form, d.At.Epoch, d.Publication))
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
func (j *Joining) replay(ctx context.Context, s Socket, first *loop.Message) ([]*loop.Message, error) {
	var ms []*loop.Message
	if first != nil {
		ms = append(ms, first)
	}
	ps := j.History.Publications
	for {
		n := piece(ps)
		ms = append(ms, j.channel.messages(s.Form, j.History.Epoch, ps[:n])...)
		s.Conn.Encode(ms)
		if n == len(ps) {
			return ms, nil
		}
		s.Conn.Start()
		if err := s.Conn.SendAll(ms); err != nil {
			return nil, err
		}
		if err := j.channel.drain(ctx, s.Conn); err != nil {
			return nil, err
		}
		ps, ms = ps[n:], nil
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
