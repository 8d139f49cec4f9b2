package cluster

import (
	"slices"
	"sync"

	"maru.example/maru"

	nats "github.com/nats-io/nats.go"
)

// A lane delivers the channels of a namespace that this node follows in one order, that of their
// numbers. Where clients have one position of all of them (maru.Orderer), a channel whose publication
// was lost on the way must not be overtaken by another one.
//
//	carriage ─→ waiting ─┐
//	index ──────────────→├─ all there: followers ─→ Sink
//	                     └─ something is missing: from the owner's history, the others wait
type lane struct {
	broker *Broker
	place  *place
	source string             // the subject of its indexes
	sub    *nats.Subscription // of its indexes

	mu      sync.Mutex
	epoch   string
	number  uint64    // of the namespace: everything up to here was delivered
	waiting []arrival // until their index arrives, or until the lane is healed
	healing bool
}

// An arrival is a publication or an index, in the order in which they came.
type arrival struct {
	carried
	index *index // nil: it is a publication
}

// InOrder implements maru.Orderer.
func (b *Broker) InOrder() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.inOrder || b.closed {
		return
	}
	b.inOrder = true
	for _, i := range b.interests {
		b.order(i.follower)
	}
}

// order gives a follower its lane. b.mu is held.
func (b *Broker) order(f *follower) {
	if !b.inOrder {
		return
	}
	l := b.lanes[f.place]
	if l == nil {
		l = &lane{broker: b, place: f.place, source: b.names.index(f.place.name)}
		b.lanes[f.place] = l
		// As in Follow: where it fails the connection is closed.
		l.sub, _ = b.conn.ChanSubscribe(l.source, b.arrived)
	}
	b.hashes[hashOf(f.channel)] = f
	f.lane.Store(l)
}

// indexArrived hands an index to its lane.
func (b *Broker) indexArrived(subject string, data []byte) {
	x, err := parseIndex(data)
	if err != nil {
		return // as if it were lost
	}
	b.mu.Lock()
	var to *lane
	for _, l := range b.lanes {
		if l.source == subject {
			to = l
		}
	}
	b.mu.Unlock()
	if to != nil {
		to.receive(arrival{index: &x})
	}
}

// laneOf is the lane of a namespace; nil: it is not delivered in order.
func (b *Broker) laneOf(p *place) *lane {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lanes[p]
}

// receive takes what arrives. A transient publication that finds nothing before it goes on at once.
func (l *lane) receive(a arrival) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.waiting) >= maxWaiting: // it is found missing, as everything that waits: the next index does not fit
		l.waiting = nil
		l.heal(nil, nil)
	case a.index == nil && a.publication.Offset == 0 && len(l.waiting) == 0 && !l.healing:
		l.hand(a.carried)
	default:
		l.waiting = append(l.waiting, a)
		l.advance()
	}
}

// advance delivers up to the last index that waits, unless something is missing. l.mu is held.
func (l *lane) advance() {
	for !l.healing {
		for len(l.waiting) > 0 && l.waiting[0].index == nil && l.waiting[0].publication.Offset == 0 { // transient
			l.hand(l.waiting[0].carried)
			l.waiting = l.waiting[1:]
		}
		n := slices.IndexFunc(l.waiting, func(a arrival) bool { return a.index != nil })
		if n < 0 {
			return
		}
		x := l.waiting[n].index
		switch missing := l.missing(x, l.waiting[:n]); {
		case x.epoch == l.epoch && x.to <= l.number: // it was read before it came
		case x.epoch != l.epoch || x.before != l.number:
			l.heal(nil, nil)
			return
		case len(missing) > 0:
			l.heal(x, missing)
			return
		}
		for _, a := range l.waiting[:n] {
			l.hand(a.carried)
		}
		l.number = max(l.number, x.to)
		l.waiting = slices.Delete(l.waiting, 0, n+1)
	}
}

// missing returns the followers whose publications of an index have not arrived.
func (l *lane) missing(x *index, came []arrival) (all []*follower) {
	type absent struct {
		of     *follower
		offset uint64
	}
	var absents []absent
	next := 0
	l.broker.mu.Lock()
	for _, e := range x.entries {
		for next < len(came) && came[next].publication.Offset < e.offset {
			next++
		}
		if next < len(came) && came[next].publication.Offset == e.offset {
			continue
		}
		if f := l.broker.hashes[e.channel]; f != nil && f.lane.Load() == l {
			absents = append(absents, absent{f, e.offset})
		}
	}
	l.broker.mu.Unlock()
	for _, a := range absents {
		if !a.of.has(maru.Position{Epoch: x.epoch, Offset: a.offset}) && !slices.Contains(all, a.of) {
			all = append(all, a.of)
		}
	}
	return all
}

// hand gives a publication to its channel.
func (l *lane) hand(c carried) {
	if f := l.broker.followed(c.channel); f != nil {
		f.pass(c)
	}
}

// behind reads what is missing of the namespace: a follower has found out that it misses something.
func (l *lane) behind() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heal(nil, nil)
}

// heal begins to read what some followers miss of an index; nil: what all miss, up to where the owner
// is. What comes meanwhile waits. l.mu is held.
func (l *lane) heal(x *index, some []*follower) {
	if l.healing {
		return
	}
	l.healing = true
	if !l.broker.spawn(func() { l.read(x, some) }) {
		l.abandon()
	}
}

var _ maru.Orderer = (*Broker)(nil)
