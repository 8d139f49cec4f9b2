package history

import (
	"testing"
	"time"

	"maru.example/maru"
)

var retainNothing = maru.Retention{Publications: -1, Age: time.Hour, Bytes: 1 << 20}

// What a damaged store lost in the middle of a channel is a gap of exactly that range, and what
// can be read before it and after it is kept.
func TestHoles(t *testing.T) {
	t.Parallel()
	ns := New(maru.Retention{Publications: 5, Age: time.Hour, Bytes: 1 << 20}, "e", 0, NewHeads(10))
	restore := func(offset, prev uint64) { ns.Restore("a", Entry{Offset: offset, Size: 1}, prev, offset/3, false) }
	restore(3, 1)
	restore(5, 3)
	restore(12, 9) // 7 and 9 are lost
	type answer struct {
		from, to uint64
		kept     int
	}
	ask := func(since uint64) answer {
		h := ns.History("a", maru.HistoryQuery{Since: &maru.Position{Epoch: "e", Offset: since}, Limit: -1}, 0)
		a := answer{kept: len(h.Publications)}
		if h.Gap != nil {
			a.from, a.to = h.Gap.From, h.Gap.To
		}
		if h.Head != 12 {
			t.Errorf("head %d", h.Head)
		}
		return a
	}
	for since, want := range map[uint64]answer{
		0:  {1, 9, 3},
		1:  {6, 9, 3},
		5:  {6, 9, 1},
		9:  {0, 0, 1},
		12: {0, 0, 0},
	} {
		if got := ask(since); got != want {
			t.Errorf("since %d: %+v, want %+v", since, got, want)
		}
	}
	for before, want := range map[uint64]answer{
		12: {6, 9, 1},
		8:  {6, 7, 1},
		5:  {1, 1, 1},
		13: {6, 9, 1},
	} {
		h := ns.History("a", maru.HistoryQuery{Before: &maru.Position{Offset: before}, Limit: 1}, 0)
		if h.Gap == nil || *h.Gap != (maru.Gap{Reason: maru.GapExpired, From: want.from, To: want.to}) || len(h.Publications) != want.kept {
			t.Errorf("before %d: %+v and %d publications, want %+v", before, h.Gap, len(h.Publications), want)
		}
	}
	if ns.Version("a") != 4 || !ns.Stale("a", 4) || ns.Stale("a", 5) {
		t.Errorf("version %d", ns.Version("a"))
	}
	// The holes go with what is retained around them.
	for n := uint64(21); n < 27; n++ {
		ns.Add("a", Entry{Offset: n, Size: 1}, 0)
	}
	if h := ns.History("a", maru.HistoryQuery{Since: &maru.Position{Offset: 21}}, 0); h.Gap != nil || ns.channels["a"].holes != nil {
		t.Errorf("gap %+v after the holes are gone", h.Gap)
	}
	if h := ns.History("a", maru.HistoryQuery{Since: &maru.Position{Offset: 2}}, 0); h.Gap == nil || h.Gap.To != 21 {
		t.Errorf("gap %+v, want up to 21", h.Gap)
	}
}

// The order of retention forgets what its channels have dropped.
func TestOrderIsBounded(t *testing.T) {
	t.Parallel()
	ns := New(maru.Retention{Publications: 2, Age: time.Hour, Bytes: 1 << 20}, "e", 0, NewHeads(10))
	ns.Add("quiet", Entry{Offset: 1, Size: 1}, 0)
	for n := uint64(2); n < 10_000; n++ {
		ns.Add("busy", Entry{Offset: n, Size: 1}, 0)
	}
	if n := ns.order.len(); n > 100 || cap(ns.order.items) > 300 {
		t.Errorf("%d items in an array of %d, for 3 publications", n, cap(ns.order.items))
	}
	if held := ns.Held(); held.Publications != 3 || held.Bytes != 3 {
		t.Errorf("holds %+v", held)
	}
}
