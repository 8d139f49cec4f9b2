package cluster_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"

	"github.com/nats-io/nats-server/v2/server"
	nats "github.com/nats-io/nats.go"
)

// A cable is a TCP proxy that can be cut.
type cable struct {
	listener net.Listener
	to       string

	mu     sync.Mutex
	cut    bool
	frozen bool // connections are accepted, and nothing passes
	conns  map[net.Conn]bool
	busy   sync.WaitGroup
}

func newCable(t *testing.T, to string) *cable {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cable{listener: l, to: to, conns: make(map[net.Conn]bool)}
	c.busy.Go(c.accept)
	t.Cleanup(func() { l.Close(); c.set(true); c.busy.Wait() })
	return c
}

func (c *cable) accept() {
	for {
		in, err := c.listener.Accept()
		if err != nil {
			return
		}
		if c.isFrozen() {
			c.keep(in)
			continue
		}
		out, err := net.Dial("tcp", c.to)
		if err != nil || !c.keep(in, out) {
			in.Close()
			continue
		}
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			c.busy.Go(func() { io.Copy(pair[0], pair[1]); pair[0].Close(); pair[1].Close() })
		}
	}
}

func (c *cable) keep(both ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range both {
		if c.cut {
			one.Close()
			continue
		}
		c.conns[one] = true
	}
	return !c.cut
}

// set cuts the cable, with all connections, or mends it.
func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut = cut; cut {
		for one := range c.conns {
			one.Close()
		}
		clear(c.conns)
	}
}

// freeze cuts the cable, but connections can be made.
func (c *cable) freeze() {
	c.set(true)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut, c.frozen = false, true
}

func (c *cable) isFrozen() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frozen
}

// life is one run of a node, and what it has delivered.
type life struct {
	broker *cluster.Broker
	conn   *nats.Conn

	mu   sync.Mutex
	seen map[string][]maru.Position
	text map[string][]string
	all  []maru.Position // of all channels
}

func (l *life) sink(channel string, at maru.Position, p *maru.Publication) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[channel], l.text[channel] = append(l.seen[channel], at), append(l.text[channel], string(p.Data))
	l.all = append(l.all, at)
}

// An ordeal is a cluster of three nodes whose parts fail, and people who publish meanwhile.
type ordeal struct {
	t       *testing.T
	prefix  string
	servers []*server.Server
	cables  []*cable

	mu    sync.Mutex
	nodes []*life
	past  []*life
	acked map[string][]string // by channel
}

func (o *ordeal) start(i int) {
	l := &life{seen: make(map[string][]maru.Position), text: make(map[string][]string)}
	conn, err := nats.Connect("nats://"+o.cables[i].listener.Addr().String(), append(cluster.ConnOptions(), nats.ReconnectWait(50*time.Millisecond), nats.RetryOnFailedConnect(true), nats.IgnoreDiscoveredServers())...)
	if err != nil {
		o.t.Fatal(err)
	}
	for { // while JetStream has no leader it does not open
		l.broker, err = cluster.Open(o.t.Context(), cluster.Options{BrokerOptions: maru.BrokerOptions{Sink: l.sink, Retention: func(string) maru.Retention { return maru.Retention{Publications: 100_000} }}, Conn: conn, Prefix: o.prefix, Replicas: 3, Interest: true, Beat: 200 * time.Millisecond})
		if err == nil {
			break
		}
		o.t.Log("open: ", err)
		time.Sleep(100 * time.Millisecond)
	}
	l.conn = conn
	l.broker.InOrder()
	for _, channel := range []string{"c0", "c1"} {
		l.broker.Follow(channel)
		for { // while the owner changes there is none
			if _, err := l.broker.History(o.t.Context(), channel, maru.HistoryQuery{}); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.nodes[i] = l
}

func (o *ordeal) node(i int) *life {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.nodes[i]
}

// publish publishes one text after another until ctx ends. It repeats each until it is acknowledged,
// wherever a node takes it.
func (o *ordeal) publish(ctx context.Context, who int) {
	channel := fmt.Sprint("c", who%2)
	for n := 0; ctx.Err() == nil; n++ {
		text := fmt.Sprint(who, "-", n)
		for try := who; ; try++ {
			limited, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			_, err := maru.Publish(limited, o.node(try%3).broker, channel, &maru.Publication{Data: []byte(text)}, maru.PublishOptions{IdempotencyKey: text, Publisher: fmt.Sprint(who)})
			cancel()
			if err == nil {
				o.mu.Lock()
				o.acked[channel] = append(o.acked[channel], text)
				o.mu.Unlock()
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// TestFaults kills nodes, cuts their cables, loses what is carried and restarts servers of NATS, seeded
// by MARU_SEED, as often as MARU_EVENTS says. What was acknowledged is in the history once; each node
// has delivered once, in one order of both channels, and what was published while it lived.
func TestFaults(t *testing.T) {
	t.Parallel()
	events, seed := number("MARU_EVENTS", 3), uint64(number("MARU_SEED", 1))
	t.Logf("MARU_SEED=%d MARU_EVENTS=%d", seed, events)
	o := &ordeal{t: t, prefix: prefix(), servers: natsServers(t, 3), nodes: make([]*life, 3), acked: make(map[string][]string)}
	for i, s := range o.servers {
		u, err := url.Parse(s.ClientURL())
		if err != nil {
			t.Fatal(err)
		}
		o.cables = append(o.cables, newCable(t, u.Host))
		o.start(i)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var publishers sync.WaitGroup
	for who := range 6 {
		publishers.Go(func() { o.publish(ctx, who) })
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for range events {
		time.Sleep(time.Duration(200+random.IntN(800)) * time.Millisecond)
		o.fault(random)
	}
	time.Sleep(500 * time.Millisecond)
	cancel()
	publishers.Wait()
	o.judge()
	for _, l := range o.nodes {
		l.broker.Close()
		l.conn.Close()
	}
}

func number(name string, without int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return without
}

func (o *ordeal) fault(random *rand.Rand) {
	i, long := random.IntN(3), time.Duration(100+random.IntN(2500))*time.Millisecond
	switch random.IntN(4) {
	case 0:
		o.t.Logf("node %d is killed", i)
		l := o.node(i)
		l.broker.Kill()
		l.conn.Close()
		o.past = append(o.past, l)
		time.Sleep(long)
		o.start(i)
	case 1:
		o.t.Logf("the cable of node %d is cut for %v", i, long)
		o.cables[i].set(true)
		time.Sleep(long)
		o.cables[i].set(false)
	case 2:
		o.t.Logf("the server %d is cut off for %v", i, long)
		o.restart(i, long)
	case 3:
		o.lose(i, random.IntN(2) == 0, long)
	}
}

// lose loses what is carried of one channel to a node, and maybe the indexes, too.
func (o *ordeal) lose(i int, indexes bool, long time.Duration) {
	o.t.Logf("carriage to node %d is lost for %v, indexes too: %v", i, long, indexes)
	b := o.node(i).broker
	defer b.Cut("c0")()
	if indexes {
		defer b.CutIndex("c0")()
	}
	time.Sleep(long)
}

// restart ends a server of NATS and starts it again with what it has on disk.
func (o *ordeal) restart(i int, after time.Duration) {
	old := o.servers[i]
	kept, _ := serverOptions.Load(old)
	options := kept.(*server.Options)
	old.Shutdown()
	old.WaitForShutdown()
	time.Sleep(after)
	u, _ := url.Parse(old.ClientURL())
	port, _ := strconv.Atoi(u.Port())
	options.Port = port
	o.servers[i] = run(o.t, options)
}

// judge compares what was acknowledged, what is in the history, and what was delivered.
func (o *ordeal) judge() {
	t := o.t
	for channel, acked := range o.acked {
		var h maru.History
		waitFor(t, "history", func() bool {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			var err error
			h, err = o.nodes[0].broker.History(ctx, channel, maru.HistoryQuery{Limit: -1})
			return err == nil
		})
		at, text := make(map[string]uint64), make(map[uint64]string)
		for _, p := range h.Publications {
			if at[string(p.Data)] != 0 {
				t.Errorf("%s: %s is in the history twice", channel, p.Data)
			}
			at[string(p.Data)], text[p.Offset] = p.Offset, string(p.Data)
		}
		for _, one := range acked {
			if at[one] == 0 {
				t.Errorf("%s: %s was acknowledged and is gone", channel, one)
			}
		}
		t.Logf("%s: %d acknowledged, %d in the history, epoch %s", channel, len(acked), len(h.Publications), h.Epoch)
		for i, l := range append(o.past, o.nodes...) {
			l.judgeOrder(t)
			o.judgeLife(fmt.Sprint(channel, " on life ", i, " of ", len(o.past)+3), l, channel, h, i >= len(o.past))
		}
	}
}

// judgeOrder checks that no channel has overtaken the other.
func (l *life) judgeOrder(t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := 1; i < len(l.all); i++ {
		if before, at := l.all[i-1], l.all[i]; at.Epoch == before.Epoch && at.Offset <= before.Offset {
			t.Fatalf("delivery %d of both channels is at %v, behind %v", i, at, before)
		}
	}
}

func (o *ordeal) judgeLife(name string, l *life, channel string, h maru.History, alive bool) {
	t := o.t
	count := func() (last uint64) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if n := len(l.seen[channel]); n > 0 {
			return l.seen[channel][n-1].Offset
		}
		return 0
	}
	if alive {
		waitFor(t, "what is missing of "+name, func() bool { return count() >= h.Head })
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := l.seen[channel]
	if len(seen) == 0 {
		return
	}
	next := 0
	for next < len(h.Publications) && h.Publications[next].Offset < seen[0].Offset {
		next++
	}
	for i, at := range seen {
		if next == len(h.Publications) || h.Publications[next].Offset != at.Offset || string(h.Publications[next].Data) != l.text[channel][i] || at.Epoch != h.Epoch {
			t.Fatalf("%s: delivery %d is %s at %v, which is not what follows in the history", name, i, l.text[channel][i], at)
		}
		next++
	}
}
