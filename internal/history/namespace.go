package history

import (
	"strings"
	"time"

	"maru.example/maru"
)

// Namespace has one number and one history for all its channels. Make one with New.
type Namespace struct {
	retention maru.Retention
	epoch     string
	heads     *Heads // bounds quiet

	number   uint64 // of the last publication
	removed  uint64 // highest offset removed from forgotten channels
	bytes    int64  // total Size of the retained publications
	retained int
	channels map[string]*channel // those that retain something
	order    deque[item]         // every retained publication, oldest first, and some that are gone
	quiet    table               // the heads of channels that retain nothing
}

// An item is a publication in the order of the namespace. It is gone if its channel retains
// only later ones.
type item struct {
	channel *channel
	offset  uint64
}

func (i item) gone() bool {
	return i.channel.kept.len() == 0 || i.offset < i.channel.kept.front().Offset
}

// New makes a namespace whose numbers continue after floor: up to there it may have had
// publications that are forgotten. The zero fields of r must be set: see
// Retention.WithDefaults. heads bounds how many channels that retain nothing are remembered;
// namespaces can share it.
func New(r maru.Retention, epoch string, floor uint64, heads *Heads) *Namespace {
	return &Namespace{
		retention: r, epoch: epoch, heads: heads,
		number: floor, removed: floor, channels: make(map[string]*channel), quiet: table{hash: heads.hash},
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
	if head, _ := ns.quiet.find(name); head != 0 {
		return head
	}
	return ns.removed
}

// Version returns the highest version that the channel had; 0 if none is known.
func (ns *Namespace) Version(name string) uint64 {
	if c := ns.channels[name]; c != nil {
		return c.version
	}
	_, version := ns.quiet.find(name)
	return version
}

// Stale reports whether the channel has this version or a higher one. Version 0 is never
// stale.
func (ns *Namespace) Stale(name string, version uint64) bool {
	return version != 0 && version <= ns.Version(name)
}

// Retains reports whether p can be retained at all.
func (ns *Namespace) Retains(name string, p *maru.Publication) bool {
	return ns.retention.Retains(Size(name, p))
}

// Add adds a publication whose Offset is above Number. It is retained if the limits allow
// that, and what is then above the limits is removed.
func (ns *Namespace) Add(name string, e Entry, version uint64) {
	ns.Expire(e.At)
	ns.number = e.Offset
	ns.add(name, e, version, !ns.retention.Retains(e.Size))
}

// Restore is Add for a publication of an earlier process that is read again, in order. prev
// is the channel's offset before it: what was lost in between will be reported as missing.
// passed says that the publication was not retained; what the channel retained is then
// missing too. It reports whether something was lost between two publications that are there.
func (ns *Namespace) Restore(name string, e Entry, prev, version uint64, passed bool) (hole bool) {
	ns.number = max(ns.number, e.Offset)
	c := ns.channel(name)
	if head := c.head(); head < prev {
		hole = c.kept.len() > 0
		c.lose(head+1, prev)
	}
	ns.add(name, e, version, passed || !ns.retention.Retains(e.Size))
	return hole
}

// Lost records that offsets up to this one were given to channels that are not known.
func (ns *Namespace) Lost(offset uint64) {
	ns.number = max(ns.number, offset)
	ns.removed = max(ns.removed, offset)
}

// channel returns the channel's state, which rest or retain must follow.
func (ns *Namespace) channel(name string) *channel {
	c := ns.channels[name]
	if c == nil {
		// The name may be part of a larger string, for instance of a request.
		c = &channel{name: strings.Clone(name), removed: ns.removed}
		if head, version := ns.quiet.take(name); head != 0 {
			ns.heads.held.Add(-1)
			c.removed, c.version = head, version
		}
		ns.channels[c.name] = c
	}
	return c
}

func (ns *Namespace) add(name string, e Entry, version uint64, passed bool) {
	c := ns.channel(name)
	c.version = max(c.version, version)
	if passed {
		// What the channel retained goes too. Otherwise a subscriber that returns from an
		// earlier position would receive that and silently miss this publication.
		ns.empty(c, e.Offset)
		return
	}
	ns.retain(c, e)
}

// retain stores the publication and removes what exceeds the limits. That is never the
// publication itself, so c keeps something and stays known.
func (ns *Namespace) retain(c *channel, e Entry) {
	c.kept.push(e)
	ns.order.push(item{c, e.Offset})
	ns.bytes += e.Size
	ns.retained++
	if c.kept.len() > ns.retention.Publications {
		ns.remove(c)
	}
	for ns.bytes > ns.retention.Bytes {
		ns.remove(ns.oldest())
	}
	if ns.order.len() > 2*ns.retained+64 {
		ns.order.filter(func(i item) bool { return !i.gone() })
	}
}

// empty removes what the channel retains: everything up to offset is missing.
func (ns *Namespace) empty(c *channel, offset uint64) {
	for c.kept.len() > 0 {
		ns.drop(c)
	}
	c.raise(offset)
	ns.rest(c)
}

// oldest returns the channel of the oldest retained publication, which is the first of that
// channel; nil if nothing is retained.
func (ns *Namespace) oldest() *channel {
	for ns.order.len() > 0 {
		if i := ns.order.front(); !i.gone() {
			return i.channel
		}
		ns.order.pop()
	}
	return nil
}

// Expire removes what is too old. Ages rise along the order.
func (ns *Namespace) Expire(now time.Duration) { ns.ExpireSome(now, -1) }

// ExpireSome is Expire for at most so many publications; negative: all. It reports whether
// more are too old.
func (ns *Namespace) ExpireSome(now time.Duration, most int) (more bool) {
	for {
		c := ns.oldest()
		if c == nil || now-c.kept.front().At < ns.retention.Age {
			return false
		}
		if most == 0 {
			return true
		}
		most--
		ns.remove(c)
	}
}

// Expires returns when the oldest publication will be too old, and whether there is one.
func (ns *Namespace) Expires() (at time.Duration, ok bool) {
	c := ns.oldest()
	if c == nil {
		return 0, false
	}
	return c.kept.front().At + ns.retention.Age, true
}

// Shrink removes the oldest publications until so many bytes are freed, or nothing is
// retained. It returns how many were.
func (ns *Namespace) Shrink(bytes int64) (freed int64) {
	before := ns.bytes
	for before-ns.bytes < bytes {
		c := ns.oldest()
		if c == nil {
			break
		}
		ns.remove(c)
	}
	return before - ns.bytes
}

// remove removes the oldest publication of a channel.
func (ns *Namespace) remove(c *channel) {
	ns.drop(c)
	if c.kept.len() == 0 {
		ns.rest(c)
	}
}

func (ns *Namespace) drop(c *channel) {
	ns.bytes -= c.kept.front().Size
	ns.retained--
	c.shift()
}

// rest keeps of a channel that retains nothing its head and its version. If there are too
// many such channels, the namespace forgets one.
func (ns *Namespace) rest(c *channel) {
	delete(ns.channels, c.name)
	if c.head() == 0 {
		return
	}
	ns.remember(ns.quiet.of(c.name, c.head(), c.version))
}

func (ns *Namespace) remember(q quiet) {
	ns.quiet.add(q)
	if ns.heads.held.Add(1) > ns.heads.max {
		ns.heads.held.Add(-1)
		ns.heads.forgotten.Add(1)
		ns.removed = max(ns.removed, ns.quiet.evict())
	}
}

// History answers a query by the rules of maru.Broker, after removing what is too old.
func (ns *Namespace) History(name string, q maru.HistoryQuery, now time.Duration) maru.History {
	ns.Expire(now)
	h := maru.History{Epoch: ns.epoch}
	last := ns.number // no position of this channel is after it
	c := ns.channels[name]
	if c == nil {
		c = &channel{removed: ns.removed}
		if head, _ := ns.quiet.find(name); head != 0 {
			c.removed, last = head, head
		}
		h.Head = c.removed
	} else {
		h.Head = c.head()
		last = h.Head
	}
	entries, gap := c.part(q, ns.epoch, last)
	h.Publications, h.Gap = publications(entries), gap
	return h
}

// publications returns a copy, since entries change with the next publication.
func publications(entries []Entry) []*maru.Publication {
	if len(entries) == 0 {
		return nil
	}
	list := make([]*maru.Publication, len(entries))
	for i := range entries {
		list[i] = entries[i].Publication
	}
	return list
}

// Clear forgets everything but the number. Only Number may be called afterwards.
func (ns *Namespace) Clear() {
	ns.heads.held.Add(int64(-ns.quiet.held))
	*ns = Namespace{number: ns.number, heads: ns.heads, quiet: table{hash: ns.heads.hash}}
}

// Held returns how much the namespace holds.
func (ns *Namespace) Held() maru.Held {
	return maru.Held{
		Channels: len(ns.channels) + ns.quiet.held, Publications: ns.retained, Bytes: ns.bytes,
		Memory: ns.bytes + ns.quiet.bytes(),
	}
}
