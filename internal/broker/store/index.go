package store

import (
	"cmp"
	"math"
	"slices"
	"sort"
	"time"

	"maru.example/maru"
)

// An index says what a namespace retains, without the data: some 56 bytes for each
// publication. Only channels that retain something, or have publications in progress, are
// in it; the heads of all others are on disk only. Its owner locks it.
type index struct {
	retention maru.Retention
	channels  map[string]*channel
	order     queue // every retained publication, oldest first
	bytes     int64
	names     int64         // bytes of the channels' names
	before    time.Duration // what was published before is to be removed: see Broker.Shrink
}

// A channel is what the index knows of one channel.
type channel struct {
	name string
	head
	kept   []uint64 // offsets of what is retained, ascending
	stored uint64   // the sum of the head that was written last: see head.sum
	plan   *plan    // nil unless publications are in progress
}

func newIndex(r maru.Retention) index {
	return index{retention: r, channels: make(map[string]*channel), before: math.MinInt64}
}

// add adds a publication that the channel does not have yet, and removes what exceeds the
// limits. It returns what it removed from the channel.
func (x *index) add(c *channel, offset uint64, size int64, at time.Duration) (removed []uint64) {
	c.last = max(c.last, offset)
	if !x.retention.Retains(size) {
		// A subscriber that returns from an earlier position would otherwise receive what is
		// retained and silently miss this publication.
		removed = x.empty(c)
		c.removed = offset
		return removed
	}
	c.kept = append(c.kept, offset)
	x.order.push(item{offset: offset, at: at, channel: c, size: uint32(size)})
	x.bytes += size
	for len(c.kept) > x.retention.Publications {
		removed = append(removed, c.kept[0])
		x.drop(x.order.find(c.kept[0]))
	}
	for x.bytes > x.retention.Bytes {
		x.drop(x.order.front())
	}
	return removed
}

// empty removes everything that the channel retains.
func (x *index) empty(c *channel) (removed []uint64) {
	removed = c.kept
	for len(c.kept) > 0 {
		x.drop(x.order.find(c.kept[0]))
	}
	return removed
}

// expire removes what is too old, and what is to be removed because memory is short.
func (x *index) expire(now time.Duration) {
	for x.expired(now) {
		x.drop(x.order.front())
	}
}

// expired reports whether expire would remove something.
func (x *index) expired(now time.Duration) bool {
	n := x.order.front()
	return n != nil && (now-n.at >= x.retention.Age || n.at < x.before)
}

// drop removes a publication, which is the oldest of its channel.
func (x *index) drop(n *item) {
	c := n.channel
	c.removed = c.kept[0]
	c.kept = c.kept[1:]
	x.bytes -= int64(n.size)
	x.order.remove(n)
	if len(c.kept) == 0 {
		c.kept = nil
		x.release(c)
	}
}

// know adds a channel, unless it is there.
func (x *index) know(c *channel) {
	if x.channels[c.name] == nil {
		x.channels[c.name] = c
		x.names += int64(len(c.name))
	}
}

// release forgets a channel of which only the head is left, which is on disk.
func (x *index) release(c *channel) {
	if len(c.kept) == 0 && c.plan == nil && x.channels[c.name] == c {
		delete(x.channels, c.name)
		x.names -= int64(len(c.name))
	}
}

// before returns what the channel retains before an offset.
func (c *channel) before(offset uint64) []uint64 {
	i, _ := slices.BinarySearch(c.kept, offset)
	return c.kept[:i]
}

// after returns what the channel retains after an offset.
func (c *channel) after(since uint64) []uint64 {
	i, found := slices.BinarySearch(c.kept, since)
	if found {
		i++
	}
	return c.kept[i:]
}

// A queue has the retained publications of a namespace in the order of their offsets. What
// is removed from its middle stays as a mark until marks are the majority.
type queue struct {
	items []item
	start int // items before it are removed
	marks int // removed items from start on
}

// An item is one retained publication: 32 bytes.
type item struct {
	offset  uint64
	at      time.Duration // when it was published, on the broker's clock
	channel *channel      // nil: removed
	size    uint32        // what it counts: see history.Size
}

func (q *queue) push(i item) { q.items = append(q.items, i) }

func (q *queue) length() int { return len(q.items) - q.start - q.marks }

// front returns the oldest item; nil if there is none.
func (q *queue) front() *item {
	for q.start < len(q.items) && q.items[q.start].channel == nil {
		q.start++
		q.marks--
	}
	if q.start == len(q.items) {
		q.items, q.start = q.items[:0], 0
		return nil
	}
	return &q.items[q.start]
}

// before returns how many items, removed ones too, were published before a time.
func (q *queue) before(t time.Duration) int {
	live := q.items[q.start:]
	return sort.Search(len(live), func(i int) bool { return live[i].at >= t })
}

func (q *queue) find(offset uint64) *item {
	i, _ := slices.BinarySearchFunc(q.items[q.start:], offset, func(i item, offset uint64) int {
		return cmp.Compare(i.offset, offset)
	})
	return &q.items[q.start+i]
}

// remove marks an item as removed. It makes pointers to items invalid.
func (q *queue) remove(i *item) {
	i.channel = nil
	q.marks++
	if gone := q.start + q.marks; gone > 64 && gone > len(q.items)/2 {
		left := q.items[:0]
		if cap(q.items) > 4*(len(q.items)-gone) {
			left = make([]item, 0, 2*(len(q.items)-gone))
		}
		for _, i := range q.items[q.start:] {
			if i.channel != nil {
				left = append(left, i)
			}
		}
		clear(q.items[min(len(left), len(q.items)):])
		q.items, q.start, q.marks = left, 0, 0
	}
}

// first returns at most limit from the beginning, last from the end; all if it is negative.
func first(kept []uint64, limit int) []uint64 {
	if limit < 0 || limit >= len(kept) {
		return kept
	}
	return kept[:limit]
}

func last(kept []uint64, limit int) []uint64 {
	if limit < 0 || limit >= len(kept) {
		return kept
	}
	return kept[len(kept)-limit:]
}

// What the index costs in memory: an item with its part of what slices have to spare and of
// the channel's offsets, and a channel with its name's place in the table.
const (
	itemBytes    = 56
	channelBytes = 208
)

func (x *index) held() maru.Held {
	memory := int64(cap(x.order.items))*32 + int64(x.order.length())*(itemBytes-32) + int64(len(x.channels))*channelBytes + x.names
	return maru.Held{Channels: len(x.channels), Publications: x.order.length(), Bytes: x.bytes, Memory: memory}
}
