package hub

import "sync/atomic"

// Space counts what happens in the channels of one namespace, or of several that are counted
// together. Any goroutine may read it.
type Space struct {
	Connections   atomic.Int64  // that live in one channel: not those of a protocol with many
	Subscriptions atomic.Int64  // see Hub.Size
	Publications  atomic.Uint64 // that the broker delivered
	Deliveries    atomic.Uint64 // one for each subscriber that a publication was handed to
	Conflated     atomic.Uint64 // publications replaced by a newer one of their key while they waited
	Dropped       atomic.Uint64 // messages that waited for a subscriber that was closed as slow
}

// Space returns the counts for channels: those of their namespace, or of the rest if they are of
// several, or if there is no channel.
func (h *Hub) Space(channels ...string) *Space {
	rest := h.space("")
	if len(channels) == 0 {
		return rest
	}
	one := h.space(channels[0])
	for _, channel := range channels[1:] {
		if h.space(channel) != one {
			return rest
		}
	}
	return one
}

// Space returns the counts of the channel's namespace.
func (c *Channel) Space() *Space { return c.space }

// deliveries counts what the channel hands to subscribers for one publication; those of paces
// are counted when it is their turn. c.mu is held.
func (c *Channel) deliveries() {
	n := len(c.queues) + len(c.receivers)
	for i := range c.audiences {
		n += c.audiences[i].all.count + c.audiences[i].latest.count
	}
	if n > 0 {
		c.space.Deliveries.Add(uint64(n))
	}
}
