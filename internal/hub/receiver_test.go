package hub_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

// heard is a Receiver that notes what it gets.
type heard struct {
	mu  sync.Mutex
	all []string
}

func (h *heard) Receive(all []hub.Received, joined bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range all {
		text := r.Channel + " " + string(r.Publication.Data)
		if r.Replay {
			text += " replayed"
		}
		h.all = append(h.all, text)
	}
	if joined {
		h.all = append(h.all, "joined")
	}
	return nil
}

// Channels that are diverted go to the Receiver from one moment on, and one that joins behind them
// too. What is left goes nowhere.
func TestDivert(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		c, h := w.connect(), new(heard)
		var all []hub.Membership
		for _, name := range []string{"b", "a"} {
			ch := w.hub.Channel(name)
			defer ch.Release()
			j, err := ch.Join(t.Context(), hub.Mode{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := j.Attach(t.Context(), c.socket(bare), nil); err != nil {
				t.Fatal(err)
			}
			all = append(all, hub.Membership{Channel: ch, Socket: c.socket(bare)})
		}
		w.publish("a", "1")
		w.publish("c", "2")
		var last []string
		hub.Divert(all, h, func(channel string, at maru.Position) { last = append(last, fmt.Sprint(channel, at.Offset > 0)) })
		w.publish("b", "3")

		ch := w.hub.Channel("c")
		defer ch.Release()
		j, err := ch.Join(t.Context(), hub.Mode{}, &maru.HistoryQuery{Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		j.To = h
		w.publish("c", "4")
		if err := j.Attach(t.Context(), c.socket(bare), nil); err != nil {
			t.Fatal(err)
		}
		w.publish("c", "5")
		all[0].Channel.Remove(c.socket(bare), false) // they are in order now: a
		w.publish("a", "6")
		synctest.Wait()
		if want := []string{"atrue", "bfalse"}; !slices.Equal(last, want) {
			t.Errorf("delivered before: %q, want %q", last, want)
		}
		if got := c.messages(); !slices.Equal(got, []string{"1"}) {
			t.Errorf("the socket got %q", got)
		}
		n := len(h.all)
		if n < 4 || h.all[0] != "b 3" || !slices.Equal(h.all[n-3:], []string{"c 4", "joined", "c 5"}) || h.all[n-4] != "c 2 replayed" {
			t.Errorf("the Receiver got %q", h.all)
		}
		if p := w.hub.Presence("c"); p.Anonymous != 1 {
			t.Errorf("presence %+v", p)
		}
	})
}

// What a connection got from the history before it was diverted counts, also if nothing was published
// since.
func TestDivertAfterReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, hub.Options{})
		w.publish("a", "1")
		c, ch := w.connect(), w.hub.Channel("a")
		defer ch.Release()
		j, err := ch.Join(t.Context(), hub.Mode{}, &maru.HistoryQuery{Limit: -1})
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Attach(t.Context(), c.socket(bare), nil); err != nil {
			t.Fatal(err)
		}
		var got maru.Position
		hub.Divert([]hub.Membership{{Channel: ch, Socket: c.socket(bare)}}, new(heard), func(_ string, last maru.Position) { got = last })
		if got != (maru.Position{Epoch: epoch, Offset: 1}) {
			t.Errorf("begins with %v", got)
		}
	})
}
