package socketio

import (
	"encoding/base64"
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/packet"
	"maru.example/maru/internal/session"
)

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
	c.history.channels().coming, c.history.pid = one, pid
	c.mu.Unlock()
	resume = session.Resume{Ref: resumeRef, User: one.user}
	for _, r := range one.rooms {
		resume.Channels = append(resume.Channels, r.Resumption)
	}
	return resume, true
}

// Rejoining says what gets the publications of a client that comes back.
func (c *Conn) Rejoining() hub.Receiver {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.history.channels()
	all := historiesOf(s.coming.rooms)
	if len(all) == 1 {
		s.plain = all[0].hash()
	}
	if len(all) <= 1 {
		return nil
	}
	s.tailor = newTailored(c, 0)
	return s.tailor
}

// Present sends the presence of a channel to a client that came back.
func (c *Conn) Present(here maru.Presence) {
	c.Deliver(event("presence", appendString(here.Channel), encode(here)))
}

// comeBack answers the Connect of a client that gets back what it had. What the disk has of it says
// something else of its next messages, if these have lists or its last ones had.
func (m *mapping) comeBack(c *Conn) {
	c.mu.Lock()
	s := c.history.channels()
	one := s.coming
	c.socket, s.rooms, s.coming, s.joins = one.socket, slices.Clone(one.rooms), nil, 1
	for i := range s.rooms {
		s.rooms[i].joined, s.rooms[i].listed = 0, s.tailor != nil
	}
	pid, differs := c.history.pid, s.tailor != nil || one.nonce != [4]byte{}
	c.mu.Unlock()
	if len(one.rooms) > 0 {
		m.saved.begins(pid, c)
	}
	if !differs {
		m.journal.moved(pid)
	} else if c.settled(m.journal.changing(pid)) != nil {
		return
	}
	c.connectedAs()
}

// beginAnew answers the Connect of a client that cannot be given back what it had.
func (m *mapping) beginAnew(c *Conn) {
	c.mu.Lock()
	m.journal.forget(c.history.pid)
	if c.history.pid = newID(); c.history.of != nil {
		c.history.of.coming = nil
	}
	c.mu.Unlock()
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
	return c.history.now().coming != nil
}
