package socketio

import (
	"context"
	"time"

	"maru.example/maru"
)

// answer answers another node.
func (n *nodes) answer(ctx context.Context, _ string, question []byte) ([]byte, error) {
	q, err := parseRequest(question)
	if err != nil {
		return nil, maru.NewError(maru.CodeBadRequest, err.Error())
	}
	ns := n.server.existing(q.namespace)
	switch q.kind {
	case askAcks:
		return n.collected(ctx, ns, &q)
	case askSockets:
		return ns.describe(&q)
	default:
		return ns.serverAck(ctx, &q)
	}
}

// existing returns a namespace, or nil: it is not made for other nodes.
func (s *Server) existing(name string) *Namespace {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.namespaces[name]
}

// collected is the acks of this node's clients that the other has not yet. The first answer says at once
// how many were asked. Later ones wait until there is something to say.
func (n *nodes) collected(ctx context.Context, ns *Namespace, q *request) ([]byte, error) {
	p, err := n.find(ctx, ns, q.name)
	if err != nil {
		return nil, err
	}
	if p == nil {
		return (&acks{}).append(nil), nil
	}
	p.forget.Reset(keepPending)
	if q.again {
		p.await(ctx, q)
	}
	a, last := p.from(q.have)
	if last || ctx.Err() != nil {
		n.drop(q.name)
	}
	return a.append(nil), nil
}

// await waits for more than the other node knows, for a bounded time.
func (c *collection) await(ctx context.Context, q *request) {
	late := time.NewTimer(collectWithin)
	defer late.Stop()
	for !c.beyond(q) {
		select {
		case <-c.news:
		case <-ctx.Done():
			return
		case <-late.C:
			return
		}
	}
	if c.complete() {
		return
	}
	select {
	case <-time.After(collectAfter):
	case <-ctx.Done():
	}
}

func (c *collection) beyond(q *request) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint64(len(c.replies)) > q.have || uint64(c.gone) > q.gone || c.done()
}

// from returns the acks behind some that the other node has already. last reports that they are the
// last ones.
func (c *collection) from(have uint64) (a acks, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a.asked, a.gone = uint64(c.asked), uint64(c.gone)
	bytes, i := 0, min(have, uint64(len(c.replies)))
	for ; i < uint64(len(c.replies)) && (bytes == 0 || bytes < collectBytes); i++ {
		a.replies = append(a.replies, c.replies[i])
		bytes += size(c.replies[i].Packet) + idBytes
	}
	return a, c.done() && i == uint64(len(c.replies))
}
