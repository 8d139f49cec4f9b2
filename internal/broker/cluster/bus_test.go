package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
)

// bused are nodes of one cluster on one server of NATS.
func bused(t *testing.T, n int, beat time.Duration) (all []*cluster.Broker) {
	server, name := natsServers(t, 1)[0], prefix()
	for range n {
		all = append(all, open(t, server, cluster.Options{BrokerOptions: maru.BrokerOptions{Sink: func(string, maru.Position, *maru.Publication) {}}, Prefix: name, Interest: true, Beat: beat}))
	}
	for _, b := range all {
		waitFor(t, "all nodes", func() bool { known, connected := b.Nodes(); return len(known) == n && connected })
	}
	return all
}

// What a node sends to one and to all arrives there, in order, and at nobody else.
func TestBusOrder(t *testing.T) {
	t.Parallel()
	all := bused(t, 3, time.Second)
	arrived := make([]chan string, 3)
	for i, b := range all {
		arrived[i] = make(chan string, 100)
		b.Handle("test", func(from string, data []byte, answer func([]byte, error)) {
			if from != all[0].Node() || answer != nil {
				t.Errorf("from %s, to be answered: %v", from, answer != nil)
			}
			arrived[i] <- string(data)
		})
	}
	var one, both []string
	for i := range 40 {
		text := fmt.Sprint(i)
		both = append(both, text)
		if i%2 == 0 {
			one = append(one, text)
			all[0].Broadcast("test", []byte(text))
		} else {
			all[0].Send(all[1].Node(), "test", []byte(text))
		}
	}
	for i, want := range [][]string{nil, both, one} {
		for _, text := range want {
			if got := <-arrived[i]; got != text {
				t.Fatalf("node %d: %s, want %s", i, got, text)
			}
		}
		if len(arrived[i]) != 0 {
			t.Errorf("node %d: there is more", i)
		}
	}
}

// Questions get the answer of the node's handler, its error, or one that says why there is none.
func TestBusAsk(t *testing.T) {
	t.Parallel()
	all := bused(t, 2, 200*time.Millisecond)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	all[1].Handle("twice", func(_ string, data []byte, answer func([]byte, error)) { go answer(append(data, data...), nil) })
	all[1].Handle("refuse", func(_ string, _ []byte, answer func([]byte, error)) {
		answer(nil, maru.NewError(maru.CodeNotAllowed, "no"))
	})
	all[1].Handle("large", func(_ string, _ []byte, answer func([]byte, error)) { answer(make([]byte, maru.MaxBusBytes+1), nil) })
	all[1].Handle("never", func(string, []byte, func([]byte, error)) { <-release })
	for name, c := range map[string]struct {
		node, kind string
		data       []byte
		want       string
		code       maru.Code
	}{
		"answered":                {all[1].Node(), "twice", []byte("ab"), "abab", ""},
		"nothing is data, too":    {all[1].Node(), "twice", nil, "", ""},
		"an error":                {all[1].Node(), "refuse", nil, "", maru.CodeNotAllowed},
		"no handler":              {all[1].Node(), "other", nil, "", maru.CodeUnavailable},
		"no such node":            {"nobody", "twice", nil, "", maru.CodeUnavailable},
		"too large":               {all[1].Node(), "twice", make([]byte, maru.MaxBusBytes+1), "", maru.CodeTooLarge},
		"the answer is too large": {all[1].Node(), "large", nil, "", maru.CodeTooLarge},
	} {
		got, err := all[0].Ask(t.Context(), c.node, c.kind, c.data)
		if string(got) != c.want || (err != nil || c.code != "") && maru.ErrorOf(err).Code != c.code {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := all[0].Ask(ctx, all[1].Node(), "never", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no answer in time: %v", err)
	}
}

// The largest message arrives.
func TestBusLargest(t *testing.T) {
	t.Parallel()
	all := bused(t, 2, time.Second)
	all[1].Handle("same", func(_ string, data []byte, answer func([]byte, error)) { answer(data, nil) })
	want := bytes.Repeat([]byte("a"), maru.MaxBusBytes)
	got, err := all[0].Ask(t.Context(), all[1].Node(), "same", want)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// A node that ends in order is reported at once, a dead one after five beats, each once.
func TestBusLeave(t *testing.T) {
	t.Parallel()
	const beat = 200 * time.Millisecond
	all := bused(t, 3, beat)
	type leave struct {
		node   string
		silent time.Duration
	}
	left := make(chan leave, 10)
	all[0].OnLeave(func(node string, silent time.Duration) { left <- leave{node, silent} })
	all[1].Close()
	if l := <-left; l.node != all[1].Node() || l.silent != 0 {
		t.Errorf("%+v, want the one that ended", l)
	}
	all[2].Kill()
	if l := <-left; l.node != all[2].Node() || l.silent < 5*beat || l.silent > 20*beat {
		t.Errorf("%+v, want the one that died", l)
	}
	if known, connected := all[0].Nodes(); !slices.Equal(known, []string{all[0].Node()}) || !connected || len(left) != 0 {
		t.Errorf("%v are left, connected: %v; %d more reports", known, connected, len(left))
	}
	if _, err := all[1].Ask(t.Context(), all[0].Node(), "test", nil); maru.ErrorOf(err).Code != maru.CodeShuttingDown {
		t.Errorf("after Close: %v", err)
	}
}
