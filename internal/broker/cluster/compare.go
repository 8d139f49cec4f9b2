package cluster

import (
	"context"
	"encoding/binary"
	"errors"

	"maru.example/maru"
	"maru.example/maru/internal/fields"
)

// compareAtOnce is how many channels are compared with one question.
const compareAtOnce = 1000

// heads are where an owner is with a namespace, and with channels whose last offset differs from what
// the asking node has.
type heads struct {
	at maru.Position // of the namespace
	of map[string]uint64
}

// compare answers with the heads of the channels whose last offset the asking node does not have.
func (b *Broker) compare(question []byte) []byte {
	r := fields.Reader{Rest: question}
	ns := b.ownedNamespace(r.String())
	if ns == nil || !ns.sure() {
		return []byte{kindNotOwner}
	}
	ns.mu.Lock()
	defer ns.mu.Unlock()
	if ns.ended {
		return []byte{kindNotOwner}
	}
	number := max(ns.history.Number(), ns.began)
	answer := appendPosition([]byte{kindHeads}, maru.Position{Epoch: ns.owner.Epoch, Offset: ns.history.Number()})
	for len(r.Rest) > 0 {
		channel, last := r.String(), readPosition(&r)
		if last.Epoch == ns.owner.Epoch && last.Offset > number {
			b.spawn(func() { ns.lacks(last) })
			return []byte{kindNotOwner}
		}
		if head := ns.history.Head(channel); head > last.Offset || last.Epoch != ns.owner.Epoch {
			answer = binary.AppendUvarint(fields.AppendString(answer, channel), head)
		}
	}
	return answer
}

// lacks ends the namespace: another node has delivered a number that NATS does not have any more. Read
// again, it begins a new epoch.
func (ns *namespace) lacks(at maru.Position) {
	ns.broker.place(ns.stream.namespace).acknowledge(at)
	ns.end(errLostNumbers)
}

var errLostNumbers = errors.New("another node has delivered more than NATS has")

// comparedInABeat is how many channels a node compares in a beat. It bounds what owners receive: with
// 100,000 channels on each of 100 nodes that would be 200 MB a second.
const comparedInABeat = 10_000

// A round of comparing goes through all channels that a node follows, some in each beat.
type round struct {
	rest       []*follower
	reconnects uint64 // of the connection, when it began
}

// next returns the followers that are compared now: all of them after the connection was lost, since much
// may be missing then.
func (r *round) next(b *Broker) []*follower {
	if n := b.conn.Stats().Reconnects; n != r.reconnects {
		*r = round{reconnects: n}
		return b.allFollowers()
	}
	if len(r.rest) == 0 {
		r.rest = b.allFollowers()
	}
	n := min(len(r.rest), comparedInABeat)
	some := r.rest[:n]
	r.rest = r.rest[n:]
	return some
}

// compareSomeOf compares what the followers have that are due in a round with the owners' heads.
func (b *Broker) compareSomeOf(ctx context.Context, r *round) {
	byPlace := make(map[*place][]*follower)
	for _, f := range r.next(b) {
		if b.interested(f.channel) == f { // else it has been given up since the round began
			byPlace[f.place] = append(byPlace[f.place], f)
		}
	}
	for p, all := range byPlace {
		for len(all) > 0 && ctx.Err() == nil {
			n := min(len(all), compareAtOnce)
			b.compareSome(ctx, p, all[:n])
			all = all[n:]
		}
	}
}

func (b *Broker) compareSome(ctx context.Context, p *place, some []*follower) {
	ctx, cancel := context.WithTimeout(ctx, deadBeats*b.options.Beat)
	defer cancel()
	answer, err := b.askHeads(ctx, p, some)
	if err != nil || b.barrier(ctx) != nil {
		return // the next time
	}
	for _, f := range some {
		if head, differs := answer.of[f.channel]; differs {
			f.head(maru.Position{Epoch: answer.at.Epoch, Offset: head})
		}
	}
}

// askHeads compares some followers of a namespace with its owner, also if that is this node. It gives
// up after a while: the question or the answer may be lost while both nodes live.
func (b *Broker) askHeads(ctx context.Context, p *place, some []*follower) (heads, error) {
	ctx, cancel := context.WithTimeout(ctx, deadBeats*b.options.Beat)
	defer cancel()
	ours, theirs, err := p.wait(ctx)
	if err != nil {
		return heads{}, err
	}
	q := fields.AppendString(nil, p.name)
	for _, f := range some {
		at, _ := f.position()
		q = appendPosition(fields.AppendString(q, f.channel), at)
	}
	answer := []byte(nil)
	if ours != nil {
		answer = b.compare(q)
	} else {
		m, err := b.conn.RequestWithContext(ctx, b.names.node(theirs), append([]byte{kindCompare}, q...))
		if err != nil {
			return heads{}, err
		}
		answer = m.Data
	}
	h, err := parseHeads(answer)
	if errors.Is(err, errNotOwner) {
		p.wrong(theirs)
	}
	return h, err
}

func parseHeads(b []byte) (h heads, err error) {
	r := fields.Reader{Rest: b}
	switch r.Byte() {
	case kindNotOwner:
		return h, errNotOwner
	case kindHeads:
	default:
		return h, errDamaged
	}
	h = heads{at: readPosition(&r), of: make(map[string]uint64)}
	for len(r.Rest) > 0 {
		channel := r.String()
		if head := r.Uvarint(); !r.Failed {
			h.of[channel] = head
		}
	}
	if r.Failed {
		return h, errDamaged
	}
	return h, nil
}
