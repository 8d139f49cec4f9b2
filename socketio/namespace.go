package socketio

import (
	"context"
	"slices"
	"sync"

	"maru.example/maru/internal/loop"
)

// Namespace is a set of sockets with rooms, handlers and middleware of its own.
type Namespace struct {
	server *Server
	name   string

	mu           sync.Mutex
	sockets      map[string]*Socket // by id
	rooms        map[string]*room
	everybody    *loop.Group // made with the first socket
	onConnection []func(*Socket)
	checks       []func(*Socket) error
	watched      map[*Socket]struct{} // those with OnAnyOutgoing
	lastAck      int64                // of the acks that clients owe
}

// room is a set of sockets that get the same messages.
type room struct {
	members map[*Socket]struct{}
	group   *loop.Group
}

// wait waits until the loops have room for one more event: the program is not faster than they are.
func (n *Namespace) wait() { n.server.engine.Wait(context.Background()) }

// Name begins with a slash.
func (n *Namespace) Name() string { return n.name }

// OnConnection adds a function that is called for each socket that connects. It registers the
// handlers of the socket's events: none is handled before it has returned.
func (n *Namespace) OnConnection(f func(*Socket)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.onConnection = append(n.onConnection, f)
}

// Use adds middleware, which is called for each socket before it connects, in the order in which it
// was added, and may wait. With an error the client is refused: it gets connect_error with the
// text of the error, and with the data of a *ConnectError.
func (n *Namespace) Use(check func(*Socket) error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.checks = append(n.checks, check)
}

func (n *Namespace) middlewares() []func(*Socket) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.checks)
}

func (n *Namespace) connected(s *Socket) {
	n.mu.Lock()
	all := slices.Clone(n.onConnection)
	n.mu.Unlock()
	for _, f := range all {
		s.guard("connection", func() error { f(s); return nil })
	}
}

// add adds a socket, unless its client has gone meanwhile.
func (n *Namespace) add(s *Socket) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !s.connect() {
		return false
	}
	if n.everybody == nil {
		n.everybody = n.server.engine.NewGroup()
	}
	n.sockets[s.id] = s
	n.everybody.Add(s.conn.Conn.Conn())
	s.rooms[s.id] = struct{}{}
	for name := range s.rooms {
		n.enter(s, name)
	}
	return true
}

// remove takes a socket that was added out of the namespace and all its rooms.
func (n *Namespace) remove(s *Socket) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.sockets, s.id)
	n.everybody.Remove(s.conn.Conn.Conn())
	for name := range s.rooms {
		n.leave(s, name)
	}
	s.rooms = nil // it joins none any more
}

// join and leave are called with n.mu held, which guards Socket.rooms too. A socket that is not
// added yet, in middleware for example, is a member when it is.
func (n *Namespace) join(s *Socket, name string) {
	if _, is := s.rooms[name]; is || s.rooms == nil {
		return
	}
	s.rooms[name] = struct{}{}
	if n.sockets[s.id] == s {
		n.enter(s, name)
	}
}

// enter makes a socket a member of a room.
func (n *Namespace) enter(s *Socket, name string) {
	r := n.rooms[name]
	if r == nil {
		r = &room{members: make(map[*Socket]struct{})}
		n.rooms[name] = r
	}
	if name != s.id {
		if r.group == nil {
			r.group = n.server.engine.NewGroup()
		}
		r.group.Add(s.conn.Conn.Conn())
	}
	r.members[s] = struct{}{}
}

func (n *Namespace) leave(s *Socket, name string) {
	delete(s.rooms, name)
	r := n.rooms[name]
	if r == nil {
		return
	}
	if _, is := r.members[s]; !is {
		return
	}
	delete(r.members, s)
	if r.group != nil && name != s.id {
		r.group.Remove(s.conn.Conn.Conn())
	}
	if len(r.members) == 0 {
		delete(n.rooms, name)
	}
}

// Sockets returns the sockets that are connected now.
func (n *Namespace) Sockets() []*Socket { return n.target().Sockets() }

// Emit emits an event to all sockets of the namespace. Errors are those of an argument that cannot
// be encoded.
func (n *Namespace) Emit(event string, args ...any) error { return n.target().Emit(event, args...) }

// Send emits the event "message" to all sockets of the namespace.
func (n *Namespace) Send(args ...any) error { return n.Emit("message", args...) }

// To begins a Target: the sockets that are in any of the rooms.
func (n *Namespace) To(rooms ...string) Target { return n.target().To(rooms...) }

// Except begins a Target: all sockets but those in any of the rooms.
func (n *Namespace) Except(rooms ...string) Target { return n.target().Except(rooms...) }

func (n *Namespace) target() Target { return Target{namespace: n} }
