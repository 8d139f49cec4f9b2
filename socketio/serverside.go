package socketio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"

	"maru.example/maru"
	gw "maru.example/maru/internal/gateway/socketio"
	"maru.example/maru/internal/packet"
)

const (
	maxServerSide      = 10_000  // events of other nodes that wait for their handlers
	maxServerSideBytes = 8 << 20 // the same, bytes
)

// OnServerSide adds a handler of an event that other nodes emit by ServerSideEmit. It is a function as
// for Socket.On. Those of one namespace are called one after another, in the order of each node's
// emits; those whose node waits for an ack, each in a goroutine of its own. off removes it.
func (n *Namespace) OnServerSide(event string, f any) (off func()) {
	h := newHandler(f, false)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.serverSide == nil {
		n.serverSide = make(map[string][]*handler)
	}
	n.serverSide[event] = append(slices.Clip(n.serverSide[event]), h)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.serverSide[event] = without(n.serverSide[event], h)
	}
}

// ServerSideEmit emits an event to the other nodes, for their handlers of OnServerSide. It does not
// wait. An event is lost that a node cannot receive now, or for which it has no handler. Errors: that of
// an argument that cannot be encoded; maru.CodeTooLarge above maru.MaxBusBytes; maru.CodeUnavailable.
func (n *Namespace) ServerSideEmit(event string, args ...any) error {
	q, err := n.serverEvent(event, args)
	if err != nil || n.server.nodes == nil {
		return err
	}
	return n.server.nodes.bus.Broadcast(n.server.nodes.events, q.append(nil))
}

// ServerReply is another node's ack.
type ServerReply struct {
	Node string
	Args []Arg
}

// ServerSideEmitWithAck is ServerSideEmit that waits for an ack of each other node. It returns those
// that came, also with an error, in no order. Errors: that of an argument; a *NodesError for nodes that
// did not answer before the end of ctx, that have no handler, or that have ended.
func (n *Namespace) ServerSideEmitWithAck(ctx context.Context, event string, args ...any) (replies []ServerReply, err error) {
	q, err := n.serverEvent(event, args)
	if err != nil || n.server.nodes == nil {
		return nil, err
	}
	err = n.server.nodes.each(ctx, q.append(nil), func(node string, answer []byte) error {
		a, err := parseAcks(answer)
		if err != nil {
			return err
		}
		for _, r := range a.replies {
			args, err := decodeArgs(r.Packet)
			if err != nil {
				return err
			}
			replies = append(replies, ServerReply{node, args})
		}
		return nil
	})
	return replies, err
}

func (n *Namespace) serverEvent(event string, args []any) (q request, err error) {
	if n.server.env == nil {
		return q, errNotMounted
	}
	data, binary, err := encodeEvent(event, args)
	return request{kind: askEvent, namespace: n.name, data: data, attachments: binary}, err
}

// serverSide begins to handle events of other nodes.
func (n *nodes) serverSide() {
	n.bus.Handle(n.events, func(_ string, data []byte, _ func([]byte, error)) {
		if q, err := parseRequest(data); err == nil && q.kind == askEvent {
			n.server.existing(q.namespace).queueServerSide(q)
		}
	})
}

// queueServerSide handles an event when those before it were handled.
func (n *Namespace) queueServerSide(q request) {
	if n == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.serverEvents) >= maxServerSide || n.serverBytes+q.bytes() > maxServerSideBytes {
		n.server.options.Logger.Error("event of another node was not handled: too many wait", slog.String("namespace", n.name))
		return
	}
	n.serverEvents = append(n.serverEvents, q)
	n.serverBytes += q.bytes()
	if len(n.serverEvents) == 1 {
		go n.handleServerSide()
	}
}

// bytes are those of an event, with its attachments.
func (q *request) bytes() int {
	n := len(q.data)
	for _, b := range q.attachments {
		n += len(b)
	}
	return n
}

func (n *Namespace) handleServerSide() {
	for more := true; more; {
		n.mu.Lock()
		q := n.serverEvents[0]
		n.mu.Unlock()
		n.callServerSide(&q, func(...any) error { return nil })
		n.mu.Lock()
		n.serverBytes -= q.bytes()
		n.serverEvents = n.serverEvents[1:]
		more = len(n.serverEvents) > 0
		n.mu.Unlock()
	}
}

// callServerSide calls the handlers of an event, and reports whether there are any.
func (n *Namespace) callServerSide(q *request, ack Ack) (handled bool) {
	event, args, err := decodeEvent(gw.Packet{Packet: packet.Packet{Data: q.data}, Binary: q.attachments})
	n.mu.Lock()
	handlers := n.serverSide[event]
	n.mu.Unlock()
	c := newCall(args, ack, len(handlers))
	for _, h := range handlers {
		if err == nil {
			err = n.guard(func() error { return c.to(h) })
		}
	}
	if err != nil {
		line := []any{slog.String("namespace", n.name), slog.String("event", event), slog.Any("err", err)}
		if p := (*panicked)(nil); errors.As(err, &p) {
			line = append(line, slog.String("stack", string(p.stack)))
		}
		n.server.options.Logger.Error("event of another node was not handled", line...)
	}
	return len(handlers) > 0
}

// guard calls a function of the program.
func (n *Namespace) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{p, debug.Stack()}
		}
	}()
	return f()
}

// serverAck handles an event whose node waits for an ack.
func (n *Namespace) serverAck(ctx context.Context, q *request) ([]byte, error) {
	acked := make(chan []byte, 1)
	ack := func(args ...any) error {
		data, binary, err := encodeAck(args)
		if err != nil {
			return err
		}
		a := acks{asked: 1, replies: []rawReply{{Packet: gw.Packet{Packet: packet.Packet{Data: data}, Binary: binary}}}}
		select {
		case acked <- a.append(nil):
		default: // the first one counts
		}
		return nil
	}
	if n == nil || !n.callServerSide(q, ack) {
		return nil, maru.NewError(maru.CodeNotFound, fmt.Sprintf("the node has no handler of the event: %.80s", q.data))
	}
	select {
	case b := <-acked:
		return b, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
