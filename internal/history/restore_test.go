package history_test

import (
	"fmt"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/history"

	"pgregory.net/rapid"
)

// What the log stores of each publication, with the channel's offset before it, is enough to
// restore the history: from any position all that was published after it and after the gap
// that is reported, the same heads, and no less than there was. (There is more where the
// bytes of other channels had removed something.)
func TestRestore(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		type written struct {
			channel string
			p       *maru.Publication
			prev    uint64
			version uint64
			passed  bool
		}
		r := maru.Retention{Publications: 3, Age: time.Hour, Bytes: 7*(history.Overhead+100) + 50}
		before := history.New(r, "e", 0, history.NewHeads(1000))
		var log []written
		channels := []string{"a", "b", "c", "d"}
		for range rapid.IntRange(0, 60).Draw(t, "publications") {
			c := rapid.SampledFrom(channels).Draw(t, "channel")
			p := &maru.Publication{Offset: before.Number() + 1, Data: make([]byte, rapid.SampledFrom([]int{0, 100, 4000}).Draw(t, "size"))}
			w := written{c, p, before.Head(c), uint64(rapid.IntRange(0, 9).Draw(t, "version")), !before.Retains(c, p)}
			before.Add(c, entry(c, p), w.version)
			log = append(log, w)
		}
		// The log keeps no less than the history: the newest of each channel.
		kept := make(map[string]int)
		var left []written
		for i := len(log) - 1; i >= 0; i-- {
			if kept[log[i].channel]++; kept[log[i].channel] <= r.Publications {
				left = append([]written{log[i]}, left...)
			}
		}
		after := history.New(r, "e", 0, history.NewHeads(1000))
		for _, w := range left {
			after.Restore(w.channel, entry(w.channel, w.p), w.prev, w.version, w.passed)
		}
		if after.Number() != before.Number() {
			t.Fatalf("number %d, want %d", after.Number(), before.Number())
		}
		for _, c := range channels {
			for since := uint64(0); since <= before.Number(); since++ {
				q := maru.HistoryQuery{Since: &maru.Position{Epoch: "e", Offset: since}, Limit: -1}
				was, is := ask(before, c, q), ask(after, c, q)
				if was.Gap != nil && was.Gap.Reason == maru.GapEpoch {
					continue // beyond the head
				}
				from := since
				if is.Gap != nil {
					from = is.Gap.To
				}
				want := maru.History{Head: was.Head, Gap: is.Gap}
				for _, w := range log {
					if w.channel == c && w.p.Offset > from {
						want.Publications = append(want.Publications, w.p)
					}
				}
				if summary(is) != summary(want) || len(is.Publications) < len(was.Publications) {
					t.Fatalf("%s since %d: %s, want %s, and no less than %s", c, since, summary(is), summary(want), summary(was))
				}
			}
		}
	})
}

func summary(h maru.History) string {
	s := fmt.Sprint("head ", h.Head, ":")
	for _, p := range h.Publications {
		s += fmt.Sprint(" ", p.Offset)
	}
	if h.Gap != nil {
		s += fmt.Sprintf(" gap %+v", *h.Gap)
	}
	return s
}

// Offsets that are lost may have been those of any channel that is not known.
func TestLost(t *testing.T) {
	t.Parallel()
	ns := history.New(maru.Retention{}.WithDefaults(), "e", 0, history.NewHeads(10))
	ns.Restore("a", entry("a", &maru.Publication{Offset: 9}), 0, 0, false)
	ns.Lost(7)
	since := func(offset uint64) maru.HistoryQuery {
		return maru.HistoryQuery{Since: &maru.Position{Epoch: "e", Offset: offset}, Limit: -1}
	}
	if h := ask(ns, "a", since(3)); h.Gap != nil || len(h.Publications) != 1 {
		t.Errorf("a channel that is known: %s", summary(h))
	}
	if h := ask(ns, "b", since(3)); h.Gap == nil || *h.Gap != (maru.Gap{Reason: maru.GapExpired, From: 4, To: 7}) {
		t.Errorf("one that is not: %s", summary(h))
	}
	if h := ask(ns, "b", since(7)); h.Gap != nil {
		t.Errorf("one that is not, from where nothing is missing: %s", summary(h))
	}
}

func entry(channel string, p *maru.Publication) history.Entry {
	return history.Entry{Offset: p.Offset, Size: history.Size(channel, p), Publication: p}
}

func ask(ns *history.Namespace, channel string, q maru.HistoryQuery) maru.History {
	return ns.History(channel, q, 0)
}
