package simulation

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/internal/hub"
	"maru.example/maru/internal/loop"

	"github.com/nats-io/nats-server/v2/server"
	nats "github.com/nats-io/nats.go"
)

// bubble runs a test in virtual time. The client of NATS keeps timers for the next use, which must not be in
// another bubble: two collections empty such a sync.Pool.
func bubble(t *testing.T, f func(t *testing.T)) {
	runtime.GC()
	runtime.GC()
	synctest.Test(t, f)
}

// A world is a cluster within a bubble of synctest.
type world struct {
	t       *testing.T
	load    Load
	tally   *tally
	server  *server.Server
	nodes   []*node
	readers sync.WaitGroup
	since   atomic.Int64 // when the last run began, in Unix nanoseconds

	mu      sync.Mutex
	acked   map[string][]uint64 // offsets, by channel
	times   []time.Time         // when these were acknowledged
	failed  int                 // publications that were not acknowledged
	history map[string][]uint64 // offsets, in the end
}

// A node is a hub on a broker.
type node struct {
	link   *link
	conn   *nats.Conn
	broker *cluster.Broker
	hub    *hub.Hub
	engine *loop.Engine
	all    []*reader
}

const prefix = "sim"

// newWorld starts the cluster and its subscribers: one for each channel that a node follows. Channel c
// is followed by the nodes c, c+1, … up to as many as the load says.
func newWorld(t *testing.T, load Load, channels int, delay time.Duration, seed uint64) *world {
	w := &world{t: t, load: load, tally: newTally(prefix), acked: make(map[string][]uint64)}
	var err error
	w.server, err = server.NewServer(&server.Options{DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir(), JetStreamMaxMemory: 64 << 20, JetStreamMaxStore: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	w.server.Start()
	for i := range load.Nodes {
		l := &link{server: w.server, tally: w.tally, delay: delay, random: rand.New(rand.NewPCG(seed, uint64(i)+1))}
		w.nodes = append(w.nodes, w.newNode(l))
	}
	for _, n := range w.nodes[load.Nodes-load.Ordered:] {
		n.broker.InOrder()
	}
	w.since.Store(math.MaxInt64)
	w.publish(w.nodes[0], channelName(0)) // so the first node owns the namespace
	for c := range channels {
		for i := range load.Following {
			w.read(w.nodes[(c+i)%load.Nodes], channelName(c))
		}
	}
	for i := range max(channels, load.Nodes) { // each node finds the owner, and each channel has begun
		w.publish(w.nodes[i%load.Nodes], channelName(i%channels))
	}
	time.Sleep(3 * time.Second)
	return w
}

func channelName(c int) string { return fmt.Sprintf("news/%04d", c) }

func everything(string) maru.Retention { return maru.Retention{Publications: 100_000, Age: time.Hour} }

func (w *world) newNode(l *link) *node {
	n := &node{link: l, engine: loop.New(loop.Options{Goroutines: true, Loops: 1})}
	var err error
	if n.conn, err = nats.Connect("", append(cluster.ConnOptions(), nats.InProcessServer(l))...); err != nil {
		w.t.Fatal(err)
	}
	n.hub = hub.New(hub.Options{Engine: n.engine}, func(sink maru.Sink) maru.Broker {
		n.broker, err = cluster.Open(context.Background(), cluster.Options{Conn: n.conn, Prefix: prefix, Interest: true, BrokerOptions: maru.BrokerOptions{Sink: sink, Retention: everything}})
		if err != nil {
			w.t.Fatal(err)
		}
		return n.broker
	})
	return n
}

// publish publishes the time in a channel, and notes what was acknowledged.
func (w *world) publish(n *node, channel string) {
	data := make([]byte, max(w.load.Bytes, 8))
	binary.BigEndian.PutUint64(data, uint64(time.Now().UnixNano()))
	at, err := maru.Publish(context.Background(), n.broker, channel, &maru.Publication{Kind: maru.Binary, Data: data}, maru.PublishOptions{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failed++
		return
	}
	w.acked[channel] = append(w.acked[channel], at.Offset)
	w.times = append(w.times, time.Now())
}

// run publishes for some seconds at the load's rate, on some nodes and in all channels by turns, and
// returns for how long nothing was acknowledged.
func (w *world) run(nodes []*node, channels, seconds int) (pause time.Duration) {
	var publishing sync.WaitGroup
	w.times = nil
	w.since.Store(time.Now().UnixNano())
	every := time.Duration(float64(time.Second) / w.load.Rate)
	for i := range int(w.load.Rate) * seconds {
		n, channel := nodes[i%len(nodes)], channelName((i+i/channels)%channels)
		publishing.Go(func() { w.publish(n, channel) })
		time.Sleep(every)
	}
	publishing.Wait()
	slices.SortFunc(w.times, time.Time.Compare)
	for i := 1; i < len(w.times); i++ {
		pause = max(pause, w.times[i].Sub(w.times[i-1]))
	}
	return pause
}

// upTo are the numbers of the first channels.
func upTo(n int) (all []int) {
	for c := range n {
		all = append(all, c)
	}
	return all
}

// settle reads what the histories of some channels have in the end.
func (w *world) settle(channels []int) {
	w.history = make(map[string][]uint64)
	for _, c := range channels {
		h, err := w.nodes[0].broker.History(context.Background(), channelName(c), maru.HistoryQuery{Limit: -1})
		if err != nil {
			w.t.Fatal(err)
		}
		for _, p := range h.Publications {
			w.history[channelName(c)] = append(w.history[channelName(c)], p.Offset)
		}
	}
}

// close ends everything.
func (w *world) close() {
	for _, n := range w.nodes {
		n.hub.Close()
	}
	w.readers.Wait()
	for _, n := range w.nodes {
		if err := n.broker.Close(); err != nil {
			w.t.Error(err)
		}
		n.conn.Close()
		n.engine.Shutdown(context.Background(), 1001, "")
	}
	w.server.Shutdown()
	w.server.WaitForShutdown()
	for _, n := range w.nodes {
		n.link.pumps.Wait()
	}
}
