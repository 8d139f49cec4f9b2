package socketio

import "context"

// Drain waits until everything that was sent to the socket's client is written.
func (s *Socket) Drain(ctx context.Context) error { return s.conn.Conn.Conn().Drain(ctx) }
