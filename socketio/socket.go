package socketio

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"maru.example/maru"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/packet"
)

// Socket is a client in a namespace.
type Socket struct {
	// Data is the program's own. Nothing here reads or writes it.
	Data any

	namespace *Namespace
	conn      *conn
	id        string
	handshake Handshake
	rooms     map[string]struct{} // guarded by namespace.mu

	mu           sync.Mutex
	handlers     map[string]handler
	any          []func(event string, args []Arg)
	onDisconnect []func(reason string)
	acks         map[int64]chan gw.Packet // nil after the end
	lastAck      int64
}

// Handshake is how a client has come in.
type Handshake struct {
	Auth json.RawMessage // the client's auth payload; {} without one
	User string          // as the server has identified the client; empty: anonymous
	Addr netip.Addr      // the client's
	Time time.Time
}

func newSocket(n *Namespace, k *conn, h Handshake) *Socket {
	return &Socket{namespace: n, conn: k, id: gw.NewID(), handshake: h,
		rooms: make(map[string]struct{}), handlers: make(map[string]handler), acks: make(map[int64]chan gw.Packet)}
}

// ID is random, and not secret: it names a room with this socket alone.
func (s *Socket) ID() string { return s.id }

// Handshake returns how the client has come in.
func (s *Socket) Handshake() Handshake { return s.handshake }

// Namespace returns the socket's namespace.
func (s *Socket) Namespace() *Namespace { return s.namespace }

// On sets the handler of an event, in place of an earlier one. It panics if that is no function of
// the kind that the package documentation describes.
func (s *Socket) On(event string, f any) {
	h := newHandler(f)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[event] = h
}

// Off removes the handler of an event.
func (s *Socket) Off(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.handlers, event)
}

// OnAny adds a function that is called for each event, before its handler.
func (s *Socket) OnAny(f func(event string, args []Arg)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.any = append(s.any, f)
}

// OnDisconnect adds a function that is called once, when the socket has left the namespace. The
// reasons are those of npm socket.io: "client namespace disconnect", "server namespace
// disconnect", "transport close".
func (s *Socket) OnDisconnect(f func(reason string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onDisconnect = append(s.onDisconnect, f)
}

// Emit emits an event to the client. Errors: that of an argument that cannot be encoded;
// net.ErrClosed if the client has gone, by errors.Is.
func (s *Socket) Emit(event string, args ...any) error {
	m, err := s.namespace.encode(event, args)
	if err != nil {
		return err
	}
	s.namespace.wait()
	return s.conn.Conn.Conn().Send(m)
}

// Join adds the socket to rooms. Any text names a room.
func (s *Socket) Join(rooms ...string) {
	s.namespace.mu.Lock()
	defer s.namespace.mu.Unlock()
	for _, name := range rooms {
		s.namespace.join(s, name)
	}
}

// Leave takes the socket out of rooms.
func (s *Socket) Leave(rooms ...string) {
	s.namespace.mu.Lock()
	defer s.namespace.mu.Unlock()
	for _, name := range rooms {
		s.namespace.leave(s, name)
	}
}

// Rooms returns the rooms of the socket, sorted; that of its id is one of them.
func (s *Socket) Rooms() []string {
	s.namespace.mu.Lock()
	defer s.namespace.mu.Unlock()
	all := make([]string, 0, len(s.rooms))
	for name := range s.rooms {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// Broadcast is all sockets of the namespace but this one.
func (s *Socket) Broadcast() Target { return Target{namespace: s.namespace, without: s} }

// To is the sockets in any of the rooms, but not this one.
func (s *Socket) To(rooms ...string) Target { return s.Broadcast().To(rooms...) }

// Except is all sockets but this one and those in any of the rooms.
func (s *Socket) Except(rooms ...string) Target { return s.Broadcast().Except(rooms...) }

// Disconnect takes the client out of the namespace: it does not come back by itself. With
// closeConnection its connection is closed, with all its namespaces.
func (s *Socket) Disconnect(closeConnection bool) {
	s.conn.Send(packet.Packet{Type: packet.Disconnect, Namespace: s.namespace.name, ID: packet.NoID}, nil)
	if closeConnection {
		s.conn.Conn.Conn().Close(maru.CloseNormal, "")
	}
	go s.end("server namespace disconnect")() // not in the caller's goroutine, which may hold locks
}

// leave ends the socket and notifies the program.
func (s *Socket) leave(reason string) { s.end(reason)() }

// end ends the socket, once. The function that it returns notifies the program.
func (s *Socket) end(reason string) (notify func()) {
	if !s.namespace.remove(s) {
		return func() {}
	}
	s.conn.mu.Lock()
	if s.conn.sockets[s.namespace.name] == s {
		delete(s.conn.sockets, s.namespace.name)
	}
	s.conn.mu.Unlock()
	s.mu.Lock()
	for _, reply := range s.acks {
		close(reply)
	}
	s.acks = nil
	all := slices.Clone(s.onDisconnect)
	s.mu.Unlock()
	return func() {
		for _, f := range all {
			s.guard("disconnect", func() { f(reason) })
		}
	}
}

// event handles an event of the client.
func (s *Socket) event(p gw.Packet) {
	event, args, err := decodeEvent(p)
	if err != nil {
		s.failed(event, err)
		return
	}
	s.mu.Lock()
	all, h := slices.Clone(s.any), s.handlers[event]
	s.mu.Unlock()
	for _, f := range all {
		s.guard(event, func() { f(event, args) })
	}
	if h.f.IsValid() {
		s.guard(event, func() {
			if err := h.call(args, s.ackOf(p)); err != nil {
				s.failed(event, err)
			}
		})
	}
}

// ackOf answers an event, once; without an ack id it does nothing.
func (s *Socket) ackOf(p gw.Packet) Ack {
	var once sync.Once
	return func(args ...any) error {
		err := error(nil)
		once.Do(func() {
			if p.ID == packet.NoID {
				return
			}
			out := packet.Packet{Type: packet.Ack, Namespace: s.namespace.name, ID: p.ID}
			var binary [][]byte
			if out.Data, binary, err = encodeArgs(nil, args); err == nil {
				err = s.conn.Send(complete(out, binary))
			}
		})
		return err
	}
}

// guard calls a function of the program.
func (s *Socket) guard(event string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			s.failed(event, fmt.Errorf("the handler panicked: %v", p))
		}
	}()
	f()
}

func (s *Socket) failed(event string, err error) {
	o := &s.namespace.server.options
	if o.Failed != nil {
		o.Failed(s, event, err)
		return
	}
	o.Logger.Error("event was not handled", slog.String("namespace", s.namespace.name), slog.String("event", event), slog.Any("err", err))
}
