package socketio

import (
	"encoding/base64"
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/packet"
	"maru.example/maru/internal/session"
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
	unsound bool   // its messages were not in the order of offsets
	saved   bool   // for a client that comes back
	coming  *saved // it has come back, and its Resume is under way
}

// Joined notes a subscription that begins.
func (c *Conn) Joined(o session.Join, first session.Subscribed) {
	if pid, isFirst := c.joined(o, first); isFirst {
		c.live(pid)
	}
}

// live notes that the client has channels that it may come back for.
func (c *Conn) live(pid id) {
	if m, is := c.gateway.speaker.(*mapping); is {
		m.saved.begins(pid, c)
	}
}

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

// left notes that a subscription has ended. The session's own list is not asked: a client may have
// messages of a channel before the session has noted it.
func (c *Conn) left(channel string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history.rooms = slices.DeleteFunc(slices.Clone(c.history.rooms), func(r session.Resumption) bool { return r.Channel == channel })
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
	m.saved.ends(pid, c)
}

// snapshot is what a client gets back, once; nil: nothing.
func (c *Conn) snapshot() *saved {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := &c.history
	switch {
	case h.saved || h.unsound || c.finished:
		return nil
	case h.coming != nil: // it broke again before it was answered
		h.saved = true
		return h.coming
	case !c.answered:
		return nil
	}
	h.saved = true
	return &saved{socket: c.socket, user: c.Identity().User, rooms: h.rooms}
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
	for i := range one.rooms {
		if !advance(&one.rooms[i].Since, auth.Offset) {
			return resume, false
		}
	}
	c.mu.Lock()
	c.history.coming, c.history.pid = one, pid
	c.mu.Unlock()
	return session.Resume{Ref: resumeRef, User: one.user, Channels: one.rooms}, true
}

// advance moves the position from which a client has a channel to that of its last message of any
// channel, if that is later. It reports whether they are of one history.
func advance(since *maru.Position, last string) bool {
	if last == "" {
		return true // it has got nothing
	}
	at, err := maru.ParsePosition(last)
	if err != nil || at.Epoch != since.Epoch {
		return false
	}
	since.Offset = max(since.Offset, at.Offset)
	return true
}

// beginAnew answers the Connect of a client that cannot be given back what it had.
func (c *Conn) beginAnew() {
	c.mu.Lock()
	c.history.coming, c.history.pid = nil, newID()
	c.mu.Unlock()
	c.connectedAs()
}

// comeBack answers the Connect of a client that gets back what it had.
func (c *Conn) comeBack() {
	c.mu.Lock()
	h := &c.history
	c.socket, h.rooms, h.coming = h.coming.socket, slices.Clone(h.coming.rooms), nil
	pid, some := h.pid, len(h.rooms) > 0
	c.mu.Unlock()
	if some {
		c.live(pid)
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
