package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
	"maru.example/maru/internal/broker/disktest"

	nats "github.com/nats-io/nats.go"
)

// The contract of maru.BatchKeeper.
func TestRecords(t *testing.T) {
	t.Parallel()
	server, name := natsServers(t, 1)[0], prefix()
	disktest.Records(t, func() maru.Broker { return open(t, server, cluster.Options{Prefix: name}) })
}

// keptOf are the records of a kind, as key=value.
func keptOf(t *testing.T, k maru.Keeper, kind string) (all []string) {
	t.Helper()
	if err := k.Kept(t.Context(), kind, func(key string, value []byte, _ time.Time) bool {
		all = append(all, key+"="+string(value))
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// What one node keeps or forgets, the others have at once: by asking for all, for one, and by watching.
func TestRecordsOfThreeNodes(t *testing.T) {
	t.Parallel()
	all, _ := nodes(t, 200*time.Millisecond)
	long := strings.Repeat("한 ", 10_000) // keys are any text
	soon := time.Now().Add(time.Hour)
	keep := func(i int, key, value string) {
		t.Helper()
		if err := all[i].Keep(t.Context(), "a kind", key, []byte(value), soon); err != nil {
			t.Fatal(err)
		}
	}
	keep(0, "before", "1")
	var watched keptMap
	if err := all[2].WatchKept(t.Context(), "a kind", watched.change); err != nil || watched.String() != "before=1" {
		t.Fatal(watched.String(), err)
	}
	keep(0, "x", "1")
	keep(1, "x", "2")
	keep(1, long, "")
	keep(0, "gone", "1")
	if err := all[2].Forget(t.Context(), "a kind", "gone"); err != nil {
		t.Fatal(err)
	}
	want := []string{"before=1", "x=2", long + "="}
	for i := range all {
		if got := keptOf(t, all[i], "a kind"); !slices.Equal(got, want) {
			t.Errorf("node %d: %.40q", i, got)
		}
		value, until, err := all[i].Lookup(t.Context(), "a kind", "x")
		if err != nil || string(value) != "2" || !until.Equal(soon) {
			t.Errorf("node %d: %s %v %v", i, value, until, err)
		}
		if value, _, err := all[i].Lookup(t.Context(), "a kind", "gone"); err != nil || value != nil {
			t.Errorf("node %d: %s %v", i, value, err)
		}
	}
	waitFor(t, "what is watched", func() bool { return watched.String() == strings.Join(want, " ") })
}

// keptMap is what a watch has seen.
type keptMap struct {
	mu  sync.Mutex
	all map[string]string
}

func (m *keptMap) change(c maru.KeptChange) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = make(map[string]string)
	}
	if m.all[c.Key] = string(c.Value); c.Value == nil {
		delete(m.all, c.Key)
	}
}

func (m *keptMap) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for k, v := range m.all {
		all = append(all, k+"="+v)
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// Of many nodes that take one record, or make it, one does, also when it is made again afterwards.
func TestSwap(t *testing.T) {
	t.Parallel()
	all := bused(t, 3, time.Second)
	soon := time.Now().Add(time.Minute)
	for round := range 5 {
		for _, step := range []struct {
			old []byte
			to  maru.KeptChange
		}{
			{nil, maru.KeptChange{Key: "k", Value: []byte("made"), Until: soon}},
			{[]byte("other"), maru.KeptChange{Key: "k", Value: []byte("wrong"), Until: soon}},
			{[]byte("made"), maru.KeptChange{Key: "k"}},
		} {
			var done atomic.Int32
			var wg sync.WaitGroup
			for i := range 9 {
				wg.Go(func() {
					did, err := all[i%3].Swap(t.Context(), "a", step.old, step.to)
					if err != nil {
						t.Error(err)
					}
					if did {
						done.Add(1)
					}
				})
			}
			wg.Wait()
			want := int32(1)
			if string(step.old) == "other" {
				want = 0
			}
			if done.Load() != want {
				t.Errorf("round %d, from %q to %q: %d did", round, step.old, step.to.Value, done.Load())
			}
		}
	}
	if got := keptOf(t, all[1], "a"); len(got) != 0 {
		t.Error(got)
	}
}

// A record ends at its time, in NATS too, and so does what remembers that it was removed.
func TestRecordsEnd(t *testing.T) {
	t.Parallel()
	server, name := natsServers(t, 1)[0], prefix()
	b := open(t, server, cluster.Options{Prefix: name})
	for i := range 3 {
		if err := b.Keep(t.Context(), "a", fmt.Sprint(i), []byte("x"), time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Forget(t.Context(), "a", "0"); err != nil {
		t.Fatal(err)
	}
	if err := b.Keep(t.Context(), "a", "over", []byte("x"), time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := keptOf(t, b, "a"); !slices.Equal(got, []string{"1=x", "2=x"}) {
		t.Error(got)
	}
	waitFor(t, "end of the records", func() bool { return len(keptOf(t, b, "a")) == 0 })
	if done, err := b.Swap(t.Context(), "a", nil, maru.KeptChange{Key: "1", Value: []byte("y"), Until: time.Now().Add(time.Hour)}); !done || err != nil {
		t.Error(done, err)
	}
	waitFor(t, "end of the messages", func() bool { return b.KeptMessages() <= 2 }) // that record, and one of Kept
}

// With NATS away nothing is kept or said to be absent, and the errors are temporary. What others have
// done meanwhile is watched when it is back.
func TestRecordsWithNATSAway(t *testing.T) {
	t.Parallel()
	server, name := natsServers(t, 1)[0], prefix()
	away := newCable(t, strings.TrimPrefix(server.ClientURL(), "nats://"))
	conn, err := nats.Connect("nats://"+away.listener.Addr().String(), append(cluster.ConnOptions(), nats.ReconnectWait(50*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	b, err := cluster.Open(t.Context(), cluster.Options{Conn: conn, Prefix: name, Beat: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	other := open(t, server, cluster.Options{Prefix: name})
	soon := time.Now().Add(time.Hour)
	var watched keptMap
	if err := b.WatchKept(t.Context(), "a", watched.change); err != nil {
		t.Fatal(err)
	}
	if err := other.Keep(t.Context(), "a", "x", []byte("1"), soon); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the first", func() bool { return watched.String() == "x=1" })
	away.set(true)
	waitFor(t, "the cut", func() bool { return !conn.IsConnected() })
	_, _, looked := b.Lookup(t.Context(), "a", "x")
	_, swapped := b.Swap(t.Context(), "a", []byte("1"), maru.KeptChange{Key: "x"})
	for what, err := range map[string]error{
		"Keep":    b.Keep(t.Context(), "a", "x", []byte("2"), soon),
		"KeepAll": b.KeepAll(t.Context(), "a", []maru.KeptChange{{Key: "x", Value: []byte("2"), Until: soon}}),
		"Forget":  b.Forget(t.Context(), "a", "x"),
		"Kept":    b.Kept(t.Context(), "a", func(string, []byte, time.Time) bool { return true }),
		"Lookup":  looked, "Swap": swapped,
	} {
		if maru.ErrorOf(err).Code != maru.CodeUnavailable {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := other.Forget(t.Context(), "a", "x"); err != nil {
		t.Fatal(err)
	}
	if err := other.Keep(t.Context(), "a", "y", []byte("1"), soon); err != nil {
		t.Fatal(err)
	}
	away.set(false)
	waitFor(t, "what has changed", func() bool { return watched.String() == "y=1" })
}
