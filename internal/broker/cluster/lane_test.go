package cluster_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
)

func publishTo(t *testing.T, b *cluster.Broker, channel, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := maru.Publish(ctx, b, channel, &maru.Publication{Data: []byte(text)}, maru.PublishOptions{}); err != nil {
		t.Fatal(err)
	}
}

// A client with one position of two channels would lose what one of them gets behind the other. So a
// channel does not overtake another whose publication was lost on the way, whether the index says so
// or is lost, too.
func TestOneOrder(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string][]string{"publications": {"x:a"}, "publications and indexes": {"x:a", ""}, "all": {"x:a", "x:b", ""}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			servers, prefix := natsServers(t, 1), prefix()
			var got, none seen
			node := func(to *seen, beat time.Duration) *cluster.Broker {
				return open(t, servers[0], cluster.Options{BrokerOptions: maru.BrokerOptions{Sink: to.sink}, Prefix: prefix, Interest: true, Beat: beat})
			}
			owner, b := node(&none, time.Second), node(&got, time.Second)
			publishTo(t, owner, "x:a", "0")
			b.InOrder()
			for _, channel := range []string{"x:a", "x:b"} {
				b.Follow(channel)
				if _, err := b.History(t.Context(), channel, maru.HistoryQuery{}); err != nil {
					t.Fatal(err)
				}
			}
			texts := func() []string { // without what may come before the histories
				return slices.DeleteFunc(got.texts(), func(text string) bool { return text == "0" })
			}
			publishTo(t, owner, "x:b", "1")
			waitFor(t, "the first", func() bool { return len(texts()) == 1 })
			var again []func()
			for _, channel := range cut {
				if channel == "" {
					again = append(again, b.CutIndex("x:a"))
				} else {
					again = append(again, b.Cut(channel))
				}
			}
			publishTo(t, owner, "x:a", "2") // is lost
			publishTo(t, owner, "x:b", "3")
			publishTo(t, owner, "x:unknown", "of no interest")
			publishTo(t, owner, "x:a", "4")
			for _, f := range again {
				f()
			}
			publishTo(t, owner, "x:b", "5")
			publishTo(t, owner, "x:a", "6")
			waitFor(t, "all", func() bool { return len(texts()) >= 6 })
			if !slices.Equal(texts(), numbers(7)[1:]) {
				t.Errorf("%v", texts())
			}
			publishTo(t, b, "x:a", "7") // is answered behind the publication
			if all := texts(); len(all) != 7 || all[6] != "7" {
				t.Errorf("%v", all)
			}
		})
	}
}

// A channel that reads its history, since before its namespace had one order, holds a bounded number of
// publications meanwhile. What finds no room is read, too.
func TestHealingBeforeOrderIsBounded(t *testing.T) {
	t.Parallel()
	s, prefix := natsServers(t, 1)[0], prefix()
	retention := func(string) maru.Retention { return maru.Retention{Publications: 2 * cluster.MaxWaiting} }
	var got seen
	owner := open(t, s, cluster.Options{BrokerOptions: maru.BrokerOptions{Retention: retention}, Prefix: prefix, Beat: time.Minute})
	publishTo(t, owner, "x:a", "0")
	b := open(t, s, cluster.Options{BrokerOptions: maru.BrokerOptions{Retention: retention, Sink: got.sink}, Prefix: prefix, Interest: true, Beat: time.Minute}) // no comparison, which would let the lane wait
	b.InOrder()
	b.Follow("x:a")
	if _, err := b.History(t.Context(), "x:a", maru.HistoryQuery{}); err != nil {
		t.Fatal(err)
	}
	all := numbers(cluster.MaxWaiting + 500)
	publishTo(t, owner, "x:a", all[1])
	waitFor(t, "the first", func() bool { return slices.Contains(got.texts(), all[1]) })
	heal, held := b.StartHealing(t.Context(), "x:a")
	sent := 0
	for some := range slices.Chunk(all[2:], 500) { // the lane has room for these
		acknowledged := make(chan error, len(some))
		for _, text := range some {
			owner.Submit("x:a", &maru.Publication{Data: []byte(text)}, maru.PublishOptions{}, func(_ maru.Published, err error) { acknowledged <- err })
		}
		for range some {
			if err := <-acknowledged; err != nil {
				t.Fatal(err)
			}
		}
		sent += len(some)
		waitFor(t, "the lane", func() bool { return held() >= min(sent, cluster.MaxWaiting) })
	}
	time.Sleep(100 * time.Millisecond) // also for those that would be too many
	if n := held(); n > cluster.MaxWaiting {
		t.Errorf("%d publications wait, want %d", n, cluster.MaxWaiting)
	}
	heal()
	publishTo(t, owner, "x:a", "last") // does not overtake those that found no room
	waitFor(t, "all", func() bool { return slices.Contains(got.texts(), "last") })
	texts := slices.DeleteFunc(got.texts(), func(text string) bool { return text == "0" })
	if want := append(all[1:], "last"); !slices.Equal(texts, want) {
		t.Errorf("%d, want %d", len(texts), len(want))
	}
}
