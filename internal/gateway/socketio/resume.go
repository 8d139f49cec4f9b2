package socketio

import (
	"cmp"
	"context"
	"slices"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/packet"
	"maru.example/maru/internal/session"
)

// resumption is the session's command for a client that comes back; ok is false if it cannot.
func (m *mapping) resumption(c *Conn, auth connectAuth) (resume session.Resume, ok bool) {
	pid, node, ok := m.parsePID(auth.PID)
	if !ok {
		return resume, false
	}
	if m.others == nil {
		one := m.saved.take(pid)
		if one == nil {
			return resume, false
		}
		user, channels, ok := m.comes(c, pid, node, one, auth.Offset)
		return session.Resume{Ref: resumeRef, User: user, Channels: channels}, ok
	}
	if node == "" {
		return resume, false
	}
	c.mu.Lock()
	c.history.channels().sought = true
	c.mu.Unlock()
	return session.Resume{Ref: resumeRef, Find: func(ctx context.Context) (string, []session.Resumption, error) {
		one := parseState(m.others.find(ctx, pid, node))
		if one == nil {
			return "", nil, errNoSession
		}
		m.others.returned(pid)
		user, channels, ok := m.comes(c, pid, node, one, auth.Offset)
		if !ok {
			return "", nil, errNoSession
		}
		return user, channels, nil
	}}, true
}

var errNoSession = maru.NewError(maru.CodeGap, "the session is not known any more")

// parsePID reads the pid of a client: 20 letters, and on several nodes that of its node.
func (m *mapping) parsePID(text string) (pid id, node string, ok bool) {
	pid, node, ok = parsePID(text)
	return pid, node, ok && (node == "" || m.others != nil)
}

// comes notes what a client comes back for; ok is false if its offset says that it cannot.
func (m *mapping) comes(c *Conn, pid id, home string, one *saved, offset string) (user string, channels []session.Resumption, ok bool) {
	if one = one.advance(offset); one == nil {
		m.journal.forget(pid)
		return "", nil, false
	}
	next := *one // the journal may be reading that one
	next.holder = c.Entry().Holder()
	one = &next
	c.mu.Lock()
	s := c.history.channels()
	s.coming, s.home, c.history.pid = one, home, pid
	c.mu.Unlock()
	if c.over() { // its end may have come before
		m.saved.keep(pid, one)
	}
	for _, r := range one.rooms {
		channels = append(channels, r.Resumption)
	}
	return one.user, channels, true
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
	c.socket, s.rooms, s.coming, s.sought, s.joins = one.socket, slices.Clone(one.rooms), nil, false, 1
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
		c.history.of.coming, c.history.of.sought, c.history.of.home = nil, false, ""
	}
	c.mu.Unlock()
	c.connectedAs()
}

// connectedAs answers the client's Connect.
func (c *Conn) connectedAs() {
	c.mu.Lock()
	c.answered = true
	pid := c.history.pid.String()
	if c.gateway.bus != nil {
		pid += cmp.Or(c.history.now().home, c.gateway.bus.Node())
	}
	b := []byte(`{"sid":"` + c.socket.String() + `","pid":"` + pid + `"}`)
	c.mu.Unlock()
	c.Send(packet.Packet{Type: packet.Connect, ID: packet.NoID, Data: b}, nil)
}

// isComing reports whether the client's Resume is under way.
func (c *Conn) isComing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.history.now()
	return s.coming != nil || s.sought
}
