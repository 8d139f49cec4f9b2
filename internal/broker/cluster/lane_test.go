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
