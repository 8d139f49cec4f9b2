package cluster_test

import (
	"slices"
	"testing"
	"time"

	"maru.example/maru"
	"maru.example/maru/internal/broker/cluster"
)

// A node that seems to be dead, because the watch of the bucket stands still, keeps what it owns. When
// it is dead, that is known too.
func TestStandingWatch(t *testing.T) {
	t.Parallel()
	server, name := natsServers(t, 1)[0], prefix()
	o := cluster.Options{Prefix: name, Beat: 100 * time.Millisecond}
	a, b := open(t, server, o), open(t, server, o)
	for range 20 {
		b.Overlook(a.Node())
		if dead, err := b.Dead(t.Context(), a.Node()); dead || err != nil {
			t.Fatal(dead, err)
		}
	}
	a.Kill()
	waitFor(t, "the death of the other node", func() bool {
		dead, err := b.Dead(t.Context(), a.Node())
		return dead && err == nil
	})
}

// A former owner that could not count up for a while, and whose namespace another node has taken
// meanwhile, does not answer with what it had.
func TestFormerOwner(t *testing.T) {
	t.Parallel()
	server, name := natsServers(t, 1)[0], prefix()
	o := cluster.Options{Prefix: name, Beat: time.Minute}
	a, b := open(t, server, o), open(t, server, o)
	publish(t, a, "0")
	if err := b.Take(t.Context(), maru.Namespace("a")); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "1")
	a.Lapse()
	h, err := a.History(t.Context(), "a", maru.HistoryQuery{Limit: -1})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, p := range h.Publications {
		texts = append(texts, string(p.Data))
	}
	if !slices.Equal(texts, []string{"0", "1"}) {
		t.Errorf("the history is %v", texts)
	}
}

// Of two subscribers that begin at once, the second one's history may be newer. What it has is behind
// the beginning of the channel on this node, and not delivered: so the first one's is asked for again.
func TestHistoryBeforeTheBeginning(t *testing.T) {
	t.Parallel()
	b := open(t, natsServers(t, 1)[0], cluster.Options{Prefix: prefix(), Interest: true})
	publish(t, b, "0")
	publish(t, b, "1")
	b.Follow("a")
	h, err := b.History(t.Context(), "a", maru.HistoryQuery{Limit: -1})
	if err != nil || len(h.Publications) != 2 {
		t.Fatal(h, err)
	}
	older := maru.Position{Epoch: h.Epoch, Offset: h.Publications[0].Offset}
	for begun, want := range map[bool]error{false: cluster.ErrEarlier, true: nil} {
		if err := b.Agree(t.Context(), "a", older, begun); err != want {
			t.Errorf("something was known before the question %t: %v, want %v", begun, err, want)
		}
	}
}
