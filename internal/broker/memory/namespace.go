package memory

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"maru"
)

// A namespace has one number and one history for all its channels. Whoever calls
// a method holds mu, except for forget.
type namespace struct {
	options   *Options
	retention maru.Retention
	epoch     string
	used      atomic.Int64 // when it was last published to, as a time.Duration from the broker's start; read without mu

	mu        sync.Mutex
	forgotten bool   // by the broker, which may have made another one of this name
	number    uint64 // of the last publication
	removed   uint64 // highest offset removed from channels no longer known
	bytes     int64  // what the publications in order count
	channels  map[string]*channel
	order     list[item]     // every retained publication, oldest first
	idle      list[*channel] // channels that retain nothing, empty for longest first
	repeats   repeats
}

// An item is a retained publication.
type item struct {
	channel     *channel
	publication *maru.Publication
	at          time.Duration // when it was published, from the broker's start
}

// newNamespace makes a namespace that counts on from floor: up to there it may
// have had publications that nobody remembers.
func newNamespace(o *Options, name, epoch string, floor uint64) *namespace {
	return &namespace{
		options: o, retention: o.Retention(name).WithDefaults(), epoch: epoch,
		number: floor, removed: floor, channels: make(map[string]*channel),
	}
}

// take decides what becomes of a publication, and whether the Sink is to have it.
func (ns *namespace) take(name string, p *maru.Publication, o maru.PublishOptions, now time.Duration) (done maru.Published, deliver bool, err error) {
	if o.IdempotencyKey == "" {
		done, deliver = ns.publish(name, p, o, now)
		return done, deliver, nil
	}
	ns.repeats.expire(now)
	key, sum := repeatKey{name, o.Publisher, o.IdempotencyKey}, sumOf(p)
	if first := ns.repeats.find(key); first != nil {
		if first.sum != sum {
			return done, false, errConflict
		}
		return maru.Published{Position: first.at, Replayed: true}, false, nil
	}
	done, deliver = ns.publish(name, p, o, now)
	ns.repeats.add(repeat{key.clone(), sum, done.Position, now})
	return done, deliver, nil
}

// publish numbers the publication and retains it if that is allowed.
func (ns *namespace) publish(name string, p *maru.Publication, o maru.PublishOptions, now time.Duration) (maru.Published, bool) {
	if o.Transient {
		p.Offset = 0
		return ns.published(0), true
	}
	ns.expire(now)
	c := ns.channels[name]
	if c != nil && o.Version != 0 && o.Version <= c.version {
		stale := ns.published(c.head())
		stale.Stale = true
		return stale, false
	}
	ns.used.Store(int64(now))
	ns.number++
	p.Offset = ns.number
	if c == nil {
		// The name may be part of something larger, a request for instance.
		c = &channel{name: strings.Clone(name), removed: ns.removed}
		ns.channels[c.name] = c
	}
	c.version = max(c.version, o.Version)
	if ns.retention.Retains(size(p)) {
		ns.retain(c, p, now)
	} else {
		ns.pass(c, p)
	}
	return ns.published(p.Offset), true
}

func (ns *namespace) published(offset uint64) maru.Published {
	return maru.Published{Position: maru.Position{Epoch: ns.epoch, Offset: offset}}
}

// retain stores the publication and removes what is above the limits. That is
// never p itself, so c keeps something and stays known.
func (ns *namespace) retain(c *channel, p *maru.Publication, now time.Duration) {
	if c.idle != nil {
		ns.idle.remove(c.idle)
		c.idle = nil
	}
	c.kept = append(c.kept, ns.order.push(item{c, p, now}))
	ns.bytes += size(p)
	if len(c.kept) > ns.retention.Publications {
		ns.remove(c.kept[0])
	}
	for ns.bytes > ns.retention.Bytes {
		ns.remove(ns.order.front())
	}
}

// pass lets a publication go by that cannot be retained. What the channel
// retained before it goes too: else somebody who returns to a position before
// that would get it and silently miss p.
func (ns *namespace) pass(c *channel, p *maru.Publication) {
	for len(c.kept) > 0 {
		ns.drop(c.kept[0])
	}
	c.removed = p.Offset
	ns.rest(c)
}

// expire removes what is too old by now. Ages rise along the order.
func (ns *namespace) expire(now time.Duration) {
	for n := ns.order.front(); n != nil && now-n.value.at >= ns.retention.Age; n = ns.order.front() {
		ns.remove(n)
	}
}

// remove takes a publication, the oldest of its channel, out of history.
func (ns *namespace) remove(n *node[item]) {
	c := n.value.channel
	ns.drop(n)
	if len(c.kept) == 0 {
		ns.rest(c)
	}
}

func (ns *namespace) drop(n *node[item]) {
	n.value.channel.shift()
	ns.bytes -= size(n.value.publication)
	ns.order.remove(n)
}

// rest puts a channel that retains nothing last among the idle ones, and forgets
// the first of them if they are too many.
func (ns *namespace) rest(c *channel) {
	if c.idle != nil {
		ns.idle.remove(c.idle)
	}
	c.idle = ns.idle.push(c)
	if ns.idle.length > max(0, ns.options.EmptyChannels) {
		n := ns.idle.front()
		delete(ns.channels, n.value.name)
		ns.removed = max(ns.removed, n.value.removed)
		ns.idle.remove(n)
	}
}

// history answers a query by the rules of maru.Broker.
func (ns *namespace) history(name string, q maru.HistoryQuery) maru.History {
	h := maru.History{Epoch: ns.epoch}
	last := ns.number // no position of this channel is beyond it
	c := ns.channels[name]
	if c != nil {
		h.Head = c.head()
		last = h.Head
	} else {
		c = &channel{removed: ns.removed}
		h.Head = ns.removed
	}

	if q.Since == nil {
		h.Publications = publications(newest(c.kept, q.Limit))
		return h
	}
	kept, since := c.kept, q.Since.Offset
	switch {
	case q.Since.Epoch != "" && q.Since.Epoch != ns.epoch, since > last:
		h.Gap = &maru.Gap{Reason: maru.GapEpoch}
	case since < c.removed:
		// A range of numbers, not two publications: offsets are not consecutive.
		h.Gap = &maru.Gap{Reason: maru.GapExpired, From: since + 1, To: c.removed}
	default:
		kept = c.after(since)
	}
	h.Publications = publications(first(kept, q.Limit))
	return h
}

// forget empties a namespace that the broker forgets, once no publisher is in
// it, and answers its number. Who still holds it looks for another one.
func (ns *namespace) forget() uint64 {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	ns.forgotten, ns.bytes = true, 0
	ns.channels, ns.order, ns.idle, ns.repeats = nil, list[item]{}, list[*channel]{}, repeats{}
	return ns.number
}
