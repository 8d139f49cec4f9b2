package cluster_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru/client"
	"maru.example/maru/tests/followers"
	"maru.example/maru/tests/natstest"
)

// All nodes of a cluster are drained and replaced, one after the other, while clients of all kinds
// follow and publications go through the balancer. No publication fails, everybody receives all of
// them, once and in order, and nobody is seen to leave or to join.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	const people, over, beat = 40, 2 * time.Second, time.Second // nobody seems to be dead on a busy machine
	nats := natstest.URL(t)
	nodes := []*node{startNamed(t, nats, beat), startNamed(t, nats, beat), startNamed(t, nats, beat)}
	b := newBalancer(t, nodes...)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	crowd := newCrowd(b.url(), people)
	crowd.run(ctx, &running)
	everybody := everybodyOnce(people)
	for _, n := range nodes {
		until(t, 10*time.Second, everybody, &corded{node: n})
	}
	time.Sleep(time.Second) // until the last change of presence was sent
	crowd.settled.Store(true)

	published := make(chan int)
	publishing, stop := context.WithCancel(ctx)
	go func() { published <- publishSteadily(t, publishing, b.url()) }()
	time.Sleep(200 * time.Millisecond)
	for i, n := range nodes {
		if err := n.Drain(ctx, over); err != nil {
			t.Error(err)
		}
		if left := n.Connections(); left > 0 {
			t.Errorf("%d connections are left", left)
		}
		n.stop(t)
		b.set(n, false)
		nodes[i] = startNamed(t, nats, beat)
		b.set(nodes[i], true)
	}
	time.Sleep(200 * time.Millisecond)
	stop()
	crowd.check(t, <-published)
	for _, n := range nodes {
		until(t, 10*time.Second, everybody, &corded{node: n})
	}
}

// A crowd are people that follow the channel x, in all ways.
type crowd struct {
	people  []*followers.Follower
	kinds   []followers.Kind
	settled atomic.Bool // from now on no change of presence is right

	mu      sync.Mutex
	changes []string
}

func newCrowd(url string, n int) *crowd {
	c := new(crowd)
	kinds := []followers.Kind{followers.V1, followers.Events, followers.Raw, followers.SocketIO}
	for i := range n {
		f := &followers.Follower{URL: url, Channel: "x", Recover: true, Header: http.Header{"X-User": {fmt.Sprintf("%02d", i)}}}
		f.Presence = func(p *client.Presence) {
			if c.settled.Load() && len(p.Joined)+len(p.Left) > 0 {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.changes = append(c.changes, fmt.Sprintf("%02d receives +%v -%v", i, p.Joined, p.Left))
			}
		}
		c.people, c.kinds = append(c.people, f), append(c.kinds, kinds[i%len(kinds)])
	}
	return c
}

func (c *crowd) run(ctx context.Context, running *sync.WaitGroup) {
	for i, f := range c.people {
		running.Go(func() { f.Run(ctx, c.kinds[i]) })
	}
}

// check reports people who have not moved, who did not receive all up to the last once and in order, and
// changes of presence.
func (c *crowd) check(t *testing.T, last int) {
	t.Helper()
	late := time.Now().Add(20 * time.Second)
	for i, f := range c.people {
		for !f.Complete(last) && time.Now().Before(late) {
			time.Sleep(20 * time.Millisecond)
		}
		r := f.Result()
		if !f.Complete(last) || len(r.Backs) == 0 || len(r.Trouble) > 0 {
			t.Errorf("%s %d: complete %v, %d returns, %v", c.kinds[i], i, f.Complete(last), len(r.Backs), r.Trouble)
		}
		for j, n := range r.Got {
			if n != j {
				t.Errorf("%s %d has received %v", c.kinds[i], i, r.Got[max(0, j-2):min(j+4, len(r.Got))])
				break
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.changes) > 0 {
		t.Errorf("people are seen to leave or to join: %v", c.changes)
	}
}

// everybodyOnce is the presence of n people with one connection each.
func everybodyOnce(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("%02d:1", i))
	}
	return strings.Join(append(all, "0"), " ")
}

// publishSteadily publishes the numbers from 0 until ctx ends, on a kept connection and on new ones by
// turns, and returns the last one. Nothing may fail.
func publishSteadily(t *testing.T, ctx context.Context, url string) (last int) {
	transports := []*http.Transport{{}, {DisableKeepAlives: true}}
	defer transports[0].CloseIdleConnections()
	for n := 0; ctx.Err() == nil; n++ {
		c := &http.Client{Transport: transports[n%2], Timeout: 20 * time.Second}
		answer, err := c.Post(url+"/channels/x", "text/plain", strings.NewReader(fmt.Sprint(n)))
		if err != nil {
			t.Errorf("publication %d: %v", n, err)
			return last
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("publication %d: %s", n, answer.Status)
			return last
		}
		last = n
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return last
}

// A node that is the only one does not wait: nobody else can take its clients.
func TestDrainOfTheOnlyNode(t *testing.T) {
	t.Parallel()
	n := startNamed(t, natstest.URL(t), 200*time.Millisecond)
	c := newCrowd(n.url, 4)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	c.run(ctx, &running)
	until(t, 10*time.Second, everybodyOnce(4), &corded{node: n})
	begun := time.Now()
	if err := n.Drain(ctx, time.Minute); err != nil || n.Connections() > 0 {
		t.Errorf("%d connections are left, %v", n.Connections(), err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it has taken %v", took)
	}
}
