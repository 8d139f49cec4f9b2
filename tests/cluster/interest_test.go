package cluster_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/tests/natstest"
	"maru.example/maru/ws"

	natsserver "github.com/nats-io/nats-server/v2/server"
)

// A node receives from NATS only the channels of its subscribers, and a publication once, however many they
// are. All is counted by the server of NATS, for the node's connection.
func TestInterest(t *testing.T) {
	t.Parallel()
	nats := natstest.Start(t, natstest.JetStream(t))
	at := connsOf(nats)
	a, atA := start(t, nats.ClientURL()), at.next(t)
	b, atB := start(t, nats.ClientURL()), at.next(t)
	a.post(t, "x", "begin") // a owns the namespace
	var got, other atomic.Int64
	for range 3 {
		a.attend(t, "x", &got)
	}
	b.attend(t, "y", &other)
	const n = 20
	large := strings.Repeat("x", 30_000)
	before := atB.bytes()
	for range n {
		a.post(t, "x", large)
	}
	waitFor(t, "all publications at a", func() bool { return got.Load() == 3*n })
	if sent := atB.bytes() - before; sent > int64(len(large)) {
		t.Errorf("NATS has sent %d bytes to a node without subscribers of the channel", sent)
	}
	if subjects := atB.carriage(); len(subjects) != 1 || subjects[0].Msgs != 0 {
		t.Errorf("a node that follows another channel takes %+v", subjects)
	}

	const many = 50
	for range many {
		b.attend(t, "x", &got)
	}
	before = atB.bytes()
	for range n {
		a.post(t, "x", large)
	}
	waitFor(t, "all publications at both", func() bool { return got.Load() == (3+3+many)*n })
	if sent := atB.bytes() - before; sent < n*int64(len(large)) || sent > (n+1)*int64(len(large)) {
		t.Errorf("NATS has sent %d bytes for %d publications to %d subscribers", sent, n, many)
	}
	if msgs := atB.msgs(); msgs != n {
		t.Errorf("NATS has sent %d messages for %d publications to %d subscribers", msgs, n, many)
	}
	if msgs := atA.msgs(); msgs != 0 {
		t.Errorf("NATS has sent %d messages back to the node that sent them", msgs)
	}
}

// Subscribers that come and go do not make the node subscribe again and again: for the time of grace it stays
// subscribed, and then no longer.
func TestInterestHasGrace(t *testing.T) {
	t.Parallel()
	nats := natstest.Start(t, natstest.JetStream(t))
	at := connsOf(nats)
	const grace = 3 * time.Second
	a := startWith(t, nats.ClientURL(), cluster.Options{Beat: 200 * time.Millisecond, Grace: grace})
	atA := at.next(t)
	var got atomic.Int64
	var left time.Time
	first := ""
	for range 10 {
		leave := a.attend(t, "x", &got)
		subjects := atA.carriage()
		if len(subjects) != 1 {
			t.Fatalf("a node with a subscriber takes %+v", subjects)
		}
		if first == "" {
			first = subjects[0].Sid
		}
		if sid := subjects[0].Sid; sid != first {
			t.Fatalf("subscription %s is now %s", first, sid)
		}
		leave()
		left = time.Now()
	}
	waitFor(t, "the end of the subscription", func() bool { return len(atA.carriage()) == 0 })
	if took := time.Since(left); took < grace/2 {
		t.Errorf("the grace of %v has ended after %v", grace, took)
	}
}

// attend follows a channel by a WebSocket, and counts what it receives. It returns when the node counts it.
func (n *node) attend(t *testing.T, channel string, got *atomic.Int64) (leave func()) {
	t.Helper()
	c, err := ws.Dial(t.Context(), "ws://"+n.addr+"/channels/"+channel, ws.DialOptions{OnMessage: func(*ws.Conn, ws.Message) { got.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Terminate)
	return c.Terminate
}

// conns are the connections of nodes at a server of NATS.
type conns struct {
	*natsserver.Server
	known map[uint64]bool
}

func connsOf(s *natsserver.Server) *conns { return &conns{s, make(map[uint64]bool)} }

// conn is the connection of one node.
type conn struct {
	*testing.T
	*natsserver.Server
	id uint64
}

// next is the connection of the node that has just started.
func (c *conns) next(t *testing.T) conn {
	t.Helper()
	all, err := c.Connz(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all.Conns {
		if !c.known[one.Cid] {
			c.known[one.Cid] = true
			return conn{t, c.Server, one.Cid}
		}
	}
	t.Fatal("the node has no connection")
	return conn{}
}

func (c conn) info() *natsserver.ConnInfo {
	c.Helper()
	all, err := c.Connz(&natsserver.ConnzOptions{CID: c.id, SubscriptionsDetail: true})
	if err != nil || len(all.Conns) != 1 {
		c.Fatalf("%+v, %v", all, err)
	}
	return all.Conns[0]
}

// bytes is how many bytes of messages NATS has sent on the connection.
func (c conn) bytes() int64 { return c.info().OutBytes }

// carriage is the subscriptions to channels.
func (c conn) carriage() (all []natsserver.SubDetail) {
	for _, one := range c.info().SubsDetail {
		if strings.HasPrefix(one.Subject, "maru.carry.") {
			all = append(all, one)
		}
	}
	return all
}

// msgs is how many messages of channels NATS has sent on the connection.
func (c conn) msgs() (n int64) {
	for _, one := range c.carriage() {
		n += one.Msgs
	}
	return n
}
