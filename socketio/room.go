package socketio

import (
	"context"

	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
)

// room is the sockets of this node that have joined a room. That of a socket's own id exists only if
// others have joined it.
type room struct {
	channel string      // of the hub; empty: none, because the name may be an id
	group   *loop.Group // instead
	members map[*Socket]struct{}
}

// add makes a socket a member of the namespace, and of the rooms that it has joined already, unless
// its client has gone meanwhile.
func (n *Namespace) add(s *Socket) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	missed, ok := n.missed(s)
	if !s.connect() {
		return false
	}
	if !ok { // it is not sent its id, so that it does not take itself for the one that it was
		go s.conn.Close(errMissed)
		return false
	}
	n.listen()
	n.sockets[s] = n.attach(s, n.channels.all, s.welcome())
	n.server.ids.add(s)
	s.rooms[s.id] = nil
	for name := range s.rooms {
		n.enter(s, name)
	}
	n.resume(s, missed)
	return true
}

// listen begins to receive what each node looks up. n.mu is held.
func (n *Namespace) listen() {
	if n.some == nil {
		n.some = n.server.env.Hub.Channel(n.looked())
		n.some.Listen(n.receive)
	}
}

// remove takes a socket that was added out of the namespace and all its rooms.
func (n *Namespace) remove(s *Socket) {
	n.takeOut(s)
	n.tidy()
}

func (n *Namespace) takeOut(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, is := n.sockets[s]; !is {
		return
	}
	n.recovery.save(s)
	for name := range s.rooms {
		n.leave(s, name)
	}
	s.rooms = nil // it joins none any more
	n.server.ids.remove(s)
	s.detach(n.sockets[s])
	delete(n.sockets, s)
	n.forgetLater()
	n.unlisten()
}

// join and leave are called with n.mu held, which guards Socket.rooms too. A socket that is not
// added yet, in middleware for example, is a member when it is.
func (n *Namespace) join(s *Socket, name string) {
	if _, is := s.rooms[name]; is || s.rooms == nil {
		return
	}
	s.rooms[name] = nil
	if _, is := n.sockets[s]; is {
		n.enter(s, name)
	}
}

// enter makes a socket a member of a room. That of its own id has no room of its own.
func (n *Namespace) enter(s *Socket, name string) {
	if name == s.id {
		return
	}
	r := n.rooms[name]
	if r == nil {
		r = &room{members: make(map[*Socket]struct{})}
		if mayBeID(name) {
			r.group = n.server.env.Engine.NewGroup()
		} else {
			r.channel = n.channels.room(name)
		}
		n.rooms[name] = r
	}
	r.members[s] = struct{}{}
	if r.group != nil {
		r.group.Add(s.conn.Conn.Conn())
	} else {
		s.rooms[name] = n.attach(s, r.channel, nil)
	}
}

func (n *Namespace) leave(s *Socket, name string) {
	channel, is := s.rooms[name]
	if !is {
		return
	}
	delete(s.rooms, name)
	s.detach(channel)
	r := n.rooms[name]
	if r == nil || name == s.id {
		return
	}
	if r.group != nil {
		r.group.Remove(s.conn.Conn.Conn())
	}
	if delete(r.members, s); len(r.members) == 0 {
		delete(n.rooms, name)
	}
}

// attach subscribes a socket to a channel of the hub; first, if not nil, is sent before all that is
// published there, and nothing that is published once the client has it is missed. It does not wait,
// because there is no history.
func (n *Namespace) attach(s *Socket, name string, first *loop.Message) *hub.Channel {
	c := n.server.env.Hub.Channel(name)
	ctx := context.Background()
	j, _ := c.Join(ctx, hub.Mode{}, nil)
	if j.Attach(ctx, s.member(), first) != nil { // it has ended, or too much waits for it
		s.conn.Conn.Conn().Terminate()
		c.Release()
		return nil
	}
	return c
}

// detach ends that; nil: there is none.
func (s *Socket) detach(c *hub.Channel) {
	if c != nil {
		m := s.member()
		c.Remove(m, !m.Conn.Open())
		c.Release()
	}
}

func (s *Socket) member() hub.Socket {
	return hub.Socket{Conn: s.conn.Conn.Conn(), Form: s.namespace.server.formID, Absent: true}
}
