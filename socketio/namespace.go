package socketio

import (
	"slices"
	"sync"
	"sync/atomic"

	"maru.example/maru/internal/hub"
)

// Namespace is a set of sockets with rooms, handlers and middleware of its own.
type Namespace struct {
	server   *Server
	name     string
	channels channels
	pattern  *Pattern     // that it was made by; nil: none
	arriving int          // clients between Server.visit and visited; guarded by Server.mu
	lastAck  atomic.Int64 // of the acks that clients owe

	mu           sync.Mutex
	sockets      map[*Socket]*hub.Channel // with its share in channels.all
	rooms        map[string]*room
	some         *hub.Channel // that receive listens to; nil without sockets, and without any that may come back
	recovery     *recovery    // nil: none
	onConnection []func(*Socket)
	checks       []func(*Socket) error
	watched      map[*Socket]struct{}  // those with OnAnyOutgoing
	serverSide   map[string][]*handler // of OnServerSide; the lists are not changed in place
	serverEvents []request             // that wait for these; the first one is being handled
	serverBytes  int                   // of them
}

func newNamespace(s *Server, name string, p *Pattern) *Namespace {
	n := &Namespace{server: s, name: name, channels: channelsOf(s.path(), name), pattern: p, recovery: newRecovery(s.options.Recovery),
		sockets: make(map[*Socket]*hub.Channel), rooms: make(map[string]*room)}
	if n.recovery != nil {
		n.recovery.expired = func(pid string) {
			if e := s.elsewhere; e != nil {
				e.gone(pid)
			}
		}
	}
	return n
}

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

// middlewares are the pattern's, and then the namespace's.
func (n *Namespace) middlewares() []func(*Socket) error {
	all := n.pattern.middlewares()
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Concat(all, n.checks)
}

func (n *Namespace) connected(s *Socket) {
	all := n.pattern.connections()
	n.mu.Lock()
	all = slices.Concat(all, n.onConnection)
	n.mu.Unlock()
	for _, f := range all {
		s.guard("connection", func() error { f(s); return nil })
	}
}

// Sockets returns the sockets of this node that are connected now.
func (n *Namespace) Sockets() []*Socket { return n.target().Sockets() }

// Emit emits an event to all sockets of the namespace: see Target.Emit.
func (n *Namespace) Emit(event string, args ...any) error { return n.target().Emit(event, args...) }

// Send emits the event "message" to all sockets of the namespace.
func (n *Namespace) Send(args ...any) error { return n.Emit("message", args...) }

// To begins a Target: the sockets that are in any of the rooms.
func (n *Namespace) To(rooms ...string) Target { return n.target().To(rooms...) }

// Except begins a Target: all sockets but those in any of the rooms.
func (n *Namespace) Except(rooms ...string) Target { return n.target().Except(rooms...) }

// Volatile begins a Target for events that may be dropped: see Target.Volatile.
func (n *Namespace) Volatile() Target { return n.target().Volatile() }

// Local begins a Target: the sockets of this node.
func (n *Namespace) Local() Target { return n.target().Local() }

func (n *Namespace) target() Target { return Target{namespace: n} }
