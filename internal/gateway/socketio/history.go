package socketio

import (
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/session"
)

// history is what a Conn keeps for its recovery: its channels, and from where it has them.
type history struct {
	pid     id
	unsound bool      // it cannot be recovered; beside pid, where it takes no room
	of      *channels // nil: as if they were zero, so that a client without channels costs nothing
}

// channels are those of a client, and how it gets them.
type channels struct {
	rooms  []room
	begun  uint64    // the hash of the offset that the client came with: it has received nothing since
	tailor *tailored // gets its publications; nil: it does itself
	coming *saved    // it has come back, and its Resume is under way
	sought bool      // the same, and what it comes back for is being asked of another node
	home   string    // the node in its pid; empty: this one
	joins  uint32    // subscriptions so far; those that came back are one
	plain  uint32    // the hash of the history of all its messages without a list
}

// channels are to be changed.
func (h *history) channels() *channels {
	if h.of == nil {
		h.of = new(channels)
	}
	return h.of
}

// now is what channels has, to be read.
func (h *history) now() channels {
	if h.of == nil {
		return channels{}
	}
	return *h.of
}

// room is a channel of a client.
type room struct {
	session.Resumption
	joined uint32 // the number of the subscription on its connection
	listed bool   // all its messages have lists
}

// Joined notes a subscription that begins. The client is sent nothing of it while the disk has
// the session without it. On an error the client begins anew.
func (c *Conn) Joined(o session.Join, mode hub.Mode, first session.Subscribed) (hub.Receiver, error) {
	m, is := c.gateway.speaker.(*mapping)
	if !is {
		return nil, nil
	}
	pid, isFirst, to := c.joined(o, mode, first)
	if isFirst {
		m.saved.begins(pid, c)
	}
	err := c.settled(m.journal.changing(pid))
	if to == nil || mode != (hub.Mode{}) {
		return nil, err
	}
	return to, err
}

// settled waits for a commit, nil: there is none. If it has failed the session ends, and is not saved.
func (c *Conn) settled(change *commit) error {
	if change == nil {
		return nil
	}
	<-change.done
	if change.err == nil {
		return nil
	}
	c.mu.Lock()
	c.history.unsound = true
	c.mu.Unlock()
	c.Close(errNotChanged)
	return errNotChanged
}

var errNotChanged = maru.NewError(maru.CodeUnavailable, "the server's disk cannot be written, and still has the channels as they were before: reconnect and subscribe again")

func (c *Conn) joined(o session.Join, mode hub.Mode, first session.Subscribed) (pid id, isFirst bool, to *tailored) {
	r := room{Resumption: session.Resumption{Channel: first.Channel, Since: first.From, Latest: o.Latest, MaxHz: o.MaxHz,
		Presence: o.Presence, Conflated: mode != hub.Mode{}}}
	c.mu.Lock()
	h, s := &c.history, c.history.channels()
	before := s.tailor
	if !r.Conflated {
		s.number(c, &r, first.Replay > 0)
	}
	s.note(r)
	all := historiesOf(s.rooms)
	h.unsound = h.unsound || len(all) > maxHistories
	pid, isFirst, to = h.pid, len(s.rooms) == 1, s.tailor
	c.mu.Unlock()
	if to != before {
		c.Divert(to, to.begin)
	}
	if to != nil && !r.Conflated {
		to.coming(r.joined, all)
	}
	return pid, isFirst, to
}

// number gives a room its number, and tailors the messages if the room makes one position too little.
func (s *channels) number(c *Conn, r *room, replay bool) {
	s.joins++
	plain := placeOf(r.Channel, r.Since).hash()
	if s.joins == 1 {
		s.plain = plain
	}
	if s.tailor == nil && (s.plain != plain || replay && (s.joins > 1 || s.begun != 0)) {
		s.tailor = newTailored(c, s.joins-1)
	}
	r.joined, r.listed = s.joins, s.tailor != nil
}

// historiesOf are the histories of rooms of which positions say something.
func historiesOf(rooms []room) (all []place) {
	for _, r := range rooms {
		if p := placeOf(r.Channel, r.Since); !r.Conflated && !slices.ContainsFunc(all, p.same) {
			all = append(all, p)
		}
	}
	return all
}

// left notes that a subscription has ended, and then calls done: at once, or when the disk has not the
// session with it any more. The session's own list is not asked: a client may have messages of a
// channel before the session has noted it.
func (c *Conn) left(channel string, done func()) {
	c.mu.Lock()
	s := c.history.channels()
	s.rooms = slices.DeleteFunc(slices.Clone(s.rooms), func(r room) bool { return r.Channel == channel })
	pid := c.history.pid
	c.mu.Unlock()
	var change *commit
	if m, is := c.gateway.speaker.(*mapping); is {
		change = m.journal.changing(pid)
	}
	if change == nil {
		done()
		return
	}
	go func() {
		if c.settled(change) == nil {
			done()
		}
	}()
}

// note adds a room, or replaces it. What was given away is not changed.
func (s *channels) note(r room) {
	s.rooms = append(slices.DeleteFunc(slices.Clone(s.rooms), func(o room) bool { return o.Channel == r.Channel }), r)
}
