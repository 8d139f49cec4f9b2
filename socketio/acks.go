package socketio

import (
	"context"

	"maru.example/maru/internal/packet"
)

// Reply is a client's ack.
type Reply struct {
	ID   string // of its socket
	Args []Arg
}

// EmitWithAck emits an event to the sockets, of all nodes, and waits for the acks of all. It returns
// those that came, also with an error, in no order. Errors: those of Emit; a *MissingAcks if some did
// not come. Without an end of ctx, one client that does not answer keeps it waiting. With Volatile, only
// those that get the event are waited for.
//
// npm socket.io has the time in timeout(ms), and the replies that came in the field responses of the
// error.
func (t Target) EmitWithAck(ctx context.Context, event string, args ...any) ([]Reply, error) {
	data, binary, err := encodeEvent(event, args)
	if err != nil {
		return nil, err
	}
	n := t.namespace
	if n.server.env == nil {
		return nil, errNotMounted
	}
	t.outgoing(event, args)
	n.wait()
	g := newGathering()
	if nodes := n.server.nodes; nodes != nil && !t.local {
		err = nodes.ask(ctx, t, data, binary, g)
	} else {
		t.askHere(ctx, data, binary, g)
	}
	if err != nil {
		return nil, err
	}
	return g.result(ctx)
}

// askHere asks the sockets of this node.
func (t Target) askHere(ctx context.Context, data []byte, binary packet.Attachments, g *gathering) {
	n := t.namespace
	q := n.questionOf(data, binary)
	n.mu.Lock()
	c, sockets := n.collect(t, q)
	n.mu.Unlock()
	defer forget(sockets, q.id)
	g.from(ctx, "", c)
}

// forget ends the waiting for acks.
func forget(sockets []*Socket, id int64) {
	for _, s := range sockets {
		s.asked(id)
	}
}

// EmitWithAck emits an event to all sockets of the namespace: see Target.EmitWithAck.
func (n *Namespace) EmitWithAck(ctx context.Context, event string, args ...any) ([]Reply, error) {
	return n.target().EmitWithAck(ctx, event, args...)
}
