package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// dead reports whether a node has lost what it owns. A watch of the bucket can stand still for many
// beats, for instance when the server of NATS ends that has it, and then all others seem to be dead. So
// the leader of the bucket is asked first: a node that has counted up meanwhile is alive.
func (p *peers) dead(ctx context.Context, id string) (bool, error) {
	if p.alive(id) {
		return false, nil
	}
	ctx, cancel := short(ctx)
	defer cancel()
	question, _ := json.Marshal(map[string]string{"last_by_subj": "$KV." + p.names.nodes() + "." + id})
	m, err := p.conn.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET.KV_"+p.names.nodes(), question)
	if err != nil {
		return false, err
	}
	a, err := readAnswer(m)
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeMessageNotFound {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if len(a.Message.Data) == 0 {
		return true, nil // it has left
	}
	return !p.counts(id, a.Message.Seq) && !p.alive(id), nil // the watch may have seen more meanwhile
}

// counts notes the number of a node's entry. It reports false if there is nothing new.
func (p *peers) counts(id string, revision uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.countsLocked(id, revision)
}

// countsLocked is counts with p.mu held.
func (p *peers) countsLocked(id string, revision uint64) bool {
	if revision <= p.revisions[id] {
		return false
	}
	p.revisions[id], p.seen[id] = revision, time.Now()
	p.signed(id)
	return true
}

// sure reports whether no other node can have taken the namespace. After a time in which this node
// could not count up, the bucket of owners is asked first, and it is not sure until then.
func (ns *namespace) sure() bool {
	holds, lapses := ns.broker.peers.held()
	if !holds || lapses == ns.lapse.Load() {
		return holds
	}
	if ns.asking.CompareAndSwap(false, true) && !ns.broker.spawn(ns.confirm) {
		ns.asking.Store(false)
	}
	return false
}

// confirm writes our entry again, which fails if another node has taken the namespace.
func (ns *namespace) confirm() {
	defer ns.asking.Store(false)
	_, lapses := ns.broker.peers.held()
	ctx, cancel := short(ns.broker.ctx)
	defer cancel()
	switch err := ns.note(ctx, true); {
	case err == nil:
		ns.lapse.Store(lapses)
	case errors.Is(err, errOvertaken):
		ns.end(err)
	}
}
