package brokertest

import (
	"math"
	"slices"

	"maru.example/maru"
)

var queryRules = []rule{
	{"since is exclusive", ample, sinceExclusive},
	{"limit takes the first with since and the newest without", ample, limitEnds},
	{"before reads backwards, page by page", with(func(l *limits) { l.publications = 5 }), readBackwards},
	{"an unknown channel is empty and complete", ample, unknownChannel},
	{"an answer does not change", with(func(l *limits) { l.publications = 3 }), answersStay},
}

// Since is the position that the caller has: History returns what follows. It need not be
// an offset of this channel; a caller may ask from any position that it holds.
func sinceExclusive(r *rig) {
	a1 := r.publish("a", "x")
	b1 := r.publish("b", "x")
	a2 := r.publish("a", "x")
	a3 := r.publish("a", "x")
	for _, c := range []struct {
		since maru.Position
		want  []maru.Position
	}{
		{maru.Position{Epoch: a1.Epoch}, []maru.Position{a1, a2, a3}},
		{a1, []maru.Position{a2, a3}},
		{b1, []maru.Position{a2, a3}},
		{a2, []maru.Position{a3}},
		{a3, nil},
	} {
		h := r.history("a", c.since)
		r.wantPublications(h, c.want...)
		r.wantHead(h, a3.Offset)
		r.wantGap(h, nil)
	}
}

// Publications ascend in every answer. A subscriber that returns reads forward from its
// position, so Limit leaves out the end. A new one wants the newest, so Limit leaves out
// the beginning. 0 asks for none, a negative Limit for all.
func limitEnds(r *rig) {
	var a []maru.Position
	for range 5 {
		a = append(a, r.publish("a", "x"))
		r.publish("b", "x")
	}
	for _, c := range []struct {
		since *maru.Position
		limit int
		want  []maru.Position
	}{
		{nil, 2, a[3:]},
		{nil, 5, a},
		{nil, 6, a},
		{nil, -1, a},
		{nil, 0, nil},
		{&a[1], 2, a[2:4]},
		{&a[1], 3, a[2:]},
		{&a[1], 4, a[2:]},
		{&a[1], -7, a[2:]},
		{&a[1], 0, nil},
		{&a[4], 2, nil},
	} {
		h := r.query("a", maru.HistoryQuery{Since: c.since, Limit: c.limit})
		r.wantPublications(h, c.want...)
		r.wantHead(h, a[4].Offset)
		r.wantGap(h, nil)
	}
}

// Before is exclusive too: each page ends where the one before it began. The page that
// reaches the first retained publication has a gap, if there were earlier ones.
func readBackwards(r *rig) {
	var a []maru.Position
	for range 5 {
		a = append(a, r.publish("a", "x"))
		r.publish("b", "x")
	}
	epoch := a[0].Epoch
	beyond := maru.Position{Epoch: epoch, Offset: math.MaxUint64}
	ask := func(before maru.Position, limit int, gap *maru.Gap, want ...maru.Position) {
		r.Helper()
		h := r.query("a", maru.HistoryQuery{Before: &before, Limit: limit})
		r.wantPublications(h, want...)
		r.wantHead(h, a[len(a)-1].Offset)
		r.wantGap(h, gap)
	}
	ask(beyond, 2, nil, a[3:]...)
	ask(a[3], 2, nil, a[1:3]...)
	ask(maru.Position{Offset: a[3].Offset}, 2, nil, a[1:3]...)
	ask(maru.Position{Epoch: epoch, Offset: a[3].Offset - 1}, 2, nil, a[1:3]...) // any position will do
	ask(a[1], 2, nil, a[0])
	ask(a[4], -1, nil, a[:4]...)
	ask(a[4], 0, nil)
	ask(a[0], 2, nil)
	ask(maru.Position{}, 2, nil)
	ask(maru.Position{Epoch: "anotherlife", Offset: a[3].Offset}, 2, epochGap)

	a = append(a, r.publish("a", "x"), r.publish("a", "x")) // a[0] and a[1] are removed
	ask(a[4], 1, nil, a[3])
	ask(a[4], 2, expired(1, a[1].Offset), a[2:4]...)
	ask(a[4], 9, expired(1, a[1].Offset), a[2:4]...)
	ask(a[1], 9, expired(1, a[1].Offset-1))
	ask(maru.Position{Epoch: epoch}, 9, nil)
	for _, channel := range []string{"never", "new:a"} {
		h := r.query(channel, maru.HistoryQuery{Before: &maru.Position{Offset: 3}, Limit: 9})
		r.wantPublications(h)
		r.wantGap(h, nil)
	}
}

// A channel without publications has no head and no gap, but it has an epoch: a client that
// subscribes before the first publication and returns after it receives it.
func unknownChannel(r *rig) {
	for _, channel := range []string{"a", "new:a"} {
		h := r.history(channel)
		r.wantHead(h, 0)
		r.wantPublications(h)
		r.wantGap(h, nil)

		start := maru.Position{Epoch: h.Epoch, Offset: h.Head}
		h = r.history(channel, start)
		r.wantPublications(h)
		r.wantGap(h, nil)

		at := r.publish(channel, "x")
		h = r.history(channel, start)
		r.wantPublications(h, at)
		r.wantGap(h, nil)
	}
}

// An answer belongs to the caller: later publications do not change the list.
func answersStay(r *rig) {
	for range 3 {
		r.publish("a", "x")
	}
	all, part := r.history("a"), r.query("a", maru.HistoryQuery{Limit: 2})
	before, beforePart := slices.Clone(all.Publications), slices.Clone(part.Publications)
	for range 10 {
		r.publish("a", "y")
	}
	if !slices.Equal(all.Publications, before) || !slices.Equal(part.Publications, beforePart) {
		r.Errorf("later publications changed an earlier answer")
	}
}
