package hub

import (
	"cmp"
	"hash/maphash"
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/histogram"
	"maru.example/maru/internal/loop"
)

// Options of a Hub. Engine is needed; zero fields mean the defaults.
type Options struct {
	Engine        *loop.Engine  // serves the connections that join
	QueueBytes    int           // of data in one Queue, or in flight for one replay; default 1 MiB
	QueueMessages int           // the same, counted; default 1,000
	QueueAge      time.Duration // for a socket to read a piece of a replay; default 30 s

	// MaxHz returns the most publications of each key that a subscriber of a channel receives
	// in a second; 0 means no limit, as does a nil MaxHz.
	MaxHz func(channel string) float64

	// Space returns where a channel is counted, and for an empty name where the rest is. It is called for each publication and does not wait. nil: all are counted together.
	Space func(channel string) *Space

	PresenceGrace time.Duration // for a person without a connection to return before a leave is sent; default 5 s, negative: none
	PresenceNames int           // the most people that presence names; above it there are only numbers; default 200
}

// Hub maps channels to subscribers.
type Hub struct {
	engine   *loop.Engine
	broker   maru.Broker
	follower maru.Follower
	inOrder  atomic.Bool // see InOrder
	others   Others
	departed *departed // nil: there are no others
	limits   limits
	maxHz    func(channel string) float64
	space    func(channel string) *Space
	latency  histogram.Histogram // of queues
	stats    struct{ conflated, paced, slow, missed atomic.Uint64 }
	grace    time.Duration
	most     int    // the most people that presence names
	forms    []Form // registered, by FormID
	seed     maphash.Seed
	shards   [64]shard
	done     chan struct{} // closed by Close
	close    sync.Once
}

// shard holds the channels whose names hash to it.
type shard struct {
	mu       sync.RWMutex
	channels map[string]*Channel
	shares   int    // of all of them
	used     int    // channels with a share
	floor    uint64 // highest presence version of any removed channel; no new channel begins below

	publications, bytes atomic.Uint64 // delivered; counted here because a delivery has this shard in its cache
}

// New makes a hub on the broker that open makes; open receives the Sink that the broker must
// deliver to.
func New(o Options, open func(maru.Sink) maru.Broker) *Hub {
	h := &Hub{
		engine: o.Engine,
		limits: limits{bytes: cmp.Or(o.QueueBytes, maru.DefaultBacklogBytes), messages: cmp.Or(o.QueueMessages, maru.DefaultBacklogMessages), age: cmp.Or(o.QueueAge, maru.DefaultBacklogAge), tight: new(atomic.Int32)},
		grace:  cmp.Or(o.PresenceGrace, maru.DefaultPresenceGrace),
		most:   cmp.Or(o.PresenceNames, maru.DefaultPresenceNames),
		maxHz:  o.MaxHz,
		space:  o.Space,
		seed:   maphash.MakeSeed(),
		others: alone{},
		done:   make(chan struct{}),
	}
	for i := range h.shards {
		h.shards[i].channels = make(map[string]*Channel)
	}
	if h.space == nil {
		all := new(Space)
		h.space = func(string) *Space { return all }
	}
	h.limits.conflated = &h.stats.conflated
	h.broker = open(h.Deliver)
	h.follower = everything{}
	if f, is := h.broker.(maru.Follower); is {
		h.follower = f
	}
	if r, is := h.broker.(maru.LossReporter); is {
		r.OnLoss(h.Miss)
	}
	return h
}

// InOrder makes the broker deliver the channels of a namespace in the order of offsets, from now on:
// a client will have one position of several channels. It does not wait. See maru.Orderer.
func (h *Hub) InOrder() {
	if o, is := h.follower.(maru.Orderer); is && !h.inOrder.Swap(true) {
		o.InOrder()
	}
}

// everything is the maru.Follower of a broker that delivers all channels.
type everything struct{}

func (everything) Follow(string)   {}
func (everything) Unfollow(string) {}

// Channel returns a share in the channel's state, which exists until all shares are given back
// with Release.
func (h *Hub) Channel(name string) *Channel {
	s := h.shard(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	c := h.stateOf(s, name)
	if c.shares == 0 {
		s.used++
		h.follower.Follow(c.name)
	}
	c.shares++
	s.shares++
	c.space.Subscriptions.Add(1)
	return c
}

// stateOf returns a channel's state, and makes it if there is none. s.mu is held.
func (h *Hub) stateOf(s *shard, name string) *Channel {
	c := s.channels[name]
	if c == nil {
		name = strings.Clone(name) // it may be part of a request's address
		c = &Channel{hub: h, name: name, space: h.space(name), presence: presence{version: s.floor}}
		s.channels[name] = c
	}
	return c
}

// Release gives back one share. The caller does not use c afterwards.
func (c *Channel) Release() {
	s := c.hub.shard(c.name)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shares--
	c.space.Subscriptions.Add(-1)
	if c.shares--; c.shares > 0 {
		return
	}
	s.used--
	c.hub.follower.Unfollow(c.name)
	c.unused(s)
}

// unused forgets the state of a channel that nothing needs any more. s.mu is held.
func (c *Channel) unused(s *shard) {
	if c.shares > 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = maru.Position{} // what is published from now on is not delivered
	if !c.foreign {
		delete(s.channels, c.name)
		s.floor = max(s.floor, c.presence.version)
	}
}

// Tighten divides the limits of queues by maru.BacklogShortage to the power of level, while memory
// is short; level 0 restores them.
func (h *Hub) Tighten(level int) {
	h.limits.tight.Store(int32(level * bits.TrailingZeros(maru.BacklogShortage)))
}

// Mode returns m, limited by the channel's rate.
func (c *Channel) Mode(m Mode) Mode {
	if c.hub.maxHz == nil {
		return m
	}
	return m.within(c.hub.maxHz(c.name))
}

// Stats are counts since the start of the hub, besides those of the engine.
type Stats struct {
	Publications uint64 // that the broker delivered
	Bytes        uint64 // of their data
	Paced        uint64 // publications replaced by a newer one of their key while they waited for a pace
	Conflated    uint64 // the same, in queues
	Slow         uint64 // queues that ended because they were full
	Missed       uint64 // losses in channels, whose subscribers were ended: see Miss

	// Latency is that of loop.Stats, for what goroutines write: event streams in HTTP/2.
	Latency histogram.Snapshot
}

// Stats of the hub.
func (h *Hub) Stats() Stats {
	sum := Stats{Paced: h.stats.paced.Load(), Conflated: h.stats.conflated.Load(), Slow: h.stats.slow.Load(), Missed: h.stats.missed.Load()}
	h.latency.AddTo(&sum.Latency)
	for i := range h.shards {
		sum.Publications += h.shards[i].publications.Load()
		sum.Bytes += h.shards[i].bytes.Load()
	}
	return sum
}

// Size returns the number of channels with a subscriber, and the total number of subscribers:
// sockets, streams, polls and watches of presence.
func (h *Hub) Size() (channels, shares int) {
	for i := range h.shards {
		s := &h.shards[i]
		s.mu.RLock()
		channels, shares = channels+s.used, shares+s.shares
		s.mu.RUnlock()
	}
	return channels, shares
}

// Close ends every Queue and Watch, present and future, with CodeShuttingDown. The engine
// closes the sockets.
func (h *Hub) Close() { h.close.Do(func() { close(h.done) }) }

// Closed is closed by Close.
func (h *Hub) Closed() <-chan struct{} { return h.done }

func (h *Hub) shard(name string) *shard {
	return &h.shards[maphash.String(h.seed, name)%uint64(len(h.shards))]
}

// find returns the channel's state if it has subscribers.
func (h *Hub) find(name string) *Channel { return h.shard(name).find(name) }

func (s *shard) find(name string) *Channel {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.channels[name]
}

var (
	errShuttingDown = maru.NewError(maru.CodeShuttingDown, "the server is shutting down")
	errSlow         = maru.NewError(maru.CodeSlow, "the subscriber reads too slowly: its backlog is full; reconnect and recover")
)
