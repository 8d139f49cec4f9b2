package cluster_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/client"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/server"
	"maru.example/maru/tests/natstest"
)

// node is a server of maru.
type node struct {
	*server.Server
	url  string
	addr string
}

func start(t *testing.T, nats string) *node {
	t.Helper()
	return startWith(t, nats, cluster.Options{Beat: 200 * time.Millisecond})
}

// startWith is start with options of its own.
func startWith(t *testing.T, nats string, o cluster.Options) *node {
	t.Helper()
	return startServer(t, server.Options{Broker: cluster.Opener(cluster.Servers{URLs: []string{nats}}, o)})
}

func startServer(t *testing.T, o server.Options) *node {
	t.Helper()
	s, err := server.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { s.Serve(l) })
	n := &node{s, "http://" + l.Addr().String(), l.Addr().String()}
	t.Cleanup(func() { n.stop(t); serving.Wait() })
	return n
}

func (n *node) stop(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	n.Shutdown(ctx)
}

func (n *node) post(t *testing.T, channel, text string) {
	t.Helper()
	r, err := http.Post(n.url+"/channels/"+channel, "text/plain", strings.NewReader(text))
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Body.Close()
	if b, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusOK {
		t.Errorf("%s: %d %s", text, r.StatusCode, b)
	}
}

// road is where a client finds a server: it can lead to another one.
type road struct {
	listener net.Listener
	to       atomic.Value // string
	busy     sync.WaitGroup
}

func newRoad(t *testing.T, to string) *road {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &road{listener: l}
	r.to.Store(to)
	r.busy.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", r.to.Load().(string))
			if err != nil {
				in.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				r.busy.Go(func() { io.Copy(pair[0], pair[1]); pair[0].Close(); pair[1].Close() })
			}
		}
	})
	t.Cleanup(func() { l.Close(); r.busy.Wait() })
	return r
}

// follow subscribes a client and returns what it receives.
func follow(t *testing.T, r *road, channel string, n int) <-chan []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	t.Cleanup(cancel)
	c, err := client.Dial(ctx, "http://"+r.listener.Addr().String(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	sub, err := c.Subscribe(channel, client.SubscribeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan []string, 1)
	ready := make(chan struct{})
	go func() {
		var all []string
		defer func() { got <- all }()
		for len(all) < n {
			event, err := sub.Next(ctx)
			if err != nil {
				all = append(all, err.Error())
				return
			}
			switch e := event.(type) {
			case *client.Publication:
				all = append(all, string(e.Data))
			case *client.Gap:
				all = append(all, fmt.Sprintf("a gap from %d to %d", e.From, e.To))
			case *client.Subscribed:
				select {
				case <-ready:
				default:
					close(ready)
				}
			}
		}
	}()
	select {
	case <-ready:
	case <-ctx.Done():
		t.Fatal("not subscribed")
	}
	return got
}

// What is posted to any node arrives at the clients of all, in one order, also at a client that loses
// its node and goes on at another.
func TestNodes(t *testing.T) {
	t.Parallel()
	nats := natstest.URL(t)
	nodes := []*node{start(t, nats), start(t, nats), start(t, nats)}
	const n = 150
	var roads []*road
	var got []<-chan []string
	for i := range 6 {
		roads = append(roads, newRoad(t, nodes[i%3].addr))
		got = append(got, follow(t, roads[i], "news:x", n))
	}
	var want []string
	for i := range n {
		want = append(want, fmt.Sprint(i))
		at := i % 3
		if i == n/2 { // the first node goes, and its clients find another
			for j, r := range roads {
				r.to.Store(nodes[1+j%2].addr)
			}
			nodes[0].stop(t)
		}
		if i >= n/2 {
			at = 1 + i%2
		}
		nodes[at].post(t, "news:x", want[i])
	}
	for i := range got {
		if all := <-got[i]; !slices.Equal(all, want) {
			t.Errorf("client %d: %v", i, all)
		}
	}
	for _, one := range nodes[1:] {
		r, err := http.Get(one.url + "/channels/news:x?limit=1")
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		if !strings.Contains(string(b), want[n-1]) {
			t.Errorf("%s", b)
		}
	}
}
