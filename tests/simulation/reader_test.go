package simulation

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/hub"
)

// A reader is a subscriber, with what it received.
type reader struct {
	channel string
	since   maru.Position // where it began
	got     []uint64      // offsets
	slowest time.Duration // from a publication of the last run to here
}

// read subscribes to a channel on a node.
func (w *world) read(n *node, channel string) {
	q, h, err := n.hub.Subscribe(context.Background(), channel, hub.Reader{}, maru.HistoryQuery{})
	if err != nil {
		w.t.Fatal(err)
	}
	r := &reader{channel: channel, since: maru.Position{Epoch: h.Epoch, Offset: h.Head}}
	n.all = append(n.all, r)
	w.readers.Go(func() {
		defer q.Close()
		for {
			batch, err := q.Next(context.Background())
			if err != nil {
				return
			}
			for _, d := range batch {
				r.got = append(r.got, d.At.Offset)
				if published := int64(binary.BigEndian.Uint64(d.Publication.Data)); published >= w.since.Load() {
					r.slowest = max(r.slowest, time.Since(time.Unix(0, published)))
				}
			}
		}
	})
}

// judge compares what readers have with the history, and that with what was acknowledged. It is called
// after close.
func (w *world) judge() (deliveries int) {
	for channel, acked := range w.acked {
		for _, offset := range acked {
			if _, found := slices.BinarySearch(w.history[channel], offset); !found {
				w.t.Errorf("%s: %d was acknowledged and is gone", channel, offset)
			}
		}
	}
	for i, n := range w.nodes {
		for _, r := range n.all {
			want := w.history[r.channel]
			for len(want) > 0 && want[0] <= r.since.Offset {
				want = want[1:]
			}
			deliveries += len(r.got)
			if !slices.Equal(r.got, want) {
				w.t.Errorf("node %d, %s: %d received, %d published: %s", i, r.channel, len(r.got), len(want), difference(r.got, want))
			}
		}
	}
	return deliveries
}

// difference says where two lists of offsets begin to differ.
func difference(got, want []uint64) string {
	for i, offset := range want {
		if i >= len(got) || got[i] != offset {
			return fmt.Sprintf("number %d is %v, not %d", i, got[min(i, len(got)):min(i+3, len(got))], offset)
		}
	}
	return "more than were published"
}

// slowest is the longest time from a publication to a subscriber. It is called after close.
func (w *world) slowest() (most time.Duration) {
	for _, n := range w.nodes {
		for _, r := range n.all {
			most = max(most, r.slowest)
		}
	}
	return most
}
