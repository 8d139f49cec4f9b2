package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"maru.example/maru"
)

var _ maru.Yielder = (*Broker)(nil)

var (
	errYielded  = errors.New("it was handed over, because this node drains")
	errYielding = maru.NewError(maru.CodeUnavailable, "this node drains, and takes no more namespaces")
)

// Yield implements maru.Yielder: it hands over the namespaces that this node owns, one after the other. From
// now on it takes none, unless no other node does.
//
//	this node                                  another node
//	ends the namespace; what comes waits
//	what was on its way is stored
//	names no owner any more
//	asks for it              ─── .take ──→     becomes the owner, reads the namespace
//	passes on what waited    ←────────────
//
// Errors: CodeUnavailable while this node is cut off; ctx's; those of NATS, and Close then tries again.
func (b *Broker) Yield(ctx context.Context) error {
	b.yields.Store(true)
	if !b.peers.holds() {
		return b.away()
	}
	var all error
	for _, ns := range b.owned() {
		if len(b.peers.present()) > 0 {
			all = errors.Join(all, ns.yield(ctx))
		}
	}
	return all
}

// yield hands a namespace over.
func (ns *namespace) yield(ctx context.Context) error {
	ns.mu.Lock()
	if ns.ended {
		ns.mu.Unlock()
		return nil
	}
	waiting := ns.queue
	ns.queue, ns.ended = nil, true
	ns.mu.Unlock()
	ns.noting.Lock()
	defer ns.noting.Unlock()
	ns.log.Lock() // until the writer has stored what was on its way
	failed := ns.checkpointNow(ctx)
	ns.mu.Lock()
	o := ns.owner
	o.Node, o.Last = "", ns.history.Number()
	ns.mu.Unlock()
	ns.log.Unlock()
	limited, cancel := short(ctx)
	defer cancel()
	_, err := ns.setOwner(limited, o)
	if errors.Is(err, errOvertaken) {
		err = nil // another node has it already
	}
	p := ns.broker.place(ns.stream.namespace)
	ns.forget()
	p.lost(ns, waiting, errYielded)
	if err == nil {
		_, _, err = p.wait(ctx)
	}
	return errors.Join(failed, err)
}

// passOn asks other nodes to take a namespace, one after the other, and returns which one owns it then;
// empty: none does.
func (b *Broker) passOn(ctx context.Context, namespace string) (node string) {
	others := b.peers.present()
	rand.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	for _, other := range others {
		if owner, err := b.Ask(ctx, other, kindTake, []byte(namespace)); err == nil && string(owner) != b.id {
			return string(owner)
		}
	}
	return ""
}

// askedToTake answers a node that hands a namespace over with the owner, which is this node if nobody was
// quicker.
func (b *Broker) askedToTake(from string, namespace []byte, answer func([]byte, error)) {
	if answer == nil {
		return
	}
	if b.yields.Load() {
		answer(nil, errYielding)
		return
	}
	p := b.place(string(namespace))
	p.wrong(from)
	begun := b.spawn(func() {
		ctx, cancel := context.WithTimeoutCause(b.ctx, takeTime, errNotAvailable)
		defer cancel()
		ours, theirs, err := p.wait(ctx)
		if ours != nil {
			theirs = b.id
		}
		answer([]byte(theirs), err)
	})
	if !begun {
		answer(nil, errShuttingDown)
	}
}

// takeTime is for reading a namespace: longer than a search, which gives up earlier.
const takeTime = searchTime + time.Second
