package history

import (
	"strings"
	"time"

	"maru.example/maru"
)

// Overhead is what a retained publication counts, in bytes, besides its data, key and user. It
// is about the memory of one that is alone in its channel; one of a hundred needs some 160
// (BenchmarkMemory of the broker in memory).
const Overhead = 256

// Size returns what p counts towards Retention.Bytes.
func Size(p *maru.Publication) int64 {
	return Overhead + int64(len(p.Data)+len(p.Key)+len(p.User))
}

// Namespace has one number and one history for all its channels. Make one with New.
type Namespace struct {
	retention maru.Retention
	epoch     string
	idleMax   int // the most idle channels whose heads are remembered

	number   uint64 // of the last publication
	removed  uint64 // highest offset removed from forgotten channels
	bytes    int64  // total Size of the publications in order
	channels map[string]*channel
	order    list[item]     // every retained publication, oldest first
	idle     list[*channel] // channels that retain nothing, idle for longest first
}

// An item is a retained publication.
type item struct {
	channel     *channel
	publication *maru.Publication
	at          time.Duration // when it was published
}

// New makes a namespace that counts on from floor: it may have had publications up to there
// that are no longer known. r has its defaults; empty is the most idle channels whose heads are
// remembered.
func New(r maru.Retention, epoch string, floor uint64, empty int) *Namespace {
	return &Namespace{
		retention: r, epoch: epoch, idleMax: max(empty, 0),
		number: floor, removed: floor, channels: make(map[string]*channel),
	}
}

// Epoch returns the namespace's epoch.
func (ns *Namespace) Epoch() string { return ns.epoch }

// Renew sets another epoch: positions of the previous one are a gap.
func (ns *Namespace) Renew(epoch string) { ns.epoch = epoch }

// Number returns the highest offset given so far.
func (ns *Namespace) Number() uint64 { return ns.number }

// Head returns the channel's highest offset ever; for an unknown channel, the highest removed
// from any such.
func (ns *Namespace) Head(name string) uint64 {
	if c := ns.channels[name]; c != nil {
		return c.head()
	}
	return ns.removed
}

// Stale reports whether the channel has this version already, or a higher one.
func (ns *Namespace) Stale(name string, version uint64) bool {
	c := ns.channels[name]
	return c != nil && version != 0 && version <= c.version
}

// Retains reports whether p can be retained at all.
func (ns *Namespace) Retains(p *maru.Publication) bool { return ns.retention.Retains(Size(p)) }

// Add adds a publication whose Offset is above Number, retains it if allowed, and removes what
// exceeds the limits.
func (ns *Namespace) Add(name string, p *maru.Publication, version uint64, now time.Duration) {
	ns.Expire(now)
	ns.number = p.Offset
	c := ns.channel(name)
	c.version = max(c.version, version)
	if ns.Retains(p) {
		ns.retain(c, p, now)
	} else {
		ns.pass(c, p.Offset)
	}
}

// Restore is Add for a publication of an earlier process that is read again, in order: prev is
// the channel's offset before it. Publications lost in between become a gap, and so does
// everything the channel retains if passed reports that p was not retained.
func (ns *Namespace) Restore(name string, p *maru.Publication, prev, version uint64, passed bool, at time.Duration) {
	ns.number = max(ns.number, p.Offset)
	c := ns.channel(name)
	c.version = max(c.version, version)
	if c.head() < prev || len(c.kept) == 0 {
		ns.empty(c, prev)
	}
	if passed || !ns.Retains(p) {
		ns.pass(c, p.Offset)
	} else {
		ns.retain(c, p, at)
	}
}

// Lost records that offsets up to this one belong to unknown channels.
func (ns *Namespace) Lost(offset uint64) {
	ns.number = max(ns.number, offset)
	ns.removed = max(ns.removed, offset)
}

func (ns *Namespace) channel(name string) *channel {
	c := ns.channels[name]
	if c == nil {
		// Clone it: the name may be part of something larger, such as a request.
		c = &channel{name: strings.Clone(name), removed: ns.removed}
		ns.channels[c.name] = c
	}
	return c
}

// retain stores the publication and removes what exceeds the limits. That is never p itself, so
// c keeps something and stays known.
func (ns *Namespace) retain(c *channel, p *maru.Publication, now time.Duration) {
	if c.idle != nil {
		ns.idle.remove(c.idle)
		c.idle = nil
	}
	c.kept = append(c.kept, ns.order.push(item{c, p, now}))
	ns.bytes += Size(p)
	if len(c.kept) > ns.retention.Publications {
		ns.remove(c.kept[0])
	}
	for ns.bytes > ns.retention.Bytes {
		ns.remove(ns.order.front())
	}
}

// pass handles a publication that cannot be retained. It removes what the channel retained
// before it: otherwise a reader from an earlier position would get that and miss this one
// without a gap.
func (ns *Namespace) pass(c *channel, offset uint64) {
	ns.empty(c, offset)
	ns.rest(c)
}

// empty drops what the channel retains: everything up to offset is missing.
func (ns *Namespace) empty(c *channel, offset uint64) {
	for len(c.kept) > 0 {
		ns.drop(c.kept[0])
	}
	c.removed = max(c.removed, offset)
}

// Expire removes what is too old. Ages rise along the order.
func (ns *Namespace) Expire(now time.Duration) {
	for n := ns.order.front(); n != nil && now-n.value.at >= ns.retention.Age; n = ns.order.front() {
		ns.remove(n)
	}
}

// remove removes a publication, the oldest of its channel, from history.
func (ns *Namespace) remove(n *node[item]) {
	c := n.value.channel
	ns.drop(n)
	if len(c.kept) == 0 {
		ns.rest(c)
	}
}

func (ns *Namespace) drop(n *node[item]) {
	n.value.channel.shift()
	ns.bytes -= Size(n.value.publication)
	ns.order.remove(n)
}

// rest appends a channel that retains nothing to the idle ones, and forgets the first if there
// are too many.
func (ns *Namespace) rest(c *channel) {
	if c.idle != nil {
		ns.idle.remove(c.idle)
	}
	c.idle = ns.idle.push(c)
	if ns.idle.length > ns.idleMax {
		n := ns.idle.front()
		delete(ns.channels, n.value.name)
		ns.removed = max(ns.removed, n.value.removed)
		ns.idle.remove(n)
	}
}

// History answers a query by the rules of maru.Broker.
func (ns *Namespace) History(name string, q maru.HistoryQuery, now time.Duration) maru.History {
	ns.Expire(now)
	h := maru.History{Epoch: ns.epoch}
	last := ns.number // no position of this channel is after it
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

// Clear removes everything but the number.
func (ns *Namespace) Clear() {
	ns.channels, ns.order, ns.idle, ns.bytes = nil, list[item]{}, list[*channel]{}, 0
}

// Held is the size of a namespace.
type Held struct {
	Channels, Publications int
	Bytes                  int64
}

// Plus returns the sum of both.
func (h Held) Plus(other Held) Held {
	return Held{h.Channels + other.Channels, h.Publications + other.Publications, h.Bytes + other.Bytes}
}

// Held returns the current size.
func (ns *Namespace) Held() Held { return Held{len(ns.channels), ns.order.length, ns.bytes} }
