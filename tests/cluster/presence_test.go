package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/client"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/server"
	"maru.example/maru/tests/natstest"
	"maru.example/maru/ws"
)

// A cord is a TCP proxy between a node and NATS that can be cut.
type cord struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
	busy  sync.WaitGroup
}

func newCord(t *testing.T, natsURL string) *cord {
	u, err := url.Parse(natsURL)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cord{listener: l, to: u.Host, conns: make(map[net.Conn]bool)}
	c.busy.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
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
	})
	t.Cleanup(func() { l.Close(); c.set(true); c.busy.Wait() })
	return c
}

func (c *cord) keep(both ...net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range both {
		if c.cut {
			one.Close()
		} else {
			c.conns[one] = true
		}
	}
	return !c.cut
}

// set cuts the cord, or mends it.
func (c *cord) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut = cut; cut {
		for one := range c.conns {
			one.Close()
		}
		clear(c.conns)
	}
}

// corded is a node with its cord.
type corded struct {
	*node
	cord *cord
}

// present starts nodes on which the header X-User is the user.
func present(t *testing.T, n int, beat time.Duration) (all []*corded) {
	nats := natstest.URL(t)
	for range n {
		c := newCord(t, nats)
		one := &corded{startNamed(t, "nats://"+c.listener.Addr().String(), beat), c}
		t.Cleanup(func() { c.set(false) })
		all = append(all, one)
	}
	return all
}

// startNamed starts a node on which the header X-User is the user.
func startNamed(t *testing.T, nats string, beat time.Duration) *node {
	return startServer(t, server.Options{
		Broker: cluster.Opener(cluster.Servers{URLs: []string{nats}}, cluster.Options{Beat: beat}),
		Hooks: server.Hooks{Identify: func(r *http.Request, _ string) (server.Caller, error) {
			return server.Caller{User: r.Header.Get("X-User")}, nil
		}},
	})
}

// sit connects a user to the channel x by a WebSocket.
func (n *corded) sit(t *testing.T, user string) *ws.Conn {
	t.Helper()
	c, err := ws.Dial(t.Context(), "ws://"+n.addr+"/channels/x", ws.DialOptions{Header: http.Header{"X-User": {user}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(1000, "") })
	return c
}

// people asks a node for the presence of the channel x: its text, or the code of an error.
func (n *corded) people(t *testing.T) string {
	t.Helper()
	r, err := http.Get(n.url + "/channels/x/presence")
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	var got struct {
		maru.Presence
		Error struct{ Code string }
	}
	if err := json.NewDecoder(r.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK {
		return got.Error.Code
	}
	var names []string
	for _, u := range got.Users {
		names = append(names, fmt.Sprint(u.User, ":", u.Connections))
	}
	return strings.Join(append(names, fmt.Sprint(got.Anonymous)), " ")
}

// until waits until all of the nodes answer with this presence.
func until(t *testing.T, within time.Duration, want string, all ...*corded) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		var got []string
		same := true
		for _, n := range all {
			got = append(got, n.people(t))
			same = same && got[len(got)-1] == want
		}
		if same {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %q, want %q everywhere", within, got, want)
		}
	}
}

// A guest book has the presence that a subscriber has received, and its changes, as "+kim" and "-kim".
type guestBook struct {
	mu      sync.Mutex
	changes []string
}

func (g *guestBook) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return strings.Join(g.changes, " ")
}

// follow subscribes an anonymous client with presence.
func (n *corded) follow(t *testing.T) *guestBook {
	t.Helper()
	c, err := client.Dial(t.Context(), n.url, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sub, err := c.Subscribe("x", client.SubscribeOptions{Presence: true})
	if err != nil {
		t.Fatal(err)
	}
	g := new(guestBook)
	first := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() {
		begin := sync.OnceFunc(func() { close(first) })
		for {
			event, err := sub.Next(context.Background())
			if err != nil {
				return
			}
			if p, is := event.(*client.Presence); is {
				g.mu.Lock()
				joined := p.Joined
				if g.changes == nil { // the first: nobody has joined since
					g.changes, joined = []string{"here:"}, p.Users
				}
				for _, user := range joined {
					g.changes = append(g.changes, "+"+user)
				}
				for _, user := range p.Left {
					g.changes = append(g.changes, "-"+user)
				}
				g.mu.Unlock()
				begin()
			}
		}
	})
	t.Cleanup(func() { c.Close(); reading.Wait() })
	<-first
	return g
}

func (g *guestBook) until(t *testing.T, within time.Duration, want string) {
	t.Helper()
	for deadline := time.Now().Add(within); g.String() != want; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %s, want %s", within, g, want)
		}
	}
}

// People on different nodes see each other, and one with connections to two nodes counts once.
func TestPresenceAcrossNodes(t *testing.T) {
	t.Parallel()
	all := present(t, 3, 200*time.Millisecond)
	kim := all[0].sit(t, "kim")
	again := all[1].sit(t, "kim")
	all[2].sit(t, "")
	until(t, 5*time.Second, "kim:2 1", all...) // nobody follows: the nodes ask each other
	g := all[2].follow(t)
	g.until(t, time.Second, "here: +kim")
	lee := all[1].sit(t, "lee")
	g.until(t, 5*time.Second, "here: +kim +lee")
	kim.Close(1000, "")
	until(t, 5*time.Second, "kim:1 lee:1 2", all...)
	again.Close(1000, "")
	lee.Close(1000, "")
	park := all[0].sit(t, "park")
	g.until(t, 5*time.Second, "here: +kim +lee +park")
	until(t, 5*time.Second, "park:1 2", all...)
	all[1].sit(t, "lee") // within the grace
	park.Close(1000, "")
	g.until(t, 10*time.Second, "here: +kim +lee +park -kim -park")
}

// The people of a node that dies are gone within 10 s, and those of one that is cut off for less than
// five beats stay.
func TestPresenceOfDeadNode(t *testing.T) {
	t.Parallel()
	all := present(t, 3, time.Second)
	all[1].sit(t, "kim")
	all[2].sit(t, "lee")
	g := all[0].follow(t)
	g.until(t, 5*time.Second, "here: +kim +lee")

	all[1].cord.set(true)
	time.Sleep(2500 * time.Millisecond)
	all[1].cord.set(false)
	for quiet := time.Now().Add(7 * time.Second); time.Now().Before(quiet); time.Sleep(50 * time.Millisecond) {
		if got := all[0].Presence("x"); len(got.Users) != 2 || g.String() != "here: +kim +lee" {
			t.Fatalf("a hiccup is seen: %+v, %s", got, g)
		}
	}
	until(t, 5*time.Second, "kim:1 lee:1 1", all...)

	killed := time.Now()
	all[2].cord.set(true)
	until(t, 10*time.Second, "kim:1 1", all[:2]...)
	g.until(t, time.Until(killed.Add(10*time.Second)), "here: +kim +lee -lee")
	t.Logf("gone %v after the node", time.Since(killed))
	if got := all[2].people(t); got != string(maru.CodeUnavailable) {
		t.Errorf("the node that is cut off from the others says %s", got)
	}
}

// A node that is drained hands its people to the others without a leave.
func TestPresenceOfDrainedNode(t *testing.T) {
	t.Parallel()
	all := present(t, 2, 200*time.Millisecond)
	g := all[0].follow(t)
	all[1].sit(t, "kim")
	all[1].sit(t, "lee")
	g.until(t, 5*time.Second, "here: +kim +lee")
	all[1].stop(t)
	all[0].sit(t, "kim")
	g.until(t, 10*time.Second, "here: +kim +lee -lee")
	until(t, 5*time.Second, "kim:1 1", all[0])
}

// People come and go while nodes are cut off, seeded by MARU_SEED and as often as MARU_EVENTS says.
// 10 s after it is quiet all nodes have the truth.
func TestPresenceTruth(t *testing.T) {
	t.Parallel()
	events, seed := 60, uint64(1)
	if n, err := strconv.Atoi(os.Getenv("MARU_EVENTS")); err == nil {
		events = n
	}
	if n, err := strconv.ParseUint(os.Getenv("MARU_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("MARU_SEED=%d MARU_EVENTS=%d", seed, events)
	random := rand.New(rand.NewPCG(seed, 0))
	all := present(t, 3, 200*time.Millisecond)
	all[0].follow(t)
	users := []string{"", "kim", "lee", "park", "choi"}
	type seat struct {
		user string
		conn *ws.Conn
	}
	var seats []seat
	var mending sync.WaitGroup
	for range events {
		n := all[random.IntN(3)]
		switch do := random.IntN(10); {
		case do < 5:
			user := users[random.IntN(len(users))]
			seats = append(seats, seat{user, n.sit(t, user)})
		case do < 8 && len(seats) > 0:
			i := random.IntN(len(seats))
			seats[i].conn.Close(1000, "")
			seats = append(seats[:i], seats[i+1:]...)
		case do >= 8:
			n.cord.set(true)
			long := time.Duration(100+random.IntN(2000)) * time.Millisecond // dead are those of a second
			mending.Go(func() { time.Sleep(long); n.cord.set(false) })
		}
		time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond)
	}
	mending.Wait()
	count := map[string]int{"": 1} // the follower
	for _, s := range seats {
		count[s.user]++
	}
	var names []string
	for _, user := range []string{"choi", "kim", "lee", "park"} {
		if count[user] > 0 {
			names = append(names, fmt.Sprint(user, ":", count[user]))
		}
	}
	quiet := time.Now()
	until(t, 10*time.Second, strings.Join(append(names, fmt.Sprint(count[""])), " "), all...)
	t.Logf("true everywhere %v after it was quiet, with %d connections", time.Since(quiet), len(seats))
}
