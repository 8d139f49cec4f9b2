package socketio

import (
	"context"
	"fmt"
	"net"

	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/packet"
)

// Reply is a client's ack.
type Reply struct {
	ID   string // of its socket
	Args []Arg
}

// EmitWithAck emits an event to the sockets of this node and waits for the acks of all. It returns
// those that came, also with an error, in no order. Errors: those of Emit; net.ErrClosed, by
// errors.Is, if clients went meanwhile; ctx's cause. Without an end of ctx, one client that does not
// answer keeps it waiting. With Volatile, only those that get the event are waited for.
//
// npm socket.io has the time in timeout(ms), and the replies that came in the field responses of the
// error.
func (t Target) EmitWithAck(ctx context.Context, event string, args ...any) ([]Reply, error) {
	waits, err := t.ask(event, args)
	if err != nil {
		return nil, err
	}
	var replies []Reply
	var late error
	gone := 0
	for _, w := range waits { // each has its own place for the reply: while one is waited for, none is missed
		args, err := w.wait(ctx)
		switch {
		case err == nil:
			replies = append(replies, Reply{w.socket.id, args})
		case err == errGone:
			gone++
		default:
			late = err
		}
	}
	if late == nil && gone > 0 {
		late = fmt.Errorf("socketio: %d of %d clients have gone: %w", gone, len(waits), net.ErrClosed)
	}
	return replies, late
}

// asked is a socket whose ack is waited for.
type asked struct {
	socket *Socket
	id     int64
	reply  chan []Arg
}

// ask sends the event, as one message with one id.
func (t Target) ask(event string, args []any) ([]asked, error) {
	n := t.namespace
	data, attachments, err := encodeArgs(&event, args)
	if err != nil {
		return nil, err
	}
	if n.server.env == nil {
		return nil, errNotMounted
	}
	id := n.lastAck.Add(1) - 1
	p, attachments := complete(packet.Packet{Type: packet.Event, Namespace: n.name, ID: id, Data: data}, attachments)
	m := gw.Encode(p, attachments, "")
	n.wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []asked
	for s := range n.members(t.to, t.except, t.without) {
		if t.volatile && !s.conn.Writable() {
			continue
		}
		if reply := s.expect(id); reply != nil {
			all = append(all, asked{s, id, reply})
			s.conn.Conn.Conn().Send(m)
		}
	}
	return all, nil
}

// expect makes the place for an ack; nil: the socket is at its end, which closes the places of others.
func (s *Socket) expect(id int64) chan []Arg {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.acks == nil {
		return nil
	}
	reply := make(chan []Arg, 1)
	s.acks[id] = reply
	return reply
}

// wait waits for the ack. Errors: errGone; ctx's cause.
func (w *asked) wait(ctx context.Context) ([]Arg, error) {
	select {
	case args, ok := <-w.reply:
		return args, goneUnless(ok)
	case <-ctx.Done():
	}
	w.socket.mu.Lock()
	delete(w.socket.acks, w.id)
	w.socket.mu.Unlock()
	select { // it may have come meanwhile
	case args, ok := <-w.reply:
		return args, goneUnless(ok)
	default:
		return nil, context.Cause(ctx)
	}
}

func goneUnless(here bool) error {
	if here {
		return nil
	}
	return errGone
}

// EmitWithAck emits an event to all sockets of the namespace: see Target.EmitWithAck.
func (n *Namespace) EmitWithAck(ctx context.Context, event string, args ...any) ([]Reply, error) {
	return n.target().EmitWithAck(ctx, event, args...)
}
