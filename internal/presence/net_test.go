package presence_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"
	"maru.example/maru/internal/presence"
)

// A network carries messages between nodes, as the bus of a cluster does, and loses them.
type network struct {
	mu    sync.Mutex
	nodes []*node
	lose  func(from, to *node) bool // nil: nothing
	sent  map[byte]int              // messages by kind
	most  int                       // bytes of the largest
	names int                       // that presence has at most
	ended chan struct{}
	done  sync.WaitGroup
}

const (
	beat     = time.Second
	deadTime = 5 * time.Second
	holdTime = 4 * time.Second
)

func newNetwork(t *testing.T) *network {
	n := &network{sent: make(map[byte]int), names: 5, ended: make(chan struct{})}
	n.done.Go(n.watch)
	t.Cleanup(n.close)
	return n
}

func (n *network) close() {
	for _, one := range n.nodes {
		if !one.ended {
			one.end()
		}
	}
	close(n.ended)
	n.done.Wait()
}

// A node is a server: its hub, its presence, and its end of the network.
type node struct {
	net      *network
	id       string
	engine   *loop.Engine
	hub      *hub.Hub
	presence *presence.Presence
	ended    bool
	people   map[string][]*hub.Queue // by channel and user

	// Guarded by network.mu.
	cut    bool
	since  time.Time // when it was cut off, or began
	seen   map[string]time.Time
	handle maru.BusHandler
	leave  func(node string, silent time.Duration)
}

var _ maru.Bus = (*node)(nil)

func (n *network) start(id string) *node {
	one := &node{net: n, id: id, people: make(map[string][]*hub.Queue), seen: make(map[string]time.Time), since: time.Now()}
	one.engine = loop.New(loop.Options{Goroutines: true, Loops: 1})
	one.hub = hub.New(hub.Options{Engine: one.engine, PresenceNames: n.names}, func(maru.Sink) maru.Broker { return silent{} })
	n.mu.Lock()
	for _, other := range n.nodes {
		if !other.cut {
			other.seen[id], one.seen[other.id] = time.Now(), time.Now()
		}
	}
	n.nodes = append(n.nodes, one)
	n.mu.Unlock()
	one.presence = presence.New(one.hub, one, presence.Options{})
	return one
}

// end ends a node. The others do not know.
func (one *node) end() {
	one.ended = true
	one.net.set(one, true)
	one.presence.Close()
	one.hub.Close()
	one.engine.Shutdown(context.Background(), 1001, "")
}

// set cuts a node off, or connects it again.
func (n *network) set(one *node, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if one.cut, one.since = cut, time.Now(); !cut {
		for id := range one.seen {
			one.seen[id] = time.Now()
		}
	}
}

// watch is the death of nodes.
func (n *network) watch() {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-n.ended:
			return
		}
		n.mu.Lock()
		var leaves []func()
		for _, a := range n.nodes {
			for _, b := range n.nodes {
				if a == b || a.cut {
					continue
				}
				at, known := a.seen[b.id]
				if !b.cut {
					a.seen[b.id] = time.Now()
				} else if silent := time.Since(at); known && silent >= deadTime {
					delete(a.seen, b.id)
					leaves = append(leaves, func() { a.leave(b.id, silent) })
				}
			}
		}
		n.mu.Unlock()
		for _, f := range leaves {
			f()
		}
	}
}

// counted returns how many messages of each kind were sent since the last call.
func (n *network) counted() map[byte]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	sent := n.sent
	n.sent = make(map[byte]int)
	return sent
}

func (one *node) Node() string { return one.id }

func (one *node) Nodes() (all []string, connected bool) {
	one.net.mu.Lock()
	defer one.net.mu.Unlock()
	for id := range one.seen {
		all = append(all, id)
	}
	return append(all, one.id), !one.cut || time.Since(one.since) < holdTime
}

func (one *node) Send(id, kind string, data []byte) error {
	n := one.net
	n.mu.Lock()
	i := slices.IndexFunc(n.nodes, func(to *node) bool { return to.id == id })
	n.sent[data[1]]++
	n.most = max(n.most, len(data))
	var h maru.BusHandler
	if i >= 0 && !one.cut && !n.nodes[i].cut && (n.lose == nil || !n.lose(one, n.nodes[i])) {
		h = n.nodes[i].handle
	}
	n.mu.Unlock()
	if h != nil {
		h(one.id, data, nil)
	}
	return nil
}

func (one *node) Broadcast(string, []byte) error                              { panic("not used") }
func (one *node) Ask(context.Context, string, string, []byte) ([]byte, error) { panic("not used") }

func (one *node) Handle(_ string, h maru.BusHandler) {
	one.net.mu.Lock()
	defer one.net.mu.Unlock()
	one.handle = h
}

func (one *node) OnLeave(f func(string, time.Duration)) { one.leave = f }

// silent is a broker without publications.
type silent struct{}

func (silent) Submit(string, *maru.Publication, maru.PublishOptions, func(maru.Published, error)) {}
func (silent) History(context.Context, string, maru.HistoryQuery) (maru.History, error) {
	return maru.History{}, nil
}
func (silent) Close() error { return nil }

func (one *node) join(channel, user string) {
	q, _, err := one.hub.Subscribe(context.Background(), channel, hub.Reader{User: user}, maru.HistoryQuery{})
	if err != nil {
		panic(err)
	}
	one.people[channel+"/"+user] = append(one.people[channel+"/"+user], q)
}

// part ends a connection of a user, if there is one.
func (one *node) part(channel, user string) bool {
	all := one.people[channel+"/"+user]
	if len(all) == 0 {
		return false
	}
	all[0].Close()
	one.people[channel+"/"+user] = all[1:]
	return true
}
