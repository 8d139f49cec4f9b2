package socketio

// VolatileSocket is a socket whose events may be dropped: see Socket.Volatile.
type VolatileSocket struct{ socket *Socket }

// Volatile returns the socket for events that are of no use later: each is dropped if the client does
// not take it at once, because something still waits for it, or because it polls and has no poll open.
func (s *Socket) Volatile() VolatileSocket { return VolatileSocket{s} }

// Emit emits an event, or drops it, which is no error. Errors: those of Socket.Emit.
func (v VolatileSocket) Emit(event string, args ...any) error {
	s := v.socket
	if c := s.conn.Conn; c.Conn().Open() && !c.Writable() {
		return nil
	}
	return s.emitOne(event, args, false)
}
