package socketio

import (
	"maru.example/maru/internal/loop"
)

// Target is a set of sockets of a namespace, by rooms. It is a value: To and Except return another
// one. A socket in several of the rooms is in it once.
type Target struct {
	namespace  *Namespace
	to, except []string
	without    *Socket
}

// To adds the sockets of more rooms. Without any, all sockets of the namespace are meant. The id
// of a socket is a room with that socket alone.
func (t Target) To(rooms ...string) Target {
	t.to = append(t.to[:len(t.to):len(t.to)], rooms...)
	return t
}

// Except leaves out the sockets of rooms.
func (t Target) Except(rooms ...string) Target {
	t.except = append(t.except[:len(t.except):len(t.except)], rooms...)
	return t
}

// Emit emits an event to the sockets. It is encoded once. Errors are those of an argument that
// cannot be encoded.
func (t Target) Emit(event string, args ...any) error {
	m, err := t.namespace.encode(event, args)
	if err != nil {
		return err
	}
	n := t.namespace
	t.outgoing(event, args)
	n.wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	if g, whole := t.group(); whole {
		if g != nil {
			except := loop.Conn{}
			if t.without != nil {
				except = t.without.conn.Conn.Conn()
			}
			g.AppendExcept(m, except)
		}
		return nil
	}
	for s := range t.members() {
		s.conn.Conn.Conn().Send(m)
	}
	return nil
}

// Send emits the event "message" to the sockets.
func (t Target) Send(args ...any) error { return t.Emit("message", args...) }

// group returns the one group that has just these sockets, beside without; whole is false if there
// is none. n.mu is held.
func (t Target) group() (g *loop.Group, whole bool) {
	n := t.namespace
	switch {
	case len(t.except) > 0 || len(t.to) > 1:
		return nil, false
	case len(t.to) == 0:
		return n.everybody, true
	}
	r := n.rooms[t.to[0]]
	if r == nil {
		return nil, true
	}
	return r.group, r.group != nil // the room of a single id has none
}

// members collects the sockets. n.mu is held.
func (t Target) members() map[*Socket]struct{} {
	n, all := t.namespace, make(map[*Socket]struct{})
	if len(t.to) == 0 {
		for _, s := range n.sockets {
			all[s] = struct{}{}
		}
	}
	for _, name := range t.to {
		if r := n.rooms[name]; r != nil {
			for s := range r.members {
				all[s] = struct{}{}
			}
		}
	}
	for _, name := range t.except {
		if r := n.rooms[name]; r != nil {
			for s := range r.members {
				delete(all, s)
			}
		}
	}
	delete(all, t.without)
	return all
}

// Sockets returns the sockets that are meant now.
func (t Target) Sockets() []*Socket {
	t.namespace.mu.Lock()
	defer t.namespace.mu.Unlock()
	var all []*Socket
	for s := range t.members() {
		all = append(all, s)
	}
	return all
}

// Join adds the sockets to rooms.
func (t Target) Join(rooms ...string) {
	for _, s := range t.Sockets() {
		s.Join(rooms...)
	}
}

// Leave takes the sockets out of rooms.
func (t Target) Leave(rooms ...string) {
	for _, s := range t.Sockets() {
		s.Leave(rooms...)
	}
}

// Disconnect disconnects the sockets: see Socket.Disconnect.
func (t Target) Disconnect(closeConnection bool) {
	for _, s := range t.Sockets() {
		s.Disconnect(closeConnection)
	}
}
