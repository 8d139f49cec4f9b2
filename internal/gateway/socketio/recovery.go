package socketio

import (
	"encoding/base64"
	"hash/fnv"
	"io"
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/packet"
	"maru.example/maru/internal/session"
	"maru.example/maru/internal/shares"
)

// Connection state recovery: a client whose connection broke comes back with the pid that it got
// from Connect, and with the position of the last message that it has. It gets its channels, and
// what it missed of them, from their histories; or it begins anew.
//
// One position says what a client has of several channels as long as its messages came in the
// order of offsets. A replay behind other channels breaks that order, and so does conflation:
// such a session is not recovered. Its client subscribes with since instead.

// history is what a Conn keeps for its recovery: its channels, and from where it has them.
type history struct {
	pid     id
	rooms   []session.Resumption
	begun   uint64 // the hash of the offset that the client came with: it has received nothing since
	unsound bool   // its messages were not in the order of offsets
	saved   bool   // for a client that comes back
	coming  *saved // it has come back, and its Resume is under way
}

// Joined notes a subscription that begins. The client is sent nothing of it while the disk has
// the session without it. On an error the client begins anew.
func (c *Conn) Joined(o session.Join, first session.Subscribed) error {
	m, is := c.gateway.speaker.(*mapping)
	if !is {
		return nil
	}
	pid, isFirst := c.joined(o, first)
	if isFirst {
		m.saved.begins(pid, c)
	}
	return c.settled(m.journal.changing(pid))
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

func (c *Conn) joined(o session.Join, first session.Subscribed) (pid id, isFirst bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.history
	if o.Latest || o.Presence || first.Replay > 0 && len(h.rooms) > 0 {
		h.unsound = true
	}
	h.note(session.Resumption{Channel: first.Channel, Since: first.From})
	return h.pid, len(h.rooms) == 1
}

// left notes that a subscription has ended, and then calls done: at once, or when the disk has not the
// session with it any more. The session's own list is not asked: a client may have messages of a
// channel before the session has noted it.
func (c *Conn) left(channel string, done func()) {
	c.mu.Lock()
	h := &c.history
	h.rooms = slices.DeleteFunc(slices.Clone(h.rooms), func(r session.Resumption) bool { return r.Channel == channel })
	pid := h.pid
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

func (h *history) note(r session.Resumption) {
	for i := range h.rooms {
		if h.rooms[i].Channel == r.Channel {
			h.rooms[i] = r
			return
		}
	}
	h.rooms = append(h.rooms, r)
}

// save keeps the session for a client whose connection broke. A client that has left, or was
// dismissed, does not come back.
func (m *mapping) save(c *Conn) {
	c.mu.Lock()
	pid := c.history.pid
	c.mu.Unlock()
	if m.saved.ends(pid, c) {
		m.journal.forget(pid)
	}
}

// stateOf encodes a session for the journal; nil: there is nothing to keep.
func (m *mapping) stateOf(pid id) ([]byte, shares.Holder) {
	one := m.saved.find(pid)
	if one == nil || len(one.rooms) == 0 {
		return nil, 0
	}
	return appendState(nil, m.journal.run, one), one.holder
}

// snapshot is what a client gets back, once; nil: nothing. over reports that there is nothing any more,
// not even by another connection.
func (c *Conn) snapshot() (one *saved, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.history
	if h.saved {
		return nil, false
	}
	one = c.kept()
	h.saved = one != nil
	return one, one == nil
}

// over reports whether what the connection had is saved, or its end was handled.
func (c *Conn) over() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.history.saved || c.stage == afterPoll
}

// kept is what a client would get back now. c.mu is held.
func (c *Conn) kept() *saved {
	h := &c.history
	switch {
	case h.saved || h.unsound || c.finished:
		return nil
	case h.coming != nil: // it broke again before it was answered
		return h.coming
	case !c.answered:
		return nil
	}
	return &saved{socket: c.socket, user: c.Identity().User, rooms: h.rooms, begun: h.begun, holder: c.Entry().Holder()}
}

// Gone saves the session before it ends early.
func (c *Conn) Gone() {
	c.gateway.speaker.Closed(c)
	c.Multiplex.Gone()
}

// resumption is the session's command for a client that comes back; ok is false if it cannot.
func (m *mapping) resumption(c *Conn, auth connectAuth) (resume session.Resume, ok bool) {
	var pid id
	if len(auth.PID) != base64.RawURLEncoding.EncodedLen(len(pid)) {
		return resume, false
	}
	if _, err := base64.RawURLEncoding.Decode(pid[:], []byte(auth.PID)); err != nil {
		return resume, false
	}
	one := m.saved.take(pid)
	if one == nil {
		return resume, false
	}
	if one = one.advance(auth.Offset); one == nil {
		m.journal.forget(pid)
		return resume, false
	}
	c.mu.Lock()
	c.history.coming, c.history.pid = one, pid
	c.mu.Unlock()
	return session.Resume{Ref: resumeRef, User: one.user, Channels: one.rooms}, true
}

// advance returns the session with the positions from which a client has its channels moved to that of
// its last message of any channel, where that is later; nil: they are not of one history.
func (s *saved) advance(last string) *saved {
	begun := hashOf(last)
	if begun == s.begun {
		return s // it has received nothing in this session: the offset is of an earlier one
	}
	at, err := maru.ParsePosition(last)
	if err != nil {
		return nil
	}
	next := *s
	next.begun, next.rooms = begun, slices.Clone(s.rooms)
	for i := range next.rooms {
		since := &next.rooms[i].Since
		if at.Epoch != since.Epoch {
			return nil
		}
		since.Offset = max(since.Offset, at.Offset)
	}
	return &next
}

// hashOf is the hash of the offset with which a client comes. A client keeps its last offset also
// when it begins anew: so an offset says something only if it is another one than at the beginning.
func hashOf(offset string) uint64 {
	if offset == "" {
		return 0
	}
	h := fnv.New64a()
	io.WriteString(h, offset)
	return h.Sum64()
}

// beginAnew answers the Connect of a client that cannot be given back what it had.
func (m *mapping) beginAnew(c *Conn) {
	c.mu.Lock()
	m.journal.forget(c.history.pid)
	c.history.coming, c.history.pid = nil, newID()
	c.mu.Unlock()
	c.connectedAs()
}

// comeBack answers the Connect of a client that gets back what it had.
func (m *mapping) comeBack(c *Conn) {
	c.mu.Lock()
	h := &c.history
	c.socket, h.rooms, h.coming = h.coming.socket, slices.Clone(h.coming.rooms), nil
	pid, some := h.pid, len(h.rooms) > 0
	c.mu.Unlock()
	if some {
		m.saved.begins(pid, c)
		m.journal.moved(pid)
	}
	c.connectedAs()
}

// connectedAs answers the client's Connect.
func (c *Conn) connectedAs() {
	c.mu.Lock()
	c.answered = true
	b := []byte(`{"sid":"` + c.socket.String() + `","pid":"` + c.history.pid.String() + `"}`)
	c.mu.Unlock()
	c.Send(packet.Packet{Type: packet.Connect, ID: packet.NoID, Data: b}, nil)
}

// isComing reports whether the client's Resume is under way.
func (c *Conn) isComing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.history.coming != nil
}
