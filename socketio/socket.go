package socketio

import (
	"maps"
	"slices"
	"sync"

	"maru.example/maru"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/hub"
)

// Socket is a client in a namespace.
type Socket struct {
	// Data is the program's own. Only Recovery reads it, when the connection ends. So with that it is
	// set in middleware or OnConnection, and later changes are to what it points to.
	Data any

	namespace    *Namespace
	conn         *conn
	id           string
	handshake    Handshake // without what conn.first has
	pid          string    // its secret name for coming back; empty: it cannot
	recovered    bool
	back         *saved        // what it was, until it is connected again
	has          maru.Position // the last event that its client has, then
	home         string        // the node in the pid of its client
	catching     *catching     // see catchUp
	missedBefore maru.History  // the same
	missedAll    bool          // the same

	since maru.Position           // the last event before it first connected; guarded by namespace.mu, as rooms
	rooms map[string]*hub.Channel // by name, with the share in its channel; nil after its end; guarded by namespace.mu

	mu     sync.Mutex
	hooks  hooks
	state  state
	ready  bool              // OnConnection has returned
	reason string            // of its end; empty if it was never connected
	left   []string          // its rooms, while OnDisconnecting is called
	acks   map[int64]awaited // that the client owes
}

// state is how far a socket is.
type state uint8

const (
	connecting state = iota // middleware is called
	connected
	gone
)

func newSocket(n *Namespace, k *conn, h Handshake) *Socket {
	return &Socket{namespace: n, conn: k, id: gw.NewID(), handshake: h, rooms: make(map[string]*hub.Channel)}
}

// ID is random, and not secret: it names a room with this socket alone.
func (s *Socket) ID() string { return s.id }

// Namespace returns the socket's namespace.
func (s *Socket) Namespace() *Namespace { return s.namespace }

// Connected reports whether the socket is in its namespace: it is not during middleware, nor after
// its end.
func (s *Socket) Connected() bool { return s.at() == connected }

func (s *Socket) at() state {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Emit emits an event to the client. Errors: that of an argument that cannot be encoded, or of a
// reserved event name; net.ErrClosed if the client has gone, by errors.Is, unless it may come back:
// see Recovery.
func (s *Socket) Emit(event string, args ...any) error { return s.emitOne(event, args, true) }

func (s *Socket) emitOne(event string, args []any, keep bool) error {
	e, err := s.namespace.event(event, args)
	if err != nil {
		return err
	}
	s.outgoing(event, args)
	s.namespace.wait()
	return s.emit(e, keep)
}

// Send emits the event "message".
func (s *Socket) Send(args ...any) error { return s.Emit("message", args...) }

// Join adds the socket to rooms. Any text names a room. In middleware, it is in them as soon as it is
// connected.
//
// With Recovery on several nodes it waits for a few milliseconds, and for at most 5 s, if NATS has the
// rooms as they were before.
func (s *Socket) Join(rooms ...string) { settle(s.join(rooms)) }

func (s *Socket) join(rooms []string) (settled <-chan struct{}) {
	s.namespace.mu.Lock()
	defer s.namespace.mu.Unlock()
	for _, name := range rooms {
		s.namespace.join(s, name)
	}
	return s.namespace.changed(s)
}

// connect begins the time in which it is connected. It reports false if the client has gone already.
// Namespace.add calls it with namespace.mu held, so that end finds it added.
func (s *Socket) connect() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == connecting {
		s.state = connected
	}
	return s.state == connected
}

// Leave takes the socket out of rooms. It waits as Join does.
func (s *Socket) Leave(rooms ...string) { settle(s.leaveRooms(rooms)) }

func (s *Socket) leaveRooms(rooms []string) (settled <-chan struct{}) {
	s.namespace.mu.Lock()
	defer s.namespace.mu.Unlock()
	for _, name := range rooms {
		s.namespace.leave(s, name)
	}
	return s.namespace.changed(s)
}

// Rooms returns the rooms of the socket, sorted; that of its id is one of them. In OnDisconnecting
// they are those that it was in.
func (s *Socket) Rooms() []string {
	s.mu.Lock()
	left := s.left
	s.mu.Unlock()
	if left != nil {
		return slices.Clone(left)
	}
	s.namespace.mu.Lock()
	defer s.namespace.mu.Unlock()
	return slices.Sorted(maps.Keys(s.rooms))
}

// Broadcast is all sockets of the namespace but this one.
func (s *Socket) Broadcast() Target { return Target{namespace: s.namespace, without: s.id} }

// To is the sockets in any of the rooms, but not this one.
func (s *Socket) To(rooms ...string) Target { return s.Broadcast().To(rooms...) }

// Except is all sockets but this one and those in any of the rooms.
func (s *Socket) Except(rooms ...string) Target { return s.Broadcast().Except(rooms...) }
