package presence_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"maru.example/maru"
)

// here is a channel's presence on a node, as text.
func here(t *testing.T, one *node, channel string) string {
	t.Helper()
	p, err := one.hub.AwaitPresence(t.Context(), channel)
	if err != nil {
		return string(maru.ErrorOf(err).Code)
	}
	return text(p)
}

func text(p maru.Presence) string {
	var all []string
	for _, u := range p.Users {
		all = append(all, fmt.Sprint(u.User, u.Connections))
	}
	names := strings.Join(all, " ")
	if p.Users == nil {
		names = "many"
	}
	return fmt.Sprintf("%d/%d %s", p.Count, p.Anonymous, names)
}

func want(t *testing.T, one *node, channel, want string) {
	t.Helper()
	if got := here(t, one, channel); got != want {
		t.Errorf("%s on node %s: %s, want %s", channel, one.id, got, want)
	}
}

func TestPresence(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T, *network){
		"a question has the people of all nodes": func(t *testing.T, n *network) {
			a, b, c := n.start("a"), n.start("b"), n.start("c")
			a.join("x", "kim")
			b.join("x", "kim")
			b.join("x", "lee")
			c.join("x", "")
			for _, one := range n.nodes {
				want(t, one, "x", "3/1 kim2 lee1")
				want(t, one, "y", "0/0 ")
			}
			if now := time.Now(); !now.Equal(b.since) {
				t.Errorf("it took %v", now.Sub(b.since))
			}
		},
		"a watch follows changes": func(t *testing.T, n *network) {
			a, b := n.start("a"), n.start("b")
			w := a.hub.Watch("x")
			defer w.Close()
			b.join("x", "kim")
			time.Sleep(250 * time.Millisecond)
			synctest.Wait()
			if p := text(a.hub.Presence("x")); p != "1/0 kim1" {
				t.Error(p)
			}
			b.part("x", "kim")
			b.join("x", "")
			time.Sleep(250 * time.Millisecond)
			synctest.Wait()
			if p := text(a.hub.Presence("x")); p != "0/1 " {
				t.Error(p)
			}
		},
		"many people are numbers, and names again when they are few": func(t *testing.T, n *network) {
			a, b := n.start("a"), n.start("b")
			w := a.hub.Watch("x")
			defer w.Close()
			for i := range 9 {
				b.join("x", fmt.Sprint("u", i))
			}
			time.Sleep(time.Second)
			want(t, a, "x", "9/0 many")
			for i := range 7 {
				b.part("x", fmt.Sprint("u", i))
			}
			time.Sleep(time.Second)
			want(t, a, "x", "2/0 u71 u81")
		},
		"a node that looks at nothing sends nothing and gets nothing": func(t *testing.T, n *network) {
			a, b := n.start("a"), n.start("b")
			a.join("x", "kim")
			b.join("x", "lee")
			time.Sleep(time.Minute)
			if sent := n.counted(); len(sent) != 0 {
				t.Error(sent)
			}
			want(t, a, "x", "2/0 kim1 lee1")
			time.Sleep(time.Minute)
			n.counted()
			b.part("x", "lee")
			time.Sleep(time.Minute)
			if sent := n.counted(); len(sent) != 0 {
				t.Errorf("long after a question: %v", sent)
			}
			want(t, a, "x", "1/0 kim1")
		},
		"repeated questions ask the other nodes once": func(t *testing.T, n *network) {
			a, b := n.start("a"), n.start("b")
			b.join("x", "kim")
			for range 100 {
				want(t, a, "x", "1/0 kim1")
			}
			if sent := n.counted(); sent['W'] != 1 || sent['P'] != 1 {
				t.Error(sent)
			}
		},
		"questions about very many channels are not watched for long": func(t *testing.T, n *network) {
			a, _ := n.start("a"), n.start("b")
			for i := range 10_001 {
				want(t, a, fmt.Sprint("x", i), "0/0 ")
			}
			time.Sleep(1100 * time.Millisecond)
			if sent := n.counted(); sent['E'] != 1 {
				t.Error(sent)
			}
		},
		"the people of a dead node go when its death is known, and a question waits for that": func(t *testing.T, n *network) {
			a, b := n.start("a"), n.start("b")
			b.join("x", "kim")
			want(t, a, "x", "1/0 kim1")
			b.end()
			want(t, a, "y", "0/0 ") // it was not asked before
			want(t, a, "x", "0/0 ")
			if waited := time.Since(b.since); waited < 4*time.Second || waited > 6*time.Second {
				t.Errorf("it took %v", waited)
			}
		},
		"a short hiccup changes nothing": func(t *testing.T, n *network) {
			a, b := n.start("a"), n.start("b")
			w := a.hub.Watch("x")
			defer w.Close()
			b.join("x", "kim")
			b.join("x", "lee")
			want(t, a, "x", "2/0 kim1 lee1")
			version := a.hub.Presence("x").Version
			for _, one := range n.nodes {
				n.set(one, true)
				time.Sleep(3 * time.Second)
				n.set(one, false)
				time.Sleep(10 * time.Second)
			}
			if p := a.hub.Presence("x"); p.Version != version {
				t.Errorf("%+v, before it was version %d", p, version)
			}
		},
		"what happens during a hiccup is known after it": func(t *testing.T, n *network) {
			a, b := n.start("a"), n.start("b")
			w := a.hub.Watch("x")
			defer w.Close()
			b.join("x", "kim")
			want(t, a, "x", "1/0 kim1")
			n.set(b, true)
			b.part("x", "kim")
			b.join("x", "lee")
			time.Sleep(3 * time.Second)
			n.set(b, false)
			time.Sleep(5 * time.Second)
			synctest.Wait()
			if p := text(a.hub.Presence("x")); p != "1/0 lee1" {
				t.Error(p)
			}
		},
		"a node that is cut off says so": func(t *testing.T, n *network) {
			a, b := n.start("a"), n.start("b")
			b.join("x", "kim")
			n.set(a, true)
			time.Sleep(10 * time.Second)
			want(t, a, "x", "unavailable")
			n.set(a, false)
			time.Sleep(2 * time.Second)
			want(t, a, "x", "1/0 kim1")
		},
		"a node that is alive and does not answer is an error": func(t *testing.T, n *network) {
			a, b := n.start("a"), n.start("b")
			n.mu.Lock()
			n.lose = func(from, _ *node) bool { return from == b }
			n.mu.Unlock()
			begin := time.Now()
			want(t, a, "x", "unavailable")
			if waited := time.Since(begin); waited != 10*time.Second {
				t.Errorf("after %v", waited)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := a.hub.AwaitPresence(ctx, "x"); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		},
		"a change that was lost is noticed at the next one": func(t *testing.T, n *network) {
			a, b := n.start("a"), n.start("b")
			w := a.hub.Watch("x")
			defer w.Close()
			want(t, a, "x", "0/0 ")
			lost := false
			n.mu.Lock()
			n.lose = func(from, _ *node) bool { now := from == b && !lost; lost = lost || from == b; return now }
			n.mu.Unlock()
			b.join("x", "kim")
			time.Sleep(300 * time.Millisecond)
			b.join("x", "lee")
			time.Sleep(1500 * time.Millisecond)
			synctest.Wait()
			if p := text(a.hub.Presence("x")); p != "2/0 kim1 lee1" {
				t.Error(p)
			}
		},
		"a new node is looked at, too": func(t *testing.T, n *network) {
			a := n.start("a")
			w := a.hub.Watch("x")
			defer w.Close()
			time.Sleep(time.Minute)
			b := n.start("b")
			b.join("x", "kim")
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if p := text(a.hub.Presence("x")); p != "1/0 kim1" {
				t.Error(p)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, newNetwork(t)) })
		})
	}
}

// A channel with many people, whose names the operator wants, crosses in messages of a bounded size.
func TestLargeChannel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const many = 30_000
		n := newNetwork(t)
		n.names = 2 * many
		a, b := n.start("a"), n.start("b")
		for i := range many {
			b.join("x", fmt.Sprint("user", i))
		}
		p, err := a.hub.AwaitPresence(t.Context(), "x")
		if err != nil || p.Count != many || len(p.Users) != many {
			t.Fatalf("%d connections, %d names, %v", p.Count, len(p.Users), err)
		}
		w := a.hub.Watch("x")
		defer w.Close()
		for i := range many {
			b.part("x", fmt.Sprint("user", i))
		}
		time.Sleep(time.Second)
		want(t, a, "x", "0/0 ")
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.most > maru.MaxBusBytes/2 || n.sent['P'] < 10 {
			t.Errorf("the largest of %d messages has %d bytes", n.sent['P'], n.most)
		}
	})
}

// Whatever happens, 10 s after it is quiet each node that follows or is asked has the truth.
func TestTruth(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { ordeal(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func ordeal(t *testing.T, random *rand.Rand) {
	n := newNetwork(t)
	for i := range 3 {
		n.start(fmt.Sprint("n", i))
	}
	quiet, chance := false, rand.New(rand.NewPCG(random.Uint64(), 0)) // guarded by n.mu
	n.mu.Lock()
	n.lose = func(*node, *node) bool { return !quiet && chance.IntN(10) == 0 }
	n.mu.Unlock()
	channels, users := []string{"x", "y"}, []string{"", "a", "b", "c", "d", "e", "f", "g"}
	live := func() (all []*node) {
		for _, one := range n.nodes {
			if !one.ended {
				all = append(all, one)
			}
		}
		return all
	}
	watching := make(map[*node]func())
	for range 150 {
		all := live()
		one, channel, user := all[random.IntN(len(all))], channels[random.IntN(2)], users[random.IntN(len(users))]
		switch do := random.IntN(20); {
		case do < 9:
			one.join(channel, user)
		case do < 15:
			one.part(channel, user)
		case do == 15:
			n.set(one, !one.cut)
		case do == 16 && watching[one] == nil:
			w := one.hub.Watch(channel)
			watching[one] = w.Close
		case do == 16:
			watching[one]()
			delete(watching, one)
		case do == 17 && len(all) > 2:
			one.end()
			n.start(fmt.Sprint("n", len(n.nodes)))
		}
		time.Sleep(time.Duration(random.IntN(800)) * time.Millisecond)
	}
	for _, one := range live() {
		n.set(one, false)
	}
	n.mu.Lock()
	quiet = true
	n.mu.Unlock()
	time.Sleep(10 * time.Second)
	for _, channel := range channels {
		truth := truthOf(live(), channel, users)
		for _, one := range live() {
			want(t, one, channel, truth)
		}
	}
	for _, done := range watching {
		done()
	}
}

// truthOf is the presence that all nodes together have.
func truthOf(all []*node, channel string, users []string) string {
	p := maru.Presence{Users: []maru.PresentUser{}}
	for _, user := range users {
		count := 0
		for _, one := range all {
			count += len(one.people[channel+"/"+user])
		}
		switch {
		case user == "":
			p.Anonymous = count
		case count > 0:
			p.Count += count
			p.Users = append(p.Users, maru.PresentUser{User: user, Connections: count})
		}
	}
	if len(p.Users) > 5 {
		p.Users = nil
	}
	return text(p)
}
