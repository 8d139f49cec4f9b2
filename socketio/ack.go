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
	q, err := s.namespace.question(event, args)
	if err != nil {
		return nil, err
	}
	s.outgoing(event, args)
	reply := make(chan gw.Packet, 1)
	err = s.ask(q, func(p gw.Packet, ok bool) {
		if ok {
			reply <- p
		} else {
			close(reply)
		}
	})
	if err != nil {
		return nil, err
	}
	defer s.asked(q.id)
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

// question is an event that asks for an ack.
type question struct {
	*loop.Message
	id int64
}

// question encodes one.
func (n *Namespace) question(event string, args []any) (question, error) {
	data, binary, err := encodeEvent(event, args)
	if err != nil {
		return question{}, err
	}
	return n.questionOf(data, binary), nil
}

// questionOf is the question of an event whose data is encoded. Its id is one of this node.
func (n *Namespace) questionOf(data []byte, binary [][]byte) question {
	id := n.lastAck.Add(1) - 1
	p, attachments := complete(packet.Packet{Type: packet.Event, Namespace: n.name, ID: id, Data: data}, binary)
	return question{gw.Encode(p, attachments, ""), id}
}

// awaited takes an ack, or, with ok false, that the client has gone. It is called once, with Socket.mu
// held, unless asked was called before.
type awaited func(p gw.Packet, ok bool)

// ask sends a question, whose ack reply takes.
func (s *Socket) ask(q question, reply awaited) error {
	s.mu.Lock()
	if s.state == gone {
		s.mu.Unlock()
		return errGone
	}
	if s.acks == nil {
		s.acks = make(map[int64]awaited)
	}
	s.acks[q.id] = reply
	s.mu.Unlock()
	err := s.conn.Deliver(q.Message)
	if err != nil && !s.asked(q.id) {
		return nil // it has gone meanwhile, which reply knows
	}
	return err
}

// asked forgets an ack that is not waited for any more. It reports whether none had come.
func (s *Socket) asked(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, is := s.acks[id]
	delete(s.acks, id)
	return is
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
		reply(p, true)
	}
}
