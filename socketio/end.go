package socketio

import (
	"maru.example/maru"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/packet"
)

// OnDisconnecting adds a function that is called once, when the socket leaves the namespace, before
// those of OnDisconnect. It gets no events any more, but Rooms still returns the rooms, so that
// their others can be notified.
func (s *Socket) OnDisconnecting(f func(reason string)) (off func()) {
	return add(s, &s.hooks.disconnecting, f, false)
}

// OnDisconnect adds a function that is called once, when the socket has left the namespace; at once if
// it has already, but not if it never was connected. The reasons are those of npm socket.io: "client
// namespace disconnect", "server namespace disconnect", "transport close" and "ping timeout".
func (s *Socket) OnDisconnect(f func(reason string)) (off func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reason := s.reason; reason != "" { // the others have been taken to be called
		go s.guard("disconnect", func() error { f(reason); return nil })
		return func() {}
	}
	return put(s, &s.hooks.disconnect, f, false)
}

// Disconnect takes the client out of the namespace: it does not come back by itself. With
// closeConnection its connection is closed, with all its namespaces. A socket that is not connected
// is left alone. When Disconnect returns, the socket has left; OnDisconnecting and OnDisconnect follow,
// in another goroutine.
func (s *Socket) Disconnect(closeConnection bool) {
	if !s.Connected() {
		return
	}
	all := []*Socket{s}
	if closeConnection {
		all = s.conn.all()
	}
	for _, s := range all {
		notify, first := s.end(serverDisconnect)
		if first { // it has left before the client is sent that, so that the client may connect again at once
			s.conn.Send(packet.Packet{Type: packet.Disconnect, Namespace: s.namespace.name, ID: packet.NoID}, nil)
		}
		go notify() // not in the caller's goroutine, which may hold locks
	}
	if closeConnection {
		s.conn.Conn.Conn().Close(maru.CloseNormal, "")
	}
}

// The reasons of an end after which a client may come back.
const (
	transportClose = "transport close"
	pingTimeout    = "ping timeout"
)

const serverDisconnect = "server namespace disconnect"

// leave ends the socket and notifies the program.
func (s *Socket) leave(reason string) {
	notify, _ := s.end(reason)
	notify()
}

// end ends the socket, once: first reports whether this call did. notify notifies the program, and may
// wait.
func (s *Socket) end(reason string) (notify func(), first bool) {
	var rooms []string
	if s.namespace.recovery != nil || len(of(s, &s.hooks.disconnecting)) > 0 {
		rooms = s.Rooms() // nobody else asks for them
	}
	if s.conn.isOusted() {
		reason = serverDisconnect
	}
	s.mu.Lock()
	was := s.state
	s.state = gone
	if was == connected {
		s.reason, s.left = reason, rooms
	}
	for _, reply := range s.acks {
		reply(gw.Packet{}, false)
	}
	s.acks = nil
	disconnecting, disconnect := s.hooks.disconnecting, s.hooks.disconnect
	s.mu.Unlock()
	s.namespace.unwatch(s)
	s.conn.forget(s)
	if was != connected {
		return func() {}, was != gone
	}
	s.namespace.remove(s)
	return func() {
		s.notify(disconnecting, reason)
		s.mu.Lock()
		s.left = nil
		s.mu.Unlock()
		s.notify(disconnect, reason)
	}, true
}

func (s *Socket) notify(all []*func(reason string), reason string) {
	for _, f := range all {
		s.guard("disconnect", func() error { (*f)(reason); return nil })
	}
}
