package history

import (
	"strings"
	"time"

	"maru.example/maru"
)

// Overhead is the bytes that a retained publication counts beside its data, key and
// user: about what it costs in memory when it is alone in its channel. One of a hundred
// costs some 160 (BenchmarkMemory of the broker in memory).
const Overhead = 256

// Size returns what p counts towards Retention.Bytes.
func Size(p *maru.Publication) int64 {
	return Overhead + int64(len(p.Data)+len(p.Key)+len(p.User))
}

// Namespace has one number and one history for all its channels. Make one with New.
type Namespace struct {
	retention maru.Retention
	epoch     string
	idleMax   int // how many channels that retain nothing are remembered for their heads

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

// New makes a namespace whose numbers continue after floor: up to there it may have had
// publications that are forgotten. The zero fields of r must be set: see
// Retention.WithDefaults. empty is how many channels that retain nothing are remembered for
// their heads.
func New(r maru.Retention, epoch string, floor uint64, empty int) *Namespace {
	return &Namespace{
		retention: r, epoch: epoch, idleMax: max(empty, 0),
		number: floor, removed: floor, channels: make(map[string]*channel),
	}
}

// Epoch returns the epoch of all positions in the namespace.
func (ns *Namespace) Epoch() string { return ns.epoch }

// Renew gives the namespace another epoch: positions of the previous one then have a gap.
func (ns *Namespace) Renew(epoch string) { ns.epoch = epoch }

// Number returns the highest offset given so far.
func (ns *Namespace) Number() uint64 { return ns.number }

// Head returns the channel's highest offset ever; of a channel no longer known, the
// highest offset removed from any such channel.
func (ns *Namespace) Head(name string) uint64 {
	if c := ns.channels[name]; c != nil {
		return c.head()
	}
	return ns.removed
}

// Stale reports whether the channel has this version or a higher one. Version 0 is never
// stale.
func (ns *Namespace) Stale(name string, version uint64) bool {
	c := ns.channels[name]
	return c != nil && version != 0 && version <= c.version
}

// Retains reports whether p can be retained at all.
func (ns *Namespace) Retains(p *maru.Publication) bool { return ns.retention.Retains(Size(p)) }

// Add adds a publication whose Offset is above Number. It is retained if the limits allow
// that, and what is then above the limits is removed.
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

// Restore is Add for a publication of an earlier process that is read again, in order. prev
// is the channel's offset before it: what was lost in between will be reported as missing.
// passed says that p was not retained; what the channel retained is then missing too.
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

// Lost records that offsets up to this one were given to channels that are not known.
func (ns *Namespace) Lost(offset uint64) {
	ns.number = max(ns.number, offset)
	ns.removed = max(ns.removed, offset)
}

func (ns *Namespace) channel(name string) *channel {
	c := ns.channels[name]
	if c == nil {
		// The name may be part of a larger string, for instance of a request.
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

// pass counts a publication that cannot be retained. What the channel retained is removed
// too. Otherwise a subscriber that returns from an earlier position would receive that and
// silently miss this publication.
func (ns *Namespace) pass(c *channel, offset uint64) {
	ns.empty(c, offset)
	ns.rest(c)
}

// empty removes what the channel retains: everything up to offset is missing.
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

// remove removes a publication, which is the oldest of its channel.
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

// rest makes a channel that retains nothing the last of the idle ones, and forgets the
// first of them if there are too many.
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

// History answers a query by the rules of maru.Broker, after removing what is too old.
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

// Clear forgets everything but the number. Only Number may be called afterwards.
func (ns *Namespace) Clear() {
	ns.channels, ns.order, ns.idle, ns.bytes = nil, list[item]{}, list[*channel]{}, 0
}

// Held returns how much the namespace holds.
func (ns *Namespace) Held() maru.Held {
	return maru.Held{Channels: len(ns.channels), Publications: ns.order.length, Bytes: ns.bytes}
}
