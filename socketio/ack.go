package socketio

import (
	"context"
	"fmt"
	"net"

	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/packet"
)

// Ack answers an event that asks for an ack. The first call counts; without being asked for, it
// does nothing. Errors: those of Socket.Emit.
type Ack func(args ...any) error

// EmitWithAck emits an event and waits for the client's ack, whose arguments it returns. Errors:
// those of Emit; net.ErrClosed if the client goes meanwhile, by errors.Is; ctx's cause; that of an
// ack which names an attachment that it has not. A handler may wait here: its client's next events
// wait behind it, and after 64 of them the client is not read, so give ctx a timeout.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) ([]Arg, error) {
	out := packet.Packet{Type: packet.Event, Namespace: s.namespace.name}
	data, binary, err := encodeArgs(&event, args)
	if err != nil {
		return nil, err
	}
	reply := make(chan gw.Packet, 1)
	s.mu.Lock()
	if s.acks == nil {
		s.mu.Unlock()
		return nil, errGone
	}
	out.ID = s.lastAck
	s.lastAck++
	s.acks[out.ID] = reply
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.acks, out.ID)
	}()
	out.Data = data
	if err := s.conn.Send(complete(out, binary)); err != nil {
		return nil, err
	}
	select {
	case got, ok := <-reply:
		if !ok {
			return nil, errGone
		}
		return decodeArgs(got)
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

var errGone = fmt.Errorf("socketio: the client has gone: %w", net.ErrClosed)

// acked takes the client's ack, and does not wait. One that nobody waits for is ignored.
func (s *Socket) acked(p gw.Packet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if reply := s.acks[p.ID]; reply != nil {
		delete(s.acks, p.ID)
		reply <- p
	}
}
