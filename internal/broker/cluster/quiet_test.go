package cluster_test

import (
	"fmt"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
)

// A client that returns to a channel that retains nothing gets a gap after a change of owner only if
// something is missing: after an orderly end, after a kill with all heads in a checkpoint, and after one
// with the last of them in the stream alone.
func TestQuietChannelsKeepTheirHeads(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *cluster.Broker){
		"in order":           func(t *testing.T, b *cluster.Broker) { b.Close() },
		"killed later":       func(t *testing.T, b *cluster.Broker) { time.Sleep(500 * time.Millisecond); b.Kill() },
		"killed immediately": func(t *testing.T, b *cluster.Broker) { b.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := natsServers(t, 1)[0]
			o := cluster.Options{Prefix: prefix(), Beat: 100 * time.Millisecond, BrokerOptions: maru.BrokerOptions{
				Retention: func(string) maru.Retention { return maru.Retention{Publications: -1, Age: -1, Bytes: -1} }}}
			a := open(t, server, o)
			position := func(b *cluster.Broker, channel string) maru.Position {
				h, err := b.History(t.Context(), channel, maru.HistoryQuery{})
				if err != nil {
					t.Fatal(err)
				}
				return maru.Position{Epoch: h.Epoch, Offset: h.Head}
			}
			unused := position(a, "x:unused")
			at := make(map[string]maru.Position)
			for i := range 500 {
				channel := fmt.Sprint("x:", i%200)
				publishTo(t, a, channel, "text")
				at[channel] = position(a, channel)
			}
			end(t, a)
			b := open(t, server, o)
			for channel, since := range at {
				h, err := b.History(t.Context(), channel, maru.HistoryQuery{Since: &since, Limit: -1})
				if err != nil || h.Gap != nil || h.Head != since.Offset {
					t.Fatalf("%s: head %d, gap %v, %v: the client has all up to %v", channel, h.Head, h.Gap, err, since)
				}
				since.Offset--
				if h, _ := b.History(t.Context(), channel, maru.HistoryQuery{Since: &since, Limit: -1}); h.Gap == nil {
					t.Fatalf("%s: no gap from %v", channel, since)
				}
			}
			if h, err := b.History(t.Context(), "x:unused", maru.HistoryQuery{Since: &unused}); err != nil || h.Gap != nil {
				t.Errorf("a channel without publications: %v %v", h.Gap, err)
			}
			publishTo(t, b, "x:0", "after")
			before := at["x:0"]
			if h, err := b.History(t.Context(), "x:0", maru.HistoryQuery{Since: &before}); err != nil || h.Gap == nil || h.Gap.From != before.Offset+1 {
				t.Errorf("what was published after the takeover: %v %v", h.Gap, err)
			}
		})
	}
}

// A whole checkpoint replaces those before it, also one of several messages.
func TestWholeCheckpoints(t *testing.T) {
	t.Parallel()
	server := natsServers(t, 1)[0]
	o := cluster.Options{Prefix: prefix(), Beat: time.Hour, BrokerOptions: maru.BrokerOptions{
		Retention: func(string) maru.Retention { return maru.Retention{Publications: -1, Age: -1, Bytes: -1} }}}
	a := open(t, server, o)
	const n = 20_000
	done := make(chan error, n)
	for i := range n {
		a.Submit(fmt.Sprint("x:", i), &maru.Publication{Data: []byte("1")}, maru.PublishOptions{}, func(_ maru.Published, err error) { done <- err })
	}
	for range n {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	a.ForceWhole("x")
	if messages := a.HeadsMessages(); messages != 3 {
		t.Errorf("%d messages have %d heads", messages, n)
	}
	publishTo(t, a, "x:0", "2")
	a.Close()
	b := open(t, server, o)
	for _, i := range []int{0, 1, 777, n - 1} {
		h, err := b.History(t.Context(), fmt.Sprint("x:", i), maru.HistoryQuery{})
		if want := uint64(i + 2); err != nil || i > 0 && h.Head != want || i == 0 && h.Head != n+2 {
			t.Errorf("x:%d has the head %d, want %d: %v", i, h.Head, want, err)
		}
	}
}
