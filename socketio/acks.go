package socketio

import (
	"context"
	"fmt"
	"net"

	gw "maru.example/maru/internal/gateway/socketio"
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
	waits, id, err := t.ask(event, args)
	if err != nil {
		return nil, err
	}
	var replies []Reply
	var late error
	gone := 0
	for _, w := range waits { // each has its own place for the reply: while one is waited for, none is missed
		args, err := await(ctx, w.reply)
		w.socket.asked(id)
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
	reply  <-chan gw.Packet
}

// ask sends the event, as one message with one id.
func (t Target) ask(event string, args []any) (all []asked, id int64, err error) {
	n := t.namespace
	m, id, err := n.ask(event, args)
	if err != nil {
		return nil, 0, err
	}
	if n.server.env == nil {
		return nil, 0, errNotMounted
	}
	t.outgoing(event, args)
	n.wait()
	n.mu.Lock()
	defer n.mu.Unlock()
	for s := range n.members(t.to, t.except, t.without) {
		if t.volatile && !s.conn.Writable() {
			continue
		}
		if reply, err := s.ask(m, id); err == nil {
			all = append(all, asked{s, reply})
		}
	}
	return all, id, nil
}

// EmitWithAck emits an event to all sockets of the namespace: see Target.EmitWithAck.
func (n *Namespace) EmitWithAck(ctx context.Context, event string, args ...any) ([]Reply, error) {
	return n.target().EmitWithAck(ctx, event, args...)
}
