package socketio

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/calls"
	"maru.example/maru/internal/gateway"
	"maru.example/maru/internal/packet"
)

const (
	collectWithin = 10 * time.Second     // an answer to a node that collects acks
	collectAfter  = 5 * time.Millisecond // from the first ack to that answer: others come along
	collectBytes  = 256 << 10            // of acks in one answer, or a single one
	arriveWithin  = 2 * time.Second      // from the question for acks to the event, which comes by another way
	keepPending   = 3 * collectWithin    // acks that nobody collects
)

// nodes asks the other nodes of a cluster, and answers them.
type nodes struct {
	server *Server
	bus    maru.Bus
	calls  *calls.Calls
	events string        // the kind of messages of ServerSideEmit
	last   atomic.Uint64 // of the questions of this node

	mu      sync.Mutex
	pending map[string]*pending // by name of the question
	arrival chan struct{}       // closed when one comes
}

// pending is acks that are collected by the node that has asked.
type pending struct {
	*collection
	sockets []*Socket
	id      int64 // of the acks
	forget  *time.Timer
}

// join begins to work with the other nodes.
func (s *Server) join(env *gateway.Env) *nodes {
	n := &nodes{server: s, bus: env.Bus, events: env.Kind("socketio events " + s.path()), pending: make(map[string]*pending), arrival: make(chan struct{})}
	n.calls = calls.New(env.Bus, env.Kind("socketio "+s.path()), s.options.Logger, n.answer)
	n.serverSide()
	return n
}

// ask asks the sockets of all nodes. The event is a publication, as all others, so that it keeps its
// place among them. Each node that is alive is asked for what its clients have answered.
func (n *nodes) ask(ctx context.Context, t Target, data []byte, binary packet.Attachments, g *gathering) error {
	name := n.bus.Node() + "." + strconv.FormatUint(n.last.Add(1), 36)
	ns := t.namespace
	others, _ := n.calls.Others()
	e := envelope{action: doAsk, volatile: t.volatile, without: t.without, to: t.to, except: t.except,
		rooms: []string{name}, text: data, attachments: binary}
	defer n.drop(name)
	if err := ns.publish(ns.looked(), &e, false); err != nil {
		return err
	}
	var all sync.WaitGroup
	for _, node := range others {
		g.fails(node, nil)
		all.Go(func() { n.pull(ctx, node, ns, name, g) })
	}
	g.fails(n.bus.Node(), nil)
	switch c, err := n.find(ctx, ns, name); {
	case err != nil:
		g.fails(n.bus.Node(), err)
	case c == nil:
		g.add(n.bus.Node(), tally{}, nil)
	default:
		g.from(ctx, n.bus.Node(), c.collection)
	}
	all.Wait()
	return nil
}

// pull takes the acks of another node's clients, until all are there or ctx ends.
func (n *nodes) pull(ctx context.Context, node string, ns *Namespace, name string, g *gathering) {
	r := request{kind: askAcks, namespace: ns.name, name: name}
	for {
		b, err := n.calls.Call(ctx, node, r.append(nil))
		if ctx.Err() != nil && err != nil {
			return // what it has said stands
		}
		var a acks
		if err == nil {
			a, err = parseAcks(b)
		}
		if err != nil {
			g.fails(node, err)
			return
		}
		r.have, r.gone, r.again = r.have+uint64(len(a.replies)), a.gone, true
		is := tally{int(a.asked), int(a.gone), int(r.have)}
		g.add(node, is, a.replies)
		if is.replied+is.gone >= is.asked {
			return
		}
	}
}

// keep keeps the acks of a question that came, for the node that has asked.
func (n *nodes) keep(name string, c *collection, sockets []*Socket, id int64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending[name] = &pending{c, sockets, id, time.AfterFunc(keepPending, func() { n.drop(name) })}
	close(n.arrival)
	n.arrival = make(chan struct{})
}

func (n *nodes) drop(name string) {
	n.mu.Lock()
	p := n.pending[name]
	delete(n.pending, name)
	n.mu.Unlock()
	if p != nil {
		p.forget.Stop()
		forget(p.sockets, p.id)
	}
}

var errNotArrived = maru.NewError(maru.CodeUnavailable, "the event did not arrive at the node")

// find returns what is pending; nil: the namespace has no clients here. The event may come a moment
// later.
func (n *nodes) find(ctx context.Context, ns *Namespace, name string) (*pending, error) {
	late := time.NewTimer(arriveWithin)
	defer late.Stop()
	for {
		n.mu.Lock()
		p, arrival := n.pending[name], n.arrival
		n.mu.Unlock()
		if p != nil || !ns.listens() {
			return p, nil
		}
		select {
		case <-arrival:
		case <-late.C:
			return nil, errNotArrived
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// listens reports whether the namespace gets what each node looks up.
func (n *Namespace) listens() bool {
	if n == nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.some != nil
}
