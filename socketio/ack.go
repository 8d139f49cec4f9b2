package socketio

import (
	"context"
	"fmt"
	"net"

	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/packet"
)

// Ack answers an event that asks for an ack. The first call counts, also if several handlers have it;
// without being asked for, it does nothing. Errors: those of Socket.Emit.
type Ack func(args ...any) error

// EmitWithAck emits an event and waits for the client's ack, whose arguments it returns. Errors:
// those of Emit; net.ErrClosed if the client goes meanwhile, by errors.Is; ctx's cause; that of an
// ack which names an attachment that it has not. A handler may wait here: its client's next events
// wait behind it, and after 64 of them, or 1 MiB, the client is not read, so give ctx a timeout. That is
// what timeout() is for npm socket.io.
func (s *Socket) EmitWithAck(ctx context.Context, event string, args ...any) ([]Arg, error) {
	m, id, err := s.namespace.ask(event, args)
	if err != nil {
		return nil, err
	}
	s.outgoing(event, args)
	reply, err := s.ask(m, id)
	if err != nil {
		return nil, err
	}
	defer s.asked(id)
	return await(ctx, reply)
}

// EmitAck is EmitWithAck for an ack with one argument, which is decoded; with Args as R, all of them
// are there. Further errors: those of the argument's decoding. Without one, it is the zero value.
func EmitAck[R any](ctx context.Context, s *Socket, event string, args ...any) (reply R, err error) {
	got, err := s.EmitWithAck(ctx, event, args...)
	if err != nil {
		return reply, err
	}
	if all, is := any(&reply).(*Args); is {
		*all = got
	} else if len(got) > 0 {
		err = got[0].Decode(&reply)
	}
	return reply, err
}

// ask is the message of an event that asks for an ack, with its id.
func (n *Namespace) ask(event string, args []any) (m *loop.Message, id int64, err error) {
	data, binary, err := encodeEvent(event, args)
	if err != nil {
		return nil, 0, err
	}
	id = n.lastAck.Add(1) - 1
	p, attachments := complete(packet.Packet{Type: packet.Event, Namespace: n.name, ID: id, Data: data}, binary)
	return gw.Encode(p, attachments, ""), id, nil
}

// ask sends a message that asks for an ack, which comes from reply. It is closed if the client goes.
func (s *Socket) ask(m *loop.Message, id int64) (reply <-chan gw.Packet, err error) {
	c := make(chan gw.Packet, 1)
	s.mu.Lock()
	if s.state == gone {
		s.mu.Unlock()
		return nil, errGone
	}
	if s.acks == nil {
		s.acks = make(map[int64]chan<- gw.Packet)
	}
	s.acks[id] = c
	s.mu.Unlock()
	if err := s.conn.Deliver(m); err != nil {
		s.asked(id)
		return nil, err
	}
	return c, nil
}

// asked forgets an ack, which came or is not waited for any more.
func (s *Socket) asked(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.acks, id)
}

// await waits for an ack. One that came counts, even if there is no more time.
func await(ctx context.Context, reply <-chan gw.Packet) ([]Arg, error) {
	select {
	case <-ctx.Done():
		select {
		case got, ok := <-reply:
			if ok {
				return decodeArgs(got)
			}
		default:
		}
		return nil, context.Cause(ctx)
	case got, ok := <-reply:
		if !ok {
			return nil, errGone
		}
		return decodeArgs(got)
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
