package hub

import (
	"context"

	"maru.example/maru"
	"maru.example/maru/internal/loop"
)

// Socket is a subscriber with a connection of the engine: a WebSocket, or an event stream.
type Socket struct {
	Conn   loop.Conn
	Form   FormID
	Absent bool   // not counted in presence: a member of a program's room
	User   string // for presence; empty for anonymous
	Mode   Mode
}

// Joining is a subscription that has begun and has no subscriber yet. It queues publications
// meanwhile. Attach, Queue or Cancel ends it, once.
type Joining struct {
	// History is what was asked for; zero if nothing was.
	History maru.History
	// To, if not nil, gets the publications in place of the socket that is attached. It is set before
	// Attach, and has no Mode.
	To Receiver

	channel *Channel
	mode    Mode
	live    *Queue // collects publications; nil if no history was asked for
}

// Join begins a subscription; there is no other way. It asks the broker for history and queues
// publications meanwhile, so that the subscriber misses nothing and gets nothing twice. With a
// nil q no history is asked for: the subscription begins at Attach or Queue, and Join does not
// wait. mode is the result of Channel.Mode.
//
// A subscriber with Mode.Latest gets the newest retained publication of each key, whatever
// its position. Conflated keys are not sent in the order of offsets, so a position does not
// say which of them were seen. The skipped publications were stale, so there is no gap.
//
// Errors: the broker's and ctx's.
func (c *Channel) Join(ctx context.Context, mode Mode, q *maru.HistoryQuery) (Joining, error) {
	j := Joining{channel: c, mode: mode}
	if q == nil {
		return j, nil
	}
	if err := c.hub.engine.Wait(ctx); err != nil {
		return Joining{}, err
	}
	j.live = c.collect(mode)
	asked := *q
	if mode.Latest && asked.Since != nil {
		asked = maru.HistoryQuery{Limit: -1}
	}
	var err error
	if j.History, err = c.hub.broker.History(ctx, c.name, asked); err != nil {
		j.Cancel()
		return Joining{}, err
	}
	if mode.Latest {
		j.History.Publications = newest(j.History.Publications)
	}
	return j, nil
}

// Cancel ends a Joining without a subscriber. It does nothing after Attach.
func (j *Joining) Cancel() {
	if j.live == nil {
		return
	}
	j.channel.mu.Lock()
	defer j.channel.mu.Unlock()
	delete(j.channel.queues, j.live)
}

// Attach subscribes a socket. It sends first, if not nil, then the history, then live
// publications, without a hole or a duplicate between them. s has the mode of the Joining.
// A long history is sent in pieces; Attach then waits for the reader, and starts the
// connection if it is held. If Attach fails, s is not subscribed. Errors: CodeSlow if the
// reader takes too long, or if more was published meanwhile than a backlog holds;
// net.ErrClosed if the connection is closed; ctx's.
func (j *Joining) Attach(ctx context.Context, s Socket, first *loop.Message) error {
	if j.To != nil {
		return j.attachTo(ctx, s, first)
	}
	c := j.channel
	replay, err := j.replay(ctx, s, first)

	c.mu.Lock()
	defer c.mu.Unlock()
	if j.live != nil {
		delete(c.queues, j.live)
	}
	if err != nil {
		return err
	}
	waited, err := j.waited()
	if err != nil {
		return err
	}
	for _, d := range waited {
		replay = append(replay, c.encode(s.Form, d))
	}
	if len(replay) > 0 {
		if err := s.Conn.SendAll(replay); err != nil {
			return err
		}
	}
	c.add(s)
	return nil
}

// waited returns what was published behind the history while it was read; nil if none was asked for.
// The channel is locked.
func (j *Joining) waited() ([]Delivery, error) {
	if j.live == nil {
		return nil, nil
	}
	j.live.begin(j.History)
	all, err := j.live.collected()
	if err == errMissed { // the client asks again, and its history then has the gap
		err = errSlow
	}
	if err == nil {
		j.channel.begun(j.History)
	}
	return all, err
}

// Queue subscribes a goroutine: it reads j.History first, and then the Queue, without a hole or
// a duplicate between them. The Queue must be closed; it takes over the caller's share in the
// channel. Reader.Mode is the Joining's.
func (j *Joining) Queue(r Reader) *Queue {
	c := j.channel
	q := j.live
	if q == nil {
		q = c.collect(j.mode)
	} else {
		q.begin(j.History)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	q.reader = r
	if !r.Absent {
		c.join(r.User)
	}
	return q
}

// replay sends first and all but the last piece of the history, each when the one before is
// written. So the memory for one socket does not depend on how much it asks for. It returns the
// last piece, encoded and not sent.
func (j *Joining) replay(ctx context.Context, s Socket, first *loop.Message) ([]*loop.Message, error) {
	var ms []*loop.Message
	if first != nil {
		ms = append(ms, first)
	}
	ps := j.History.Publications
	if len(ms)+len(ps) == 0 {
		return nil, nil
	}
	for {
		n := piece(ps)
		ms = append(ms, j.channel.encodeAll(s.Form, j.History.Epoch, ps[:n])...)
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

// drain waits for the reader, at most as long as a backlog may wait.
func (c *Channel) drain(ctx context.Context, conn loop.Conn) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.hub.limits.age, errSlow)
	defer cancel()
	return conn.Drain(ctx)
}

// pieceBytes is the size of a piece of a replay: large enough that a usual history is one
// piece, and a quarter of the default backlog.
const pieceBytes = 256 << 10

// piece returns how many of the publications are sent together: at least one.
func piece(ps []*maru.Publication) int {
	bytes := 0
	for i, p := range ps {
		if bytes += len(p.Data); bytes > pieceBytes && i > 0 {
			return i
		}
	}
	return len(ps)
}

// add subscribes a socket to publications from now on. c.mu is held.
func (c *Channel) add(s Socket) {
	if !s.Absent {
		c.join(s.User)
	}
	if s.Mode.MaxHz > 0 {
		c.pacer(pace{s.Form, s.Mode.MaxHz}).add(s.Conn)
		return
	}
	of := c.socketsOf(s)
	if of.group == nil {
		of.group = c.hub.engine.NewGroup()
		if s.Mode.Latest {
			of.group = c.hub.engine.NewLatestGroup(&c.space.Conflated)
		}
	}
	of.count++
	of.group.Add(s.Conn)
}

// Remove ends the subscription of an attached socket. Publications before the call are still
// sent; none is sent after the caller's next message. closed reports that the connection has
// ended: it then leaves its groups by itself.
func (c *Channel) Remove(s Socket, closed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.Absent {
		c.leave(s.User)
	}
	if _, is := c.receivers[s.Conn]; is {
		delete(c.receivers, s.Conn)
		return
	}
	if s.Mode.MaxHz > 0 {
		c.pacers[pace{s.Form, s.Mode.MaxHz}].remove(s.Conn, closed)
		return
	}
	of := c.socketsOf(s)
	of.count--
	if !closed {
		of.group.Remove(s.Conn)
	}
}
