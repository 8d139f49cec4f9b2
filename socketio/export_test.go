package socketio

import "context"

// Drain waits until everything that was sent to the socket's client is written.
func (s *Socket) Drain(ctx context.Context) error { return s.conn.Conn.Conn().Drain(ctx) }

// Queued returns how many bytes of the socket's client wait for their handlers.
func (s *Socket) Queued() int {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.conn.bytes
}

// Others returns the other nodes.
func (s *Server) Others() (all []string, connected bool) { return s.nodes.calls.Others() }

// ArriveServerSide handles an event as one that another node has emitted, and WaitingServerSide returns how
// many wait for their handlers.
func (n *Namespace) ArriveServerSide(event string, args ...any) error {
	data, binary, err := encodeEvent(event, args)
	n.queueServerSide(request{kind: askEvent, data: data, attachments: binary})
	return err
}

func (n *Namespace) WaitingServerSide() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.serverEvents)
}
