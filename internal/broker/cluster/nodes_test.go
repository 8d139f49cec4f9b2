package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
)

// seen is what the Sink of a node has received.
type seen struct {
	mu   sync.Mutex
	list []string
	at   []uint64
}

func (s *seen) sink(_ string, at maru.Position, p *maru.Publication) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list, s.at = append(s.list, string(p.Data)), append(s.at, at.Offset)
}

func (s *seen) texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.list)
}

// nodes are three nodes of one cluster, each on a server of its own.
func nodes(t *testing.T, beat time.Duration) (all []*cluster.Broker, got []*seen) {
	servers, name := natsServers(t, 3), prefix()
	for _, s := range servers {
		one := new(seen)
		got = append(got, one)
		all = append(all, open(t, s, cluster.Options{BrokerOptions: maru.BrokerOptions{Sink: one.sink}, Prefix: name, Replicas: 3, Beat: beat}))
	}
	return all, got
}

func publish(t *testing.T, b *cluster.Broker, text string) maru.Position {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	done, err := maru.Publish(ctx, b, "a", &maru.Publication{Data: []byte(text)}, maru.PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return done.Position
}

func numbers(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprint(i))
	}
	return all
}

// What any node publishes arrives at each once and in order, and each answers with the same history.
func TestThreeNodes(t *testing.T) {
	t.Parallel()
	all, got := nodes(t, time.Second)
	const n = 90
	for i := range n {
		publish(t, all[i%3], fmt.Sprint(i))
	}
	for i := range all {
		waitFor(t, "everything", func() bool { return len(got[i].texts()) >= n })
		if texts := got[i].texts(); !slices.Equal(texts, numbers(n)) {
			t.Errorf("node %d: %v", i, texts)
		}
		h, err := all[i].History(t.Context(), "a", maru.HistoryQuery{Limit: -1})
		if err != nil || len(h.Publications) != n || h.Head != h.Publications[n-1].Offset {
			t.Errorf("node %d: %d publications, head %d, %v", i, len(h.Publications), h.Head, err)
		}
	}
}

// When the owner dies another node takes over: nothing that was acknowledged is lost, and nothing is
// delivered twice.
func TestOwnerDies(t *testing.T) {
	t.Parallel()
	all, got := nodes(t, 200*time.Millisecond)
	const n = 30
	var last maru.Position
	for i := range n {
		last = publish(t, all[i%3], fmt.Sprint(i)) // the first publisher owns the namespace
	}
	all[0].Kill()
	for i := n; i < 2*n; i++ {
		for { // a publication that was refused may be tried again: nobody took it
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			done, err := maru.Publish(ctx, all[1+i%2], "a", &maru.Publication{Data: fmt.Append(nil, i)}, maru.PublishOptions{IdempotencyKey: fmt.Sprint(i), Publisher: "test"})
			cancel()
			if err != nil && maru.ErrorOf(err).Code == maru.CodeUnavailable {
				time.Sleep(50 * time.Millisecond)
				continue
			}
			if err != nil || done.Epoch != last.Epoch || done.Offset <= last.Offset {
				t.Fatalf("%v follows %v: %v", done, last, err)
			}
			last = done.Position
			break
		}
	}
	for i := range 2 {
		waitFor(t, "everything", func() bool { return len(got[1+i].texts()) >= 2*n })
		if texts := got[1+i].texts(); !slices.Equal(texts, numbers(2*n)) {
			t.Errorf("node %d: %v", 1+i, texts)
		}
	}
}

// What is lost on the way is noticed: by the next publication, and, where none follows, by comparing.
func TestCarriageLost(t *testing.T) {
	t.Parallel()
	all, got := nodes(t, 200*time.Millisecond)
	publish(t, all[0], "0")
	waitFor(t, "the first", func() bool { return len(got[2].texts()) == 1 })
	again := all[2].Lose()
	for i := 1; i < 5; i++ {
		publish(t, all[0], fmt.Sprint(i))
	}
	waitFor(t, "all of them by comparing", func() bool { return len(got[2].texts()) == 5 })
	for i := 5; i < 9; i++ {
		publish(t, all[0], fmt.Sprint(i))
	}
	again()
	publish(t, all[0], "9")
	waitFor(t, "all of them", func() bool { return len(got[2].texts()) == 10 })
	if texts := got[2].texts(); !slices.Equal(texts, numbers(10)) {
		t.Errorf("%v", texts)
	}
}

// A node takes only what it follows, counted at NATS.
func TestInterest(t *testing.T) {
	t.Parallel()
	server, name := natsServers(t, 1)[0], prefix()
	node := func(got *seen) *cluster.Broker {
		return open(t, server, cluster.Options{BrokerOptions: maru.BrokerOptions{Sink: got.sink}, Prefix: name, Interest: true, Beat: 200 * time.Millisecond, Grace: time.Millisecond})
	}
	var gotA, gotB seen
	a, b := node(&gotA), node(&gotB)
	publish(t, a, "0") // nobody follows
	publish(t, b, "1") // is answered behind what the owner carried before
	b.Follow("a")
	h, err := b.History(t.Context(), "a", maru.HistoryQuery{Limit: -1})
	if err != nil || len(h.Publications) != 2 {
		t.Fatal(h, err)
	}
	for i := 2; i < 5; i++ {
		publish(t, a, fmt.Sprint(i))
	}
	waitFor(t, "what follows the history", func() bool { return len(gotB.texts()) >= 3 })
	before := b.InMsgs("a")
	b.Unfollow("a")
	waitFor(t, "the end of the interest", func() bool { return b.InMsgs("a") < 0 })
	publish(t, a, "5")
	publish(t, b, "6")
	if texts := gotB.texts(); !slices.Equal(texts, []string{"2", "3", "4"}) || before != 3 || len(gotA.texts()) != 0 {
		t.Errorf("%v, of %d messages; the publisher's node: %v", texts, before, gotA.texts())
	}
	b.Follow("a")
	publish(t, b, "7")
	waitFor(t, "what was published after it came back", func() bool { return slices.Equal(gotB.texts(), []string{"2", "3", "4", "7"}) })
}

// A channel is taken for as long as somebody waits for what was lost of it, also after the last
// subscriber: else the answer to a POST or a GET would never come.
func TestInterestWhileSomebodyWaits(t *testing.T) {
	t.Parallel()
	b := open(t, natsServers(t, 1)[0], cluster.Options{Prefix: prefix(), Interest: true, Beat: time.Minute, Grace: time.Nanosecond})
	b.Follow("a")
	release := b.Hold("a")
	b.Unfollow("a")
	b.LoseInterest()
	if b.InMsgs("a") < 0 {
		t.Error("the interest is lost while somebody waits")
	}
	release()
	b.LoseInterest()
	if b.InMsgs("a") >= 0 {
		t.Error("the interest stays when nobody waits")
	}
}

// One node holds at most half of what others may have in progress at the owner: what is beyond is refused for
// now, and its own publications are not hit.
func TestShareAtTheOwner(t *testing.T) {
	t.Parallel()
	server, name := natsServers(t, 1)[0], prefix()
	owner := open(t, server, cluster.Options{Prefix: name})
	publish(t, owner, "first") // it owns the namespace from here
	owner.SetMostTaken(20_000)
	other := open(t, server, cluster.Options{Prefix: name})
	for _, one := range []struct {
		from *cluster.Broker
		size int
		code maru.Code
	}{
		{other, 15_000, maru.CodeOverloaded},
		{other, 5_000, ""},
		{owner, 15_000, ""},
		{other, 5_000, ""}, // what was given back can be taken again
	} {
		_, err := maru.Publish(t.Context(), one.from, "a", &maru.Publication{Data: make([]byte, one.size)}, maru.PublishOptions{})
		if err == nil && one.code != "" || err != nil && maru.ErrorOf(err).Code != one.code {
			t.Errorf("%d bytes: %v, want %q", one.size, err, one.code)
		}
	}
	if n := owner.Taken(); n != 0 {
		t.Errorf("%d bytes are still taken", n)
	}
}
